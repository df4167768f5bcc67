"""Each operator against NumPy (OpenBLAS) and torch, in the shapes of the models that the course runs.

linear reads its weights from memory: in a model other layers' weights pass through the cache before the same ones come
round again, so each call takes the next of many copies. Elementwise work finds its input in the cache, as in a model,
where the operator before has just written it.
"""

import functools
import itertools
from collections.abc import Iterator

import numpy as np

from benchmarks.attention import attention_decode, attention_prefill
from benchmarks.ceilings import place_of_copies
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
from benchmarks.rowwise import argmax, layer_norm, rms_norm, rope, softmax, swiglu
from benchmarks.shapes import QWEN3_DOWN, QWEN3_UP, QWEN25_UP, random, shipped_shape
from benchmarks.work import NUMPY, TORCH, TORCH_BF16, Plan, Settings, Work
from llaisys_mini import dtypes
from llaisys_mini import operators as ops
from llaisys_mini.operators.linear_int4 import packed as pack_int4
from llaisys_mini.tensor import Tensor


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


def _arrow(shape):
    return f"{shape[0]} -> {shape[1]}"


def _times(shape):
    return " x ".join(map(str, shape))


def _frozen(weights) -> list[Tensor]:
    return [Tensor.from_numpy(weight).freeze() for weight in weights]


# ---- linear and matmul -------------------------------------------------------------------------------------------


def many_rows(shape: tuple[int, int], rows: int, settings: Settings) -> Work:
    """Prefill: `rows` rows at once, float32 weights that were packed when they were loaded."""
    inputs, outputs = shape
    weight = random(outputs, inputs, scale=inputs**-0.5)
    x = random(rows, inputs)
    weights = copies(weight, settings.rotate)
    x_tensor = Tensor.from_numpy(x)
    call = in_turn(lambda w: ops.linear(x_tensor, w, None), _frozen(weights))
    wanted = 1.2 if rows <= 64 else 1.0
    work = Work(
        [*ours(ops.linear, call), Contestant(NUMPY, in_turn(lambda w: x @ w.T, weights))],
        operations=2.0 * rows * inputs * outputs,
        data=4.0 * (inputs * outputs + rows * (inputs + outputs)),
        place=place_of_copies(weights),
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
    stored = random(outputs, inputs, scale=inputs**-0.5).astype(dtypes.BY_NAME[storage])
    weights = copies(stored, settings.rotate)
    x = random(1, inputs)
    x_tensor = Tensor.from_numpy(x)
    call = in_turn(lambda w: ops.linear(x_tensor, w, None), _frozen(weights))
    is_small = stored.nbytes < 2**20  # of the shipped model: the call itself decides, and no target is set
    work = Work(
        ours(ops.linear, call),
        operations=2.0 * inputs * outputs,
        data=stored.nbytes + 4.0 * (inputs + outputs),
        place=place_of_copies(weights),
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
    x = random(1, inputs)
    operator, weight, scales, widened = _quantised(kind, random(outputs, inputs, scale=inputs**-0.5))
    size = weight.nbytes + scales.nbytes
    count = 1 + settings.rotate // size
    weights, many_scales = ([one, *(one.copy() for _ in range(count - 1))] for one in (weight, scales))
    x_tensor = Tensor.from_numpy(x)
    call = in_turn(lambda w, s: operator(x_tensor, w, s, None), _frozen(weights), _frozen(many_scales))
    work = Work(
        ours(operator, call),
        operations=2.0 * inputs * outputs,
        data=size + 4.0 * (inputs + outputs),
        place=place_of_copies(weights),
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
    a, b = random(size, size), random(size, size)
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
