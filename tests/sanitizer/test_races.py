"""Races are found exactly where they are: random kernels, with atomics, warps and two blocks, against all pairs of
accesses. In every order of the threads the same kernels are found."""

import linecache
import random

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.sanitizer import ORDERS, findings

BLOCKS, THREADS, CELLS = 2, 64, 6


class RandomAccesses:
    """A kernel of random reads, writes, atomic updates and barriers, and what each thread does in it."""

    def __init__(self, seed: int, space: str):
        choose = random.Random(seed)
        self.space = space
        self.steps = []
        weights = choose.choice([(4, 3, 0, 3, 2), (4, 0, 3, 3, 2), (4, 1, 2, 3, 2), (6, 1, 1, 1, 4)])
        by_few = choose.random() < 0.6  # then a thread, a warp or a block does each step, and barriers are frequent
        for number in range(choose.randint(3, 7 if by_few else 9)):
            kind = choose.choices(["read", "write", "atomic", "barrier", "syncwarp"], weights)[0]
            modulus = choose.choice([1, 1, 2, 4, 16, 32, 64])
            share = choose.choice([1, 1, 1, 32, 64])
            if by_few:
                share = choose.choice([1, 32, 64, BLOCKS * THREADS])
                modulus = BLOCKS * THREADS // share
            remainder = choose.randrange(modulus)
            if share == 1 and by_few:
                remainder = choose.choice([0, 1, 5, 32, 33, 64, 65, 96])
            shape = (choose.choice([0, 1, 1, 3]), choose.randrange(CELLS), choose.choice([1, 1, 32]))
            if by_few:
                shape = (0, 0, 1)
            self.steps.append((kind, (share, modulus, remainder), shape, number))
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
        for kind, (group, modulus, remainder), (factor, offset, share), number in self.steps:
            if kind == "barrier":
                lines.append("    cuda.syncthreads()")
                continue
            if kind == "syncwarp":
                lines.append("    cuda.syncwarp()")
                continue
            lines.append(f"    if i // {group} % {modulus} == {remainder}:")
            place = f"memory[({factor} * (i // {share}) + {offset}) % {CELLS}]"
            value = f"i + {1000 * (number + 1)}"
            statement = {
                "write": f"{place} = {value}",
                "read": f"total += {place}",
                "atomic": f"cuda.atomic.add(memory, {place[7:-1]}, {value})",
            }
            lines.append(f"        {statement[kind]}")
        return "\n".join([*lines, "    out[i] = total"]) + "\n"

    def has_race(self) -> bool:
        """Whether two unordered accesses of different threads meet, one of them a write: by trying all pairs."""
        accesses = {}
        for block in range(BLOCKS):
            for t in range(THREADS):
                barriers = warps = 0
                i = block * THREADS + t
                for kind, (group, modulus, remainder), (factor, offset, share), _ in self.steps:
                    barriers += kind == "barrier"
                    warps += kind == "syncwarp"
                    if kind in ("read", "write", "atomic") and i // group % modulus == remainder:
                        place = (factor * (i // share) + offset) % CELLS
                        home = (block, place) if self.space == "shared" else place
                        accesses.setdefault(home, []).append((block, t, barriers, warps, kind))
        return any(
            self._unordered(first, second)
            for group in accesses.values()
            for first in group
            for second in group
            if first[:2] != second[:2] and {first[4], second[4]} not in ({"read"}, {"atomic"})
        )

    @staticmethod
    def _unordered(first, second):
        same_block = first[0] == second[0]
        if same_block and first[2] != second[2]:
            return False
        same_warp = same_block and first[1] // 32 == second[1] // 32
        return not (same_warp and first[3] != second[3])


def found_in(accesses: RandomAccesses, seed: int, order: str) -> bool:
    """Whether the sanitizer finds a race; nothing else may be found."""
    filename = f"<accesses {accesses.space} {seed}>"
    source = accesses.source
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names = {"cuda": cuda, "np": np}
    exec(compile(source, filename, "exec"), names)
    cells, out = np.zeros(CELLS, np.int64), np.zeros(BLOCKS * THREADS, np.int64)
    with cuda.sanitized(raises=False, order=order) as report:
        cuda.jit(names["kernel"])[BLOCKS, THREADS](cells, out)
    assert {finding.kind for finding in report.findings} <= {findings.RACE}, report.findings
    return bool(report.findings)


def compare_with_all_pairs(space: str, seeds) -> None:
    racy, missed, false = 0, [], []
    for seed in seeds:
        accesses = RandomAccesses(seed, space)
        has_race = accesses.has_race()
        racy += has_race
        found = found_in(accesses, seed, ORDERS[seed % len(ORDERS)])
        if found != has_race:
            (false if found else missed).append(seed)
    assert (missed, false) == ([], []), (
        f"missed {missed}, false {false}\n{RandomAccesses((missed + false)[0], space).source}"
    )
    assert 0.2 < racy / len(seeds) < 0.9, racy  # both kinds occur


@pytest.mark.parametrize("space", ["shared", "global"])
def test_random_accesses(space):
    compare_with_all_pairs(space, range(250))


@pytest.mark.long
@pytest.mark.parametrize("space", ["shared", "global"])
def test_many_random_accesses(space):
    compare_with_all_pairs(space, range(1000, 3500))
