# %% [markdown]
# # Lab 11: tokens and positions
#
# The input of a model is numbers, not words, and the model must know the position of each. You write one step of training a tokenizer,
# the operator that turns tokens into vectors, and the operator that puts the position into a vector.
#
# About 125 minutes. Sections 1 to 4 and the written question are required (110 minutes). Section 5 is extra: no later lab needs it.
#
# You need no GPU. Without one, the sanitizer runs all threads on the CPU, watches every memory access, and counts the memory traffic.

# %%
import matplotlib.pyplot as plt
import numpy as np

from llaisys_mini import check, count_gpu_traffic, explain, load_model, operators

# %% [markdown]
# ## 1. How a tokenizer is trained: one step of byte-pair encoding
#
# A word is a tuple of symbols. A dictionary says how often each word occurs: `{("l", "o", "w"): 5, ("l", "o", "t"): 2}`. One step:
#
# 1. Count all pairs of neighbours. A pair counts as often as its word occurs: `("l", "o")` 7, `("o", "w")` 5, `("o", "t")` 2.
# 2. Take the most frequent pair. If several are equally frequent, take the first in Python's order of tuples.
# 3. Merge each occurrence of the pair, from left to right, into one symbol: `{("lo", "w"): 5, ("lo", "t"): 2}`.
#
# Return `(pair, words)`: here `(("l", "o"), {("lo", "w"): 5, ("lo", "t"): 2})`. If there is no pair, return `(None, words)`.
# Do not change the given dictionary. This task is plain Python.

# %% task="python/bpe_step"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A word occurs five times. How often does a pair count that is in it once? And one that is in it twice?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `Counter()` counts: `counts[pair] += times`. The pair at position i of a word is `word[i : i + 2]`. `min` with a key finds the most
# frequent pair and the first in order at once: sort by minus the count, then by the pair.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Merge with a `while` loop and an index: where the pair occurs, append both symbols as one and advance by 2; otherwise append one
# symbol and advance by 1. In `aaa` the pair `aa` is then merged once: `aa`, `a`.
#
# </details>

# %% test="bpe-public" points=2
check("bpe_step")

# %% test="bpe-hidden" points=1
# Other words, when it is graded.
### BEGIN HIDDEN TESTS
check("bpe_step", seed=40801)
### END HIDDEN TESTS

# %% [markdown]
# The next cell runs twenty steps on a nursery rhyme. Frequent words become one symbol.

# %%
rhyme = "the cat and the hat sat on the mat and the rat ate that hat on the mat near the cat"
words = {}
for word in rhyme.split():
    words[tuple(word)] = words.get(tuple(word), 0) + 1
merges = []
for _ in range(20):
    pair, words = bpe_step(words)
    if pair is None:
        break
    merges.append("".join(pair))
print("learned:", *merges)
print("words now:", *("|".join(word) for word in words))

# %% [markdown]
# ## 2. Embedding
#
# Each token id has a row in a table. `ids` is `[N]`, int64; `weight` is `[V, E]`; `out` is `[N, E]`, float32.
#
# $$\text{out}[n, e] = \text{weight}[\text{ids}[n], e]$$
#
# `ids = [2, 0]` and `weight = [[1, 2], [3, 4], [5, 6]]` give `[[5, 6], [1, 2]]`. `widen(weight[i, e])` converts any storage format to float32.

# %% task="cpu/embedding"

# %% test="embedding-public" points=1
check("embedding")

# %% test="embedding-hidden" points=1
# Other ids and sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("embedding", seed=40802)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Rotary positions
#
# Attention compares vectors by their dot product, and a dot product does not depend on the positions of the vectors. RoPE rotates pairs
# of numbers by an angle that grows with the position. Then the dot product of two vectors depends on their *distance*.
#
# `x` is `[L, H, D]`: L positions, H heads, D numbers (D is even). `positions` is `[L]`, int64. `theta` is a number.
# Number i of the first half is paired with number i of the second half, $i + D/2$:
#
# $$a = \text{positions}[l] \cdot \text{theta}^{-2i/D}$$
# $$\text{out}[l, h, i] = x[l, h, i] \cos a - x[l, h, i + D/2] \sin a$$
# $$\text{out}[l, h, i + D/2] = x[l, h, i + D/2] \cos a + x[l, h, i] \sin a$$
#
# With numbers: D = 2, so there is one pair, and $\text{theta}^0 = 1$. At position 1 the angle is 1 radian. `x = [1, 0]` becomes
# `[0.5403, 0.8415]`, and `[0, 1]` becomes `[-0.8415, 0.5403]`.

# %% task="cpu/rope"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# On which of l, h and i does the angle depend? So how many times must sine and cosine be computed?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write loops over l, over i up to D/2, and over h. Compute `theta ** (-2.0 * i / D)` in float64 (Python's floats), so that the angle stays
# accurate at high positions.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Read both numbers of the pair into variables first, then store both results.
#
# </details>

# %% test="rope-public" points=3
check("rope")

# %% test="rope-hidden" points=2
# Other sizes and positions, when it is graded.
### BEGIN HIDDEN TESTS
check("rope", seed=40804)
### END HIDDEN TESTS

# %% [markdown]
# Sine and cosine are expensive, and no instruction computes several at once. But the rotation itself can be vectorised if it is a loop of
# its own: first a loop over i that fills two small tables, then a loop over h and i that only multiplies and adds. This gives one
# point.

# %%
explain("rope")

# %% test="rope-compiled" points=1
explain("rope").require(vectorised=True)

# %% [markdown]
# The next cell shows the effect of RoPE: the same vector is used as a query and as a key, at two positions of the text. The dot product
# depends only on the distance between the positions.

