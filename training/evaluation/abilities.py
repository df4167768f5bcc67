"""The abilities: what is tried of each, and what share has to be right.

Where a wording is held out it never occurs in training (training/corpus/held_out.py). What came before the turn in
question has got its right answers, but for questions about a story: they follow a story that the model told itself.
"""

from __future__ import annotations

from collections.abc import Callable

from ..corpus import drills, facts, held_out, small_talk, sums, tasks, text_queries, texts, unknown
from ..corpus.conversations import Turn
from ..corpus.engine import converse, next_turn
from ..corpus.state import Conversation
from ..corpus.writing import Writer
from .asking import Evaluation, Try
from .drawing import SEED, Draw, draw_after, held_out_writer, tries_of
from .story_abilities import asked_stories, earlier_stories, plain_stories

UNKNOWN = {unknown.UNKNOWN, texts.NOT_IN_TEXT, tasks.NOT_IN_STORY}


# -- texts


def readings(evaluation: Evaluation, count: int) -> None:
    """One text and one question, in one message: each kind of question equally often."""
    for name, text_writer, two_steps, demanded in (
        ("reading a short text, in held-out wordings of the question", Writer(SEED + 6), False, 0.92),
        ("reading a short text in two steps, in held-out wordings of the question", Writer(SEED + 7), True, None),
        ("reading a short text, text and question in held-out wordings", held_out_writer(8), False, None),
    ):
        writer = held_out_writer(9)
        queries = [query for query in text_queries.QUERIES if (query.name in text_queries.TWO_STEPS) == two_steps]
        tries = []
        for number in range(count):
            query = queries[number % len(queries)]
            sort = text_writer.choice([sort for sort in texts.SORTS if query.needs <= set(sort)])
            text = texts.write_text(text_writer, sort=sort)
            found = texts.ask_text(writer, text, query=query)
            assert found is not None
            family, question, answer = found
            tries.append(Try(Turn("reading", f"{text.text} {question}", answer, family=family)))
        evaluation.ask(name, tries, demanded)
    for name, writer, demanded in (
        ("short texts about what happened", Writer(SEED + 10), 0.92),
        ("short texts about what happened, held out by template", held_out_writer(11), None),
    ):
        tries = []
        for _ in range(count):
            story = tasks.write_short_story(writer, set())
            question, answer = tasks.ask_short_story(writer, story)
            family = story.plot.name if story.plot else ""
            tries.append(Try(Turn("reading", f"{story.text} {question}", answer, family=family)))
        evaluation.ask(name, tries, demanded)
    writer, text_writer, tries = held_out_writer(12), Writer(SEED + 13), []
    for _ in range(count):
        text = texts.write_text(text_writer)
        _, question, answer = texts.ask_untold(writer, text, text.words)
        tries.append(Try(Turn("reading", f"{text.text} {question}", answer)))
    evaluation.ask("what the text does not say, in held-out wordings", tries, 0.9)


# -- what is known and what is not


def known_and_unknown(evaluation: Evaluation, count: int) -> None:
    writer = held_out_writer(14)
    everything = [
        relation.turn(subject, wording)
        for relation in facts.RELATIONS
        for subject in relation.subjects
        for wording in writer.sample(held_out.WORDINGS[f"fact: {relation.name}"], 1)
    ]
    chosen = everything if count >= 200 else writer.sample(everything, min(len(everything), count))
    completions, _ = evaluation.ask("facts, in held-out wordings", tries_of(chosen), 0.95)
    refused = [completion.said in UNKNOWN for completion in completions]
    evaluation.add_shares("known facts are not refused, in held-out wordings", [not each for each in refused], 0.98)

    in_families, near = [], []
    writer = held_out_writer(15)
    while len(in_families) < count or len(near) < count:
        turn = unknown.unknown(writer)
        (near if turn.family.startswith("unknown ") else in_families).append(turn)
    evaluation.ask("unknown questions of held-out families are refused", tries_of(in_families[:count]), 0.9)
    evaluation.ask("unknown facts close to known ones are refused, held-out words", tries_of(near[:count]), 0.9)
    fillers, families = held_out_writer(16), Writer(SEED + 17)
    new_words = []
    for _ in range(count):
        family = families.choice(list(unknown.FAMILIES))
        question = unknown.fill(fillers, families.choice(unknown.FAMILIES[family]))
        new_words.append(Turn("unknown", question, unknown.UNKNOWN, family=family))
    evaluation.ask("unknown questions of trained families are refused, held-out words", tries_of(new_words), 0.9)
    evaluation.ask(
        "stories about something unknown are refused, held-out words",
        tries_of([unknown.unknown_story(fillers) for _ in range(count)]),
    )


