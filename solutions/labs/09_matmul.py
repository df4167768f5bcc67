# %% [markdown]
# # Lab 09: the operator that takes the time
#
# A language model spends most of the time for reading a prompt in one operator: `linear`. You wrote it in lab 01 as three plain
# loops. Now you make it fast, in three required steps and one extra step. Each step computes the same sums. It is graded by
# properties that can be counted, not by seconds: cache misses in a simulated small cache, loads for each multiply-add, and
# what the compiler made of your kernel. At the end the model reads a prompt with *your* `linear`.
#
# | step | what you change | minutes | |
# |---|---|---|---|
# | 1 | the order of the loops | 15 | required |
# | 2 | 3 x 4 sums in registers | 55 | required |
# | 3 | all cores | 20 | required |
# | 4 | tiles for the cache | 30 | extra |
# | 5, 6 | the profile again, a written question | 15 | required |

# %%
import numpy as np

from llaisys_mini import check, count_traffic, explain, profile_model, show_profiles

rng = np.random.default_rng(0)
prompt = dict(x=rng.normal(size=(6, 32)), weight=rng.normal(size=(64, 32)), bias=None)
one_token = dict(x=rng.normal(size=(1, 32)), weight=rng.normal(size=(64, 32)), bias=None)
long_prompt = dict(x=rng.normal(size=(192, 96)), weight=rng.normal(size=(64, 96)), bias=None)


def profiled(**kernels):
    """Of a model of Qwen3-0.6B's shape."""
    return profile_model("shape:qwen3-0.6b", layers=2, new_tokens=3, dtype="float32", runs=1, kernels=kernels)


# %% [markdown]
# **Where does the time go?** The next cell runs a model in the shape of Qwen3-0.6B with random weights: a model's speed depends
# on its shape, not on the values of its weights. It reads a prompt of 128 tokens (*prefill*) and writes some more (*decode*). Only 2 of
# the 28 layers are run, and their times are scaled up. This takes about 1 GB of memory and some seconds.
#
# The word at the end of a line says whose kernel was used. If it is not `student` for `linear`, do lab 01 first.

# %%
print(profiled())

# %% [markdown]
# ## 1. The order of the loops
#
# `x` is `[N, K]`: N tokens. `weight` is `[M, K]`. `bias` is `[M]` or None. `out` is `[N, M]`.
#
# $$\text{out}[n, m] = \sum_k x[n, k] \cdot \text{weight}[m, k] + \text{bias}[m]$$
#
# `x = [[1, 2], [3, 4]]` and `weight = [[5, 6], [7, 8]]` give `[[17, 23], [39, 53]]`: 17 is $1 \cdot 5 + 2 \cdot 6$.
#
# The sum over k runs along a row of `x` and a row of `weight`, so it already uses all numbers of each cache line. What you can choose is
# the order of the two outer loops. A layer of the model has 3,072 rows of weight, 12 MB; a prompt of 128 tokens is 0.5 MB.
#
# Memory is read in cache lines of 64 bytes. For `prompt` above (6 tokens, 64 rows of weight, 2 lines per row) the simulated cache has room
# for 42 lines. Before you write, fill in this table on paper:
#
# | outer loop | what is fetched in the inner loop | how often each line of weight is fetched |
# |---|---|---|
# | over n | all rows of weight | |
# | over m | all rows of x | |
#
# Required: the better order, with at most 250 misses; vectorised sums (`fastmath=True` on the function with the sum); no array
# allocated. `widen(weight[m, k])` reads weights of 16 bits too, in which real checkpoints are stored.

# %% task="cpu/linear" id="linear-order"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen


### BEGIN SOLUTION
@njit(fastmath=True, cache=True)
def dot(x, weight):
    total = np.float32(0)
    for k in range(x.size):
        total += x[k] * widen(weight[k])
    return total


### END SOLUTION
@kernel("linear", device="cpu")
@njit(cache=True)
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    for m in range(weight.shape[0]):
        for n in range(x.shape[0]):
            total = dot(x[n], weight[m])
            if bias is not None:
                total += widen(bias[m])
            out[n, m] = total
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What is in the cache when the inner loop begins for the second time? Compare its size with that of the cache.
#
# </details>
# <details><summary>Hint 2</summary>
#
# One of the two arrays is small enough to stay in the cache completely. It may be read again and again; the other one should be read
# only once.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Your kernel of lab 01 needs one change: the loop over m becomes the outer one. The sum stays in a function of its own,
# under `@njit(fastmath=True, cache=True)`.
#
# </details>

