"""The README, CONTRIBUTING.md and docs/: no dead link, no path that is gone, no misspelling, and a short README."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from llaisys_mini import exercises, operators
from llaisys_mini.course.labs import find_labs

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "llaisys_mini"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LONGEST_README = 120  # lines
MARKDOWN = MarkdownIt("commonmark").enable("table")

# A path in the text that begins with one of these folders is one of the repository.
FOLDERS = "llaisys_mini solutions notebooks labs autograder training data benchmarks tests docs".split()
NOT_IN_A_CLONE = ("llaisys_mini/student/", "benchmarks/results/")
PLACEHOLDER = re.compile(r"<|NN_|NAME")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def inline_tokens(text: str):
    for block in MARKDOWN.parse(text):
        yield from block.children or []


def links(text: str) -> list[str]:
    found = [token.attrs[name] for token in inline_tokens(text) for name in ("href", "src") if name in token.attrs]
    return found + re.findall(r'<img src="([^"]+)"', text)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: a heading in lower case, without punctuation, with hyphens for spaces."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(link: str, page: Path) -> str | None:
    """What is wrong with a link of a page, or None. Pages of other sites are not fetched."""
    parts = urlsplit(link)
    if parts.scheme:
        return None if parts.scheme == "https" and "." in parts.netloc else "not a web address"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists():
        return "no such file"
    if parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target):
        return "no such heading"
    return None


def missing_paths(text: str) -> list[str]:
    """Paths in code spans that should be in the repository and are not."""
    spans = [token.content for token in inline_tokens(text) if token.type == "code_inline"]
    paths = [span for span in spans if re.match(rf"({'|'.join(FOLDERS)})/\S*$", span)]
    expected = [p for p in paths if not p.startswith(NOT_IN_A_CLONE) and not PLACEHOLDER.search(p)]
    return [path for path in expected if not list(ROOT.glob(path))]


@every_page
def test_no_link_is_dead(page):
    found = links(page.read_text())
    assert found or page.stem == "glossary"
    wrong = {link: problem for link in found if (problem := dead(link, page))}
    assert not wrong


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("docs/gpu.md", None),
        ("docs/gpu.md#the-sanitizer", None),
        ("docs/gpu.md#the-sanitiser", "no such heading"),
        ("docs/misspelt.md", "no such file"),
        ("docs/", None),
        ("http://nowhere", "not a web address"),
    ],
)
def test_dead_links_are_told_from_live_ones(link, problem):
    assert dead(link, ROOT / "README.md") == problem


@every_page
def test_every_path_in_the_text_is_there(page):
    assert missing_paths(page.read_text()) == []


def test_a_path_that_is_gone_is_found():
    text = "`llaisys_mini/contract.py`, `llaisys_mini/gone.py`, `solutions/labs/NN_name.py`, `docs/*.md`, `labs/`"
    assert missing_paths(text) == ["llaisys_mini/gone.py"]


def test_every_page_of_docs_is_in_the_index():
    index = links((ROOT / "docs" / "README.md").read_text())
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= set(index)


def test_every_picture_has_alternative_text():
    for page in PAGES:
        for image in re.findall(r"<img[^>]*>", page.read_text()):
            assert re.search(r'alt="[^"]{20,}"', image), image


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < LONGEST_README


def test_architecture_names_every_room_of_the_package():
    text = (ROOT / "docs" / "architecture.md").read_text().split("## The package")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    folders = {"student", *(path.parent.name for path in PACKAGE.glob("*/__init__.py"))}  # student/ is not a package
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert named == folders | modules


def test_glossary_is_in_alphabetical_order():
    terms = re.findall(r"^### (.+)", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert terms == sorted(terms, key=str.lower)


def test_no_misspelling():
    command = [sys.executable, "-m", "codespell_lib", "--builtin", "clear,rare", *map(str, PAGES)]
    assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout == ""


def test_the_readme_counts_what_there_is():
    lectures, labs = len(list((ROOT / "notebooks").glob("*.ipynb"))), len(find_labs())
    tasks = f"{len(operators.names)} operators and {len(exercises.names)} exercises"
    assert f"{lectures} lectures and {labs} labs, with {tasks}" in (ROOT / "README.md").read_text()
