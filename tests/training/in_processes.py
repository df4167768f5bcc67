"""A small training in each of the processes that mpiexec starts: `python -m tests.training.in_processes TEXT OUT`.

The first writes what it found as OUT.json. With `--die STEP` the last process kills itself after that step; with
`--fail` the first fails to save.
"""

import argparse
import hashlib
import json
from pathlib import Path

from llaisys_mini.errors import TrainingError, UserError
from llaisys_mini.training import checkpoints, loop, parallel
from tests.training.small import RECIPE, kill_self


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--die", type=int)
    parser.add_argument("--fail", action="store_true")
    asked = parser.parse_args()
    group = parallel.group()
    runs = []
    take_step = loop.Run.take_step

    def step(run):
        take_step(run)
        runs[:] = [run]
        if asked.die == run.step and group.rank == group.size - 1:
            kill_self()

    def fail(*_):
        raise TrainingError("no room is left")

    loop.Run.take_step = step
    if asked.fail:
        checkpoints.save = fail
    try:
        outcome = loop.train(asked.text, asked.out, RECIPE, group)
    except UserError as problem:
        group.end(problem)
        raise
    digest = hashlib.sha256(b"".join(array.tobytes() for array in runs[0].weights.values())).hexdigest()
    everyones = group._all.gather(digest) if group.size > 1 else [digest]
    if group.rank == 0:
        found = {"size": group.size, "losses": outcome.losses.tolist(), "weights": everyones}
        Path(f"{asked.out}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