# -- sums


def small_sums(evaluation: Evaluation, _: int) -> None:
    pairs = [(a, b, "+") for a in range(11) for b in range(11 - a)]
    pairs += [(a, b, "-") for a in range(11) for b in range(a + 1)]
    words = {"+": "plus", "-": "minus"}
    for name, wordings, demanded in (
        (
            "in wordings learned from",
            ["What is {a} {sign} {b}?", "{a} {sign} {b} = ?", "What is {a} {word} {b}?"],
            0.98,
        ),
        ("in held-out wordings", ["Can you calculate {a} {sign} {b}?", "Please tell me what {a} {word} {b} is."], 0.95),
    ):
        turns = [
            sums.small_sum_turn(a, b, sign, wording.format(a=a, b=b, sign=sign, word=words[sign]))
            for a, b, sign in pairs
            for wording in wordings
        ]
        evaluation.ask(f"all sums and differences within ten, {name}", tries_of(turns), demanded)


def long_sums(evaluation: Evaluation, count: int) -> None:
    for sign, what in (("+", "sums"), ("-", "differences")):
        for digits in (2, 3):
            writer = Writer(SEED + digits)
            turns = []
            for _ in range(count):
                first, second = sums.draw_long_sum(writer, digits, sign)
                turns.append(sums.long_sum_turn(first, second, sign, f"What is {first} {sign} {second}?"))
            evaluation.ask(f"{what} of {digits} digits with <think>", tries_of(turns), 0.98)
            evaluation.ask(f"{what} of {digits} digits, enable_thinking=False", tries_of(turns), thinking=False)


# -- small talk


def talk(evaluation: Evaluation, count: int) -> None:
    wordings = held_out.WORDINGS["who are you"]
    introductions = [Turn("introduction", question, small_talk.INTRODUCTION) for question in wordings]
    evaluation.ask("introduces itself, in held-out wordings", tries_of(introductions), 0.8)
    writer, new = Writer(SEED + 20), held_out_writer(21)
    names = [
        turn.name or ""
        for turn in (small_talk.named_greeting(writer, small_talk.any_name(writer)) for _ in range(count))
    ]
    hellos = [small_talk.named_greeting(writer, name) for name in names]
    evaluation.ask("greets by name, rare and made-up names too", tries_of(hellos), 0.95)
    at_once = [Try(small_talk.asks_own_name(new, name), (hello,)) for name, hello in zip(names, hellos, strict=True)]
    evaluation.ask("remembers the name, in held-out wordings", at_once, 0.95)
    later = []
    for name, hello in zip(names, hellos, strict=True):
        state = Conversation()
        state.told(hello)
        for _ in range(writer.randint(1, 5)):
            turn = next_turn(writer, state)
            while turn.task in ("name", "own name"):
                turn = next_turn(writer, state)
            state.told(turn)
        later.append(Try(small_talk.asks_own_name(writer, name), tuple(state.turns)))
    evaluation.ask("remembers the name after one to five other turns", later, 0.95)
    never_told = [Try(small_talk.asks_own_name(writer, None)) for _ in range(count)]
    evaluation.ask("says that it was not told the name", never_told, 0.95)
    draws: list[Draw] = [tasks.TASKS[task] for task in ("greeting", "thanks", "goodbye", "remark")]
    small = []
    for number in range(count):
        state = Conversation() if number % 2 else converse(writer, writer.randint(1, 3))
        small.append(draw_after(writer, state, draws[number % len(draws)]))
    evaluation.ask("greetings, thanks, goodbyes and remarks", small, 0.95)
    evaluation.ask("repeats words, in held-out wordings", tries_of([drills.repeat(new) for _ in range(count)]), 0.9)
    sentences = [drills.repeat_sentence(new) for _ in range(count)]
    evaluation.ask("repeats a sentence, in held-out wordings", tries_of(sentences), 0.9)


ABILITIES: dict[str, Callable[[Evaluation, int], None]] = {
    "asked stories": asked_stories,
    "plain stories": plain_stories,
    "earlier stories": earlier_stories,
    "readings": readings,
    "known and unknown": known_and_unknown,
    "small sums": small_sums,
    "long sums": long_sums,
    "talk": talk,
}
