"""Operators that work row by row or element by element, against NumPy and torch."""

import numpy as np

from benchmarks import numpy_ways
from benchmarks.contenders import alone, check_answers, ours, positions_first, torch_or_absent
from benchmarks.measure import Contestant
from benchmarks.shapes import QWEN3_HEADS, random
from benchmarks.work import NUMPY, TORCH, Settings, Work
from llaisys_mini import operators as ops
from llaisys_mini.tensor import Tensor

TORCH_TRANSFORMERS = "torch f32, as transformers writes it"


def rms_norm(shape: tuple[int, ...], settings: Settings) -> Work:
    """RMSNorm of every row; torch has it as one call."""
    x, weight, eps = random(*shape), 1 + random(shape[-1], scale=0.1), 1e-6
    inputs = dict(x=x, weight=weight, eps=eps)
    x_tensor, weight_tensor = Tensor.from_numpy(x), Tensor.from_numpy(weight).freeze()
    work = _elementwise(ops.rms_norm, lambda: ops.rms_norm(x_tensor, weight_tensor, eps), inputs, wanted=1.8)
    work.contestants.append(Contestant(NUMPY, lambda: numpy_ways.rms_norm(x, weight, eps)))
    torch = torch_or_absent(work.absent, TORCH, TORCH_TRANSFORMERS)
    if torch:
        x_torch, weight_torch = torch.from_numpy(x), torch.from_numpy(weight)
        width = (shape[-1],)
        work.contestants += [
            Contestant(TORCH, lambda: torch.nn.functional.rms_norm(x_torch, width, weight_torch, eps)),
            Contestant(
                TORCH_TRANSFORMERS,
                lambda: weight_torch * (x_torch * torch.rsqrt(x_torch.pow(2).mean(-1, keepdim=True) + eps)),
            ),
        ]
    check_answers(work, ops.rms_norm, inputs)
    return work


def rope(rows: int, settings: Settings) -> Work:
    """torch as transformers writes it, with sine and cosine computed beforehand, once for all layers; ours is asked to
    compute them in the same call."""
    heads, _, width = QWEN3_HEADS
    x, positions, theta = random(rows, heads, width), np.arange(rows) + 100, 1e6
    inputs = dict(x=x, positions=positions, theta=theta)
    x_tensor = Tensor.from_numpy(x)
    work = _elementwise(ops.rope, lambda: ops.rope(x_tensor, positions, theta), inputs, wanted=1.8)
    angles = positions[:, None] * np.float32(theta) ** -(np.arange(0, width, 2, dtype=np.float32) / width)
    cos, sin = (np.concatenate([way(angles)] * 2, axis=1).astype(np.float32) for way in (np.cos, np.sin))
    work.contestants.append(Contestant(NUMPY, lambda: numpy_ways.rope(x, cos[:, None], sin[:, None])))
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        # [1, head, position, width], a transposed view of what the projection wrote
        x_torch = torch.from_numpy(x)[None].transpose(1, 2)
        cos_torch, sin_torch = (torch.from_numpy(one)[None, None] for one in (cos, sin))

        def rotate_half():
            first, second = x_torch[..., : width // 2], x_torch[..., width // 2 :]
            return torch.cat((-second, first), dim=-1)

        work.contestants.append(Contestant(TORCH, lambda: x_torch * cos_torch + rotate_half() * sin_torch))
    check_answers(work, ops.rope, inputs, layouts={TORCH: positions_first})
    return work


def swiglu(rows: int, settings: Settings) -> Work:
    """SwiGLU of `rows` rows as wide as Qwen3-0.6B's feed-forward block."""
    gate, up = random(rows, 3072), random(rows, 3072)[:, ::-1].copy()
    inputs = dict(gate=gate, up=up)
    gate_tensor, up_tensor = Tensor.from_numpy(gate), Tensor.from_numpy(up)
    work = _elementwise(ops.swiglu, lambda: ops.swiglu(gate_tensor, up_tensor), inputs, wanted=1.8)
    work.contestants.append(Contestant(NUMPY, lambda: numpy_ways.swiglu(gate, up)))
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        gate_torch, up_torch = torch.from_numpy(gate), torch.from_numpy(up)
        work.contestants.append(Contestant(TORCH, lambda: torch.nn.functional.silu(gate_torch) * up_torch))
    check_answers(work, ops.swiglu, inputs)
    return work


def softmax(shape: tuple[int, int], settings: Settings) -> Work:
    """Softmax of every row: attention's scores, or the logits of a whole vocabulary."""
    x = random(*shape, scale=3.0)
    x_tensor = Tensor.from_numpy(x)
    work = _elementwise(ops.softmax, lambda: ops.softmax(x_tensor), dict(x=x), wanted=1.0)
    work.contestants.append(Contestant(NUMPY, lambda: numpy_ways.softmax(x)))
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        x_torch = torch.from_numpy(x)
        work.contestants.append(Contestant(TORCH, lambda: torch.nn.functional.softmax(x_torch, dim=-1)))
    check_answers(work, ops.softmax, dict(x=x))
    return work


def layer_norm(rows: int, settings: Settings) -> Work:
    """LayerNorm of `rows` rows of 1024."""
    x, weight, bias, eps = random(rows, 1024), 1 + random(1024, scale=0.1), random(1024), 1e-5
    inputs = dict(x=x, weight=weight, bias=bias, eps=eps)
    tensors = [Tensor.from_numpy(one) for one in (x, weight, bias)]
    work = _elementwise(ops.layer_norm, lambda: ops.layer_norm(*tensors, eps), inputs)
    work.contestants.append(Contestant(NUMPY, lambda: numpy_ways.layer_norm(x, weight, bias, eps)))
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        rivals = [torch.from_numpy(one) for one in (x, weight, bias)]
        call = lambda: torch.nn.functional.layer_norm(rivals[0], (1024,), rivals[1], rivals[2], eps)
        work.contestants.append(Contestant(TORCH, call))
    check_answers(work, ops.layer_norm, inputs)
    return work


def argmax(settings: Settings) -> Work:
    """Which of all tokens is the likeliest: index and value, as greedy decoding asks after every step."""
    x = random(1, 151936)
    x_tensor = Tensor.from_numpy(x)
    work = _elementwise(ops.argmax, lambda: ops.argmax(x_tensor), dict(x=x))
    work.contestants.append(Contestant(NUMPY, lambda: (x.argmax(axis=-1), x.max(axis=-1))))
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        x_torch = torch.from_numpy(x)
        work.contestants.append(Contestant(TORCH, lambda: tuple(x_torch.max(dim=-1))[::-1]))
    check_answers(work, ops.argmax, dict(x=x))
    return work


def _elementwise(operator, call, inputs, wanted: float | None = None) -> Work:
    """Work that reads its arrays once and writes one of the first's size; with one row also without dispatch."""
    arrays = [value for value in inputs.values() if isinstance(value, np.ndarray)]
    first = arrays[0]
    written = 0 if operator is ops.argmax else first.nbytes
    work = Work(
        ours(operator, call),
        data=float(sum(value.nbytes for value in arrays) + written),
        targets={} if wanted is None else {TORCH: wanted},
    )
    if first.shape[0] == 1:
        work.contestants.append(alone(operator, inputs))
    return work
