"""add_rms_norm_backward on the CPU: the gradient of the stream is copied first, then rms_norm_backward's kernel adds
its own."""

from numba import njit

from llaisys_mini import kernel

### BEGIN SOLUTION
from .rms_norm_backward import backward_rows


### END SOLUTION
@kernel("add_rms_norm_backward", device="cpu")
@njit(cache=True)
def add_rms_norm_backward(grad_total, grad_out, total, weight, eps, grad_x, grad_weight):
    ### BEGIN SOLUTION
    grad_x[:] = grad_total
    backward_rows(grad_out, total, weight, eps, grad_x, grad_weight)
    ### END SOLUTION
