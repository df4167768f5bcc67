"""Each operator against NumPy (OpenBLAS) and torch, in the shapes of the models that the course runs.

linear reads its weights from memory: in a model other layers' weights pass through the cache before the same ones come
round again, so each call takes the next of many copies. Elementwise work finds its input in the cache, as in a model,
where the operator before has just written it.
"""

import functools
import itertools
import json
from collections.abc import Iterator

import numpy as np

from benchmarks import numpy_ways
from benchmarks.contenders import (
    alone,
    as_torch,
    check_answers,
    copies,
    in_turn,
    ours,
    torch_or_absent,
)
from benchmarks.measure import Contestant
from benchmarks.work import NUMPY, TORCH, TORCH_BF16, Plan, Settings, Work
from llaisys_mini import dtypes, paths
from llaisys_mini import operators as ops
from llaisys_mini.operators.linear_int4 import packed as pack_int4
from llaisys_mini.tensor import Tensor

QWEN3_UP, QWEN3_DOWN, QWEN25_UP = (1024, 3072), (3072, 1024), (1536, 8960)  # inputs, outputs
QWEN3_HEADS = (16, 8, 128)  # query heads, key/value heads, width of a head
TORCH_REPEATED, TORCH_TRANSFORMERS = "torch f32, heads repeated before", "torch f32, as transformers writes it"


def plans() -> Iterator[Plan]:
    """All operator benchmarks, in the order of the report."""
    shipped = shipped_shape()
    shapes = {"Qwen3-0.6B": QWEN3_UP, "Qwen3-0.6B down": QWEN3_DOWN, "Qwen2.5-1.5B": QWEN25_UP, "shipped": shipped}
    for (model, shape), rows in itertools.product(shapes.items(), (8, 64, 512)):
        yield Plan(
            "linear, many rows", f"{model} {_arrow(shape)}, {rows} rows", functools.partial(many_rows, shape, rows)
        )
    for size in (256, 512, 1024, 2048):
        yield Plan("matmul", f"{size} x {size} x {size}", functools.partial(matmul, size))
    for (model, shape), storage in itertools.product(shapes.items(), ("float32", "bfloat16", "float16")):
        if storage != "float16" or model == "Qwen3-0.6B":
            yield Plan(
                "linear, one row", f"{model} {_arrow(shape)}, {storage}", functools.partial(one_row, shape, storage)
            )
    for (model, shape), kind in itertools.product(shapes.items(), QUANTISED):
        if model != "shipped":
            yield Plan(
                "linear, one row", f"{model} {_arrow(shape)}, {kind}", functools.partial(one_row_quantised, shape, kind)
            )
    for keys, storage in itertools.product((1024, 4096), ("float32", "bfloat16")):
        yield Plan(
            "attention, one query", f"{keys} keys, {storage} cache", functools.partial(attention_decode, keys, storage)
        )
    for length in (512, 2048):
        yield Plan("attention, all queries", f"{length} positions", functools.partial(attention_prefill, length))
    for rows in (1, 512):
        yield Plan("rms_norm", f"{rows} x 1024", functools.partial(rms_norm, (rows, 1024)))
    yield Plan("rms_norm", "512 x 16 heads x 128", functools.partial(rms_norm, (512, 16, 128)))
    for rows in (1, 512):
        yield Plan("rope", f"{rows} x 16 heads x 128", functools.partial(rope, rows))
    for rows in (1, 512):
        yield Plan("swiglu", f"{rows} x 3072", functools.partial(swiglu, rows))
    for shape in ((1, 151936), (512, 1024)):
        yield Plan("softmax", _times(shape), functools.partial(softmax, shape))
    for rows in (1, 512):
        yield Plan("layer_norm", f"{rows} x 1024", functools.partial(layer_norm, rows))
    yield Plan("argmax", "1 x 151936", argmax)


def shipped_shape() -> tuple[int, int]:
    """Inputs and outputs of the feed-forward block of the model that comes with the course."""
    config = json.loads((paths.shipped_model() / "config.json").read_text())
    return config["hidden_size"], config["intermediate_size"]


def _arrow(shape):
    return f"{shape[0]} -> {shape[1]}"


def _times(shape):
    return " x ".join(map(str, shape))


def _random(*shape, scale=1.0) -> np.ndarray:
    values = np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)
    values *= np.float32(scale)
    return values


def _frozen(weights) -> list[Tensor]:
    return [Tensor.from_numpy(weight).freeze() for weight in weights]


