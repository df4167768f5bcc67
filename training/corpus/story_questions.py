"""Questions about a story that was told: those that fit every story, those of its plot, and those it does not answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from . import held_out, tables
from .stories import Story
from .writing import Writer, slots_of, uncapitalized

NOT_IN_STORY = "The story does not say that."
NO_STORY_YET = "I have not told you a story yet. Shall I tell you one?"


@dataclass(frozen=True)
class StoryQuestion:
    """One question in several wordings. `{story}` becomes "the story" or, of several, "the first story"."""

    family: str
    wordings: Sequence[str]
    answer: str
    weight: float = 1.0
    animals_only: str | None = None  # a slot that has to hold an animal: nobody asks what kind of animal a girl is


GENERAL = [
    StoryQuestion(
        "color",
        [
            "What color was the {thing}?",
            "What was the color of the {thing}?",
            "Which color did the {thing} have?",
            "Tell me the color of the {thing}.",
            "The {thing} was what color?",
            "What color was the {thing} in the story?",
        ],
        "The {thing} was {color}.",
        2,
    ),
    StoryQuestion(
        "kind of the hero",
        [
            "What kind of animal was {H}?",
            "What animal was {H}?",
            "Which animal was {H}?",
            "What sort of animal was {H}?",
        ],
        "{H} was {a_kind}.",
        1.5,
        animals_only="kind",
    ),
    StoryQuestion("who was the hero", ["Who was {H}?", "What was {H}?", "Tell me who {H} was."], "{H} was {a_kind}."),
    StoryQuestion(
        "kind of the friend",
        [
            "What kind of animal was {F}?",
            "What animal was {F}?",
            "Which animal was {F}?",
            "What sort of animal was {F}?",
        ],
        "{F} was {a_fkind}.",
        1.5,
        animals_only="fkind",
    ),
    StoryQuestion(
        "who was the friend", ["Who was {F}?", "What was {F}?", "Tell me who {F} was."], "{F} was {a_fkind}."
    ),
    StoryQuestion(
        "name of the hero",
        [
            "What was the name of the {kind}?",
            "What was the {kind} called?",
            "Who was the {kind}?",
            "How was the {kind} called?",
            "Tell me the name of the {kind}.",
        ],
        "The {kind} was called {H}.",
        2,
    ),
    StoryQuestion(
        "name of the friend",
        [
            "What was the name of the {fkind}?",
            "What was the {fkind} called?",
            "Who was the {fkind}?",
            "How was the {fkind} called?",
            "Tell me the name of the {fkind}.",
        ],
        "The {fkind} was called {F}.",
        2,
    ),
    StoryQuestion(
        "what it was about",
        ["What was {story} about?", "Who was in {story}?", "Whom was {story} about?", "Tell me who was in {story}."],
        "It was about {H} the {kind}, {F} the {fkind} and {a_color_thing}.",
    ),
    StoryQuestion(
        "hero",
        ["Who was the hero of {story}?", "Who was the hero in {story}?", "What was the name of the hero of {story}?"],
        "The hero was {H} the {kind}.",
    ),
    StoryQuestion(
        "friend of the hero",
        ["Who was in {story} with {H}?", "Who else was in {story}?", "Who was the other one in {story}?"],
        "There was also {F} the {fkind}.",
    ),
    StoryQuestion(
        "thing",
        ["Which thing was in {story}?", "What thing was {story} about?", "What thing was there in {story}?"],
        "It was {a_color_thing}.",
    ),
    StoryQuestion(
        "thing of a color",
        [
            "What was {color}?",
            "Which thing was {color}?",
            "What was {color} in {story}?",
            "What did you say was {color}?",
        ],
        "The {color} thing was the {thing}.",
        1.5,
    ),
    StoryQuestion(
        "summary",
        [
            "What happened in {story}?",
            "What happened?",
            "Tell me {story} in one sentence.",
            "In short, what happened in {story}?",
        ],
        "{SUMMARY}",
        1.5,
    ),
    StoryQuestion(
        "title",
        ["Give {story} a title.", "What is a good title for {story}?", "What could {story} be called?"],
        "A good title is: {H} and the {color} {thing}.",
        0.7,
    ),
    StoryQuestion(
        "beginning",
        ["How did {story} begin?", "What was the first sentence of {story}?", "How does {story} start?"],
        "It began like this: {FIRST}",
        0.7,
    ),
    StoryQuestion(
        "end",
        ["How did {story} end?", "What was the last sentence of {story}?", "How does {story} end?"],
        "It ended like this: {LAST}",
        0.7,
    ),
]
YES_NO = ["Was the {thing} {other_color}?", "Is it true that the {thing} was {other_color}?"]

# The story never tells these.
UNTOLD = [
    "How old was {H}?",
    "What was the name of the mother of {H}?",
    "What did {H} have for breakfast?",
    "Where was {F} born?",
    "How many brothers did {H} have?",
    "What was the favorite song of {F}?",
    "How tall was {H}?",
    "What was the weather like the next week?",
    "Who was the teacher of {F}?",
    "How much did {H} weigh?",
    "What was the last name of {H}?",
    "In which year did it happen?",
    "What did {F} dream about?",
    "Did {H} like fish?",
    "What was the phone number of {H}?",
    "How many windows did the house of {F} have?",
    "What was the middle name of {F}?",
    "When was the birthday of the miller?",
    "What did {H} read in the evening?",
    "Which shoes did {F} wear?",
    "Who was {other_name}?",
    "What did {other_name} do?",
    "What color was the {other_thing}?",
    "Where did {other_name} live?",
    "What was the name of the {other_kind}?",
    "Who had the {other_thing}?",
]
NAMES_A_SUBJECT = {"H", "F", "G", "kind", "fkind", "thing"}


@dataclass(frozen=True)
class AskedQuestion:
    family: str
    question: str
    answer: str


def general_values(story: Story, ordinal: str) -> dict[str, str]:
    values = dict(story.values)
    values |= {"story": ordinal, "FIRST": story.first_sentence, "LAST": story.last_sentence}
    if story.plot is not None:
        values["SUMMARY"] = story.plot.summary
    return values


def _answerable(template: str, values: Collection[str]) -> bool:
    return all(slot in values or uncapitalized(slot) in values for slot in slots_of(template))


def ask_about(
    writer: Writer, stories: Sequence[Story], index: int, later_words: Collection[str] = (), plot_share: float = 0.5
) -> AskedQuestion | None:
    """One question about `stories[index]`, or None where nothing can be asked without doubt.

    later_words: names, kinds and things of all that was told or read afterwards. Unless it is the last, the question
    says "the first story", or names something that occurs in this story only.
    """
    story = stories[index]
    is_last = index == len(stories) - 1
    ordinal = "the story" if is_last and len(stories) == 1 else "the last story" if is_last else "the first story"
    if is_last and writer.chance(0.7):
        ordinal = "the story"
    values = general_values(story, ordinal)
    clear = {slot for slot in NAMES_A_SUBJECT if slot in values and values[slot] not in later_words}

    def fits(wording: str, answer: str) -> bool:
        if not (_answerable(wording, values) and _answerable(answer, values)):
            return False
        slots = slots_of(wording)
        if not slots & NAMES_A_SUBJECT and "story" not in slots:
            return is_last and not later_words
        if slots & NAMES_A_SUBJECT:
            return bool(slots & NAMES_A_SUBJECT <= clear) if not is_last or later_words else True
        return index in (0, len(stories) - 1)

    if not writer.held_out and story.plot is not None and writer.chance(plot_share):
        candidates = [
            (wording, question.answer)
            for question in story.plot.questions
            for wording in question.wordings
            if fits(wording, question.answer)
        ]
        if candidates:
            wording, answer = writer.choice(candidates)
            return AskedQuestion("plot", writer.write(wording, values), writer.write(answer, values))
    question = writer.choices(GENERAL, weights=[q.weight for q in GENERAL])[0]
    if question.animals_only and values.get(question.animals_only) in (None, "girl", "boy"):
        return None
    answers = question.answer.replace("{SUMMARY}", values.get("SUMMARY", "{SUMMARY}"))
    wordings = held_out.WORDINGS[f"story: {question.family}"] if writer.held_out else question.wordings
    fitting = [wording for wording in wordings if fits(wording, answers)]
    if not fitting:
        return None
    answer = writer.write(question.answer, values)
    return AskedQuestion(question.family, writer.write(writer.choice(fitting), values), answer)


def ask_yes_or_no(writer: Writer, story: Story) -> AskedQuestion | None:
    """Is the color the one that the question names? And is the thing?"""
    values = dict(story.values)
    if not {"thing", "color", "H"} <= set(values):
        return None
    true = writer.chance(0.5)
    other_color = values["color"] if true else writer.choice([c for c in tables.COLORS if c != values["color"]])
    wording = writer.choice(YES_NO)
    answer = "Yes, the {thing} was {color}." if true else "No, the {thing} was {color}."
    values["other_color"] = other_color
    return AskedQuestion("yes or no", writer.write(wording, values), writer.write(answer, values))


def ask_untold(writer: Writer, story: Story, known_words: Collection[str]) -> AskedQuestion | None:
    """A question that the story does not answer. known_words: all names, kinds and things of the conversation."""
    values = dict(story.values)
    if not {"H", "F"} <= set(values):
        return None
    values["other_name"] = writer.choice(
        [name for name in tables.GIRL_NAMES + tables.BOY_NAMES if name not in known_words]
    )
    values["other_thing"] = writer.choice([name for name in tables.THING_NAMES if name not in known_words])
    values["other_kind"] = writer.choice([kind for kind in tables.STORY_ANIMALS if kind not in known_words])
    wording = writer.pick("story: untold", UNTOLD, held_out.WORDINGS)
    return AskedQuestion("untold", writer.write(wording, values), NOT_IN_STORY)
