"""Each kind of mistake is found, on its line, with the thread that made it."""

import inspect

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.cuda import reductions
from llaisys_mini.sanitizer import ORDERS, SanitizerError, UnsupportedInKernel, findings

FULL = 0xFFFFFFFF


def report_of(kernel, blocks, threads, *arguments, outputs=(), shared_bytes=0, **options):
    with cuda.sanitized(outputs=outputs, raises=False, **options) as report:
        kernel[blocks, threads, 0, shared_bytes](*arguments)
    return report


def the_finding(report, kind, kernel, marker="# here"):
    """The only finding; it must be of this kind, on the line with the marker."""
    (finding,) = report.findings
    lines, first = inspect.getsourcelines(kernel.py_func)
    (line,) = [number for number, text in enumerate(lines, first) if marker in text]
    assert (finding.kind, finding.line) == (kind, line), finding
    assert finding.file == __file__
    return finding


def zeros(n=64, dtype=np.float32):
    return np.zeros(n, dtype)


# ---- out-of-bounds access --------------------------------------------------------------------------------------------


@cuda.jit
def without_guard(x, out):
    i = cuda.grid(1)
    out[i] = x[i]  # here


def test_beyond_the_end():
    finding = the_finding_of_first(report_of(without_guard, 2, 32, zeros(40), zeros(64)), without_guard)
    assert "thread 8 of block 1 reads x[40] of shape (40,)" in finding.message


def the_finding_of_first(report, kernel):
    return the_finding(report, findings.OUT_OF_BOUNDS, kernel)


@cuda.jit
def before_the_start(x, back, out):
    i = cuda.grid(1)
    out[i] = x[i - back] + x[-1]  # here


def test_a_negative_index_counts_from_the_end_and_is_remarked():
    """As Numba compiles it. The constant is meant, and not remarked."""
    x, out = np.arange(64, dtype=np.float32), zeros()
    report = report_of(before_the_start, 1, 32, x, 1, out)
    (remark,) = report.remarks
    assert not report.findings
    assert (remark.kind, "# here" in remark.source) == (findings.NEGATIVE, True)
    assert remark.message.startswith("thread 0 of block 0 reads x[-1], which on a GPU too counts from the end: x[63].")
    np.testing.assert_array_equal(out[:3], [63 + 63, 0 + 63, 1 + 63])
    finding = the_finding_of_first(report_of(before_the_start, 1, 32, x, 65, zeros()), before_the_start)
    assert "reads x[-65] of shape (64,); a negative index counts from the end, but not" in finding.message


@cuda.jit
def rows_before(x, out):
    row = x[cuda.grid(1) - 1]
    out[cuda.grid(1)] = row[0]


def test_a_negative_row_counts_from_the_end():
    x, out = np.arange(8, dtype=np.float32).reshape(4, 2), zeros(4)
    (remark,) = report_of(rows_before, 1, 4, x, out).remarks
    assert "reads x[-1], which on a GPU too counts from the end: x[3]" in remark.message
    np.testing.assert_array_equal(out, [6, 0, 2, 4])


@cuda.jit
def in_shared_memory(out):
    tile = cuda.shared.array((8, 8), np.float32)
    x, y = cuda.grid(2)
    tile[y, x + 1] = np.float32(1)  # here
    cuda.syncthreads()
    out[y, x] = tile[y, max(x, 1)]


def test_shared_memory_has_bounds_in_every_dimension():
    report = report_of(in_shared_memory, 1, (8, 8), zeros((8, 8)))
    finding = the_finding_of_first(report, in_shared_memory)
    assert "thread (7, 0) of block 0 writes tile[0, 8] of shape (8, 8)" in finding.message


@cuda.jit
def beyond_a_row(x, out):
    row = x[cuda.blockIdx.x]
    out[cuda.grid(1)] = row[cuda.threadIdx.x]  # here


def test_a_view_ends_where_its_row_ends():
    """The next row follows in memory, so only the shape tells."""
    finding = the_finding_of_first(report_of(beyond_a_row, 2, 32, zeros((4, 31)), zeros()), beyond_a_row)
    assert "thread 31 of block 0" in finding.message


