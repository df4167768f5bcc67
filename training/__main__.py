"""Make the shipped model from nothing: tokenizer, training, evaluation. One command, `python -m training`."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

MODEL_FOLDER = Path(__file__).resolve().parents[1] / "data" / "models" / "mini"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "llaisys-mini-training",
        help="scratch folder: tokenizer, checkpoint and log; a second call goes on from there",
    )
    parser.add_argument("--output", type=Path, default=MODEL_FOLDER, help="where the finished model goes")
    parser.add_argument("--workers", type=int, default=2, help="training processes, one per core")
    parser.add_argument(
        "--no-compile", action="store_true", help="train without torch.compile (no C++ compiler needed, slower)"
    )
    parser.add_argument(
        "--skip-evaluation", action="store_true", help="train and write the model, but do not evaluate it"
    )
    options = parser.parse_args()

    from .tokenizer import load_or_train_tokenizer
    from .train import train, write_model

    finished = options.work / "model"
    load_or_train_tokenizer(finished)
    training = train(
        options.work, finished / "tokenizer.json", workers=options.workers, compiled=not options.no_compile
    )
    write_model(training, finished)
    options.output.mkdir(parents=True, exist_ok=True)
    for file in sorted(finished.iterdir()):
        # Copied beside its place and then renamed, so that no reader ever sees half a file.
        temporary = options.output / f".{file.name}.new"
        shutil.copyfile(file, temporary)
        os.replace(temporary, options.output / file.name)
    if not options.skip_evaluation:
        from .evaluate import evaluate

        evaluate(options.output, workers=options.workers)


if __name__ == "__main__":
    main()
