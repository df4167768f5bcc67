"""The course's kernels are right on every case, public and private, for every storage dtype."""

import numpy as np
import pytest

from llaisys_mini import operators
from llaisys_mini.checks.check import describe
from llaisys_mini.checks.run import run_cases
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.sets import expert_set, solutions_set
from llaisys_mini.task import Case
from tests.kernels.markers import assert_marked

# Expert kernels take long to compile, and every storage is compiled anew.
KERNELS = [
    pytest.param("reference", None, id="reference"),
    pytest.param("solutions", ("float32",), id="solutions-float32"),
    pytest.param("solutions", ("float16", "bfloat16"), id="solutions-16 bits", marks=pytest.mark.slow),
    pytest.param("expert", None, id="expert", marks=pytest.mark.slow),
]

all_operators = pytest.mark.parametrize("name", operators.names)


def kernel_of(kernel_set, name):
    if kernel_set == "expert" and expert_set().path(name, "cpu") == solutions_set().path(name, "cpu"):
        pytest.skip("there is no expert version")
    return from_set(kernel_set, name, "cpu")


@all_operators
@pytest.mark.parametrize(("kernel_set", "storages"), KERNELS)
def test_right_on_every_case(name, kernel_set, storages):
    operator, kernel = operators.get(name), kernel_of(kernel_set, name)
    if storages and not set(storages) & set(operator.storages):
        pytest.skip(f"{name} reads float32 only")
    cases = [case for seed in (0, 77) for case in operator.make_cases(seed, storages)]
    for result in run_cases(kernel, cases):
        assert result.passed, describe(operator, result)


@all_operators
def test_is_a_numba_kernel_with_solution_markers(name):
    kernel = solutions_set().get(name, "cpu")
    assert type(kernel.function).__module__.startswith("numba")
    assert_marked(kernel.path, kernel.function.py_func)


# The public cases are small. The sizes below lie above every kernel's threshold for starting threads.
MANY = 150_001  # numbers


def with_many_rows(operator) -> Case:
    """A public case with rows drawn from it again and again. Rows: the first dimension of the output, and of the inputs
    that share it."""
    case = max(operator.make_cases(storages=("float32",)), key=lambda c: max(map(np.size, c.inputs.values())))
    row = next(iter(operator.outputs.values())).dims[0]
    specs = {name: spec for name, spec in operator.arrays.items() if spec.dims[0] == row}
    given = {name: case.inputs[name] for name in specs}
    # "..." may be several dimensions; a kernel sees them as one.
    given = {name: v.reshape(-1, *v.shape[v.ndim + 1 - len(specs[name].dims) :]) for name, v in given.items()}
    rows = len(next(iter(given.values())))
    longest = max(np.size(v) for v in [*given.values(), *operator.expected(case.inputs)]) // rows
    chosen = np.random.default_rng(5).integers(0, rows, size=MANY // longest + 1)
    return Case("many rows", case.inputs | {name: value[chosen] for name, value in given.items()})


def large_cases(name) -> list[Case]:
    """Many rows, unless it takes other sizes to reach all of a kernel's paths."""
    rng = np.random.default_rng(5)

    def f32(*shape):
        return rng.normal(size=shape).astype(np.float32)

    def attention(length, keys, heads, kv_heads, width):
        heads = dict(q=f32(length, heads, width), k=f32(keys, kv_heads, width), v=f32(keys, kv_heads, width))
        return heads | dict(scale=width**-0.5)

    def paged(texts, page, heads, kv_heads, width, window):
        """texts: (rows, keys) of each."""
        pages = [-(-keys // page) for _, keys in texts]
        order = rng.permutation(sum(pages)).astype(np.int32)
        table = np.zeros((len(texts), max(pages)), np.int32)
        for n, count in enumerate(pages):
            table[n, :count], order = order[:count], order[count:]
        return dict(
            q=f32(sum(rows for rows, _ in texts), heads, width),
            key_pages=f32(sum(pages), page, kv_heads, width),
            value_pages=f32(sum(pages), page, kv_heads, width),
            table=table,
            lengths=np.array([keys for _, keys in texts], np.int32),
            starts=np.cumsum([0, *(rows for rows, _ in texts)], dtype=np.int32),
            scale=width**-0.5,
            window=window,
        )

    texts = [(1, 391), (67, 131), (1, 12), (3, 260), (1, 128)]

    def attention_backward(*shape):
        drawn = attention(*shape)
        return dict(grad_out=f32(*drawn["q"].shape)) | drawn

    made = {
        "adamw": [
            dict(gradient=f32(n), rate=0.1, decay=0.1, b1=0.9, b2=0.95, eps=1e-8, step=4, weight=f32(n), mean=f32(n))
            | dict(square=f32(n) ** 2)
            for n in (50_003, 8193)
        ],
        "argmax": [dict(x=f32(5, 40001))],
        "linear": [
            dict(x=f32(67, 131), weight=f32(73, 131), bias=f32(73)),
            dict(x=f32(1, 1100), weight=f32(1000, 1100), bias=None),
        ],
        "matmul": [dict(a=f32(67, 700), b=f32(700, 803))],
        # Heads as wide as real models have them, in groups of 7 (Qwen2.5-0.5B), and keys that fill no block.
        "attention": [attention(67, 131, 4, 2, 32), attention(1, 391, 14, 2, 64), attention(67, 391, 14, 2, 64)],
        "sliding_attention": [attention(67, 131, 4, 2, 32) | dict(window=90)],
        "store_pages": [
            dict(
                k=f32(700, 3, 40),
                v=f32(700, 3, 40),
                slots=rng.permutation(60 * 16)[:700].astype(np.int32),
                key_pages=f32(60, 16, 3, 40),
                value_pages=f32(60, 16, 3, 40),
            )
        ],
        "paged_attention": [
            paged(texts, 16, 4, 2, 32, 1000),
            paged(texts, 16, 14, 2, 64, 1000),
            paged([(1, keys) for keys in (700, 3, 128, 129, 255, 16, 800)], 16, 14, 2, 64, 1000),
            paged(texts, 7, 4, 2, 32, 90),
        ],
    }
    made |= {
        "attention_backward": [attention_backward(67, 131, 4, 2, 32), attention_backward(40, 71, 14, 2, 64)],
        "embedding_backward": [
            dict(grad_out=f32(2000, 40), ids=rng.integers(0, rows, size=2000), grad_weight=f32(rows, 40))
            for rows in (3, 1001)
        ],
    }
    if name not in made:
        return [with_many_rows(operators.get(name))]
    return [Case(f"large {number}", inputs) for number, inputs in enumerate(made[name], 1)]


@all_operators
@pytest.mark.parametrize("kernel_set", ["solutions", pytest.param("expert", marks=pytest.mark.slow)])
def test_large_inputs_take_the_parallel_path_and_stay_right(name, kernel_set):
    for result in run_cases(kernel_of(kernel_set, name), large_cases(name)):
        assert result.passed, describe(operators.get(name), result)