# %%
rng = np.random.default_rng(0)
vector = rng.normal(size=(1, 1, 64)).astype(np.float32)


def turned(x, position):
    return operators.rope(x, np.array([position]), 10000.0)[0, 0]


distances = np.arange(0, 60)
for start, style in ((0, "-"), (500, ":")):
    dots = [turned(vector, start + distance) @ turned(vector, start) for distance in distances]
    plt.plot(distances, dots, style, linewidth=3 if style == ":" else 1.5, label=f"key at position {start}")
plt.xlabel("distance in positions")
plt.ylabel("dot product of the vector with itself")
plt.legend()
plt.show()

# %% [markdown]
# The shipped model now uses your kernels for the embedding and for RoPE:

# %%
import textwrap

model = load_model("mini")
ids = model.tokenizer.encode("Once upon a time")
print(textwrap.fill(model.tokenizer.decode([*ids, *model.generate(ids, max_new_tokens=40, temperature=0)]), 100))

# %% [markdown]
# ## 4. On a GPU
#
# **Embedding**: one block of 128 threads per id. The threads share the columns of its row: thread t copies the columns t, t + 128, ...
# Required: at most 1.3 times the necessary bytes are moved. (With one thread per id, the threads of a warp would read numbers that are far
# apart.)

# %% task="cuda/embedding"

# %% test="embedding-gpu-public" points=2
check("embedding", device="cuda")

# %% test="embedding-gpu-traffic" points=1
table = dict(ids=np.array([3, 1, 2, 3]), weight=np.random.default_rng(0).normal(size=(8, 256)))
count_gpu_traffic("embedding", table).require(waste=1.3)

# %% [markdown]
# **Rope**: one thread per pair. Its number, `task = cuda.grid(1)`, determines i, head and row:
# `i = task % half`, `head = task // half % heads`, `row = task // (half * heads)`.
#
# Angles reach thousands of turns, where `math.cos` in float32 is no longer accurate. `cuda.libdevice.cospif(x)` is $\cos(\pi x)$, and
# removes whole turns exactly: divide the angle by $\pi$ first. Keep everything in float32: pass `np.float32(theta)` to the kernel.
#
# With L = 2, H = 2, D = 4 there are 8 pairs. Thread 5 has i = 1, head = 0, row = 1.

# %% task="cuda/rope"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# How many pairs are there, for L, H and D? What must the threads beyond the last pair do?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `math.pow(theta, -np.float32(2 * i) / np.float32(width))` is the frequency.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `turns = np.float32(positions[row]) * frequency * np.float32(1 / math.pi)`, then `cuda.libdevice.cospif(turns)` and `sinpif(turns)`.
#
# </details>

# %% test="rope-gpu-public" points=2
check("rope", device="cuda")

# %% test="embedding-gpu-hidden" points=1
# Embedding on other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("embedding", device="cuda", seed=40805)
### END HIDDEN TESTS

# %% test="rope-gpu-hidden" points=1
# Rope on other sizes and positions, when it is graded.
### BEGIN HIDDEN TESTS
check("rope", device="cuda", seed=40806)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A stretched context (extra)
#
# YaRN lets a model read texts longer than those it was trained on: it slows down the rotation of the slow pairs and leaves the fast ones
# unchanged. The frequencies are then no longer powers of a single base, so they are given: `frequencies` is `[D / 2]`, float32, in radians
# per position. The result is also multiplied by `factor`:
#
# $$a = \text{positions}[l] \cdot \text{frequencies}[i]$$
# $$\text{out}[l, h, i] = \text{factor} \cdot (x[l, h, i] \cos a - x[l, h, i + D/2] \sin a)$$
# $$\text{out}[l, h, i + D/2] = \text{factor} \cdot (x[l, h, i + D/2] \cos a + x[l, h, i] \sin a)$$
#
# With D = 2, `frequencies = [0.5]` and `factor = 2`, `x = [1, 0]` at position 2 becomes `[1.0806, 1.6829]`.

# %% task="cpu/rope_scaled"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("rope_scaled", device="cpu")
@njit(cache=True)
def rope_scaled(x, positions, frequencies, factor, out):
    ### BEGIN SOLUTION
    length, heads, width = x.shape
    half = width // 2
    for row in range(length):
        for i in range(half):
            angle = positions[row] * float(frequencies[i])
            cos, sin = np.float32(factor * math.cos(angle)), np.float32(factor * math.sin(angle))
            for h in range(heads):
                first, second = x[row, h, i], x[row, h, i + half]
                out[row, h, i] = first * cos - second * sin
                out[row, h, i + half] = second * cos + first * sin
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which lines of your `rope` must change, and which stay as they are?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Does the factor multiply the angle or the result?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `angle = positions[l] * float(frequencies[i])`. Both the sine and the cosine are multiplied by `factor`.
#
# </details>

# %% test="rope-scaled-public" points=1
check("rope_scaled")

# %% test="rope-scaled-hidden" points=1
# Other frequencies and positions, when it is graded.
### BEGIN HIDDEN TESTS
check("rope_scaled", seed=40808)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. In your own words
#
# A model was trained with positions 0 to 4095. You give it a text of 10 000 tokens. For the later positions, some rotation *angles* never
# occurred in training. Does this concern the fast pairs (small i) or the slow pairs (large i)? Explain.

# %% [markdown] written="rope-long" points=2
# The fast pairs have turned around many times within 4096 positions, so every angle, and every difference of angles, was seen.
# The slowest pairs have not completed one turn: beyond position 4095 they reach angles that never occurred. That is why methods
# for longer contexts (such as YaRN) slow down the slow pairs and leave the fast ones.
