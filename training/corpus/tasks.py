"""For each kind of task: how its next turn is written, from what has been said so far.

A task answers None where it makes no sense yet (a question about an earlier story, before there are two).
"""

from __future__ import annotations

from collections.abc import Callable

from . import drills, small_talk, story_questions, texts, unknown
from .conversations import Turn
from .deeds import deeds_plot
from .facts import fact
from .plots import held_out_short_texts, short_texts
from .requests import ACCEPTANCES, another_request, story_request
from .state import Conversation
from .stories import Story, character_values, pick_character, plot_values, write_story
from .story_questions import NO_STORY_YET, NOT_IN_STORY
from .sums import long_sum, small_sum
from .tables import COLORS, PLACES, STORY_ANIMALS, THINGS
from .writing import Writer, capitalized

OFFERS = ("Shall I tell you a story?", "Shall I tell you one?", "Shall I tell you another one?")
NO_STORY = [
    "What was the story about?",
    "Who was the hero of the story?",
    "How did the story end?",
    "What happened in the story?",
    "Who was in the story?",
    "Tell me the story in one sentence.",
    "What was the last sentence of the story?",
    "How did the story begin?",
]

Task = Callable[[Writer, Conversation], Turn | None]


def _story(writer: Writer, conversation: Conversation) -> Turn | None:
    """A story, asked for in all ways. Only its request may be held out: a model tells the stories it has learned."""
    avoid = conversation.words()
    last = conversation.stories[-1] if conversation.stories else None
    story = write_story(writer, rare_name=0.15, avoid=avoid, held_out=False)
    if last is not None and writer.chance(0.6):
        request = another_request(writer, story)
    elif conversation.last_answer.endswith(OFFERS) and writer.chance(0.5):
        return Turn("story", writer.choice(ACCEPTANCES), story.text, story=story, family="offered")
    else:
        request = story_request(writer, story)
    return Turn(
        "story", request.text, story.text, story=story, wish=request.wish, family=" ".join(request.wish) or "any"
    )


def _story_question(writer: Writer, conversation: Conversation) -> Turn | None:
    stories = conversation.stories
    if not stories:
        return _no_story(writer)
    later = conversation.words_after(len(stories) - 1)
    if writer.chance(0.1) and not later:
        asked = story_questions.ask_yes_or_no(writer, stories[-1])
    else:
        asked = story_questions.ask_about(writer, stories, len(stories) - 1, later)
    return asked and Turn("story question", asked.question, asked.answer, family=asked.family)


def _earlier_story_question(writer: Writer, conversation: Conversation) -> Turn | None:
    stories = conversation.stories
    if len(stories) < 2:
        return None
    index = writer.randrange(len(stories) - 1)
    asked = story_questions.ask_about(writer, stories, index, conversation.words_after(index))
    return asked and Turn("earlier story question", asked.question, asked.answer, family=asked.family)


def _untold_question(writer: Writer, conversation: Conversation) -> Turn | None:
    """What neither the last story nor the last text says."""
    known = conversation.words()
    if conversation.text_is_last:
        if not isinstance(conversation.text, texts.Text):
            return None
        _, question, answer = texts.ask_untold(writer, conversation.text, known)
        return Turn("untold", question, answer, family="text")
    if not conversation.stories:
        return None
    asked = story_questions.ask_untold(writer, conversation.stories[-1], known)
    return asked and Turn("untold", asked.question, NOT_IN_STORY, family="story")


def _no_story(writer: Writer) -> Turn:
    return Turn("no story", writer.choice(NO_STORY), NO_STORY_YET)


def _reading(writer: Writer, conversation: Conversation) -> Turn | None:
    """A short text with a question, in one message."""
    avoid = conversation.words()
    if writer.chance(0.35):
        story = write_short_story(writer, avoid)
        asked, answer = ask_short_story(writer, story)
        message = texts.with_question(writer, story.text, asked)
        return Turn("reading", message, answer, family="events", given=story)
    text = texts.write_text(writer, avoid)
    found = (
        texts.ask_untold(writer, text, avoid | text.words)
        if writer.chance(0.16 if writer.practises else 0.06)
        else texts.ask_text(writer, text)
    )
    assert found is not None
    family, question_text, answer = found
    return Turn("reading", texts.with_question(writer, text.text, question_text), answer, family=family, given=text)


