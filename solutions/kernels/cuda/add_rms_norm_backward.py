"""add_rms_norm_backward on CUDA: as rms_norm_backward, and the gradient of the stream is added where the row is
written."""

import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
from .rms_norm_backward import THREADS, sum_over_rows, sums_of_row


@cuda.jit
def grad_stream_kernel(grad_total, grad_out, total, weight, eps, scales, grad_x):
    row = cuda.blockIdx.x
    scale, along = sums_of_row(grad_out, total, weight, eps, row)
    for e in range(cuda.threadIdx.x, total.shape[1], THREADS):
        of_norm = scale * (grad_out[row, e] * weight[e] - total[row, e] * scale * along)
        grad_x[row, e] = of_norm + grad_total[row, e]
    if cuda.threadIdx.x == 0:
        scales[row] = scale


### END SOLUTION
@kernel("add_rms_norm_backward", device="cuda")
def add_rms_norm_backward(grad_total, grad_out, total, weight, eps, grad_x, grad_weight):
    ### BEGIN SOLUTION
    rows = total.shape[0]
    scales = cuda.device_array(rows, np.float32)
    grad_stream_kernel[rows, THREADS](grad_total, grad_out, total, weight, np.float32(eps), scales, grad_x)
    sum_over_rows(grad_out, total, scales, grad_weight)
    ### END SOLUTION
