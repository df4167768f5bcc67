"""Abilities with stories: telling them as asked for, and answering questions about them.

Questions about the last story follow a story that the model told itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..corpus import tasks
from ..corpus.conversations import Turn
from ..corpus.requests import story_request
from ..corpus.state import Conversation
from ..corpus.stories import Story, write_story
from ..corpus.story_questions import ask_about, ask_untold
from ..corpus.writing import Writer, with_article
from .asking import Evaluation, Try
from .drawing import SEED, draw_after, held_out_writer
from .generating import complete
from .judging import Verdict, judge


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

    writer = held_out_writer(1)
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
    held_out, plain = held_out_writer(3), Writer(SEED + 4)
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
            state.told(draw_after(writer, state, tasks.TASKS["story"]).turn)
        tries.append(draw_after(writer, state, tasks.TASKS["earlier story question"]))
    evaluation.ask("questions about the story before the last", tries, 0.92)
