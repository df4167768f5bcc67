"""The course's CPU kernels give a row the same bits in any company: see company.py.

The order of every sum depends on its length and on absolute positions of keys, and on nothing else.
"""

import os
import subprocess
import sys
from itertools import permutations

import numba
import numpy as np
import pytest

from llaisys_mini import load_model, operators, paths, use_kernels
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.checks.same_bits import keeps_bits
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.models.quantise import quantise
from tests.kernels import company

THREADS = sorted({1, numba.config.NUMBA_NUM_THREADS})


@pytest.mark.parametrize("name", company.ROW_BY_ROW)
def test_operators_that_treat_each_row_on_its_own(name):
    company.check_rows(name, (1, 2, 7, 33), THREADS)


@pytest.mark.parametrize("name", [*company.ROW_BY_ROW, "linear", "attention"])
def test_where_arrays_lie_in_memory_has_no_part_in_it(name):
    """LLVM may check at run time whether arrays are so close that a loop in vectors would be wrong."""
    kernel, operator = from_set("plain", name, "cpu"), operators.get(name)
    rng = np.random.default_rng(2)
    cases = [case.inputs for case in operator.make_cases(storages=("float32",))]
    cases = [inputs for inputs in cases if max(map(np.size, inputs.values())) <= 1000]
    if name == "add_rms_norm":
        for width in (24, 64, 100):
            x, residual = company.f32(rng, 2, 2, width)
            cases.append(dict(x=x, residual=residual, weight=company.f32(rng, width), eps=1e-6))
    for inputs in cases:
        outputs, results = empty_outputs(operator, inputs), set()
        arguments = [*inputs.values(), *outputs]
        arrays = [i for i, value in enumerate(arguments) if isinstance(value, np.ndarray)]
        for order in permutations(arrays):
            for gap in (0, 16, 64, 144, 5000):
                back = list(arguments)
                for i, placed in zip(order, company.close_together([arguments[i] for i in order], gap), strict=True):
                    back[i] = placed
                operator.run_with(kernel, dict(zip(inputs, back, strict=False)), back[len(inputs) :])
                results.add(b"".join(array.tobytes() for array in back[len(inputs) :]))
        assert len(results) == 1


@pytest.mark.slow
def test_neither_pages_nor_other_texts_change_a_bit():
    company.check_pages(THREADS)


EVERY = company.LINEAR + company.ATTENTION + company.ROW_BY_ROW


@pytest.mark.slow
@pytest.mark.parametrize("names", [company.LINEAR, company.ATTENTION, company.ROW_BY_ROW], ids=lambda names: names[0])
def test_some_rows_on_one_two_four_and_all_threads(names):
    """On a narrower CPU too: test_narrower_cpu.py."""
    in_a_process(names)


@pytest.mark.long
@pytest.mark.parametrize("width", ["widest", "8"])
@pytest.mark.parametrize("name", EVERY)
def test_every_number_of_rows_on_one_two_four_and_all_threads(name, width, tmp_path):
    narrow = {"LLAISYS_MINI_SIMD_WIDTH": width, "NUMBA_CACHE_DIR": str(tmp_path)}
    in_a_process([name, "every number of rows"], {} if width == "widest" else narrow)


def in_a_process(arguments, more=None):
    """In a process of its own, since the number of threads is chosen when Numba starts."""
    environment = os.environ | {"NUMBA_NUM_THREADS": str(max(4, *THREADS))} | (more or {})
    command = [sys.executable, "-m", "tests.kernels.company", *arguments]
    answer = subprocess.run(command, env=environment, cwd=paths.course_root(), capture_output=True, text=True)
    assert answer.stdout.strip() == "the same bits", answer.stderr[-2000:]


def in_chunks(model, ids, sizes) -> np.ndarray:
    """Logits of all positions, computed a chunk after the other with a cache."""
    cache, parts, start = model.cache(), [], 0
    for size in sizes:
        parts.append(model.logits(ids[start : start + size], cache))
        start += size
    return np.concatenate(parts)


def chunks_of(total: int, rng) -> list[int]:
    sizes = []
    while sum(sizes) < total:
        sizes.append(int(min(rng.integers(1, 60), total - sum(sizes))))
    return sizes


@pytest.mark.slow
@pytest.mark.parametrize("kernel_set", ["solutions", "expert"])
@pytest.mark.parametrize("stored", ["bfloat16", "float32", "int8", "int4"])
def test_the_shipped_model_from_end_to_end(stored, kernel_set, tmp_path):
    folder = paths.shipped_model()
    if stored in ("int8", "int4"):
        quantise(folder, tmp_path / stored, stored)
        folder = tmp_path / stored
    with use_kernels(kernel_set):
        model = load_model(folder, dtype=stored if stored in ("bfloat16", "float32") else "auto")
        rng = np.random.default_rng(11)
        ids = rng.integers(0, model.config.vocab_size, size=200)
        whole = model.logits(ids)
        assert company.same(in_chunks(model, ids, [1] * 200), whole)
        for _ in range(3):
            assert company.same(in_chunks(model, ids, chunks_of(200, rng)), whole)
        assert company.same(model.logits(ids[:150]), whole[:150])


def test_keeps_bits_says_so_of_the_courses_kernels():
    for name in ("add", "rope"):
        assert keeps_bits(from_set("plain", name, "cpu")) is True


def test_keeps_bits_finds_a_sum_whose_order_depends_on_the_company():
    def linear(x, weight, bias, out):
        order = np.arange(x.shape[1]) if len(x) == 1 else np.arange(x.shape[1])[::-1]
        out[:] = 0
        for k in order:
            out += x[:, k : k + 1] * np.float32(weight[:, k])[None, :]
        if bias is not None:
            out += np.float32(bias)

    assert keeps_bits(Kernel("linear", "cpu", "", linear)) is False


def test_keeps_bits_of_an_attention_whose_order_depends_on_the_chunk():
    attention = operators.get("attention")

    def by_numpy(q, k, v, scale, out):
        dtype = np.float32 if len(q) == 1 else np.float64
        out[:] = attention.reference(q.astype(dtype), k.astype(dtype), v.astype(dtype), dtype(scale))

    assert keeps_bits(Kernel("attention", "cpu", "", by_numpy)) is False


@pytest.mark.parametrize("name", ["linear_backward", "softmax_cross_entropy_backward"])
def test_an_operator_whose_rows_do_not_stand_alone_has_no_answer(name):
    assert keeps_bits(from_set("plain", name, "cpu")) is None


@pytest.mark.slow  # it compiles them
def test_a_kernel_read_from_disk_gives_the_bits_of_the_one_that_was_compiled(tmp_path):
    """A training that goes on in another process would end in other weights. Where fastmath leaves a choice, Numba's
    copies of one helper may differ: the one that is called when all has just been compiled, and the one on disk."""
    names = [name for name in operators.names if name.endswith("_backward")] + ["adamw", "cross_entropy"]
    command = [sys.executable, "-m", "tests.kernels.bits", *names]
    where = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path))
    first, second = (
        subprocess.run(command, cwd=paths.course_root(), env=where, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    )
    assert first == second
