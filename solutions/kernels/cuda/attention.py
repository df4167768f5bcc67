"""attention on CUDA: one block per query and head, and no array of scores anywhere.

Each warp takes every WARPS-th key. The lanes share the head's width: lane i holds the numbers i, i + 32, ... of the
query and of the mixed values, so keys and values are read as whole sectors. The softmax is computed as the keys come
(online): a warp keeps the largest score so far, the sum of exponentials, and the mixed values; whenever the largest
grows, the other two are scaled down to the new one. In the end the warps' parts are scaled to their common largest and
added.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.errors import KernelError
from llaisys_mini.widen import widen

### BEGIN SOLUTION
WARPS = 4
PER_LANE = 8
WIDEST = 32 * PER_LANE  # numbers of a head


@cuda.jit(device=True)
def merge_warps(top, total, mixed, out, row, head):
    """out[row, head] from what each warp has found: its largest score, its sum, and its lanes' mixed values."""
    tops = cuda.shared.array(WARPS, np.float32)
    totals = cuda.shared.array(WARPS, np.float32)
    parts = cuda.shared.array((WARPS, WIDEST), np.float32)
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    if lane == 0:
        tops[warp] = top
        totals[warp] = total
    for j in range(PER_LANE):
        parts[warp, lane + 32 * j] = mixed[j]
    cuda.syncthreads()
    top = tops[0]
    for w in range(1, WARPS):
        top = max(top, tops[w])
    total = np.float32(0)
    for w in range(WARPS):
        total += totals[w] * math.exp(tops[w] - top)
    for d in range(cuda.threadIdx.x, out.shape[2], 32 * WARPS):
        value = np.float32(0)
        for w in range(WARPS):
            value += parts[w, d] * math.exp(tops[w] - top)
        out[row, head, d] = value / total


@cuda.jit
def attention_kernel(q, k, v, scale, window, out):
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    row, head = cuda.blockIdx.x, cuda.blockIdx.y
    width = q.shape[2]
    key_head = head // (q.shape[1] // k.shape[1])
    position = k.shape[0] - q.shape[0] + row
    first = max(0, position - window + 1)

    query = cuda.local.array(PER_LANE, np.float32)
    mixed = cuda.local.array(PER_LANE, np.float32)
    for j in range(PER_LANE):
        d = lane + 32 * j
        query[j] = q[row, head, d] * scale if d < width else np.float32(0)
        mixed[j] = np.float32(0)
    top, total = np.float32(-math.inf), np.float32(0)
    for s in range(first + warp, position + 1, WARPS):
        score = np.float32(0)
        for j in range(PER_LANE):
            d = lane + 32 * j
            if d < width:
                score += query[j] * widen(k[s, key_head, d])
        score = warp_sum(score)
        new_top = max(top, score)
        shrink, exponential = math.exp(top - new_top), math.exp(score - new_top)
        total = total * shrink + exponential
        for j in range(PER_LANE):
            d = lane + 32 * j
            if d < width:
                mixed[j] = mixed[j] * shrink + exponential * widen(v[s, key_head, d])
        top = new_top

    merge_warps(top, total, mixed, out, row, head)


def launch(q, k, v, scale, window, out):
    """Attention under a sliding window of `window` keys."""
    length, heads, width = q.shape
    if width > WIDEST:
        raise KernelError(f"attention on cuda: heads are {width} wide, but this kernel takes {WIDEST} at most")
    attention_kernel[(length, heads), 32 * WARPS](q, k, v, np.float32(scale), window, out)


### END SOLUTION
@kernel("attention", device="cuda")
def attention(q, k, v, scale, out):
    ### BEGIN SOLUTION
    launch(q, k, v, scale, k.shape[0], out)
    ### END SOLUTION
