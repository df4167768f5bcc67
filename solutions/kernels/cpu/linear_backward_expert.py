"""linear_backward on the CPU, expert version: both products in register tiles (outer.py), nothing packed or transposed.

grad_x      [N, K] = grad_out [N, M] @ weight [M, K]       threads share the samples
grad_weight [M, K] = grad_out.T [M, N] @ x [N, K]          threads share the outputs; samples go by in chunks, so
                                                           that those of a chunk are still in the cache for all tiles
"""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

from .outer import add_product

SAMPLES = 96  # of a task of grad_x, and of a chunk for grad_weight
OUTPUTS = 48  # of a task of grad_weight


@njit(cache=True)
def of_samples(grad_out, weight, grad_x, first, last, outputs, inputs):
    """Rows first .. last - 1 of grad_x. All flat."""
    grad_x[first * inputs : last * inputs] = 0
    add_product(
        grad_out, first * outputs, outputs, 1, last - first, outputs, weight, 0, inputs, inputs,
        grad_x, first * inputs, inputs,
    )  # fmt: skip


@njit(cache=True)
def of_outputs(grad_out, x, grad_weight, grad_bias, first, last, samples, outputs, inputs):
    """Rows first .. last - 1 of grad_weight, and these numbers of grad_bias. All flat."""
    grad_weight[first * inputs : last * inputs] = 0
    grad_bias[first:last] = 0
    for n in range(0, samples, SAMPLES):
        count = min(SAMPLES, samples - n)
        add_product(
            grad_out, n * outputs + first, 1, outputs, last - first, count, x, n * inputs, inputs, inputs,
            grad_weight, first * inputs, inputs,
        )  # fmt: skip
        for i in range(n, n + count):
            for m in range(first, last):
                grad_bias[m] += grad_out[i * outputs + m]


@njit(parallel=True, cache=True)
def backward(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    samples, outputs = grad_out.shape
    inputs = x.shape[1]
    flat_out, flat_x, flat_weight = grad_out.reshape(-1), x.reshape(-1), weight.reshape(-1)
    of_x, of_weight = grad_x.reshape(-1), grad_weight.reshape(-1)
    for task in prange((samples + SAMPLES - 1) // SAMPLES):
        first = np.intp(task * SAMPLES)  # prange counts without sign
        of_samples(flat_out, flat_weight, of_x, first, min(samples, first + SAMPLES), outputs, inputs)
    for task in prange((outputs + OUTPUTS - 1) // OUTPUTS):
        first = np.intp(task * OUTPUTS)
        of_outputs(
            flat_out, flat_x, of_weight, grad_bias, first, min(outputs, first + OUTPUTS), samples, outputs, inputs
        )


LARGE = 1 << 12  # weights


def answers(dims):
    """Whether this kernel answers instead of linear_backward.py: for all but the smallest layers."""
    return dims["M"] * dims["K"] >= LARGE


@kernel("linear_backward", device="cpu", when=answers)
def linear_backward(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    backward(grad_out, x, weight, grad_x, grad_weight, grad_bias)
