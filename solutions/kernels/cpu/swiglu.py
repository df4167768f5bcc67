"""swiglu on the CPU. `math.exp` would cost more than all memory traffic: it is a call for each number. `fast_exp` is
plain arithmetic, of which LLVM makes vectors."""

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.cpu.fast_exp import fast_exp

### BEGIN SOLUTION
BLOCK = 1 << 14  # elements per thread at a time; fewer than two blocks are not worth starting the threads

ONE = np.float32(1)


# Without error_model="numpy" each division is followed by a check for zero, and a loop with a way out makes no vectors.
@njit(fastmath={"contract", "nnan", "ninf"}, error_model="numpy", cache=True)
def swiglu_block(gate, up, out):
    for i in range(out.size):
        out[i] = gate[i] / (ONE + fast_exp(-gate[i])) * up[i]


### END SOLUTION
@kernel("swiglu", device="cpu")
@njit(parallel=True, cache=True)
def swiglu(gate, up, out):
    ### BEGIN SOLUTION
    blocks = out.size // BLOCK
    if blocks < 2:
        swiglu_block(gate, up, out)
    else:
        for block in prange(blocks):
            # A slice begins at zero, so LLVM need not think of negative indices.
            first, last = out.size * block // blocks, out.size * (block + 1) // blocks
            swiglu_block(gate[first:last], up[first:last], out[first:last])
    ### END SOLUTION
