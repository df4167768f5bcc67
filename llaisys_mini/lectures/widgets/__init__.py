"""Figures that a reader can move: small programs in plain JavaScript that need no Python kernel and no network.

    widgets.show("strides")

A widget NAME is two files of this folder: NAME.js, the program, and NAME.svg, its first picture, which stands where
scripts do not run and says in its <desc> what it shows. `python -m tests.lectures.browser` makes the picture anew from
the program. frame.js is common to all.
"""

import base64
import re
from html import escape, unescape
from pathlib import Path

from llaisys_mini.errors import UserError
from llaisys_mini.lectures import theme

FOLDER = Path(__file__).resolve().parent
FRAME = FOLDER / "frame.js"


class WidgetError(UserError, ValueError):
    """There is no widget of this name."""


def names() -> list[str]:
    """The widgets that there are, in alphabetical order."""
    return sorted(file.stem for file in FOLDER.glob("*.js") if file != FRAME)


def show(name: str) -> None:
    """Display the widget `name`. Raises WidgetError if there is none."""
    from IPython.display import display

    display(Widget(name))


class Widget:
    """What a notebook keeps of a widget: its picture, and the program that takes the place of it where scripts run.
    Raises WidgetError for a name that there is not."""

    def __init__(self, name: str):
        if name not in names():
            raise WidgetError(f"there is no widget {name!r}; there are: {', '.join(names())}")
        self.name = name
        self.program = FRAME.read_text(encoding="utf-8") + (FOLDER / f"{name}.js").read_text(encoding="utf-8")
        self.still = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        self.alt = unescape(re.findall(r"<desc>(.+?)</desc>", self.still)[0])

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        source = f"data:image/svg+xml;base64,{base64.b64encode(self.still.encode()).decode()}"
        # JupyterLab must not take keys that are meant for a control of the widget as commands of its own.
        host = f'<div class="{theme.CARD}" data-widget="{self.name}" data-lm-suppress-shortcuts="true">'
        still = f'<img alt="{escape(self.alt)}" src="{source}">'
        start = f'start(document.currentScript, "{self.name}", WIDGET);'
        script = f"<script>(function () {{\n{self.program}{start}\n}})();</script>"
        return {"text/html": f"{theme.STYLE}{host}{still}</div>{script}", "text/plain": f"[widget: {self.alt}]"}
