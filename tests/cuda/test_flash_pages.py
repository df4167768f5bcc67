"""Prompts over pages of bfloat16 on tensor cores: each text against attention of that text alone."""

import importlib
import itertools

import numpy as np
import pytest

from llaisys_mini import cuda, operators
from llaisys_mini.dtypes import BY_NAME
from llaisys_mini.inspect import compile_check
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.sets import expert_set
from llaisys_mini.task import Case

PAGED = operators.get("paged_attention")
ALL = 1 << 20

needs_compiler = pytest.mark.skipif(
    compile_check.unavailable() is not None, reason=compile_check.unavailable() or "the compiler is there"
)


def flash_pages():
    """The module, as the kernel sets load it."""
    package = expert_set().get("attention", "cuda").function.__module__.rpartition(".")[0]
    return importlib.import_module(f"{package}.flash_pages")


def case(texts, page, heads, key_heads, width, window=ALL):
    """texts: (rows, keys) of each."""
    rng = np.random.default_rng(5)
    needed = [-(-keys // page) for _, keys in texts]
    order = rng.permutation(sum(needed) + 2)
    table = np.zeros((len(texts), max(needed)), np.int64)
    for n, count in enumerate(needed):
        table[n, :count], order = order[:count], order[count:]
    pages = sum(needed) + 2
    inputs = dict(
        q=rng.normal(size=(sum(rows for rows, _ in texts), heads, width)),
        key_pages=rng.normal(size=(pages, page, key_heads, width)),
        value_pages=rng.normal(size=(pages, page, key_heads, width)),
        table=table,
        lengths=np.array([keys for _, keys in texts]),
        starts=np.cumsum([0, *(rows for rows, _ in texts)]),
        scale=width**-0.5,
        window=window,
    )
    return Case("pages", PAGED.convert(inputs, BY_NAME["bfloat16"]))


def run(case, fewest):
    inputs = case.inputs
    out = np.full(inputs["q"].shape, np.nan, np.float32)
    stored = {name: inputs[name].view(np.uint16) for name in ("key_pages", "value_pages")}
    arguments = {**inputs, **stored}
    with cuda.sanitized(outputs=[out]):
        flash_pages().launch(*(arguments[name] for name in PAGED.inputs), out, fewest)
    return out


CASES = [
    case([(70, 90), (1, 40), (64, 64)], 16, 2, 1, 64),
    case([(3, 70), (66, 133)], 32, 2, 2, 128, window=50),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=["heads of 64", "heads of 128, a window"])
def test_texts_with_many_rows_are_right_and_others_are_left(case):
    out = run(case, 64)
    starts = case.inputs["starts"]
    expected, allowed = PAGED.expected(case.inputs)[0], PAGED.tolerance(case.inputs)[0]
    for begin, end in itertools.pairwise(starts):
        if end - begin >= 64:
            assert (np.abs(out[begin:end] - expected[begin:end]) <= allowed[begin:end]).all()
        else:
            assert np.isnan(out[begin:end]).all()


@needs_compiler
@pytest.mark.slow
@pytest.mark.long  # tests/inspect/test_compile_check.py compiles them too, for the newest, and looks for spills
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_they_fit_their_registers(architecture):
    def launcher(*arguments):
        flash_pages().launch(*arguments)

    made = compile_check.builds_of(Kernel("paged_attention", "cuda", "expert", launcher), [architecture], cases=CASES)
    assert {build.kernel for build in made} == {"pages_64_kernel", "pages_128_kernel"}
    for build in made:
        assert build.spilled == build.stack == 0
        assert not build.float64
