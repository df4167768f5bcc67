# %% [markdown]
# # Lab 13: the Qwen block
#
# A Qwen model is the same block again and again. You have nearly all of its operators. Here you write the last one, and put them
# together.

# %%
import numpy as np

from llaisys_mini import check, explain, load_model, race

# %% [markdown]
# ## 1. SwiGLU
#
# `gate`, `up` and `out` have the same shape; the kernel sees them flat. The gate decides how much of `up` passes:
#
# $$\text{out}[i] = \text{up}[i] \cdot \frac{\text{gate}[i]}{1 + e^{-\text{gate}[i]}}$$
#
# | gate | up | gate / (1 + e^-gate) | out |
# |---|---|---|---|
# | 2 | 3 | 1.7616 | 5.2848 |
# | -2 | 3 | -0.2384 | -0.7152 |
# | -100 | 3 | -0.0000 | -0.0000 |

# %% task="cpu/swiglu"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# One loop over `range(out.size)`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For a gate of -100 the exponential is infinite in float32, and -100 / inf is 0: no harm. The form with $e^{\text{gate}}$ above and below
# gives inf / inf for +100.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `gate[i] / (np.float32(1) + math.exp(-gate[i])) * up[i]`
#
# </details>

# %% test="swiglu-public" points=2
check("swiglu")

# %% test="swiglu-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("swiglu", seed=41001)
### END HIDDEN TESTS

# %% [markdown]
# One point if it runs on all cores and allocates no array.

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
# Twice in each block the residual stream gets something added, and the sum is normalised at once. Two kernels write the sum to memory
# and read it again. One fused kernel does both while the row is in the cache.
#
# `x` and `residual` are `[N, E]`, `weight` `[E]`. Two outputs, both `[N, E]`:
#
# $$\text{total}[n, e] = x[n, e] + \text{residual}[n, e]$$
# $$\text{out}[n, e] = \text{weight}[e] \cdot \frac{\text{total}[n, e]}{\sqrt{\frac{1}{E} \sum_j \text{total}[n, j]^2 + \text{eps}}}$$
#
# With numbers: `x = [1, 0, 4]`, `residual = [0, 2, 2]`, weight 1, eps 0 give `total = [1, 2, 6]` and `out = [0.2705, 0.5410, 1.6230]`.

# %% task="cpu/add_rms_norm"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Two loops over the columns of a row. The first stores the sum in `total` and adds up its squares.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The second loop is that of rms_norm in lab 05, with `total[n, e]` for x.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Read the sum into a variable: `value = x[n, e] + residual[n, e]`, `total[n, e] = value`, `squares += value * value`.
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

# %% [markdown]
# ## 3. The second half of the block: MLP
#
# From here on you call operators: `operators.rms_norm(x, weight, eps)`, `operators.linear(x, weight)`, `operators.swiglu(gate, up)`,
# `operators.add(x, y)`. Those that you have written and that passed are your own; for the others the course's kernels answer.
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
# The smallest example: L = E = I = 1, x = 2, norm = gate = up = down = 1. The norm makes 2 into 1. SwiGLU of (1, 1) is 0.7311. The
# result is 2 + 0.7311 = 2.7311.

# %% task="python/qwen_mlp"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Normalise once; gate and up both get the normalised x.
#
# </details>
# <details><summary>Hint 2</summary>
#
# What is added at the end is x as it came, not the normalised one. It is the stream that runs through all blocks.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Three lines: `h = ...`, `inner = operators.swiglu(linear of h with gate, linear of h with up)`, and the return with `add`.
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
# ## 4. The first half: attention
#
# `x` is `[L, E]`: L new tokens at `positions` `[L]`. `layer` is a dictionary of arrays, `config` one of numbers:
#
# | `layer[...]` | shape | | `config[...]` | |
# |---|---|---|---|---|
# | input_norm | [E] | | heads | H |
# | query | [H D, E] | | kv_heads | K |
# | key, value | [K D, E] | | head_dim | D |
# | query_norm, key_norm | [D] | | eps | for all norms |
# | output | [E, H D] | | theta | for rope |
#
# 1. Normalise x with `input_norm`.
# 2. Three projections with `linear`. Reshape the results to `[L, H, D]` and `[L, K, D]`.
# 3. Normalise each head of query and key over its D numbers, with `query_norm` and `key_norm`. (This is new in Qwen3.)
# 4. Rotate query and key with `operators.rope(x, positions, theta)`.
# 5. `past` is None, or `(keys, values)` of the earlier tokens, each `[S - L, K, D]`. Put the new keys and values behind them.
# 6. `operators.attention(query, keys, values, scale)` with scale $1 / \sqrt{D}$. Reshape to `[L, H D]`.
# 7. Project with `output`, and add x.
#
# Return `(x, (keys, values))`, with the keys and values of all S tokens.
#
# Shapes for L = 3 new tokens after 5 earlier ones, E = 8, H = 4, K = 2, D = 6: query `[3, 4, 6]`, keys `[8, 2, 6]`, mixed `[3, 24]`.

# %% task="python/qwen_attention"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `operators.rms_norm` normalises over the last dimension, whatever stands in front. For query `[L, H, D]` with a weight `[D]` that is
# each head alone.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The value is neither normalised nor rotated. The keys in `past` are rotated already.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `np.concatenate([past[0], key])` puts the new keys behind the old ones. Results of operators are contiguous, so
# `.reshape(L, H, D)` copies nothing.
#
# </details>

# %% test="attention-half-public" points=4
check("qwen_attention")

# %% test="attention-half-hidden" points=2
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("qwen_attention", seed=41003)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A block of the shipped model, by you
#
# The first block of the shipped model, computed by your two halves and by the package.

# %%
model = load_model("mini")
first, c = model.decoder.layers[0], model.config
config = dict(heads=c.heads, kv_heads=c.kv_heads, head_dim=c.head_dim, eps=c.rms_norm_eps, theta=c.rope.theta)
parts = ("query", "key", "value", "query_norm", "key_norm", "output")
layer = {name: getattr(first.attention, name).weight.numpy() for name in parts}
layer["input_norm"] = first.input_norm.weight.numpy()

ids = np.array(model.tokenizer.encode("Once upon a time there was a"))
x = model.decoder.embeddings.numpy()[ids]
mine, _ = qwen_attention(x, np.arange(len(ids)), layer, config, None)
gate, up, down = (getattr(first.mlp, name).weight.numpy() for name in ("gate", "up", "down"))
mine = qwen_mlp(mine, first.post_norm.weight.numpy(), gate, up, down, config["eps"])

from llaisys_mini import Tensor

cache = model.cache()
stream, step = first(Tensor.from_numpy(x), None, cache.begin(ids), cache)
theirs = stream.numpy() + step.numpy()  # the package leaves the last addition to the next block, see section 2
print("largest difference:", np.abs(mine - theirs).max(), "of numbers up to", np.abs(theirs).max())

# %% [markdown]
# ## 6. In your own words
#
# Each half of the block ends with `x + ...`. Suppose all weights of `output` and `down` were zero. What would the whole model of 28
# blocks then return for a token, and why does this make training of deep models easier?

# %% [markdown] written="residual" points=2
# Each block returns its input unchanged, so the model returns the embedding of the token (normalised, times the head). The blocks only
# add corrections to a stream that passes through. The gradient also passes through the sums undiminished, so that the first block
# learns from the loss directly, however many blocks stand above it.
