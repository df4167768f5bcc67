"""Runs all parts of the evaluation, prints the table, writes evaluation.json and what the model card says of it."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from llaisys_mini import files
from llaisys_mini.engine.generate import LanguageModel, load_model

from .abilities import ABILITIES
from .asking import Evaluation, Result
from .card import CARD, table, with_figures, with_samples, with_table
from .conversations import random_conversations
from .losses import held_out_losses

CONVERSATIONS = "conversations of six turns"


def _conversations(evaluation: Evaluation, count: int) -> None:
    """More of these than of anything else: one has six turns, each of any kind."""
    random_conversations(evaluation, CONVERSATIONS, count * 5 // 2, demanded=0.95)


def _conversations_held_out(evaluation: Evaluation, count: int) -> None:
    random_conversations(evaluation, f"{CONVERSATIONS}, in held-out wordings", count, held_out=True)


def _conversations_sampled(evaluation: Evaluation, count: int) -> None:
    random_conversations(evaluation, f"{CONVERSATIONS}, every answer drawn as in chat", count, sampled=True)


# The parts, in the order of the table. They are independent: several processes can share them.
PARTS: dict[str, Callable[[Evaluation, int], None]] = {
    **ABILITIES,
    "conversations": _conversations,
    "conversations held out": _conversations_held_out,
    "conversations sampled": _conversations_sampled,
}


def reported(folder: Path) -> list[Result]:
    """What evaluation.json says of the model in the folder."""
    checks = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["checks"]
    return [Result(check["name"], check["right"], check["total"], check["demanded"]) for check in checks]


def evaluate_part(folder: Path, part: str, count: int) -> tuple[list[Result], int, int]:
    """Results of one part, and how many answers were given, and were well formed."""
    evaluation = Evaluation(load_model(folder))
    PARTS[part](evaluation, count)
    return evaluation.results, evaluation.answers, evaluation.well_formed


def evaluate(
    folder: Path, count: int = 200, workers: int = 1, parts: Sequence[str] = tuple(PARTS), output: Path | None = None
) -> list[Result]:
    """Run the parts, print the table, write evaluation.json into the folder, and the table into the model card there,
    unless `output` names a file.

    count: tries of each ability; of conversations, two and a half times as many.
    """
    started = time.perf_counter()
    if workers == 1:
        found = [evaluate_part(folder, part, count) for part in parts]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(evaluate_part, [folder] * len(parts), parts, [count] * len(parts)))
    results = [result for part_results, _, _ in found for result in part_results]
    answers, well_formed = sum(each[1] for each in found), sum(each[2] for each in found)
    results.append(Result("all answers end by themselves and play no other role", well_formed, answers, 0.98))
    model: LanguageModel = load_model(folder)
    losses = held_out_losses(model, max(4, count // 2))
    print(table(results))
    print("loss of stories in nats per token: " + ", ".join(f"{name}: {loss:.3f}" for name, loss in losses.items()))
    sampling = Evaluation(model).sampling
    report = {
        "seconds": round(time.perf_counter() - started),
        "sampling_of_stories": {key: asdict(sampling)[key] for key in ("temperature", "top_k", "top_p")},
        "loss": losses,
        "checks": [
            {"name": r.name, "right": r.right, "total": r.total, "share": round(r.share, 4), "demanded": r.demanded}
            | r.details
            for r in results
        ],
    }
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    files.write_atomically(output or folder / "evaluation.json", text)
    card = folder / CARD
    if output is None and card.exists():
        written = with_figures(with_table(card.read_text(encoding="utf-8"), results), results)
        files.write_atomically(card, with_samples(written, model))
    return results
