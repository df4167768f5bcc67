"""Asking for a story, in all ways: any story, one about an animal, a thing, somebody by name, or several of these."""

from __future__ import annotations

from dataclasses import dataclass

from . import held_out
from .stories import Story
from .writing import Writer, with_article

STARTS = [
    "Tell me a story",
    "Please tell me a story",
    "Tell a story",
    "I would like a story",
    "Can you tell me a story",
    "Write a story",
    "Please write a story",
    "Could you tell me a story",
    "I want to hear a story",
    "Write me a story",
    "I want a story",
    "Can I have a story",
    "Do you know a story",
    "Tell me a short story",
    "A story, please",
    "Make up a story",
    "Please make up a story",
    "Please give me a story",
]
ANOTHER = [
    "Tell me another story.",
    "Another story, please.",
    "Please tell me another one.",
    "One more story, please.",
    "Another one!",
    "And another story?",
    "Tell me one more.",
    "Can I hear another story?",
    "More stories, please.",
]
ACCEPTANCES = [
    "Yes, please!",
    "Yes.",
    "Yes!",
    "Yes, tell me a story.",
    "Please do.",
    "Of course!",
    "Yes, please.",
    "Go on.",
]

# What a request may name, as slots of the story, with how often.
WISHES = {
    (): 3,
    ("kind",): 3,
    ("H", "kind"): 4,
    ("thing",): 3,
    ("kind", "thing"): 4,
    ("H", "kind", "thing"): 6,
    ("H",): 1,
    ("kind", "fkind"): 2,
    ("H", "kind", "F", "fkind"): 1,
    ("H", "F"): 1,
}


@dataclass(frozen=True)
class Request:
    """What is said, and which slots of the story it has asked for."""

    text: str
    wish: tuple[str, ...]


def story_request(writer: Writer, story: Story, wish: tuple[str, ...] | None = None) -> Request:
    """Ask for this story, by some of what is in it."""
    start = writer.pick("story starts", STARTS, held_out.WORDINGS)
    if wish is None:
        wish = writer.choices(list(WISHES), weights=list(WISHES.values()))[0]
    mark = "?" if start.split()[0] in ("Can", "Could", "Do", "May", "Would") else "."
    if not wish:
        return Request(start + mark, wish)
    values = story.values
    thing = values["a_thing"]
    if "thing" in wish and writer.chance(0.3):
        thing, wish = values["a_color_thing"], (*wish, "color")
    named = writer.choice(["named", "named", "called"])
    hero = f"{with_article(values['kind'])} {named} {values['H']}" if "kind" in wish else values["H"]
    friend = f"{with_article(values['fkind'])} {named} {values['F']}" if "fkind" in wish else values["F"]
    about = {
        "kind": with_article(values["kind"]),
        "H kind": hero,
        "thing": thing,
        "kind thing": f"{with_article(values['kind'])} {writer.choice(['and', 'and', 'with'])} {thing}",
        "H kind thing": f"{hero} {writer.choice(['and', 'and', 'with'])} {thing}",
        "H": hero,
        "kind fkind": f"{with_article(values['kind'])} and {with_article(values['fkind'])}",
        "H kind F fkind": f"{hero} and {friend}",
        "H F": f"{hero} and {friend}",
    }[" ".join(slot for slot in wish if slot != "color")]
    if start.endswith(", please"):
        return Request(f"{start.removesuffix(', please')} about {about}, please.", wish)
    return Request(f"{start} about {about}{mark}", wish)


def another_request(writer: Writer, story: Story) -> Request:
    if writer.chance(0.5):
        return Request(writer.choice(ANOTHER), ())
    request = story_request(writer, story)
    text = request.text.replace("a story", "another story", 1).replace("A story", "Another story", 1)
    return Request(text, request.wish)
