"""explain, count_traffic, count_gpu_traffic and race: the facts are right, and told apart from their absence."""

import re

import numpy as np
import pytest

from llaisys_mini import check, count_gpu_traffic, count_traffic, explain, race
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.inspect import race as racing
from llaisys_mini.kernels.earlier import earlier_kernel
from llaisys_mini.kernels.runtime import kernels_changed

ADD = """
import numpy as np
from numba import njit, prange
from llaisys_mini import kernel

@kernel("add", device="cpu")
@njit(cache=True{options})
def add(x, y, out):
    for i in {range}(out.size):
        {body}
"""
PLAIN = ADD.format(options="", range="range", body="out[i] = x[i] + y[i]")
PARALLEL = ADD.format(options=", parallel=True", range="prange", body="out[i] = x[i] + y[i]")
ALLOCATES = ADD.format(options="", range="range", body="out[i] = (x[i:i + 1] + y[i:i + 1])[0]")
SERIAL_SUM = """
import numpy as np
from numba import njit
from llaisys_mini import kernel

@kernel("linear", device="cpu")
@njit(cache=True{options})
def linear(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0)
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
            out[n, m] = total if bias is None else total + bias[m]
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))

    def write_kernel(name, source, device="cpu"):
        (tmp_path / device).mkdir(exist_ok=True)
        (tmp_path / device / f"{name}.py").write_text(source)
        kernels_changed()

    yield write_kernel
    monkeypatch.undo()
    kernels_changed()


def test_parallel_and_vectorised(write):
    write("add", PLAIN)
    facts = explain("add")
    assert (facts.vectorised, facts.parallel, facts.allocations) == (True, False, 0)
    facts.require(vectorised=True, allocations=0)
    with pytest.raises(CheckFailed, match="it starts no threads"):
        facts.require(parallel=True)
    write("add", PARALLEL)
    explain("add").require(parallel=True, vectorised=True, allocations=0)


def test_a_sum_vectorises_only_with_fastmath(write):
    write("linear", SERIAL_SUM.format(options=""))
    with pytest.raises(CheckFailed, match="its sums add one number at a time"):
        explain("linear").require(vectorised_sums=True)
    write("linear", SERIAL_SUM.format(options=", fastmath=True"))
    explain("linear").require(vectorised_sums=True, vectorised=True)


def test_arrays_made_in_a_loop_are_counted(write):
    write("add", ALLOCATES)
    with pytest.raises(CheckFailed, match=r"one call allocates \d+ array"):
        explain("add").require(allocations=0)


def test_what_cannot_be_explained(write):
    with pytest.raises(KernelError, match="add: run the cell with @kernel"):
        explain("add")
    write("add", PLAIN.replace("@njit(cache=True)\n", ""))
    with pytest.raises(KernelError, match="plain Python"):
        explain("add")
    write("add", PLAIN.replace("x[i] + y[i]", "missing"))
    with pytest.raises(KernelError, match="does not run yet"):
        explain("add")


MATMUL = """
import numpy as np
from numba import njit
from llaisys_mini import kernel

