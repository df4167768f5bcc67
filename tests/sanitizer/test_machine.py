"""The machine computes what threads one after the other would: control flow, types, words, a whole kernel."""

import linecache
import math
import os
import random
import subprocess
import sys
import types

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.sanitizer import ORDERS
from llaisys_mini.widen import widen

FULL = 0xFFFFFFFF


def run(kernel, blocks, threads, *arguments, order="forward", **options):
    with cuda.sanitized(order=order, **options) as report:
        kernel[blocks, threads](*arguments)
    return report


# ---- control flow: random programs against Python itself -----------------------------------------------------------


class RandomProgram:
    """The source of a function of three integers, full of branches and loops that go differently for each thread."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.counter = 0
        lines = ["def program(a, b, c):", "    d = 0", "    e = a - b"]
        self.block(lines, 1, depth=0, in_loop=False)
        lines.append("    return a + 3 * b + 5 * c + 7 * d + 11 * e")
        self.source = "\n".join(lines) + "\n"

    def number(self):
        return self.random.choice(["a", "b", "c", "d", "e", "1", "2", "5"])

    def sum(self):
        operator = self.random.choice(["+", "-", "*", "^", "&"])
        return f"({self.number()} {operator} {self.number()}) % 97"

    def condition(self):
        comparison = f"{self.sum()} {self.random.choice(['<', '>', '==', '!='])} {self.random.choice(['3', '11', 'c'])}"
        other = f"{self.number()} > {self.number()}"
        return self.random.choice([comparison, f"{comparison} and {other}", f"{comparison} or {other}", f"not {other}"])

    def block(self, lines, indent, depth, in_loop):
        for _ in range(self.random.randint(1, 4)):
            self.statement(lines, indent, depth, in_loop)

    def statement(self, lines, indent, depth, in_loop):
        space = "    " * indent
        target = self.random.choice("abcde")
        kinds = ["assign", "add", "choose"]
        if depth < 3:
            kinds += ["if", "if", "for", "range", "while"]
        if in_loop:
            kinds += ["break", "continue"]
        kinds += ["return"] if depth else []
        kind = self.random.choice(kinds)
        if kind == "assign":
            lines.append(f"{space}{target} = {self.sum()}")
        elif kind == "add":
            lines.append(f"{space}{target} += {self.number()}")
        elif kind == "choose":
            lines.append(f"{space}{target} = {self.sum()} if {self.condition()} else {self.number()}")
        elif kind in ("break", "continue"):
            lines.append(f"{space}if {self.condition()}:\n{space}    {kind}")
        elif kind == "return":
            lines.append(f"{space}if {self.condition()}:\n{space}    return {self.sum()}")
        elif kind == "if":
            lines.append(f"{space}if {self.condition()}:")
            self.block(lines, indent + 1, depth + 1, in_loop)
            if self.random.random() < 0.6:
                lines.append(f"{space}else:")
                self.block(lines, indent + 1, depth + 1, in_loop)
        elif kind in ("for", "range"):
            bounds = "4" if kind == "for" else f"{self.number()} % 3, {self.number()} % 7"
            lines.append(f"{space}for i{depth} in range({bounds}):")
            self.block(lines, indent + 1, depth + 1, True)
            lines.append(f"{space}    {target} += i{depth}")
        else:
            self.counter += 1
            name = f"w{self.counter}"
            lines.append(f"{space}{name} = {self.number()} % 5")
            lines.append(f"{space}while {name} > 0:")
            lines.append(f"{space}    {name} -= 1")
            self.block(lines, indent + 1, depth + 1, True)


def function_from(source: str, name: str, filename: str, **globals_):
    """A function whose source inspect can find, as that of a notebook cell."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), globals_)
    return globals_[name]