# %% test="order-public" points=1
check("linear")

# %% test="order-facts" points=2
count_traffic("linear", prompt).require(misses=250)
explain("linear").require(vectorised_sums=True, allocations=0)

# %% test="order-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", seed=40901)
### END HIDDEN TESTS

# %%
print(profiled())

# %% [markdown]
# ## 2. Twelve sums in registers
#
# For every multiply-add your kernel loads two numbers, one of `x` and one of `weight`. A core can do two multiply-adds in the time of two
# loads, so it waits half of the time, even if all numbers come from the fastest cache.
#
# A number that was loaded can be used for several sums, if these are computed together. Keep a block of 3 x 4 outputs in variables, that
# is, in registers, while k runs once:
#
# ```
#               4 rows of weight
#               w0   w1   w2   w3
#        x0     s00  s01  s02  s03
# 3 rows x1     s10  s11  s12  s13
# of x   x2     s20  s21  s22  s23
# ```
#
# Before you write, count: how many loads and how many multiply-adds does this block need for one value of k? And blocks of
# 1 x 1, 1 x 4 and 6 x 8? A core has 16 or 32 vector registers of several numbers each. Why not 6 x 8?
#
# **Edges.** 6 tokens and 64 outputs can be divided into whole blocks, but 7 tokens or 61 outputs cannot. There are two solutions:
#
# - A block may *repeat* a column: if there is no fourth column, take the last one again, `min(m + 3, M - 1)`. The same number is then
#   computed and stored twice.
# - Or the remaining rows are computed in blocks of 1 x 4.
#
# Repeating costs little if it happens once at the edge of a long loop. Consider what it costs in *decode*, where N is 1.
#
# Required: at most 0.65 loads for each multiply-add on `prompt`, at most 1.3 on `one_token`; as few misses as before; fused
# multiply-adds on vectors; no array allocated.

# %% task="cpu/linear" id="linear-registers"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen


### BEGIN SOLUTION
@njit(fastmath=True, cache=True)
def one_row(x, weight, out, n, m0, m1, m2, m3):
    s0 = s1 = s2 = s3 = np.float32(0)
    for k in range(x.shape[1]):
        value = x[n, k]
        s0 += value * widen(weight[m0, k])
        s1 += value * widen(weight[m1, k])
        s2 += value * widen(weight[m2, k])
        s3 += value * widen(weight[m3, k])
    out[n, m0], out[n, m1], out[n, m2], out[n, m3] = s0, s1, s2, s3


@njit(fastmath=True, cache=True)
def three_rows(x, weight, out, n, m0, m1, m2, m3):
    s00 = s01 = s02 = s03 = np.float32(0)
    s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(x.shape[1]):
        x0, x1, x2 = x[n, k], x[n + 1, k], x[n + 2, k]
        w = widen(weight[m0, k])
        s00, s10, s20 = s00 + x0 * w, s10 + x1 * w, s20 + x2 * w
        w = widen(weight[m1, k])
        s01, s11, s21 = s01 + x0 * w, s11 + x1 * w, s21 + x2 * w
        w = widen(weight[m2, k])
        s02, s12, s22 = s02 + x0 * w, s12 + x1 * w, s22 + x2 * w
        w = widen(weight[m3, k])
        s03, s13, s23 = s03 + x0 * w, s13 + x1 * w, s23 + x2 * w
    out[n, m0], out[n, m1], out[n, m2], out[n, m3] = s00, s01, s02, s03
    out[n + 1, m0], out[n + 1, m1], out[n + 1, m2], out[n + 1, m3] = s10, s11, s12, s13
    out[n + 2, m0], out[n + 2, m1], out[n + 2, m2], out[n + 2, m3] = s20, s21, s22, s23


@njit(cache=True)
def four_columns(x, weight, bias, out, m, first, last):
    """Outputs m to m + 3 of the rows from `first` up to, not including, `last`."""
    end = weight.shape[0] - 1
    m1, m2, m3 = min(m + 1, end), min(m + 2, end), min(m + 3, end)
    n = first
    while n + 3 <= last:
        three_rows(x, weight, out, n, m, m1, m2, m3)
        n += 3
    while n < last:
        one_row(x, weight, out, n, m, m1, m2, m3)
        n += 1
    if bias is not None:
        for n in range(first, last):
            for column in range(m, min(m + 4, weight.shape[0])):
                out[n, column] += widen(bias[column])