def never_built():
    raise AssertionError("the sanitizer runs the body")


@cuda.primitive(never_built, aligned=16)
def load4(x, i):
    return x[i], x[i + 1], x[i + 2], x[i + 3]


@cuda.jit
def sums_fours(x, start, out):
    i = cuda.grid(1)
    a, b, c, d = load4(x, start + 4 * i)  # here
    out[i] = a + b + c + d


def test_vector_loads_are_aligned():
    x, out = np.arange(132, dtype=np.float32), zeros(32)
    assert not report_of(sums_fours, 1, 32, x, 0, out).findings
    np.testing.assert_array_equal(out, x[:128].reshape(-1, 4).sum(axis=1))
    report = report_of(sums_fours, 1, 32, x, 8, out)
    assert "reads x[132]" in the_finding(report, findings.OUT_OF_BOUNDS, sums_fours).message
    for array, start in ((x, 1), (x[1:], 0)):
        finding = the_finding(report_of(sums_fours, 1, 32, array, start, out), findings.MISALIGNED, sums_fours)
        assert "thread 0 of block 0 accesses 16 bytes at once" in finding.message


# ---- uninitialised memory ----------------------------------------------------------------------------------------


@cuda.jit
def sums_into_output(x, out):
    i = cuda.grid(1)
    out[i] += x[i]  # here


def test_reading_an_output():
    out = zeros()
    report = report_of(sums_into_output, 2, 32, zeros(), out, outputs=[out])
    finding = the_finding(report, findings.UNINITIALISED, sums_into_output)
    assert "thread 0 of block 0 reads out[0], which is uninitialised" in finding.message
    assert not report_of(sums_into_output, 2, 32, zeros(), out).findings


@cuda.jit
def sums_in_registers(x, out):
    parts = cuda.local.array(4, np.float32)
    for i in range(x.size):
        parts[i % 4] += x[i]  # here
    out[cuda.grid(1)] = parts[0] + parts[1]


@cuda.jit
def sums_in_the_block(x, out):
    part = cuda.shared.array(32, np.float32)
    part[cuda.threadIdx.x] += x[cuda.grid(1)]  # here
    out[cuda.grid(1)] = part[cuda.threadIdx.x]


@cuda.jit
def sums_atomically(x, out):
    cuda.atomic.add(out, 0, x[cuda.grid(1)])  # here


@pytest.mark.parametrize(
    ("kernel", "array"),
    [(sums_into_output, "out"), (sums_in_registers, "parts"), (sums_in_the_block, "part"), (sums_atomically, "out")],
)
def test_a_sum_that_nobody_set_to_0_is_told_what_to_set(kernel, array):
    out = zeros()
    finding = the_finding(report_of(kernel, 1, 32, zeros(), out, outputs=[out]), findings.UNINITIALISED, kernel)
    assert finding.message.endswith(f"so set the elements of {array} before you add to them")


def test_what_an_earlier_launch_or_the_host_wrote_is_written():
    @cuda.jit
    def fill(out):
        out[cuda.grid(1)] = np.float32(1)

    scratch = cuda.device_array(64, np.float32)
    with cuda.sanitized(raises=False) as report:
        fill[1, 32](scratch)
        sums_into_output[1, 32](zeros(), scratch)
        assert not report.findings
        scratch[32:48] = 2
        sums_into_output[1, 48](zeros(), scratch)
        assert not report.findings
        sums_into_output[1, 64](zeros(), scratch)
    assert "reads out[48]" in the_finding(report, findings.UNINITIALISED, sums_into_output).message


