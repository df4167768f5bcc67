"""swiglu_backward: the gradients of the gated non-linearity with respect to gate and up."""

import numpy as np

from llaisys_mini.contract import F32, Outputs
from llaisys_mini.operator import operator
from llaisys_mini.operators.sigmoid import rounding as sigmoid_rounding
from llaisys_mini.operators.sigmoid import sigmoid
from llaisys_mini.operators.silu import silu


@operator
def swiglu_backward(grad_out: F32["..."], gate: F32["..."], up: F32["..."]) -> Outputs(
    grad_gate=F32["..."], grad_up=F32["..."]
):
    """Gradients of out = silu(gate) * up, given the loss's gradient with respect to out.

        s = 1 / (1 + exp(-gate[i]))
        grad_gate[i] = grad_out[i] * up[i] * s * (1 + gate[i] * (1 - s))
        grad_up[i]   = grad_out[i] * gate[i] * s

    Source: the product rule on swiglu, Shazeer 2020 (arXiv:2002.05202).
    """
    return grad_out * up * slope(gate), grad_out * silu.reference(gate)


def slope(gate):
    """The derivative of silu."""
    share = sigmoid.reference(gate)
    return share * (1 + gate * (1 - share))


@swiglu_backward.rounding
def rounding(grad_out, gate, up):
    share = sigmoid.reference(gate)
    of_share = sigmoid_rounding(gate) + 2 * share
    # 1 - share is off by the roundoffs of share, however small it is itself; from 18 on, share is 1 in float32.
    of_slope = of_share * (1 + np.abs(gate) * (1 - share)) + share * np.minimum(np.abs(gate), 18) * (of_share + 1)
    of_silu = np.abs(gate) * of_share
    return (
        np.abs(grad_out * up) * (of_slope + 6 * share * (1 + np.abs(gate) * (1 - share))),
        np.abs(grad_out) * (of_silu + 2 * np.abs(silu.reference(gate))),
    )


@swiglu_backward.cases
def cases(rng):
    def inputs(shape, size=2.0):
        return dict(grad_out=rng.normal(size=shape), gate=size * rng.normal(size=shape), up=rng.normal(size=shape))

    for shape in [(1,), (13,), (3, 7), (5, 64), (2, 3, 11)]:
        yield f"shape {shape}", inputs(shape)
    ends = np.array([-1000.0, -100, -89, -20, 0, 20, 90, 100, 1000])
    yield "gate far out on both sides", inputs(ends.size) | dict(gate=ends)
    yield "up is zero or negative", inputs(40) | dict(up=-np.abs(rng.normal(size=40)) * (np.arange(40) % 2))
    yield "where silu turns from falling to rising", inputs(60) | dict(gate=np.linspace(-1.4, -1.1, 60))
    yield "as wide as a model", inputs((2, 2100), size=4)
    yield "some length", inputs(int(rng.integers(2, 5000)), size=4)


@swiglu_backward.mistake("the slope of the gate is that of a sigmoid, s * (1 - s): the factor gate of silu is missing")
def slope_of_sigmoid(grad_out, gate, up):
    share = sigmoid.reference(gate)
    return grad_out * up * share * (1 - share), grad_out * silu.reference(gate)


@swiglu_backward.mistake("the slope of the gate is s alone: gate is taken as a constant inside the sigmoid")
def slope_is_share(grad_out, gate, up):
    return grad_out * up * sigmoid.reference(gate), grad_out * silu.reference(gate)


@swiglu_backward.mistake("grad_gate is not multiplied by up")
def gate_without_up(grad_out, gate, up):
    return grad_out * slope(gate), grad_out * silu.reference(gate)


@swiglu_backward.mistake("grad_up is multiplied by the sigmoid of gate, not by its silu")
def up_by_share(grad_out, gate, up):
    return grad_out * up * slope(gate), grad_out * sigmoid.reference(gate)


@swiglu_backward.mistake("the two gradients stand in each other's place")
def exchanged(grad_out, gate, up):
    of_gate, of_up = swiglu_backward.reference(grad_out, gate, up)
    return of_up, of_gate


@swiglu_backward.mistake("grad_out is never multiplied in")
def slopes_only(grad_out, gate, up):
    return swiglu_backward.reference(np.ones_like(grad_out), gate, up)


@swiglu_backward.mistake("the slope is s * (1 + gate * s): the last factor must be 1 - s")
def share_not_rest(grad_out, gate, up):
    share = sigmoid.reference(gate)
    return grad_out * up * share * (1 + gate * share), grad_out * silu.reference(gate)


@swiglu_backward.mistake("exp(gate) / (1 + exp(gate)) overflows to NaN for a large gate")
def overflows(grad_out, gate, up):
    share = np.exp(gate) / (1 + np.exp(gate))
    return grad_out * up * share * (1 + gate * (1 - share)), grad_out * gate * share
