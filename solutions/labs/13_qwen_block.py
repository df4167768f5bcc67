# %% [markdown]
# # Lab 13: the Qwen block
#
# A Qwen model consists of many blocks of the same form. You write the last two operators that a block needs, for the CPU and for a GPU,
# and then build a block from your operators.
#
# | part | minutes | |
# |---|---|---|
# | 1 swiglu | 20 | required |
# | 2 add_rms_norm, two operators in one pass | 25 | required |
# | 3 both on a GPU | 35 | required |
# | 4 the MLP: the half of a block that works on each token separately | 15 | required |
# | 5 query, key and value | 25 | required |
# | 6 attention: the half that combines tokens | 10 | required |
# | 7, 8 a block of the shipped model; in your own words | 15 | required |

# %%
import numpy as np

from llaisys_mini import Tensor, check, count_gpu_traffic, count_traffic, exercises, explain, load_model, race

# %% [markdown]
# ## 1. SwiGLU
#
# `gate`, `up` and `out` have the same shape; the kernel gets them as arrays of one dimension. The gate determines how much of `up` passes:
#
# $$\text{out}[i] = \text{up}[i] \cdot \frac{\text{gate}[i]}{1 + e^{-\text{gate}[i]}}$$
#
# | gate | up | gate / (1 + e^-gate) | out |
# |---|---|---|---|
# | 2 | 3 | 1.7616 | 5.2848 |
# | -2 | 3 | -0.2384 | -0.7152 |
# | -100 | 3 | -0.0000 | -0.0000 |
#
# The cell below imports `fast_exp(x)`: $e^x$ computed by plain arithmetic, which the compiler can vectorise. `math.exp` is right too, but needs
# a function call for each number. (If you use it, write `import math` as well: a cell must contain everything that it uses.)
#
# Required: all cores are used, and no array is allocated. Add `error_model="numpy"` to `parallel=True`: then a division by zero raises no
# error. This also allows the compiler to vectorise, since the loop cannot end early.

# %% task="cpu/swiglu"

# %% [markdown]
# <details><summary>Hint 1: which form?</summary>
#
# $\text{gate}\, e^{\text{gate}} / (1 + e^{\text{gate}})$ is the same formula. What is its value in float32 for a gate of 100, and for one of -100?
# And that of the form above?
#
# </details>
# <details><summary>Hint 2: one and 1.0</summary>
#
# In Numba `1.0` is a float64, and so is everything computed with it. How do you write a 1 in float32?
#
# </details>
# <details><summary>Hint 3: the loop</summary>
#
# One loop over `prange(out.size)` with one line in it. With `parallel=True` and an ordinary `range`, everything runs on one core.
#
# </details>

# %% test="swiglu-public" points=2
check("swiglu")

# %% test="swiglu-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("swiglu", seed=41001)
### END HIDDEN TESTS

# %% test="swiglu-compiled" points=1
explain("swiglu").require(parallel=True, allocations=0)

# %%
rng = np.random.default_rng(0)
race(
    "swiglu",
    lambda n: dict(gate=rng.normal(size=n), up=rng.normal(size=n)),
    (1000, 10000, 100000, 1000000),
    size_name="elements",
)

# %% [markdown]
# ## 2. Two operators in one pass: add_rms_norm
#
# Twice in each block something is added to the residual stream, and the sum is normalised immediately afterwards. With two kernels, `add`
# and then `rms_norm`:
#
# | kernel | arrays it reads | arrays it writes |
# |---|---|---|
# | add | x, residual | total |
# | rms_norm | total | out |
#
# Before you write: how many arrays of N E numbers move between processor and memory, if none of them fits into the cache? And how many with
# one kernel that adds a row, keeps it in the cache, and normalises it? Which fraction of the bytes remains?
#
# `x` and `residual` are `[N, E]`, `weight` `[E]`. Two outputs, both `[N, E]`:
#
# $$\text{total}[n, e] = x[n, e] + \text{residual}[n, e]$$
# $$\text{out}[n, e] = \text{weight}[e] \cdot \frac{\text{total}[n, e]}{\sqrt{\frac{1}{E} \sum_j \text{total}[n, j]^2 + \text{eps}}}$$
#
# With numbers: `x = [1, 0, 4]`, `residual = [0, 2, 2]`, weight 1, eps 0 give `total = [1, 2, 6]` and `out = [0.2705, 0.5410, 1.6230]`.
#
# Required: process row by row, with at most 280 cache misses, counted on `rows`. (All sums first and then all norms has 324.) All
# cores are used, no array is allocated, and the sum is vectorised (`fastmath=True` on the function with the sum).

