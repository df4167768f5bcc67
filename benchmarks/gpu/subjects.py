"""What `timing` times: for each row the call of ours, the same in torch, and what must be moved and computed at least.

Both get the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

NEAR_THE_ROOFLINE = "80 % of the roofline"


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
    asked: str = ""  # what the project wants of it at least


def _kernel(name: str) -> Callable:
    from llaisys_mini.kernels.sets import expert_set

    return expert_set().get(name, "cuda").function


def _array(tensor):
    """A copy of a torch tensor as the array that a decoder hands to a kernel, whose launch costs less than with one of
    numba's; 16-bit floats as integers (see dtypes)."""
    import numpy as np
    import torch
    from numba import cuda as numba_cuda

    from llaisys_mini import cuda

    words = tensor.view(torch.int16) if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
    source = numba_cuda.as_cuda_array(words)
    if tensor.dtype == torch.bfloat16:
        source = source.view(np.uint16)
    array = cuda.device_array(source.shape, source.dtype)
    array.copy_to_device(source)
    return array


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
    ours = _ours("layer_norm", x, weight, bias, 1e-5, out)
    return Subject("layer_norm", ours, theirs, 2 * x.nbytes, asked=NEAR_THE_ROOFLINE)


def _softmax(rows, width, name) -> Subject:
    import torch

    x, out = _normal(rows, width), _empty(rows, width)
    # Wider than registers hold, a row is read twice.
    asked = NEAR_THE_ROOFLINE if width <= 32768 else ""
    return Subject(name, _ours("softmax", x, out), lambda: torch.softmax(x, 1), 2 * x.nbytes, asked=asked)


def _cross_entropy() -> Subject:
    import torch

    logits, targets, out = _normal(512, 151936), torch.randint(0, 151936, (512,), device="cuda"), _empty(512)
    theirs = lambda: torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    return Subject("cross_entropy", _ours("cross_entropy", logits, targets, out), theirs, logits.nbytes)


def _argmax() -> Subject:
    import torch

    x, value = _normal(512, 151936), _empty(512)
    index = torch.empty(512, device="cuda", dtype=torch.int64)
    ours = _ours("argmax", x, index, value)
    return Subject("argmax", ours, lambda: torch.max(x, 1), x.nbytes, asked=NEAR_THE_ROOFLINE)


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
    ours = _ours("matmul", a, b, out)
    return Subject("matmul 4096", ours, theirs, 3 * a.nbytes, 2 * 4096**3, asked="0.7 of torch")


def _linear(rows, columns, length, dtype, asked, name) -> Subject:
    import torch

    x, weight, out = _normal(rows, length), _normal(columns, length, dtype=dtype), _empty(rows, columns)
    same = x.to(weight.dtype)
    theirs = lambda: torch.nn.functional.linear(same, weight)
    moved = x.nbytes + weight.nbytes + out.nbytes
    note = "torch rounds x to bfloat16; ours does not" if dtype == "bfloat16" else ""
    rate = "bfloat16" if dtype == "bfloat16" and rows > 8 else "float32"
    flops = 2 * rows * columns * length
    return Subject(name, _ours("linear", x, weight, None, out), theirs, moved, flops, rate, note, asked)


def _attention(queries, keys, dtype, asked, name, paged=False) -> Subject:
    """16 query heads, 8 key heads, 128 wide; the keys side by side, or in pages of 16 that lie in any order."""
    import torch

    q, out = _normal(queries, 16, 128), _empty(queries, 16, 128)
    k, v = _normal(keys, 8, 128, dtype=dtype), _normal(keys, 8, 128, dtype=dtype)
    as_torch = [t.to(k.dtype).transpose(0, 1)[None] for t in (q, k, v)]
    theirs = lambda: torch.nn.functional.scaled_dot_product_attention(*as_torch, is_causal=queries > 1, enable_gqa=True)
    pairs = queries * (keys - queries) + queries * (queries + 1) / 2
    moved = q.nbytes + k.nbytes + v.nbytes + out.nbytes
    note = "torch rounds q to bfloat16; ours does not" if dtype == "bfloat16" else ""
    if paged:
        note += "; torch's keys lie side by side"
        table = torch.randperm(keys // 16, device="cuda", dtype=torch.int32)[None]
        lengths, starts = (torch.tensor(n, device="cuda", dtype=torch.int32) for n in ([keys], [0, queries]))
        pages = [t.view(keys // 16, 16, 8, 128) for t in (k, v)]
        ours = _ours("paged_attention", q, *pages, table, lengths, starts, 128**-0.5, keys, out)
    else:
        ours = _ours("attention", q, k, v, 128**-0.5, out)
    rate = "bfloat16" if dtype == "bfloat16" and queries > 8 else "float32"
    return Subject(name, ours, theirs, moved, 4 * pairs * 16 * 128, rate, note, asked)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "add": _add,
    "swiglu": _swiglu,
    "rms_norm": _rms_norm,
    "layer_norm": _layer_norm,
    "softmax": partial(_softmax, 8192, 4096, "softmax"),
    "softmax, 151936 columns": partial(_softmax, 512, 151936, "softmax, 151936 columns"),
    "cross_entropy": _cross_entropy,
    "argmax": _argmax,
    "embedding, bfloat16 table": _embedding,
    "rope": _rope,
    "matmul 4096": _matmul,
}
for _name, _make in {
    "linear, 2048 rows, float32": partial(_linear, 2048, 4096, 4096, "float32", ""),
    "linear, 2048 rows, bfloat16": partial(_linear, 2048, 4096, 4096, "bfloat16", "0.3 of torch"),
    "linear, decode, 151936 outputs, bfloat16": partial(_linear, 1, 151936, 1024, "bfloat16", ""),
    "linear, decode, 151936 outputs, float32": partial(_linear, 1, 151936, 1024, "float32", ""),
    "linear, decode, 3072 outputs, bfloat16": partial(_linear, 1, 3072, 1024, "bfloat16", ""),
    "attention, prompt of 2048, float32": partial(_attention, 2048, 2048, "float32", ""),
    "attention, prompt of 2048, bfloat16": partial(_attention, 2048, 2048, "bfloat16", "0.35 of torch"),
    "attention, decode, 8192 keys, bfloat16": partial(_attention, 1, 8192, "bfloat16", "1.0 of torch"),
    "paged attention, prompt of 2048, bfloat16": partial(_attention, 2048, 2048, "bfloat16", "", paged=True),
    "paged attention, decode, 8192 keys, bfloat16": partial(_attention, 1, 8192, "bfloat16", "", paged=True),
}.items():
    SUBJECTS[_name] = partial(_make, _name)
