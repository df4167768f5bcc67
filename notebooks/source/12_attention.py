# %% [markdown]
# # 12 · Attention
#
# **Question:** each token knows only itself. How does it fetch what it needs from the tokens before it, and what does that cost?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [11 Tokens and positions](11_tokens_and_positions.ipynb) | softmax, online softmax, the product of matrices | 25 minutes | [12 attention](../labs/12_attention/12_attention.ipynb) | [13 The Qwen block](13_qwen_block.ipynb) |

# %%
import tracemalloc

import numba
import numpy as np
from ipywidgets import interact

from llaisys_mini import load_model, observe_calls, operators, paths, plots
from llaisys_mini.inspect.timing import seconds

# %% [markdown]
# The letters of this lecture, which the whole course uses:
#
# | letter | counts | here |
# |---|---|---|
# | L | query positions: tokens that ask | |
# | S | key positions: tokens that can be looked at | S = L until section 4 |
# | E | hidden width: numbers that describe one token | |
# | H | query heads | 1 until section 3 |
# | K | key/value heads | 1 until section 3 |
# | D | head width: numbers in one query, key or value | |

# %% [markdown]
# ## 1. A soft lookup
#
# A Python dictionary finds a value by its key. The key fits exactly, or there is no answer.
# Attention is a lookup that always answers, and answers softly (Bahdanau et al., 2014):
#
# - each stored item $s$ has a **key** $k_s$, a vector of $D$ numbers, and a **value** $v_s$;
# - the question is a **query** $q$, also $D$ numbers;
# - the dot product $q \cdot k_s$ says how well key $s$ fits;
# - softmax turns these scores into weights, and the answer is the mean of the values with these weights.
#
# $$o = \sum_{s=1}^{S} p_s\, v_s, \qquad p = \operatorname{softmax}(q\cdot k_1, \dots, q\cdot k_S)$$
#
# Four keys of length 4 in the plane ($S = 4$, $D = 2$). The values are prices: one number each.

# %%
angles = np.deg2rad([10, 60, 150, 250])
keys = 4 * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)  # [S, D]
values = np.array([10, 20, 30, 40], dtype=np.float32)  # [S]


def look_up(q):
    """q [D] -> weights [S] and the answer."""
    weights = operators.softmax((keys @ q)[None, :])[0]
    return weights, weights @ values


for degrees in (140, 35, 300):
    q = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], dtype=np.float32)
    weights, answer = look_up(q)
    print(f"query at {degrees:3d}°: weights {np.round(weights, 2)}, answer {answer:.1f}")


# %% jupyter={"source_hidden": true}
def draw_lookup(axes, degrees, length=1.0):
    q = length * np.array(
        [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], dtype=np.float32
    )
    weights, answer = look_up(q)
    for s, (key, weight) in enumerate(zip(keys, weights, strict=True)):
        axes[0].annotate(
            "", key, (0, 0), arrowprops=dict(arrowstyle="-|>", color=plots.COLOURS[s], linewidth=2)
        )
        axes[0].text(*(1.22 * key), f"$k_{s + 1}$", ha="center", va="center")
        axes[1].bar(s, weight, color=plots.COLOURS[s])
        axes[1].text(s, weight + 0.03, f"{weight:.2f}", ha="center", fontsize=9)
    axes[0].annotate(
        "",
        2.5 * q,
        (0, 0),
        arrowprops=dict(arrowstyle="-|>", color=plots.BLACK, linewidth=2, ls="--"),
    )
    axes[0].text(*(3.4 * q), "$q$", ha="center", va="center")
    axes[0].set(xlim=(-6, 6), ylim=(-6, 6), aspect="equal", title=f"query at {degrees:g}°")
    axes[0].axis("off")
    axes[1].set(ylim=(0, 1.15), ylabel="weight", xticks=range(4), title=f"answer {answer:.1f}")
    axes[1].set_xticklabels([f"$v_{s + 1}$\n{value:.0f}" for s, value in enumerate(values)])


fig, axes = plots.figure(2, 3, width=9, height=5, height_ratios=(1.15, 1))
for column, degrees in zip(axes.T, (140, 35, 300), strict=True):
    draw_lookup(column, degrees)