@kernel("matmul", device="cpu")
@njit(cache=True)
def matmul(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = np.float32(0)
            for k in range(a.shape[1]):
                total += a[m, k] * b[k, n]
            out[m, n] = total
"""


def test_traffic_of_the_plain_product_is_what_theory_says(write):
    write("matmul", MATMUL)
    counted = count_traffic("matmul")
    assert (counted.loads, counted.stores) == (2 * 32**3, 32**2)
    # b comes anew for every element of it that is used; a row of a and of out is two lines each, met once.
    assert 32**3 <= counted.misses <= 32**3 + 32 * (2 + 2) * 32
    with pytest.raises(CheckFailed, match="cache misses, at most 3,000 allowed"):
        counted.require(misses=3000)
    with pytest.raises(CheckFailed, match=r"2\.00 loads for each multiply-add"):
        counted.require(loads_per_multiply_add=1)


def test_traffic_of_a_wrong_or_strange_product(write):
    write("matmul", MATMUL.replace("total += ", "total -= "))
    with pytest.raises(CheckFailed, match="the result is wrong"):
        count_traffic("matmul")
    write("matmul", MATMUL.replace("out[m, n] = total", "out[m, n] = a.sum()"))
    with pytest.raises(KernelError, match="cannot be counted"):
        count_traffic("matmul")


LINEAR = """
import numpy as np
from numba import njit
from llaisys_mini import kernel

@kernel("linear", device="cpu")
@njit(cache=True)
def linear(x, weight, bias, out):
    for {outer}:
        for {inner}:
            total = np.float32(0)
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
            out[n, m] = total
"""
TOKENS, WEIGHTS = "n in range(x.shape[0])", "m in range(weight.shape[0])"


@pytest.mark.parametrize(
    ("outer", "inner", "misses"),
    [(TOKENS, WEIGHTS, 6 * 128 + 12 + 24), (WEIGHTS, TOKENS, 128 + 12 + 24)],  # lines of weight, of x, of out
)
def test_traffic_of_linear_depends_on_the_order_of_its_loops(write, outer, inner, misses):
    write("linear", LINEAR.format(outer=outer, inner=inner))
    rng = np.random.default_rng(0)
    prompt = dict(x=rng.normal(size=(6, 32)), weight=rng.normal(size=(64, 32)), bias=None)
    counted = count_traffic("linear", prompt)
    assert (counted.work, counted.loads, counted.stores) == (6 * 32 * 64, 2 * 6 * 32 * 64, 6 * 64)
    assert counted.misses == misses


def test_the_cache_grows_with_what_is_counted(write):
    write("linear", LINEAR.format(outer=WEIGHTS, inner=TOKENS))
    x = np.ones((30, 64))  # 120 lines: a third is more than the smallest cache, and a row of weight is 4
    # 5 rows of x, two of weight and a line of out for each row of x are 33 lines: with room for 32, x would come anew
    # for each row of weight. Only where new lines of out come is some line of x lost.
    least = 20 + 120 + 5 * 2
    assert least <= count_traffic("linear", dict(x=x[:5], weight=x, bias=None)).misses < least + 20
    assert count_traffic("linear", dict(x=x, weight=x[:5], bias=None)).misses >= 5 * 120


def test_traffic_of_transposed_and_packed_arrays(write):
    write("matmul", MATMUL.replace("    for m in", "    packed = np.ascontiguousarray(b.T)\n    for m in", 1).replace(
        "b[k, n]", "packed[n, k]"
    ))  # fmt: skip
    counted = count_traffic("matmul")
    assert (counted.loads, counted.stores) == (2 * 32**3 + 32**2, 2 * 32**2)  # each number of b is moved once


SOFTMAX = """
import math
import numpy as np
from numba import njit
from llaisys_mini import kernel

@kernel("softmax", device="cpu")
@njit
def softmax(x, out):
    for n in range(x.shape[0]):
        top = x[n, 0]
        for c in range(1, x.shape[1]):
            top = max(top, x[n, c])
        total = np.float32(0)
        for c in range(x.shape[1]):
            total += math.exp(x[n, c] - top)
        for c in range(x.shape[1]):
            out[n, c] = math.exp(x[n, c] - top) / total
"""


def test_traffic_of_a_softmax_counts_its_passes(write):
    write("softmax", SOFTMAX)
    counted = count_traffic("softmax")
    assert (counted.loads, counted.stores) == (3 * 32**2, 32**2)
    counted.require(loads_of_each_number=3)
    with pytest.raises(CheckFailed, match=r"3\.00 loads for each number, at most 2\.1 allowed"):
        counted.require(loads_of_each_number=2.1)


COPY = """
from llaisys_mini import cuda, kernel

@cuda.jit
def run(x, out):
    i = cuda.grid(1)
    if i < out.size:
        {body}

@kernel("relu", device="cuda")
def relu(x, out):
    run[(out.size + 127) // 128, 128](x, out)
"""


@pytest.mark.parametrize(
    ("body", "fits"), [("out[i] = max(x[i], 0)", True), ("out[i * 7 % 1024] = x[i * 7 % 1024]", False)]
)
def test_gpu_traffic(write, body, fits):
    write("relu", COPY.format(body=body), "cuda")
    x = np.abs(np.random.default_rng(0).normal(size=1024))
    counted = count_gpu_traffic("relu", dict(x=x))
    if fits:
        assert (counted.loaded, counted.stored) == (4096, 4096)
        counted.require(waste=1, loads_of_each_input=1)
    else:
        with pytest.raises(CheckFailed, match="neighbouring threads should access"):
            counted.require(waste=1.3)
        with pytest.raises(CheckFailed, match="times from global memory"):
            counted.require(loads_of_each_input=1)


def test_gpu_traffic_of_an_unfinished_kernel(write):
    source = 'from llaisys_mini import kernel\n\n@kernel("relu", device="cuda")\ndef relu(x, out):\n    {}\n'
    write("relu", source.format('raise NotImplementedError("write relu here")'), "cuda")
    with pytest.raises(CheckFailed, match="is not written yet"):
        count_gpu_traffic("relu")


def test_race_draws_the_present_and_the_earlier_version(write, monkeypatch):
    drawn = []
    monkeypatch.setattr("llaisys_mini.lectures.plots.show", lambda fig, alt: drawn.append((fig, alt)))
    monkeypatch.setattr("llaisys_mini.inspect.race._SECONDS_PER_POINT", 0.001)
    write("add", PLAIN)
    check("add")
    assert earlier_kernel("add") is None
    write("add", PARALLEL)
    check("add")
    check("add")  # the same again is no new version
    assert "prange" not in earlier_kernel("add").path.read_text().split("def add")[1]
    race("add", lambda n: dict(x=np.ones(n), y=np.ones(n)), (10, 1000), size_name="elements")
    ((figure, alt),) = drawn
    (axes,) = figure.axes
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["roofline: all from memory", "yours", "your earlier version", "NumPy"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("elements", "GB/s")
    assert all((np.array(line.get_ydata()) > 0).all() for line in axes.lines)
    assert re.search(r"add over elements from 10 to 1000, in GB/s. At 1000: yours [\d.e+]+, your earlier version", alt)


def test_a_race_says_what_a_cache_gave_faster_than_memory(monkeypatch):
    monkeypatch.setattr(racing, "bytes_per_second", lambda: 1e9)
    monkeypatch.setattr(racing, "flops_per_second", lambda: 1e10)
    moved, flops = [1000, 2000, 4000], [1e4, 2e4, 4e4]
    slow = [2e-6, 4e-6, 8e-6]  # twice as long as memory takes
    for yours, is_cached in ((slow, False), ([0.9e-6, 1.9e-6, 8e-6], True)):
        figure, alt = racing._draw("matmul", [1, 2, 4], "rows", {"yours": yours, "NumPy": slow}, moved, flops)
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert ("from a cache, not memory" in labels) == is_cached
        assert ("Up to 2 the numbers come from a cache" in alt) == is_cached
        assert "At 4: yours 5, NumPy 5, roofline 10." in alt


def test_race_needs_a_kernel(write):
    with pytest.raises(KernelError, match="add: run the cell with @kernel"):
        race("add", lambda n: dict(x=np.ones(n), y=np.ones(n)), (10,))
