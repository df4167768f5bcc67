# %% [markdown]
# # Lab 12: attention
#
# Attention lets each token use information from the earlier tokens. You write it first in the simplest way; then in one pass without
# memory for the scores; then for one new token at a time with a cache, as a model generates text; then for a GPU, in two versions.
#
# About 160 minutes. Sections 1 to 5 and the written question are required (145 minutes). Section 6 is extra: no later lab needs it.
#
# You need no GPU. Without one, the sanitizer runs all threads on the CPU, watches every memory access, and counts the memory traffic.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic, explain, load_model, operators, race

rng = np.random.default_rng(0)
prompt = dict(
    q=rng.normal(size=(64, 2, 64)), k=rng.normal(size=(64, 1, 64)), v=rng.normal(size=(64, 1, 64)), scale=0.125
)

# %% [markdown]
# ## 1. Causal attention with grouped queries
#
# | array | shape | |
# |---|---|---|
# | `q` | [L, H, D] | L queries, H heads, D numbers each |
# | `k`, `v` | [S, K, D] | S keys and values, K heads |
# | `scale` | number | usually $1 / \sqrt{D}$ |
# | `out` | [L, H, D] | |
#
# - The queries are at the **last** L of the S positions. Query l is at position S - L + l, and sees the keys up to and including
#   its own position: `s <= S - L + l`.
# - H is a multiple of K. Neighbouring query heads share a key head: query head h uses key head $h'$ = `h // (H // K)`.
#
# For each query and head:
#
# $$\text{score}[s] = \text{scale} \sum_d q[l, h, d] \cdot k[s, h', d] \qquad w = \text{softmax}(\text{score}) \qquad
# \text{out}[l, h, d] = \sum_s w[s] \cdot v[s, h', d]$$
#
# With numbers, D = 1, one head, scale 1: `q = [[[1]]]`, `k = [[[0]], [[1]]]`, `v = [[[10]], [[20]]]`. The one query is the last of two
# positions and sees both keys. Scores 0 and 1, weights 0.2689 and 0.7311, result $10 \cdot 0.2689 + 20 \cdot 0.7311 = 17.311$.
#
# Subtract the largest score before taking exponentials, as in lab 07. `widen(k[s, h, d])` converts any storage format of the cache to float32.

# %% task="cpu/attention" id="attention-cpu"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen


@kernel("attention", device="cpu")
@njit(cache=True)
def attention(q, k, v, scale, out):
    ### BEGIN SOLUTION
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    scale = np.float32(scale)
    scores = np.empty(keys, np.float32)
    for row in range(length):
        last = keys - length + row + 1
        for head in range(heads):
            key_head = head // (heads // key_heads)
            top = np.float32(-np.inf)
            for s in range(last):
                score = np.float32(0)
                for d in range(width):
                    score += q[row, head, d] * widen(k[s, key_head, d])
                scores[s] = score * scale
                top = max(top, scores[s])
            total = np.float32(0)
            for s in range(last):
                scores[s] = math.exp(scores[s] - top)
                total += scores[s]
            for d in range(width):
                out[row, head, d] = np.float32(0)
            for s in range(last):
                weight = scores[s] / total
                for d in range(width):
                    out[row, head, d] += weight * widen(v[s, key_head, d])
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: the loops</summary>
#
# Which of the sums in the three formulas can be computed in one loop over s, and which one needs the result of a complete loop before it?
# How many keys does query l see when L = 1, and when L = S?
#
# </details>
# <details><summary>Hint 2: the loops, and where the scores go</summary>
#
# For each row l and each head h, `last = S - L + l + 1` keys are visible. Write one loop over `s in range(last)` for the scores and their
# maximum, one for the exponentials and their sum, and one for the weighted sum of values. One `np.empty(S, np.float32)` is enough for all
# rows and heads.
#
# </details>
# <details><summary>Hint 3: the weighted sum of values</summary>
#
# Set `out[l, h, d]` to 0 for all d first. Then for each s: `weight = scores[s] / total`, and for each d add
# `weight * widen(v[s, key_head, d])`. That order reads each value row once, from front to back.
#
# </details>