@cuda.jit
def half_filled(out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    if t < 32:
        tile[t] = np.float32(t)
    cuda.syncthreads()
    out[t] = tile[t]  # here


def test_shared_memory_starts_uninitialised():
    finding = the_finding(report_of(half_filled, 1, 64, zeros()), findings.UNINITIALISED, half_filled)
    assert "thread 32 of block 0 reads tile[32]" in finding.message


@cuda.jit
def local_sums(out):
    sums = cuda.local.array(4, np.float32)
    for k in range(3):
        sums[k] = np.float32(k)
    out[cuda.grid(1)] = sums[3]  # here


def test_local_memory_starts_uninitialised():
    finding = the_finding(report_of(local_sums, 1, 32, zeros()), findings.UNINITIALISED, local_sums)
    assert "reads sums[3]" in finding.message


@cuda.jit
def half_set(x, out):
    t = cuda.threadIdx.x
    if t < 16:
        value = x[t]
    else:
        if t < 24:
            value = np.float32(0)
    out[t] = value  # here


@cuda.jit
def set_on_all_ways(x, out):
    t = cuda.threadIdx.x
    if t > 60:
        return
    if t < 16:
        value = x[t]
        twice = value + value
    else:
        value = np.float32(0)
    for k in range(t % 3, 3):
        last = k
    if t < 16:
        value += twice
    out[t] = value + np.float32(last)


def test_a_variable_without_a_value():
    finding = the_finding(report_of(half_set, 1, 32, zeros(), zeros()), findings.UNINITIALISED, half_set)
    assert "thread 24 of block 0 reads the variable value" in finding.message
    for order in ORDERS:
        assert not report_of(set_on_all_ways, 1, 64, zeros(), zeros(), order=order).findings


@cuda.jit
def writes_through_names(x, y, out):
    first, second = x[cuda.blockIdx.x], y[cuda.blockIdx.x]
    first[cuda.threadIdx.x] = np.float32(1)
    row = out[cuda.blockIdx.x] if cuda.gridDim.x > 1 else out[0]
    row[cuda.threadIdx.x] = second[cuda.threadIdx.x]


def test_writing_through_a_view_with_a_name_of_its_own():
    x, y, out = zeros((2, 32)), zeros((2, 32)) + 5, zeros((2, 32))
    assert not report_of(writes_through_names, 2, 32, x, y, out, outputs=[x, out]).findings
    assert x.min() == 1 and out.min() == 5


# ---- races ---------------------------------------------------------------------------------------------------------


@cuda.jit
def reversed_without_barrier(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    out[t] = tile[63 - t]  # here


@pytest.mark.parametrize("order", ORDERS)
def test_missing_barrier(order):
    report = report_of(reversed_without_barrier, 1, 64, zeros(), zeros(), order=order)
    message = the_finding(report, findings.RACE, reversed_without_barrier).message
    assert "with no barrier between" in message
    assert f"line {reversed_without_barrier.py_func.__code__.co_firstlineno + 4}" in message


@cuda.jit
def overwrites_what_is_still_read(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    total = tile[0] + tile[t]
    tile[t] = total  # here
    cuda.syncthreads()
    out[t] = tile[63 - t]


def test_write_after_read():
    x = np.arange(64, dtype=np.float32)
    report = report_of(overwrites_what_is_still_read, 1, 64, x, zeros())
    assert "reads it on line" in the_finding(report, findings.RACE, overwrites_what_is_still_read).message


@cuda.jit
def lost_update(x, out):
    out[0] += x[cuda.grid(1)]  # here


def test_lost_update():
    the_finding(report_of(lost_update, 1, 64, np.arange(64, dtype=np.float32), zeros()), findings.RACE, lost_update)


@cuda.jit
def needs_another_block(x, out):
    i = cuda.grid(1)
    out[i] = x[i]
    cuda.syncthreads()
    if i > 0:
        x[i] = out[i - 1]  # here


@pytest.mark.parametrize("order", ORDERS)
def test_a_barrier_does_not_order_blocks(order):
    report = report_of(needs_another_block, 3, 32, zeros(96), zeros(96), order=order)
    message = the_finding(report, findings.RACE, needs_another_block).message
    assert message.endswith("and blocks of one launch have no order: no barrier orders them")


@cuda.jit
def believes_in_warps(x, out):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    out[t] = tile[t ^ 1]  # here


@cuda.jit
def synchronises_its_warp(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncwarp()
    out[t] = tile[t ^ 1]


@cuda.jit
def synchronises_halves(x, out):
    tile = cuda.shared.array(32, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    if t < 16:
        cuda.syncwarp(0x0000FFFF)
    else:
        cuda.syncwarp(0xFFFF0000)
    out[t] = tile[t ^ 1]
    out[t + 32] = tile[t ^ 16]  # here


def test_threads_of_a_warp_are_ordered_by_syncwarp_only():
    x = np.arange(64, dtype=np.float32)
    the_finding(report_of(believes_in_warps, 1, 32, x, zeros()), findings.RACE, believes_in_warps)
    assert not report_of(synchronises_its_warp, 1, 64, x, zeros()).findings
    message = the_finding(report_of(synchronises_halves, 1, 32, x, zeros()), findings.RACE, synchronises_halves).message
    assert "thread 0" in message and "thread 16" in message


@cuda.jit
def across_warps(x, out):
    tile = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncwarp()
    out[t] = tile[t ^ 32]  # here


def test_syncwarp_does_not_order_warps():
    x = np.arange(64, dtype=np.float32)
    the_finding(report_of(across_warps, 1, 64, x, zeros()), findings.RACE, across_warps)


@cuda.jit
def counts_and_reads(x, out):
    i = cuda.grid(1)
    cuda.atomic.add(out, 0, np.float32(1))
    cuda.syncthreads()
    x[i] = out[0]  # here


def test_atomics_order_nothing_between_blocks():
    assert not report_of(counts_and_reads, 1, 64, zeros(), zeros()).findings
    for order in ORDERS:
        report = report_of(counts_and_reads, 2, 32, zeros(), zeros(), order=order)
        assert findings.RACE in {finding.kind for finding in report.findings}


@cuda.jit
def all_set_a_flag(out):
    out[0] = np.float32(1)


def test_writing_the_same_value_is_a_remark():
    report = report_of(all_set_a_flag, 1, 64, zeros())
    assert not report.findings
    assert [remark.kind for remark in report.remarks] == [findings.SAME_VALUE]


# ---- barriers ------------------------------------------------------------------------------------------------------


@cuda.jit
def returns_early(x, out):
    t = cuda.threadIdx.x
    if t >= 50:
        return
    cuda.syncthreads()  # here
    out[t] = x[t]


@cuda.jit
def barrier_in_a_branch(x, out):
    t = cuda.threadIdx.x
    if t % 2 == 0:
        cuda.syncthreads()  # here
    else:
        cuda.syncthreads()
    out[t] = x[t]


@cuda.jit
def barrier_in_a_loop(x, out):
    t = cuda.threadIdx.x
    for _ in range(t, 65, 64):
        cuda.syncthreads()  # here
    out[t] = x[t]


@pytest.mark.parametrize("kernel", [barrier_in_a_branch, barrier_in_a_loop])
def test_divergent_barriers(kernel):
    the_finding(report_of(kernel, 2, 64, zeros(), zeros()), findings.BARRIER, kernel)


def test_the_message_names_a_thread_that_is_missing():
    report = report_of(barrier_in_a_branch, 1, 64, zeros(), zeros())
    message = the_finding(report, findings.BARRIER, barrier_in_a_branch).message
    assert message == "32 of the block's 64 threads reach cuda.syncthreads(); thread 1 of block 0 does not"


def test_a_barrier_does_not_wait_for_threads_that_have_returned():
    out = zeros()
    report = report_of(returns_early, 1, 64, zeros() + 1, out)
    (remark,) = report.remarks
    assert not report.findings
    assert remark.kind == findings.EARLY_RETURN
    assert "50 of the block's 64 threads reach cuda.syncthreads(); thread 50 of block 0 has already" in remark.message
    assert out.sum() == 50


@cuda.jit
def whole_blocks_differ(out):
    if cuda.blockIdx.x == 1:
        for _ in range(cuda.blockIdx.x + 2):
            cuda.syncthreads()
    out[cuda.grid(1)] = np.float32(0)


def test_blocks_may_differ_in_their_barriers():
    assert not report_of(whole_blocks_differ, 3, 32, zeros(96)).findings


# ---- warps ---------------------------------------------------------------------------------------------------------


@cuda.jit
def shuffles_in_a_branch(x, out):
    t = cuda.threadIdx.x
    value = x[t]
    if t < 16:
        value += cuda.shfl_down_sync(FULL, value, 8)  # here
    out[t] = value


@cuda.jit
def shuffles_in_a_ragged_loop(x, out):
    t = cuda.threadIdx.x
    for i in range(t, 70, 32):
        x[i] = cuda.shfl_xor_sync(FULL, x[i], 1)  # here
    out[t] = x[t]


@cuda.jit
def is_not_in_its_mask(x, out):
    t = cuda.threadIdx.x
    out[t] = cuda.shfl_sync(0x0000FFFF, x[t], 0)  # here


@cuda.jit
def votes_after_a_branch(out):
    t = cuda.threadIdx.x
    if t % 2 == 0:
        out[t] = cuda.ballot_sync(FULL, t > 3)  # here


@pytest.mark.parametrize(
    "kernel", [shuffles_in_a_branch, shuffles_in_a_ragged_loop, is_not_in_its_mask, votes_after_a_branch]
)
def test_absent_lanes(kernel):
    arguments = (zeros(),) if kernel is votes_after_a_branch else (zeros(70), zeros())
    the_finding(report_of(kernel, 1, 32, *arguments), findings.INACTIVE_LANES, kernel)


@cuda.jit
def reduces_a_warp(x, out):
    t = cuda.threadIdx.x
    value = x[t]
    for step in (16, 8, 4, 2, 1):
        value += cuda.shfl_down_sync(FULL, value, step)  # here
    if t % 32 == 0:
        out[t // 32] = value


def test_a_warp_that_is_not_full():
    assert not report_of(reduces_a_warp, 1, 64, zeros(), zeros()).findings
    message = the_finding(
        report_of(reduces_a_warp, 1, 48, zeros(), zeros()), findings.INACTIVE_LANES, reduces_a_warp
    ).message
    assert "thread 32 of block 0 reads lane 16 of its warp in cuda.shfl_down_sync" in message


# ---- loops, limits, arithmetic ---------------------------------------------------------------------------------------


@cuda.jit
def never_ends(x, out):
    i = cuda.grid(1)
    while i < x.size:  # here
        out[cuda.grid(1)] = x[i]


def test_endless_loop():
    report = report_of(never_ends, 1, 32, zeros(), zeros(), loop_limit=100)
    assert "thread 0 of block 0" in the_finding(report, findings.RUNAWAY, never_ends).message


@cuda.jit
def too_much_shared(out):
    tile = cuda.shared.array((128, 128), np.float32)  # here
    tile[0, cuda.threadIdx.x] = np.float32(0)
    out[cuda.threadIdx.x] = tile[0, cuda.threadIdx.x]


@cuda.jit
def uses_dynamic_shared(out):
    tile = cuda.shared.array(0, np.float32)  # here
    tile[cuda.threadIdx.x] = np.float32(3)
    out[cuda.threadIdx.x] = tile[cuda.threadIdx.x]


def test_limits():
    the_finding(report_of(too_much_shared, 1, 32, zeros()), findings.LIMIT, too_much_shared)
    the_finding(report_of(uses_dynamic_shared, 1, 32, zeros()), findings.LIMIT, uses_dynamic_shared)
    assert not report_of(uses_dynamic_shared, 1, 32, zeros(), shared_bytes=128).findings
    finding, *_ = report_of(uses_dynamic_shared, 1, 33, zeros(), shared_bytes=128).findings
    assert finding.kind == findings.OUT_OF_BOUNDS
    (finding,) = report_of(without_guard, 1, 1025, zeros(2000), zeros(2000)).findings
    assert "1025 threads per block" in finding.message


@cuda.jit
def divides(x, out):
    i = cuda.grid(1)
    out[i] = x[i // (i % 4)]  # here


def test_integer_division_by_zero():
    the_finding(report_of(divides, 1, 32, zeros(), zeros()), findings.DIVISION, divides)


@cuda.jit
def writes_an_input(x):
    x[cuda.grid(1)] = np.float32(0)  # here


def test_read_only_arrays():
    x = zeros()
    x.flags.writeable = False
    the_finding(report_of(writes_an_input, 1, 32, x), findings.READ_ONLY, writes_an_input)


@cuda.jit
def scales(x, out):
    i = cuda.grid(1)
    out[i] = x[i] * 0.1  # here


@cuda.jit
def averages(x, out):
    i = cuda.grid(1)
    out[i] = (x[i] + x[i]) / x.size  # here


@pytest.mark.parametrize("kernel", [scales, averages])
def test_accidental_float64_is_a_remark(kernel):
    report = report_of(kernel, 1, 32, zeros(), zeros())
    assert not report.findings
    (remark,) = report.remarks
    assert remark.kind == findings.FLOAT64
    assert "# here" in remark.source


def test_a_launch_with_findings_raises_unless_told_otherwise():
    with pytest.raises(SanitizerError, match=r"line \d+: data race: thread .* of block 0 reads tile") as caught:
        reversed_without_barrier[1, 64](zeros(), zeros())
    assert [finding.kind for finding in caught.value.findings] == [findings.RACE]


# ---- what is refused -------------------------------------------------------------------------------------------------


@cuda.jit
def builds_a_list(out):
    out[0] = len([1, 2])


@cuda.jit
def raises_inside(out):
    raise ValueError("lost")


def plain_helper(x):
    return x


@cuda.jit
def calls_plain_python(out):
    out[0] = plain_helper(out[0])


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (builds_a_list, "line .*: a list is not supported"),
        (raises_inside, "a GPU loses an exception silently"),
        (calls_plain_python, r"@cuda.jit\(device=True\)"),
    ],
)
def test_the_unknown_is_refused_by_name(kernel, words):
    with cuda.sanitized(), pytest.raises(UnsupportedInKernel, match=words):
        kernel[1, 32](zeros())


# ---- what may be meant: remarks --------------------------------------------------------------------------------------


@cuda.jit
def highest_by_cas(x, out):
    i = cuda.grid(1)
    old = out[0]  # here
    while old < x[i]:
        seen = cuda.atomic.cas(out, 0, old, x[i])
        if seen == old:
            break
        old = seen


@cuda.jit
def marks_neighbours(neighbours, level, depth):
    i = cuda.grid(1)
    if level[i] == depth:
        for k in range(neighbours.shape[1]):
            if level[neighbours[i, k]] == -1:
                level[neighbours[i, k]] = depth + 1


@cuda.jit
def keeps_the_larger(x, out):
    i = cuda.grid(1)
    if out[0] < x[i]:
        out[0] = x[i]


@cuda.jit
def computes_along(x, out):
    tile = cuda.shared.array(32, np.float32)
    t, total = cuda.threadIdx.x, np.float32(0)
    for start in range(0, x.size, 32):
        if t < 20 and start + t < x.size:
            tile[t] = x[start + t]
        cuda.syncthreads()
        total += tile[t]  # here
        cuda.syncthreads()
    if t < 20:
        out[t] = total


def test_a_first_look_before_a_compare_and_swap_is_a_remark():
    x, out = np.arange(64), np.zeros(1, np.int64)
    report = report_of(highest_by_cas, 4, 16, x, out)
    assert not report.findings and out[0] == 63
    assert "nothing but the compare-and-swap relies on" in str(report.remarks[0])


def test_a_check_before_storing_one_value_is_a_remark_and_of_several_values_a_race():
    neighbours = (np.arange(64)[:, None] + np.array([1, 2, 3])) % 64
    level = np.full(64, -1)
    level[::5] = 0
    for order in ORDERS:
        report = report_of(marks_neighbours, 2, 32, neighbours, level.copy(), 0, order=order)
        assert not report.findings, report
        assert {remark.kind for remark in report.remarks} == {findings.SAME_VALUE}
        report = report_of(keeps_the_larger, 2, 32, np.arange(64), np.zeros(1, np.int64), order=order)
        assert {finding.kind for finding in report.findings} == {findings.RACE}


def test_a_thread_that_stores_nothing_may_read_what_is_unset():
    report = report_of(computes_along, 1, 32, zeros(), zeros())
    assert not report.findings
    (remark,) = report.remarks
    assert remark.kind == findings.UNUSED and "# here" in remark.source


def test_outputs_that_are_not_written_everywhere_are_remarked():
    out = zeros(100)
    report = report_of(set_on_all_ways, 1, 64, zeros(), out, outputs=[out])
    (remark,) = report.remarks
    assert remark.kind == findings.UNWRITTEN
    assert remark.message == (
        "39 of the 100 elements of out are never written, the first is out[61]; the launch has 64 threads"
    )


@cuda.jit
def set_one_for_each_thread(out):
    column, row = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = 1


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [
        pytest.param((13, 37), (2, 1), id="columns"),
        pytest.param((37, 13), (1, 2), id="rows"),
        pytest.param((40, 40), (2, 2), id="both"),
        pytest.param((40, 40), (2, 1), id="rows and columns, of other blocks"),
    ],
)
def test_too_few_blocks_are_named(shape, blocks):
    out = np.zeros(shape, np.float32)
    report = report_of(set_one_for_each_thread, blocks, (16, 16), out, outputs=[out])
    (remark,) = report.remarks
    assert "Is the number of blocks rounded down?" in remark.message


@cuda.jit
def sums_in_a_branch(x, out):
    t = cuda.threadIdx.x
    if t < 16:
        out[t] = reductions.warp_sum(x[t])  # here


def test_what_is_found_in_the_courses_functions_is_told_at_the_line_that_calls_them():
    message = the_finding(
        report_of(sums_in_a_branch, 1, 32, zeros(), zeros()), findings.INACTIVE_LANES, sums_in_a_branch
    ).message
    assert message.startswith("in warp_sum: thread 0 of block 0 calls cuda.shfl_xor_sync")


@cuda.jit
def writes_too_early(x, out):
    tile = cuda.shared.array(64, np.float32)
    t, total = cuda.threadIdx.x, np.float32(0)
    for start in range(0, x.size, 64):
        tile[t] = x[start + t]  # here
        cuda.syncthreads()
        total += tile[63 - t]
    out[t] = total


def test_a_race_with_the_round_before_says_so():
    report = report_of(writes_too_early, 1, 64, zeros(128), zeros())
    message = the_finding(report, findings.RACE, writes_too_early).message
    assert message.endswith("in the round before, with no barrier between")


@cuda.jit
def the_last_block_reads(out, total):
    cuda.atomic.add(total, 0, 1)
    cuda.syncthreads()
    if cuda.blockIdx.x == cuda.gridDim.x - 1:
        out[cuda.threadIdx.x] = total[0]  # here


@pytest.mark.parametrize("order", ORDERS)
def test_the_last_block_does_not_come_last(order):
    report = report_of(the_last_block_reads, 4, 32, zeros(), np.zeros(1, np.int64), order=order)
    assert findings.RACE in {finding.kind for finding in report.findings}


@cuda.jit
def forgets_a_reader(out):
    tile = cuda.shared.array(1, np.float32)
    t = cuda.threadIdx.x
    if t == 0:
        tile[0] = np.float32(1)
    cuda.syncthreads()
    total = np.float32(0)
    if t < 32:
        total += tile[0]
    if t >= 32:
        total += tile[0]
    if t < 32:
        total += tile[0]
    cuda.syncwarp()
    if t == 0:
        tile[0] = total  # here
    out[t] = total


@pytest.mark.parametrize("order", ORDERS)
def test_a_reader_of_another_warp_is_not_forgotten(order):
    the_finding(report_of(forgets_a_reader, 1, 64, zeros(), order=order), findings.RACE, forgets_a_reader)
