"""rms_norm_backward on the CPU. Each row is on its own for grad_x, but all rows add to grad_weight.

So the rows are cut into stretches of ROWS: a thread adds up the rows of a stretch in a line of its own, and in the end
the lines are added in their order. The order does not depend on how many threads there are, so neither do the bits.
"""

import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 15  # elements; below, starting the threads costs more than they save
ROWS = 64  # of a stretch


@njit(fastmath=True, error_model="numpy", cache=True)  # NaN in x must give NaN, not "division by zero"
def scale_and_mean(grad_out, x, weight, eps):
    """1 / the root mean square of a row, and mean(g * h)."""
    width = x.size
    squares = np.float32(0)
    for e in range(width):
        squares += x[e] * x[e]
    scale = np.float32(1 / math.sqrt(squares / width + eps))
    along = np.float32(0)
    for e in range(width):
        along += grad_out[e] * weight[e] * (x[e] * scale)
    return scale, along / np.float32(width)


# Not under fastmath: where terms are multiplied and added, it leaves open which product is rounded first, and the
# compiler may choose another one in the next process.
@njit(cache=True)
def backward_row(grad_out, x, weight, eps, grad_x, of_weight):
    """One row; what it has to add to grad_weight is added to `of_weight`. grad_x may hold the row's other gradient
    already, to which this one is added."""
    scale, along = scale_and_mean(grad_out, x, weight, eps)
    for e in range(x.size):
        normalised = x[e] * scale
        grad_x[e] += scale * (grad_out[e] * weight[e] - normalised * along)
        of_weight[e] += grad_out[e] * normalised


@njit(cache=True)
def backward_stretch(grad_out, x, weight, eps, grad_x, of_weight, first, last):
    of_weight[:] = 0
    for row in range(first, last):
        backward_row(grad_out[row], x[row], weight, eps, grad_x[row], of_weight)


@njit(parallel=True, cache=True)
def backward_rows(grad_out, x, weight, eps, grad_x, grad_weight):
    """All rows. grad_x is added to."""
    rows, width = x.shape
    stretches = (rows + ROWS - 1) // ROWS
    of_stretches = np.empty((stretches, width), np.float32)
    if x.size < PARALLEL_FROM:
        for s in range(stretches):
            backward_stretch(grad_out, x, weight, eps, grad_x, of_stretches[s], s * ROWS, min(rows, (s + 1) * ROWS))
    else:
        for s in prange(stretches):
            first = np.intp(s * ROWS)
            backward_stretch(grad_out, x, weight, eps, grad_x, of_stretches[s], first, min(rows, first + ROWS))
    grad_weight[:] = 0
    for s in range(stretches):
        for e in range(width):
            grad_weight[e] += of_stretches[s, e]


### END SOLUTION
@kernel("rms_norm_backward", device="cpu")
@njit(cache=True)
def rms_norm_backward(grad_out, x, weight, eps, grad_x, grad_weight):
    ### BEGIN SOLUTION
    grad_x[:] = 0
    backward_rows(grad_out, x, weight, eps, grad_x, grad_weight)
    ### END SOLUTION
