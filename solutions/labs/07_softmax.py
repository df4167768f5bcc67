# %% [markdown]
# # Lab 07: softmax
#
# A model ends with a row of scores, one per token. Softmax turns the scores into probabilities.
# You write it as a kernel, make it fast, learn to compute it in one pass, and write the loss that training minimises.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic, explain, race

# %% [markdown]
# ## 1. Safe softmax
#
# `x` has the shape `[N, C]`: N rows of C scores. `out` has the same shape. Both are float32.
#
# $$\text{out}[n, c] = \frac{e^{x[n, c] - m_n}}{\sum_j e^{x[n, j] - m_n}} \qquad m_n = \max_j x[n, j]$$
#
# One row with numbers, `x = [1, 2, 4]`:
#
# | step | result |
# |---|---|
# | the largest score | 4 |
# | scores minus the largest | -3, -2, 0 |
# | exponentials | 0.0498, 0.1353, 1 |
# | their sum | 1.1851 |
# | exponentials / sum | 0.0420, 0.1142, 0.8438 |
#
# Why subtract the largest score? $e^{89}$ is too large for float32, and a score of 89 is nothing unusual.
# Subtracting the same number from all scores of a row changes nothing in the result. The largest exponential is then 1.
#
# Write one loop over the rows, and inside it as many loops over the columns as you need.
# The cell is saved as a file of its own. So it holds its own imports and helper functions.

# %% task="cpu/softmax"

# %% [markdown]
# <details><summary>Hint 1: which loops</summary>
#
# Three loops over the columns of a row: find the largest score, add up the exponentials, divide.
#
# </details>
# <details><summary>Hint 2: types</summary>
#
# `math.exp` takes one number. Start the sum with `np.float32(0)`: a plain `0` is an integer, and Numba wants each
# variable to keep one type.
#
# </details>
# <details><summary>Hint 3: nearly all of it</summary>
#
# For each row `n`: set `top` to `x[n, 0]` and raise it with `max(top, x[n, c])`. In the second loop store
# `math.exp(x[n, c] - top)` in `out[n, c]` and add the same number to `total`. In the third loop divide `out[n, c]` by
# `total`.
#
# </details>

# %% test="softmax-public" points=3
check("softmax")

# %% test="softmax-hidden" points=3
# The same kernel on other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("softmax", seed=40417)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. What did the compiler make of it?
#
# `explain` looks at the machine code of your kernel. Two points are for facts that it finds:
#
# - **vectorised**: at least one loop works on several floats per instruction. The loop that divides can: its steps do not
#   need each other. The loops for the maximum and the sum carry one number from step to step, and `math.exp` takes one
#   number: they stay one float at a time.
# - **parallel**: rows do not depend on each other. `@njit(parallel=True, cache=True)` and `prange` in place of `range` in
#   the loop over rows share them among the cores.
#
# The kernel should allocate no array. `x[n] - top` allocates one for each row.

# %%
explain("softmax")

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

# %% test="softmax-compiled" points=2
explain("softmax").require(vectorised=True, parallel=True, allocations=0)

# %% [markdown]
# How fast is it? The dashed line is what the memory of this machine allows. Each score is read and written once.
# NumPy has a vectorised `exp`; yours calls the one of the C library, one number at a time. When you change your kernel
# and it passes again, the race shows both versions.

# %%
rng = np.random.default_rng(0)
race("softmax", lambda rows: dict(x=rng.normal(size=(rows, 1024))), (4, 16, 64, 256), size_name="rows of 1024 scores")

# %% [markdown]
# ## 3. One pass
#
# Your kernel reads each row three times. When a row comes in parts (from memory, from another core, from the next block of
# keys in attention), one pass is enough. Each part is known by two numbers: its largest score $m$, and the sum $s$ of
# $e^{x - m}$ over its scores. Merge two parts:
#
# | part | scores | m | s |
# |---|---|---|---|
# | a | 1, 2 | 2 | $e^{-1} + e^0 = 1.3679$ |
# | b | 4 | 4 | $e^0 = 1$ |
# | both | 1, 2, 4 | 4 | $1.3679 \cdot e^{2-4} + 1 = 1.1851$ |
#
# A part without scores is $m = -\infty$, $s = 0$. This one is plain Python, no kernel.