# ---- linear and matmul -------------------------------------------------------------------------------------------


def many_rows(shape: tuple[int, int], rows: int, settings: Settings) -> Work:
    """Prefill: `rows` rows at once, float32 weights that were packed when they were loaded."""
    inputs, outputs = shape
    weight = _random(outputs, inputs, scale=inputs**-0.5)
    x = _random(rows, inputs)
    weights = copies(weight, settings.rotate)
    x_tensor = Tensor.from_numpy(x)
    call = in_turn(lambda w: ops.linear(x_tensor, w, None), _frozen(weights))
    wanted = 1.2 if rows <= 64 else 1.0
    work = Work(
        [*ours(ops.linear, call), Contestant(NUMPY, in_turn(lambda w: x @ w.T, weights))],
        operations=2.0 * rows * inputs * outputs,
        data=4.0 * (inputs * outputs + rows * (inputs + outputs)),
        place=_place(weights),
        targets={NUMPY: wanted, TORCH: wanted},
    )
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        x_torch, torch_weights = torch.from_numpy(x), [torch.from_numpy(w) for w in weights]
        call = in_turn(lambda w: torch.nn.functional.linear(x_torch, w), torch_weights)
        work.contestants.append(Contestant(TORCH, call))
    _check_linear(work, ops.linear, x, weight)
    return work


def one_row(shape: tuple[int, int], storage: str, settings: Settings) -> Work:
    """Decoding: one row, so that every weight is read once and used once."""
    inputs, outputs = shape
    wanted = {"float32": 1.6, "bfloat16": 3.0}.get(storage)
    stored = _random(outputs, inputs, scale=inputs**-0.5).astype(dtypes.BY_NAME[storage])
    weights = copies(stored, settings.rotate)
    x = _random(1, inputs)
    x_tensor = Tensor.from_numpy(x)
    call = in_turn(lambda w: ops.linear(x_tensor, w, None), _frozen(weights))
    is_small = stored.nbytes < 2**20  # of the shipped model: the call itself decides, and no target is set
    work = Work(
        ours(ops.linear, call),
        operations=2.0 * inputs * outputs,
        data=stored.nbytes + 4.0 * (inputs + outputs),
        place=_place(weights),
        targets={} if is_small or wanted is None else {TORCH: wanted},
        least_share=None if is_small or wanted is None else 0.85,
    )
    if is_small:
        work.contestants.append(alone(ops.linear, dict(x=x, weight=stored, bias=None)))
    _add_float_rivals(work, x, stored.astype(np.float32), settings, also_bf16=storage != "float32")
    _check_linear(work, ops.linear, x, stored)
    return work


def _add_float_rivals(work: Work, x: np.ndarray, weight: np.ndarray, settings: Settings, also_bf16: bool) -> None:
    """NumPy and torch with the same weights as float32, and torch with bfloat16."""
    weights = copies(weight, settings.rotate)
    work.contestants.append(Contestant(NUMPY, in_turn(lambda w: x @ w.T, weights)))
    torch = torch_or_absent(work.absent, *([TORCH, TORCH_BF16] if also_bf16 else [TORCH]))
    if not torch:
        return
    linear, x_torch = torch.nn.functional.linear, torch.from_numpy(x)
    torch_weights = [torch.from_numpy(w) for w in weights]
    work.contestants.append(Contestant(TORCH, in_turn(lambda w: linear(x_torch, w), torch_weights)))
    if also_bf16:
        x_half = x_torch.bfloat16()
        halves = [as_torch(torch, w) for w in copies(weight.astype(dtypes.bfloat16), settings.rotate)]
        work.contestants.append(Contestant(TORCH_BF16, in_turn(lambda w: linear(x_half, w), halves)))


def _place(weights: list[np.ndarray]) -> str | None:
    """Copies beyond any cache lie in memory; else where their size says."""
    from benchmarks.ceilings import MEMORY
    from benchmarks.machine import last_level_cache

    return MEMORY if sum(weight.nbytes for weight in weights) > last_level_cache() else None


def _check_linear(work: Work, operator, x: np.ndarray, weight: np.ndarray, rows: int = 64, **scales) -> None:
    """The first outputs of some rows are enough: each is a sum of the same length."""
    some = min(256, weight.shape[0])
    inputs = dict(x=x[:rows], weight=weight[:some], **{n: v[:some] for n, v in scales.items()}, bias=None)
    check_answers(work, operator, inputs, lambda answer: answer[:rows, :some])