# %%
rows = dict(x=rng.normal(size=(16, 64)), residual=rng.normal(size=(16, 64)), weight=rng.normal(size=64), eps=1e-6)

# %% task="cpu/add_rms_norm"

# %% [markdown]
# <details><summary>Hint 1: what your rms_norm has already</summary>
#
# Your kernel of lab 08 goes over a row twice. Which of the two passes must now also store something?
#
# </details>
# <details><summary>Hint 2: a sum that vectorises</summary>
#
# A loop that adds up *and* stores is harder to vectorise than two loops over the same row. The row is in the cache, so a
# third pass over it causes no memory traffic.
#
# </details>
# <details><summary>Hint 3: threads and vectors</summary>
#
# Put one row into a helper under `@njit(fastmath=True, error_model="numpy", cache=True)` that gets the row's number. The kernel is then a
# `prange` over rows. `widen(weight[e])` converts any storage format to float32.
#
# </details>

# %% test="add-rms-norm-public" points=2
check("add_rms_norm")

# %% test="add-rms-norm-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("add_rms_norm", seed=41004)
### END HIDDEN TESTS

# %% test="add-rms-norm-compiled" points=1
explain("add_rms_norm").require(vectorised_sums=True, parallel=True, allocations=0)

# %% test="add-rms-norm-misses" points=1
count_traffic("add_rms_norm", rows).require(misses=280)

# %% [markdown]
# ## 3. Both on a GPU
#
# **SwiGLU**: one thread per element, 256 threads in a block. `cuda.grid(1)` is the number of the thread; the last block extends beyond the
# end. In a CUDA kernel `math.exp` of a float32 is one fast instruction and a little arithmetic, so no replacement is needed.

# %% task="cuda/swiglu"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# How many blocks of 256 threads cover 1000 elements? Which threads of the last one must do nothing?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write the constant 1 as `np.float32(1)`; otherwise the result may become float64. The check names the lines that compute in float64.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The kernel under `@cuda.jit` is an `if` and one line. The launcher computes the number of blocks, rounded up, and writes
# `swiglu_kernel[blocks, 256](gate, up, out)`.
#
# </details>

# %% test="swiglu-gpu-public" points=2
check("swiglu", device="cuda")

# %% test="swiglu-gpu-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("swiglu", device="cuda", seed=41005)
### END HIDDEN TESTS

# %% [markdown]
# **add_rms_norm**: one block of 128 threads per row, as your `rms_norm` of lab 08. Thread t adds the columns t, t + 128, ..., stores them in
# `total`, and keeps the sum of their squares. `block_sum(value)` of `llaisys_mini.cuda.reductions` gives every thread the sum over the block.
#
# When a thread computes `out`, it reads elements of `total` that it has written itself. Does this need a barrier?
#
# Required: x and residual are loaded once. On `wide`, with 4 rows of 256, your kernel loads 4 arrays: x, residual, the sum again, and the weight
# once for each row. That is 1.8 times the inputs; at most 2.0 are allowed.

# %%
wide = dict(x=rng.normal(size=(4, 256)), residual=rng.normal(size=(4, 256)), weight=rng.normal(size=256), eps=1e-6)

# %% task="cuda/add_rms_norm" id="add_rms_norm-cuda"
import math

import numpy as np

from llaisys_mini import cuda, kernel
from llaisys_mini.cuda.reductions import block_sum
from llaisys_mini.widen import widen

### BEGIN SOLUTION
THREADS = 128


@cuda.jit
def add_rms_norm_kernel(x, residual, weight, eps, total, out):
    row, width = cuda.blockIdx.x, x.shape[1]
    squares = np.float32(0)
    for e in range(cuda.threadIdx.x, width, THREADS):
        together = x[row, e] + residual[row, e]
        total[row, e] = together
        squares += together * together
    scale = np.float32(1) / math.sqrt(block_sum(squares) / np.float32(width) + eps)
    for e in range(cuda.threadIdx.x, width, THREADS):
        out[row, e] = total[row, e] * scale * widen(weight[e])


