"""embedding_backward on the CPU. Two places of the same id add to the same row, so places cannot be shared among the
threads. The rows of the table can: each task owns a stretch of them, goes through all ids in order, and adds what is
its own. So no two threads write to one row, and every sum has one order."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 16  # elements; below, starting the threads costs more than they save
TASKS = 8  # each reads all ids, which is little beside the rows


@njit(cache=True)
def add_rows(grad_out, ids, rows, first):
    """What belongs to `rows`, the stretch of the table that begins with row `first`."""
    for n in range(ids.size):
        row = ids[n] - first
        if 0 <= row < rows.shape[0]:
            for e in range(grad_out.shape[1]):
                rows[row, e] += grad_out[n, e]


### END SOLUTION
@kernel("embedding_backward", device="cpu")
@njit(parallel=True, cache=True)
def embedding_backward(grad_out, ids, grad_weight):
    ### BEGIN SOLUTION
    if grad_out.size < PARALLEL_FROM:
        add_rows(grad_out, ids, grad_weight, 0)
    else:
        for task in prange(TASKS):
            # intp: prange counts without sign.
            first = grad_weight.shape[0] * np.intp(task) // TASKS
            last = grad_weight.shape[0] * (np.intp(task) + 1) // TASKS
            add_rows(grad_out, ids, grad_weight[first:last], first)
    ### END SOLUTION
