# %% [markdown]
# # Lab 10: matrix multiplication on a GPU
#
# A GPU runs thousands of threads at once. What they wait for is memory. You write the product three times, and each time
# fewer bytes come from far away.
#
# You need no GPU. The sanitizer runs all threads on the CPU, watches every access, and counts the traffic as a GPU would
# serve it. Where there is a GPU, the check runs on it too.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic

rng = np.random.default_rng(0)
square = dict(a=rng.normal(size=(64, 64)), b=rng.normal(size=(64, 64)))

# %% [markdown]
# ## 1. One thread per number
#
# `a` is `[M, K]`, `b` is `[K, N]`, `out` is `[M, N]`. Thread (column, row) computes `out[row, column]`.
#
# A CUDA kernel is two functions: one under `@cuda.jit`, which every thread runs, and a launcher under `@kernel`, which says how many
# blocks of how many threads there are. The form, shown for `scale`, which is no operator of this lab:
#
# ```python
# @cuda.jit
# def scale_kernel(x, factor, out):
#     column, row = cuda.grid(2)                      # the number of this thread in x and y
#     if row < x.shape[0] and column < x.shape[1]:    # the last blocks reach over the edge
#         out[row, column] = factor * x[row, column]
#
# @kernel("scale", device="cuda")
# def scale(x, factor, out):
#     blocks = ((out.shape[1] + 15) // 16, (out.shape[0] + 15) // 16)
#     scale_kernel[blocks, (16, 16)](x, factor, out)
# ```
#
# The first index of the grid runs along columns: neighbouring threads then touch neighbouring numbers, and a warp of 32 threads is
# served with few sectors of 32 bytes.
#
# Example: `a = [[1, 2], [3, 4]]`, `b = [[5, 6], [7, 8]]`. Thread (1, 0) computes `out[0, 1]` = $1 \cdot 6 + 2 \cdot 8$ = 22.
#
# Required for 64 x 64: coalesced access, that is, at most twice the bytes that the same requests would move if neighbouring threads
# touched neighbouring numbers. With rows and columns exchanged the product is right too, and moves more than five times as much.

# %% task="cuda/matmul" id="matmul-plain-cuda"
import numpy as np

from llaisys_mini import cuda, kernel


### BEGIN SOLUTION
@cuda.jit
def matmul_kernel(a, b, out):
    column, row = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        total = np.float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        out[row, column] = total