def _text_question(writer: Writer, conversation: Conversation) -> Turn | None:
    """One more question about the last text."""
    text = conversation.text
    later = set() if conversation.text_is_last else {word for story in conversation.stories for word in story.words}
    if isinstance(text, texts.Text):
        asked = texts.ask_text(writer, text, later)
        return asked and Turn("text question", asked[1], asked[2], family=asked[0])
    if text is None or later:
        return None
    question, answer = ask_short_story(writer, text)
    return Turn("text question", question, answer, family="events")


def write_short_story(writer: Writer, avoid: set[str]) -> Story:
    """A text of two to four sentences about what three people did."""
    if writer.held_out:
        plot = writer.choice(held_out_short_texts())
    else:
        plot = deeds_plot(writer) if writer.chance(0.5) else writer.choice(short_texts())
    thing = writer.choice([thing for thing in THINGS if thing.name not in avoid])
    kinds = writer.sample([kind for kind in STORY_ANIMALS if kind not in avoid], 3)
    people = []
    for kind in kinds:
        people.append(pick_character(writer, kind, {*avoid, *(person.name for person in people)}, rare_name=0.15))
    values = character_values(people[0], people[1], thing, writer.choice(COLORS), writer.choice(list(PLACES)))
    values |= {"G": people[2].name, "gkind": people[2].kind}
    values = plot_values(writer, plot, values)
    lines = [capitalized(writer.write(line.template, values)) for paragraph in plot.paragraphs for line in paragraph]
    return Story(" ".join(lines), plot, values)


def ask_short_story(writer: Writer, story: Story) -> tuple[str, str]:
    """(question, answer) about a text of `write_short_story`."""
    assert story.plot is not None
    question = writer.choice(story.plot.questions)
    wording = writer.choice(question.wordings)
    return capitalized(writer.write(wording, story.values)), capitalized(writer.write(question.answer, story.values))


def _name(writer: Writer, conversation: Conversation) -> Turn:
    name = conversation.name if conversation.name and writer.chance(0.3) else small_talk.any_name(writer)
    return small_talk.named_greeting(writer, name)


def _refusal(writer: Writer, conversation: Conversation) -> Turn | None:
    return small_talk.refusal(writer) if conversation.last_answer.endswith(OFFERS) else None


NOTHING_TOLD = [
    "Who is {N}?",
    "Where is {N}?",
    "What does {N} have?",
    "Who has the {thing}?",
    "What color is the {thing}?",
    "What color was the {thing}?",
    "Who helped {N}?",
    "Where was the {thing}?",
    "What was the name of the {kind}?",
]


def _unknown(writer: Writer, conversation: Conversation) -> Turn:
    """Now and then about somebody or something of whom nothing was told."""
    if conversation.stories or conversation.text or not writer.chance(0.06):
        return unknown.unknown(writer)
    name = small_talk.any_name(writer)
    while name == conversation.name:
        name = small_talk.any_name(writer)
    question = writer.choice(NOTHING_TOLD).format(
        N=name, thing=writer.choice(THINGS).name, kind=writer.choice(STORY_ANIMALS)
    )
    return Turn("unknown", question, unknown.UNKNOWN, family="nothing told")


def _repeat(writer: Writer, conversation: Conversation) -> Turn:
    return drills.repeat_sentence(writer) if writer.chance(0.3) else drills.repeat(writer)


TASKS: dict[str, Task] = {
    "greeting": lambda writer, _: small_talk.greeting(writer),
    "introduction": lambda writer, _: small_talk.introduction(writer),
    "name": _name,
    "own name": lambda writer, conversation: small_talk.asks_own_name(writer, conversation.name),
    "thanks": lambda writer, c: small_talk.thanks(writer, bool(c.turns) and c.turns[-1].task == "story"),
    "goodbye": lambda writer, _: small_talk.goodbye(writer),
    "refusal": _refusal,
    "remark": lambda writer, _: unknown.remark(writer),
    "fact": lambda writer, _: fact(writer),
    "unknown": _unknown,
    "unknown story": lambda writer, _: unknown.unknown_story(writer),
    "small sum": lambda writer, _: small_sum(writer),
    "long sum": lambda writer, _: long_sum(writer),
    "story": _story,
    "story question": _story_question,
    "earlier story question": _earlier_story_question,
    "untold": _untold_question,
    "reading": _reading,
    "text question": _text_question,
    "repeat": _repeat,
}
