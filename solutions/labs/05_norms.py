# %% [markdown]
# # Lab 05: norms
#
# Numbers that pass through many layers grow or shrink. A *normalisation*, norm for short, scales each row to a common magnitude.
# You write RMS norm, which Qwen uses, and then change it as little as possible into layer norm.
#
# About 75 minutes. All tasks are required. Plain loops are enough; in lab 08 you make them fast.

# %%
import numpy as np

from llaisys_mini import check, load_model, operators

# %% [markdown]
# ## 1. Root mean square normalisation
#
# `x` and `out` are `[N, E]`, `weight` is `[E]`, `eps` is a small number. For each row:
#
# $$\text{out}[n, e] = \text{weight}[e] \cdot \frac{x[n, e]}{\sqrt{\frac{1}{E} \sum_j x[n, j]^2 + \text{eps}}}$$
#
# With numbers: `x = [1, 2, 6]`, weight 1, eps 0.
#
# | step | result |
# |---|---|
# | squares | 1, 4, 36 |
# | their mean | 41 / 3 = 13.6667 |
# | its root | 3.6968 |
# | x / root | 0.2705, 0.5410, 1.6230 |
#
# Weights of real models are often stored in 16 bits: `widen(weight[e])` converts any storage format to float32.

# %% task="cpu/rms_norm"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen


@kernel("rms_norm", device="cpu")
@njit(cache=True)
def rms_norm(x, weight, eps, out):
    ### BEGIN SOLUTION
    width = x.shape[1]
    for n in range(x.shape[0]):
        squares = np.float32(0)
        for e in range(width):
            squares += x[n, e] * x[n, e]
        scale = np.float32(1 / math.sqrt(squares / width + eps))
        for e in range(width):
            out[n, e] = x[n, e] * scale * widen(weight[e])
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which part of the formula is the same for all elements of a row? How many times must it be computed, and when is it known?
#
# </details>
# <details><summary>Hint 2</summary>
#
# So there are two loops over the columns of a row. Which value must the variable of the first loop have when the next row begins?
#
# </details>
# <details><summary>Hint 3</summary>
#
# The first loop adds `x[n, e] * x[n, e]` to `squares`, which starts as `np.float32(0)`. Between the loops:
# `scale = np.float32(1 / math.sqrt(squares / width + eps))`.
#
# </details>

# %% test="rms-norm-public" points=3
check("rms_norm")

# %% test="rms-norm-hidden" points=3
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("rms_norm", seed=40502)
### END HIDDEN TESTS

# %% [markdown]
# The next cell sends rows of very different magnitudes through 30 layers, without and with your norm. Then the course's model writes
# some text. It calls `rms_norm` many times for each token, and from now on this is your kernel.

# %%
rng = np.random.default_rng(0)
layers = rng.normal(scale=(3 / 64) ** 0.5, size=(30, 64, 64)).astype(np.float32)
start = (rng.normal(size=(3, 64)) * [[0.01], [1], [100]]).astype(np.float32)
for normalised in (False, True):
    x = start
    for weight in layers:
        x = operators.rms_norm(x, np.ones(64, np.float32), 1e-6) if normalised else x
        x = operators.relu(x @ weight)
    print("with" if normalised else "without", "the norm:", np.sqrt((x * x).mean(axis=1)))

model = load_model("mini")
ids = model.tokenizer.encode("Once upon a time")
print(model.tokenizer.decode([*ids, *model.generate(ids, max_new_tokens=20, temperature=0)]))

# %% [markdown]
# ## 2. Layer normalisation
#
# `bias` is `[E]` too. $\mu_n$ is the mean of row n. $v_n$ is the variance, the mean of $(x[n, e] - \mu_n)^2$; the sum is divided by E and
# not by E - 1:
#
# $$\text{out}[n, e] = \text{weight}[e] \cdot \frac{x[n, e] - \mu_n}{\sqrt{v_n + \text{eps}}} + \text{bias}[e]$$
#
# With numbers: `x = [1, 2, 6]`, weight 1, bias 0, eps 0. The mean is 3, the variance (4 + 1 + 9) / 3 = 4.6667, its root
# 2.1602. Result: `[-0.9258, -0.4629, 1.3887]`.
#
# Copy the body of your `rms_norm`, and mark the lines that must change before you change them. How many lines are there?

# %% task="cpu/layer_norm"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen


@kernel("layer_norm", device="cpu")
@njit(cache=True)
def layer_norm(x, weight, bias, eps, out):
    ### BEGIN SOLUTION
    width = x.shape[1]
    for n in range(x.shape[0]):
        total = np.float32(0)
        for e in range(width):
            total += x[n, e]
        mean = total / np.float32(width)
        squares = np.float32(0)
        for e in range(width):
            squares += (x[n, e] - mean) * (x[n, e] - mean)
        scale = np.float32(1 / math.sqrt(squares / width + eps))
        for e in range(width):
            out[n, e] = (x[n, e] - mean) * scale * widen(weight[e]) + widen(bias[e])
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# $v_n$ depends on $\mu_n$. Could one loop over the row compute both? What would happen to the accuracy, for a row of numbers around 1000?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Where `rms_norm` has `x[n, e]`, layer norm has the difference from the mean: in the sum, and in the result.
#
# </details>
# <details><summary>Hint 3</summary>
#
# One more loop at the beginning: the sum of `x[n, e]`, divided by the width. Keep the mean float32. The bias is added last, after the
# multiplication by the weight.
#
# </details>

# %% test="layer-norm-public" points=3
check("layer_norm")

# %% test="layer-norm-hidden" points=3
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("layer_norm", seed=40501)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. In your own words
#
# In a model, the output of `rms_norm` goes through a linear layer, `out @ w.T`. After training, the norm's weight can be merged into w,
# and then the norm needs no weight. How does w change? And why can the division by the root mean square not be merged in the same
# way?

# %% [markdown] written="norm-merged" points=2
# Column e of w is multiplied by weight[e]: sum_e w[k, e] * weight[e] * x_e / root is the same sum. If several linear steps read
# the same output, each of them needs it. The root mean square is another number for each row, known only when the row is
# there; w is the same for all rows.
