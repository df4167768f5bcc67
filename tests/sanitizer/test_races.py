"""Races are found exactly where they are: random kernels against a count of all pairs of accesses."""

import linecache
import random

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.sanitizer import ORDERS, findings

BLOCKS, THREADS, CELLS = 2, 64, 24


class RandomAccesses:
    """A kernel of random reads, writes and barriers, and what each thread does in it."""

    def __init__(self, seed: int, space: str):
        choose = random.Random(seed)
        self.space = space
        self.steps = []
        for number in range(choose.randint(3, 9)):
            kind = choose.choices(["read", "write", "barrier", "syncwarp"], [4, 3, 3, 2])[0]
            modulus = choose.choice([1, 2, 16, 32, 64])
            remainder = choose.randrange(modulus)
            shape = (choose.choice([0, 1, 1, 3]), choose.randrange(CELLS), choose.choice([1, 1, 32]))
            self.steps.append((kind, modulus, remainder, shape, number))
        self.source = self._source()

    def _source(self):
        lines = ["def kernel(cells, out):", "    t = cuda.threadIdx.x", "    i = cuda.grid(1)", "    total = 0"]
        if self.space == "shared":
            lines += [
                f"    memory = cuda.shared.array({CELLS}, np.int64)",
                f"    if t < {CELLS}:",
                "        memory[t] = 0",
            ]
            lines += ["    cuda.syncthreads()"]
        else:
            lines += ["    memory = cells"]
        for kind, modulus, remainder, (factor, offset, share), number in self.steps:
            if kind == "barrier":
                lines.append("    cuda.syncthreads()")
                continue
            if kind == "syncwarp":
                lines.append("    cuda.syncwarp()")
                continue
            lines.append(f"    if i % {modulus} == {remainder}:")
            place = f"memory[({factor} * (i // {share}) + {offset}) % {CELLS}]"
            value = f"i + {1000 * (number + 1)}"
            lines.append(f"        {place} = {value}" if kind == "write" else f"        total += {place}")
        return "\n".join([*lines, "    out[i] = total"]) + "\n"

    def has_race(self) -> bool:
        """Whether two unordered accesses of different threads meet, one of them a write: by trying all pairs."""
        accesses = {}
        for block in range(BLOCKS):
            for t in range(THREADS):
                barriers = warps = 0
                i = block * THREADS + t
                for kind, modulus, remainder, (factor, offset, share), _ in self.steps:
                    barriers += kind == "barrier"
                    warps += kind == "syncwarp"
                    if kind in ("read", "write") and i % modulus == remainder:
                        place = (factor * (i // share) + offset) % CELLS
                        home = (block, place) if self.space == "shared" else place
                        accesses.setdefault(home, []).append((block, t, barriers, warps, kind == "write"))
        return any(
            self._unordered(first, second)
            for group in accesses.values()
            for first in group
            for second in group
            if first[4] and first[:2] != second[:2]
        )

    @staticmethod
    def _unordered(first, second):
        same_block = first[0] == second[0]
        if same_block and first[2] != second[2]:
            return False
        same_warp = same_block and first[1] // 32 == second[1] // 32
        return not (same_warp and first[3] != second[3])


@pytest.mark.parametrize("space", ["shared", "global"])
def test_random_accesses(space):
    racy = 0
    for seed in [*range(150), 1126]:  # 1126: the only writer has read the element too, as did another block
        accesses = RandomAccesses(seed, space)
        filename = f"<accesses {space} {seed}>"
        source = accesses.source
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        names = {"cuda": cuda, "np": np}
        exec(compile(source, filename, "exec"), names)
        cells, out = np.zeros(CELLS, np.int64), np.zeros(BLOCKS * THREADS, np.int64)
        with cuda.sanitized(raises=False, order=ORDERS[seed % 4]) as report:
            cuda.jit(names["kernel"])[BLOCKS, THREADS](cells, out)
        assert {finding.kind for finding in report.findings} <= {findings.RACE}, report.findings
        assert bool(report.findings) == accesses.has_race(), f"{source}\n{report}"
        racy += accesses.has_race()
    assert 30 < racy < 130, racy  # both kinds occur