plots.show(
    fig,
    alt="Three queries among four keys in the plane, and the weights they give. The first points nearly "
    "along key 3, which gets nearly all the weight. The second lies between keys 1 and 2, which share it. "
    "The third is nearer to key 4 than to key 1.",
)


# %%
@interact(degrees=(0, 360, 5), length=(0.0, 3.0, 0.1))
def draw_chosen_lookup(degrees=100, length=1.0):
    fig, axes = plots.figure(1, 2, width=6.4, height=2.9)
    draw_lookup(axes, degrees, length)
    plots.show(fig, alt=f"A query of length {length} at {degrees} degrees, and its weights.")


# %% [markdown]
# A longer query is a lower temperature (lecture 07): the lookup becomes sharper. A query of length 0 gives the plain mean.

# %% [markdown]
# ### Why the scores are divided by √D
#
# Let the $D$ numbers of $q$ and $k$ be random, each with variance 1. Each product $q_d k_d$ then has variance 1, and a sum of $D$
# of them has variance $D$. So scores grow like $\sqrt D$, and softmax becomes too sharp to learn from: its
# gradient is nearly zero wherever one weight is nearly one.
#
# > **Predict, then run.** 100 random keys. How much weight does the best-fitting key get for D = 4, and for D = 1024? And if the scores are
# > divided by $\sqrt D$?

# %%
rng = np.random.default_rng(0)
for width in (4, 64, 1024):
    q, k = rng.normal(size=(500, width)), rng.normal(size=(100, width))
    scores = (q @ k.T).astype(np.float32)  # [500, 100]: 500 queries
    raw = operators.softmax(scores).max(axis=1).mean()
    scaled = operators.softmax(scores / np.float32(np.sqrt(width))).max(axis=1).mean()
    in_words = f"largest weight {raw:.2f}, divided {scaled:.2f}"
    print(f"D = {width:4d}: scores spread by {scores.std():4.1f}; {in_words}")

# %% [markdown]
# > **The common guess**, about a hundredth, would be right if all scores were equal. Softmax takes their exponentials, and
# > their spread grows with $\sqrt D$.
#
# So attention uses $q \cdot k_s / \sqrt D$ (Vaswani et al., 2017). The factor $1/\sqrt D$ is called `scale` in our operator.

# %% [markdown]
# ## 2. Self-attention and the causal mask
#
# In a *decoder*, a model that writes text token by token, every token asks and can be asked. A token is a vector $x$ of $E$ numbers (lecture 11).
# Three matrices that training finds turn it into its query, its key and its value:
#
# $$\underbrace{q}_{L\times D} = \underbrace{x}_{L\times E} W_q^{\mathsf T}, \qquad k = x W_k^{\mathsf T}, \qquad v = x W_v^{\mathsf T}
# \qquad\text{with } W_q, W_k, W_v \text{ of shape } [D, E]$$
#
# All queries meet all keys in one product, a table with a row for each query:
#
# $$\underbrace{\text{scores}}_{L\times S} = q\,k^{\mathsf T} / \sqrt D$$
#
# The decoder is trained to guess the next token at *every* position at once. If token 3 could look at token 4, it would see the
# answer. So what lies ahead is hidden: its scores become $-\infty$ before the softmax, so its weights become 0. This is the *causal mask*.


# %%
def attend(q, k, v):
    """q [L, D], k and v [S, D] -> weights [L, S], outputs [L, D]. Queries: the last L positions."""
    scores = q @ k.T / np.float32(np.sqrt(q.shape[1]))  # [L, S]
    past = len(k) - len(q)
    visible = np.arange(len(k))[None, :] <= past + np.arange(len(q))[:, None]  # [L, S]
    weights = operators.softmax(np.where(visible, scores, np.float32(-np.inf)))
    return weights, weights @ v


L, E, D = 6, 16, 8
x = rng.normal(size=(L, E)).astype(np.float32)
W_q, W_k, W_v = (rng.normal(size=(D, E), scale=E**-0.5).astype(np.float32) for _ in range(3))
q, k, v = (operators.linear(x, W) for W in (W_q, W_k, W_v))  # each [L, D]
weights, outputs = attend(q, k, v)

