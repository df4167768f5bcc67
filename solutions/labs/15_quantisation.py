# %% [markdown]
# # Lab 15: quantisation
#
# A model of 3 bits takes a fifth of the memory of one of 16 bits. With plain rounding it writes nonsense; with good methods it loses
# little. You write the product with integer weights, and three methods that make the loss by rounding smaller. After each of the three, a
# whole model is rounded with your function, and its loss on stories that it has not seen shows how good the method is.
#
# | part | minutes | |
# |---|---|---|
# | 1 a product with integer weights | 30 | required |
# | 2 the best scale | 25 | required |
# | 3 taking the inputs into account: AWQ | 35 | required |
# | 4 inputs of few bits: SmoothQuant | 15 | required |
# | 5 your kernel in the model | 5 | to look at |
# | 6, 7 a column of GPTQ, keys and values | 45 | extra: nothing later needs them |
# | 8 in your own words | 10 | required |
#
# The model is the shipped one with two outlier channels, as in the lecture. `held_out_loss` computes its mean loss per token on six stories:
# unrounded, rounded without your function, and rounded with it.

# %%
import numpy as np

from llaisys_mini import check, exercises, held_out_loss, load_model

# %% [markdown]
# ## 1. A product with integer weights
#
# The weight is stored as integers of one byte. Each row is divided into G groups of K / G neighbours, and each group has a scale.
#
# | array | shape | |
# |---|---|---|
# | `x` | [N, K] | float32, not rounded |
# | `weight` | [M, K] | int8 |
# | `scales` | [M, G] | floats of 32 or 16 bits: read them with `widen` |
# | `bias` | [M] or None | |
# | `out` | [N, M] | |
#
# `out[n, m]` is the sum over the groups g of `scales[m, g]` times the sum of `x[n, k] * weight[m, k]` over the members k of the group, and
# then the bias. Multiply by a scale **once per group**, not once per weight: this saves most of the multiplications by scales.
#
# With K = 4, G = 2, x = `[1, 2, 3, 4]`, weight = `[10, -5, 2, 1]` and scales = `[0.1, 0.5]`: the groups give 10 - 10 = 0 and 6 + 4 = 10, so
# the output is 0.1 · 0 + 0.5 · 10 = 5.

# %% task="cpu/linear_int8" id="linear-int8-cpu"
import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen


@kernel("linear_int8", device="cpu")
@njit(cache=True)
def linear_int8(x, weight, scales, bias, out):
    ### BEGIN SOLUTION
    groups = scales.shape[1]
    size = x.shape[1] // groups
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0)
            for g in range(groups):
                part = np.float32(0)
                for k in range(g * size, (g + 1) * size):
                    part += x[n, k] * np.float32(weight[m, k])
                total += part * widen(scales[m, g])
            if bias is not None:
                total += bias[m]
            out[n, m] = total
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: what is new?</summary>
#
# Begin with your plain `linear`, with its three loops. Which of them must be split into two nested loops, and why?
#
# </details>
# <details><summary>Hint 2: the members of a group</summary>
#
# A group has `x.shape[1] // scales.shape[1]` members. Where does group g begin, and where does the next one?
#
# </details>
# <details><summary>Hint 3: two sums</summary>
#
# Set `part` to 0 for every group, and add `x[n, k] * weight[m, k]` to it. After the group, `total += part * widen(scales[m, g])`. After
# all groups, add the bias to `total`, `if bias is not None`.
#
# </details>

# %% test="int8-public" points=4
check("linear_int8")

# %% test="int8-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear_int8", seed=41501)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The best scale
#
# How is the scale of a group chosen? The plain rule: the largest |w| is mapped to the largest integer, $2^{b-1} - 1$. With 3 bits the
# integers run from -4 to 3. A smaller scale clips the largest weight, but is finer for all others. Which is better?
#
# `best_scale(groups, bits)` tries, for every row of `groups` [G, S], the fractions 1.00, 0.98, 0.96, ..., 0.50 of the plain scale, and
# returns the scales [G] with the smallest sum of squared errors. The integers are `round(w / scale)`, clipped to the range of the bits. A
# row of zeros may get any positive scale.
#
# For the row `[0.9, 0.35, -0.4, 1.0]` and 3 bits the plain scale is 1 / 3. The integers are 3, 1, -1, 3, which represent 1, 0.333, -0.333, 1:
# the squared error is 0.0147. With the fraction 0.98 they represent 0.98, 0.327, -0.327, 0.98: a smaller error, 0.0127. With 0.90 they
# represent 0.9, 0.3, -0.3, 0.9: 0.0225. The best of all fractions is 0.96.

# %% task="python/best_scale"

