"""rope_scaled on the CPU: the rotation of rope with the frequencies given."""

import numpy as np
from numba import njit

from llaisys_mini import kernel

### BEGIN SOLUTION
from .rope import rotate


### END SOLUTION
@kernel("rope_scaled", device="cpu")
@njit(cache=True)
def rope_scaled(x, positions, frequencies, factor, out):
    ### BEGIN SOLUTION
    rotate(x, positions, frequencies.astype(np.float64), factor, out)
    ### END SOLUTION
