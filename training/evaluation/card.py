"""What the evaluation writes into the model card: the table, the figures that its text quotes, and samples.

Each has its place in the card, between two comments; a quoted figure is a percentage with the name of its ability in a
comment behind it. A card without these places stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.text.sampling import SamplingParams

from .asking import MOST_TOKENS, MOST_TOKENS_OF_A_STORY, Message, Result
from .generating import GREEDY, Completion, complete

CARD = "README.md"
TABLE = "<!-- written by `python -m training.evaluate` -->", "<!-- end of the table -->"
SAMPLES = "<!-- drawn by `python -m training.evaluate` -->", "<!-- end of the samples -->"
QUOTED = re.compile(r"(\d+(?:\.\d)?)( ?%\s*<!-- (.+?) -->)")
STORY = "Tell me a story about a fox named Dot and a kite."
QUESTIONS = [
    "What color was the kite?",
    "What is 3 plus 4?",
    "Who was in the story with Dot?",
    "Tell me how the story ended.",
    "What is the capital of France?",
    "Ben sits by the lake. Mia sits on the farm. Who is by the lake?",
    "Is Mia by the lake?",
    "How many legs does an owl have?",
    "How old was Mia?",
    "What happened in the story?",
    "Thank you!",
]
SUM = "What is 347 + 285?"
GREEDILY = replace(GREEDY, max_new_tokens=MOST_TOKENS)
OUTSIDE = "Tell me a story about a dragon and a rocket."


def table(results: Sequence[Result]) -> str:
    lines = ["| ability | right | share | demanded | |", "|---|---|---|---|---|"]
    for result in results:
        demanded = f"{result.demanded:.0%}" if result.demanded is not None else "-"
        verdict = "" if result.demanded is None else "passed" if result.passed else "MISSED"
        lines.append(
            f"| {result.name} | {result.right} of {result.total} | {result.share:.1%} | {demanded} | {verdict} |"
        )
    return "\n".join(lines)


def with_table(card: str, results: Sequence[Result]) -> str:
    return _between(card, TABLE, table(results))


def with_figures(card: str, results: Sequence[Result]) -> str:
    """Each quoted figure is that of its ability, with as many digits behind the point as before."""
    shares = {result.name: result.share for result in results}

    def figure(match: re.Match[str]) -> str:
        before, rest, name = match.groups()
        digits = len(before.partition(".")[2])
        return f"{100 * shares[name]:.{digits}f}{rest}" if name in shares else match[0]

    return QUOTED.sub(figure, card)


def with_samples(card: str, model: LanguageModel) -> str:
    """The first ones drawn, as they are: nothing is chosen."""
    return _between(card, SAMPLES, _samples(model)) if SAMPLES[0] in card else card


def _between(card: str, marks: tuple[str, str], text: str) -> str:
    before, begins, rest = card.partition(marks[0])
    _, ends, after = rest.partition(marks[1])
    return f"{before}{begins}\n{text}\n{ends}{after}" if ends else card


def _samples(model: LanguageModel) -> str:
    sampling = SamplingParams.of_model(model.config)
    drawn = [replace(sampling, seed=seed, max_new_tokens=MOST_TOKENS_OF_A_STORY) for seed in (0, 1)]
    pieces = []
    for seed, story in enumerate(complete(model, ["Once upon a time"] * 2, drawn)):
        pieces += [f"**Plain, seed {seed}**", _quoted("Once upon a time" + story.text)]
    messages: list[Message] = [{"role": "user", "content": STORY}]
    told = _answer(model, messages, drawn[0]).said
    pieces += [f'**"{STORY}"**, seed 0', _quoted(told), "**... and then, in the same conversation**"]
    talk = []
    for question in QUESTIONS:
        messages += [{"role": "assistant", "content": told}, {"role": "user", "content": question}]
        told = _answer(model, messages).said
        talk += [f"> {question}", f"> *{told}*"]
    pieces.append("\n>\n".join(talk))
    thinking = _answer(model, [{"role": "user", "content": SUM}])
    pieces += [f'**"{SUM}"**, thinking', f"```\n{thinking.text.strip()}\n```"]
    at_once = _answer(model, [{"role": "user", "content": SUM}], thinking=False).said
    pieces += [f'**"{SUM}"**, `enable_thinking=False`', f"> {at_once}"]
    pieces += [
        f'**Outside its world: "{OUTSIDE}"**',
        f"> {_answer(model, [{'role': 'user', 'content': OUTSIDE}]).said}",
    ]
    return "\n" + "\n\n".join(pieces) + "\n"


def _answer(
    model: LanguageModel, messages: list[Message], params: SamplingParams = GREEDILY, thinking: bool = True
) -> Completion:
    assert model.tokenizer is not None
    return complete(model, [model.tokenizer.render_chat(messages, enable_thinking=thinking)], params)[0]


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))
