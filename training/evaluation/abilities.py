"""The abilities: what is tried of each, and what share has to be right.

Where a wording is held out it never occurs in training (training/corpus/held_out.py). What came before the turn in
question has got its right answers, but for questions about a story: they follow a story that the model told itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..corpus import drills, facts, small_talk, sums, tasks, texts, unknown
from ..corpus.conversations import Turn
from ..corpus.engine import converse, next_turn
from ..corpus.requests import story_request
from ..corpus.state import Conversation
from ..corpus.stories import Story, write_story
from ..corpus.story_questions import ask_about, ask_untold
from ..corpus.writing import Writer, with_article
from .asking import Evaluation, Try
from .generating import complete
from .judging import Verdict, judge

SEED = 20_000
UNKNOWN = {unknown.UNKNOWN, texts.NOT_IN_TEXT, tasks.NOT_IN_STORY}
Draw = Callable[[Writer, Conversation], Turn | None]


def _held_out(offset: int = 0) -> Writer:
    return Writer(SEED + offset, held_out=True)


def _tries(turns: Sequence[Turn]) -> list[Try]:
    return [Try(turn) for turn in turns]


def _draw_after(writer: Writer, state: Conversation, draw: Draw) -> Try:
    """Draw the turn to try after what has been said; a draw that makes no sense is repeated."""
    while True:
        turn = draw(writer, state)
        if turn is not None:
            return Try(turn, tuple(state.turns))


# -- stories


def asked_stories(evaluation: Evaluation, count: int) -> None:
    """Stories with a named hero and a thing; then questions about those that hang together."""
    writer = Writer(SEED)
    tries = []
    for _ in range(count):
        story = write_story(writer)
        kind, thing = with_article(story.values["kind"]), with_article(story.values["thing"])
        question = f"Tell me a story about {kind} named {story.values['H']} and {thing}."
        tries.append(Try(Turn("story", question, story.text, story=story, wish=("H", "kind", "thing"))))
    completions, verdicts = evaluation.ask("stories with hero, kind and thing as asked", tries, 0.97)
    _about_stories(evaluation, "asked stories", verdicts, [completion.said for completion in completions])
    told = [
        (each.turn, verdict.story.story, completion.said)
        for each, verdict, completion in zip(tries, verdicts, completions, strict=True)
        if verdict.right and verdict.story
    ]
    _questions_about_stories(evaluation, told, count)

    writer = _held_out(1)
    plain = Writer(SEED + 2)
    tries = []
    for _ in range(count):
        story = write_story(plain, rare_name=0.3)
        request = story_request(writer, story)
        tries.append(
            Try(Turn("story", request.text, story.text, story=story, wish=request.wish, family=" ".join(request.wish)))
        )
    evaluation.ask("stories asked for in all ways, in held-out wordings, rare names too", tries)


def _about_stories(evaluation: Evaluation, name: str, verdicts: Sequence[Verdict], texts_told: Sequence[str]) -> None:
    checks = [verdict.story for verdict in verdicts if verdict.story]
    agree = [check.pronouns_agree for check in checks if check.pronouns_agree is not None]
    evaluation.add_shares(f"{name}: pronouns agree with the names (where both have the same)", agree)
    evaluation.add_shares(f"{name}: every sentence belongs to one plot", [check.one_plot for check in checks])
    plots = {check.story.plot.name for check in checks if check.story.plot}
    lengths = sorted(len(text.split()) for text in texts_told)
    evaluation.results[-1].details |= {
        "plots": len(plots),
        "words": {"shortest": lengths[0], "median": lengths[len(lengths) // 2], "longest": lengths[-1]},
    }


def _questions_about_stories(evaluation: Evaluation, told: Sequence[tuple[Turn, Story, str]], count: int) -> None:
    """General questions in held-out wordings, questions of the plot, and questions without an answer."""
    if not told:
        return
    general, of_plot, untold = [], [], []
    held_out, plain = _held_out(3), Writer(SEED + 4)
    for number in range(count):
        request, story, said = told[number % len(told)]
        before = (Turn("story", request.question, said),)
        asked = ask_about(held_out, [story], 0)
        while asked is None:  # what was drawn does not suit this story: nobody asks what animal a girl was
            asked = ask_about(held_out, [story], 0)
        general.append(Try(Turn("story question", asked.question, asked.answer, family=asked.family), before))
        asked = ask_about(plain, [story], 0, plot_share=1.0)
        if asked is not None:
            of_plot.append(Try(Turn("story question", asked.question, asked.answer), before))
        asked = ask_untold(held_out, story, story.words)
        if asked is not None:
            untold.append(Try(Turn("untold", asked.question, asked.answer), before))
    evaluation.ask("questions about the story just told, in held-out wordings", general, 0.92)
    evaluation.ask("questions about what happened in the story just told", of_plot, 0.92)
    evaluation.ask("what the story does not say, in held-out wordings", untold, 0.9)


def plain_stories(evaluation: Evaluation, count: int) -> None:
    params = [replace(evaluation.sampling, seed=seed, max_new_tokens=700) for seed in range(count)]
    told = complete(evaluation.model, ["Once upon a time"] * count, params)
    told = [replace(completion, text="Once upon a time" + completion.text) for completion in told]
    story = write_story(Writer(SEED))
    verdicts = [judge(Turn("story", "", "", story=story), completion) for completion in told]
    said = [completion.said for completion in told]
    wrong = [
        {"problem": v.problem, "answered": text[:600]} for v, text in zip(verdicts, said, strict=True) if v.problem
    ]
    evaluation.add('plain stories from "Once upon a time" hang together', verdicts, 0.97, wrong=wrong)
    _about_stories(evaluation, "plain stories", verdicts, said)
    evaluation.add_shares(
        "plain stories: each is different", [True] * len(set(said)) + [False] * (count - len(set(said)))
    )


def earlier_stories(evaluation: Evaluation, count: int) -> None:
    writer = Writer(SEED + 5)
    tries = []
    for _ in range(count):
        state = Conversation()
        for _ in range(2):
            state.told(_draw_after(writer, state, tasks.TASKS["story"]).turn)
        tries.append(_draw_after(writer, state, tasks.TASKS["earlier story question"]))
    evaluation.ask("questions about the story before the last", tries, 0.92)


# -- texts


def readings(evaluation: Evaluation, count: int) -> None:
    """One text and one question, in one message: each kind of question equally often."""
    for name, text_writer, two_steps, demanded in (
        ("reading a short text, in held-out wordings of the question", Writer(SEED + 6), False, 0.92),
        ("reading a short text in two steps, in held-out wordings of the question", Writer(SEED + 7), True, None),
        ("reading a short text, text and question in held-out wordings", _held_out(8), False, None),
    ):
        writer = _held_out(9)
        queries = [query for query in texts.QUERIES if (query.name in texts.TWO_STEPS) == two_steps]
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
        ("short texts about what happened, held out by template", _held_out(11), None),
    ):
        tries = []
        for _ in range(count):
            story = tasks.write_short_story(writer, set())
            question, answer = tasks.ask_short_story(writer, story)
            family = story.plot.name if story.plot else ""
            tries.append(Try(Turn("reading", f"{story.text} {question}", answer, family=family)))
        evaluation.ask(name, tries, demanded)
    writer, text_writer, tries = _held_out(12), Writer(SEED + 13), []
    for _ in range(count):
        text = texts.write_text(text_writer)
        _, question, answer = texts.ask_untold(writer, text, text.words)
        tries.append(Try(Turn("reading", f"{text.text} {question}", answer)))
    evaluation.ask("what the text does not say, in held-out wordings", tries, 0.9)


# -- what is known and what is not


def known_and_unknown(evaluation: Evaluation, count: int) -> None:
    writer = _held_out(14)
    everything = [
        relation.turn(subject, wording)
        for relation in facts.RELATIONS
        for subject in relation.subjects
        for wording in writer.sample(facts.held_out.WORDINGS[f"fact: {relation.name}"], 1)
    ]
    chosen = everything if count >= 200 else writer.sample(everything, min(len(everything), count))
    completions, _ = evaluation.ask("facts, in held-out wordings", _tries(chosen), 0.95)
    refused = [completion.said in UNKNOWN for completion in completions]
    evaluation.add_shares("known facts are not refused, in held-out wordings", [not each for each in refused], 0.98)

    in_families, near = [], []
    writer = _held_out(15)
    while len(in_families) < count or len(near) < count:
        turn = unknown.unknown(writer)
        (near if turn.family.startswith("unknown ") else in_families).append(turn)
    evaluation.ask("unknown questions of held-out families are refused", _tries(in_families[:count]), 0.9)
    evaluation.ask("unknown facts close to known ones are refused, held-out words", _tries(near[:count]), 0.9)
    fillers, families = _held_out(16), Writer(SEED + 17)
    new_words = []
    for _ in range(count):
        family = families.choice(list(unknown.FAMILIES))
        question = unknown.fill(fillers, families.choice(unknown.FAMILIES[family]))
        new_words.append(Turn("unknown", question, unknown.UNKNOWN, family=family))
    evaluation.ask("unknown questions of trained families are refused, held-out words", _tries(new_words), 0.9)
    evaluation.ask(
        "stories about something unknown are refused, held-out words",
        _tries([unknown.unknown_story(fillers) for _ in range(count)]),
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
        evaluation.ask(f"all sums and differences within ten, {name}", _tries(turns), demanded)


def long_sums(evaluation: Evaluation, count: int) -> None:
    for sign, what in (("+", "sums"), ("-", "differences")):
        for digits in (2, 3):
            writer = Writer(SEED + digits)
            turns = []
            for _ in range(count):
                first, second = sums.draw_long_sum(writer, digits, sign)
                turns.append(sums.long_sum_turn(first, second, sign, f"What is {first} {sign} {second}?"))
            evaluation.ask(f"{what} of {digits} digits with <think>", _tries(turns), 0.98)
            evaluation.ask(f"{what} of {digits} digits, enable_thinking=False", _tries(turns), thinking=False)


# -- small talk


def talk(evaluation: Evaluation, count: int) -> None:
    wordings = small_talk.held_out.WORDINGS
    introductions = [Turn("introduction", question, small_talk.INTRODUCTION) for question in wordings["who are you"]]
    evaluation.ask("introduces itself, in held-out wordings", _tries(introductions), 0.8)
    writer, held_out = Writer(SEED + 20), _held_out(21)
    names = [
        turn.name or ""
        for turn in (small_talk.named_greeting(writer, small_talk.any_name(writer)) for _ in range(count))
    ]
    hellos = [small_talk.named_greeting(writer, name) for name in names]
    evaluation.ask("greets by name, rare and made-up names too", _tries(hellos), 0.95)
    at_once = [
        Try(small_talk.asks_own_name(held_out, name), (hello,)) for name, hello in zip(names, hellos, strict=True)
    ]
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
        small.append(_draw_after(writer, state, draws[number % len(draws)]))
    evaluation.ask("greetings, thanks, goodbyes and remarks", small, 0.95)
    evaluation.ask("repeats words, in held-out wordings", _tries([drills.repeat(held_out) for _ in range(count)]), 0.9)
    sentences = [drills.repeat_sentence(held_out) for _ in range(count)]
    evaluation.ask("repeats a sentence, in held-out wordings", _tries(sentences), 0.9)


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