QUANTISED = {"int8, a scale per row": 5.5, "int8, groups of 32": 5.5, "int4, groups of 32": 7.5}
"""Formats of whole numbers, and the ratio to torch float32 that each must reach."""


def one_row_quantised(shape: tuple[int, int], kind: str, settings: Settings) -> Work:
    """Decoding with weights of eight or four bits. The opponents compute with the same weights widened again."""
    inputs, outputs = shape
    x = _random(1, inputs)
    operator, weight, scales, widened = _quantised(kind, _random(outputs, inputs, scale=inputs**-0.5))
    size = weight.nbytes + scales.nbytes
    count = 1 + settings.rotate // size
    weights, many_scales = ([one, *(one.copy() for _ in range(count - 1))] for one in (weight, scales))
    x_tensor = Tensor.from_numpy(x)
    call = in_turn(lambda w, s: operator(x_tensor, w, s, None), _frozen(weights), _frozen(many_scales))
    work = Work(
        ours(operator, call),
        operations=2.0 * inputs * outputs,
        data=size + 4.0 * (inputs + outputs),
        place=_place(weights),
        targets={TORCH: QUANTISED[kind]},
    )
    _add_float_rivals(work, x, widened, settings, also_bf16=True)
    _check_linear(work, operator, x, weight, scales=scales)
    return work


def _quantised(kind: str, weight: np.ndarray):
    """(operator, whole numbers, float16 scales, the float32 weights they stand for)."""
    is_int8 = kind.startswith("int8")
    highest = 127 if is_int8 else 7
    group = weight.shape[1] if "row" in kind else 32
    groups = weight.reshape(len(weight), -1, group)
    scales = (np.abs(groups).max(axis=2) / highest).astype(np.float16)
    steps = scales.astype(np.float32)[:, :, None]
    numbers = np.rint(groups / steps).clip(-highest, highest)
    widened = (numbers * steps).reshape(weight.shape)
    numbers = numbers.reshape(weight.shape).astype(np.int8)
    if is_int8:
        return ops.linear_int8, numbers, scales, widened
    return ops.linear_int4, pack_int4(numbers), scales, widened


def matmul(size: int, settings: Settings) -> Work:
    """Square matrices that both change from call to call, so whatever packing is done counts."""
    a, b = _random(size, size), _random(size, size)
    a_tensor, b_tensor = Tensor.from_numpy(a), Tensor.from_numpy(b)
    work = Work(
        [*ours(ops.matmul, lambda: ops.matmul(a_tensor, b_tensor)), Contestant(NUMPY, lambda: a @ b)],
        operations=2.0 * size**3,
        data=12.0 * size**2,
        targets={NUMPY: 0.95} if size >= 512 else {},
    )
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        a_torch, b_torch = torch.from_numpy(a), torch.from_numpy(b)
        work.contestants.append(Contestant(TORCH, lambda: a_torch @ b_torch))
    some = 64
    check_answers(work, ops.matmul, dict(a=a, b=b[:, :some].copy()), lambda answer: answer[:, :some])
    return work


# ---- attention ---------------------------------------------------------------------------------------------------


