"""linear on the CPU, expert version: the weight is packed once, then gemm does the work for one row or for many."""

from numba import get_num_threads

from llaisys_mini import kernel

from .gemm import multiply, multiply_row, pack_weight
from .linear import add_bias


@kernel("linear", device="cpu", prepare={"weight": pack_weight}, when=lambda dims: dims["M"] * dims["K"] >= 1 << 18)
def linear(x, weight, bias, out):
    if x.shape[0] == 1:
        multiply_row(x, weight, out)
    else:
        multiply(x, weight, out, get_num_threads())
    if bias is not None:
        add_bias(out, bias)
