"""linear on the CPU, expert version: the weight is packed once; gemv multiplies it by one row, gemm by many."""

from numba import njit

from llaisys_mini import kernel
from llaisys_mini.cpu.threads import thread_count

from .gemm import multiply
from .gemv import multiply_row
from .linear import add_bias
from .panels import pack_weight

LARGE = 1 << 18  # weights


def answers(dims):
    """Whether this kernel answers instead of linear.py: for a large weight, however many rows come.

    Both give the same bits. This one takes two to three times as long to compile, which the weights of a small model
    never earn back; from LARGE on it is faster at every number of rows.
    """
    return dims["M"] * dims["K"] >= LARGE


@njit(cache=True)
def one_row(x, weight, bias, out):
    multiply_row(x, weight, out)
    if bias is not None:
        add_bias(out, bias)


@njit(cache=True)
def many_rows(x, weight, bias, out):
    multiply(x, weight, out, thread_count())
    if bias is not None:
        add_bias(out, bias)


def whole(dims):
    """Each of the two is compiled only if it is needed."""
    return one_row if dims["N"] == 1 else many_rows


@kernel("linear", device="cpu", prepare={"weight": pack_weight}, when=answers, whole=whole)
def linear(x, weight, bias, out):
    whole({"N": x.shape[0]})(x, weight, bias, out)
