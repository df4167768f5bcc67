"""Which files of the repository are pages of the site, and where the links between them lead.

The site keeps the repository's folders, so a link from page to page holds as it stands. A link to any other file leads
to where the repository is published; as long as no address is given, its words stay without the link.
"""

import re
from urllib.parse import unquote, urlsplit

from llaisys_mini.paths import course_root

ROOT = course_root()

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "data/README.md", "data/models/*/README.md")
LECTURES = "notebooks/[0-9][0-9]_*.ipynb"
LABS = "labs/[0-9][0-9]_*/[0-9][0-9]_*.ipynb"
PICTURES = "docs/pictures/*"

_LINK = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+)[^`].*?(?P=ticks))"
    r"|(?<!!)\[(?P<words>[^\[\]]*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)
"""In Markdown: code, which is left alone, and links."""


def found(*patterns: str) -> list[str]:
    """Paths in the repository, with slashes, in order."""
    return [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def all_pages() -> set[str]:
    return set(found(*DOCUMENTS, LECTURES, LABS))


def with_links(text: str, page: str, pages: set[str], repository: str) -> str:
    """Markdown of `page` with its links as the site needs them. repository: its address, or "" for none."""

    def replace(match: re.Match) -> str:
        if match["code"]:
            return match[0]
        target = _target(match["target"], page, pages, repository)
        return f"[{match['words']}]({target})" if target else match["words"]

    return _LINK.sub(replace, text)


def _target(link: str, page: str, pages: set[str], repository: str) -> str | None:
    """Where a link of `page` leads on the site; None for nowhere."""
    parts = urlsplit(link)
    if parts.scheme or not parts.path:
        return link
    file = (ROOT / page).parent / unquote(parts.path)
    try:
        path = file.resolve().relative_to(ROOT).as_posix()
    except ValueError:  # outside the repository
        return None
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    if path in pages:
        return link
    if f"{path}/README.md" in pages:
        return f"{parts.path.rstrip('/')}/README.md{fragment}"
    return address_of(path, repository)


def address_of(path: str, repository: str) -> str | None:
    """Where a file or folder of the repository is shown; None where no repository is given."""
    if not repository or not (ROOT / path).exists():
        return None
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository.rstrip('/')}/{kind}/main/{path}"


def linked(words: str, path: str, repository: str) -> str:
    """Markdown: the words as a link to a file of the repository, or alone."""
    address = address_of(path, repository)
    return f"[{words}]({address})" if address else words
