"""A training so small that it takes moments: a text of made-up sentences and a recipe for it.

As a program it trains until it is killed: `python -m tests.training.small TEXT OUT STEP between|writing`.
"""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import numpy as np

from llaisys_mini import files
from llaisys_mini.training import loop
from llaisys_mini.training.recipe import END_OF_TEXT, Recipe

RECIPE = Recipe(
    steps=12, sequences=4, length=16, layers=1, width=16, heads=2, kv_heads=1, head_dim=8, inner=24, vocabulary=270,
    warm_up=2, checkpoint_every=4,
)  # fmt: skip

WORDS = "the a red blue small old cat dog bird sees likes finds stone tree house . and then".split()


def write_text(path: Path, documents: int = 60) -> Path:
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(WORDS, size=40)) for _ in range(documents)]
    path.write_text(f"\n{END_OF_TEXT}\n".join(texts), encoding="utf-8")
    return path


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    text, out, step, moment = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    take_step, replace = loop.Run.take_step, os.replace

    def step_and_die(run):
        take_step(run)
        if run.step == step:
            kill_self()

    def die_before_renaming(source, target):
        if Path(target).name == f"step-{step:06d}.safetensors":
            kill_self()
        replace(source, target)

    if moment == "between":
        loop.Run.take_step = step_and_die
    else:
        files.os.replace = die_before_renaming
    loop.train(text, out, dataclasses.replace(RECIPE, checkpoint_every=1))


if __name__ == "__main__":
    main()
