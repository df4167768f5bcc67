"""Written answers as they may be shown in a browser: nothing in them runs.

An answer is Markdown, and Markdown may hold any HTML. It is made harmless twice:

- `harmless` when the graded copy is written: an answer whose HTML could do more than lay out text is shown as text;
- `markdown2html` when nbgrader's pages turn it to HTML (nbgrader_config.py): what comes out is cleaned by bleach.

The page is also served with a content policy (served.py). Each of the three is enough by itself.
"""

import html
import re
from html.parser import HTMLParser

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from autograder.judge.watch import limited

TAGS = frozenset(
    "a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre q s"
    " small span strong sub summary sup table tbody td tfoot th thead tr u ul var".split()
)
ATTRIBUTES = {
    "*": ["title"],
    "a": ["href"],
    "img": ["alt", "src", "width", "height"],
    "ol": ["start"],
    "td": ["align", "colspan", "rowspan", "style"],
    "th": ["align", "colspan", "rowspan", "style"],
}
_PROTOCOLS = frozenset({"http", "https", "mailto", "data"})
_LINK = re.compile(r"https?://|mailto:|#", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(png|jpeg|gif);base64,[\w+/=\s]*")
_CSS = CSSSanitizer(allowed_css_properties=["text-align"])
_MATH_THAT_LINKS = re.compile(r"\\\s*(href|url|require|csname|class|cssId|style|def|let|newcommand|unicode)\b", re.I)
"""Commands with which MathJax makes links and attributes, or under another name of which it could."""

MOST_RENDERED = 20_000  # characters; renderers of Markdown take a time that grows with the square of them
SECONDS_TO_RENDER = 3  # of computing
_SHOWN_AS_TEXT = "*(This answer holds HTML that a browser could run, or is very long. It is shown as text.)*"


def cleaned(page: str) -> str:
    """HTML with nothing but layout in it; everything else is shown as text. No image is fetched from anywhere."""
    return bleach.clean(page, TAGS, _allowed, _PROTOCOLS, strip=False, strip_comments=True, css_sanitizer=_CSS)


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return tag == "img" and _IMAGE.fullmatch(value) is not None
    if name == "href":
        return tag == "a" and _LINK.match(value) is not None
    if name == "class":  # of highlighted code alone: the page's own classes are its buttons and fields
        return re.fullmatch(r"highlight|language-\w+|[a-z]{1,3}\d?", value) is not None
    return name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ())


def rendered(source: str) -> str:
    """The HTML that nbgrader's pages make of a cell of Markdown, before it is cleaned."""
    return MarkdownWithMath(renderer=IPythonRenderer(escape=False, exclude_anchor_links=True)).render(source)


@pass_context
def markdown2html(context, source: str) -> str:
    """nbconvert's filter of this name, with the result cleaned."""
    if _MATH_THAT_LINKS.search(_text(rendered(source))):
        source = as_text(source)
    return cleaned(rendered(source))


def harmless(source: str) -> str:
    """The answer as it is, where that is harmless; else as a block of text under a line that says so."""
    if len(source) > MOST_RENDERED:
        return as_text(source)
    try:
        with limited(SECONDS_TO_RENDER):
            page = rendered(source)
            if _parts(page) == _parts(cleaned(page)) and not _MATH_THAT_LINKS.search(_text(page)):
                return source
    except Exception:  # what a renderer cannot read, or not in time, is no reason to lose the answer
        pass
    return as_text(source)


def as_text(source: str) -> str:
    """Markdown that shows `source` letter by letter."""
    longest = max((len(run) for run in re.findall(r"[`~]{3,}", source)), default=2)
    fence = "`" * (longest + 1)
    return f"{_SHOWN_AS_TEXT}\n\n{fence}text\n{source}\n{fence}"


def _text(page: str) -> str:
    """What a reader, and MathJax, sees of a page: without tags, with its entities resolved."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


class _Parts(HTMLParser):
    """Start and end tags with attributes, and text, however they are written."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found: list[tuple] = []

    def handle_starttag(self, tag, attrs):
        told = {name: re.sub(r"[\s;]+", "", value or "") for name, value in attrs}  # a style may end in ";" or not
        self.found.append((tag, *sorted(told.items())))

    def handle_endtag(self, tag):
        if tag not in ("br", "hr", "img"):
            self.found.append((f"/{tag}",))

    def handle_data(self, data):
        if _squeezed(data):
            self.found.append(("", _squeezed(data)))

    def handle_comment(self, data):
        self.found.append(("comment",))

    handle_decl = unknown_decl = handle_pi = handle_comment


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _parts(page: str) -> list[tuple]:
    parser = _Parts()
    parser.feed(page)
    parser.close()
    return parser.found
