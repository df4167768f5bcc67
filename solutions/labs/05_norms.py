# %% [markdown] after="07_softmax"
# # Lab 05: norms
#
# Numbers that pass through many layers grow or vanish. A norm brings each row back to a common magnitude.
# You write the two that language models use.

# %%
import numpy as np

from llaisys_mini import check, count_gpu_traffic, explain, race

# %% [markdown]
# ## 1. Layer normalisation
#
# `x` and `out` are `[N, E]`, `weight` and `bias` are `[E]`, `eps` is a small number. For each row:
#
# $$\text{out}[n, e] = \text{weight}[e] \cdot \frac{x[n, e] - \mu_n}{\sqrt{v_n + \text{eps}}} + \text{bias}[e]$$
#
# $\mu_n$ is the mean of the row, $v_n$ the mean of $(x[n, e] - \mu_n)^2$ (divided by E, not E - 1).
#
# With numbers: `x = [1, 2, 6]`, weight 1, bias 0, eps 0. The mean is 3, the variance (4 + 1 + 9) / 3 = 4.6667, its root
# 2.1602. Result: `[-0.9258, -0.4629, 1.3887]`.
#
# Weights of real models are stored in 16 bits: `widen(weight[e])` reads every storage format.

# %% task="cpu/layer_norm"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Three loops over the columns of a row: the sum, the sum of squared differences, the result.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Do not compute the variance as mean of squares minus square of mean. For a row around 1000 both are near a million, float32
# keeps seven digits, and the difference is noise.
#
# </details>
# <details><summary>Hint 3</summary>
#
# After the second loop: `scale = np.float32(1 / math.sqrt(squares / width + eps))`. The last loop stores
# `(x[n, e] - mean) * scale * widen(weight[e]) + widen(bias[e])`.
#
# </details>

# %% test="layer-norm-public" points=3
check("layer_norm")

# %% test="layer-norm-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("layer_norm", seed=40501)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Root mean square normalisation
#
# Qwen and most newer models leave out the mean and the bias:
#
# $$\text{out}[n, e] = \text{weight}[e] \cdot \frac{x[n, e]}{\sqrt{\frac{1}{E} \sum_j x[n, j]^2 + \text{eps}}}$$
#
# With numbers: `x = [1, 2, 6]`, weight 1, eps 0. The mean of the squares is 41 / 3 = 13.6667, its root 3.6968. Result:
# `[0.2705, 0.5410, 1.6230]`.
#
# `eps` stands inside the root.

# %% task="cpu/rms_norm"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Two loops over the columns: the sum of squares, the result.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Compute one over the root once per row. Then each element needs two multiplications and no division.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `scale = np.float32(1 / math.sqrt(squares / width + eps))`, then `x[n, e] * scale * widen(weight[e])`.
#
# </details>

# %% test="rms-norm-public" points=3
check("rms_norm")

# %% test="rms-norm-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("rms_norm", seed=40502)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Make it fast
#
# In a model such a kernel handles one row per token. Two points for each kernel that has all three:
#
# - sums that work on several floats at once: `fastmath=True` on the function that holds the loop over a row,
# - rows shared among the cores: `parallel=True` and `prange` over the rows,
# - no array allocated inside the kernel.

# %% test="layer-norm-compiled" points=2
explain("layer_norm").require(vectorised_sums=True, parallel=True, allocations=0)

# %% test="rms-norm-compiled" points=2
explain("rms_norm").require(vectorised_sums=True, parallel=True, allocations=0)

# %% [markdown]
# A norm does little arithmetic for each number it reads, so memory sets the pace. How near do you come to the dashed line?

# %%
rng = np.random.default_rng(0)
weight = rng.normal(size=1024)
race(
    "rms_norm",
    lambda rows: dict(x=rng.normal(size=(rows, 1024)), weight=weight, eps=1e-6),
    (1, 16, 256, 2048),
    size_name="rows of 1024 numbers",
)

# %% [markdown]
# ## 4. RMS norm on a GPU, with a reduction of your own
#
# One block of 128 threads per row, as for softmax. This time build the sum over the block yourself, as a function under
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
# Each thread adds the squares of its columns `range(cuda.threadIdx.x, x.shape[1], 128)`. Then one call of the block sum, and a second
# loop over the same columns for the result.
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
# The barrier stands between the store of the four sums and their reading, outside every `if`.
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
# ## 5. Layer norm on a GPU
#
# The same with two sums, one after the other: first the mean, then the squared differences to it. `block_sum` is given here. When you use
# your own one twice in a kernel, a barrier is needed between the two calls: a fast warp may overwrite the four numbers of the first sum
# while a slow one still reads them.

# %% task="cuda/layer_norm"

# %% test="layer-norm-gpu-public" points=2
check("layer_norm", device="cuda")

# %% test="layer-norm-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("layer_norm", device="cuda", seed=40504)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. In your own words
#
# Multiply a row by 1000. What does `layer_norm` return then, and what `rms_norm` (take eps as 0)? Now add 1000 to each element
# instead. Which of the two notices, and why might a model do well without that?

# %% [markdown] written="norms-invariance" points=2
# Multiplying: both return the same as before, because numerator and root grow by the same factor. Adding: layer_norm returns
# the same, since the mean is subtracted; rms_norm changes, its row becomes nearly constant. The layers before and after are
# linear with learned weights, and can shift by themselves what the norm does not; the cost of the mean is saved.
