"""The kinds of programs that Numba's manual teaches CUDA with, written anew: each is a notebook's cell, and runs as
such without a GPU, watched by the sanitizer."""

import itertools
import linecache

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.sanitizer import SanitizerError, UnsupportedInKernel, findings

_numbers = itertools.count()


def run(cell, **names):
    """Run a cell; its names. The source is found as IPython keeps it."""
    filename = f"<example {next(_numbers)}>"
    linecache.cache[filename] = (len(cell), None, cell.splitlines(keepends=True), filename)
    exec(compile(cell, filename, "exec"), names)
    return names


VECTOR_ADDITION = """
import numpy as np
from llaisys_mini import cuda

@cuda.jit
def add_vectors(first, second, total):
    here = cuda.grid(1)
    if here < total.size:
        total[here] = first[here] + second[here]

first = cuda.to_device(np.arange(1000, dtype=np.float32))
second = cuda.to_device(np.full(1000, 2, np.float32))
total = cuda.device_array_like(first)
{launch}(first, second, total)
result = total.copy_to_host()
"""


@pytest.mark.parametrize(
    "launch",
    ["add_vectors[(total.size + 127) // 128, 128]", "add_vectors.forall(total.size)", "add_vectors[4, 256, 0, 0]"],
)
def test_vector_addition(launch):
    with cuda.sanitized() as report:
        result = run(VECTOR_ADDITION.format(launch=launch))["result"]
    np.testing.assert_array_equal(result, np.arange(1000) + 2)
    assert not report.findings and not report.remarks


HEAT = """
import numpy as np
from llaisys_mini import cuda

@cuda.jit
def one_step(now, after, rate):
    cell = cuda.grid(1)
    if cell >= now.size:
        return
    left = now[cell - 1] if cell > 0 else now[cell]
    right = now[cell + 1] if cell < now.size - 1 else now[cell]
    after[cell] = now[cell] + rate * (left - np.float32(2) * now[cell] + right)

rod = np.zeros(300, np.float32)
rod[150] = 100
buffers = [cuda.to_device(rod), cuda.to_device(np.zeros_like(rod))]
for step in range(steps):
    one_step[3, 128](buffers[step % 2], buffers[(step + 1) % 2], np.float32(0.25))
result = buffers[steps % 2].copy_to_host()
"""


def test_heat_in_a_rod():
    with cuda.sanitized() as report:
        result = run(HEAT, steps=40)["result"]
    expected = np.zeros(300)
    expected[150] = 100
    for _ in range(40):
        padded = np.pad(expected, 1, mode="edge")
        expected = expected + 0.25 * (padded[:-2] - 2 * expected + padded[2:])
    np.testing.assert_allclose(result, expected, atol=1e-4)
    assert not report.findings and not report.remarks


def test_heat_in_place_is_a_race():
    cell = HEAT.replace("buffers[step % 2], buffers[(step + 1) % 2]", "buffers[0], buffers[0]")
    with pytest.raises(SanitizerError) as caught, cuda.sanitized():
        run(cell, steps=1)
    assert {finding.kind for finding in caught.value.findings} == {findings.RACE}


def test_a_barrier_of_the_whole_grid_is_said_to_be_unsupported():
    cell = HEAT.replace("    cell = cuda.grid(1)\n", "    cell = cuda.grid(1)\n    cuda.cg.this_grid().sync()\n")
    with pytest.raises(UnsupportedInKernel, match=r"cuda\.cg"), cuda.sanitized():
        run(cell, steps=1)


REDUCTION = """
import numpy as np
from llaisys_mini import cuda

THREADS = 64

@cuda.jit
def add_up(numbers, total):
    shared = cuda.shared.array(THREADS, np.int32)
    me, here = cuda.threadIdx.x, cuda.grid(1)
    shared[me] = numbers[here] if here < numbers.size else 0
    cuda.syncthreads()
    width = THREADS // 2
    while width > 0:
        if me < width:
            shared[me] += shared[me + width]
        {barrier}
        width //= 2
    if me == 0:
        cuda.atomic.add(total, 0, shared[0])

numbers = cuda.to_device(np.arange(1000, dtype=np.int32))
total = cuda.to_device(np.zeros(1, np.int32))
add_up[(numbers.size + THREADS - 1) // THREADS, THREADS](numbers, total)
result = total.copy_to_host()[0]
"""


def test_reduction_in_shared_memory():
    with cuda.sanitized() as report:
        assert run(REDUCTION.format(barrier="cuda.syncthreads()"))["result"] == 999 * 500
    assert not report.findings and not report.remarks
    with pytest.raises(SanitizerError, match="data race"), cuda.sanitized():
        run(REDUCTION.format(barrier="pass"))


MATMUL = """
import numpy as np
from llaisys_mini import cuda

@cuda.jit
def plainly(a, b, c):
    row, column = cuda.grid(2)
    if row < c.shape[0] and column < c.shape[1]:
        value = np.float32(0)
        for k in range(a.shape[1]):
            value += a[row, k] * b[k, column]
        c[row, column] = value

TILE = 8

@cuda.jit
def in_tiles(a, b, c):
    tile_a = cuda.shared.array((TILE, TILE), np.float32)
    tile_b = cuda.shared.array((TILE, TILE), np.float32)
    row, column = cuda.grid(2)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    value = np.float32(0)
    for first in range(0, a.shape[1], TILE):
        tile_a[i, j] = a[row, first + j] if row < a.shape[0] and first + j < a.shape[1] else 0
        tile_b[i, j] = b[first + i, column] if first + i < b.shape[0] and column < b.shape[1] else 0
        cuda.syncthreads()
        for k in range(TILE):
            value += tile_a[i, k] * tile_b[k, j]
        cuda.syncthreads()
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = value

random = np.random.default_rng(5)
a, b = (random.normal(size=size).astype(np.float32) for size in ((20, 13), (13, 30)))
c = cuda.device_array((20, 30), np.float32)
blocks = (20 + TILE - 1) // TILE, (30 + TILE - 1) // TILE
KERNEL[blocks, (TILE, TILE)](cuda.to_device(a), cuda.to_device(b), c)
result = c.copy_to_host()
"""


@pytest.mark.parametrize("kernel", ["plainly", "in_tiles"])
def test_matrix_product(kernel):
    with cuda.sanitized(counts=True) as report:
        names = run(MATMUL.replace("KERNEL", kernel))
    np.testing.assert_allclose(names["result"], names["a"] @ names["b"], rtol=1e-4, atol=1e-5)
    assert not report.findings and not report.remarks
    loads = sum(line.accesses for line in report.traffic if (line.space, line.operation) == ("global", "load"))
    assert loads == 2 * 20 * 13 * 30 if kernel == "plainly" else loads < 2 * 20 * 13 * 30 / 6
