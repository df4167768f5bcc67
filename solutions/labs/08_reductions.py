# %% [markdown]
# # Lab 08: reductions
#
# A sum over a row is a chain in which each addition waits for the one before. You break it: with vectors and cores on a CPU, with
# shuffles and shared memory on a GPU. `rms_norm` and `softmax` come out of it as the model uses them.
#
# About 155 minutes. Sections 1 to 5 and the written question are required (140 minutes), section 6 is extra: nothing later builds on it.
#
# You need no GPU. Where there is none, the sanitizer runs all threads on the CPU, watches every access to memory, and counts the traffic.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic, explain, race

rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. RMS norm, fast on a CPU
#
# `explain` looks at the machine code of your kernel. Three facts are wanted:
#
# - **vectorised sums**: the loop that adds up works on several floats per instruction. The compiler does so only if it may add in
#   another order: `fastmath=True` on the function that holds the loop.
# - **parallel**: rows do not depend on each other. `@njit(parallel=True, cache=True)`, and `prange` in place of `range` in the
#   loop over rows, share them among the cores.
# - **no allocations**: no array is made inside the kernel. `x[n] * x[n]` makes one for each row.
#
# What your kernel of lab 05 has of them:

# %%
explain("rms_norm")

# %% [markdown]
# Its formula, once more: `out[n, e] = weight[e] * x[n, e] / sqrt(mean of x[n]^2 + eps)`. With numbers: `[1, 2, 6]` becomes
# `[0.2705, 0.5410, 1.6230]`.

# %% task="cpu/rms_norm"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `fastmath` and `parallel` need not stand on the same function. Which loop needs which of the two?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A helper for one row, with `@njit(fastmath=True, cache=True)`, holds both loops over the columns. The kernel only loops over rows. In
# front of the helper's options put `error_model="numpy"`: then a division by zero gives inf, as in NumPy, in place of an error.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `normalise_row(x, weight, eps, out, row)` is the body of lab 05 for one row, unchanged. The kernel is
# `for row in prange(x.shape[0]):` and the call.
#
# </details>

# %% test="rms-norm-public" points=1
check("rms_norm")

# %% test="rms-norm-compiled" points=3
explain("rms_norm").require(vectorised_sums=True, parallel=True, allocations=0)

# %% test="rms-norm-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("rms_norm", seed=40801)
### END HIDDEN TESTS

# %% [markdown]
# A norm does little arithmetic for each number it reads, so memory sets the pace: that is the dashed line. How near do you come, and
# from how many rows on do the cores pay?

# %%
weight = rng.normal(size=1024)
race(
    "rms_norm",
    lambda rows: dict(x=rng.normal(size=(rows, 1024)), weight=weight, eps=1e-6),
    (1, 16, 256, 2048),
    size_name="rows of 1024 numbers",
)

# %% [markdown]
# ## 2. Softmax, fast on a CPU
#
# Two facts besides the right result: at least one loop is **vectorised**, and rows are shared among the cores. No allocations.
#
# The loop that divides can be vectorised: its steps do not need each other. Loops that call `math.exp` cannot, since it takes one
# number. Leave `fastmath=True` away here: it lets the compiler assume that there is no infinity, and a masked score is $-\infty$.
#
# Example: of the three loops for `[1, 2, 4]`, the last one divides 0.0498, 0.1353 and 1 by 1.1851; with
# vectors it divides 4, 8 or 16 numbers of a row at a time.

# %% task="cpu/softmax"

# %% [markdown]
# <details><summary>Hint 1: nothing is vectorised</summary>
#
# Then the division stands in the same loop as something that takes one number at a time. Give it a loop of its own, over
# the columns, that does nothing else.
#
# </details>
# <details><summary>Hint 2: which loop gets prange</summary>
#
# Only the outermost loop, the one over rows. Inside a `prange` loop the variables of one row stay within that row.
#
# </details>
# <details><summary>Hint 3: Numba says that parallel=True did nothing</summary>
#
# It found no `prange`. It must be imported, `from numba import njit, prange`, and stand in the kernel that has
# `parallel=True`, not in a helper.
#
# </details>

# %% test="softmax-public" points=1
check("softmax")

