"""A whole training by GRPO: from a model to a folder with the model it became, and what was measured.

before      right answers to questions that are not learned from, of the trained kind and of another
steps       grpo.py
after       the same questions again, and the loss on stories, which nobody asked about
at the end  a checkpoint folder with grpo.json and reward.png, all at once
"""

import hashlib
import json
import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from llaisys_mini.engine.quality import compare_models
from llaisys_mini.errors import TrainingError
from llaisys_mini.files import whole_folder
from llaisys_mini.paths import held_out_text
from llaisys_mini.training import curve, sums
from llaisys_mini.training.grpo import GrpoRecipe, Run
from llaisys_mini.training.policy import Policy
from llaisys_mini.training.progress import progress_bar
from llaisys_mini.weights.checkpoint import SINGLE_FILE, save_safetensors

REPORT, CURVE = "grpo.json", "reward.png"
_OTHER_SIGN = {"+": "-", "-": "+"}


def train(model: str | Path, out: Path, recipe: GrpoRecipe, text: Path | None = None) -> dict[str, Any]:
    """Train `model` and write the folder `out`, which must not exist yet. text: what the loss is measured on; by
    default the course's held-out stories. Returns what grpo.json holds.

    Raises TrainingError, also for a model that gives no right answer at all: it has nothing to learn from.
    """
    if out.exists():
        raise TrainingError(f"{out} exists already; name a new folder")
    policy, started, worked = Policy(model), time.perf_counter(), time.process_time()
    original, run = policy.model(), Run(recipe, policy)
    before = _measured(run)
    trained = sums.kind(recipe.numbers, recipe.sign)
    if not any(before[trained]):
        raise TrainingError(
            f"{model} gives no right answer to {trained}, in {recipe.measured * recipe.tries} tries: nothing can be "
            "learned from equal rewards. Ask for fewer digits, or train it on examples first"
        )
    _take_steps(run)
    after, words = _measured(run), (text or held_out_text()).read_text(encoding="utf-8")
    quality = compare_models(original, policy.model(), words, greedy_tokens=0)
    losses = [math.log(perplexity) for perplexity in (quality.original_perplexity, quality.perplexity)]
    report = {
        "recipe": recipe.as_dict(),
        "weights": fingerprint(policy.folder),
        "trained": trained,
        "right": {kind: {"before": before[kind], "after": after[kind]} for kind in before},
        "held_out_loss": {"before": losses[0], "after": losses[1]},
        "rewards": [step.reward for step in run.steps],
        "mixed": [step.mixed for step in run.steps],
        "losses": [[step.loss, step.last_loss] if step.mixed else None for step in run.steps],
        "gradient_lengths": [step.length if step.mixed else None for step in run.steps],
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(time.process_time() - worked, 1),
    }
    _write(out, policy, report)
    return report


def share(counts: list[int], recipe: dict[str, Any]) -> float:
    """Of all tries, how many were right. counts: of each question."""
    return sum(counts) / (len(counts) * recipe["tries"])


def fingerprint(folder: Path) -> str:
    """Tells the weights of one model folder from those of another."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _measured(run: Run) -> dict[str, list[int]]:
    numbers, sign = run.recipe.numbers, run.recipe.sign
    return {sums.kind(numbers, each): run.measure(each) for each in (sign, _OTHER_SIGN[sign])}


def _take_steps(run: Run) -> None:
    with progress_bar() as bar:
        shown = bar.add_task("right answers", total=run.recipe.steps)
        for number in range(1, run.recipe.steps + 1):
            run.take_step()
            lately = np.mean([step.reward for step in run.steps[-10:]])
            bar.update(shown, completed=number, description=f"right answers {lately:.0%}")
            if number % 10 == 0 and not sys.stderr.isatty():
                print(f"step {number} of {run.recipe.steps}: right answers {lately:.0%}", file=sys.stderr, flush=True)


def _write(out: Path, policy: Policy, report: dict[str, Any]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(out) as folder:
            for file in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
                if (policy.folder / file).exists():
                    shutil.copyfile(policy.folder / file, folder / file)
            save_safetensors(folder / SINGLE_FILE, policy.weights, {"format": "pt"})
            (folder / REPORT).write_text(json.dumps(report) + "\n", encoding="utf-8")
            right = report["right"][report["trained"]]
            shares = share(right["before"], report["recipe"]), share(right["after"], report["recipe"])
            curve.draw_rewards(folder / CURVE, np.array(report["rewards"]), shares)
    except OSError as problem:
        raise TrainingError(f"{out} cannot be written: {problem.strerror or problem}") from None
