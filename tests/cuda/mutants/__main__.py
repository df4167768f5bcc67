"""Write the table of mutants as Markdown: python -m tests.cuda.mutants [FILE]. Without a name, into README.md here."""

import sys
import time
from collections import Counter
from pathlib import Path

from llaisys_mini.files import write_atomically
from tests.cuda.mutants.catalogue import MUTANTS
from tests.cuda.mutants.running import NAMES, in_simulator, sanitized, source_of


def main() -> None:
    start = time.perf_counter()
    outcomes = [
        sanitized(mutant.applied(source_of(mutant.program)), f"<{mutant.program}: {mutant.name}>") for mutant in MUTANTS
    ]
    here = time.perf_counter() - start
    start = time.perf_counter()
    simulated = in_simulator(MUTANTS)
    there = time.perf_counter() - start
    rows = []
    for mutant, outcome, verdict in zip(MUTANTS, outcomes, simulated, strict=True):
        told = outcome.kinds or outcome.remarks
        found = ", ".join(dict.fromkeys(told)) or ("wrong numbers only" if not outcome.is_right else "nothing")
        line = f"`{outcome.lines[0]}`" if outcome.lines else ""
        rows.append(f"| {mutant.program} | {mutant.name} | {found} | {line} | {verdict} |")
    named = sum(bool(outcome.kinds or outcome.remarks) for outcome in outcomes)
    by_numbers = sum(not (outcome.kinds or outcome.remarks or outcome.is_right) for outcome in outcomes)
    remarked = sum(bool(outcome.remarks and not outcome.kinds) for outcome in outcomes)
    verdicts = Counter(simulated)
    missed = verdicts.pop("not detected", 0)
    text = "\n".join(
        [
            "# Broken kernels: what is found",
            "",
            f"{len(MUTANTS)} mutants of {len(NAMES)} correct kernels, each with one thing broken "
            "(tests/cuda/mutants/catalogue.py). Written by `python -m tests.cuda.mutants`. The mutants and the "
            "sanitizer come from the same hands, so the sample flatters it.",
            "",
            f"- **The sanitizer** names the fault of {named} (of {remarked} in a "
            f"remark, which alone fails no check: the numbers do), with its line, thread and block, in {here:.0f} s; "
            f"{by_numbers} more give wrong numbers, which comparing the result shows; "
            f"{len(MUTANTS) - named - by_numbers} are missed.",
            f"- **Numba's simulator** (same kernels, same inputs, same run; {there:.0f} s) gives the right numbers and "
            f"detects nothing in {missed}; the rest is "
            + ", ".join(f"{verdict} {count}" for verdict, count in verdicts.most_common())
            + ". It has no warp operations and no aligned arrays (cannot run), and what it finds of a race depends on "
            "how its threads happen to run.",
            "",
            "| kernel | what is broken | the sanitizer finds | first on the line | Numba's simulator |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("README.md")
    write_atomically(path, text)
    print(f"{path}: {len(MUTANTS)} mutants, {named} named by the sanitizer, {by_numbers} found by their numbers alone")


if __name__ == "__main__":
    main()
