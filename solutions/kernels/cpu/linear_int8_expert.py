"""linear_int8 on the CPU, expert version: weight and scales are packed once, then quantised.py does the work."""

from llaisys_mini import kernel

from .panels import pack_in_turn
from .quantised import whole

LARGE = 1 << 14  # weights


def answers(dims):
    """Whether this kernel answers instead of linear_int8.py: for a large weight, however many rows come.

    Both give the same bits. linear_int8.py has to turn its weights around first, so this kernel is several times as
    fast even for the weights of a small model; below LARGE a call is done before that would pay for compiling.
    """
    return dims["M"] * dims["K"] >= LARGE


@kernel(
    "linear_int8", device="cpu", prepare={"weight": pack_in_turn, "scales": pack_in_turn}, when=answers, whole=whole
)
def linear_int8(x, weight, scales, bias, out):
    whole({"N": x.shape[0]})(x, weight, scales, bias, out)
