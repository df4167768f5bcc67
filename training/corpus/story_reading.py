"""Reads a story back: which plot it follows, who is in it, and whether it contradicts itself.

The templates that write the stories are turned into patterns. So a story that a model has told can be checked, and
asked about, by the same plots that the training text was written from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from . import held_out, tables
from .plots import Plot, held_out_plots, short_texts, story_plots
from .stories import CLOSINGS, HAS_THING, OPENINGS, Story
from .writing import Choice, Parts, Slot, parse, uncapitalized, with_article

NAME = r"[A-Z][a-z]+"
KIND = "|".join(sorted(tables.KINDS, key=len, reverse=True))
COLOR = "|".join(tables.COLORS)
SLOT_PATTERNS = {
    **dict.fromkeys(("H", "F", "G"), NAME),
    **dict.fromkeys(("kind", "fkind", "gkind"), KIND),
    "thing": "|".join(tables.THING_NAMES),
    "color": COLOR,
    "at_place": "|".join(tables.PLACES.values()),
    **dict.fromkeys(("he", "fhe"), "she|he"),
    **dict.fromkeys(("him", "fhim"), "her|him"),
    **dict.fromkeys(("his", "fhis"), "her|his"),
    **dict.fromkeys(("himself", "fhimself"), "herself|himself"),
}
# Slots whose words come from a table.
TABLE_VALUES = {
    slot: sorted({getattr(thing, slot) for thing in tables.THINGS}, key=len, reverse=True)
    for slot in ("play", "breaks", "mend", "rescue", "trouble")
}
OBSTACLE_VALUES = {
    "how": [how for obstacle in tables.OBSTACLES for how in obstacle.how],
    "where": [obstacle.where for obstacle in tables.OBSTACLES],
    "attempt": [text for obstacle in tables.OBSTACLES for text in obstacle.attempts],
    "attempt2": [text for obstacle in tables.OBSTACLES for text in obstacle.attempts],
    "deed": [deed for obstacle in tables.OBSTACLES for _, deed in obstacle.helpers],
}
COMPOSED = {
    "a_kind": "{a} {kind}",
    "a_fkind": "{a} {fkind}",
    "a_thing": "{a} {thing}",
    "a_color_thing": "{a} {color} {thing}",
}
FEMALE = {"she", "her", "herself"}


class _PatternWriter:
    """Turns one template into a regular expression whose groups are called "slot__number"."""

    def __init__(self, own_values: Mapping[str, list[str]]) -> None:
        self.own_values = own_values
        self.groups = 0

    def pattern(self, parts: Parts, at_start: bool = False) -> str:
        pieces = []
        for index, part in enumerate(parts):
            first = at_start and index == 0
            if isinstance(part, str):
                pieces.append(self._literal(part, first))
            elif isinstance(part, Choice):
                pieces.append("(?:" + "|".join(self.pattern(option, first) for option in part.options) + ")")
            else:
                pieces.append(self._slot(part, first))
        return "".join(pieces)

    def _literal(self, text: str, at_start: bool) -> str:
        if not at_start:
            return re.escape(text)
        start = 1 if text.startswith('"') else 0  # the first letter may have become a capital
        return f"{re.escape(text[:start])}(?i:{re.escape(text[start : start + 1])}){re.escape(text[start + 1 :])}"

    def _slot(self, slot: Slot, at_start: bool) -> str:
        name = slot.name if slot.name in SLOT_PATTERNS or slot.name in self.own_values else uncapitalized(slot.name)
        any_case = at_start or name != slot.name
        if name in COMPOSED:
            inner = self.pattern(parse(COMPOSED[name]))
            return f"(?i:{inner})" if any_case else inner
        if name == "a":
            return "an?"
        if name in self.own_values:
            inner = "|".join(self.pattern(parse(value)) for value in self.own_values[name])
        else:
            inner = SLOT_PATTERNS[name]
        self.groups += 1
        group = f"(?P<{name}__{self.groups}>{inner})"
        return f"(?i:{group})" if any_case and inner != NAME else group


@cache
def _compiled(template: str, plot_name: str | None) -> tuple[re.Pattern[str], str]:
    """The pattern, and the longest run of plain letters in it, which is quickly looked for first."""
    plot = _plots().get(plot_name) if plot_name is not None else None
    parts = parse(template)
    rows = OBSTACLE_VALUES if plot and plot.rows else {}
    writer = _PatternWriter(TABLE_VALUES | rows | (plot.values if plot else {}))
    literals = [part for part in parts[1:] if isinstance(part, str)] or [""]
    return re.compile(writer.pattern(parts, at_start=True)), max(literals, key=len)


@cache
def _plots() -> dict[str, Plot]:
    return {plot.name: plot for plot in story_plots() + held_out_plots() + short_texts()}


def _shared_templates(held_out_too: bool) -> list[str]:
    templates = OPENINGS + HAS_THING + CLOSINGS["any"] + CLOSINGS["given"]
    return templates + [t for family in held_out.SENTENCES.values() for t in family] if held_out_too else templates


def _found(template: str, plot_name: str | None, text: str) -> re.Match[str] | None:
    pattern, literal = _compiled(template, plot_name)
    return pattern.search(text) if literal in text else None


@dataclass(frozen=True)
class Reading:
    """What was understood of a story.

    contradictions: slots with two different values. covered: share of the text that the plot's own templates account for.
    has_closing: whether it ends as stories do.
    """

    story: Story
    contradictions: list[str]
    covered: float
    has_closing: bool


def read_story(text: str, held_out_too: bool = False) -> Reading:
    """Find the plot with the most sentences in the text, and the values of its slots."""
    best: tuple[Plot, list[re.Match[str]]] | None = None
    for plot in story_plots() + (held_out_plots() if held_out_too else []):
        templates = [line.template for paragraph in plot.paragraphs for line in paragraph]
        matches = [m for t in templates if t != "{HAS_THING}" and (m := _found(t, plot.name, text))]
        if best is None or len(matches) > len(best[1]):
            best = plot, matches
    assert best is not None
    plot, matches = best if best[1] else (None, [])
    shared = [m for t in _shared_templates(held_out_too) if (m := _found(t, None, text))]
    matches = matches + shared
    values: dict[str, str] = {}
    contradictions = set()
    for match in matches:
        found = [(group.rpartition("__")[0], value) for group, value in match.groupdict().items() if value is not None]
        names = {value for slot, value in found if SLOT_PATTERNS.get(slot) == NAME}
        for slot, value in found:
            if value.split()[0] not in names:
                value = uncapitalized(value)
            if values.setdefault(slot, value) != value:
                contradictions.add(slot)
    has_closing = any(match.end() == len(text) for match in shared)
    covered = sum(len(match[0]) for match in matches) / max(1, len(text))
    return Reading(Story(text, plot, with_derived(values)), sorted(contradictions), covered, has_closing)


def with_derived(values: dict[str, str]) -> dict[str, str]:
    """Add the values that follow from others: pronouns and phrases with an article."""
    for prefix in ("", "f"):
        seen = {values[prefix + slot] for slot in ("he", "him", "his", "himself") if prefix + slot in values}
        if seen and seen <= FEMALE:
            values |= {
                prefix + "he": "she",
                prefix + "him": "her",
                prefix + "his": "her",
                prefix + "himself": "herself",
            }
        elif seen and not seen & FEMALE:
            values |= {prefix + "he": "he", prefix + "him": "him", prefix + "his": "his", prefix + "himself": "himself"}
        kind = values.get(prefix + "kind")
        if kind:
            values[f"a_{prefix}kind"] = with_article(kind)
    if "thing" in values:
        values["a_thing"] = with_article(values["thing"])
        if "color" in values:
            values["a_color_thing"] = with_article(f"{values['color']} {values['thing']}")
    return values
