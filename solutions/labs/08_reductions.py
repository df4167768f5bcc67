# %% [markdown]
# # Lab 08: reductions
#
# A sum over a row is a chain in which each addition waits for the one before. You break this chain: with vectors and cores on a CPU,
# with shuffles and shared memory on a GPU. At the end your `rms_norm` and `softmax` use
# vectors and all cores, as the course's own kernels do.
#
# About 155 minutes. Sections 1 to 5 and the written question are required (140 minutes). Section 6 is extra: no later lab needs it.
#
# You need no GPU. Without one, the sanitizer runs all threads on the CPU, watches every memory access, and counts the memory traffic.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic, explain, race

rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. RMS norm, fast on a CPU
#
# `explain` examines the machine code of your kernel. It must show three properties:
#
# - **vectorised sums**: the loop that adds up processes several floats with each instruction. The compiler does this only if it is
#   allowed to change the order of the additions: `fastmath=True` on the function with the loop.
# - **parallel**: rows do not depend on each other. `@njit(parallel=True, cache=True)`, and `prange` instead of `range` in the
#   loop over rows, divide them among the cores.
# - **no allocations**: no array is made inside the kernel. `x[n] * x[n]` makes one for each row.
#
# See which of them your kernel of lab 05 has:

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
# Put both loops over the columns into a helper function for one row, with `@njit(fastmath=True, cache=True)`. The kernel only loops over
# rows. Add the option `error_model="numpy"` to the helper: then a division by zero gives inf, as in NumPy, instead of an error.
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
# A norm does little arithmetic for each number it reads, so its speed is limited by memory: this limit is the dashed line. How close does
# your kernel come, and from how many rows on do several cores help?

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
# Required, besides the right result: at least one loop is **vectorised**, the rows are divided among the cores, and nothing is
# allocated.
#
# The loop that divides can be vectorised, since its iterations are independent. Loops that call `math.exp` cannot, since it takes a single
# number. Do not use `fastmath=True` here: it lets the compiler assume that there are no infinities, but a masked score is $-\infty$.
#
# Example: of the three loops for `[1, 2, 4]`, the last one divides 0.0498, 0.1353 and 1 by 1.1851. With
# vectors it divides 4, 8 or 16 numbers of a row at once.

# %% task="cpu/softmax"

# %% [markdown]
# <details><summary>Hint 1: nothing is vectorised</summary>
#
# Then the division is in the same loop as something that processes one number at a time. Give it a loop of its own, over
# the columns, that does nothing else.
#
# </details>
# <details><summary>Hint 2: which loop gets prange</summary>
#
# Only the outermost loop, the one over rows. Variables that are assigned inside a `prange` loop are separate for each iteration.
#
# </details>
# <details><summary>Hint 3: Numba says that parallel=True did nothing</summary>
#
# It found no `prange`. Import it with `from numba import njit, prange`, and use it in the kernel that has `parallel=True`, not in a
# helper.
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
# Write the operator `add` of lab 00, `out[i] = x[i] + y[i]`, for a GPU. A GPU kernel is written for one thread; very many threads run it
# at once. You write two functions:
#
# - one under `@cuda.jit`, which every thread runs. `cuda.grid(1)` is the number of the thread among all threads. Threads are launched in
#   whole blocks, so some numbers are beyond the end of the array: those threads must do nothing.
# - the launcher under `@kernel`, an ordinary function. It chooses how many blocks of how many threads are launched:
#   `add_kernel[blocks, threads](x, y, out)`.
#
# Example: 1000 elements and 256 threads per block take 4 blocks, `(1000 + 255) // 256`. That is 1024 threads; the last 24 do nothing.

# %% task="cuda/add"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Each thread runs the function once. What replaces the loop of lab 00, and how does a thread know which element it computes?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Above the launcher write `@cuda.jit` and `def add_kernel(x, y, out):`. Its first line is `i = cuda.grid(1)`. For which `i` must the
# thread do nothing?
#
# </details>
# <details><summary>Hint 3</summary>
#
# If `i` is below `out.size`, do what the line in your loop on the CPU did. The launcher computes the number of blocks and calls
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
# Now leave out the `if`, and run the cell and the check: which thread reads out of bounds, and in which array? Then put the `if` back and
# run the check again.