@pytest.mark.parametrize("seed", range(60))
def test_random_control_flow(seed):
    source = RandomProgram(seed).source
    program = function_from(source, "program", f"<program {seed}>")
    on_device = cuda.jit(device=True)(program)

    @cuda.jit
    def kernel(a, b, c, out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = on_device(a[i], b[i], c[i])

    generator = np.random.default_rng(seed)
    a, b, c = generator.integers(-20, 20, size=(3, 50))
    out = np.zeros(50, np.int64)
    run(kernel, 2, 32, a, b, c, out, order=ORDERS[seed % len(ORDERS)])
    expected = [program(*map(int, values)) for values in zip(a, b, c, strict=True)]
    np.testing.assert_array_equal(out, expected, err_msg=source)


# ---- types -----------------------------------------------------------------------------------------------------------


def dtype_on_device(expression, **arguments):
    """The dtype that a value has in a kernel: stored as its bits could not tell, so it is looked at directly."""
    seen = []
    source = f"def probe({', '.join(arguments)}, out):\n    value = {expression}\n    out[0] = value\n"
    function = function_from(source, "probe", f"<probe {expression}>", np=np, math=math, cuda=cuda, widen=widen)
    from llaisys_mini.sanitizer import frames, values

    original = frames.Frame.assign
    try:
        frames.Frame.assign = lambda self, name, value: (
            seen.append(values.dtype_of(value)),
            original(self, name, value),
        )
        run(cuda.jit(function), 1, 4, *arguments.values(), np.zeros(4), raises=False)
    finally:
        frames.Frame.assign = original
    return seen[0].name


ONES = {
    kind: np.ones(4, kind) for kind in ("float32", "float64", "float16", "int32", "int64", "uint32", "uint8", "int16")
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x[0] * x[0]", "float32"),
        ("x[0] * 0.5", "float64"),
        ("x[0] * np.float32(0.5)", "float32"),
        ("x[0] * 2", "float64"),
        ("x[0] ** 2", "float32"),
        ("x[0] + i[0]", "float64"),
        ("math.exp(x[0])", "float32"),
        ("math.sqrt(i[0])", "float64"),
        ("np.float32(1) / math.sqrt(x[0])", "float32"),
        ("max(x[0], np.float32(0))", "float32"),
        ("i[0] * i[0]", "int64"),
        ("u[0] + u[0]", "uint64"),
        ("u[0] + i[0]", "int64"),
        ("i[0] / i[0]", "float64"),
        ("h[0] * h[0]", "float16"),
        ("widen(s[0])", "float32"),
        ("cuda.threadIdx.x * 4", "int64"),
        ("x[0] if i[0] > 0 else 0.0", "float64"),
    ],
)
def test_types_are_numbas(expression, expected):
    arrays = dict(x=ONES["float32"], i=ONES["int32"], u=ONES["uint32"], h=ONES["float16"], s=ONES["int16"])
    if " if " in expression:  # both sides are needed for the type, so both must be taken by some thread
        arrays["i"] = np.array([1, 0, 1, 0], np.int32)
        expression = expression.replace("i[0]", "i[cuda.grid(1)]").replace("x[0]", "x[cuda.grid(1)]")
    assert dtype_on_device(expression, **arrays) == expected


def test_arithmetic_has_the_types_that_numba_infers():
    """Every pair of number types, against the compiler itself."""
    numba_cuda, numba = pytest.importorskip("numba.cuda"), pytest.importorskip("numba")
    if not hasattr(numba_cuda, "compile_all"):
        pytest.skip("numba-cuda is not installed")
    from llaisys_mini.sanitizer import values

    names = ("bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64")
    for first in names:
        for second in names[names.index(first) :]:
            pair = [np.dtype(name).type(1) for name in (first, second)]
            arguments = tuple(numba.from_dtype(value.dtype) for value in pair)
            _, expected = numba_cuda.compile(_add, arguments, device=True, abi="numba", cc=(9, 0))
            assert values.ADD(*pair).dtype.name == str(expected), (first, second)


def _add(a, b):
    return a + b


@cuda.jit
def wraps(a, out32, out64):
    i = cuda.grid(1)
    out64[i] = a[i] * a[i]
    out32[i] = a[i] * a[i]


def test_integers_are_64_bits_wide_until_they_are_stored():
    a = np.array([2**20, 3, -5, 2**31 - 1], np.int32)
    out32, out64 = np.zeros(4, np.int32), np.zeros(4, np.int64)
    run(wraps, 1, 4, a, out32, out64)
    np.testing.assert_array_equal(out64, a.astype(np.int64) ** 2)
    np.testing.assert_array_equal(out32, (a.astype(np.int64) ** 2).astype(np.int32))


def test_the_bits_of_a_number_as_another_type():
    @cuda.jit
    def shows_bits(x, bits, back):
        i = cuda.grid(1)
        bits[i] = x[i].view(np.uint32)
        back[i] = np.uint32(np.uint32(bits[i]) & np.uint32(0xFFFF0000)).view(np.float32)

    x = np.array([1, -2.5, 3.1415927, 1e-40], np.float32)
    bits, back = np.zeros(4, np.uint32), np.zeros(4, np.float32)
    run(shows_bits, 1, 4, x, bits, back)
    np.testing.assert_array_equal(bits, x.view(np.uint32))
    np.testing.assert_array_equal(back, (x.view(np.uint32) & 0xFFFF0000).astype(np.uint32).view(np.float32))


