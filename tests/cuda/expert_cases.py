"""Cases larger than a tile, for the expert kernels: the public cases are smaller than one."""

import numpy as np

from llaisys_mini import operators
from llaisys_mini.dtypes import BY_NAME
from llaisys_mini.task import Case

_PRODUCTS = [(200, 88, 136), (128, 16, 128), (9, 8, 4), (5, 7, 4), (3, 520, 30), (20, 40, 9), (20, 39, 8)]  # M, K, N


_LONG = [(200, 264, 136), (9, 256, 4), (130, 520, 9)]  # rows long enough for the two planes of gemm_bfloat16


def _matmul(rng):
    return [dict(a=rng.normal(size=(m, k)), b=rng.normal(size=(k, n))) for m, k, n in _PRODUCTS]


def _linear(rng):
    return [
        dict(x=rng.normal(size=(m, k)), weight=rng.normal(size=(n, k)), bias=rng.normal(size=n) if bias else None)
        for products, biases in ((_PRODUCTS, (True, False)), (_LONG, (True,)))
        for m, k, n in products
        for bias in biases
    ]


_ATTENTION = [  # L, S, H, K, D
    (1, 1100, 4, 2, 128),  # several splits, two query heads per key head
    (3, 600, 3, 1, 64),  # an odd number of query heads per key head
    (1, 530, 8, 8, 32),
    (40, 75, 4, 2, 128),
    (33, 33, 2, 2, 24),
    (64, 64, 2, 1, 64),
    (130, 330, 2, 1, 64),  # several tiles of queries and of keys, the last of each in part
    (70, 70, 3, 1, 128),
]


def _attention(rng):
    return [
        dict(
            q=rng.normal(size=(length, heads, width)),
            k=rng.normal(size=(keys, key_heads, width)),
            v=rng.normal(size=(keys, key_heads, width)),
            scale=width**-0.5,
        )
        for length, keys, heads, key_heads, width in _ATTENTION
    ]


def _sliding_attention(rng):
    """Those of attention with a window shorter than their keys; with a longer one they would be attention again."""
    windows = [(inputs, (17, 520, 1)[number % 3]) for number, inputs in enumerate(_attention(rng))]
    return [dict(inputs, window=window) for inputs, window in windows if window < len(inputs["k"])]


def _rms_norm(rng):
    return [
        dict(x=rng.normal(size=(3, n)), weight=rng.normal(size=n), eps=1e-5) for n in (4, 512, 516, 1500, 8192, 8196)
    ]


def _argmax(rng):
    ties = rng.integers(0, 5, size=(3, 9000))
    rising = np.arange(2 * 12289).reshape(2, 12289)
    masked = np.full((2, 8200), -np.inf)
    masked[1, 8199] = -5
    last = np.arange(2 * 8191).reshape(2, 8191)  # the second row ends in a part more than the first
    many = [rng.integers(0, 9, size=(66, width)) for width in (4100, 8195)]
    return [dict(x=x) for x in (ties, rising, -rising, masked, last, *many)]


_ROWS = [  # rows, columns: held by a warp, by a block, by nobody; of widths that are no multiple of 4 too
    *[(5, 20), (6, 2), (6, 509), (3, 512)],
    *[(2, 513), (3, 2501), (1, 16384)],
    *[(1, 16385), (1, 32804)],
]


def _softmax(rng):
    masked = rng.normal(size=(3, 1500))
    masked[0, :1200] = masked[1, 7:] = masked[2, ::2] = -np.inf
    return [dict(x=3 * rng.normal(size=shape) - 200) for shape in _ROWS] + [dict(x=masked)]


def _cross_entropy(rng):
    return [
        dict(logits=3 * rng.normal(size=shape) - 200, targets=rng.integers(0, shape[1], size=shape[0]))
        for shape in _ROWS
    ]


def _layer_norm(rng):
    return [
        dict(
            x=mean + rng.normal(size=shape),
            weight=1 + 0.3 * rng.normal(size=shape[1]),
            bias=rng.normal(size=shape[1]),
            eps=1e-5,
        )
        for shape in _ROWS
        for mean in (0, 100)
    ]


_PAGED = [  # (rows, length) of each text, page, H, K, D, window
    ([(1, 700), (1, 3), (1, 520)], 16, 4, 2, 128, 1 << 20),  # several splits, two query heads per key head
    ([(1, 300), (1, 290)], 16, 3, 1, 64, 150),  # an odd number of query heads per key head, and a window
    ([(1, 530)], 64, 2, 2, 24, 1 << 20),  # pages longer than a round
    ([(1, 70), (1, 9)], 4, 2, 1, 8, 1 << 20),  # and shorter
    ([(3, 600), (1, 40), (5, 5)], 16, 4, 4, 32, 1 << 20),  # a few rows each, as with guessed tokens
    ([(70, 75)], 16, 4, 2, 128, 1 << 20),  # one prompt
    ([(40, 90), (33, 33), (9, 200)], 8, 2, 1, 64, 50),  # prompts only
    ([(1, 400), (45, 60), (1, 30), (8, 8), (32, 100)], 16, 2, 1, 40, 1 << 20),  # prompts beside texts being written
]


def _paged_attention(rng):
    made = []
    for texts, size, heads, key_heads, width, window in _PAGED:
        needed = [-(-length // size) for _, length in texts]
        free = rng.permutation(sum(needed) + 3)
        table = np.full((len(texts), 1 << (max(needed) - 1).bit_length()), free[0])
        for n, count in enumerate(needed):
            table[n, :count], free = free[:count], free[count:]
        rows = [count for count, _ in texts]
        made.append(
            dict(
                q=rng.normal(size=(sum(rows), heads, width)),
                key_pages=rng.normal(size=(sum(needed) + 3, size, key_heads, width)),
                value_pages=rng.normal(size=(sum(needed) + 3, size, key_heads, width)),
                table=table,
                lengths=np.array([length for _, length in texts]),
                starts=np.cumsum([0, *rows]),
                scale=width**-0.5,
                window=window,
            )
        )
    return made


def _add(rng):
    return [dict(x=rng.normal(size=n), y=rng.normal(size=n)) for n in (4, 1023, 1024, 1025, 1030)]


def _swiglu(rng):
    return [dict(gate=inputs["x"], up=inputs["y"]) for inputs in _add(rng)]


LARGER = {
    "add": _add,
    "argmax": _argmax,
    "attention": _attention,
    "cross_entropy": _cross_entropy,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "matmul": _matmul,
    "paged_attention": _paged_attention,
    "rms_norm": _rms_norm,
    "sliding_attention": _sliding_attention,
    "softmax": _softmax,
    "swiglu": _swiglu,
}


def larger_cases(name: str, storage: str) -> list[Case]:
    """Cases of one operator, weights stored as `storage`."""
    operator = operators.get(name)
    made = LARGER[name](np.random.default_rng(3))
    return [Case(f"larger {i}", operator.convert(inputs, BY_NAME[storage])) for i, inputs in enumerate(made)]