### END SOLUTION
@kernel("linear", device="cpu")
@njit(cache=True)
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    for m in range(0, weight.shape[0], 4):
        four_columns(x, weight, bias, out, m, 0, x.shape[0])
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: where to begin</summary>
#
# Write the 1 x 4 block first, use it for every row, and run the check. It has all the difficulties (edges and bias), but only four
# sums. The 3 x 4 block is then the same with more sums.
#
# </details>
# <details><summary>Hint 2: two helpers, one kernel</summary>
#
# A helper under `@njit(fastmath=True, cache=True)` gets `x`, `weight`, `out`, a row number, and four column numbers. It contains the
# sums, the one loop over k, and the stores. How can the loop over k use each `x` value four times and each `weight` value three
# times, with one load each?
#
# </details>
# <details><summary>Hint 3: the bias</summary>
#
# If a block repeats the last column, a bias that is *added to `out`* inside the block is added more than once. Add it in a loop of
# its own over the columns that exist, after the blocks are done; or add it to the sum before the store.
#
# </details>

# %% test="registers-public" points=2
check("linear")

# %% test="registers-loads" points=2
count_traffic("linear", prompt).require(loads_per_multiply_add=0.65, misses=250)

# %% test="registers-one-token" points=1
count_traffic("linear", one_token).require(loads_per_multiply_add=1.3)

# %% test="registers-compiled" points=2
explain("linear").require(vectorised_sums=True, fma=True, allocations=0)

# %% test="registers-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", seed=40902)
### END HIDDEN TESTS

# %%
print(profiled())

# %% [markdown]
# ## 3. All cores
#
# Blocks of columns do not depend on each other: no two write the same element of `out`. So the cores can share them:
# `@njit(parallel=True, cache=True)` on the kernel, and `prange` for the loop over them.
#
# - `prange` has no step argument. Count the blocks: with 61 columns there are 16 blocks of up to 4. What is the formula?
# - The index of a `prange` loop is an unsigned integer. `np.intp(block)` converts it to an ordinary (signed) index.
# - Waking the threads takes some ten microseconds, in which a single core does a few hundred thousand multiply-adds. The
#   shipped model makes 57 calls of `linear` for a token, most of them smaller than that.
#
# Why may the loop over m run in parallel, and the loop over k not?
#
# Required: threads; the facts of step 2 still hold.

# %% task="cpu/linear" id="linear-threads"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen


### BEGIN SOLUTION
@njit(fastmath=True, cache=True)
def one_row(x, weight, out, n, m0, m1, m2, m3):
    s0 = s1 = s2 = s3 = np.float32(0)
    for k in range(x.shape[1]):
        value = x[n, k]
        s0 += value * widen(weight[m0, k])
        s1 += value * widen(weight[m1, k])
        s2 += value * widen(weight[m2, k])
        s3 += value * widen(weight[m3, k])
    out[n, m0], out[n, m1], out[n, m2], out[n, m3] = s0, s1, s2, s3


@njit(fastmath=True, cache=True)
def three_rows(x, weight, out, n, m0, m1, m2, m3):
    s00 = s01 = s02 = s03 = np.float32(0)
    s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(x.shape[1]):
        x0, x1, x2 = x[n, k], x[n + 1, k], x[n + 2, k]
        w = widen(weight[m0, k])
        s00, s10, s20 = s00 + x0 * w, s10 + x1 * w, s20 + x2 * w
        w = widen(weight[m1, k])
        s01, s11, s21 = s01 + x0 * w, s11 + x1 * w, s21 + x2 * w
        w = widen(weight[m2, k])
        s02, s12, s22 = s02 + x0 * w, s12 + x1 * w, s22 + x2 * w
        w = widen(weight[m3, k])
        s03, s13, s23 = s03 + x0 * w, s13 + x1 * w, s23 + x2 * w
    out[n, m0], out[n, m1], out[n, m2], out[n, m3] = s00, s01, s02, s03
    out[n + 1, m0], out[n + 1, m1], out[n + 1, m2], out[n + 1, m3] = s10, s11, s12, s13
    out[n + 2, m0], out[n + 2, m1], out[n + 2, m2], out[n + 2, m3] = s20, s21, s22, s23