# %% [markdown]
# ## 4. RMS norm on a GPU, with a reduction of your own
#
# Again two functions, the kernel under `@cuda.jit` and the launcher under `@kernel`. Here
# one block of 128 threads takes one row: `rms_norm_kernel[x.shape[0], 128](...)`. Thread t takes the columns t, t + 128, t + 256, ...,
# so that neighbouring threads read neighbouring numbers. `cuda.blockIdx.x` is the number of the block, `cuda.threadIdx.x` that of the
# thread in it.
#
# The mean square depends on all threads of the block. Write the sum over the block yourself, as a function under
# `@cuda.jit(device=True)`, which kernels can call:
#
# 1. **Within a warp** of 32 threads: `cuda.shfl_xor_sync(0xFFFFFFFF, value, step)` gives each thread the value of the thread whose number
#    differs in one bit. Add it, for the steps 16, 8, 4, 2, 1. Then all 32 hold the sum of the warp.
# 2. **Between warps**: the first thread of each warp stores its sum in shared memory, `cuda.shared.array(4, np.float32)`.
#    `cuda.syncthreads()` makes all threads wait until this is done. Then every thread adds the four numbers.
#
# With four threads that hold 1, 2, 3, 4:
#
# | step | thread 0 | 1 | 2 | 3 |
# |---|---|---|---|---|
# | at first | 1 | 2 | 3 | 4 |
# | 2 | 1 + 3 = 4 | 2 + 4 = 6 | 3 + 1 = 4 | 4 + 2 = 6 |
# | 1 | 4 + 6 = 10 | 6 + 4 = 10 | 4 + 6 = 10 | 6 + 4 = 10 |
#
# `eps` is a Python number; pass `np.float32(eps)` to the kernel, since float64 is slow on most GPUs.
# Required: the right result, with at most 1.3 times the necessary bytes moved.

# %% task="cuda/rms_norm"

# %% [markdown]
# <details><summary>Hint 1: the kernel</summary>
#
# What does one thread know after its own loop over `range(cuda.threadIdx.x, x.shape[1], 128)`, and what must it know before it can
# write a result? Between the two, every thread calls the block sum once.
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
# The four sums are stored by four threads and read by all 128. The barrier must be between the two, outside any `if`.
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
# The largest score and the sum depend on all threads of the block. `block_max(value)` and `block_sum(value)` are given: every thread passes
# its part, and every thread gets the result for the whole block. You have just written the second one yourself. **Every** thread of the
# block must call them, even if it has no columns.
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
# In a row of 3 columns, 125 threads have no column, and still must pass a value. Which value does not change a maximum, and which one
# does not change a sum?
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
# This kernel needs two sums, one after the other: first for the mean, then for the squared differences from it. `block_sum` is given here.
# If you call your own block sum twice in a kernel, you need a barrier between the two calls: a fast warp might overwrite the four numbers
# of the first sum while a slow one still reads them.
#
# With 3 threads and the row `[1, 2, 6]`: the parts 1, 2 and 6 make the sum 9 and the mean 3, in every thread. The parts of the second sum
# are then 4, 1 and 9, and the variance is 14 / 3 = 4.6667.

# %% task="cuda/layer_norm"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which lines of your `rms_norm` on a GPU must change? Are they the same as in lab 05?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Could both sums be computed in one loop? What would happen to the accuracy, for a row of numbers around 1000?
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
# For the same row, your `rms_norm` kernels of lab 05, of section 1 and of section 4 give results that differ in the last digits. A
# fellow student says: then at most one of them is right. What do you answer? Which of the three do you expect to be closest to the
# exact result for a row of a million numbers?

# %% [markdown] written="which-is-right" points=2
# Each addition rounds, and the three add in different orders, so they round differently. None is exact; each is right if it is within
# the error that rounding explains, which is measured against float64. In one chain a sum of a million grows large, and small numbers
# lose digits against it; the error grows with the number of additions after each other. Partial sums stay smaller: on the GPU a thread
# adds 1,000,000 / 128 numbers, then there are 5 + 4 steps, so that version should be nearest, and the chain of lab 05 farthest.
# (Measured with normal random numbers: relative errors of about 4e-4 for the chain, 3e-6 with 32 partial sums, 3e-7 on the GPU.)
