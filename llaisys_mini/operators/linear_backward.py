"""linear_backward: the three gradients of linear."""

import numpy as np

from llaisys_mini.contract import F32, Outputs
from llaisys_mini.operator import operator


@operator
def linear_backward(grad_out: F32["N M"], x: F32["N K"], weight: F32["M K"]) -> Outputs(
    grad_x=F32["N K"], grad_weight=F32["M K"], grad_bias=F32["M"]
):
    """Gradients of out = x @ weight.T + bias, given the loss's gradient with respect to out.

        grad_x[n, k]      = sum_m grad_out[n, m] * weight[m, k]
        grad_weight[m, k] = sum_n grad_out[n, m] * x[n, k]
        grad_bias[m]      = sum_n grad_out[n, m]

    Source: Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0.
    """
    return grad_out @ weight, grad_out.T @ x, grad_out.sum(axis=0)


@linear_backward.rounding
def rounding(grad_out, x, weight):
    rows, columns = grad_out.shape
    of_x, of_weight, of_bias = linear_backward.reference(np.abs(grad_out), np.abs(x), np.abs(weight))
    return (columns + 2) * of_x, (rows + 2) * of_weight, (rows + 2) * of_bias


@linear_backward.cases
def cases(rng):
    def inputs(n, k, m):
        return dict(
            grad_out=rng.normal(size=(n, m)), x=rng.normal(size=(n, k)), weight=rng.normal(size=(m, k)) / np.sqrt(k)
        )

    yield "one sample", inputs(1, 6, 4)
    yield "one neuron", inputs(5, 3, 1)
    yield "one input", inputs(5, 1, 3)
    yield "square", inputs(8, 8, 8)
    yield "no multiple of any tile", inputs(13, 37, 29)
    yield "many samples", inputs(200, 5, 3)
    yield "as long as a model's rows", inputs(2, 2100, 3)
    yield "as many outputs as a model has", inputs(2, 3, 2100)
    yield "some sizes", inputs(*rng.integers(2, 70, size=3))


@linear_backward.mistake("the gradients of weight and bias are means over the samples; they are sums")
def averaged(grad_out, x, weight):
    of_x, of_weight, of_bias = linear_backward.reference(grad_out, x, weight)
    return of_x, of_weight / len(x), of_bias / len(x)


@linear_backward.mistake("the gradient of weight keeps only the last sample: it is overwritten instead of added up")
def last_sample_only(grad_out, x, weight):
    return grad_out @ weight, grad_out[-1:].T @ x[-1:], grad_out.sum(axis=0)


@linear_backward.mistake("weight is read as if it were stored [K, M] for the gradient of x")
def weight_transposed(grad_out, x, weight):
    return grad_out @ weight.reshape(weight.shape[::-1]).T, grad_out.T @ x, grad_out.sum(axis=0)


@linear_backward.mistake("the gradient of weight is stored transposed, [K, M] instead of [M, K]")
def gradient_transposed(grad_out, x, weight):
    return grad_out @ weight, (x.T @ grad_out).reshape(weight.shape), grad_out.sum(axis=0)


@linear_backward.mistake("the gradient of bias is that of the first sample, not the sum over samples")
def bias_of_first_sample(grad_out, x, weight):
    return grad_out @ weight, grad_out.T @ x, grad_out[0]


@linear_backward.mistake("the gradient of weight is the mean over the samples; it is their sum")
def weight_averaged(grad_out, x, weight):
    of_x, of_weight, of_bias = linear_backward.reference(grad_out, x, weight)
    return of_x, of_weight / len(x), of_bias


@linear_backward.mistake("the gradient of bias keeps only the last sample: it is overwritten instead of added up")
def bias_of_last_sample(grad_out, x, weight):
    return grad_out @ weight, grad_out.T @ x, grad_out[-1]


@linear_backward.mistake("the gradient of x leaves out the last output: the loop ends one too early")
def last_output_dropped(grad_out, x, weight):
    return grad_out[:, :-1] @ weight[:-1], grad_out.T @ x, grad_out.sum(axis=0)


@linear_backward.mistake("the gradient of x is not set back to 0 for each sample: it carries on from the one before")
def gradient_carried_on(grad_out, x, weight):
    return np.cumsum(grad_out @ weight, axis=0), grad_out.T @ x, grad_out.sum(axis=0)


@linear_backward.mistake("the gradient of x is the mean over the outputs; it is their sum")
def input_averaged(grad_out, x, weight):
    return grad_out @ weight / len(weight), grad_out.T @ x, grad_out.sum(axis=0)
