"""Attention against torch: one query over a long cache, and all queries of a prompt."""

import numpy as np

from benchmarks import numpy_ways
from benchmarks.ceilings import place_of_copies
from benchmarks.contenders import check_answers, copies, in_turn, ours, positions_first, torch_or_absent
from benchmarks.measure import Contestant
from benchmarks.shapes import QWEN3_HEADS, random
from benchmarks.work import NUMPY, TORCH, TORCH_BF16, Settings, Work
from llaisys_mini import dtypes
from llaisys_mini import operators as ops
from llaisys_mini.tensor import Tensor

TORCH_REPEATED = "torch f32, heads repeated before"


def attention_decode(keys: int, storage: str, settings: Settings) -> Work:
    """One new query looks back over a KV cache that comes from memory, as each layer's does."""
    heads, key_heads, width = QWEN3_HEADS
    scale = width**-0.5
    q = random(1, heads, width)
    k, v = (random(keys + extra, key_heads, width)[:keys].astype(dtypes.BY_NAME[storage]) for extra in (0, 1))
    ks, vs = (copies(np.ascontiguousarray(one), settings.rotate // 2) for one in (k, v))
    q_tensor = Tensor.from_numpy(q)
    call = in_turn(
        lambda k, v: ops.attention(q_tensor, k, v, scale), *([Tensor.from_numpy(c) for c in many] for many in (ks, vs))
    )
    work = Work(
        ours(ops.attention, call),
        operations=4.0 * heads * width * keys,
        data=2.0 * k.nbytes,
        place=place_of_copies([*ks, *vs]),
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
    q, k, v = random(length, heads, width), random(length, key_heads, width), random(length, key_heads, width)
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


_TORCH_LAYOUTS = dict.fromkeys((TORCH, TORCH_BF16, TORCH_REPEATED), positions_first)
