"""Questions about a story that was told: those that fit every story, those of its plot, and those it does not answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from . import held_out, tables
from .stories import Story
from .untold import untold_words
from .wordings import phrasings
from .writing import Writer, slots_of, uncapitalized

NOT_IN_STORY = "The story does not say that."
NO_STORY_YET = "I have not told you a story yet. Shall I tell you one?"


@dataclass(frozen=True)
class StoryQuestion:
    """One question in several wordings (see `phrasings`). `{story}` becomes "the story" or, of several, "the first
    story"."""

    family: str
    answer: str
    direct: Sequence[str] = field(repr=False)
    clauses: Sequence[str] = field(repr=False)
    weight: float = 1.0
    practice: float = 1.0  # the training text draws it so many times as often
    animals_only: str | None = None  # a slot that has to hold an animal: nobody asks what kind of animal a girl is

    @cached_property
    def wordings(self) -> list[str]:
        return phrasings(self.direct, self.clauses)


# fmt: off
# Of the hero and of the friend the same things are asked; "{X}" and "{xkind}" stand for either.
KIND = ["What kind of animal was {X}?", "What animal was {X}?", "Which animal was {X}?", "What sort of animal was {X}?", "{X} was what animal?", "{X} was what kind of animal?", "As what animal did {X} come?"]
KIND_CLAUSES = ["which animal {X} was", "what sort of animal {X} was", "what animal {X} was"]
WHO = ["Who was {X}?", "What was {X}?", "Tell me who {X} was.", "{X} was who?", "And who was {X}?"]
WHO_CLAUSES = ["who {X} was", "what {X} was"]
NAME = ["What was the name of the {xkind}?", "What was the {xkind} called?", "Who was the {xkind}?", "How was the {xkind} called?", "Tell me the name of the {xkind}.", "What name did the {xkind} have?", "The {xkind} was called what?", "By what name was the {xkind} called?", "Which was the name of the {xkind}?"]
NAME_CLAUSES = ["the name of the {xkind}", "what the {xkind} was called", "who the {xkind} was", "which name the {xkind} had"]


def _of(template: Sequence[str], name: str, kind: str) -> list[str]:
    return [wording.replace("{X}", f"{{{name}}}").replace("{xkind}", f"{{{kind}}}") for wording in template]


