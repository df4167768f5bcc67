"""add_rms_norm_backward: the gradient of the residual stream at a norm, in which two paths come together."""

import numpy as np

from llaisys_mini.contract import F32, Outputs
from llaisys_mini.operator import operator
from llaisys_mini.operators.rms_norm_backward import made_cases, rms_norm_backward, roundings


@operator
def add_rms_norm_backward(
    grad_total: F32["... E"], grad_out: F32["... E"], total: F32["... E"], weight: F32["E"], eps: float
) -> Outputs(grad_x=F32["... E"], grad_weight=F32["E"]):
    """Gradients of (total, out) = add_rms_norm(x, residual, weight, eps), given the loss's gradients of both results.

        grad_x, grad_weight = rms_norm_backward(grad_out, total, weight, eps)
        grad_x = grad_x + grad_total

    total is x + residual, as the forward pass returned it. The gradient of residual equals grad_x: an addition passes
    its gradient on to both.
    Source: `rms_norm_backward`, and the residual connection of He et al. 2015 (arXiv:1512.03385).
    """
    of_norm, of_weight = rms_norm_backward.reference(grad_out, total, weight, eps)
    return of_norm + grad_total, of_weight


@add_rms_norm_backward.rounding
def rounding(grad_total, grad_out, total, weight, eps):
    of_norm, of_weight = roundings(grad_out, total, weight, eps)
    return of_norm + 4 * np.abs(grad_total), of_weight


@add_rms_norm_backward.cases
def cases(rng):
    def inputs(shape, scale=1.0, eps=1e-6):
        return dict(
            grad_total=rng.normal(size=shape) / scale,
            grad_out=rng.normal(size=shape),
            total=scale * rng.normal(size=shape),
            weight=1 + 0.3 * rng.normal(size=shape[-1]),
            eps=eps,
        )

    yield from made_cases(rng, inputs)
    yield "nothing comes along the stream", inputs((4, 20)) | dict(grad_total=np.zeros((4, 20)))
    yield "nothing comes through the norm", inputs((4, 20)) | dict(grad_out=np.zeros((4, 20)))


@add_rms_norm_backward.mistake("the gradient along the residual stream is not added: only the norm's is there")
def stream_forgotten(grad_total, grad_out, total, weight, eps):
    return rms_norm_backward.reference(grad_out, total, weight, eps)


@add_rms_norm_backward.mistake("the gradient through the norm is not added: only the stream's is there")
def norm_forgotten(grad_total, grad_out, total, weight, eps):
    return grad_total, rms_norm_backward.reference(grad_out, total, weight, eps)[1]


@add_rms_norm_backward.mistake("the stream's gradient goes through the norm as well")
def stream_through_norm(grad_total, grad_out, total, weight, eps):
    of_x, _ = rms_norm_backward.reference(grad_total + grad_out, total, weight, eps)
    return of_x, rms_norm_backward.reference(grad_out, total, weight, eps)[1]


@add_rms_norm_backward.mistake("grad_total and grad_out are exchanged")
def exchanged(grad_total, grad_out, total, weight, eps):
    return add_rms_norm_backward.reference(grad_out, grad_total, total, weight, eps)


@add_rms_norm_backward.mistake("the stream's gradient is multiplied by the weight")
def stream_weighted(grad_total, grad_out, total, weight, eps):
    of_norm, of_weight = rms_norm_backward.reference(grad_out, total, weight, eps)
    return of_norm + grad_total * weight, of_weight


def with_mistaken_norm(backward):
    def mistaken(grad_total, grad_out, total, weight, eps):
        of_norm, of_weight = backward(grad_out, total, weight, eps)
        return of_norm + grad_total, of_weight

    return mistaken


add_rms_norm_backward.inherit_mistakes(rms_norm_backward, with_mistaken_norm)
