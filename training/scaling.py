"""How the loss of a story model falls with its size and its text: the runs that lecture 19 fits a law to.

    python -m training.scaling              the runs that data/scaling.json lacks; all take ten minutes of one core
    python -m training.scaling --out FILE   all of them anew

At four budgets of compute, four models of different sizes read as much text as the budget allows, with the package's
own training. Two more runs, with 1.3 and 2.5 times the largest budget, are for prediction only. Every run ends with its
learning rate at zero, and is measured on text that no run learned from.

Rows are short, so that so small models come far in so few steps. Over rows of 64 tokens, which were tried first, losses
fell faster from budget to budget, and a law fitted in the same way missed a run of 2.5 times the largest budget by
27 %.

No torch is needed. The file of results is written after each run. A run repeats to about 0.2 % of its loss: training
makes the rounding of sums larger.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from llaisys_mini import paths
from llaisys_mini.files import write_atomically
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training import decoder
from llaisys_mini.training.loop import Run
from llaisys_mini.training.recipe import Recipe
from llaisys_mini.training.tape import Tape, Variable
from llaisys_mini.training.text import Tokens, end_of_text, make_tokenizer

from .corpus.stories import write_story
from .corpus.writing import Writer

SEED, STORIES = 19, 8_000  # 2.7 million tokens: more than any run reads
MEASURED = 32_768  # tokens
FLOP_PER_WEIGHT = 6  # of one token: 2 forward, 4 backward


SEQUENCES, LENGTH = 16, 16
RATE, MATRIX_RATE = 0.017, 0.028  # the best of a few that were tried
BUDGETS = {  # FLOP -> widths
    1.2e10: (8, 16, 24, 40),
    3e10: (12, 20, 32, 48),
    7.5e10: (16, 28, 40, 64),
    1.9e11: (24, 40, 56, 80),
}
HELD_OUT = ((2.5e11, 56), (4.7e11, 56))


@dataclass(frozen=True)
class Plan:
    """One run. budget: FLOP; width: of the model; held_out: not to be fitted to, but predicted."""

    budget: float
    width: int
    held_out: bool = False


PLANS = [
    *(Plan(budget, width) for budget, widths in BUDGETS.items() for width in widths),
    *(Plan(budget, width, held_out=True) for budget, width in HELD_OUT),
]


def recipe_of(width: int, steps: int) -> Recipe:
    """Two layers with heads of 8 numbers, whatever the width."""
    return Recipe(
        steps=steps, sequences=SEQUENCES, length=LENGTH, width=width, heads=width // 8, kv_heads=1, head_dim=8,
        inner=5 * width // 2, warm_up=min(40, max(1, steps // 10)), rate=RATE, matrix_rate=MATRIX_RATE,
    )  # fmt: skip


def parameters_of(recipe: Recipe) -> int:
    shapes = decoder.shapes(ModelConfig.from_dict(recipe.config(0)))
    return sum(int(np.prod(shape)) for shape in shapes.values())


def carry_out(plan: Plan, tokens: Tokens, ends: int) -> dict[str, object]:
    """Train, measure; what the lecture reads. ends: the id that ends a text."""
    parameters = parameters_of(recipe_of(plan.width, 1))
    recipe = recipe_of(plan.width, round(plan.budget / (FLOP_PER_WEIGHT * parameters * SEQUENCES * LENGTH)))
    run = Run(recipe, ModelConfig.from_dict(recipe.config(ends)), tokens)
    began = time.process_time()
    for _ in range(recipe.steps):
        run.take_step()
    seconds = time.process_time() - began
    return {
        "budget": plan.budget,
        "width": plan.width,
        "parameters": parameters,
        "tokens": recipe.steps * SEQUENCES * LENGTH,
        "loss": round(held_out_loss(run, tokens), 4),
        "cpu_seconds": round(seconds, 1),
        "held_out": plan.held_out,
    }


def held_out_loss(run: Run, tokens: Tokens) -> float:
    """The mean loss over MEASURED tokens of the text that is kept back."""
    starts = np.linspace(0, len(tokens.held_out) - LENGTH - 1, MEASURED // LENGTH).astype(np.int64)
    ids = tokens.held_out[starts + np.arange(LENGTH + 1)[:, None]]
    variables = {name: Variable(array) for name, array in run.weights.items()}
    groups = np.split(ids, 16, axis=1)
    return float(np.mean([decoder.loss(Tape(), run.config, variables, np.ascontiguousarray(g)) for g in groups]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.scaling", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=paths.course_root() / "data" / "scaling.json")
    out = parser.parse_args().out
    numba.set_num_threads(1)
    writer = Writer(SEED)
    documents = [write_story(writer).text for _ in range(STORIES)]
    tokenizer = make_tokenizer(documents, Recipe().vocabulary)
    tokens = Tokens(documents, tokenizer, recipe_of(8, 1))
    done = json.loads(out.read_text())["runs"] if out.exists() else []
    for plan in PLANS:
        if (plan.budget, plan.width) in {(run["budget"], run["width"]) for run in done}:
            continue
        done.append(carry_out(plan, tokens, end_of_text(tokenizer)))
        print(done[-1], file=sys.stderr, flush=True)
        lines = ",\n".join("    " + json.dumps(run) for run in done)
        write_atomically(out, f'{{\n  "made_by": "python -m training.scaling",\n  "runs": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