### END SOLUTION
@kernel("add_rms_norm", device="cuda")
def add_rms_norm(x, residual, weight, eps, total, out):
    ### BEGIN SOLUTION
    add_rms_norm_kernel[x.shape[0], THREADS](x, residual, weight, np.float32(eps), total, out)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: which threads call block_sum?</summary>
#
# All threads of the block, even those without a column. Which value must such a thread pass?
#
# </details>
# <details><summary>Hint 2: eps</summary>
#
# The launcher gets eps as a Python number, a double. Which type should the kernel get?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Two loops `for e in range(cuda.threadIdx.x, width, 128)` with one call of `block_sum` between them. Which of the three arrays x, residual and
# total does the second loop need?
#
# </details>

# %% test="add-rms-norm-gpu-public" points=2
check("add_rms_norm", device="cuda")

# %% test="add-rms-norm-gpu-traffic" points=1
count_gpu_traffic("add_rms_norm", wide).require(loads_of_each_input=2.0, waste=1.3)

# %% test="add-rms-norm-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("add_rms_norm", device="cuda", seed=41006)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The MLP: the half that works on each token separately
#
# From here on you call operators: `operators.rms_norm(x, weight, eps)`, `operators.linear(x, weight)`, `operators.swiglu(gate, up)`,
# `operators.add(x, y)`. They use your kernels where you have written them and they have passed their check, and otherwise the course's.
#
# ```
# x ----------------------------------------------------- add ---> result
#  \                                                     /
#   rms_norm(norm) -- linear(gate) -- swiglu -- linear(down)
#                  \- linear(up) ----/
# ```
#
# `x` is `[L, E]`, `norm` `[E]`, `gate` and `up` `[I, E]`, `down` `[E, I]`. Return `[L, E]`.
#
# The smallest example: L = E = I = 1, x = 2, norm = gate = up = down = 1. The norm turns 2 into 1. SwiGLU of (1, 1) is 0.7311. The
# result is 2 + 0.7311 = 2.7311.
#
# If the result is wrong, the check compares your operator calls with those of the reference, and names the first call that differs and its
# wrong argument.

# %% task="python/qwen_mlp"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Follow the picture from left to right. How many arrows leave the norm?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two arrows end in `add`. One of them comes from the very beginning of the picture. Does it go through the norm?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Give the result of the norm a new name; then x is still available at the end. The check names the first call that differs: count your calls
# in the order in which they are executed.
#
# </details>

# %% test="mlp-public" points=2
check("qwen_mlp")

# %% test="mlp-hidden" points=1
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("qwen_mlp", seed=41002)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Query, key and value
#
# The inputs of attention are computed from x in four steps. `x` is `[L, E]`: L tokens at `positions` `[L]`. `layer` is a dictionary of
# arrays, `config` a dictionary of numbers:
#
# | `layer[...]` | shape | | `config[...]` | |
# |---|---|---|---|---|
# | input_norm | [E] | | heads | H |
# | query | [H D, E] | | kv_heads | K |
# | key, value | [K D, E] | | head_dim | D |
# | query_bias, key_bias, value_bias | [H D], [K D], or None | | eps | for all norms |
# | query_norm, key_norm | [D], or None | | theta | for rope |
#
# 1. Normalise x with `input_norm`.
# 2. Three projections with `operators.linear(x, weight, bias)`; a bias of None adds nothing. The results become `[L, H, D]` and `[L, K, D]`: each
#    row of H D numbers consists of H heads of D numbers, one after the other.
# 3. Normalise each head of query and key over its D numbers, with `query_norm` and `key_norm`, unless these are None. (Qwen3 has these norms
#    and no biases; Qwen2 has the biases and no norms.)
# 4. Rotate query and key with `operators.rope(x, positions, theta)`.
#
# Return `(query, key, value)`. Shapes for L = 3, E = 8, H = 4, K = 2, D = 6: query `[3, 4, 6]`, key and value `[3, 2, 6]`.
#
# Before you write: a row of the query projection is `[a0 a1 b0 b1]` for H = 2 heads a and b with D = 2. With two tokens there are two rows.
# `reshape(2, 2, 2)` gives an array of three dimensions. Are they [L, H, D] or [H, L, D]?