# %% test="attention-public" points=4
check("attention")

# %% test="attention-hidden" points=3
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("attention", seed=40901)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. One pass, without an array for the scores
#
# The scores of a row need an array as long as the text. In lab 07 you merged parts of a softmax; attention can be computed in the
# same way, key by key. For each query and head, keep:
#
# - `top`, the largest score so far, and `total`, the sum of exponentials so far,
# - the *mix*: the weighted sum of values so far, not divided by the total yet. Keep it in `out[l, h]` itself.
#
# Let x be the score of the next key. The new maximum is `larger = max(top, x)`. The exponentials so far were relative to `top`, so
# multiply `total` and the mix by $e^{\text{top} - \text{larger}}$. Then add $e^{x - \text{larger}}$ to the total, and $e^{x - \text{larger}}$
# times the value of the key to the mix. At the end, divide the mix by the total.
#
# | key | score | top | factor for total and mix | total | mix (values 10, 20) |
# |---|---|---|---|---|---|
# | 0 | 0 | 0 | - | 1 | 10 |
# | 1 | 1 | 1 | 0.3679 | 1.3679 | 23.679 |
#
# 23.679 / 1.3679 = 17.311, as before. No array of scores is needed. Keys and values are still read once for every query, though; section 5
# improves this.
#
# Required: the right result, and **no array allocated** in a call. Heads and rows are independent, so also divide them among the cores.

# %% task="cpu/attention" id="attention-one-pass"
import math

import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen


### BEGIN SOLUTION
@njit(fastmath={"reassoc", "contract"}, cache=True)
def score(q, row, head, k, s, key_head):
    total = np.float32(0)
    for d in range(q.shape[2]):
        total += q[row, head, d] * widen(k[s, key_head, d])
    return total


@njit(cache=True)
def attend(q, k, v, scale, out, row, head):
    key_head = head // (q.shape[1] // k.shape[1])
    width = q.shape[2]
    top, total = np.float32(-np.inf), np.float32(0)
    for d in range(width):
        out[row, head, d] = np.float32(0)
    for s in range(k.shape[0] - q.shape[0] + row + 1):
        x = score(q, row, head, k, s, key_head) * scale
        larger = max(top, x)
        shrink, weight = np.float32(math.exp(top - larger)), np.float32(math.exp(x - larger))
        total = total * shrink + weight
        for d in range(width):
            out[row, head, d] = out[row, head, d] * shrink + weight * widen(v[s, key_head, d])
        top = larger
    for d in range(width):
        out[row, head, d] /= total