# %% [markdown]
# <details><summary>Hint 1: one group first</summary>
#
# First think of one row: a loop over fractions with three lines in it. Which of these lines work on a whole array [G, S] without a change?
#
# </details>
# <details><summary>Hint 2: scales and groups</summary>
#
# The scales are [G], the groups [G, S]. `scale[:, None]` is [G, 1], and broadcasting does the rest.
#
# </details>
# <details><summary>Hint 3: each group keeps its own</summary>
#
# `lost = ((numbers * scale[:, None] - groups) ** 2).sum(axis=1)` has one entry for each group. With `better = lost < least`, `np.where` keeps
# the old or the new scale for each group. Where the plain scale is 0, take 1.
#
# </details>

# %% test="best-scale-public" points=3
check("best_scale")

# %% test="best-scale-hidden" points=2
# Other weights, when it is graded.
### BEGIN HIDDEN TESTS
check("best_scale", seed=41502)
### END HIDDEN TESTS

# %% [markdown]
# How much does it help? The next cell rounds all 56 projections of the model to 3 bits in groups of 32.

# %% test="best-scale-model" points=1
held_out_loss("best_scale").require(at_most=0.3)

# %% [markdown]
# ## 3. Taking the inputs into account: AWQ
#
# An error of a weight is multiplied by its input. If input k is 30 times as large as the others, the errors of column k have 30 times the
# effect. AWQ rounds such columns more finely: column k is multiplied by s[k] before rounding, and divided by it afterwards. (In the model
# the division costs nothing, since it is merged into the norm before.)
#
# `awq_scale(weight, x, round_weight)` returns s [K].
#
# - `weight` is [M, K], `x` [T, K] contains some inputs, and `round_weight(w)` returns a weight [M, K] after rounding.
# - `a[k]` is the mean of `|x[:, k]|` over the rows. Where it is below 1e-4 of the largest, take 1e-4 of the largest, since some inputs may
#   always be 0.
# - Try `s = a ** e` for e = 0, 0.1, 0.2, ..., 0.9. With each, the rounded weight is `round_weight(weight * s) / s`.
# - Return the s for which the **outputs** change least: the smallest sum of the squares of `x @ (weight - rounded).T`.
#
# With two inputs of mean size 16 and 1, e = 0.5 gives s = `[4, 1]`, and e = 0 gives `[1, 1]`, the plain rounding.

# %% task="python/awq_scale"

# %% [markdown]
# <details><summary>Hint 1: which error?</summary>
#
# Two weights have the same error; one is multiplied by inputs of 30, the other by inputs of 1. How do the errors of the weights compare, and
# how do the errors of the outputs?
#
# </details>
# <details><summary>Hint 2: the shapes</summary>
#
# `s` is [K], one number for each column, so `weight * s` is right. What is the shape of `x @ (weight - rounded).T`?
#
# </details>
# <details><summary>Hint 3: the loop</summary>
#
# Begin with `best, least = None, np.inf`. For `step in range(10)`: `s = a ** (step / 10)`, `rounded = round_weight(weight * s) / s`, the
# error, and an `if`.
#
# </details>

# %% test="awq-public" points=3
check("awq_scale")

# %% test="awq-hidden" points=2
# Other weights and inputs, when it is graded.
### BEGIN HIDDEN TESTS
check("awq_scale", seed=41503)
### END HIDDEN TESTS

# %% [markdown]
# Projections with the same input share s: query, key and value are treated as one weight. The next cell rounds the model with your s, and
# with the best scales of section 2.

# %% test="awq-model" points=1
held_out_loss("awq_scale").require(at_most=0.235)

# %% [markdown]
# ## 4. Inputs of few bits: SmoothQuant
#
# If the inputs are rounded too, the whole product can be computed with integers. But a row of inputs has only one scale, and a single
# outlier makes it too coarse for all other inputs. SmoothQuant divides input k by s[k] and multiplies column k of the weight by it, so that
# the inputs become easier to round and the weights a little harder.
#
# $$s_k = \frac{(\max |x_k|)^{\alpha}}{(\max_m |w_{mk}|)^{1 - \alpha}}$$
#
# `smooth(largest_inputs, weight, alpha)` returns s [K]. `largest_inputs` [K] contains $\max |x_k|$. Where this, or the whole column of the
# weight, is 0, s is 1.
#
# With largest inputs `[64, 1]`, weight `[[0.25, -0.25]]` and alpha 0.5: s = `[8 / 0.5, 1 / 0.5]` = `[16, 2]`. The largest inputs become
# `[4, 0.5]`, and so do the largest numbers of the columns.

# %% task="python/smooth"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The largest of a column: over which axis of `weight` [M, K]?
#
# </details>
# <details><summary>Hint 2</summary>
#
# What would the formula give for an input that is always 0, and what would dividing by that do?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Begin with `s = np.ones(K)`, compute `used = (largest_inputs > 0) & (columns > 0)`, and set only `s[used]`.
#
# </details>

# %% test="smooth-public" points=2
check("smooth")

# %% test="smooth-hidden" points=1
# Other inputs, when it is graded.
### BEGIN HIDDEN TESTS
check("smooth", seed=41504)
### END HIDDEN TESTS