# %% [markdown]
# > **Predict, then run.** What is the first row of the weights? And we replace the last token: which outputs change?

# %%
print(np.round(weights, 2))
changed = x.copy()
changed[-1] = rng.normal(size=E)
_, new_outputs = attend(*(operators.linear(changed, W) for W in (W_q, W_k, W_v)))
print("outputs that changed:", np.flatnonzero(np.any(new_outputs != outputs, axis=1)))

# %% jupyter={"source_hidden": true}
raw = q @ k.T / np.sqrt(D)
hidden = np.triu(np.ones((L, L), bool), 1)


def draw_table(axis, table, title, hidden_as=""):
    """Numbers in coloured squares; where `table` is NaN the text `hidden_as`."""
    image = axis.imshow(table)
    for i, j in np.ndindex(table.shape):
        text = hidden_as if np.isnan(table[i, j]) else f"{table[i, j]:.2f}"
        colour = plots.ink_on(image, table[i, j])
        axis.text(j, i, text, ha="center", va="center", fontsize=7.5, color=colour)
    axis.set(xlabel="key position s", title=title, xticks=range(L), yticks=range(L))


fig, axes = plots.figure(1, 3, width=9, height=3.1)
draw_table(axes[0], raw, r"scores $q k^T / \sqrt{D}$")
draw_table(axes[1], np.where(hidden, np.nan, raw), "with causal mask", "−∞")
draw_table(axes[2], np.where(hidden, np.nan, weights), "weights: rows sum to 1", "0")
axes[0].set_ylabel("query position l")
plots.show(
    fig,
    alt="Three tables of 6 by 6: the scores, the scores with everything right of the diagonal hidden, "
    "and the weights, a lower triangle whose rows sum to one.",
)

# %% [markdown]
# > **The common guess**, that every output changes because every token looks at all others, forgets the mask: only later tokens
# > see the last one, and there are none.
#
# The first token sees only itself, so its weight is 1. Changing the last token changes the last output only.
# Remember this: **the past does not depend on the future.** Section 4 relies on it.

# %% [markdown]
# ## 3. Heads
#
# One softmax makes one mixture. A token may want several things at once: the word before it, the name of the hero, the last
# full stop. So attention runs $H$ times side by side, in $H$ *heads*, each with its own $W_q$, $W_k$, $W_v$.
# The matrices are stacked: $W_q$ becomes $[H \cdot D, E]$, and the result $[L, H\cdot D]$ is only viewed as $[L, H, D]$ (lecture 06).
# At the end a fourth matrix $W_o$ $[E, H\cdot D]$ mixes the heads' outputs into one vector of $E$ numbers.

# %%
H, D = 4, 8
W_q, W_k, W_v = (rng.normal(size=(H * D, E), scale=E**-0.5).astype(np.float32) for _ in range(3))
q, k, v = (operators.linear(x, W).reshape(L, H, D) for W in (W_q, W_k, W_v))
by_hand = np.stack([attend(q[:, h], k[:, h], v[:, h])[1] for h in range(H)], axis=1)  # [L, H, D]
by_operator = operators.attention(q, k, v, D**-0.5)
print("shape", by_operator.shape, "- largest difference", np.abs(by_hand - by_operator).max())

# %% [markdown]
# `operators.attention(q, k, v, scale)` is all of sections 1 to 3 in one call. Here are its shapes, and what comes in section 4:
#
# | argument | shape | meaning |
# |---|---|---|
# | `q` | [L, H, D] | queries of the last L positions |
# | `k`, `v` | [S, K, D] | keys and values of all S positions; K divides H |
# | result | [L, H, D] | one mixture for each query and head |

# %% [markdown]
# ## 4. The KV cache, and fewer heads in it
#
# A decoder writes one token at a time. To write token 1000 it needs the keys and values of all 999 before it.
# The past does not depend on the future, so they are the same as when token 999 was written. We keep them: this is the *KV cache*.
# Each step then computes one new query, key and value (L = 1), and looks at all S.

