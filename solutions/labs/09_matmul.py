# %% [markdown]
# # Lab 09: matrix multiplication
#
# Nearly all the time of a language model goes into matrix products. The arithmetic is three loops. All the rest is memory:
# which number is fetched when, and how often it is used while it is near.
#
# You write one kernel in four steps. Each step is graded by facts, not by seconds: cache misses counted in a model of a
# small cache, loads per multiply-add, and what the compiler made of it.

# %%
import numpy as np

from llaisys_mini import check, count_traffic, explain, race

rng = np.random.default_rng(0)


def race_matmul():
    race(
        "matmul",
        lambda n: dict(a=rng.normal(size=(n, n)), b=rng.normal(size=(n, n))),
        (32, 64, 128, 256),
        flops=lambda n: 2 * n**3,
        size_name="rows and columns",
    )


# %% [markdown]
# ## 1. Three loops
#
# `a` is `[M, K]`, `b` is `[K, N]`, `out` is `[M, N]`, all float32.
#
# $$\text{out}[m, n] = \sum_k a[m, k] \cdot b[k, n]$$
#
# `a = [[1, 2], [3, 4]]` and `b = [[5, 6], [7, 8]]` give `[[19, 22], [43, 50]]`: 19 is $1 \cdot 5 + 2 \cdot 7$.
#
# Write it plainly: for each m, for each n, the sum over k in a variable of its own.

# %% task="cpu/matmul" id="matmul-plain"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel


@kernel("matmul", device="cpu")
@njit(cache=True)
def matmul(a, b, out):
    ### BEGIN SOLUTION
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = np.float32(0)
            for k in range(a.shape[1]):
                total += a[m, k] * b[k, n]
            out[m, n] = total
    ### END SOLUTION


# %% test="plain-public" points=2
check("matmul")

# %% test="plain-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", seed=40601)
### END HIDDEN TESTS

# %%
count_traffic("matmul")
race_matmul()

# %% [markdown]
# ## 2. Another order of the loops
#
# Memory comes in lines of 16 floats. In the innermost loop `b[k, n]` moves down a column: each access takes a new line and uses
# one of its 16 floats. By the time the next column begins, the lines are gone from the cache.
#
# Swap the two inner loops. For each m and each k, `a[m, k]` is one number, and a whole row of `b` is scaled by it and added to a
# row of `out`:
#
# | m | k | what is added to row m of out |
# |---|---|---|
# | 0 | 0 | 1 times [5, 6] |
# | 0 | 1 | 2 times [7, 8] |
#
# Now everything moves along rows, and eight products fit one instruction. Required: at most 3,000 cache misses for 32 x 32
# matrices (the plain version has more than ten times as many), a vectorised inner loop, no arrays allocated.

# %% task="cpu/matmul" id="matmul-reordered"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel


@kernel("matmul", device="cpu")
@njit(cache=True)
def matmul(a, b, out):
    ### BEGIN SOLUTION
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            out[m, n] = 0
        for k in range(a.shape[1]):
            factor = a[m, k]
            for n in range(b.shape[1]):
                out[m, n] += factor * b[k, n]
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `out` holds anything at first (the checks fill it with NaN). Set the row to 0 before you add to it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The order is m, k, n. Read `a[m, k]` into a variable outside the innermost loop.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The innermost line is `out[m, n] += factor * b[k, n]`.
#
# </details>

# %% test="reordered-public" points=2
check("matmul")

# %% test="reordered-facts" points=2
count_traffic("matmul").require(misses=3000)
explain("matmul").require(vectorised=True, allocations=0)

# %% test="reordered-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", seed=40602)
### END HIDDEN TESTS

# %%
race_matmul()

