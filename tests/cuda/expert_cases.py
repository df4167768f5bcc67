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
    return [dict(inputs, window=window) for inputs in _attention(rng) for window in (1, 17, 520)]


def _rms_norm(rng):
    return [
        dict(x=rng.normal(size=(3, n)), weight=rng.normal(size=n), eps=1e-5) for n in (4, 512, 516, 1500, 8192, 8196)
    ]


def _argmax(rng):
    ties = rng.integers(0, 5, size=(3, 9000))
    rising = np.arange(2 * 12289).reshape(2, 12289)
    return [dict(x=ties), dict(x=rising), dict(x=-rising), dict(x=rng.normal(size=(70, 4100)))]


def _add(rng):
    return [dict(x=rng.normal(size=n), y=rng.normal(size=n)) for n in (4, 1023, 1024, 1025, 1030)]


def _swiglu(rng):
    return [dict(gate=inputs["x"], up=inputs["y"]) for inputs in _add(rng)]


LARGER = {
    "add": _add,
    "argmax": _argmax,
    "attention": _attention,
    "linear": _linear,
    "matmul": _matmul,
    "rms_norm": _rms_norm,
    "sliding_attention": _sliding_attention,
    "swiglu": _swiglu,
}


def larger_cases(name: str, storage: str) -> list[Case]:
    """Cases of one operator, weights stored as `storage`."""
    operator = operators.get(name)
    made = LARGER[name](np.random.default_rng(3))
    return [Case(f"larger {i}", operator.convert(inputs, BY_NAME[storage])) for i, inputs in enumerate(made)]