# %% test="softmax-compiled" points=2
explain("softmax").require(vectorised=True, parallel=True, allocations=0)

# %% test="softmax-hidden" points=1
# The same kernel on other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("softmax", seed=40802)
### END HIDDEN TESTS

# %%
race("softmax", lambda rows: dict(x=rng.normal(size=(rows, 1024))), (4, 16, 64, 256), size_name="rows of 1024 scores")

# %% [markdown]
# ## 3. A first kernel for a GPU
#
# The operator `add` of lab 00, `out[i] = x[i] + y[i]`, for a GPU. A GPU kernel is written for one thread; very many run it at once. It
# consists of two functions:
#
# - one under `@cuda.jit`, which every thread runs. `cuda.grid(1)` is the number of the thread among all. Threads come in whole blocks,
#   so some numbers lie beyond the end of the array: those threads must do nothing.
# - the launcher under `@kernel`, an ordinary function. It says how many blocks of how many threads there are:
#   `add_kernel[blocks, threads](x, y, out)`.
#
# Example: 1000 elements and 256 threads per block take 4 blocks, `(1000 + 255) // 256`. That is 1024 threads; the last 24 do nothing.

# %% task="cuda/add"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Each thread runs the function once. What has become of the loop of lab 00, and how does a thread know which element is its own?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Above the launcher write `@cuda.jit` and `def add_kernel(x, y, out):`. Its first line is `i = cuda.grid(1)`. For which `i` must it do
# nothing?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Where `i` is below `out.size`, the line that was in your loop on the CPU. The launcher computes the number of blocks and calls
# `add_kernel[blocks, 256](x, y, out)`.
#
# </details>

# %% test="add-gpu-public" points=1
check("add", device="cuda")

# %% test="add-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("add", device="cuda", seed=40002)
### END HIDDEN TESTS

# %% [markdown]
# Now leave out the `if`, and run the cell and the check: which thread reads out of bounds, and of which array? Then put it back and run the
# check again.

# %% [markdown]
# ## 4. RMS norm on a GPU, with a reduction of your own
#
# Again two functions, the kernel under `@cuda.jit` and the launcher under `@kernel`. Here
# one block of 128 threads takes one row: `rms_norm_kernel[x.shape[0], 128](...)`. Thread t takes the columns t, t + 128, t + 256, ...,
# so that neighbouring threads read neighbouring numbers. `cuda.blockIdx.x` is the number of the block, `cuda.threadIdx.x` that of the
# thread in it.
#
# The mean square needs all threads of the block. Build the sum over the block yourself, as a function under
# `@cuda.jit(device=True)`, which kernels can call:
#
# 1. **Within a warp** of 32 threads: `cuda.shfl_xor_sync(0xFFFFFFFF, value, step)` gives each thread the value of the thread whose number
#    differs in one bit. Add it, for the steps 16, 8, 4, 2, 1. Then all 32 hold the sum of the warp.
# 2. **Between warps**: the first thread of each warp stores its sum in shared memory, `cuda.shared.array(4, np.float32)`.
#    `cuda.syncthreads()`. Then every thread adds the four numbers.
#
# With four threads that hold 1, 2, 3, 4:
#
# | step | thread 0 | 1 | 2 | 3 |
# |---|---|---|---|---|
# | at first | 1 | 2 | 3 | 4 |
# | 2 | 1 + 3 = 4 | 2 + 4 = 6 | 3 + 1 = 4 | 4 + 2 = 6 |
# | 1 | 4 + 6 = 10 | 6 + 4 = 10 | 4 + 6 = 10 | 6 + 4 = 10 |
#
# `eps` arrives as a Python number; hand `np.float32(eps)` to the kernel: float64 is slow on most GPUs.
# Required: the right result, with at most 1.3 times the necessary bytes moved.

# %% task="cuda/rms_norm"

# %% [markdown]
# <details><summary>Hint 1: the kernel</summary>
#
# What does one thread know after its own loop over `range(cuda.threadIdx.x, x.shape[1], 128)`, and what must it know before it can
# write a result? What lies between is one call of the block sum, by every thread.
#
# </details>
# <details><summary>Hint 2: the block sum</summary>
#
# `step = 16`, `while step > 0:` add the shuffled value, `step //= 2`. Thread t belongs to warp `t // 32`, and is its first if
# `t % 32 == 0`.
#
# </details>
# <details><summary>Hint 3: the barrier</summary>
#
# The four sums are stored by four threads and read by all 128. The barrier stands between the two, outside every `if`.
#
# </details>