@njit(cache=True)
def four_columns(x, weight, bias, out, m, first, last):
    """Outputs m to m + 3 of the rows from `first` up to, not including, `last`."""
    end = weight.shape[0] - 1
    m1, m2, m3 = min(m + 1, end), min(m + 2, end), min(m + 3, end)
    n = first
    while n + 3 <= last:
        three_rows(x, weight, out, n, m, m1, m2, m3)
        n += 3
    while n < last:
        one_row(x, weight, out, n, m, m1, m2, m3)
        n += 1
    if bias is not None:
        for n in range(first, last):
            for column in range(m, min(m + 4, weight.shape[0])):
                out[n, column] += widen(bias[column])


### END SOLUTION
@kernel("linear", device="cpu")
@njit(parallel=True, cache=True)
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    if rows * columns * x.shape[1] < 1 << 19:
        for m in range(0, columns, 4):
            four_columns(x, weight, bias, out, m, 0, rows)
    else:
        for block in prange((columns + 3) // 4):
            four_columns(x, weight, bias, out, 4 * np.intp(block), 0, rows)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Copy your helpers of step 2 into this cell: a cell must contain everything that its kernel uses. Only the loop over blocks changes.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A thread needs to know its block number, from which the columns follow. Apart from these columns of `out`, threads must not write to
# anything that they share. Does your loop body assign variables that exist outside of it?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Write two loops over the blocks and choose between them by N * M * K: a `range` for small products, a `prange` for large ones. Both
# call the same helper.
#
# </details>

# %% test="threads-public" points=2
check("linear")

# %% test="threads-parallel" points=2
explain("linear").require(parallel=True, vectorised_sums=True, fma=True)

# %% test="threads-loads" points=1
count_traffic("linear", prompt).require(loads_per_multiply_add=0.65, misses=250)
count_traffic("linear", one_token).require(loads_per_multiply_add=1.3)

# %% test="threads-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", seed=40903)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Extra: tiles for the cache
#
# For each block of four columns your kernel reads all of `x`. As long as `x` fits into the cache, it comes from there. A prompt
# of 1,024 tokens with K = 3,072 takes 12 MB: it does not fit, and every block of columns reads it from slower memory.
#
# Divide the rows into tiles of TILE rows that fit into the cache, and process one tile with *all* columns before the next tile begins.
# Each row of weight is then read once for each tile.
#
# For `long_prompt` (192 rows of x, 64 of weight, 6 lines per row) the simulated cache has room for 384 lines. Work out on paper, for
# TILE = 6, 24, 48 and 96: does a tile fit, together with four rows of weight and a line of `out` for each of its rows? How many lines are
# read in all? Then choose.
#
# In a real model, tiles cost a little time where they are not needed (with a prompt of 128 tokens, tiles of 48 rows took 8 % more time
# than no tiles, measured on one core of an Intel Xeon), and save time where x does not fit: lecture 09 measures it for 512 tokens.
#
# Required for the points: at most 6,000 misses on `long_prompt` (without tiles there are more than 20,000), at most 0.65 loads for
# each multiply-add, and threads.

# %% task="cpu/linear" id="linear-tiles"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
TILE = 48  # rows of x; with K = 1024 a tile is 200 kB


@njit(fastmath=True, cache=True)
def one_row(x, weight, out, n, m0, m1, m2, m3):
    s0 = s1 = s2 = s3 = np.float32(0)
    for k in range(x.shape[1]):
        value = x[n, k]
        s0 += value * widen(weight[m0, k])
        s1 += value * widen(weight[m1, k])
        s2 += value * widen(weight[m2, k])
        s3 += value * widen(weight[m3, k])
    out[n, m0], out[n, m1], out[n, m2], out[n, m3] = s0, s1, s2, s3


@njit(fastmath=True, cache=True)
def three_rows(x, weight, out, n, m0, m1, m2, m3):
    s00 = s01 = s02 = s03 = np.float32(0)
    s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(x.shape[1]):
        x0, x1, x2 = x[n, k], x[n + 1, k], x[n + 2, k]
        w = widen(weight[m0, k])
        s00, s10, s20 = s00 + x0 * w, s10 + x1 * w, s20 + x2 * w
        w = widen(weight[m1, k])
        s01, s11, s21 = s01 + x0 * w, s11 + x1 * w, s21 + x2 * w
        w = widen(weight[m2, k])
        s02, s12, s22 = s02 + x0 * w, s12 + x1 * w, s22 + x2 * w
        w = widen(weight[m3, k])
        s03, s13, s23 = s03 + x0 * w, s13 + x1 * w, s23 + x2 * w
    out[n, m0], out[n, m1], out[n, m2], out[n, m3] = s00, s01, s02, s03
    out[n + 1, m0], out[n + 1, m1], out[n + 1, m2], out[n + 1, m3] = s10, s11, s12, s13
    out[n + 2, m0], out[n + 2, m1], out[n + 2, m2], out[n + 2, m3] = s20, s21, s22, s23


@njit(cache=True)
def four_columns(x, weight, bias, out, m, first, last):
    """Outputs m to m + 3 of the rows from `first` up to, not including, `last`."""
    end = weight.shape[0] - 1
    m1, m2, m3 = min(m + 1, end), min(m + 2, end), min(m + 3, end)
    n = first
    while n + 3 <= last:
        three_rows(x, weight, out, n, m, m1, m2, m3)
        n += 3
    while n < last:
        one_row(x, weight, out, n, m, m1, m2, m3)
        n += 1
    if bias is not None:
        for n in range(first, last):
            for column in range(m, min(m + 4, weight.shape[0])):
                out[n, column] += widen(bias[column])


### END SOLUTION
@kernel("linear", device="cpu")
@njit(parallel=True, cache=True)
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    for first in range(0, rows, TILE):
        last = min(first + TILE, rows)
        if (last - first) * columns * x.shape[1] < 1 << 19:
            for m in range(0, columns, 4):
                four_columns(x, weight, bias, out, m, first, last)
        else:
            for block in prange((columns + 3) // 4):
                four_columns(x, weight, bias, out, 4 * np.intp(block), first, last)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which loop must be outermost, so that a tile of `x` is used for all columns while it is in the cache?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The helpers need not change if they get the range of rows as arguments: from `first` up to `last`. The last tile may be smaller.
#
# </details>
# <details><summary>Hint 3</summary>
#
# If TILE is a multiple of 3, no single rows remain inside a tile. Your table shows the smallest tile that still helps and the largest one
# that fits.
#
# </details>

# %% test="tiles-public" points=1
check("linear")

# %% test="tiles-facts" points=2
count_traffic("linear", long_prompt).require(misses=6000, loads_per_multiply_add=0.65)
explain("linear").require(parallel=True, allocations=0)

# %% test="tiles-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", seed=40904)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. The profile again
#
# The next cell compares three plain loops, as most people write them first, with your kernel, in the same model. If you left out step 4,
# run the cell of step 3 again before this one: the kernel that you ran last is used.

# %%
from numba import njit

from llaisys_mini.widen import widen


@njit
def three_loops(x, weight, bias, out):
    for n, m in np.ndindex(out.shape):  # the loop over n, and in it the loop over m
        dot = np.float32(0)
        for k in range(weight.shape[1]):
            dot += x[n, k] * widen(weight[m, k])
        out[n, m] = dot


before, after = profiled(linear=three_loops), profiled()
answers = after.prefill.by_label()["linear"].kernels
show_profiles({"three plain loops": before, f"linear: {answers[0]}": after})
gain = after.prefill.tokens_per_second / before.prefill.tokens_per_second
print(f"prefill: {before.prefill.tokens_per_second:.1f} -> {after.prefill.tokens_per_second:.1f} tokens/s", end="")
print(f", {gain:.1f} times")

# %% [markdown]
# From now on the course's model uses your kernel: `llaisys-mini generate --kernels student --stats` names `linear` among your kernels.
# Apart from `linear`, which operator takes the most time now, in prefill and in decode?

# %% [markdown]
# ## 6. In your own words
#
# In decode, N is 1. For a weight of M rows of K numbers: how many multiply-adds are there, and how many numbers of weight must be read
# from memory? Use this to explain why your steps sped up prefill so much more than decode, and what could speed up decode.

# %% [markdown] written="decode" points=2
# There are M K multiply-adds and M K numbers of weight: one multiply-add for each number, which comes from memory and is used once.
# So memory decides, however the sums are arranged; registers and tiles help where a number is used again, and in prefill each weight
# is used for N tokens. Decode gets faster with fewer bytes: weights of 16, 8 or 4 bits; or with several texts at once, so that each
# weight that was fetched serves several rows.