# %% [markdown]
# ## 3. Tiles
#
# For each row of `out` the second version still reads all of `b`. If `b` is larger than the cache, it comes from memory M times.
#
# Cut `b` into tiles of, say, 16 x 16. Take one tile, use it for *all* rows m, and only then go on to the next:
#
# ```
# for each block of k
#     for each block of n
#         for each m
#             for k in the block
#                 for n in the block
# ```
#
# Blocks at the edge are smaller: `min(k0 + 16, K)`.
#
# One thing is hidden. With an index that starts in the middle of a row, Numba cannot rule out that it is negative (counted from
# the end), and the inner loop does not vectorise. So name the two pieces of rows, `row = out[m, n0:n1]` and
# `other = b[k, n0:n1]`, and start at 0 in both. Such a piece is a view: nothing is copied.
#
# Required: at most 800 misses, a vectorised inner loop, no arrays allocated.

# %% task="cpu/matmul" id="matmul-tiled"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel

### BEGIN SOLUTION
TILE = 16


### END SOLUTION
@kernel("matmul", device="cpu")
@njit(cache=True)
def matmul(a, b, out):
    ### BEGIN SOLUTION
    rows, length = a.shape
    columns = b.shape[1]
    for m in range(rows):
        for n in range(columns):
            out[m, n] = 0
    for k0 in range(0, length, TILE):
        for n0 in range(0, columns, TILE):
            n1 = min(n0 + TILE, columns)
            for m in range(rows):
                row = out[m, n0:n1]
                for k in range(k0, min(k0 + TILE, length)):
                    factor, other = a[m, k], b[k, n0:n1]
                    for i in range(row.size):
                        row[i] += factor * other[i]
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `range(0, K, 16)` gives the first k of each block.
#
# </details>
# <details><summary>Hint 2</summary>
#
# An element of `out` now gets its parts from several blocks of k. So set all of `out` to 0 once, before the blocks.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The three inner loops are those of step 2, with `range(k0, min(k0 + 16, K))`. The innermost line is
# `row[i] += factor * other[i]`, for i from 0 to `row.size`.
#
# </details>

# %% test="tiled-public" points=2
check("matmul")

# %% test="tiled-facts" points=2
count_traffic("matmul").require(misses=800)
explain("matmul").require(vectorised=True, allocations=0)

# %% test="tiled-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", seed=40603)
### END HIDDEN TESTS

# %%
race_matmul()

# %% [markdown]
# ## 4. Registers, and all cores
#
# The tiled version has a sixth of the misses of the second one, and still loses the race. On most laptops the compiled inner loop
# takes 32 products at a time, four vectors of eight, and a shorter rest one by one: a row of 16 is all rest. With `TILE = 32` it runs
# two to three times as fast, but such tiles do not fit the small cache of the model. And up to 256 x 256 all of `b` fits a larger
# cache, where a miss is cheap. Tiles pay off once more is done with what was loaded.
#
# For every multiply-add the tiled version loads `out[m, n]` and `b[k, n]`, and stores `out[m, n]`. The cores can do two
# multiply-adds while they load twice. So most of the time they wait, even for the cache.
#
# Keep sums in registers, that is, in variables. A block of 3 x 4 outputs needs twelve sums `s00` ... `s23`. For each k it loads
# 3 numbers of `a` and 4 of `b`, and does 12 multiply-adds: 0.58 loads for each, instead of 2.
#
# ```
#             b0   b1   b2   b3
#       a0    s00  s01  s02  s03
#       a1    s10  s11  s12  s13
#       a2    s20  s21  s22  s23
# ```
#
# - **Pack first.** The four numbers of `b` come from four columns. Copy `b` into `packed[n, k]`, its transpose, once. Then the
#   loop over k runs along rows of both, and with `fastmath=True` it works on eight values of k at once.
# - **Edges.** Let a block that reaches over the edge repeat the last row or column: `min(m + 1, M - 1)`. The same number is then
#   computed and stored twice, and no second loop is needed.
# - **Cores.** Blocks do not depend on each other: `parallel=True`, and `prange` over blocks of columns. `prange` takes no step,
#   so count the blocks: `prange((N + 3) // 4)`.
#
# Required: at most 0.9 loads per multiply-add; fused multiply-adds on vectors; threads; one array allocated (the packed b).

