# %% [markdown]
# # Lab 10: matrix multiplication on a GPU
#
# A GPU runs thousands of threads at once, and most of the time they wait for memory. You write a matrix product in which neighbouring
# threads access neighbouring numbers. Then you write `linear`, the product in which a language model spends most of its time, twice: with
# tiles in shared memory, and with results in registers. Each version reads fewer bytes from slow memory. At the end a model writes with
# your `linear`.
#
# | part | minutes | |
# |---|---|---|
# | 1 one thread for each result | 25 | required |
# | 2 `linear` with tiles in shared memory | 45 | required |
# | 3 `linear` with results in registers | 45 | required |
# | 4 the model on your kernel | 5 | to look at |
# | 5 a question | 10 | required |
# | 6 one row | 20 | extra: nothing later needs it |
# | 7 a runtime for a small chip | 60 | extra: nothing later needs it |
#
# You need no GPU. The sanitizer runs all threads on the CPU, watches every memory access, and counts the memory transactions that a GPU
# would need. If there is a GPU, the check runs on it too.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic, cuda, exercises, load_model

rng = np.random.default_rng(0)
square = dict(a=rng.normal(size=(64, 64)), b=rng.normal(size=(64, 64)))
prompt = dict(x=rng.normal(size=(64, 64)), weight=rng.normal(size=(64, 64)), bias=None)
one_token = dict(x=rng.normal(size=(1, 256)), weight=rng.normal(size=(64, 256)), bias=None)

# %% [markdown]
# ## 1. One thread for each result
#
# `a` is `[M, K]`, `b` is `[K, N]`, `out` is `[M, N]`. Thread (column, row) computes `out[row, column]`.
#
# A CUDA kernel is two functions: one under `@cuda.jit`, which every thread runs, and a launcher under `@kernel`, which says how many
# blocks of how many threads there are. As an example of the form, `scale`, which is not an operator of this lab:
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
# The first index of the grid runs along columns. Then neighbouring threads access neighbouring numbers, and the accesses of a warp of 32
# threads need only few sectors of 32 bytes.
#
# Example: `a = [[1, 2], [3, 4]]`, `b = [[5, 6], [7, 8]]`. Thread (1, 0) computes `out[0, 1]` = $1 \cdot 6 + 2 \cdot 8$ = 22.
#
# Required for 64 x 64: coalesced access (lecture 10). That means at most twice the bytes that the same requests would move if neighbouring
# threads accessed neighbouring numbers. With rows and columns exchanged the product is right too, but it moves more than five times as
# many bytes.

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
# The loop over k is the only loop. There is one thread for each row and column of `out`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Without the `if`, threads beyond the edge read and write out of bounds. On a GPU this may go unnoticed; the sanitizer reports it.
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
# The next cell shows the memory traffic for 64 x 64: for each line of your kernel, how often a warp executes it, and how many sectors
# this takes. The last line says how many times the inputs are loaded from global memory.

# %%
count_gpu_traffic("matmul", square)

# %% [markdown]
# ## 2. Linear, with tiles in shared memory
#
# `x` is `[N, K]`, `weight` is `[M, K]`, `bias` is `[M]` or None, `out` is `[N, M]`:
#
# $$\text{out}[n, m] = \sum_k x[n, k] \cdot \text{weight}[m, k] + \text{bias}[m]$$
#
# `x = [[1, 2], [3, 4]]` and `weight = [[5, 6], [7, 8]]` give `[[17, 23], [39, 53]]`: 17 is $1 \cdot 5 + 2 \cdot 6$.
#
# Compared with `matmul`, only the order of the weight's indices differs, but for a warp this matters much. Suppose each thread computes
# one `out[n, m]`. Before you write, fill in: in one step of the loop over k, how many sectors does a warp of 32 threads access?
#
# | neighbouring threads have neighbouring | sectors of x | sectors of weight |
# |---|---|---|
# | m | | |
# | n | | |
#
# Neither choice is good. The solution: the thread that *loads* a number need not be the one that *uses* it. A block of threads goes along k
# in steps of 16:
#
# 1. Each thread copies one number of `x` and one of `weight` into two shared tiles of 16 rows. Neighbouring threads copy neighbouring k.
# 2. `cuda.syncthreads()`: wait until the tiles are complete.
# 3. Each thread adds 16 products, all from the tiles.
# 4. `cuda.syncthreads()` again: wait until all threads have read the tiles. Then the next step may overwrite them.
#
# | step | start | tile of x | tile of weight |
# |---|---|---|---|
# | first | 0 | `x[rows, 0:16]` | `weight[columns, 0:16]` |
# | second | 16 | `x[rows, 16:32]` | `weight[columns, 16:32]` |
#
# - `tile = cuda.shared.array((16, 16), np.float32)` makes a tile. In step 3 neighbouring threads read neighbouring *rows* of a tile. In
#   which banks are these numbers, and how can you avoid the conflict?
# - Fill the elements of a tile that are beyond the edge of a matrix with 0, which adds nothing. Every thread must reach every barrier, even
#   if it is beyond the edge.
# - `widen(weight[m, k])` and `widen(bias[m])` read weights of 16 bits too, in which real checkpoints are stored.
# - The kernel is compiled separately for a `bias` of None, so you can write `if bias is not None` in it.
#
# Required for 64 x 64: the inputs are loaded at most 5 times from global memory, coalesced (at most twice the bytes that are necessary), and no
# bank conflict has a degree above 2.