def test_sixteen_bit_storage():
    @cuda.jit
    def widens(x, out):
        out[cuda.grid(1)] = widen(x[cuda.grid(1)])

    numbers = np.array([0.5, -1.25, 3, 65504], np.float32)
    out = np.zeros(4, np.float32)
    run(widens, 1, 4, numbers.astype(np.float16).view(np.int16), out)
    np.testing.assert_array_equal(out, numbers)
    run(widens, 1, 4, (numbers.view(np.uint32) >> 16).astype(np.uint16), out)
    np.testing.assert_array_equal(out[:3], numbers[:3])


# ---- words ---------------------------------------------------------------------------------------------------------


@cuda.jit
def where_am_i(out):
    x, y, z = cuda.grid(3)
    out[z, y, x, 0] = cuda.threadIdx.x + 10 * cuda.threadIdx.y + 100 * cuda.threadIdx.z
    out[z, y, x, 1] = cuda.blockIdx.x + 10 * cuda.blockIdx.y + 100 * cuda.blockIdx.z
    out[z, y, x, 2] = cuda.laneid
    sizes = cuda.gridsize(3)
    out[z, y, x, 3] = sizes[0] + 10 * sizes[1] + 100 * sizes[2] + cuda.blockDim.y - cuda.gridDim.y


