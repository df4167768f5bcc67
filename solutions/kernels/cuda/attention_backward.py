"""attention_backward on CUDA, in two launches and without atomic additions, so that the same input gives the same bits.

    by query    one warp per query and head: an online softmax over the keys gives the largest score, the sum of
                exponentials and the weighted mean of grad_P; a second walk gives grad_q. The three numbers are kept.
    by key      one warp per key and key head: it walks over the queries that see the key, makes each weight again from
                what was kept, and adds up grad_k and grad_v in registers.

The lanes share the head's width: lane i holds the numbers i, i + 32, ... so keys and queries are read as whole sectors.
"""

import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.errors import KernelError

### BEGIN SOLUTION
PER_LANE = 8
WIDEST = 32 * PER_LANE  # numbers of a head


@cuda.jit(device=True)
def product(registers, array, row, head):
    """registers . array[row, head], in every lane."""
    total = np.float32(0)
    for j in range(PER_LANE):
        d = cuda.threadIdx.x + 32 * j
        if d < array.shape[2]:
            total += registers[j] * array[row, head, d]
    return warp_sum(total)


@cuda.jit(device=True)
def read(array, row, head, registers):
    """registers = array[row, head], and zeros past its width."""
    for j in range(PER_LANE):
        d = cuda.threadIdx.x + 32 * j
        registers[j] = array[row, head, d] if d < array.shape[2] else np.float32(0)


@cuda.jit
def by_query_kernel(grad_out, q, k, v, scale, kept, grad_q):
    """kept [3, L, H]: largest score, sum of exponentials, weighted mean of grad_P."""
    row, head = cuda.blockIdx.x, cuda.blockIdx.y
    key_head = head // (q.shape[1] // k.shape[1])
    last = k.shape[0] - q.shape[0] + row
    query = cuda.local.array(PER_LANE, np.float32)
    gradient = cuda.local.array(PER_LANE, np.float32)
    of_query = cuda.local.array(PER_LANE, np.float32)
    read(q, row, head, query)
    read(grad_out, row, head, gradient)
    top, total, mean = np.float32(-math.inf), np.float32(0), np.float32(0)
    for s in range(last + 1):
        score = scale * product(query, k, s, key_head)
        of_weight = product(gradient, v, s, key_head)
        new_top = max(top, score)
        shrink, exponential = math.exp(top - new_top), math.exp(score - new_top)
        total = total * shrink + exponential
        mean = mean * shrink + exponential * of_weight
        top = new_top
    mean /= total
    for j in range(PER_LANE):
        of_query[j] = np.float32(0)
    for s in range(last + 1):
        weight = math.exp(scale * product(query, k, s, key_head) - top) / total
        of_score = scale * weight * (product(gradient, v, s, key_head) - mean)
        for j in range(PER_LANE):
            d = cuda.threadIdx.x + 32 * j
            if d < q.shape[2]:
                of_query[j] += of_score * k[s, key_head, d]
    for j in range(PER_LANE):
        d = cuda.threadIdx.x + 32 * j
        if d < q.shape[2]:
            grad_q[row, head, d] = of_query[j]
    if cuda.threadIdx.x == 0:
        kept[0, row, head] = top
        kept[1, row, head] = total
        kept[2, row, head] = mean


@cuda.jit
def by_key_kernel(grad_out, q, k, v, scale, kept, grad_k, grad_v):
    s, key_head = cuda.blockIdx.x, cuda.blockIdx.y
    group = q.shape[1] // k.shape[1]
    key = cuda.local.array(PER_LANE, np.float32)
    value = cuda.local.array(PER_LANE, np.float32)
    of_key = cuda.local.array(PER_LANE, np.float32)
    of_value = cuda.local.array(PER_LANE, np.float32)
    read(k, s, key_head, key)
    read(v, s, key_head, value)
    for j in range(PER_LANE):
        of_key[j] = np.float32(0)
        of_value[j] = np.float32(0)
    for row in range(max(0, s - (k.shape[0] - q.shape[0])), q.shape[0]):
        for head in range(key_head * group, (key_head + 1) * group):
            weight = math.exp(scale * product(key, q, row, head) - kept[0, row, head]) / kept[1, row, head]
            of_score = scale * weight * (product(value, grad_out, row, head) - kept[2, row, head])
            for j in range(PER_LANE):
                d = cuda.threadIdx.x + 32 * j
                if d < q.shape[2]:
                    of_key[j] += of_score * q[row, head, d]
                    of_value[j] += weight * grad_out[row, head, d]
    for j in range(PER_LANE):
        d = cuda.threadIdx.x + 32 * j
        if d < k.shape[2]:
            grad_k[s, key_head, d] = of_key[j]
            grad_v[s, key_head, d] = of_value[j]


### END SOLUTION
@kernel("attention_backward", device="cuda")
def attention_backward(grad_out, q, k, v, scale, grad_q, grad_k, grad_v):
    ### BEGIN SOLUTION
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    if width > WIDEST:
        raise KernelError(f"attention_backward on cuda: heads are {width} wide, but this kernel takes {WIDEST} at most")
    kept = cuda.device_array((3, length, heads), np.float32)
    by_query_kernel[(length, heads), 32](grad_out, q, k, v, np.float32(scale), kept, grad_q)
    by_key_kernel[(keys, key_heads), 32](grad_out, q, k, v, np.float32(scale), kept, grad_k, grad_v)
    ### END SOLUTION