# %% task="python/qwen_heads"

# %% [markdown]
# <details><summary>Hint 1: from [L, H D] to [L, H, D]</summary>
#
# `reshape` never moves a number; it only divides the same sequence in another way. In which of the two shapes does head 0 of token 1 begin
# at the right place? No transpose is needed. If an operator complains about an array that is not contiguous, you have transposed
# somewhere, and a copy would only hide the mistake.
#
# </details>
# <details><summary>Hint 2: the norm of a head</summary>
#
# `operators.rms_norm` normalises over the last dimension, whatever the dimensions before it. So which shape must the query have, if each
# head is to be normalised separately?
#
# </details>
# <details><summary>Hint 3: the value</summary>
#
# Positions and norms affect the scores, which are computed from query and key. Is the value part of a score?
#
# </details>

# %% test="heads-public" points=3
check("qwen_heads")

# %% test="heads-hidden" points=2
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("qwen_heads", seed=41003)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Attention: the half that combines tokens
#
# Write `qwen_attention(x, positions, layer, config)`, for a text from its beginning. `heads(x, positions, layer, config)` gives query, key and
# value. `operators.attention(query, key, value, scale)` with scale $1 / \sqrt{D}$ gives `[L, H, D]`. Reshape this to rows `[L, H D]`, multiply
# by `layer["output"]` `[E, H D]` with `operators.linear`, and add the result to x.

# %% task="python/qwen_attention"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What is D here: a dimension of x, or an entry of `config`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `reshape(len(x), -1)` makes rows again. At the end, add the unchanged input x, as in section 4.
#
# </details>
# <details><summary>Hint 3</summary>
#
# There are four calls: heads, attention, linear, add. Which of their results have three dimensions, and which calls need two?
#
# </details>

# %% test="attention-half-public" points=2
check("qwen_attention")

# %% test="attention-half-hidden" points=1
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("qwen_attention", seed=41007)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. A block of the shipped model
#
# The next cell computes the first block of the shipped model twice: with your two halves, and with the package.

# %%
model = load_model("mini")
first, c = model.decoder.layers[0], model.config
config = dict(heads=c.heads, kv_heads=c.kv_heads, head_dim=c.head_dim, eps=c.rms_norm_eps, theta=c.rope.theta)
parts = ("query", "key", "value", "query_norm", "key_norm", "output")
layer = {name: getattr(first.attention, name).weight.numpy() for name in parts}
layer |= dict(query_bias=None, key_bias=None, value_bias=None, input_norm=first.input_norm.weight.numpy())

ids = np.array(model.tokenizer.encode("Once upon a time there was a"))
x = model.decoder.embeddings.numpy()[ids]
mine = exercises.get("qwen_attention")(x, np.arange(len(ids)), layer, config)
gate, up, down = (getattr(first.mlp, name).weight.numpy() for name in ("gate", "up", "down"))
mine = exercises.get("qwen_mlp")(mine, first.post_norm.weight.numpy(), gate, up, down, config["eps"])

cache = model.cache()
stream, step = first(Tensor.from_numpy(x), None, cache.begin(ids), cache)
theirs = stream.numpy() + step.numpy()  # the package leaves the last addition to the next block, see section 2
print("largest difference:", np.abs(mine - theirs).max(), "of numbers up to", np.abs(theirs).max())

# %% [markdown]
# From now on the package's model uses your kernels. Among its operator calls there is no `add`, and `rms_norm` is rare: it calls your
# `add_rms_norm` instead. In lab 14 you connect 8 of these blocks.

# %% [markdown]
# ## 8. In your own words
#
# Each half of the block ends with `x + ...`. Suppose all weights of `output` and `down` were zero. What would a whole model of 28 blocks
# then return for a token? And what does the lecture's measurement say about the effect of this direct path on gradients?

# %% [markdown] written="residual" points=2
# Each block returns its input unchanged, so the model returns the embedding of the token (normalised, times the head). The blocks only
# add corrections to a stream that passes through. In a pre-norm model the derivative of the last stream by what layer 1 adds contains the
# identity, whatever the layers do: of a gradient that comes in at the top, a part reaches layer 1 times exactly 1. In a post-norm model that part
# is multiplied by one factor below 1 for each layer, and after 28 layers hardly any of it is left.
