"""qwen_mlp: the second half of a Qwen block."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise


@exercise
def qwen_mlp(x, norm, gate, up, down, eps):
    """x + down(swiglu(gate(h), up(h))) with h = rms_norm(x): x [L, E], norm [E], gate and up [I, E], down [E, I];
    all float32. Returns [L, E]. Source: transformers, models/qwen3/modeling_qwen3.py, Qwen3MLP."""
    x, norm, gate, up, down = (np.asarray(a, np.float64) for a in (x, norm, gate, up, down))
    h = ops.rms_norm.exact(x, norm, eps)
    inner = ops.swiglu.exact(ops.linear.exact(h, gate), ops.linear.exact(h, up))
    return ops.add.exact(x, ops.linear.exact(inner, down))


def parameters(rng, width, inner):
    def f32(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    norm = (1 + 0.3 * rng.normal(size=width)).astype(np.float32)
    return dict(norm=norm, gate=3 * f32(inner, width), up=3 * f32(inner, width), down=f32(width, inner))


@qwen_mlp.cases
def cases(rng):
    def inputs(length, width, inner, eps=1e-6):
        x = rng.normal(size=(length, width)).astype(np.float32)
        return dict(x=x, **parameters(rng, width, inner), eps=eps)

    yield "one token", inputs(1, 6, 10)
    yield "several tokens", inputs(4, 8, 5)
    yield "a large eps", inputs(3, 8, 12, eps=0.5)
    yield "some sizes", inputs(*(int(i) for i in rng.integers(2, 20, size=3)))


qwen_mlp.leaves_alone("x")


@qwen_mlp.mistake("the residual is missing: x has to be added at the end")
def no_residual(x, norm, gate, up, down, eps):
    return qwen_mlp.reference(x, norm, gate, up, down, eps) - x


@qwen_mlp.mistake("the normalised x is added at the end; it has to be x itself")
def residual_of_norm(x, norm, gate, up, down, eps):
    return qwen_mlp.reference(x, norm, gate, up, down, eps) - x + ops.rms_norm.reference(x, norm, eps)


@qwen_mlp.mistake("gate and up are swapped")
def swapped(x, norm, gate, up, down, eps):
    return qwen_mlp.reference(x, norm, up, gate, down, eps)


@qwen_mlp.mistake("x is not normalised")
def not_normalised(x, norm, gate, up, down, eps):
    return x + ops.swiglu.reference(x @ gate.T, x @ up.T) @ down.T


@qwen_mlp.mistake("the norm comes at the end instead of at the beginning")
def norm_last(x, norm, gate, up, down, eps):
    return ops.rms_norm.reference(not_normalised(x, norm, gate, up, down, eps), norm, eps)
