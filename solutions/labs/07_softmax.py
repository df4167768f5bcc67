# %% [markdown]
# # Lab 07: softmax
#
# A model ends with a row of scores, one per token. Softmax turns the scores into probabilities.
# You write it as a kernel, reduce its three passes over a row to two, and write the loss that training minimises.
#
# About 110 minutes. All tasks are required.

# %%
import numpy as np

from llaisys_mini import check, count_traffic, race

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
# Why subtract the largest score? $e^{89}$ is too large for float32, and a score of 89 is not unusual.
# Subtracting the same number from all scores of a row does not change the result. The largest exponential is then 1.
#
# Write one loop over the rows, and inside it as many loops over the columns as you need.
# The cell is saved as a file of its own, so it must contain its own imports and helper functions.

# %% task="cpu/softmax"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("softmax", device="cpu")
@njit(cache=True)
def softmax(x, out):
    ### BEGIN SOLUTION
    for n in range(x.shape[0]):
        top = x[n, 0]
        for c in range(x.shape[1]):
            top = max(top, x[n, c])
        total = np.float32(0)
        for c in range(x.shape[1]):
            out[n, c] = math.exp(x[n, c] - top)
            total += out[n, c]
        for c in range(x.shape[1]):
            out[n, c] /= total
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which loops</summary>
#
# What must be known before the first exponential is computed? And before the first probability? Each answer is a loop.
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
# How many times does your kernel read each number? `count_traffic` runs it as plain Python and counts. An element of a row is loaded once
# in each loop that uses it; a value that is kept in a variable is not loaded again.

# %%
count_traffic("softmax")

# %% [markdown]
# ## 2. Two parts of a row
#
# Often a row is processed in parts, for example by several cores, or block by block in attention. Of each part we keep two numbers: its
# largest score $m$, and the sum $s$ of $e^{x - m}$ over its scores. Compute both for two parts together:
#
# | part | scores | m | s |
# |---|---|---|---|
# | a | 1, 2 | 2 | $e^{-1} + e^0 = 1.3679$ |
# | b | 4 | 4 | $e^0 = 1$ |
# | both | 1, 2, 4 | 4 | $1.3679 \cdot e^{2-4} + 1 = 1.1851$ |
#
# A part without scores has $m = -\infty$, $s = 0$. This task is plain Python, not a kernel.

# %% task="python/merge_softmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Each sum was computed relative to its own maximum. What must be done before the two can be added?
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
# ## 3. Online softmax, a kernel
#
# A single score x is a part too, with $m = x$, $s = 1$. So one pass over a row is enough to compute m and s: keep a running m and a
# running s, and merge each score into them. A second pass writes the probabilities.
#
# For the row `[1, 2, 4]`:
#
# | after | m | s |
# |---|---|---|
# | nothing | $-\infty$ | 0 |
# | 1 | 1 | 1 |
# | 2 | 2 | $1 \cdot e^{1-2} + 1 = 1.3679$ |
# | 4 | 4 | $1.3679 \cdot e^{2-4} + 1 = 1.1851$ |
#
# Then $e^{1-4} / 1.1851 = 0.0420$, and so on, as in section 1.
#
# Required: the right result, with at most 2.1 loads for each number. A row may begin with scores of $-\infty$, which a mask produces.

# %% task="cpu/softmax" id="softmax-online"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("softmax", device="cpu")
@njit(cache=True)
def softmax(x, out):
    ### BEGIN SOLUTION
    for n in range(x.shape[0]):
        top, total = np.float32(-math.inf), np.float32(0)
        for c in range(x.shape[1]):
            score = x[n, c]
            if score > top:
                total = total * np.float32(math.exp(top - score)) + np.float32(1)
                top = score
            elif score > -math.inf:
                total += np.float32(math.exp(score - top))
        for c in range(x.shape[1]):
            out[n, c] = math.exp(x[n, c] - top) / total
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# There are two cases: the score is above the running m, or it is not. In which case must the sum so far be rescaled, and which of the
# two exponentials is 1?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Read `x[n, c]` into a variable once. `-inf - -inf` is NaN: what should a score of $-\infty$ do to m and s?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Start with `top, total = np.float32(-math.inf), np.float32(0)`. A larger score: `total = total * exp(top - score) + 1`, then
# `top = score`. Otherwise, unless it is `-math.inf`: `total += exp(score - top)`. Keep all of them float32.
#
# </details>

# %% test="softmax-online-public" points=2
check("softmax")

# %% test="softmax-online-traffic" points=1
count_traffic("softmax").require(loads_of_each_number=2.1)

# %% test="softmax-online-hidden" points=1
# The same kernel on other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("softmax", seed=40421)
### END HIDDEN TESTS

# %% [markdown]
# Is it faster with one pass fewer? The next cell compares the speed of both of your kernels and of NumPy's three passes. Before you run
# it: what takes longer on a CPU, a read or an exponential? How many exponentials does each version compute for each number?

# %%
rng = np.random.default_rng(0)
race("softmax", lambda rows: dict(x=rng.normal(size=(rows, 1024))), (4, 16, 64, 256), size_name="rows of 1024 scores")

# %% [markdown]
# ## 4. Cross-entropy
#
# `logits` is `[N, V]`: N rows of scores over V tokens. `targets` is `[N]`: the index of the right token of each row.
# `out` is `[N]`: the loss of each row, in nats (with the natural logarithm).
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
# How many logarithms does a row need? And can you do it in one pass, with what you have just written?
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
# ## 5. In your own words
#
# A fellow student subtracts the *mean* of each row instead of its maximum, and all of their tests pass.
# Write down a row of three scores for which this goes wrong in float32. Say what the result is, and why.

# %% [markdown] written="softmax-mean" points=2
# With the row [0, 0, 300] the mean is 100. The largest exponent is then 200, and e^200 is above 3.4e38, the largest
# float32, so the exponential becomes inf. The sum is inf too: out is 0 for the first two and inf / inf = NaN for the last.
# Subtracting the maximum never gives a positive exponent.
