"""Tensor cores and asynchronous copies: lane layouts as in the PTX manual, the sanitizer's findings, what compiles."""

import linecache
import types

import ml_dtypes
import numpy as np
import pytest

from llaisys_mini import cuda, operators, paths
from llaisys_mini.checks.run import run_case
from llaisys_mini.cuda.async_copies import commit_copies, copy_async, wait_copies
from llaisys_mini.cuda.tensor_cores import load_matrices, load_matrices_transposed, mma, pack, split
from llaisys_mini.dtypes import BY_NAME
from llaisys_mini.inspect import compile_check
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.sanitizer import DoesNotCompile, SanitizerError, findings
from llaisys_mini.task import Case

needs_compiler = pytest.mark.skipif(
    compile_check.unavailable() is not None, reason=compile_check.unavailable() or "the compiler is there"
)
LANES = np.arange(32)


# ---- words of two numbers --------------------------------------------------------------------------------------------


@cuda.jit
def packs(x, words, high, middle):
    i = cuda.grid(1)
    words[i] = pack(x[2 * i], x[2 * i + 1])
    high[i], middle[i] = split(x[2 * i], x[2 * i + 1])


def as_float32(words):
    return words.view(ml_dtypes.bfloat16).astype(np.float32)


def test_pack_rounds_to_the_nearest_and_split_leaves_two_to_the_minus_17():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=2048) * 10.0 ** rng.integers(-20, 20, size=2048)).astype(np.float32)
    x[:4] = 1 + 2**-8, 1 + 3 * 2**-8, 0, np.nan  # ties go to even
    x[4] = 1 + 2**-9 + 2**-17  # the worst: 2^-17 is left
    words, high, middle = (np.zeros(1024, np.uint32) for _ in range(3))
    with cuda.sanitized():
        packs[8, 128](x, words, high, middle)
    np.testing.assert_array_equal(as_float32(words), x.astype(ml_dtypes.bfloat16).astype(np.float32))
    np.testing.assert_array_equal(words, high)
    left = np.abs(x.astype(np.float64) - as_float32(high) - as_float32(middle))
    assert np.isnan(left[3])
    left[3] = 0
    assert (left <= 2**-17 * np.abs(np.nan_to_num(x))).all()
    assert left[4] == 2**-17


# ---- fragments -------------------------------------------------------------------------------------------------------


@cuda.jit
def loads(x, plain, transposed):
    """x [32 * 8] uint16: row r of the four matrices is x[8 * r : 8 * r + 8]."""
    tile = cuda.shared.array(256, np.uint16, alignment=16)
    lane = cuda.threadIdx.x
    for n in range(8):
        tile[8 * lane + n] = x[8 * lane + n]
    cuda.syncthreads()
    plain[lane, 0], plain[lane, 1], plain[lane, 2], plain[lane, 3] = load_matrices(tile, 8 * lane)
    a, b, c, d = load_matrices_transposed(tile, 8 * lane)
    transposed[lane, 0], transposed[lane, 1], transposed[lane, 2], transposed[lane, 3] = a, b, c, d


def test_matrices_lie_as_ptx_says():
    """PTX manual, ldmatrix: lane l gets row l // 4, numbers 2 (l % 4) and the next; with .trans column l // 4."""
    x = np.random.default_rng(1).integers(0, 1 << 16, size=256, dtype=np.uint16)
    plain, transposed = (np.zeros((32, 4), np.uint32) for _ in range(2))
    with cuda.sanitized():
        loads[1, 32](x, plain, transposed)
    matrices = x.reshape(4, 8, 8).astype(np.uint32)
    group, first = LANES // 4, 2 * (LANES % 4)
    for number, matrix in enumerate(matrices):
        np.testing.assert_array_equal(plain[:, number], matrix[group, first] | matrix[group, first + 1] << 16)
        np.testing.assert_array_equal(transposed[:, number], matrix[first, group] | matrix[first + 1, group] << 16)