# %% test="rms-norm-gpu-public" points=3
check("rms_norm", device="cuda")

# %% test="rms-norm-gpu-traffic" points=1
rows = dict(x=np.random.default_rng(0).normal(size=(4, 256)), weight=np.ones(256), eps=1e-6)
count_gpu_traffic("rms_norm", rows).require(waste=1.3)

# %% test="rms-norm-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("rms_norm", device="cuda", seed=40503)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Softmax on a GPU
#
# Again one block of 128 threads per row, with two reductions.
#
# The largest score and the sum need all threads of the block. `block_max(value)` and `block_sum(value)` are given: every thread hands in
# its part, and every thread gets the whole. You have just built the second yourself. **Every** thread of the block must call them,
# also one that has no columns.
#
# With 3 threads in place of 128, and the row `[1, 2, 4, 0]`: thread 0 takes the columns 0 and 3, so its part of the maximum is 1; the parts
# of the others are 2 and 4. `block_max` gives 4 to all.
#
# Required: the right result, with at most 1.3 times the necessary bytes moved.

# %% task="cuda/softmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# On the CPU there were three loops over a row. Which of them are followed by a reduction here?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In a row of 3 columns, 125 threads have none, and still hand in something. What leaves a maximum as it is, and what a sum?
#
# </details>
# <details><summary>Hint 3</summary>
#
# First loop, then `top = block_max(top)`; second loop adds `math.exp(x[row, c] - top)`, then `total = block_sum(total)`; the third
# stores the exponential divided by the total.
#
# </details>

# %% test="softmax-gpu-public" points=3
check("softmax", device="cuda")

# %% test="softmax-gpu-traffic" points=1
count_gpu_traffic("softmax", dict(x=np.random.default_rng(0).normal(size=(4, 256)))).require(waste=1.3)

# %% test="softmax-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("softmax", device="cuda", seed=40420)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Layer norm on a GPU (extra)
#
# The same with two sums, one after the other: first the mean, then the squared differences to it. `block_sum` is given here. When you use
# your own one twice in a kernel, a barrier is needed between the two calls: a fast warp may overwrite the four numbers of the first sum
# while a slow one still reads them.
#
# With 3 threads and the row `[1, 2, 6]`: the parts 1, 2 and 6 make the sum 9 and the mean 3, in every thread. The parts of the second sum
# are then 4, 1 and 9, and the variance is 14 / 3 = 4.6667.

# %% task="cuda/layer_norm"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which lines of your `rms_norm` on a GPU have to change, and are they those that changed in lab 05?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Could both sums be taken in one loop? What would be the price, for a row around 1000?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Three loops over the thread's columns: `part += x[row, e]`, then `mean = block_sum(part) / np.float32(width)`; `part` from 0 again, the
# squared differences, `block_sum` again; the result.
#
# </details>

# %% test="layer-norm-gpu-public" points=2
check("layer_norm", device="cuda")

# %% test="layer-norm-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("layer_norm", device="cuda", seed=40504)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. In your own words
#
# For the same row your `rms_norm` of lab 05, that of section 1 and that of section 4 give results that differ in the last digits. A
# fellow student says: then at most one of them is right. What do you answer, and which of the three would you expect to be nearest to
# the exact result for a row of a million numbers?

# %% [markdown] written="which-is-right" points=2
# Each addition rounds, and the three add in different orders, so they round differently. None is exact; each is right if it is within
# the error that rounding explains, which is measured against float64. In one chain a sum of a million grows large, and small numbers
# lose digits against it; the error grows with the number of additions after each other. Partial sums stay smaller: on the GPU a thread
# adds 1,000,000 / 128 numbers, then there are 5 + 4 steps, so that version should be nearest, and the chain of lab 05 farthest.
# (Measured with normal random numbers: relative errors of about 4e-4 for the chain, 3e-6 with 32 partial sums, 3e-7 on the GPU.)