# %% task="cuda/linear" id="linear-tiles-cuda"
import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.widen import widen


### BEGIN SOLUTION
TILE = 16
PADDED = TILE + 1


@cuda.jit
def tiled_kernel(x, weight, bias, out):
    tile_x = cuda.shared.array((TILE, PADDED), np.float32)
    tile_w = cuda.shared.array((TILE, PADDED), np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    m, n = cuda.grid(2)
    row_to_copy = TILE * cuda.blockIdx.x + ty  # of weight
    total = np.float32(0)
    for start in range(0, x.shape[1], TILE):
        k = start + tx
        tile_x[ty, tx] = np.float32(0)
        if n < x.shape[0] and k < x.shape[1]:
            tile_x[ty, tx] = x[n, k]
        tile_w[ty, tx] = np.float32(0)
        if row_to_copy < weight.shape[0] and k < x.shape[1]:
            tile_w[ty, tx] = widen(weight[row_to_copy, k])
        cuda.syncthreads()
        for k in range(TILE):
            total += tile_x[ty, k] * tile_w[tx, k]
        cuda.syncthreads()
    if n < out.shape[0] and m < out.shape[1]:
        if bias is not None:
            total += widen(bias[m])
        out[n, m] = total


### END SOLUTION
@kernel("linear", device="cuda")
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    blocks = ((out.shape[1] + TILE - 1) // TILE, (out.shape[0] + TILE - 1) // TILE)
    tiled_kernel[blocks, (TILE, TILE)](x, weight, bias, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: who copies what</summary>
#
# `tx, ty = cuda.threadIdx.x, cuda.threadIdx.y` is the thread's position in the tile. Which row of `weight` must the thread copy so that
# its neighbour in x copies the next number? It is not the row that belongs to the thread's own output.
#
# </details>
# <details><summary>Hint 2: edges and barriers</summary>
#
# Put only the copies and the last store under an `if`, not the loop over steps, its barriers and the sum. Otherwise threads beyond
# the edge never reach the barrier, and the others wait for them forever.
#
# </details>
# <details><summary>Hint 3: the inner line</summary>
#
# `total += tile_x[ty, k] * tile_w[tx, k]`, for k from 0 to 15, between the two barriers. An additional column that is never used, `(16, 17)`,
# shifts each row of a tile by one bank. The row of `weight` that a thread copies is `16 * cuda.blockIdx.x + ty`.
#
# </details>

# %% test="tiles-public" points=4
check("linear", device="cuda")

# %% test="tiles-traffic" points=3
count_gpu_traffic("linear", prompt).require(loads_of_each_input=5, waste=2, bank_conflicts=2)

# %% test="tiles-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", device="cuda", seed=40702)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Linear, with results in registers
#
# For every multiply-add a thread now loads two numbers from shared memory. That is fast, but not free. Let a thread compute a square of
# 4 x 4 results: it loads 4 + 4 numbers and does 16 multiply-adds with them. Before you write: how many loads is that for one
# multiply-add, and how many would it be with 8 x 8? What is the disadvantage of 16 x 16?
#
# A block of 8 x 8 threads then computes 32 x 32 results, and larger tiles also mean fewer loads from global memory. Thread (tx, ty) takes
# rows `ty`, `ty + 8`, `ty + 16`, `ty + 24` of the block, and columns `tx`, `tx + 8`, `tx + 16`, `tx + 24`: so neighbouring threads still
# store neighbouring numbers.
#
# - `sums = cuda.local.array((4, 4), np.float32)` is an array that belongs to one thread; with loops of fixed length the compiler keeps it in
#   registers.
# - With steps of 8 along k both tiles are 32 x 8. The 64 threads copy 4 numbers of each: number the threads, `t = 8 * ty + tx`; thread t
#   copies the elements t, t + 64, t + 128 and t + 192. Element e of a tile lies at `[e // 8, e % 8]`.
#
# | thread | copies elements | at |
# |---|---|---|
# | (0, 0), t = 0 | 0, 64, 128, 192 | `[0, 0]`, `[8, 0]`, `[16, 0]`, `[24, 0]` |
# | (3, 1), t = 11 | 11, 75, 139, 203 | `[1, 3]`, `[9, 3]`, `[17, 3]`, `[25, 3]` |
#
# Required for 64 x 64: the inputs are loaded at most 2.5 times from global memory, coalesced as before; at most 140,000 loads from shared
# memory (step 2 has 524,288), and no bank conflict of a degree above 2.

# %% task="cuda/linear" id="linear-registers-cuda"
import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
SIDE, STEP, THREADS, EACH = 32, 8, 8, 4
PADDED = STEP + 1


@cuda.jit
def register_kernel(x, weight, bias, out):
    tile_x = cuda.shared.array((SIDE, PADDED), np.float32)
    tile_w = cuda.shared.array((SIDE, PADDED), np.float32)
    sums = cuda.local.array((EACH, EACH), np.float32)
    of_x = cuda.local.array(EACH, np.float32)
    of_w = cuda.local.array(EACH, np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first_n, first_m = SIDE * cuda.blockIdx.y, SIDE * cuda.blockIdx.x
    for i in range(EACH):
        for j in range(EACH):
            sums[i, j] = np.float32(0)
    for start in range(0, x.shape[1], STEP):
        for e in range(THREADS * ty + tx, SIDE * STEP, THREADS * THREADS):
            i, k = e // STEP, start + e % STEP
            tile_x[i, e % STEP] = np.float32(0)
            if first_n + i < x.shape[0] and k < x.shape[1]:
                tile_x[i, e % STEP] = x[first_n + i, k]
            tile_w[i, e % STEP] = np.float32(0)
            if first_m + i < weight.shape[0] and k < x.shape[1]:
                tile_w[i, e % STEP] = widen(weight[first_m + i, k])
        cuda.syncthreads()
        for k in range(STEP):
            for i in range(EACH):
                of_x[i] = tile_x[ty + THREADS * i, k]
                of_w[i] = tile_w[tx + THREADS * i, k]
            for i in range(EACH):
                for j in range(EACH):
                    sums[i, j] += of_x[i] * of_w[j]
        cuda.syncthreads()
    for i in range(EACH):
        for j in range(EACH):
            n, m = first_n + ty + THREADS * i, first_m + tx + THREADS * j
            if n < out.shape[0] and m < out.shape[1]:
                total = sums[i, j]
                if bias is not None:
                    total += widen(bias[m])
                out[n, m] = total


### END SOLUTION
@kernel("linear", device="cuda")
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    blocks = ((out.shape[1] + SIDE - 1) // SIDE, (out.shape[0] + SIDE - 1) // SIDE)
    register_kernel[blocks, (THREADS, THREADS)](x, weight, bias, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: the copies</summary>
#
# One loop can fill both tiles: `for e in range(t, 256, 64)`. What are the row and the k of element e in `x`, and in `weight`? When is
# each of them beyond the edge?
#
# </details>
# <details><summary>Hint 2: the inner loop</summary>
#
# For each k of the step: which 4 numbers of each tile does the thread need? Put them into local arrays (or 8 variables) first. Then two loops
# of 4 for the 16 products, which load nothing.
#
# </details>
# <details><summary>Hint 3: the end</summary>
#
# A local array is not initialised: set the sums to 0. The row of sum `[i, j]` is `32 * cuda.blockIdx.y + ty + 8 * i`, its column is
# `32 * cuda.blockIdx.x + tx + 8 * j`. Add the bias and store the sum only if both are inside the matrix.
#
# </details>

# %% test="registers-public" points=4
check("linear", device="cuda")

# %% test="registers-traffic" points=3
count_gpu_traffic("linear", prompt).require(loads_of_each_input=2.5, waste=2, shared_loads=140_000, bank_conflicts=2)

# %% test="registers-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", device="cuda", seed=40703)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. A model on your kernel
#
# The shipped model calls `linear` seven times in each of its 8 layers and once at the end. With `device="cuda"` it uses the CUDA kernels:
# yours where they have passed their check, the course's elsewhere. The sanitizer runs every thread of every kernel, so the first token takes
# several seconds here. With a GPU, leave `cuda.sanitized()` out: the GPU does the same in a fraction of a second.

# %%
from collections import Counter

from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini import observe_calls


def write(count):
    calls = Counter()
    with cuda.sanitized(), observe_calls(lambda operator, arguments, results: calls.update([operator.name])):
        model = load_model("mini", device="cuda")
        ids = model.tokenizer.encode("Once upon a time")
        print(model.tokenizer.decode(ids + list(model.generate(ids, count, temperature=0))))
        for name, times in calls.most_common():
            print(f"{times:4d} calls of {name:16s} {answering_kernel(name, 'cuda').kernel_set}")


write(1)

# %% [markdown]
# Each line that ends with `student` is a kernel of yours. Most of the others you write in later labs: `embedding` and `rope` in lab 11,
# `attention` in lab 12, `swiglu` and `add_rms_norm` in lab 13, `argmax` in lab 14. `llaisys-mini generate --device cuda --kernels student`
# runs them on a GPU.

# %% [markdown]
# ## 5. In your own words
#
# Leave out the second `cuda.syncthreads()` in section 2. On many GPUs the result is nevertheless right nearly every time. What can go
# wrong, with which numbers, and why does a test on one GPU not prove that the kernel is correct?

# %% [markdown] written="barrier" points=2
# A fast warp may begin the next step and overwrite the tiles while a slower warp of the same block still adds products of this one. The
# slow warp then adds numbers of the wrong k. Whether it happens depends on how warps are scheduled, which differs between GPUs, sizes and
# runs, so a right result shows only that it did not happen this time.

# %% [markdown]
# ## 6. Extra: one row
#
# When a model writes, `x` has one row. A block of the kernel of section 3 then computes 32 rows of which 31 do not exist, and most of its
# work is wasted.
#
# Now each weight is used only once, so tiles in shared memory gain nothing. But neighbouring threads must still read neighbouring numbers
# of a row of `weight`. Let a *warp* compute one output: lane i takes k = i, i + 32, i + 64, ..., and the 32 sums are added with shuffles,
# as in lab 08. A block of 128 threads has 4 warps, and so computes 4 outputs. The launcher chooses by the number of rows: this kernel for
# 1 to 4 rows (the second index of its grid is the row), the kernel of section 3 for more.
#
# With 3 lanes in place of 32, and K = 5: lane 0 adds the products of k = 0 and 3, lane 1 those of 1 and 4, lane 2 that of 2.
#
# Required for one row of 256 numbers and 64 outputs: no load from shared memory, and at most 1.1 times the necessary bytes. For 64 rows the
# limits of section 3 on loads from global and shared memory still apply.

# %% task="cuda/linear" id="linear-rows-cuda"
import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.widen import widen

### BEGIN SOLUTION
SIDE, STEP, THREADS, EACH = 32, 8, 8, 4
PADDED = STEP + 1
WARPS = 4
FEW_ROWS = 4


@cuda.jit
def few_rows_kernel(x, weight, bias, out):
    lane, n = cuda.threadIdx.x % 32, cuda.blockIdx.y
    m = WARPS * cuda.blockIdx.x + cuda.threadIdx.x // 32
    if m < weight.shape[0]:  # the same for all lanes of a warp
        total = np.float32(0)
        for k in range(lane, x.shape[1], 32):
            total += x[n, k] * widen(weight[m, k])
        for step in (16, 8, 4, 2, 1):
            total += cuda.shfl_xor_sync(0xFFFFFFFF, total, step)
        if lane == 0:
            if bias is not None:
                total += widen(bias[m])
            out[n, m] = total


@cuda.jit
def register_kernel(x, weight, bias, out):
    tile_x = cuda.shared.array((SIDE, PADDED), np.float32)
    tile_w = cuda.shared.array((SIDE, PADDED), np.float32)
    sums = cuda.local.array((EACH, EACH), np.float32)
    of_x = cuda.local.array(EACH, np.float32)
    of_w = cuda.local.array(EACH, np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    first_n, first_m = SIDE * cuda.blockIdx.y, SIDE * cuda.blockIdx.x
    for i in range(EACH):
        for j in range(EACH):
            sums[i, j] = np.float32(0)
    for start in range(0, x.shape[1], STEP):
        for e in range(THREADS * ty + tx, SIDE * STEP, THREADS * THREADS):
            i, k = e // STEP, start + e % STEP
            tile_x[i, e % STEP] = np.float32(0)
            if first_n + i < x.shape[0] and k < x.shape[1]:
                tile_x[i, e % STEP] = x[first_n + i, k]
            tile_w[i, e % STEP] = np.float32(0)
            if first_m + i < weight.shape[0] and k < x.shape[1]:
                tile_w[i, e % STEP] = widen(weight[first_m + i, k])
        cuda.syncthreads()
        for k in range(STEP):
            for i in range(EACH):
                of_x[i] = tile_x[ty + THREADS * i, k]
                of_w[i] = tile_w[tx + THREADS * i, k]
            for i in range(EACH):
                for j in range(EACH):
                    sums[i, j] += of_x[i] * of_w[j]
        cuda.syncthreads()
    for i in range(EACH):
        for j in range(EACH):
            n, m = first_n + ty + THREADS * i, first_m + tx + THREADS * j
            if n < out.shape[0] and m < out.shape[1]:
                total = sums[i, j]
                if bias is not None:
                    total += widen(bias[m])
                out[n, m] = total


### END SOLUTION
@kernel("linear", device="cuda")
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    rows, columns = out.shape
    if rows <= FEW_ROWS:
        few_rows_kernel[((columns + WARPS - 1) // WARPS, rows), 32 * WARPS](x, weight, bias, out)
    else:
        blocks = ((columns + SIDE - 1) // SIDE, (rows + SIDE - 1) // SIDE)
        register_kernel[blocks, (THREADS, THREADS)](x, weight, bias, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which thread is where</summary>
#
# `lane = cuda.threadIdx.x % 32`, and the warp is `cuda.threadIdx.x // 32`. Which output m belongs to a warp of block `cuda.blockIdx.x`?
#
# </details>
# <details><summary>Hint 2: the edge</summary>
#
# All 32 lanes of a warp have the same m. Why may an `if m < weight.shape[0]` enclose the shuffles, while an `if k < x.shape[1]` may
# not?
#
# </details>
# <details><summary>Hint 3: the sum</summary>
#
# `for k in range(lane, x.shape[1], 32)` for the lane's part. Then `total += cuda.shfl_xor_sync(0xFFFFFFFF, total, step)` for the steps 16, 8, 4,
# 2, 1. Lane 0 adds the bias and stores.
#
# </details>

# %% test="rows-public" points=2
check("linear", device="cuda")

# %% test="rows-traffic" points=1
count_gpu_traffic("linear", one_token).require(waste=1.1, shared_loads=0)
count_gpu_traffic("linear", prompt).require(loads_of_each_input=2.5, shared_loads=140_000)

# %% [markdown]
# The prompt of four tokens, and then each new token, now use the new kernel, which is fast even in the sanitizer.

# %%
write(8)

# %% [markdown]
# ## 7. Extra: a runtime for a small chip
#
# `cuda.to_device`, `cuda.stream()` and a launch reach the GPU through a *runtime*, which is written by the vendor. Here is a chip without
# a runtime. It is simulated, and it can do very little:
#
# | what the chip can do | |
# |---|---|
# | `chip.size` | bytes of memory, with addresses from 0 |
# | `chip.new_queue()` | the number of a new queue of commands; queue 0 exists already |
# | `chip.put(queue, "write", address, values)` | from host to chip; `values` is uint8 `[n]`, and is read **when its turn comes** |
# | `chip.put(queue, "read", address, into)` | from chip to host; `into` is filled when its turn comes |
# | `chip.put(queue, "move", source, target, nbytes)` | within the chip |
# | `chip.put(queue, "run", function, arguments)` | run `function(memory, *arguments)` on the chip |
# | `chip.new_flag()` | the number of a new flag, which is down |
# | `chip.put(queue, "raise", flag)` | the flag is up from then on |
# | `chip.put(queue, "await", flag)` | the queue stands still until the flag is up |
# | `chip.is_up(flag)` | whether it is up |
# | `chip.drain(queue)` | the host waits until the queue is empty |
#
# Putting a command into a queue does not execute it. This chip postpones its work as long as possible: it executes commands only when
# the host waits for them. Write the runtime, a class whose constructor gets the chip:
#
# | method | what it does |
# |---|---|
# | `allocate(nbytes)` | the lowest free address that is a multiple of 16; `raise MemoryError` if no gap is large enough |
# | `free(address)` | waits until the chip has executed everything; then these bytes are free |
# | `memory_info()` | `(free, total)` bytes; a buffer counts rounded up to a multiple of 16 |
# | `upload(values, address, stream=0)` | does not wait; the caller may change `values` immediately afterwards |
# | `download(address, nbytes)` | a new uint8 array with these bytes, after everything that was put before into **any** stream |
# | `copy(source, target, nbytes, stream=0)` | does not wait |
# | `launch(function, arguments, stream=0)` | does not wait |
# | `stream()` | a new stream; 0 exists already |
# | `record(stream=0)` | an *event*: a mark after everything that is in the stream now |
# | `wait(event, stream)` | what is put into the stream from now on is executed only after the mark has been passed; the host does not wait |
# | `is_done(event)` | whether the mark has been passed; does not wait |
# | `synchronise(stream=None)` | waits for this stream, or for all |
#
# With 64 bytes:
#
# | call | result | why |
# |---|---|---|
# | `A = allocate(5)`, `B = allocate(20)` | 0, 16 | A takes 16 bytes, B 32 |
# | `memory_info()` | (16, 64) | |
# | `upload([1, 2], A, s)`, `e = record(s)` | | put into the queue of s |
# | `is_done(e)` | False | nobody has waited yet |
# | `wait(e, t)`, `copy(A, B, 2, t)` | | t pauses until e has been passed |
# | `synchronise(t)`, `is_done(e)` | True | t could not end before e |
# | `download(B, 2)` | [1, 2] | |

# %% task="python/device_runtime"

# %% [markdown]
# <details><summary>Hint 1: streams and events</summary>
#
# Which feature of the chip can serve as a stream, and which one as an event? Seven of the methods are then one line each.
#
# </details>
# <details><summary>Hint 2: what may change meanwhile</summary>
#
# `upload` returns before the chip has read `values`. What does the chip read if the caller changes them then? And what must have happened
# before the array that `download` returns can be looked at?
#
# </details>
# <details><summary>Hint 3: memory</summary>
#
# Keep a dictionary from addresses to bytes in use. Go through it in the order of addresses and remember the end of the last buffer: is the
# gap before the next one large enough? `(nbytes + 15) // 16 * 16` rounds up. `free` calls `synchronise()` first: a copy into these bytes may still be waiting.
#
# </details>

# %% test="runtime-public" points=5
check("device_runtime")

# %% test="runtime-hidden" points=2
# Other programs, when it is graded.
### BEGIN HIDDEN TESTS
check("device_runtime", seed=41007)
### END HIDDEN TESTS

# %% [markdown]
# All devices of the package have the same interface, `llaisys_mini/devices/device.py`. `ChipDevice` implements it with your runtime; the
# sanitizer plays the part of the chip that runs kernels. So the model runs unchanged: weights are uploaded with your `upload`, every operator
# is a `launch`, and each token is read with your `download`.

# %%
from llaisys_mini.devices import use_device
from llaisys_mini.devices.small_chip import ChipDevice

with use_device(ChipDevice(exercises.get("device_runtime").answering())) as chip:
    model = load_model("mini", device="chip")
    ids = model.tokenizer.encode("Once upon a time")
    print(model.tokenizer.decode(ids + list(model.generate(ids, 8, temperature=0))))
    free, total = chip.memory_info()
print(f"{total - free:,d} of {total:,d} bytes in use")
