"""Kernels against torch on the same numbers, and against what the device can do at best.

Both are timed with CUDA events in turns, so that a change of the clock rate hits both; the figure is the median. The
ceilings are measured too: bandwidth by copying a large array, rates by cuBLAS on large squares. Sizes are large enough
that the device, not the launch, takes the time; rows named "decode" are as small as a decoder has them, and are timed
as a decoder calls them.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.gpu.rows import Clock, Row, each
from benchmarks.tables import NOT_RUN

PART = "time"
ROUNDS = 15
SHORTEST = 2.0  # milliseconds of work between two events


@dataclass
class Subject:
    """One row. ours, theirs: what to call; bytes, flops: that the operator must move and compute at least."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    bytes: float
    flops: float = 0.0
    rate: str = "float32"  # which ceiling the flops are held against
    note: str = ""


def rows(no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """One row per subject."""
    if no_device is None:
        try:
            import torch

            if not torch.cuda.is_available():
                no_device = "torch finds no CUDA device"
        except ImportError:
            no_device = "torch is not installed"
    if no_device:
        yield from (Row(PART, name, NOT_RUN, no_device) for name in ("ceilings", *SUBJECTS))
        return
    found = {}

    def measured(name):
        if name == "ceilings":
            found.update(_ceilings())
            return [Row(PART, name, "done", figures=found)]
        return [_timed(SUBJECTS[name](), found)]

    yield from each(PART, ("ceilings", *SUBJECTS), measured, clock, reserve)


def _timed(subject: Subject, ceilings: dict[str, float]) -> Row:
    ours, theirs = interleaved(subject.ours, subject.theirs)
    figures = {"ours, ms": ours, "torch, ms": theirs, "torch / ours": theirs / ours}
    bandwidth = subject.bytes / ours / 1e6
    figures["GB/s"] = bandwidth
    if subject.flops:
        figures["TFLOP/s"] = subject.flops / ours / 1e9
    shortest = max(
        subject.bytes / (ceilings["bandwidth, GB/s"] * 1e6),
        subject.flops / (ceilings[f"{subject.rate}, TFLOP/s"] * 1e9),
    )
    figures["share of the roofline, %"] = 100 * shortest / ours
    return Row(PART, subject.name, "done", subject.note, figures)


def interleaved(*works: Callable[[], object]) -> list[float]:
    """Milliseconds of one call of each, the median of ROUNDS rounds in which they take turns."""
    repeats = []
    for work in works:
        work()  # compiles
        repeats.append(max(1, math.ceil(SHORTEST / max(_milliseconds(work, 3), 1e-3))))
    times = [[_milliseconds(work, count) for work, count in zip(works, repeats, strict=True)] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _milliseconds(work, count) -> float:
    import torch

    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count


def _ceilings() -> dict[str, float]:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    source = torch.empty(1 << 28, device="cuda")
    target = torch.empty_like(source)
    (copying,) = interleaved(partial(target.copy_, source))
    found = {"bandwidth, GB/s": 2 * source.nbytes / copying / 1e6}
    del source, target
    for name, size in (("float32", 8192), ("bfloat16", 8192)):
        a = torch.randn(size, size, device="cuda", dtype=getattr(torch, name))
        out = torch.empty_like(a)
        (product,) = interleaved(partial(torch.matmul, a, a, out=out))
        found[f"{name}, TFLOP/s"] = 2 * size**3 / product / 1e9
    return found


# ---- subjects ----------------------------------------------------------------------------------------------------


def _kernel(name: str) -> Callable:
    from llaisys_mini.kernels.sets import expert_set

    return expert_set().get(name, "cuda").function


def _array(tensor):
    """A torch tensor as the array that a kernel takes: the same memory, 16-bit floats as integers (see dtypes)."""
    import numpy as np
    import torch
    from numba import cuda as numba_cuda

    if tensor.dtype not in (torch.bfloat16, torch.float16):
        return numba_cuda.as_cuda_array(tensor)
    words = numba_cuda.as_cuda_array(tensor.view(torch.int16))
    return words.view(np.uint16) if tensor.dtype == torch.bfloat16 else words


def _ours(name, *arguments):
    import torch

    arrays = [_array(argument) if isinstance(argument, torch.Tensor) else argument for argument in arguments]
    function = _kernel(name)
    return lambda: function(*arrays)


def _normal(*shape, dtype="float32"):
    import torch

    return torch.randn(*shape, device="cuda").to(getattr(torch, dtype))


def _empty(*shape):
    import torch

    return torch.empty(*shape, device="cuda")


def _add() -> Subject:
    import torch

    x, y, out, other = _normal(1 << 26), _normal(1 << 26), _empty(1 << 26), _empty(1 << 26)
    return Subject("add", _ours("add", x, y, out), lambda: torch.add(x, y, out=other), 3 * x.nbytes)


def _swiglu() -> Subject:
    import torch

    gate, up, out = _normal(1 << 26), _normal(1 << 26), _empty(1 << 26)
    theirs = lambda: torch.nn.functional.silu(gate) * up
    return Subject("swiglu", _ours("swiglu", gate, up, out), theirs, 3 * out.nbytes)


def _rms_norm() -> Subject:
    import torch

    x, weight, out = _normal(8192, 4096), _normal(4096), _empty(8192, 4096)
    theirs = lambda: torch.nn.functional.rms_norm(x, (4096,), weight, 1e-6)
    return Subject("rms_norm", _ours("rms_norm", x, weight, 1e-6, out), theirs, 2 * x.nbytes)


def _layer_norm() -> Subject:
    import torch

    x, weight, bias, out = _normal(8192, 4096), _normal(4096), _normal(4096), _empty(8192, 4096)
    theirs = lambda: torch.nn.functional.layer_norm(x, (4096,), weight, bias, 1e-5)
    return Subject("layer_norm", _ours("layer_norm", x, weight, bias, 1e-5, out), theirs, 2 * x.nbytes)


def _softmax() -> Subject:
    import torch

    x, out = _normal(8192, 4096), _empty(8192, 4096)
    return Subject("softmax", _ours("softmax", x, out), lambda: torch.softmax(x, 1), 2 * x.nbytes)


def _argmax() -> Subject:
    import torch

    x, value = _normal(512, 151936), _empty(512)
    index = torch.empty(512, device="cuda", dtype=torch.int64)
    return Subject("argmax", _ours("argmax", x, index, value), lambda: torch.max(x, 1), x.nbytes)


def _embedding() -> Subject:
    import torch

    weight, out = _normal(151936, 1024, dtype="bfloat16"), _empty(32768, 1024)
    ids = torch.randint(0, 151936, (32768,), device="cuda")
    theirs = lambda: torch.nn.functional.embedding(ids, weight).float()
    return Subject("embedding, bfloat16 table", _ours("embedding", ids, weight, out), theirs, 1.5 * out.nbytes)


def _rope() -> Subject:
    import torch

    x, out, positions = _normal(4096, 16, 128), _empty(4096, 16, 128), torch.arange(4096, device="cuda")
    speeds = 1e6 ** (-torch.arange(0, 128, 2, device="cuda") / 128)

    def theirs():
        angle = (positions[:, None] * speeds)[:, None]
        first, second = x.chunk(2, dim=2)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=2)

    return Subject("rope", _ours("rope", x, positions, 1e6, out), theirs, 2 * x.nbytes, note="torch: not fused")


def _matmul() -> Subject:
    import torch

    a, b, out, other = (_normal(4096, 4096) for _ in range(4))
    theirs = lambda: torch.matmul(a, b, out=other)
    return Subject("matmul 4096", _ours("matmul", a, b, out), theirs, 3 * a.nbytes, 2 * 4096**3)


def _linear(rows, columns, length, dtype, name) -> Subject:
    import torch

    x, weight, out = _normal(rows, length), _normal(columns, length, dtype=dtype), _empty(rows, columns)
    same = x.to(weight.dtype)
    theirs = lambda: torch.nn.functional.linear(same, weight)
    moved = x.nbytes + weight.nbytes + out.nbytes
    note = "torch rounds x to bfloat16; ours does not" if dtype == "bfloat16" else ""
    rate = "bfloat16" if dtype == "bfloat16" and rows > 8 else "float32"
    return Subject(name, _ours("linear", x, weight, None, out), theirs, moved, 2 * rows * columns * length, rate, note)


def _attention(queries, keys, dtype, name) -> Subject:
    import torch

    q, out = _normal(queries, 16, 128), _empty(queries, 16, 128)
    k, v = _normal(keys, 8, 128, dtype=dtype), _normal(keys, 8, 128, dtype=dtype)
    as_torch = [t.to(k.dtype).transpose(0, 1)[None] for t in (q, k, v)]
    theirs = lambda: torch.nn.functional.scaled_dot_product_attention(*as_torch, is_causal=queries > 1, enable_gqa=True)
    pairs = queries * (keys - queries) + queries * (queries + 1) / 2
    moved = q.nbytes + k.nbytes + v.nbytes + out.nbytes
    note = "torch rounds q to bfloat16; ours does not" if dtype == "bfloat16" else ""
    ours = _ours("attention", q, k, v, 128**-0.5, out)
    return Subject(name, ours, theirs, moved, 4 * pairs * 16 * 128, "float32", note)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "add": _add,
    "swiglu": _swiglu,
    "rms_norm": _rms_norm,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "argmax": _argmax,
    "embedding, bfloat16 table": _embedding,
    "rope": _rope,
    "matmul 4096": _matmul,
}
for _name, _make in {
    "linear, 2048 rows, float32": lambda n: _linear(2048, 4096, 4096, "float32", n),
    "linear, 2048 rows, bfloat16": lambda n: _linear(2048, 4096, 4096, "bfloat16", n),
    "linear, decode, 151936 outputs, bfloat16": lambda n: _linear(1, 151936, 1024, "bfloat16", n),
    "linear, decode, 151936 outputs, float32": lambda n: _linear(1, 151936, 1024, "float32", n),
    "linear, decode, 3072 outputs, bfloat16": lambda n: _linear(1, 3072, 1024, "bfloat16", n),
    "attention, prompt of 2048": lambda n: _attention(2048, 2048, "float32", n),
    "attention, decode, 8192 keys, bfloat16": lambda n: _attention(1, 8192, "bfloat16", n),
}.items():
    SUBJECTS[_name] = partial(_make, _name)
