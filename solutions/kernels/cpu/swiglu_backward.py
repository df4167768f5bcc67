"""swiglu_backward on the CPU: both gradients in one pass, so that each number is read once and the sigmoid is computed
once for both."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.fast_exp import fast_exp

### BEGIN SOLUTION
BLOCK = 1 << 13  # elements per thread at a time; fewer than two blocks are not worth starting the threads

ONE = np.float32(1)


# Without error_model="numpy" each division is followed by a check for zero, and a loop with a way out makes no vectors.
@njit(fastmath={"contract", "nnan", "ninf"}, error_model="numpy", cache=True)
def swiglu_backward_block(grad_out, gate, up, grad_gate, grad_up):
    for i in range(gate.size):
        share = ONE / (ONE + fast_exp(-gate[i]))
        grad_gate[i] = grad_out[i] * up[i] * share * (ONE + gate[i] * (ONE - share))
        grad_up[i] = grad_out[i] * gate[i] * share


### END SOLUTION
@kernel("swiglu_backward", device="cpu")
@njit(parallel=True, cache=True)
def swiglu_backward(grad_out, gate, up, grad_gate, grad_up):
    ### BEGIN SOLUTION
    blocks = gate.size // BLOCK
    if blocks < 2:
        swiglu_backward_block(grad_out, gate, up, grad_gate, grad_up)
    else:
        for block in prange(blocks):
            first, last = gate.size * block // blocks, gate.size * (block + 1) // blocks
            swiglu_backward_block(
                grad_out[first:last], gate[first:last], up[first:last], grad_gate[first:last], grad_up[first:last]
            )
    ### END SOLUTION
