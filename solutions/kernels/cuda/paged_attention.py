"""paged_attention on CUDA: attention.py, with two questions more for each block: whose row is it, and where do the keys
lie? One block per row and head; its warps share the keys, its lanes the head's width; an online softmax.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.errors import KernelError
from llaisys_mini.widen import widen

### BEGIN SOLUTION
from .attention import PER_LANE, WARPS, WIDEST, merge_warps


@cuda.jit
def paged_attention_kernel(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    row, head = cuda.blockIdx.x, cuda.blockIdx.y
    width, size = q.shape[2], key_pages.shape[1]
    key_head = head // (q.shape[1] // key_pages.shape[2])
    text, end = 0, lengths.size  # the row's text is the last that starts at or before it
    while end - text > 1:
        middle = (text + end) // 2
        if starts[middle] <= row:
            text = middle
        else:
            end = middle
    position = lengths[text] - starts[text + 1] + row
    first = max(0, position - window + 1)

    query = cuda.local.array(PER_LANE, np.float32)
    mixed = cuda.local.array(PER_LANE, np.float32)
    for j in range(PER_LANE):
        d = lane + 32 * j
        query[j] = q[row, head, d] * scale if d < width else np.float32(0)
        mixed[j] = np.float32(0)
    top, total = np.float32(-math.inf), np.float32(0)
    for s in range(first + warp, position + 1, WARPS):
        page, place = table[text, s // size], s % size
        score = np.float32(0)
        for j in range(PER_LANE):
            d = lane + 32 * j
            if d < width:
                score += query[j] * widen(key_pages[page, place, key_head, d])
        score = warp_sum(score)
        new_top = max(top, score)
        shrink, exponential = math.exp(top - new_top), math.exp(score - new_top)
        total = total * shrink + exponential
        for j in range(PER_LANE):
            d = lane + 32 * j
            if d < width:
                mixed[j] = mixed[j] * shrink + exponential * widen(value_pages[page, place, key_head, d])
        top = new_top

    merge_warps(top, total, mixed, out, row, head)


### END SOLUTION
@kernel("paged_attention", device="cuda")
def paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    ### BEGIN SOLUTION
    rows, heads, width = q.shape
    if width > WIDEST:
        raise KernelError(f"paged_attention on cuda: heads are {width} wide, but this kernel takes {WIDEST} at most")
    paged_attention_kernel[(rows, heads), 32 * WARPS](
        q, key_pages, value_pages, table, lengths, starts, np.float32(scale), window, out
    )
    ### END SOLUTION
