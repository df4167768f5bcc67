"""swiglu: the gated non-linearity between the projections of Qwen's MLP."""

import numpy as np

from llaisys_mini.contract import F32
from llaisys_mini.operator import operator
from llaisys_mini.operators.silu import rounding as silu_rounding
from llaisys_mini.operators.silu import silu


@operator
def swiglu(gate: F32["..."], up: F32["..."]) -> F32["..."]:
    """The gate goes through SiLU and decides how much of `up` passes.

        out[i] = up[i] * gate[i] / (1 + exp(-gate[i]))

    Source: Shazeer 2020 (arXiv:2002.05202).
    """
    return silu.reference(gate) * up


@swiglu.rounding
def rounding(gate, up):
    return (silu_rounding(gate) + np.abs(silu.reference(gate))) * np.abs(up)


@swiglu.cases
def cases(rng):
    for shape in [(1,), (13,), (3, 7), (5, 64), (2, 3, 11)]:
        yield f"shape {shape}", dict(gate=2 * rng.normal(size=shape), up=rng.normal(size=shape))
    ends = np.array([-1000.0, -100, -89, -20, 0, 20, 90, 100, 1000])
    yield "gate far out on both sides", dict(gate=ends, up=rng.normal(size=ends.size))
    yield (
        "up is zero or negative",
        dict(gate=rng.normal(size=40), up=-np.abs(rng.normal(size=40)) * (np.arange(40) % 2)),
    )
    yield "as wide as a model", dict(gate=4 * rng.normal(size=(2, 2100)), up=rng.normal(size=(2, 2100)))
    n = int(rng.integers(2, 5000))
    yield "some length", dict(gate=4 * rng.normal(size=n), up=rng.normal(size=n))


@swiglu.mistake("gate and up are swapped: SiLU belongs on the gate")
def swapped(gate, up):
    return silu.reference(up) * gate


@swiglu.mistake("the gate goes through a sigmoid, not through SiLU: the factor gate is missing")
def only_sigmoid(gate, up):
    return up / (1 + np.exp(-gate))


@swiglu.mistake("silu is taken of the product gate * up")
def silu_of_product(gate, up):
    return silu.reference(gate * up)


@swiglu.mistake("gate and up are added instead of multiplied")
def added(gate, up):
    return silu.reference(gate) + up


@swiglu.mistake("gate * exp(gate) / (1 + exp(gate)) overflows to NaN for a large gate")
def overflows(gate, up):
    return up * gate * np.exp(gate) / (1 + np.exp(gate))
