"""embedding on CUDA: one block per id copies its row; neighbouring threads copy neighbouring columns."""

from llaisys_mini import cuda, kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def embedding_kernel(ids, weight, out):
    n = cuda.blockIdx.x
    row = ids[n]
    for e in range(cuda.threadIdx.x, weight.shape[1], THREADS):
        out[n, e] = widen(weight[row, e])


### END SOLUTION
@kernel("embedding", device="cuda")
def embedding(ids, weight, out):
    ### BEGIN SOLUTION
    embedding_kernel[ids.size, THREADS](ids, weight, out)
    ### END SOLUTION
