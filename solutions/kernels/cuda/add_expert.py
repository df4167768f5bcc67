"""add on CUDA, expert version: four neighbours per thread and load, so four times the bytes are on their way."""

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.vectors import are_aligned, load4, store4

from .add import add as plain_add

THREADS = 256
PER_THREAD = 4


@cuda.jit
def add_kernel(x, y, out):
    i = PER_THREAD * cuda.grid(1)
    if i + PER_THREAD <= out.size:
        x0, x1, x2, x3 = load4(x, i)
        y0, y1, y2, y3 = load4(y, i)
        store4(out, i, x0 + y0, x1 + y1, x2 + y2, x3 + y3)
    else:
        for last in range(i, out.size):
            out[last] = x[last] + y[last]


@kernel("add", device="cuda", when=lambda dims: dims["..."] >= 1 << 18)
def add(x, y, out):
    if not are_aligned(x, y, out):  # views that begin anywhere
        plain_add(x, y, out)
        return
    per_block = THREADS * PER_THREAD
    add_kernel[(out.size + per_block - 1) // per_block, THREADS](x, y, out)