# %%
whole = operators.attention(q, k, v, D**-0.5)  # L = S = 6
last = operators.attention(np.ascontiguousarray(q[-1:]), k, v, D**-0.5)  # L = 1, S = 6
print("last row with the cache equals the last row of the whole:", np.allclose(whole[-1:], last))

# %% [markdown]
# The cache costs memory. For each position and layer: a key and a value for each of the $K$ key/value heads.
#
# $$\text{bytes} = 2 \cdot \text{layers} \cdot S \cdot K \cdot D \cdot \text{bytes per number}$$
#
# So the idea to let several query heads share one key/value head:
#
# | name | K | |
# |---|---|---|
# | **MHA**, multi-head attention | K = H | each query head has its own (Vaswani et al., 2017) |
# | **GQA**, grouped-query attention | 1 < K < H | groups of H/K heads share one (Ainslie et al., 2023) |
# | **MQA**, multi-query attention | K = 1 | all share one (Shazeer, 2019) |
#
# Query head $h$ reads key/value head $\lfloor h / (H/K) \rfloor$. The same as repeating each key head $H/K$ times, without doing it:

# %%
for kv_heads in (4, 2, 1):
    fewer_k, fewer_v = np.ascontiguousarray(k[:, :kv_heads]), np.ascontiguousarray(v[:, :kv_heads])
    grouped = operators.attention(q, fewer_k, fewer_v, D**-0.5)
    all_k, all_v = (np.repeat(a, H // kv_heads, axis=1) for a in (fewer_k, fewer_v))
    same = np.allclose(grouped, operators.attention(q, all_k, all_v, D**-0.5))
    print(
        f"K = {kv_heads}: as with repeated heads: {same}, numbers in the cache: {2 * fewer_k.size}"
    )

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=2.1)
for axis, (name, kv_heads) in zip(
    axes, {"MHA, K = 4": 4, "GQA, K = 2": 2, "MQA, K = 1": 1}.items(), strict=True
):
    places = (np.arange(kv_heads) + 0.5) * 4 / kv_heads - 0.5
    for h in range(4):
        colour = plots.COLOURS[h // (4 // kv_heads)]
        axis.plot([h, places[h // (4 // kv_heads)]], [0.86, 0.14], color=colour, linewidth=1.4)
        axis.text(
            h,
            1,
            f"q{h}",
            ha="center",
            va="center",
            bbox=dict(boxstyle="round", facecolor="white", edgecolor=colour),
        )
    for j, place in enumerate(places):
        box = dict(boxstyle="round", facecolor=plots.COLOURS[j] + "30", edgecolor=plots.COLOURS[j])
        axis.text(place, 0, f"k{j} v{j}", ha="center", va="center", bbox=box)
    axis.set(xlim=(-0.6, 3.6), ylim=(-0.25, 1.25), title=name)
    axis.axis("off")
plots.show(
    fig,
    alt="Four query heads and the key/value heads they read: one each in MHA, one for each two in GQA, "
    "a single one in MQA.",
)

# %% [markdown]
# What that means for Qwen3-0.6B. Its published `config.json` (Qwen team, 2025) says 28 layers, 16 query heads, 8 key/value heads of width 128,
# weights in bfloat16 (2 bytes), and a context of up to 40 960 positions. We ask what it would be with other K:

# %%
LAYERS, HEADS, WIDTH, CONTEXT = 28, 16, 128, 40_960


def cache_bytes(positions, kv_heads):
    return 2 * LAYERS * positions * kv_heads * WIDTH * 2


for name, kv_heads in [("MHA", 16), ("GQA, as it is", 8), ("MQA", 1)]:
    one, full = cache_bytes(1, kv_heads) / 1024, cache_bytes(CONTEXT, kv_heads) / 1e9
    print(f"{name:14s} K = {kv_heads:2d}: {one:4.0f} KiB a position, {full:5.2f} GB for {CONTEXT}")

# %% jupyter={"source_hidden": true}
positions = np.array([0, CONTEXT])
fig, axis = plots.figure(width=6.4)
for (name, kv_heads), dashes in zip(
    [("MHA, K = 16", 16), ("GQA, K = 8", 8), ("MQA, K = 1", 1)], ("-", "--", "-."), strict=True
):
    axis.plot(positions, cache_bytes(positions, kv_heads) / 1e9, dashes, label=name)
axis.axhline(1.2, color=plots.GREY, linewidth=1)
axis.text(CONTEXT, 1.35, "the weights: 0.6 billion × 2 bytes", ha="right", color="#555555")
axis.set(xlabel="positions in the cache", ylabel="KV cache [GB]", xlim=(0, CONTEXT), ylim=(0, None))
axis.legend(loc="upper left")
axis.grid()
plots.show(
    fig,
    alt="Size of the KV cache of Qwen3-0.6B against the number of positions. All lines are straight. With 16 "
    "heads it exceeds the weights long before the context is full, with 8 at about a quarter of it, with "
    "one never.",
)

# %% [markdown]
# A user with a long conversation costs more memory than the whole model. That is for one user; a server has many.
# Ainslie et al. (2023) found that GQA keeps nearly the quality of MHA. So Qwen3 uses it, and so does our small model, with H = 4 and K = 2.

# %% [markdown]
# ## 5. The n² wall
#
# The table of scores has $L \cdot S$ entries for each head. For a prompt of $n$ tokens $L = S = n$: twice the text, four times the work.
# Everything else in a decoder grows in proportion to $n$. We measure both, with the shapes of our small model:

# %%
lengths = [64, 128, 256, 512, 1024, 2048]
weight = rng.normal(size=(128, 128)).astype(np.float32)
numba.set_num_threads(1)  # so that the clock of this thread sees all of the work
measured = {"attention": [], "linear": []}
for n in lengths:
    q = rng.normal(size=(n, 4, 32)).astype(np.float32)
    k, v = rng.normal(size=(2, n, 2, 32)).astype(np.float32)
    hidden = rng.normal(size=(n, 128)).astype(np.float32)
    measured["attention"].append(1000 * seconds(operators.attention, q, k, v, 32**-0.5, repeats=3))
    measured["linear"].append(1000 * seconds(operators.linear, hidden, weight, repeats=3))
for name, times in measured.items():
    ratio = times[-1] / times[-2]
    print(f"{name:9s} from {lengths[-2]} to {lengths[-1]} tokens: {ratio:.1f} times the time")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4)
for (name, times), marker in zip(measured.items(), plots.MARKERS, strict=False):
    axis.loglog(lengths, times, marker + "-", label=f"{name}, measured")
axis.loglog(
    lengths,
    measured["attention"][-1] * (np.array(lengths) / lengths[-1]) ** 2,
    ":",
    color=plots.GREY,
    label="slope of n²",
)
axis.loglog(
    lengths,
    measured["linear"][-1] * np.array(lengths) / lengths[-1],
    "--",
    color=plots.GREY,
    label="slope of n",
)
axis.set(xlabel="tokens n", ylabel="time [ms]", xticks=lengths)
axis.set_xticklabels(lengths)
axis.minorticks_off()
axis.legend()
axis.grid()
plots.show(
    fig,
    alt="Measured time of attention and of a linear map against the number of tokens, on logarithmic axes. "
    "Attention follows the steeper line of slope two for long texts, the linear map that of slope one.",
)

# %% [markdown]
# (Processor time of one thread. The times differ from machine to machine, the slopes hardly.)
#
# Memory is the harder wall. One layer of Qwen3-0.6B over its whole context, if the table of scores were stored in float32:

# %%
for n in (1024, 8192, CONTEXT):
    scores, inputs = HEADS * n * n * 4, (HEADS + 2 * 8) * n * WIDTH * 4  # bytes
    print(f"{n:6d} tokens: scores {scores / 1e9:6.2f} GB; q, k and v {inputs / 1e9:.2f} GB")

# %% [markdown]
# ## 6. FlashAttention: the table is never stored
#
# An output is a mean of values, weighted with a softmax. Lecture 07 computed exactly this in **one pass** (Milakov and Gimelshein, 2018):
# keep the maximum so far $m$, the sum so far $s$ and the weighted sum so far $o$, and rescale $s$ and $o$ whenever the maximum grows.
#
# FlashAttention (Dao et al., 2022) does it in blocks: a block of queries stays in fast memory, blocks of keys and values pass by.
# What is in memory at any time is one small tile of scores. Tiles above the diagonal are skipped: the mask would erase them.


# %%
def flash_attend(q, k, v, block=64):
    """As `attend`, for L = S: outputs [L, D] without the table of scores."""
    length, width = q.shape
    out = np.empty_like(q)
    for first in range(0, length, block):
        queries = q[first : first + block] / np.float32(np.sqrt(width))  # [B, D]
        rows = np.arange(first, first + len(queries))[:, None]
        m = np.full((len(queries), 1), -np.inf, np.float32)
        s, o = np.zeros_like(m), np.zeros_like(queries)
        for start in range(0, first + block, block):  # all later keys are hidden
            columns = np.arange(start, min(start + block, length))[None, :]
            scores = queries @ k[start : start + block].T  # [B, B]: one tile
            scores = np.where(columns <= rows, scores, np.float32(-np.inf))
            new_m = np.maximum(m, scores.max(axis=1, keepdims=True))
            factor, exponentials = np.exp(m - new_m), np.exp(scores - new_m)
            s = s * factor + exponentials.sum(axis=1, keepdims=True)
            o = o * factor + exponentials @ v[start : start + block]
            m = new_m
        out[first : first + block] = o / s
    return out


q, k, v = rng.normal(size=(3, 1000, 32)).astype(np.float32)
_, with_table = attend(q, k, v)
print("largest difference from the table:", np.abs(flash_attend(q, k, v) - with_table).max())

# %% [markdown]
# The same numbers. Now the memory that each needs beyond its inputs, as Python's `tracemalloc` counts it.
#
# > **Predict, then run.** 4096 tokens, one head of width 32. The outputs alone are half a megabyte. How much do the two ways take?


# %%
def peak_bytes(work, *arguments):
    tracemalloc.start()
    work(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


sizes = [256, 512, 1024, 2048, 4096]
peaks = {"table": [], "in blocks": []}
for n in sizes:
    q, k, v = rng.normal(size=(3, n, 32)).astype(np.float32)
    peaks["table"].append(peak_bytes(attend, q, k, v))
    peaks["in blocks"].append(peak_bytes(flash_attend, q, k, v))
for name, found in peaks.items():
    print(f"4096 tokens, one head, {name:9s} {found[-1] / 1e6:6.1f} MB")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3.3, width_ratios=(1.4, 1))
for (name, values_), marker in zip(peaks.items(), plots.MARKERS, strict=False):
    axes[0].loglog(sizes, np.array(values_) / 1e6, marker + "-", label=name)
axes[0].set(
    xlabel="tokens n (one head)",
    ylabel="memory in use [MB]",
    xticks=sizes,
    title="peak beyond the inputs",
)
axes[0].set_xticklabels(sizes)
axes[0].minorticks_off()
axes[0].legend()
axes[0].grid()
for i, j in np.ndindex(6, 6):
    colour, hatch = (
        (plots.SKY, "") if j < i else (plots.ORANGE, "///") if i == j else (plots.CARD, "")
    )
    axes[1].bar(j, 0.94, 0.94, bottom=i, color=colour, edgecolor="#777777", hatch=hatch)
axes[1].set(
    xlabel="blocks of keys",
    ylabel="blocks of queries",
    xticks=[],
    yticks=[],
    aspect="equal",
    ylim=(6.1, -0.1),
)
axes[1].set_title("blue: whole, striped: masked,\nempty: never computed", fontsize=9.5)
plots.show(
    fig,
    alt="Left: memory against the number of tokens; the table grows with slope two, the blocks with slope "
    "one. Right: six by six tiles; those below the diagonal are computed whole, those on it are masked, "
    "those above it are skipped.",
)

# %% [markdown]
# > **The common guess**, that both need about as much because both compute the same, counts operations instead of what must be
# > kept: the table holds all $n^2$ scores at once.
#
# The work is still $n^2$, or half of that with the skipped tiles. What is saved is memory, and on a GPU the traffic to it. Count the
# numbers that one head moves to and from slow memory. With blocks of $B$ queries, k and v pass by $n / B$ times, half of them on average:
#
# | numbers moved | with the table | in blocks |
# |---|---|---|
# | q read, out written | 2nD | 2nD |
# | k and v read | 2nD | 2nD · n/(2B) |
# | scores written and read, weights written and read | 4n² | 0 |

# %%
n, D = 8192, 128
table = 4 * n * D + 4 * n * n
print(f"with the table {table / 1e6:.0f} million numbers")
for B in (64, 128, 256):
    blocks = 2 * n * D + 2 * n * D * n // (2 * B)
    print(f"in blocks of {B:3d}   {blocks / 1e6:3.0f} million: {table / blocks:.1f} times fewer")

# %% [markdown]
# Keys come from slow memory once for each *block* of queries, so larger blocks mean less traffic. The size of fast memory
# limits the block. In lecture 10 tiles of a matrix product followed the same rule.
#
# The course's CPU kernel for `attention` also keeps no table; the lab asks you for it.

# %% [markdown]
# ## 7. What the shipped model looks at
#
# The small model of this course has 8 layers with 4 heads each. `observe_calls` shows us every operator that it calls, with arguments and
# results. From each call of `attention` we take queries and keys, and compute the weights. The text is the beginning of a story about Gus
# and Tom that it was not trained on.

# %%
model = load_model("mini")
story = paths.held_out_text().read_text().split("<|endoftext|>")[0].strip()
ids = model.tokenizer.encode(story)[:160]
tokens = [model.tokenizer.decode([token]) for token in ids]
maps = []


def keep_weights(operator, arguments, results):
    if operator.name == "attention":
        q, k, v, _ = (
            np.asarray(argument) for argument in arguments
        )  # q [L, H, D], others [S, K, D]
        heads, group = q.shape[1], q.shape[1] // k.shape[1]
        own = [(q[:, h], k[:, h // group], v[:, h // group]) for h in range(heads)]
        maps.append([attend(*q_k_v)[0] for q_k_v in own])


with observe_calls(keep_weights):
    model.logits(ids)
maps = np.array(maps)  # [layers, H, L, S]
print("maps:", maps.shape, "- rows sum to one:", np.allclose(maps.sum(axis=-1), 1))
print("the text begins:", "".join(tokens[:40]))

# %% [markdown]
# 32 maps of 160 × 160 weights are too many to read. So we ask each head three questions:
#
# - How much weight goes to the two tokens just before (and itself)?
# - How much goes to punctuation?
# - When the next token is a name that the story has named before, how much goes to the positions of names?

# %%
L = len(ids)
near = np.tri(L) - np.tri(L, k=-3)  # [L, S]: 1 for the token itself and the two before it
is_mark = np.array([not any(c.isalnum() for c in token) for token in tokens])
names = [token.strip() for token in tokens]
is_name = np.array([name in ("Gus", "Tom") for name in names])
before_name = [place - 1 for place in range(L) if is_name[place] and names[place] in names[:place]]

answers = {
    "to the last three tokens": (maps * near).sum(axis=-1).mean(axis=-1),
    "to punctuation": maps[..., is_mark].sum(axis=-1).mean(axis=-1),
    "to names, before a name": maps[:, :, before_name][..., is_name].sum(axis=-1).mean(axis=-1),
}
for question, share in answers.items():
    layer, head = np.unravel_index(share.argmax(), share.shape)
    most, mean = share.max(), share.mean()
    print(f"weight {question:25s} layer {layer}, head {head}: {most:.0%}; mean of all {mean:.0%}")
print(f"share of names among the tokens: {is_name.mean():.0%}, of punctuation {is_mark.mean():.0%}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.7, sharey=True)
for axis, (question, share) in zip(axes, answers.items(), strict=True):
    image = axis.imshow(share, vmin=0, vmax=1)
    for i, j in np.ndindex(share.shape):
        colour = plots.ink_on(image, share[i, j])
        axis.text(j, i, f"{share[i, j]:.0%}", ha="center", va="center", fontsize=9, color=colour)
    axis.set(xlabel="head", title=f"weight {question}", xticks=range(4), yticks=range(8))
    axis.title.set_fontsize(9.5)
axes[0].set_ylabel("layer")
plots.show(
    fig,
    alt="For each of 32 heads the share of its weight on the last three tokens, on punctuation, and on names "
    "when a name comes next. Three heads of the last two layers put nearly all of their weight on names "
    "then; no other head does.",
)


# %% jupyter={"source_hidden": true}
def draw_map(axis, layer, head, count=39):
    axis.imshow(np.sqrt(maps[layer, head, :count, :count]), vmin=0, vmax=1)
    labels = [token.strip() for token in tokens[:count]]
    axis.set(xticks=range(count), yticks=range(count), title=f"layer {layer}, head {head}")
    axis.set_xticklabels(labels, rotation=90, fontsize=6.5)
    axis.set_yticklabels(labels, fontsize=6.5)
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        for label, name in zip(labels, is_name, strict=False):
            if name:
                label.set(color=plots.VERMILION, fontweight="bold")
    axis.set(xlabel="key: token looked at", ylabel="query: token that looks")


fig, axes = plots.figure(1, 2, width=9.4, height=5)
for axis, question in zip(
    axes, ("to the last three tokens", "to names, before a name"), strict=True
):
    draw_map(axis, *np.unravel_index(answers[question].argmax(), answers[question].shape))
plots.show(
    fig,
    alt="Attention maps of two heads over the first 39 tokens of the story. The first looks along the "
    "diagonal, at the last few tokens. In the second, rows before a name have a single strong place, "
    "where a name stands.",
)

# %% [markdown]
# (The colour shows the root of the weight, so that small weights show. Names are printed bold.)
#
# The last two layers have heads that look up names: just before the story needs a name, they point to the positions of names. That rule was
# not programmed; training found it, because it makes the next token less surprising. Such heads were found in large models too
# (Olsson et al., 2022; Wang et al., 2022). A map says where a head looks, not what it does with what it finds there.


# %%
@interact(layer=(0, 7), head=(0, 3))
def draw_chosen_map(layer=6, head=2):
    fig, axis = plots.figure(width=6, height=6)
    draw_map(axis, layer, head)
    plots.show(fig, alt=f"Attention map of layer {layer}, head {head}.")


# %% [markdown]
# ## The answer
#
# - A token asks with a query, every token offers a key and a value, and the answer is a mean of the values weighted by the softmax of
#   $q \cdot k / \sqrt D$. The causal mask hides the future, so the past can be cached.
# - The cache costs $2 \cdot \text{layers} \cdot S \cdot K \cdot D$ numbers. GQA and MQA make K smaller than H.
# - The work grows with n². The memory need not: online softmax gives the same outputs tile by tile.
#
# ## Sources
#
# - D. Bahdanau, K. Cho, Y. Bengio (2014), [Neural machine translation by jointly learning to align and translate](https://arxiv.org/abs/1409.0473): attention as a soft lookup.
# - A. Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762).
# - N. Shazeer (2019), [Fast transformer decoding: one write-head is all you need](https://arxiv.org/abs/1911.02150).
# - J. Ainslie et al. (2023), [GQA](https://arxiv.org/abs/2305.13245).
# - M. Milakov, N. Gimelshein (2018), [Online normalizer calculation for softmax](https://arxiv.org/abs/1805.02867);
#   T. Dao et al. (2022), [FlashAttention](https://arxiv.org/abs/2205.14135).
# - C. Olsson et al. (2022), [In-context learning and induction heads](https://arxiv.org/abs/2209.11895);
#   K. Wang et al. (2022), [Interpretability in the wild](https://arxiv.org/abs/2211.00593): heads that move names.
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json).
#
# ## Go on
#
# In [lab 12 attention](../labs/12_attention/12_attention.ipynb) you write `attention` as a kernel: first with a row of scores, then online.
# Then: [13 The Qwen block](13_qwen_block.ipynb).