### END SOLUTION
@kernel("matmul", device="cuda")
def matmul(a, b, out):
    ### BEGIN SOLUTION
    blocks = ((out.shape[1] + 15) // 16, (out.shape[0] + 15) // 16)
    matmul_kernel[blocks, (16, 16)](a, b, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The loop over k is the only loop. Rows and columns are the threads.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Without the `if`, threads over the edge read and write out of bounds. On a GPU this may go unnoticed; the sanitizer reports it.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Keep the sum in a variable, `total = np.float32(0)`, add `a[row, k] * b[k, column]` in the loop, and store it once.
#
# </details>

# %% test="plain-public" points=2
check("matmul", device="cuda")

# %% test="plain-coalesced" points=2
count_gpu_traffic("matmul", square).require(waste=2)

# %% test="plain-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", device="cuda", seed=40701)
### END HIDDEN TESTS

# %% [markdown]
# What it asks of memory, for 64 x 64: each line of your kernel, how often a warp executes it, and how many sectors that takes. In the
# end: how many times the inputs come from global memory.

# %%
count_gpu_traffic("matmul", square)

# %% [markdown]
# ## 2. Tiles in shared memory
#
# The 256 threads of a block need only 16 rows of `a` and 16 columns of `b`, but each thread fetches its own. Shared memory belongs to a
# block, and is near. So the block goes along k in steps of 16:
#
# 1. Each thread copies one number of `a` and one of `b` into two shared tiles of 16 x 16.
# 2. `cuda.syncthreads()`: wait until the tiles are complete.
# 3. Each thread adds 16 products, all from the tiles.
# 4. `cuda.syncthreads()` again: wait until all threads have read the tiles. Then the next step may overwrite them.
#
# `tile = cuda.shared.array((16, 16), np.float32)` makes a tile. What hangs over the edge of a matrix is filled with 0: it adds nothing.
# Every thread must reach every barrier, also the threads over the edge.
#
# | step | start | tile of a | tile of b |
# |---|---|---|---|
# | first | 0 | `a[rows, 0:16]` | `b[0:16, columns]` |
# | second | 16 | `a[rows, 16:32]` | `b[16:32, columns]` |
#
# Required for 64 x 64: the inputs are loaded at most 5 times from global memory, and no bank conflict has a degree above 2.

# %% task="cuda/matmul" id="matmul-tiles-cuda"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `tx, ty = cuda.threadIdx.x, cuda.threadIdx.y` are the position in the tile. In the step that begins at `start` the thread copies
# `a[row, start + tx]` and `b[start + ty, column]`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Only the copies and the last store stand under an `if`. The loop over steps, its barriers and the sum do not: otherwise threads over
# the edge never arrive at the barrier, and the others wait for them forever.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The inner line is `total += tile_a[ty, k] * tile_b[k, tx]`, for k from 0 to 15, between the two barriers.
#
# </details>

# %% test="tiles-public" points=4
check("matmul", device="cuda")

# %% test="tiles-traffic" points=2
count_gpu_traffic("matmul", square).require(loads_of_each_input=5, bank_conflicts=2)

# %% test="tiles-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", device="cuda", seed=40702)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Tiles in registers
#
# For every multiply-add a thread now loads two numbers from shared memory. That is near, but not free. Let a thread compute a square of
# 4 x 4 results: it loads 4 + 4 numbers and does 16 multiply-adds with them.
#
# A block of 8 x 8 threads then makes 32 x 32 results, and larger tiles also mean fewer loads from global memory. Thread (tx, ty) takes
# rows `ty`, `ty + 8`, `ty + 16`, `ty + 24` of the block, and columns `tx`, `tx + 8`, `tx + 16`, `tx + 24`: so neighbouring threads still
# touch neighbours.
#
# `sums = cuda.local.array((4, 4), np.float32)` is an array that belongs to one thread; with loops of fixed length the compiler keeps it in
# registers. With tiles of 32 x 8 (of a) and 8 x 32 (of b), the 64 threads copy 4 numbers of each.
#
# Required for 64 x 64: the inputs are loaded at most 2.5 times from global memory, and at most 140,000 loads from shared memory (step 2 has
# 524,288).

# %% task="cuda/matmul" id="matmul-registers-cuda"
import numpy as np

from llaisys_mini import cuda, kernel

### BEGIN SOLUTION
SIDE, STEP, THREADS, EACH = 32, 8, 8, 4


@cuda.jit
def matmul_kernel(a, b, out):
    tile_a = cuda.shared.array((SIDE, STEP), np.float32)
    tile_b = cuda.shared.array((STEP, SIDE), np.float32)
    sums = cuda.local.array((EACH, EACH), np.float32)
    of_a = cuda.local.array(EACH, np.float32)
    of_b = cuda.local.array(EACH, np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first_row, first_column = SIDE * cuda.blockIdx.y, SIDE * cuda.blockIdx.x
    for i in range(EACH):
        for j in range(EACH):
            sums[i, j] = np.float32(0)
    for start in range(0, a.shape[1], STEP):
        for e in range(THREADS * ty + tx, SIDE * STEP, THREADS * THREADS):
            row, k = first_row + e // STEP, start + e % STEP
            tile_a[e // STEP, e % STEP] = np.float32(0)
            if row < a.shape[0] and k < a.shape[1]:
                tile_a[e // STEP, e % STEP] = a[row, k]
            k, column = start + e // SIDE, first_column + e % SIDE
            tile_b[e // SIDE, e % SIDE] = np.float32(0)
            if k < b.shape[0] and column < b.shape[1]:
                tile_b[e // SIDE, e % SIDE] = b[k, column]
        cuda.syncthreads()
        for k in range(STEP):
            for i in range(EACH):
                of_a[i] = tile_a[ty + THREADS * i, k]
                of_b[i] = tile_b[k, tx + THREADS * i]
            for i in range(EACH):
                for j in range(EACH):
                    sums[i, j] += of_a[i] * of_b[j]
        cuda.syncthreads()
    for i in range(EACH):
        for j in range(EACH):
            row, column = first_row + ty + THREADS * i, first_column + tx + THREADS * j
            if row < out.shape[0] and column < out.shape[1]:
                out[row, column] = sums[i, j]


### END SOLUTION
@kernel("matmul", device="cuda")
def matmul(a, b, out):
    ### BEGIN SOLUTION
    blocks = ((out.shape[1] + SIDE - 1) // SIDE, (out.shape[0] + SIDE - 1) // SIDE)
    matmul_kernel[blocks, (THREADS, THREADS)](a, b, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: copying</summary>
#
# Number the 64 threads: `t = 8 * ty + tx`. Thread t copies the elements t, t + 64, t + 128 and t + 192 of each tile. Element e of the tile
# of a lies at `[e // 8, e % 8]`, of the tile of b at `[e // 32, e % 32]`.
#
# </details>
# <details><summary>Hint 2: the inner loop</summary>
#
# For each k of the step: load 4 numbers of each tile into local arrays (or 8 variables), then two loops of 4 for the 16 products.
#
# </details>
# <details><summary>Hint 3: the end</summary>
#
# A local array holds anything at first: set the sums to 0. Row of sum `[i, j]` is `32 * cuda.blockIdx.y + ty + 8 * i`, the column
# `32 * cuda.blockIdx.x + tx + 8 * j`; store it only if both lie inside.
#
# </details>

# %% test="registers-public" points=4
check("matmul", device="cuda")

# %% test="registers-traffic" points=2
count_gpu_traffic("matmul", square).require(loads_of_each_input=2.5, shared_loads=140_000)

# %% test="registers-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("matmul", device="cuda", seed=40703)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. In your own words
#
# Leave out the second `cuda.syncthreads()` in step 2. On many GPUs the result is nevertheless right nearly every time. What can happen,
# to which numbers, and why does a test on one GPU not show that the kernel is correct?

# %% [markdown] written="barrier" points=2
# A fast warp may begin the next step and overwrite the tiles while a slower warp of the same block still adds products of this one. The
# slow warp then adds numbers of the wrong k. Whether it happens depends on how warps are scheduled, which differs between GPUs, sizes and
# runs, so a right result shows only that it did not happen this time.