GENERAL = [
    StoryQuestion("color", "The {thing} was {color}.",
        ["What color was the {thing}?", "What was the color of the {thing}?", "Which color did the {thing} have?", "Tell me the color of the {thing}.", "The {thing} was what color?", "What color was the {thing} in the story?", "What color did the {thing} have?", "Of which color was the {thing}?", "The {thing} had which color?"],
        ["the color of the {thing}", "which color the {thing} had", "what color the {thing} had", "what color the {thing} was"], 2),
    StoryQuestion("kind of the hero", "{H} was {a_kind}.", _of(KIND, "H", "kind"), _of(KIND_CLAUSES, "H", "kind"), 1.5, animals_only="kind"),
    StoryQuestion("who was the hero", "{H} was {a_kind}.", _of(WHO, "H", "kind"), _of(WHO_CLAUSES, "H", "kind")),
    StoryQuestion("kind of the friend", "{F} was {a_fkind}.", _of(KIND, "F", "fkind"), _of(KIND_CLAUSES, "F", "fkind"), 1.5, animals_only="fkind"),
    StoryQuestion("who was the friend", "{F} was {a_fkind}.", _of(WHO, "F", "fkind"), _of(WHO_CLAUSES, "F", "fkind")),
    StoryQuestion("name of the hero", "The {kind} was called {H}.", _of(NAME, "H", "kind"), _of(NAME_CLAUSES, "H", "kind"), 2),
    StoryQuestion("name of the friend", "The {fkind} was called {F}.", _of(NAME, "F", "fkind"), _of(NAME_CLAUSES, "F", "fkind"), 2, 1.3),
    StoryQuestion("what it was about", "It was about {H} the {kind}, {F} the {fkind} and {a_color_thing}.",
        ["What was {story} about?", "Who was in {story}?", "Whom was {story} about?", "Tell me who was in {story}.", "Of whom did {story} tell?", "Who and what was in {story}?"],
        ["what {story} was about", "who was in {story}", "whom {story} was about"]),
    StoryQuestion("hero", "The hero was {H} the {kind}.",
        ["Who was the hero of {story}?", "Who was the hero in {story}?", "What was the name of the hero of {story}?", "Who was the main person of {story}?", "The hero of {story} was who?", "What was the hero of {story} called?"],
        ["who the hero of {story} was", "the name of the hero of {story}", "the hero of {story}"]),
    StoryQuestion("friend of the hero", "There was also {F} the {fkind}.",
        ["Who was in {story} with {H}?", "Who else was in {story}?", "Who was the other one in {story}?", "Who was with {H} in {story}?", "Whom did {H} meet in {story}?", "Apart from {H}, who was in {story}?", "Who came into {story} later?", "Who came along with {H}?", "Who joined {H} in {story}?", "Besides {H}, who came in {story}?"],
        ["who else was in {story}", "who was with {H} in {story}", "who the other one in {story} was", "who came into {story} later"], 1, 1.6),
    StoryQuestion("thing", "It was {a_color_thing}.",
        ["Which thing was in {story}?", "What thing was {story} about?", "What thing was there in {story}?", "About which thing was {story}?", "What thing did {story} tell of?"],
        ["which thing was in {story}", "what thing {story} was about", "what thing was there in {story}"]),
    StoryQuestion("thing of a color", "The {color} thing was the {thing}.",
        ["What was {color}?", "Which thing was {color}?", "What was {color} in {story}?", "What did you say was {color}?", "What thing was {color}?", "The {color} thing was what?"],
        ["what was {color}", "which thing was {color}", "what the {color} thing was"], 1.5),
    StoryQuestion("summary", "{SUMMARY}",
        ["What happened in {story}?", "What happened?", "Tell me {story} in one sentence.", "In short, what happened in {story}?", "Give me {story} in one sentence.", "Say in one sentence what happened in {story}.", "What was it that happened in {story}?", "Shorten {story} to one sentence.", "Summarize {story}.", "Give me a summary of {story}.", "Please sum {story} up in one sentence.", "Sum {story} up in a few words.", "Can you sum up {story}?", "Sum up what happened in {story}.", "Say what happened in {story}.", "Now sum up {story}, please.", "Please sum up {story} for me.", "Sum up for me what happened in {story}.", "Sum {story} up, please.", "Could you sum up {story} for me?", "Sum up {story} in one sentence.", "I want you to sum up {story}."],
        ["what happened in {story}", "what happened", "{story} in one sentence"], 1.5, 3.5),
    StoryQuestion("title", "A good title is: {H} and the {color} {thing}.",
        ["Give {story} a title.", "What is a good title for {story}?", "What could {story} be called?", "Tell me a title for {story}.", "What title would fit {story}?", "How would you call {story}?", "I need a title for {story}."],
        ["a good title for {story}", "how {story} could be called"], 0.7),
    StoryQuestion("beginning", "It began like this: {FIRST}",
        ["How did {story} begin?", "What was the first sentence of {story}?", "How does {story} start?", "How did {story} start?", "What did the beginning of {story} say?", "Repeat the first sentence of {story}.", "With which sentence did {story} begin?", "What came first in {story}?", "Which was the first sentence of {story}?", "Which sentence did {story} begin with?", "Which sentence opens {story}?", "Which sentence was the first in {story}?", "Which sentence stood first in {story}?", "What sentence was the first of {story}?", "Which sentence of {story} came first?", "Which sentence of {story} was at the beginning?", "Which sentence of {story} was told first?", "Which sentence of {story} stood at the start?", "Which sentence of {story} did you begin with?", "Which sentence of {story} do I hear first?", "Which one was the first sentence of {story}?", "Say the first sentence of {story} again."],
        ["how {story} began", "the first sentence of {story}", "how {story} started", "the beginning of {story}", "which sentence came first in {story}", "which sentence {story} began with"], 0.9, 7),
    StoryQuestion("end", "It ended like this: {LAST}",
        ["How did {story} end?", "What was the last sentence of {story}?", "How does {story} end?", "What was the end of {story}?", "What did the end of {story} say?", "Repeat the last sentence of {story}.", "With which sentence did {story} end?", "What came last in {story}?", "Which was the last sentence of {story}?", "Which sentence did {story} end with?", "Which sentence closes {story}?", "Which sentence was the last in {story}?", "Which sentence stood last in {story}?", "What sentence was the last of {story}?", "Which sentence of {story} came last?", "Which sentence of {story} was at the end?", "Which sentence of {story} was told last?", "Which sentence of {story} stood at the end?", "Which sentence of {story} did you end with?", "Which sentence of {story} do I hear last?", "Which one was the last sentence of {story}?", "Say the last sentence of {story} again."],
        ["how {story} ended", "the last sentence of {story}", "the end of {story}", "how {story} came to an end", "which sentence came last in {story}", "which sentence {story} ended with"], 0.9, 8),
]
# fmt: on
YES_NO = [
    "Was the {thing} {other_color}?",
    "Is it true that the {thing} was {other_color}?",
    "Was the color of the {thing} {other_color}?",
    "Did the {thing} have the color {other_color}?",
    "The {thing} was {other_color}, right?",
]

