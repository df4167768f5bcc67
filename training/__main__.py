"""Make the shipped models from nothing, with one command: `python -m training`.

Tokenizer, training, the draft model, evaluation. Where a GPU is at hand it trains there, else on the CPU's cores. What
is finished stays in the scratch folder, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from llaisys_mini.files import whole_file

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"


def install(finished: Path, folder: Path) -> None:
    """Copy a finished model, so that no reader ever sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(finished.iterdir()):
        with whole_file(folder / file.name) as copy:
            shutil.copyfile(file, copy)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "llaisys-mini-training",
        help="scratch folder: tokenizer, checkpoints and logs; a second call goes on from there",
    )
    parser.add_argument("--output", type=Path, default=MODELS, help="where the folders mini and mini-draft go")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="default: the GPU where there is one")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="one per core")
    parser.add_argument("--share", type=float, default=1.0, help="share of the recipe's tokens, for a trial")
    parser.add_argument(
        "--from",
        dest="begun",
        type=Path,
        metavar="FOLDER",
        help="go on from the models of this folder (mini and mini-draft) with the last stage of the recipe only",
    )
    parser.add_argument("--skip-draft", action="store_true", help="do not train the draft model")
    parser.add_argument("--skip-evaluation", action="store_true", help="write the models without evaluating them")
    options = parser.parse_args()
    if options.begun is not None and not (options.begun / "mini" / "config.json").is_file():
        parser.error(f"--from: no model in {options.begun / 'mini'}")

    import torch

    from .recipe import AVERAGED_STAGES, DRAFT_LAYERS, DRAFT_STAGES, LAYERS, STAGES, scaled
    from .tokenizer import load_or_train_tokenizer
    from .train import Run, begin_last_stage, train, write_model

    work = options.work.resolve()
    finished, finished_draft = work / "mini", work / "mini-draft"
    if options.begun is not None and not finished.exists():
        old_reports = shutil.ignore_patterns("README.md", "evaluation.json")
        shutil.copytree(options.begun / "mini", finished, ignore=old_reports)
    load_or_train_tokenizer(finished)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    shared = (device, options.processes)
    stages = scaled(STAGES, options.share)
    run = Run(work / "run", finished / "tokenizer.json", stages, LAYERS, *shared, averaged=AVERAGED_STAGES)
    if options.begun is not None:
        begin_last_stage(run, options.begun / "mini")
    train(run)
    write_model(run, finished)
    install(finished, options.output / "mini")
    if not options.skip_draft:
        shutil.copytree(finished, finished_draft, dirs_exist_ok=True)  # tokenizer and chat template are the same
        draft_stages = scaled(DRAFT_STAGES, options.share)
        draft = Run(work / "draft", run.tokenizer_file, draft_stages, DRAFT_LAYERS, *shared, teacher=finished)
        if options.begun is not None:
            begin_last_stage(draft, options.begun / "mini-draft")
        train(draft)
        write_model(draft, finished_draft)
        install(finished_draft, options.output / "mini-draft")
    if not options.skip_evaluation:
        from .evaluate import evaluate

        evaluate(options.output / "mini", workers=options.processes)


if __name__ == "__main__":
    main()
