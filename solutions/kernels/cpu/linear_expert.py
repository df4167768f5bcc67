"""linear on the CPU, expert version: the weight is packed once, then gemm does the work for one row or for many."""

from numba import get_num_threads

from llaisys_mini import kernel

from .gemm import multiply, multiply_row
from .linear import add_bias
from .panels import pack_weight

LARGE = 1 << 18  # weights


def answers(dims):
    """Whether this kernel answers instead of linear.py: for a large weight, however many rows come.

    Both give the same bits. This one takes two to three times as long to compile, which the weights of a small model
    never earn back; from LARGE on it is faster at every number of rows.
    """
    return dims["M"] * dims["K"] >= LARGE


@kernel("linear", device="cpu", prepare={"weight": pack_weight}, when=answers)
def linear(x, weight, bias, out):
    if x.shape[0] == 1:
        multiply_row(x, weight, out)
    else:
        multiply(x, weight, out, get_num_threads())
    if bias is not None:
        add_bias(out, bias)