# %% task="python/merge_softmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The maximum of both parts is the larger of the two maxima. Each sum was made with its own maximum: bring both to the new.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $e^{x - m_\text{new}} = e^{x - m_\text{old}} \cdot e^{m_\text{old} - m_\text{new}}$: one factor for the whole sum.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Two empty parts: `-inf - -inf` is NaN. Return `-inf` and `0.0` before anything is subtracted.
#
# </details>

# %% test="merge-public" points=1
check("merge_softmax")

# %% test="merge-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("merge_softmax", seed=40418)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Cross-entropy
#
# `logits` is `[N, V]`: N rows of scores over V tokens. `targets` is `[N]`: the index of the right token of each row.
# `out` is `[N]`: how surprised the model is, in nats.
#
# $$\text{out}[n] = \log \sum_v e^{\text{logits}[n, v]} - \text{logits}[n, \text{targets}[n]]$$
#
# With numbers: `logits = [1, 2, 4]`, target 1. The probability of token 1 is 0.1142, and $-\log 0.1142 = 2.1698$.
#
# Do not take the logarithm of a softmax. When the right token is very unlikely, its probability rounds to 0, and the loss
# becomes infinite. Subtract the maximum inside the sum, and add it again outside the logarithm.

# %% task="cpu/cross_entropy"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Two loops over the columns: the largest logit, then the sum of exponentials. The logarithm is taken once per row.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $\log \sum_v e^{z_v} = m + \log \sum_v e^{z_v - m}$
#
# </details>
# <details><summary>Hint 3</summary>
#
# The result of row `n` is `top + math.log(total)` minus `logits[n, targets[n]]`.
#
# </details>

# %% test="cross-entropy-public" points=2
check("cross_entropy")

# %% test="cross-entropy-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("cross_entropy", seed=40419)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Softmax on a GPU
#
# One block per row, 128 threads per block. Thread t takes the columns t, t + 128, t + 256, ... So neighbouring threads read
# neighbouring numbers.
#
# The largest score and the sum need all threads of the block. `block_max(value)` and `block_sum(value)` are given: every thread hands in
# its part, and every thread gets the whole. (In lab 05 you build one yourself.) **Every** thread of the block must call them, also one
# that has no columns.
#
# With 3 threads in place of 128, and the row `[1, 2, 4, 0]`: thread 0 takes the columns 0 and 3, so its part of the maximum is 1; the parts
# of the others are 2 and 4. `block_max` gives 4 to all.
#
# `cuda.blockIdx.x` is the number of the block, `cuda.threadIdx.x` that of the thread in it. The launcher is `softmax_kernel[x.shape[0], 128](x, out)`.
# Required: the right result, with at most 1.3 times the necessary bytes moved.

# %% task="cuda/softmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A thread's loop over its columns is `for c in range(cuda.threadIdx.x, x.shape[1], 128):`. There are three such loops.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A thread without columns must not spoil the maximum: start with `np.float32(-math.inf)`. For the sum start with `np.float32(0)`.
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
# ## 6. In your own words
#
# A fellow student subtracts the *mean* of each row instead of its maximum, and all of their tests pass.
# Write down a row of three scores for which this goes wrong in float32, and say what comes out and why.

# %% [markdown] written="softmax-mean" points=2
# With the row [0, 0, 300] the mean is 100. The largest exponent is then 200, and e^200 is above 3.4e38, the largest
# float32, so the exponential becomes inf. The sum is inf too: out is 0 for the first two and inf / inf = NaN for the last.
# Subtracting the maximum never gives a positive exponent.
