"""Mean of three neighbours, with the block's numbers and one more at each side in shared memory."""

import numpy as np

from llaisys_mini import cuda

BLOCK = 32


@cuda.jit
def smooth(x, out):
    near = cuda.shared.array(34, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    near[t + 1] = x[i] if i < x.size else np.float32(0)
    if t == 0:
        near[0] = x[i - 1] if i > 0 else np.float32(0)
    if t == BLOCK - 1:
        near[BLOCK + 1] = x[i + 1] if i + 1 < x.size else np.float32(0)
    cuda.syncthreads()
    if i < x.size:
        out[i] = (near[t] + near[t + 1] + near[t + 2]) / np.float32(3)


def inputs(rng):
    return dict(x=rng.normal(size=90).astype(np.float32), out=np.full(90, np.nan, np.float32))


def launch(x, out):
    smooth[3, BLOCK](x, out)


def expected(x, out):
    padded = np.concatenate([[0], x, [0]]).astype(np.float32)
    return (padded[:-2] + padded[1:-1] + padded[2:]) / np.float32(3)