# %% task="cpu/matmul" id="matmul-registers"
import numpy as np
from numba import njit, prange

from llaisys_mini import kernel


### BEGIN SOLUTION
@njit(fastmath=True, cache=True)
def block(a, m0, m1, m2, packed, n0, n1, n2, n3, out):
    s00 = s01 = s02 = s03 = np.float32(0)
    s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(a.shape[1]):
        a0, a1, a2 = a[m0, k], a[m1, k], a[m2, k]
        value = packed[n0, k]
        s00 += a0 * value
        s10 += a1 * value
        s20 += a2 * value
        value = packed[n1, k]
        s01 += a0 * value
        s11 += a1 * value
        s21 += a2 * value
        value = packed[n2, k]
        s02 += a0 * value
        s12 += a1 * value
        s22 += a2 * value
        value = packed[n3, k]
        s03 += a0 * value
        s13 += a1 * value
        s23 += a2 * value
    out[m0, n0], out[m0, n1], out[m0, n2], out[m0, n3] = s00, s01, s02, s03
    out[m1, n0], out[m1, n1], out[m1, n2], out[m1, n3] = s10, s11, s12, s13
    out[m2, n0], out[m2, n1], out[m2, n2], out[m2, n3] = s20, s21, s22, s23


### END SOLUTION
@kernel("matmul", device="cpu")
@njit(parallel=True, cache=True)
def matmul(a, b, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    packed = np.empty((columns, b.shape[0]), np.float32)
    for n in prange(columns):
        for k in range(b.shape[0]):
            packed[n, k] = b[k, n]
    last_row, last_column = rows - 1, columns - 1
    for column_block in prange((columns + 3) // 4):
        n = 4 * column_block
        n1, n2, n3 = min(n + 1, last_column), min(n + 2, last_column), min(n + 3, last_column)
        for m in range(0, rows, 3):
            block(a, m, min(m + 1, last_row), min(m + 2, last_row), packed, n, n1, n2, n3, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: a helper for one block</summary>
#
# A function under `@njit(fastmath=True, cache=True)` gets `a` with three row numbers, `packed` with four, and `out`. It holds the
# twelve sums and the loop over k.
#
# </details>
# <details><summary>Hint 2: the sums</summary>
#
# `s00 = s01 = s02 = s03 = np.float32(0)`, three such lines. In the loop: load `a0, a1, a2` once; then for each of the four
# columns load one number and add to three sums.
#
# </details>
# <details><summary>Hint 3: the kernel</summary>
#
# Fill `packed = np.empty((N, K), np.float32)`. Then `for column_block in prange((N + 3) // 4)`, `n = 4 * column_block`, and inside
# `for m in range(0, M, 3)` one call of the helper with `m`, `min(m + 1, M - 1)`, `min(m + 2, M - 1)` and the four columns.
#
# </details>

# %% test="registers-public" points=2
check("matmul")

# %% test="registers-loads" points=2
count_traffic("matmul").require(loads_per_multiply_add=0.9)

# %% test="registers-compiled" points=2
explain("matmul").require(vectorised_sums=True, fma=True, allocations=1)

# %% test="registers-parallel" points=1
explain("matmul").require(parallel=True)

# %% test="registers-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", seed=40604)
### END HIDDEN TESTS

# %%
race_matmul()

# %% [markdown]
# ## 5. In your own words
#
# For a product of two N x N matrices, how many multiply-adds are there for each number that has to come from memory at least
# once? Use that to say why a large product can reach the flat part of the roofline, while `add` of two N x N matrices never can.

# %% [markdown] written="roofline" points=2
# N^3 multiply-adds on 3 N^2 numbers: N / 3 for each number, which grows with N, so arithmetic becomes the limit if each number is
# used often enough while it is in cache or registers. add does N^2 additions on 3 N^2 numbers: one third for each number, whatever
# N is, so memory is always the limit.
