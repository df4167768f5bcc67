"""embedding on the CPU: copies rows; nothing is computed but the widening to float32."""

from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
PARALLEL_FROM = 1 << 16  # elements; below, starting the threads costs more than they save


@njit(cache=True)
def copy_row(ids, weight, out, n):
    for e in range(weight.shape[1]):
        out[n, e] = widen(weight[ids[n], e])


### END SOLUTION
@kernel("embedding", device="cpu")
@njit(parallel=True, cache=True)
def embedding(ids, weight, out):
    ### BEGIN SOLUTION
    if out.size < PARALLEL_FROM:
        for n in range(ids.size):
            copy_row(ids, weight, out, n)
    else:
        for n in prange(ids.size):
            copy_row(ids, weight, out, n)
    ### END SOLUTION
