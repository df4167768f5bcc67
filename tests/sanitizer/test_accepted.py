"""What the sanitizer accepts compiles for a GPU: the table of it, entry by entry against the compiler."""

import math

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.inspect import compile_check
from llaisys_mini.sanitizer import DoesNotCompile, accepted
from tests.sanitizer.compiler import FLOAT32, compiler_refuses, kernel_of, sanitizer_says

DTYPES = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()
NUMBERS = {name: np.arange(1, 65).astype(name) for name in DTYPES}
ABOVE = "import types\nT = 16\nNARROW = np.int32(8)\nSHAPE = (4, T)\nmodule = types.ModuleType('m')\nmodule.T = 4\n"


FEW_DTYPES = "bool int8 uint64 float16 float64".split()  # float32 is in every table

DEPENDS_ON_IMPORTS = {("np.max", "4"), ("np.min", "4")}  # they compile once Numba's forms for the CPU are loaded


def _functions(dtypes):
    """All functions of math and all ufuncs of NumPy, with one argument and with two."""
    for name, value in vars(math).items():
        if callable(value) and not name.startswith("_"):
            for given in ("x[0]", "x[0], x[1]"):
                yield f"y = math.{name}({given})", FLOAT32
    for name, value in vars(np).items():
        if isinstance(value, np.ufunc):
            for given in ("x[0]", "x[0], x[1]"):
                kinds = ("int64",) if name.startswith("bitwise") else ("float32", "float16")
                for kind in kinds if name in accepted.NUMPY else ("float32", "int64"):
                    yield f"y = np.{name}({given})", NUMBERS[kind]
    for name in accepted.INSTEAD:
        for given in ("x", "x[0], x[1]", "4", "4, x[0]", "4, np.float32", "x[0] > 0, x[0], x[1]", "x[0], x[1], x[2]"):
            if (name, given) in DEPENDS_ON_IMPORTS:
                continue
            yield f"y = {name}({given})", FLOAT32
    for name in accepted.MATH:
        for kind in dtypes:
            yield f"y = math.{name}({'x[0]' if accepted.MATH[name] == 1 else 'x[0], x[1]'})", NUMBERS[kind]


def _words(_):
    for name in accepted.ATOMICS:
        for kind in DTYPES:
            given = {"cas": "x, 0, x[1], x[2]", "compare_and_swap": "x, x[1], x[2]"}.get(name, "x, 0, x[1]")
            yield f"cuda.atomic.{name}({given})", NUMBERS[kind]
    yield "cuda.atomic.add(x, (0,), 1)", FLOAT32
    for kind in DTYPES:
        for name in ("shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync"):
            yield f"y = cuda.{name}(0xFFFFFFFF, x[cuda.laneid], 1)", NUMBERS[kind]
        for name in accepted.PREDICATES:
            mask = "" if name.startswith("syncthreads") else "0xFFFFFFFF, "
            yield f"y = cuda.{name}({mask}x[cuda.laneid])", NUMBERS[kind]


def _arrays(_):
    shapes = """16|(4, 5)|T|(T, T)|(T, T + 1)|T + 1|T * 2|T // 2|T ** 2|T << 1|-(-T // 2)|(T // 2, 3)|SHAPE
        |(SHAPE[0], 2)|SHAPE[1]
        |NARROW|(NARROW, 2)|T if True else 3|(4,)|[4, 4]|x.shape[0]|math.pi|int(T)|T / 2|16.0|True|np.int32(3)
        |min(T, 4)|len(SHAPE)|0|(0, 4)|(4, 0)|cuda.warpsize|module.T|cuda.blockDim.x"""
    before = """n = T|n = T + 1|n = T // 2|n = 4|n = x.size|n = cuda.blockDim.x|n = 4; n = 5|n = np.int32(4)|n = int(4)
        |n, m = 4, 5|n = m = 4|n = SHAPE[0]|n = (T, T)"""
    for space in ("shared", "local"):
        for shape in shapes.split("|"):
            yield f"a = cuda.{space}.array({shape.strip()}, np.float32)", FLOAT32
        for statement in before.split("|"):
            for shape in ("n", "(n, 2)", "n + 1"):
                yield f"{statement.strip()}\na = cuda.{space}.array({shape}, np.float32)", FLOAT32
        for dtype in "np.float32 'float32' float int bool None np.bool_ np.float16 np.uint8 x.dtype np.int64".split():
            yield f"a = cuda.{space}.array(4, {dtype})", FLOAT32
        for rest in ("", ", np.float32, alignment=16", ", np.float32, alignment=3", ", np.float32, 4, 5"):
            yield f"a = cuda.{space}.array(4{rest})", FLOAT32


def _statements(_):
    for text in (
        "return 5|return x|return None|return|out[0] = 1.0\nreturn out[0]|if x[0] > 2:\n    return 3"
        "|out[True] = 1|out[0.0] = 1|out[x[0]] = 1|out[0] = undefined|y = int('3')|y = float(x[0])"
        "|y = abs(-x[1])|a, b = x[0], x[1]\nout[0] = a|cuda.syncthreads(1)"
        "|y = x[0] @ x[1]|y = x[0] & x[1]|y = ~x[0]|try:\n    y = 1\nexcept ValueError:\n    y = 2|y = {1: 2}"
    ).split("|"):
        yield text, FLOAT32