@pytest.mark.parametrize("order", ORDERS)
def test_three_dimensions(order):
    out = np.full((4, 6, 8, 4), -1)
    run(where_am_i, (2, 2, 2), (4, 3, 2), out, order=order)
    z, y, x = np.indices((4, 6, 8))
    np.testing.assert_array_equal(out[..., 0], x % 4 + 10 * (y % 3) + 100 * (z % 2))
    np.testing.assert_array_equal(out[..., 1], x // 4 + 10 * (y // 3) + 100 * (z // 2))
    np.testing.assert_array_equal(out[..., 2], x % 4 + 4 * (y % 3) + 12 * (z % 2))
    np.testing.assert_array_equal(out[..., 3], 8 + 60 + 400 + 3 - 2)


@cuda.jit
def warp_words(x, out):
    t = cuda.threadIdx.x
    lane = t % 32
    out[0, t] = cuda.shfl_sync(FULL, x[t], 5)
    out[1, t] = cuda.shfl_up_sync(FULL, x[t], 3)
    out[2, t] = cuda.shfl_down_sync(FULL, x[t], 3)
    out[3, t] = cuda.shfl_xor_sync(FULL, x[t], 9)
    out[4, t] = cuda.ballot_sync(FULL, x[t] % 3 == 0)
    out[5, t] = cuda.any_sync(FULL, x[t] == 40)
    out[6, t] = cuda.all_sync(FULL, x[t] < 32)
    out[7, t] = cuda.match_any_sync(FULL, x[t] // 8)
    out[8, t] = cuda.popc(x[t]) + 100 * cuda.ffs(x[t]) + 10000 * cuda.clz(np.int32(x[t]))
    out[9, t] = cuda.syncthreads_count(1 if x[t] > 7 else 0)
    if lane < 20:
        out[10, t] = cuda.activemask()
        out[11, t] = cuda.shfl_down_sync(0xFFFFF, x[t], 0)
    else:
        out[10, t] = 0
        out[11, t] = 0


@pytest.mark.parametrize("order", ORDERS)
def test_warp_words(order):
    x = np.arange(64)
    out = np.full((12, 64), -1)
    run(warp_words, 1, 64, x, out, order=order)
    lane, base = x % 32, x // 32 * 32
    np.testing.assert_array_equal(out[0], base + 5)
    np.testing.assert_array_equal(out[1], np.where(lane >= 3, x - 3, x))
    np.testing.assert_array_equal(out[2], np.where(lane < 29, x + 3, x))
    np.testing.assert_array_equal(out[3], base + (lane ^ 9))
    ballots = [sum(1 << k for k in range(32) if (warp * 32 + k) % 3 == 0) for warp in (0, 1)]
    np.testing.assert_array_equal(out[4], np.repeat(ballots, 32))
    np.testing.assert_array_equal(out[5], x >= 32)
    np.testing.assert_array_equal(out[6], x < 32)
    np.testing.assert_array_equal(out[7], 0xFF << (lane // 8 * 8))
    bits = [(int(v).bit_count(), (int(v) & -int(v)).bit_length(), 32 - int(v).bit_length()) for v in x]
    np.testing.assert_array_equal(out[8], [a + 100 * b + 10000 * c for a, b, c in bits])
    np.testing.assert_array_equal(out[9], 56)
    np.testing.assert_array_equal(out[10], np.where(lane < 20, 0xFFFFF, 0))
    np.testing.assert_array_equal(out[11], np.where(lane < 20, x, 0))


@cuda.jit
def atomics(counter, highest, tickets, swapped):
    i = cuda.grid(1)
    tickets[i] = cuda.atomic.add(counter, 0, 1)
    cuda.atomic.max(highest, (0, i % 2), (i * 37) % 101)
    cuda.atomic.cas(swapped, 0, 0, i + 1)


@pytest.mark.parametrize("order", ORDERS)
def test_atomics(order):
    counter, highest, tickets, swapped = np.zeros(1, int), np.zeros((1, 2), int), np.zeros(96, int), np.zeros(1, int)
    run(atomics, 3, 32, counter, highest, tickets, swapped, order=order)
    assert counter[0] == 96
    assert sorted(tickets) == list(range(96))
    values = np.arange(96) * 37 % 101
    np.testing.assert_array_equal(highest, [[values[0::2].max(), values[1::2].max()]])
    assert swapped[0] in range(1, 97)


@cuda.jit
def parts_of_dynamic_memory(x, out):
    memory = cuda.shared.array(0, np.float32)
    n, t = 32, cuda.threadIdx.x
    first, second = memory[:n], memory[n : 2 * n]
    first[t] = x[t]
    second[t] = x[t] * x[t]
    cuda.syncthreads()
    out[t] = first[31 - t] + second[31 - t]


def test_dynamic_shared_memory_in_parts():
    x, out = np.arange(32, dtype=np.float32), np.zeros(32, np.float32)
    with cuda.sanitized():
        parts_of_dynamic_memory[1, 32, 0, 256](x, out)
    np.testing.assert_array_equal(out, (x + x * x)[::-1])


@cuda.jit
def guarded(x, index, out):
    i = cuda.grid(1)
    value = x[i] if i < x.size else np.float32(-1)
    if i < index.size and x[index[i]] > 0:
        value += x[index[i]]
    if i < out.size:
        out[i] = value


def test_guards_keep_their_threads_from_memory():
    x, index, out = np.arange(1, 11, dtype=np.float32), np.arange(5)[::-1].copy(), np.zeros(16, np.float32)
    run(guarded, 1, 32, x, index, out)
    expected = np.where(np.arange(16) < 10, np.arange(1, 17), -1).astype(np.float32)
    expected[:5] += x[index]
    np.testing.assert_array_equal(out, expected)


def test_views_of_one_array_share_their_shadow():
    @cuda.jit
    def shifts(source, target):
        target[cuda.grid(1)] = source[cuda.grid(1)]

    x = np.arange(65, dtype=np.float32)
    with cuda.sanitized(raises=False) as report:
        shifts[1, 64](x[1:], x[:-1])
    assert [finding.kind for finding in report.findings] == ["data race"]
    with cuda.sanitized():
        shifts[1, 64](x[1:], x[1:])


def test_the_same_twice():
    """What is found, and what a wrong kernel computes, is the same every time."""

    @cuda.jit
    def races(out):
        out[cuda.grid(1) % 7] = cuda.grid(1)

    def once():
        out = np.zeros(7, int)
        return str(run(races, 4, 64, out, raises=False)), out.tolist()

    assert once() == once()


# ---- a whole kernel against Numba's simulator ----------------------------------------------------------------------

TILED_MATMUL = """
import numpy as np
from {home} import cuda

@cuda.jit
def matmul(a, b, c):
    tile_a = cuda.shared.array((8, 8), np.float32)
    tile_b = cuda.shared.array((8, 8), np.float32)
    column, row = cuda.grid(2)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    total = np.float32(0)
    for start in range(0, a.shape[1], 8):
        tile_a[y, x] = a[row, start + x] if row < a.shape[0] and start + x < a.shape[1] else np.float32(0)
        tile_b[y, x] = b[start + y, column] if start + y < b.shape[0] and column < b.shape[1] else np.float32(0)
        cuda.syncthreads()
        for k in range(8):
            total += tile_a[y, k] * tile_b[k, x]
        cuda.syncthreads()
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = total

generator = np.random.default_rng(0)
a, b = (generator.normal(size=s).astype(np.float32) for s in ((20, 13), (13, 18)))
c = np.zeros((20, 18), np.float32)
matmul[(3, 3), (8, 8)](a, b, c)
"""


@pytest.mark.slow
def test_the_same_numbers_as_numbas_simulator(tmp_path):
    pytest.importorskip("numba.cuda")
    script = TILED_MATMUL.format(home="numba") + "print(c.tobytes().hex())"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    (tmp_path / "there.py").write_text(script)
    there = subprocess.run(
        [sys.executable, str(tmp_path / "there.py")], env=environment, capture_output=True, text=True, check=True
    )
    module = types.ModuleType("here")
    path = tmp_path / "here.py"
    path.write_text(TILED_MATMUL.format(home="llaisys_mini"))
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    assert module.c.tobytes().hex() == there.stdout.strip()
