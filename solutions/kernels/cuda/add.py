"""add on CUDA: one thread per element. Neighbouring threads touch neighbours, so a warp reads whole sectors."""

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
THREADS = 256


@cuda.jit
def add_kernel(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] + y[i]


### END SOLUTION
@kernel("add", device="cuda")
def add(x, y, out):
    ### BEGIN SOLUTION
    blocks = (out.size + THREADS - 1) // THREADS
    add_kernel[blocks, THREADS](x, y, out)
    ### END SOLUTION