def _parts(_):
    """Parts of arrays, sums over them, limits of types, and loops with `else`."""
    made = "a = cuda.local.array((2, 4), np.float32)\n"
    for text in (
        "out[:] = 0|out[1:3] = 0.5|out[...] = 0|out[::2] = x[0]|out[:] = x|out[1:3] = x[1:3]|out[:4] += 1|out[0:0] = 1"
        "|a[:] = 0|a[0] = 0|a[:, 1] = 0|a[0] = x[:4]|a[0, :] = a[1]|a[0] += 1|a.fill(0)|y = a[..., 0]|y = a[0, ...]"
        "|y = x[None, :]|y = x[:, None]|y = a[None, 1]|y = a[..., None]|y = x[None]|y = x[np.newaxis]"
        "|y = np.finfo(np.float32).max|y = np.finfo(np.float32).eps|y = np.iinfo(np.int32).min"
        "|for i in range(3):\n    y = 1\nelse:\n    y = 2|i = 0\nwhile i < 3:\n    i += 1\nelse:\n    i = 9"
        "|y = x.sum()|y = a.sum()|y = np.sum(x)|y = sum(x)|y = sum(a[0])|y = max(x)|y = min(a[1])|y = sum((1, 2))"
        "|p, q, r, s = a[0]|p, q = a[0], a[1]"
    ).split("|"):
        yield made + text, FLOAT32


def compile_together(forms):
    """(body, dtype) of the forms of one line that compile as the lines of one kernel. Each would compile alone: this
    takes the compiler a fraction of the time."""
    lines = {}
    for body, x in forms:
        if "\n" not in body and body.startswith(("y = ", "cuda.")):
            lines.setdefault(x.dtype, []).append(body)
    return {
        (body, dtype)
        for dtype, bodies in lines.items()
        for some in batched(bodies, 20)
        if not compiler_refuses(kernel_of("\n".join(some), above=ABOVE), (NUMBERS[dtype.name], FLOAT32))
        for body in some
    }


def batched(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


@pytest.mark.slow
@pytest.mark.skipif(compile_check.unavailable() is not None, reason="the compiler is not installed")
@pytest.mark.parametrize(
    ("forms", "dtypes"),
    [
        *((forms, FEW_DTYPES) for forms in (_functions, _words, _arrays, _statements, _parts)),
        pytest.param(_functions, DTYPES, marks=pytest.mark.long),
    ],
)
def test_what_the_compiler_refuses_is_refused_and_nothing_else(forms, dtypes):
    wrong, runs, judged = [], 0, []
    for body, x in forms(dtypes):
        judged.append((body, x, sanitizer_says(kernel_of(body, above=ABOVE), (x, FLOAT32))))
    compiles = compile_together([(body, x) for body, x, verdict in judged if verdict == "runs"])
    for body, x, verdict in judged:
        known = (body, x.dtype) in compiles
        refusal = "" if known else compiler_refuses(kernel_of(body, above=ABOVE), (x, FLOAT32))
        runs += verdict == "runs"
        if verdict in ("breaks", "runs" if refusal else "refused"):
            wrong.append(f"{body!r} with {x.dtype}: {verdict}; the compiler: {refusal[:100] or 'compiles'}")
    assert not wrong, "\n".join(wrong)
    assert runs > 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("out[0] = np.exp(x[0])", r"kernel, line 9: np.exp does not compile for a GPU: write math.exp$"),
        ("out[0] = np.abs(x[0])", r"np.abs does not compile for a GPU: write abs\(x\)$"),
        ("out[0] = np.where(x[0] > 0, x[0], 0)", "np.where does not compile for a GPU: write a if condition else b$"),
        ("out[0] = math.exp(x[0], x[1])", "math.exp takes 1 argument in a kernel, but is given 2$"),
        ("a = cuda.shared.array((T, T + 1), np.float32)", r"T \+ 1 is computed: .* SIZE = T \+ 1, and write SIZE here"),
        ("a = cuda.local.array(T // 2, np.float32)", "T // 2 is computed"),
        ("a = cuda.shared.array(x.shape[0], np.float32)", r"x.shape\[0\] is no whole number known before"),
        ("a = cuda.shared.array(4, float)", "the dtype float does not compile for a GPU: write np.float32$"),
        ("return 5", "a kernel returns nothing, so this does not compile for a GPU"),
        ("cuda.atomic.exch(x, 0, 1)", "cuda.atomic.exch on an array of float32 does not compile .* int32, uint32"),
        ("cuda.shfl_sync(-1, np.uint8(3), 0)", r"cuda.shfl_sync of a uint8 .*write np.int32\(...\)"),
        ("cuda.syncthreads_count(x[0] > 0)", "cuda.syncthreads_count of a bool .* write 1 if x else 0 for x"),
        ("out[x[0]] = 1", "an index is a whole number; this one is a float32"),
    ],
)
def test_a_refusal_names_line_and_replacement(body, words):
    with cuda.sanitized(), pytest.raises(DoesNotCompile, match=words):
        kernel_of(body, above=ABOVE)[1, 32](FLOAT32.copy(), FLOAT32.copy())