def attention_decode(keys: int, storage: str, settings: Settings) -> Work:
    """One new query looks back over a KV cache that comes from memory, as each layer's does."""
    heads, key_heads, width = QWEN3_HEADS
    scale = width**-0.5
    q = _random(1, heads, width)
    k, v = (_random(keys + extra, key_heads, width)[:keys].astype(dtypes.BY_NAME[storage]) for extra in (0, 1))
    ks, vs = (copies(np.ascontiguousarray(one), settings.rotate // 2) for one in (k, v))
    q_tensor = Tensor.from_numpy(q)
    call = in_turn(
        lambda k, v: ops.attention(q_tensor, k, v, scale), *([Tensor.from_numpy(c) for c in many] for many in (ks, vs))
    )
    work = Work(
        ours(ops.attention, call),
        operations=4.0 * heads * width * keys,
        data=2.0 * k.nbytes,
        place=_place([*ks, *vs]),
        targets={TORCH: 2.5},
    )
    floats = [copies(one.astype(np.float32), settings.rotate // 2) for one in (k, v)]
    work.contestants.append(Contestant(NUMPY, in_turn(lambda k, v: numpy_ways.attention(q, k, v, scale), *floats)))
    torch = torch_or_absent(work.absent, TORCH, TORCH_BF16)
    if torch:
        attend = torch.nn.functional.scaled_dot_product_attention
        # torch keeps a cache as [batch, head, position, width]
        q_torch, *rivals = (_heads_first(torch, one) for one in (q, k.astype(np.float32), v.astype(np.float32)))
        rotated = [_torch_copies(one, settings.rotate // 2) for one in rivals]
        work.contestants.append(
            Contestant(TORCH, in_turn(lambda k, v: attend(q_torch, k, v, enable_gqa=True), *rotated))
        )
        repeated = [[_repeat(one, heads // key_heads) for one in many] for many in rotated]
        work.contestants.append(Contestant(TORCH_REPEATED, in_turn(lambda k, v: attend(q_torch, k, v), *repeated)))
        if storage == "bfloat16":
            q_half = q_torch.bfloat16()
            halves = [_torch_copies(one.bfloat16(), settings.rotate // 2) for one in rivals]
            work.contestants.append(
                Contestant(TORCH_BF16, in_turn(lambda k, v: attend(q_half, k, v, enable_gqa=True), *halves))
            )
    check_answers(work, ops.attention, dict(q=q, k=k, v=v, scale=scale), layouts=_TORCH_LAYOUTS)
    return work


def attention_prefill(length: int, settings: Settings) -> Work:
    """All positions of a prompt at once, each looking back over those before it."""
    heads, key_heads, width = QWEN3_HEADS
    scale = width**-0.5
    q, k, v = _random(length, heads, width), _random(length, key_heads, width), _random(length, key_heads, width)
    v = v[::-1].copy()  # other numbers than the keys
    tensors = [Tensor.from_numpy(one) for one in (q, k, v)]
    seen = length * (length + 1) / 2
    work = Work(
        ours(ops.attention, lambda: ops.attention(*tensors, scale)),
        operations=4.0 * heads * width * seen,
        data=4.0 * (2 * q.size + k.size + v.size),
        targets={TORCH: 1.2},
    )
    work.contestants.append(Contestant(NUMPY, lambda: numpy_ways.attention(q, k, v, scale)))
    torch = torch_or_absent(work.absent, TORCH)
    if torch:
        attend = torch.nn.functional.scaled_dot_product_attention
        q_torch, k_torch, v_torch = (_heads_first(torch, one) for one in (q, k, v))
        work.contestants.append(
            Contestant(TORCH, lambda: attend(q_torch, k_torch, v_torch, is_causal=True, enable_gqa=True))
        )
        k_repeated, v_repeated = (_repeat(one, heads // key_heads) for one in (k_torch, v_torch))
        work.contestants.append(
            Contestant(TORCH_REPEATED, lambda: attend(q_torch, k_repeated, v_repeated, is_causal=True))
        )
    last = 32  # the last queries look back over everything
    check_answers(
        work, ops.attention, dict(q=q[-last:], k=k, v=v, scale=scale), lambda answer: answer[-last:], _TORCH_LAYOUTS
    )
    return work


def _heads_first(torch, array):
    """[position, head, width] -> torch [1, head, position, width], contiguous."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(1, 0, 2)))[None]


def _repeat(tensor, times):
    return tensor.repeat_interleave(times, dim=1)


def _torch_copies(tensor, total: int) -> list:
    size = tensor.numel() * tensor.element_size()
    return [tensor, *(tensor.clone() for _ in range(total // size))]


def _positions_first(answer):
    """[1, head, position, width] -> [position, head, width]"""
    return answer[0].transpose(1, 0, 2)


_TORCH_LAYOUTS = dict.fromkeys((TORCH, TORCH_BF16, TORCH_REPEATED), _positions_first)


# ---- row by row and element by element ---------------------------------------------------------------------------


def rms_norm(shape: tuple[int, ...], settings: Settings) -> Work:
    """RMSNorm of every row; torch has it as one call."""
    x, weight, eps = _random(*shape), 1 + _random(shape[-1], scale=0.1), 1e-6
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
    x, positions, theta = _random(rows, heads, width), np.arange(rows) + 100, 1e6
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
    check_answers(work, ops.rope, inputs, layouts=_TORCH_LAYOUTS)
    return work


def swiglu(rows: int, settings: Settings) -> Work:
    """SwiGLU of `rows` rows as wide as Qwen3-0.6B's feed-forward block."""
    gate, up = _random(rows, 3072), _random(rows, 3072)[:, ::-1].copy()
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
    x = _random(*shape, scale=3.0)
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
    x, weight, bias, eps = _random(rows, 1024), 1 + _random(1024, scale=0.1), _random(1024), 1e-5
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
    x = _random(1, 151936)
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