# fmt: off
# The story never tells these.
UNTOLD = phrasings([
        "How old was {H}?", "What was the name of the {relative} of {H}?", "What did {H} have for breakfast?", "Where was {F} born?",
        "How many {belongings} did {H} have?", "How many {belongings} did {F} have?", "What was the favorite {favorite} of {F}?", "What was the favorite {favorite} of {H}?",
        "How tall was {H}?", "What was the weather like the next week?", "Who was the {relative} of {F}?", "How much did {H} weigh?",
        "What was the last name of {H}?", "In which year did it happen?", "What did {F} {unknown_verb}?", "What did {H} {unknown_verb}?", "Did {H} like fish?",
        "What was the phone number of {H}?", "How many windows did the house of {F} have?", "What did {H} read in the evening?", "Which shoes did {F} wear?",
        "What was the middle name of {F}?", "When was the birthday of the miller?", "Where did the {relative} of {H} live?", "When did {F} go to school?",
        "Which language did {H} speak?", "How long did {F} live?", "What did the {relative} of {F} do?", "Was the {relative} of {H} rich?", "How heavy was {F}?",
        "What was the {attribute} of {H}?", "What was the {attribute} of {F}?", "What did {H} want to be?", "What did {F} hope to become one day?", "What was the job of {F}?", "What did {H} want for dinner?", "What did {F} want to do later in life?",
    ],
    [
        "how old {H} was", "how old {F} was", "how many {belongings} {H} had", "how many {belongings} {F} had", "who the {relative} of {F} was",
        "the favorite {favorite} of {H}", "where {F} was born", "the last name of {F}", "what {F} had for breakfast", "in which year it happened",
    ],
)
# Nor anything of somebody, or something, that is not in it.
UNTOLD += phrasings([
        "Who was {other_name}?", "What did {other_name} do?", "What color was the {other_thing}?", "Where did {other_name} live?",
        "What was the name of the {other_kind}?", "Who had the {other_thing}?", "Which animal was {other_name}?", "What kind of animal was {other_name}?",
        "Which color did the {other_thing} have?", "Who was the {other_kind}?", "What happened to {other_name}?", "Where was the {other_thing}?",
        "Whose was the {other_thing}?", "What name did the {other_kind} have?", "Why did {other_name} come?",
    ],
    [
        "who {other_name} was", "what {other_name} was", "which animal {other_name} was", "the color of the {other_thing}", "what color the {other_thing} was",
        "the name of the {other_kind}", "who the {other_kind} was", "who had the {other_thing}", "what {other_name} did",
    ],
)
# fmt: on
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
    question = writer.choices(GENERAL, weights=[q.weight * (q.practice if writer.practises else 1) for q in GENERAL])[0]
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
    values["other_color"] = other_color
    return AskedQuestion("yes or no", writer.write(wording, values), writer.write("The {thing} was {color}.", values))


def ask_untold(writer: Writer, story: Story, known_words: Collection[str]) -> AskedQuestion | None:
    """A question that the story does not answer. known_words: all names, kinds and things of the conversation."""
    values = dict(story.values)
    if not {"H", "F"} <= set(values):
        return None
    values |= untold_words(writer)
    values["other_name"] = writer.choice(
        [name for name in tables.GIRL_NAMES + tables.BOY_NAMES if name not in known_words]
    )
    values["other_thing"] = writer.choice([name for name in tables.THING_NAMES if name not in known_words])
    values["other_kind"] = writer.choice([kind for kind in tables.STORY_ANIMALS if kind not in known_words])
    wording = writer.pick("story: untold", UNTOLD, held_out.WORDINGS)
    return AskedQuestion("untold", writer.write(wording, values), NOT_IN_STORY)
