"""sliding_attention on the CPU: attention with fewer keys per query."""

import numpy as np
from numba import njit

from llaisys_mini import kernel

### BEGIN SOLUTION
from .attention import attend_all


### END SOLUTION
@kernel("sliding_attention", device="cpu")
@njit(cache=True)
def sliding_attention(q, k, v, scale, window, out):
    ### BEGIN SOLUTION
    attend_all(q, k, v, np.float32(scale), window, out)
    ### END SOLUTION