@cuda.jit
def multiplies(a, b, out, is_transposed):
    """out [16, 8] = a [16, 16] @ b; b as [8, 16], or as [16, 8] where is_transposed. All flat but out."""
    tile = cuda.shared.array(384, np.uint16, alignment=16)
    lane = cuda.threadIdx.x
    for n in range(8):
        tile[8 * lane + n] = a[8 * lane + n]
        if lane < 16:
            tile[256 + 8 * lane + n] = b[8 * lane + n]
    cuda.syncthreads()
    a0, a1, a2, a3 = load_matrices(tile, 16 * (lane % 16) + 8 * (lane // 16))
    if is_transposed:
        b0, b1, _, _ = load_matrices_transposed(tile, 256 + 8 * (lane % 16))
    else:
        b0, b1, _, _ = load_matrices(tile, 256 + 16 * (lane % 8) + 8 * (lane // 8 % 2))
    zero = np.float32(0)
    c0, c1, c2, c3 = mma(a0, a1, a2, a3, b0, b1, zero, zero, zero, zero)
    row, column = lane // 4, 2 * (lane % 4)
    out[row, column], out[row, column + 1] = c0, c1
    out[row + 8, column], out[row + 8, column + 1] = c2, c3


@pytest.mark.parametrize("is_transposed", [False, True])
def test_a_product_of_loaded_matrices(is_transposed):
    rng = np.random.default_rng(2)
    a, b = (rng.normal(size=size).astype(ml_dtypes.bfloat16) for size in ((16, 16), (16, 8)))
    out = np.full((16, 8), np.nan, np.float32)
    stored = b if is_transposed else np.ascontiguousarray(b.T)
    with cuda.sanitized(outputs=[out]):
        multiplies[1, 32](a.view(np.uint16).reshape(256), stored.view(np.uint16).reshape(128), out, is_transposed)
    np.testing.assert_allclose(out, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-5, atol=1e-5)


@cuda.jit
def loads_in_part(x, out, lanes, shift):
    tile = cuda.shared.array(512, np.uint16, alignment=16)
    lane = cuda.threadIdx.x
    for n in range(16):
        tile[16 * lane + n] = x[16 * lane + n]
    cuda.syncthreads()
    if lane < lanes:
        a, b, c, d = load_matrices(tile, 8 * lane + shift)
        out[lane] = a + b + c + d


@pytest.mark.parametrize(
    ("lanes", "shift", "kind"),
    [(32, 4, findings.MISALIGNED), (31, 0, findings.INACTIVE_LANES), (32, 264, findings.OUT_OF_BOUNDS)],
)
def test_a_wrong_load_of_matrices_is_found(lanes, shift, kind):
    with cuda.sanitized(raises=False) as report:
        loads_in_part[1, 32](np.zeros(512, np.uint16), np.zeros(32, np.uint32), lanes, shift)
    assert kind in {finding.kind for finding in report.findings}
    with cuda.sanitized(raises=False) as report:
        loads_in_part[1, 32](np.zeros(512, np.uint16), np.zeros(32, np.uint32), 32, 0)
    assert not report.findings


# ---- asynchronous copies: more in tests/cuda/mutants, program pipeline -----------------------------------------------


@cuda.jit
def copies(x, out, count):
    tile = cuda.shared.array(128, np.float32, alignment=16)
    t = cuda.threadIdx.x
    copy_async(tile, 4 * t, x, 4 * t, count)
    commit_copies()
    wait_copies(0)
    for n in range(4):  # its own numbers: no barrier is needed
        out[4 * t + n] = tile[4 * t + n]


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_a_copy_ends_with_zeros(count):
    x, out = np.arange(1, 129, dtype=np.float32), np.full(128, np.nan, np.float32)
    with cuda.sanitized(outputs=[out]):
        copies[1, 32](x, out, count)
    expected = np.where(np.arange(4) < count, x.reshape(32, 4), 0)
    np.testing.assert_array_equal(out.reshape(32, 4), expected)


@cuda.jit
def reads_too_early(x, out):
    tile = cuda.shared.array(128, np.float32, alignment=16)
    t = cuda.threadIdx.x
    copy_async(tile, 4 * t, x, 4 * t, 4)
    commit_copies()
    cuda.syncthreads()
    out[t] = tile[t]  # here
    wait_copies(0)
    out[t] = tile[4 * t]


def test_a_race_with_a_copy_is_told_with_both_threads():
    with cuda.sanitized(raises=False) as report:
        reads_too_early[1, 32](np.zeros(128, np.float32), np.zeros(32, np.float32))
    (finding,) = report.findings
    assert (finding.kind, "# here" in finding.source) == (findings.RACE, True)
    told = "thread 0 of block 0 reads tile[0], to which a copy of thread 0 of block 0 is still on its way"
    assert told in finding.message


@cuda.jit
def waits_for_what_is_not_known(x, out, groups):
    wait_copies(groups)
    out[0] = x[0]


@cuda.jit
def copies_within_global_memory(x, out):
    copy_async(out, 0, x, 0, 4)


@pytest.mark.parametrize(
    ("kernel", "rest", "words"),
    [
        (waits_for_what_is_not_known, (1,), "a number known before the kernel runs|one number known before"),
        (copies_within_global_memory, (), "from global to shared memory"),
    ],
)
def test_what_no_device_can_do_is_refused(kernel, rest, words):
    with cuda.sanitized(), pytest.raises(DoesNotCompile, match=words):
        kernel[1, 1](np.zeros(4, np.float32), np.zeros(4, np.float32), *rest)


# ---- the kernels on them ---------------------------------------------------------------------------------------------


def _case(name):
    rng = np.random.default_rng(4)
    if name == "linear":
        inputs = dict(x=rng.normal(size=(70, 264)), weight=rng.normal(size=(40, 264)), bias=None)
    else:
        width = int(name.removeprefix("attention "))
        q, k, v = (rng.normal(size=(length, heads, width)) for length, heads in ((66, 2), (70, 1), (70, 1)))
        inputs = dict(q=q, k=k, v=v, scale=width**-0.5)
    operator = operators.get(name.split()[0])
    return operator, Case(name, operator.convert(inputs, BY_NAME["bfloat16"]))


all_kernels = pytest.mark.parametrize("name", ["linear", "attention 64", "attention 128"])


@pytest.mark.slow
@all_kernels
def test_no_bank_conflicts(name):
    operator, case = _case(name)
    with cuda.sanitized(counts=True) as report:
        assert run_case(from_set("expert", operator.name, "cuda"), case).passed
    shared = [traffic for traffic in report.traffic if traffic.space == "shared"]
    assert {traffic.operation for traffic in shared} == {"load", "store"}
    assert {traffic.worst_degree for traffic in shared} == {1}


def _broken():
    """(file, number of the line, the line broken): each barrier and each wait dropped, and waits for a group fewer."""
    for name in ("gemm_bfloat16", "flash_bfloat16"):
        lines = (paths.solutions_folder() / "cuda" / f"{name}.py").read_text().splitlines(keepends=True)
        for number, line in enumerate(lines):
            if line.strip().startswith(("cuda.syncthreads()", "wait_copies(")):
                yield name, number, line.replace(line.strip(), "pass")
            if line.strip() == "wait_copies(1)":
                yield name, number, line.replace("(1)", "(2)")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number", "broken"), list(_broken()))
def test_a_wait_or_barrier_less_is_found(name, number, broken):
    lines = (paths.solutions_folder() / "cuda" / f"{name}.py").read_text().splitlines(keepends=True)
    source = "".join([*lines[:number], broken, *lines[number + 1 :]])
    filename = f"<{name}, line {number + 1} broken>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType(filename)
    exec(compile(source, filename, "exec"), module.__dict__)
    _, case = _case("linear" if name == "gemm_bfloat16" else "attention 64")
    given = case.inputs
    words = {n: given[n].view(np.uint16) for n in ("weight", "k", "v") if n in given}
    with cuda.sanitized(), pytest.raises(SanitizerError, match="data race"):
        if name == "gemm_bfloat16":
            module.launch(given["x"], words["weight"], None, np.zeros((70, 40), np.float32))
        else:
            out = np.zeros(given["q"].shape, np.float32)
            module.launch(given["q"], words["k"], words["v"], given["scale"], 70, out)


@needs_compiler
@pytest.mark.slow
@pytest.mark.long  # tests/inspect/test_compile_check.py asks the same of them, for the newest
@all_kernels
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_they_fit_their_registers(name, architecture):
    operator, case = _case(name)
    made = compile_check.builds_of(from_set("expert", operator.name, "cuda"), [architecture], cases=[case])
    assert made
    for build in made:
        assert build.spilled == build.stack == 0
        assert not build.float64
        assert build.occupancy.share >= 2 * build.threads / 2048  # two blocks of a multiprocessor
