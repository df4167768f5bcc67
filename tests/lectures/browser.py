"""A real browser for the tests of widgets, driven by its command line alone, and the maker of the widgets' pictures.

python -m tests.lectures.browser        draw the first picture of every widget anew
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path

from llaisys_mini.lectures import widgets

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
STILL = 'new XMLSerializer().serializeToString(root.querySelector("svg"))'
SECONDS = 120


def program() -> str | None:
    """The path of a browser, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def page(name: str, body: str = "", script: str = "") -> str:
    """A plain page with one widget. body: attributes of <body>; script: JavaScript that runs after it."""
    html = widgets.Widget(name)._repr_mimebundle_()["text/html"]
    return f'<!DOCTYPE html><meta charset="utf-8"><body {body}>{html}<script>{script}</script></body>'


def ask(name: str, question: str, body: str = "", virtual_milliseconds: int = 3000):
    """Show a widget and return what the JavaScript function body `question` returns (JSON), or a promise of it.

    It may use `host`, the element of the widget, and `root`, the tree inside it. Time in the page is virtual: it passes
    as fast as the browser can.
    """
    script = f"""
        const host = document.querySelector("[data-widget]"), root = host.shadowRoot;
        const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
        (async () => {{ {question} }})()
            .then((answer) => JSON.stringify({{ answer }}), (error) => JSON.stringify({{ error: String(error) }}))
            .then((text) => {{
                const place = document.createElement("pre");
                place.id = "answer";
                place.textContent = text;
                document.body.append(place);
            }});
    """
    text = dump(page(name, body, script), virtual_milliseconds)
    found = re.findall(r'<pre id="answer">(.*?)</pre>', text, re.DOTALL)
    assert found, f"the page gave no answer:\n{text[-2000:]}"
    reply = json.loads(unescape(found[0]))
    assert "error" not in reply, reply["error"]
    return reply.get("answer")


def dump(html: str, virtual_milliseconds: int = 3000) -> str:
    """The document tree of a page after its scripts have run, as text."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(html, encoding="utf-8")
        command = [
            program() or PROGRAMS[0], "--headless=new", "--disable-gpu", "--disable-background-networking",
            "--no-first-run", f"--user-data-dir={folder}/profile", f"--virtual-time-budget={virtual_milliseconds}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []), "--dump-dom", file.as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout


def still(name: str) -> str:
    """The picture that the widget draws first, as SVG."""
    return ask(name, f"return {STILL};").replace("><", ">\n<") + "\n"


if __name__ == "__main__":
    for widget in widgets.names():
        place = widgets.FOLDER / f"{widget}.svg"
        if not place.exists():
            place.write_text("<svg><desc>not drawn yet</desc></svg>\n", encoding="utf-8")
        place.write_text(still(widget), encoding="utf-8")
        print(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)
