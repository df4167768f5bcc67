"""Measure the shipped model, through the project's own runtime: `python -m training.evaluate`.

Every check is automatic and strict; what a check demands of a sampled story holds for every story of the training text
by construction (the tests confirm it). Prints a table and writes `evaluation.json` beside the model. The parts stand in
training/evaluation/.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .evaluation.report import PARTS, evaluate

__all__ = ["evaluate", "main"]

MODEL_FOLDER = Path(__file__).resolve().parents[1] / "data" / "models" / "mini"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=200, help="tries of each ability")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the work")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this part; may be given repeatedly")
    parser.add_argument("--output", type=Path, help="where the report goes, if not beside the model")
    options = parser.parse_args()
    evaluate(options.model, options.count, options.workers, options.part or tuple(PARTS), options.output)


if __name__ == "__main__":
    main()