# %% [markdown]
# The next cell rounds weights and inputs to 6 bits, with one scale for each row:

# %% test="smooth-model" points=1
held_out_loss("smooth").require(at_most=0.2)

# %% [markdown]
# ## 5. Your kernel in the model
#
# `llaisys-mini quantise` writes a folder with weights of one byte; `generate` then calls `linear_int8` for every projection. From now on
# that is your kernel, if it passed. The same from Python:

# %%
import tempfile
import textwrap
from pathlib import Path

from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.models.quantise import quantise

with tempfile.TemporaryDirectory() as folder:
    before, after = quantise("mini", Path(folder) / "mini-int8", "int8")
    small = load_model(Path(folder) / "mini-int8")
    print(f"{before / 1e6:.1f} MB become {after / 1e6:.1f} MB")
    print("linear_int8 answers from:", answering_kernel("linear_int8").kernel_set)
    ids = small.tokenizer.encode("Once upon a time")
    print(textwrap.fill(small.tokenizer.decode(ids + list(small.generate(ids, 40, temperature=0))), 100))

# %% [markdown]
# ## 6. Extra: a column of GPTQ
#
# GPTQ rounds one column after the other, and changes the later columns so that they compensate for the error.
# `gptq_column(weight, factor, column, scales, bits)` does this for one column, and returns `(numbers, weight)`.
#
# - `factor` is U [K, K], upper triangular, with $U^T U = (x^T x)^{-1}$. `scales` [M] has a scale for each row.
# - `numbers` [M]: round `weight[:, column] / scales`, and clip to $-2^{b-1}$ to $2^{b-1} - 1$.
# - e = (`weight[:, column]` - `numbers * scales`) / `U[column, column]`, [M].
# - In a copy of the weight, subtract `e * U[column, j]` from each column j after `column`, and set `column` to `numbers * scales`.
#
# With weight `[[0.4, 1.0]]`, scales `[1]`, column 0 and U = `[[2, -1], [0, 1]]`: the number is 0, e = 0.4 / 2 = 0.2, and column 1 becomes
# 1.0 - 0.2 · (-1) = 1.2. The second input resembles the first, so a larger second weight can compensate for the first.

# %% task="python/gptq_column"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# e is [M], a row of U is [K]. Which product of the two gives a change for every row and column?
#
# </details>
# <details><summary>Hint 2</summary>
#
# U is 0 below its diagonal. Do you need row `column` of it, or column `column`?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `changed[:, column + 1 :] -= np.outer(e, factor[column, column + 1 :])`.
#
# </details>

# %% test="gptq-public" points=2
check("gptq_column")

# %% [markdown]
# ## 7. Extra: keys and values
#
# For a long text the KV cache may be larger than the model. In keys some channels are large at every position; in values none are.
# `kv_quantize(keys, values, bits, block)` takes keys and values [S, D] of one head and returns both after rounding.
#
# - **Keys by channel**: the numbers of a channel in a block of `block` positions share a scale and a zero point. If the last block is not
#   full, it is not rounded.
# - **Values by position**: the D numbers of a position share a scale and a zero point.
# - Numbers are rounded asymmetrically: `lo = min(0, smallest)`, `hi = max(0, largest)`, `scale = (hi - lo) / (2 ** bits - 1)`, or 1 if that
#   is 0; `zero = round(-lo / scale)`; `q = round(w / scale) + zero`, clipped to 0 ... `2 ** bits - 1`; the result is `scale * (q - zero)`.
#
# For the numbers `[-1, 0, 2]` and 2 bits: lo = -1, hi = 2, scale 1, zero 1, q = `[0, 1, 3]`; nothing is lost.

# %% task="python/kv_quantize"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Both follow the same rule, along different axes. Write it once.
#
# </details>
# <details><summary>Hint 2</summary>
#
# With `keepdims=True`, the result of `x.min(axis=axis, keepdims=True)` can be combined with x by broadcasting.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Blocks begin at `range(0, len(keys) - block + 1, block)`: the last one is full. Copy the keys first.
#
# </details>

# %% test="kv-public" points=2
check("kv_quantize")

# %% [markdown]
# ## 8. In your own words
#
# Someone sets the smaller half of all weights of a model to zero and saves the file as before. The file is as large as before, and the
# model is not faster. Why? What would have to change in the file, and what in the kernel? And why can quantising to half the bits help
# immediately, when zeros did not?

# %% [markdown] written="zeros" points=2
# A zero takes as many bytes as any other float, and `linear` reads and multiplies it like any other. To save memory the file must leave the
# zeros out and say where the others belong, which costs bits too; a kernel must be written for that form, and it gains only if the pattern is
# regular enough to skip work in whole vectors or tiles, such as two of every four. Whole numbers of half the bits lie as regularly as floats:
# half the bytes are read for each weight, so where memory decides, the product is nearly twice as fast with an ordinary loop.
