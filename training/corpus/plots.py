"""Reads the plots: what happens in a story, as plain text with choices and slots, one file of `plots/` a group.

    # name; light; end=given; things=drum,bell     the header; what follows a ";" is optional
    where = on a chair | under the bed             a value of this plot, drawn once per story
    One day, {H} saw {a_color_thing} {where}.      a line of sentences; with "?" in front it may be left out
                                                   an empty line: a new paragraph
    = {H} found {a_color_thing}.                   the story in one sentence
    Q Where was the {thing}? | ... > It was ...    wordings of a question, and its answer

A story begins with an opening and ends with a closing that all plots share. The words of a plot name an animal, a thing
of the tables or a color through slots only; so every story keeps its hero and its thing by construction, and a check
can demand the same of a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "plots"
FILES = ("lost_and_found", "friends", "courage", "fun", "work", "seasons")


@dataclass(frozen=True)
class PlotQuestion:
    wordings: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Line:
    template: str
    optional: bool


@dataclass(frozen=True)
class Plot:
    """light: only for things that the wind can carry. end: what has become of the thing: "kept" by the hero or shared
    ("any"), "shared", or "given" to the friend. rows: the table whose rows fill some of its slots."""

    name: str
    paragraphs: list[list[Line]]
    values: dict[str, list[str]]
    summary: str
    questions: list[PlotQuestion]
    light: bool = False
    end: str = "any"
    things: list[str] = field(default_factory=list)
    rows: str | None = None


def _parse_plot(block: str) -> Plot:
    header, _, body = block.partition("\n")
    name, *options = [part.strip() for part in header.removeprefix("# ").split(";")]
    settings = dict(option.partition("=")[::2] for option in options)
    values: dict[str, list[str]] = {}
    questions: list[PlotQuestion] = []
    summary = ""
    paragraphs: list[list[Line]] = [[]]
    for line in body.strip().splitlines():
        if not line:
            paragraphs.append([])
        elif line.startswith("= "):
            summary = line[2:]
        elif line.startswith("Q "):
            wordings, _, answer = line[2:].partition(" > ")
            questions.append(PlotQuestion(tuple(wordings.split(" | ")), answer))
        elif match := re.match(r"(\w+) = (.*)", line):
            values[match[1]] = match[2].split(" | ")
        else:
            paragraphs[-1].append(Line(line.removeprefix("?"), line.startswith("?")))
    return Plot(
        name,
        paragraphs,
        values,
        summary,
        questions,
        light="light" in settings,
        end=settings.get("end", "any"),
        things=[thing for thing in settings.get("things", "").split(",") if thing],
        rows=settings.get("rows"),
    )


def read_plots(file: str) -> list[Plot]:
    text = (FOLDER / f"{file}.txt").read_text(encoding="utf-8")
    return [_parse_plot(block) for block in re.split(r"\n+(?=# )", text.strip())]


@cache
def story_plots() -> list[Plot]:
    return [plot for file in FILES for plot in read_plots(file)]


@cache
def held_out_plots() -> list[Plot]:
    return read_plots("held_out")


@cache
def short_texts() -> list[Plot]:
    """Texts of a few sentences, which a question gives and asks about."""
    return read_plots("short_texts")


@cache
def held_out_short_texts() -> list[Plot]:
    return read_plots("held_out_short_texts")
