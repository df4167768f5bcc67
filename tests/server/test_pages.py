"""The two pages: what they are made of, and that they need nothing but this server."""

import html.parser
import re
import urllib.request
from collections import Counter
from importlib import resources

import pytest

PAGES = resources.files("llaisys_mini.server") / "pages"
FILES = {place.name: place.read_text(encoding="utf-8") for place in PAGES.iterdir()}
HTML = sorted(name for name in FILES if name.endswith(".html"))
KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


class Page(html.parser.HTMLParser):
    """What a page refers to, and its elements."""

    def __init__(self, name):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(FILES[name])

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.attributes += attrs

    def values(self, *names):
        return [value for name, value in self.attributes if name in names]


def modules(name):
    """A script and all that it imports, in turn."""
    found, left = set(), [name]
    while left:
        found.add(script := left.pop())
        left += set(re.findall(r'from "\./([^"]+)"', FILES[script])) - found
    return found


@pytest.mark.parametrize("path", ["/", "/engine", *(f"/pages/{name}" for name in sorted(FILES))])
def test_every_file_is_served_with_its_type_and_policy(url, path):
    name = {"/": "chat.html", "/engine": "engine.html"}.get(path, path.rpartition("/")[2])
    with urllib.request.urlopen(url + path) as answer:
        assert answer.read().decode() == FILES[name]
        assert answer.headers.get_content_type() == KINDS[name.rpartition(".")[2]]
        policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"


@pytest.mark.parametrize("name", HTML)
def test_a_page_has_nothing_inline_and_refers_only_to_what_is_there(name):
    page = Page(name)
    for tag, attributes in page.tags:
        assert tag != "style" and "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
        assert tag != "script" or attributes["src"]
    places = page.values("src", "href", "action", "data", "srcset")
    assert len(places) >= 5
    assert not set(places) - {"/", "/engine"} - {f"/pages/{file}" for file in FILES}


@pytest.mark.parametrize("name", HTML)
def test_labels_and_scripts_name_elements_that_are_there(name):
    page = Page(name)
    ids = Counter(page.values("id"))
    assert set(ids.values()) == {1}
    named = page.values("for", "aria-controls", "aria-labelledby", "aria-describedby")
    (script,) = [attributes["src"] for tag, attributes in page.tags if tag == "script"]
    for module in modules(script.removeprefix("/pages/")):
        named += re.findall(r'find\("([^"]+)"\)', FILES[module])
    assert not set(named) - set(ids)
    fields = [a["id"] for tag, a in page.tags if tag in ("input", "select", "textarea", "meter")]
    assert not set(fields) - set(page.values("for"))


def test_scripts_and_styles_stay_on_this_server_and_set_no_markup():
    used = set(HTML) | {"icon.svg", "base.css", "chat.css", "engine.css"} | modules("chat.js") | modules("engine.js")
    assert used == set(FILES)
    for name, text in FILES.items():
        assert set(re.findall(r"\w+://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert set(re.findall(r"url\(([^)]*)\)", text)) <= {"#hatching"}, name
        assert "@import" not in text, name
        if name.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", text), (
                name
            )