### END SOLUTION
@kernel("attention", device="cpu")
@njit(parallel=True, cache=True)
def attention(q, k, v, scale, out):
    ### BEGIN SOLUTION
    heads = q.shape[1]
    small = np.float32(scale)
    for task in prange(q.shape[0] * heads):
        attend(q, k, v, small, out, task // heads, task % heads)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which value must `top` have before the first key, so that the first key needs no special case? What is the factor for total and mix then?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Begin with `top = np.float32(-np.inf)` and a total of 0: the factor is then $e^{-\infty} = 0$. A helper
# `attend(q, k, v, scale, out, l, h)` for one query and head keeps the kernel short. `fastmath=True` would let the compiler
# assume that there are no infinities, but `top` begins as one: do not use it for the function that contains `top`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Per key: `shrink = math.exp(top - larger)`, `weight = math.exp(x - larger)`, `total = total * shrink + weight`, and for each d
# `out[l, h, d] = out[l, h, d] * shrink + weight * widen(v[s, key_head, d])`. Keep every variable float32: `np.float32(math.exp(...))`.
#
# </details>

# %% test="one-pass-public" points=3
check("attention")

# %% test="one-pass-compiled" points=2
explain("attention").require(allocations=0, parallel=True)

# %% test="one-pass-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("attention", seed=40902)
### END HIDDEN TESTS

# %% [markdown]
# In decoding, one query sees more and more keys. The next cell compares the speed of your kernel with NumPy, which makes the whole array of
# scores.

# %%
race(
    "attention",
    lambda keys: dict(
        q=rng.normal(size=(1, 16, 64)), k=rng.normal(size=(keys, 8, 64)), v=rng.normal(size=(keys, 8, 64)), scale=0.125
    ),
    (16, 128, 1024),
    size_name="keys",
)

# %% [markdown]
# ## 3. One token at a time: the KV cache
#
# The keys and values of earlier tokens never change, since earlier tokens cannot see the new one. So they are stored in a cache.
#
# `keys` and `values` are the cache, `[capacity, K, D]`: positions 0 to `length - 1` are filled, the rest is not initialised.
# The next token has `query` `[1, H, D]`, `key` and `value` `[1, K, D]`. Store key and value at position `length`, and return the
# attention of the query over the `length + 1` positions, `[1, H, D]`. `operators.attention(q, k, v, scale)` computes attention.
#
# This task is plain Python. With `length = 2`, the new key is stored in `keys[2]`, and the query sees positions 0, 1 and 2.

# %% task="python/decode_step"

# %% test="decode-public" points=2
check("decode_step")

# %% test="decode-hidden" points=1
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("decode_step", seed=40903)
### END HIDDEN TESTS

# %% [markdown]
# The result is the same for ten tokens at once as for one after the other with a cache:

# %%
q, k, v = (rng.normal(size=(10, heads, 8)).astype(np.float32) for heads in (4, 2, 2))
at_once = operators.attention(q, k, v, 0.35)
keys, values = np.zeros((16, 2, 8), np.float32), np.zeros((16, 2, 8), np.float32)
step_by_step = [decode_step(q[i : i + 1], k[i : i + 1], v[i : i + 1], keys, values, i, 0.35)[0] for i in range(10)]
print("largest difference:", np.abs(at_once - np.array(step_by_step)).max())

# %% [markdown]
# The shipped model now uses your kernel, in each of its 8 layers:

# %%
import textwrap

model = load_model("mini")
ids = model.tokenizer.encode("Once upon a time")
print(textwrap.fill(model.tokenizer.decode([*ids, *model.generate(ids, max_new_tokens=40, temperature=0)]), 100))

# %% [markdown]
# ## 4. Attention on a GPU
#
# Launch one block for each query and head, and use the one-pass method of section 2. A simple plan with a single warp of 32 threads per
# block:
#
# - The lanes divide the head width: lane i holds the numbers i, i + 32, ... of the query and of the mix, in small arrays
#   `cuda.local.array(8, np.float32)`. This is enough for head widths up to 256.
# - For each visible key every lane computes its part of the dot product. `warp_sum(part)` (from `llaisys_mini.cuda.reductions`) gives the
#   whole score to all lanes.
# - All lanes then compute the same `top` and `total`, and each updates its own part of the mix.
# - At the end each lane stores its numbers, divided by the total.
#
# Launch: `attention_kernel[(L, H), 32](...)`; the row is `cuda.blockIdx.x`, the head `cuda.blockIdx.y`. Example: L = 2, H = 4, D = 48: 8
# blocks; lane 3 holds the numbers 3 and 35, lane 20 only number 20.

# %% task="cuda/attention"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# With a narrow head, some lanes have no number. May they skip the call of `warp_sum`? If not, which value must they pass?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Element j of lane i is `d = i + 32 * j`; use it only if `d < D`. Keep `-inf`, scale and every sum in float32.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The loop over keys is that of section 2, with loops over j instead of loops over d. The visible keys are `range(S - L + row + 1)`.
#
# </details>

# %% test="attention-gpu-public" points=4
check("attention", device="cuda")

# %% test="attention-gpu-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("attention", device="cuda", seed=40904)
### END HIDDEN TESTS

# %% [markdown]
# The next cell shows the memory traffic for a prompt of 64 tokens, with 2 query heads of width 64, which share one key head.

# %%
count_gpu_traffic("attention", prompt)

# %% [markdown]
# ## 5. A block of queries
#
# Every query loads all the keys and values that it sees: the inputs are loaded 34 times. Eight neighbouring queries see nearly the same
# keys. So let them share the loads: this, together with the one pass of section 2, is FlashAttention.
#
# A block now has 8 warps, one for each of 8 queries of one head: `row = 8 * cuda.blockIdx.x + warp`. It goes through the keys in tiles of 16:
#
# 1. All 256 threads copy 16 keys and 16 values into two shared arrays: element e of a tile is number `e % D` of key `e // D`.
# 2. `cuda.syncthreads()`: wait until the tiles are complete.
# 3. Each warp processes those keys of the tile that its own query sees, as in section 4. `top`, `total`, query and mix stay in registers
#    from tile to tile.
# 4. `cuda.syncthreads()`: wait until no thread reads the tiles any more. Then the next step may overwrite them.
#
# `cuda.shared.array((16, 256), np.float32)` is enough for head widths up to 256. With L = 10, S = 40 there are 2 blocks for each head:
#
# | block | queries | at positions | keys that the block needs | tiles of 16 |
# |---|---|---|---|---|
# | 0 | 0 to 7 | 30 to 37 | 0 to 37 | 3, the last one with 6 keys |
# | 1 | 8, 9, and six warps without a query | 38, 39 | 0 to 39 | 3, the last one with 8 keys |
#
# Every warp must reach every barrier, even if its query sees no key of this tile, or if it has no query at all.
#
# Required for the prompt above: the inputs are loaded at most 6 times, and no bank conflicts.

# %% task="cuda/attention" id="attention-query-blocks-cuda"
import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import warp_sum
from llaisys_mini.widen import widen

### BEGIN SOLUTION
QUERIES = 8
KEYS = 16
PER_LANE = 8
WIDEST = 256


@cuda.jit
def attention_kernel(q, k, v, scale, out):
    tile_k = cuda.shared.array((KEYS, WIDEST), np.float32)
    tile_v = cuda.shared.array((KEYS, WIDEST), np.float32)
    query = cuda.local.array(PER_LANE, np.float32)
    mix = cuda.local.array(PER_LANE, np.float32)
    lane, warp = cuda.threadIdx.x % 32, cuda.threadIdx.x // 32
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    head = cuda.blockIdx.y
    key_head = head // (heads // key_heads)
    row = QUERIES * cuda.blockIdx.x + warp
    seen = keys - length + row + 1 if row < length else 0
    last = min(keys, keys - length + QUERIES * (cuda.blockIdx.x + 1))
    for j in range(PER_LANE):
        d = lane + 32 * j
        query[j] = q[row, head, d] * scale if row < length and d < width else np.float32(0)
        mix[j] = np.float32(0)
    top, total = np.float32(-math.inf), np.float32(0)
    for start in range(0, last, KEYS):
        count = min(KEYS, last - start)
        for e in range(cuda.threadIdx.x, count * width, 32 * QUERIES):
            tile_k[e // width, e % width] = widen(k[start + e // width, key_head, e % width])
            tile_v[e // width, e % width] = widen(v[start + e // width, key_head, e % width])
        cuda.syncthreads()
        for s in range(min(count, seen - start)):
            part = np.float32(0)
            for j in range(PER_LANE):
                d = lane + 32 * j
                if d < width:
                    part += query[j] * tile_k[s, d]
            score = warp_sum(part)
            larger = max(top, score)
            shrink, weight = math.exp(top - larger), math.exp(score - larger)
            total = total * shrink + weight
            for j in range(PER_LANE):
                d = lane + 32 * j
                if d < width:
                    mix[j] = mix[j] * shrink + weight * tile_v[s, d]
            top = larger
        cuda.syncthreads()
    if row < length:
        for j in range(PER_LANE):
            d = lane + 32 * j
            if d < width:
                out[row, head, d] = mix[j] / total


### END SOLUTION
@kernel("attention", device="cuda")
def attention(q, k, v, scale, out):
    ### BEGIN SOLUTION
    blocks = ((q.shape[0] + QUERIES - 1) // QUERIES, q.shape[1])
    attention_kernel[blocks, 32 * QUERIES](q, k, v, np.float32(scale), out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Two loops have different ends. How far must the loop over tiles go, so that it is the same for all warps of the block? How far may each
# warp go in its own loop over the keys of a tile?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The last query of the block sees the most keys: `last = min(S, S - L + 8 * (cuda.blockIdx.x + 1))`, and the tiles begin at
# `range(0, last, 16)`. A warp's own query sees `seen = S - L + row + 1` keys, or 0 if `row >= L`; `range(min(count, seen - start))` is empty
# where it sees none.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Copy with `for e in range(cuda.threadIdx.x, count * D, 256)`, where `count = min(16, last - start)`. The loop over s is that of section 4 with
# `tile_k[s, d]` and `tile_v[s, d]` instead of the arrays. Put only the loads of the query and the last store under `if row < L`, never a
# barrier.
#
# </details>

# %% test="query-blocks-public" points=4
check("attention", device="cuda")

# %% test="query-blocks-traffic" points=3
count_gpu_traffic("attention", prompt).require(loads_of_each_input=6, bank_conflicts=1)

# %% test="query-blocks-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("attention", device="cuda", seed=40905)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Split keys (extra)
#
# While a model decodes there is only one query, and a block of queries does not help: seven of eight warps are idle, and there are fewer
# blocks than the GPU has multiprocessors. Then the *keys* are divided instead: each block processes a part of them, and at the end the
# parts are merged. This is called flash-decoding; the course's own kernel for a GPU does it with its warps.
#
# Of each part of the keys we keep three things: `top`, its largest score; `total`, its sum of $e^{\text{score} - \text{top}}$; and `mix`,
# the sum of its values weighted by these exponentials, float64 `[D]`, not divided yet. Return the same three for both parts together. You
# have merged the first two in lab 07. A part without keys is `(-inf, 0, zeros)`. This task is plain Python.
#
# | part | scores | top | total | mix (values 10; 20) |
# |---|---|---|---|---|
# | a | 0 | 0 | 1 | 10 |
# | b | 1 | 1 | 1 | 20 |
# | both | | 1 | 0.3679 + 1 = 1.3679 | 3.679 + 20 = 23.679 |

# %% task="python/merge_attention"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Relative to which maximum are `total` and `mix` of a part? Relative to which maximum must both be before they can be added?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Each part has one factor, and it is the same for its total and for its mix.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `top = max(top_a, top_b)`, and the factor of part a is `math.exp(top_a - top)`. If both tops are -inf, this difference is NaN: return an
# empty part before computing it.
#
# </details>

# %% test="merge-attention-public" points=1
check("merge_attention")

# %% test="merge-attention-hidden" points=1
# Other parts, when it is graded.
### BEGIN HIDDEN TESTS
check("merge_attention", seed=40906)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. In your own words
#
# A model with 28 layers, 8 key heads of width 128 and a cache in 16 bits processes a conversation of 30 000 tokens. How large is
# the cache? Suppose the model had 16 key heads, one for each query head: what would that cost while decoding, in memory and in time?

# %% [markdown] written="cache-size" points=2
# 2 (keys and values) * 28 layers * 8 heads * 128 * 2 bytes = 114 688 bytes per token; times 30 000 is 3.4 GB. With 16 key heads the
# cache is 6.9 GB. Each new token reads the whole cache once, and decoding is bound by memory, so attention would take twice the time.
