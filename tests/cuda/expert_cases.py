"""Cases larger than a tile, for the expert kernels: the public cases are smaller than one."""

import numpy as np

from llaisys_mini import operators
from llaisys_mini.contract import Case
from llaisys_mini.dtypes import BY_NAME

_PRODUCTS = [(200, 88, 136), (128, 16, 128), (9, 8, 4), (5, 7, 4), (3, 520, 30), (20, 40, 9), (20, 39, 8)]  # M, K, N


def _matmul(rng):
    return [dict(a=rng.normal(size=(m, k)), b=rng.normal(size=(k, n))) for m, k, n in _PRODUCTS]


def _linear(rng):
    return [
        dict(x=rng.normal(size=(m, k)), weight=rng.normal(size=(n, k)), bias=rng.normal(size=n) if bias else None)
        for m, k, n in _PRODUCTS
        for bias in (True, False)
    ]


LARGER = {"matmul": _matmul, "linear": _linear}


def larger_cases(name: str, storage: str) -> list[Case]:
    """Cases of one operator, weights stored as `storage`."""
    operator = operators.get(name)
    made = LARGER[name](np.random.default_rng(3))
    return [Case(f"larger {i}", operator._convert(inputs, BY_NAME[storage])) for i, inputs in enumerate(made)]
