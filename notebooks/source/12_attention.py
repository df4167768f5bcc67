# %% [markdown]
# # 12 · Attention
#
# **Question:** each token knows only itself. How does it fetch what it needs from the tokens before it, and what does that cost?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [11 Tokens and positions](11_tokens_and_positions.ipynb) | softmax and online softmax (07), the sanitizer (08), RoPE (11) | 25 minutes | [12 attention](../labs/12_attention/12_attention.ipynb) | [13 The Qwen block](13_qwen_block.ipynb) |

# %%
import numpy as np
from matplotlib.patches import Rectangle

from llaisys_mini import load_model, observe_calls, operators, paths, plots

# %% [markdown]
# Letters: L queries and S keys, E numbers that describe a token, H query heads and K key/value heads (both 1 until section 3), D numbers in one
# query, key or value.

# %% [markdown]
# ## 1. A soft lookup
#
# A Python dictionary finds a value if the key is equal. Attention mixes all values, by how well their keys fit (Bahdanau et al., 2014):
#
# - each stored item $s$ has a **key** $k_s$, a vector of $D$ numbers, and a **value** $v_s$;
# - the question is a **query** $q$, also $D$ numbers;
# - the dot product $q \cdot k_s$ says how well key $s$ fits;
# - softmax turns these scores into weights, and the answer is the mean of the values with these weights.
#
# $$o = \sum_{s=1}^{S} p_s\, v_s, \qquad p = \operatorname{softmax}(q\cdot k_1, \dots, q\cdot k_S)$$
#
# Four keys in the plane ($S = 4$, $D = 2$). The values are prices: one number each.

# %%
angles = np.deg2rad([10, 60, 150, 250])
keys = 4 * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)  # [S, D]
values = np.array([10, 20, 30, 40], np.float32)  # [S]


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


# %% [markdown]
# ### Why the scores are divided by √D
#
# Let the $D$ numbers of $q$ and $k$ be independent, with mean 0 and variance 1. Then each product $q_d k_d$ has variance 1, and a sum of $D$
# of them $D$. So scores grow like $\sqrt D$. Softmax then gives nearly all weight to one key, and its gradient vanishes.
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
# > **The common guess**, about a hundredth, would be right if all scores were equal; but their spread grows with $\sqrt D$.
#
# So attention uses $q \cdot k_s / \sqrt D$ (Vaswani et al., 2017). The factor $1/\sqrt D$ is called `scale` in our operator.

# %% [markdown]
# ## 2. Self-attention and the causal mask
#
# In a *decoder*, a model that writes text token by token, every token asks and can be asked. The tokens of a text are $x$, $[L, E]$.
# Three trained matrices turn each into its query, its key and its value:
#
# $$\underbrace{q}_{L\times D} = \underbrace{x}_{L\times E} W_q^{\mathsf T}, \qquad k = x W_k^{\mathsf T}, \qquad v = x W_v^{\mathsf T}
# \qquad\text{with } W_q, W_k, W_v \text{ of shape } [D, E]$$
#
# All queries meet all keys in one product, a table with a row for each query:
#
# $$\underbrace{\text{scores}}_{L\times S} = q\,k^{\mathsf T} / \sqrt D$$
#
# The decoder is trained to predict the next token at *every* position at once. If token 3 could look at token 4, it would see the
# answer. So later tokens are hidden: their scores become $-\infty$, their weights 0. This is the *causal mask*.


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
# > **Predict, then run.** What is the first row of the weights? If we replace the last token, which outputs change?

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
# > **The common guess**, that every output changes, forgets the mask: only later tokens see the last one, and there are none.
#
# The first token sees only itself, so its weight is 1. **The past does not depend on the future**: section 4 relies on it.

# %% [markdown]
# ## 3. Heads
#
# A token may want several things at once. So attention runs $H$ times side by side, in $H$ *heads*, each with
# its own matrices. They are stacked: $W_q$ becomes $[H D, E]$, and its result $[L, H D]$ is viewed as $[L, H, D]$ (lecture 06).
# At the end a fourth matrix $W_o$, $[E, H D]$, mixes the heads' outputs.
#
# Several query heads may share one key/value head: with $K$ of them, query head $h$ reads number $\lfloor h / (H/K) \rfloor$.

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
# MHA is *multi-head attention* (Vaswani et al., 2017), GQA *grouped-query attention* (Ainslie et al., 2023), MQA *multi-query attention* (Shazeer,
# 2019). The operator `attention(q, k, v, scale)` is all of this: `q` and result $[L, H, D]$, for the last L positions; `k` and `v` $[S, K, D]$.

# %%
H, K, D = 4, 2, 8
q = rng.normal(size=(L, H, D)).astype(np.float32)
k, v = rng.normal(size=(2, L, K, D)).astype(np.float32)
by_hand = np.stack([attend(q[:, h], k[:, h // 2], v[:, h // 2])[1] for h in range(H)], axis=1)
whole = operators.attention(q, k, v, D**-0.5)  # L = S = 6
last = operators.attention(q[-1:].copy(), k, v, D**-0.5)  # L = 1, S = 6
print("largest difference from the heads one by one:", np.abs(by_hand - whole).max())
print("one query over stored keys gives the last row of the whole:", np.allclose(whole[-1:], last))

# %% [markdown]
# ## 4. The KV cache
#
# To write token 1000 a decoder needs the keys and values of all tokens before it. They are the same as when token 999
# was written, so they are kept: the *KV cache*. Each step computes one new query, key and value (L = 1), and looks at all S.

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=2.5)
TOKENS = ["Once", "upon", "a", "time", ",", "a"]
for axis, filled in zip(axes, (3, 4, 5), strict=True):
    for row, name in enumerate(("keys, turned", "values")):
        for place in range(6):
            new = place == filled - 1
            face = plots.VERMILION if new else plots.SKY + "88" if place < filled else "none"
            style = dict(facecolor=face, edgecolor="#777777", hatch="///" if new else "")
            axis.add_patch(Rectangle((place, -1.4 * row), 0.92, 0.8, **style))
        axis.text(0, 0.95 - 1.4 * row, f"{name} [S, K, D]", fontsize=8.5)
    for place in range(filled):
        axis.text(place + 0.46, -1.85, TOKENS[place], ha="center", fontsize=8.5)
    axis.text(
        0, -2.9, f"one query, {filled} keys\nroom for {6 - filled} more", fontsize=8.5, va="center"
    )
    axis.set(
        xlim=(-0.2, 6.2), ylim=(-3.4, 1.7), title=f"“{TOKENS[filled - 1]}” is read: S = {filled}"
    )
    axis.axis("off")
plots.show(
    fig,
    alt="The cache of one layer at three steps: a row of keys and a row of values with room for six positions. Each step writes one new "
    "key and one new value behind the others, and its query looks at all that are filled.",
)

# %% [markdown]
# Striped: what this step writes. Queries are not kept.
#
# The keys are stored **after RoPE has turned them**: the angle of position 3 never changes. What does the shipped model hand to `attention` in layer 0?

# %%
model = load_model("mini")
calls = []
with observe_calls(lambda operator, arguments, results: calls.append((operator.name, arguments))):
    model.logits(model.tokenizer.encode("Once upon a time"))
to_turn = [np.asarray(x) for name, (x, *_) in calls if name == "rope"][
    1
]  # layer 0: first q, then k
stored = next(np.asarray(arguments[1]) for name, arguments in calls if name == "attention")
places = np.arange(4)
turned = operators.rope(to_turn, places, 10_000.0)
print("stored keys are the turned ones:", np.allclose(stored, turned, atol=1e-6))

# %% [markdown]
# ### One error, worked through: turned again
#
# A decoder hands the cached keys to `rope` together with the new one, at positions 0 to S − 1.
#
# > **Predict, then run.** Which of the four keys get a wrong score?

# %%
query = operators.rope(rng.normal(size=(1, 1, 32)).astype(np.float32), places[-1:], 10_000.0)
cached = turned[:, :1]  # one of the two heads
twice = np.concatenate([operators.rope(cached[:3].copy(), places[:3], 10_000.0), cached[3:]])
for name, keys_used in (("as it should be", cached), ("turned again", twice)):
    print(f"{name:16s} scores", np.round(keys_used[:, 0] @ query[0, 0], 2))

# %% [markdown]
# > **The common guess**, that all old keys are wrong, forgets the first: at position 0 nothing is turned.
#
# No error is raised, but each old key is turned as if at twice its position.

# %% [markdown]
# ### What it costs
#
# For each position and layer: $2 K D$ numbers. Ways to make that less:
#
# - **GQA, MQA**: fewer key/value heads.
# - **Sliding**: a query sees the last $w$ positions only; older ones are dropped (operator `sliding_attention`).
# - **Sparse**: each query reads a few chosen keys (Child et al., 2019); the cache stays.
# - **MLA**, *multi-head latent attention* (DeepSeek-AI, 2024): one short vector is kept, from which matrices make the keys and values of
#   all heads, and beside it a small turned key: 512 + 64 numbers.

# %% [markdown]
# For Qwen3-0.6B: 28 layers, H = 16, K = 8, D = 128, 40 960 positions (config.json; Qwen team, 2025), and 2 bytes for each number. Its
# weights take 1.2 GB. Only the second row is the real model:

# %%
CONTEXT = 40_960
ways = {  # numbers for each position and layer, positions kept, positions read by a query
    "MHA, K = 16": (2 * 16 * 128, CONTEXT, CONTEXT),
    "GQA, K = 8": (2 * 8 * 128, CONTEXT, CONTEXT),
    "MQA, K = 1": (2 * 1 * 128, CONTEXT, CONTEXT),
    "GQA, sliding, 4096": (2 * 8 * 128, 4096, 4096),
    "GQA, sparse, 2048": (2 * 8 * 128, CONTEXT, 2048),
    "MLA, 512 + 64": (512 + 64, CONTEXT, CONTEXT),
}
for name, (numbers, kept, read) in ways.items():
    in_gb = 28 * numbers * 2 / 1e9
    print(f"{name:19s} kept {in_gb * kept:5.2f} GB, read for each token {in_gb * read:5.2f} GB")

# %% [markdown]
# ## 5. The n² wall
#
# For a prompt of $n$ tokens the table of scores has $n^2$ entries for each head, half of them masked. The work of the products with weights is proportional
# to $n$. In multiply-adds, for a layer of Qwen3-0.6B (with three matrices of 1024 × 3072, lecture 13):

# %%
weights_used = 1024 * (16 + 8 + 8) * 128 + 16 * 128 * 1024 + 3 * 1024 * 3072  # for each token
for n in (1024, 8192, CONTEXT):
    with_weights, with_scores = n * weights_used, 2 * 16 * 128 * n * (n + 1) // 2
    share = with_scores / (with_weights + with_scores)
    print(
        f"{n:6d} tokens: attention is {share:3.0%} of the work; table {16 * n * n * 4 / 1e9:6.2f} GB"
    )

# %% [markdown]
# ## 6. FlashAttention
#
# The table need not be stored. A GPU has a large slow memory and a small fast one (numbers of an A100; Dao et al., 2022):

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=3.3)


def box(left, bottom, wide, high, face, text, **more):
    axis.add_patch(Rectangle((left, bottom), wide, high, facecolor=face, edgecolor="#777777"))
    axis.text(
        left + wide / 2, bottom + high / 2, text, ha="center", va="center", fontsize=9, **more
    )


box(0, 5.6, 50, 4.4, plots.GREEN + "22", "")
axis.text(
    51,
    7.8,
    "SRAM (L1 and shared memory)\n20 MB in all, 0.2 MB in each multiprocessor\n19 TB/s",
    va="center",
)
box(0, 0, 50, 2.8, plots.ORANGE + "22", "")
axis.text(51, 1.4, "HBM (global memory)\n40 GB\n1.5 TB/s", va="center")
box(2, 6.2, 11, 3.2, plots.BLUE + "55", "a block of\nqueries; m, s, o")
box(19, 7, 6, 2.2, plots.SKY + "88", "k, v\ntile")
box(31, 6.4, 15, 2.8, plots.PURPLE + "44", "one tile of scores,\nnever stored")
box(2, 0.5, 11, 1.8, plots.BLUE + "55", "q, out")
for tile in range(8):
    box(17 + 3.6 * tile, 0.5, 3.2, 1.8, plots.SKY + "88", "k, v" if tile in (0, 7) else "")
arrow = dict(arrowstyle="-|>", color="#555555", linewidth=1.4)
axis.annotate("", (7.5, 6.1), (7.5, 2.4), arrowprops=arrow)
axis.text(8.2, 4.2, "once", va="center", fontsize=9)
for tile in range(0, 8, 2):
    axis.annotate("", (22, 6.9), (18.6 + 3.6 * tile, 2.4), arrowprops={**arrow, "linewidth": 0.9})
axis.text(40, 4.4, "once for each block of queries", va="center", fontsize=9)
axis.annotate("", (30.8, 8), (25.2, 8), arrowprops=arrow)
axis.set(xlim=(0, 84), ylim=(-0.2, 10.2))
axis.axis("off")
plots.show(
    fig,
    alt="Two memories. Below HBM with queries, outputs and a row of tiles of keys and values. Above SRAM: a block of queries with its m, s and o stays; "
    "tiles of keys and values pass by one after the other; one tile of scores exists at a time.",
)

# %% [markdown]
# Two ideas together. First, **online softmax** (lecture 07; Milakov and Gimelshein, 2018): keep the largest score so far $m$, the sum $s$ and the
# mixed values $o$, and rescale $s$ and $o$ when $m$ grows. Four keys with scores 1, 3, 2, 4 and values 10, 20, 30, 40, one after the other:

# %% jupyter={"source_hidden": true}
scores, m, s, o = np.array([1.0, 3.0, 2.0, 4.0]), -np.inf, 0.0, 0.0
steps = []
for score, value in zip(scores, (10, 20, 30, 40), strict=True):
    larger = max(m, score)
    factor, e = np.exp(m - larger), np.exp(score - larger)
    s, o, m = s * factor + e, o * factor + e * value, larger
    steps.append((m, s, o, factor))
print(f"online {o / s:.4f}, at once {operators.softmax(scores[None].astype('f'))[0] @ values:.4f}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 4, width=9, height=2.7, sharey=True)
for step, (axis, (m, s, o, factor)) in enumerate(zip(axes, steps, strict=True)):
    for key in range(4):
        if key <= step:
            style = (
                dict(color=plots.VERMILION, hatch="///") if key == step else dict(color=plots.BLUE)
            )
            axis.bar(key + 1, np.exp(scores[key] - m), edgecolor="white", **style)
    axis.set(xlim=(0.4, 4.6), ylim=(0, 1.1), xticks=range(1, 5), xlabel="key")
    axis.set_title(f"m = {m:.0f}, factor {factor:.2f}\ns = {s:.2f}, o = {o:.1f}", fontsize=9.5)
axes[0].set_ylabel("$e^{score - m}$")
plots.show(
    fig,
    alt="The weights of the keys in s and o after each of four steps. When a key scores higher than all before, the weights of the earlier keys shrink by "
    "the factor; when it does not, they stay as they are.",
)

# %% [markdown]
# Striped: the new key. At keys 2 and 4 $m$ grows, and everything so far shrinks.
#
# Second, **a block of queries**: $B$ of them stay in fast memory, and each tile of keys and values that passes by serves all of them.


# %%
def flash_attend(q, k, v, block=64):
    """As `attend`, for L = S: outputs [L, D] without the table of scores."""
    out = np.empty_like(q)
    for first in range(0, len(q), block):
        queries = q[first : first + block] / np.float32(np.sqrt(q.shape[1]))  # [B, D]
        rows = np.arange(first, first + len(queries))[:, None]
        m = np.full((len(queries), 1), -np.inf, np.float32)
        s, o = np.zeros_like(m), np.zeros_like(queries)
        for start in range(0, first + block, block):  # later tiles are hidden by the mask
            columns = np.arange(start, min(start + block, len(k)))[None, :]
            scores = queries @ k[start : start + block].T  # [B, B]: one tile
            scores = np.where(columns <= rows, scores, np.float32(-np.inf))
            larger = np.maximum(m, scores.max(axis=1, keepdims=True))
            factor, weights = np.exp(m - larger), np.exp(scores - larger)
            s = s * factor + weights.sum(axis=1, keepdims=True)
            o = o * factor + weights @ v[start : start + block]
            m = larger
        out[first : first + block] = o / s
    return out


q, k, v = rng.normal(size=(3, 1000, 32)).astype(np.float32)
print(
    "largest difference from the table:", np.abs(flash_attend(q, k, v) - attend(q, k, v)[1]).max()
)

# %% [markdown]
# Count the numbers that one head moves to and from slow memory. $q$ and $out$ are $n D$ each. With a table, $k$ and $v$ come once at best; scores and weights
# are written and read: $4n^2$. In tiles, $k$ and $v$ come $n/B$ times, half of them on average.
# In millions, for $n$ = 8192 and $D$ = 128:

# %%
n, D = 8192, 128
table = 4 * n * D + 4 * n * n
for B in (1, 8, 64, 128):
    moved = 2 * n * D + 2 * n * D * n // (2 * B)
    print(
        f"B = {B:3d}: {moved / 1e6:5.0f} million numbers; the table {table / moved:5.2f} times as many"
    )

# %% [markdown]
# With one query at a time, and even with eight, more is moved than with the table: every block fetches its keys again. Fast memory limits the block.
# In the lab the sanitizer counts your traffic with one query and with eight.
#
# ### Split keys
#
# While a text is written there is only one query. But its *keys* can be divided among the multiprocessors, and the parts merged as by
# `merge_softmax` of lab 07 (flash-decoding, Dao et al., 2023):


# %%
def part(q, k, v):
    """q [D] over some of the keys: m, s and o."""
    scores = k @ q
    weights = np.exp(scores - scores.max())
    return scores.max(), weights.sum(), weights @ v


def merge(a, b):
    larger = max(a[0], b[0])
    of_a, of_b = np.exp(a[0] - larger), np.exp(b[0] - larger)
    return larger, a[1] * of_a + b[1] * of_b, a[2] * of_a + b[2] * of_b


query = q[-1] / np.float32(np.sqrt(32))
_, s, o = merge(part(query, k[:300], v[:300]), part(query, k[300:], v[300:]))
print("largest difference:", np.abs(o / s - attend(q[-1:], k, v)[1][0]).max())

# %% [markdown]
# ## 7. What the shipped model's heads do
#
# The shipped model has 8 layers with 4 heads each. It reads a story of Gus the pig and Tom the cat: one of its training plots, with other names. We compute the
# weights of each `attention`.

# %% jupyter={"source_hidden": true}
story = paths.held_out_text().read_text().split("<|endoftext|>")[0].strip()
ids = np.array(model.tokenizer.encode(story))
words = [model.tokenizer.decode([token]).strip() for token in ids]
maps = []


def keep_weights(operator, arguments, results):
    if operator.name == "attention":
        q, k, v = (np.asarray(argument) for argument in arguments[:3])  # [L, H, D], [S, K, D]
        maps.append([attend(q[:, h], k[:, h // 2], v[:, h // 2])[0] for h in range(4)])


with observe_calls(keep_weights):
    model.logits(ids)
maps = np.array(maps)  # [layers, H, L, S]
print("maps:", maps.shape, "-", " ".join(words[:24]))

# %% [markdown]
# How much of its weight does each head give to the last three tokens, to punctuation, and to the word that comes next, where this is a word of the
# story (a name, the hat, its colour, an animal) that was there before?

# %% jupyter={"source_hidden": true}
OF_THIS_STORY = ("Gus", "Tom", "hat", "gray", "pig", "cat")
L = len(ids)
near = np.tri(L) - np.tri(L, k=-3)
is_mark = np.array([not any(c.isalnum() for c in word) for word in words])
before = np.array(
    [p - 1 for p in range(1, L) if words[p] in OF_THIS_STORY and words[p] in words[:p]]
)
right = np.array([[words[s] == words[p + 1] and s <= p for s in range(L)] for p in before])
answers = {
    "the last three tokens": (maps * near).sum(axis=-1).mean(axis=-1),
    "punctuation": maps[..., is_mark].sum(axis=-1).mean(axis=-1),
    "the word that comes next": (maps[:, :, before] * right).sum(axis=-1).mean(axis=-1),
}
even = np.tri(L) / np.arange(1, L + 1)[:, None]  # a head that spreads its weight evenly
evenly = [
    (even * near).sum(-1).mean(),
    even[:, is_mark].sum(-1).mean(),
    (even[before] * right).sum(-1).mean(),
]
fig, axes = plots.figure(1, 3, width=9, height=3.9, sharey=True)
for axis, (question, share), as_even in zip(axes, answers.items(), evenly, strict=True):
    image = axis.imshow(share, vmin=0, vmax=1)
    for i, j in np.ndindex(share.shape):
        colour = plots.ink_on(image, share[i, j])
        axis.text(j, i, f"{share[i, j]:.0%}", ha="center", va="center", fontsize=9, color=colour)
    axis.set(xlabel="head", xticks=range(4), yticks=range(8))
    axis.set_title(f"to {question}\n(spread evenly: {as_even:.0%})", fontsize=9.5)
axes[0].set_ylabel("layer")
plots.show(
    fig,
    alt="For each of 32 heads the share of its weight on the last three tokens, on punctuation, and on the word that comes next, where it was there before. "
    "Two heads of layer 6 and one of layer 7 put most of their weight on that word; no other head does.",
)

# %% [markdown]
# Heads 2 and 3 of layer 6, and head 0 of layer 7, point at the word that is about to come, as heads of large models do (Olsson et al., 2022;
# Wang et al., 2022). Head 2 of layer 6 finds its first place in the text:

# %% jupyter={"source_hidden": true}
columns = np.flatnonzero([word in OF_THIS_STORY for word in words])
fig, axis = plots.figure(width=9, height=5.2)
axis.imshow(maps[6, 2][np.ix_(before, columns)], vmin=0, vmax=1, aspect="auto")
axis.set(
    xticks=range(len(columns)),
    yticks=range(len(before)),
    xlabel="key: places of these words, in order",
)
axis.set_xticklabels([words[place] for place in columns], rotation=90, fontsize=8.5)
axis.set_yticklabels([f"{words[p]} → {words[p + 1]}" for p in before], fontsize=8.5)
axis.set_ylabel("query: this token → the next one")
plots.show(
    fig,
    alt="Weights of head 2 of layer 6. Rows are the tokens before a name, the hat, its colour or the cat; columns the places of these words. In nearly every row the weight lies on the first place of the word that comes next.",
)

# %% [markdown]
# What is it worth? We switch heads off: their columns in $W_o$ become 0.


# %% jupyter={"source_hidden": true}
def losses_without(heads):
    """Loss of each token [L - 1], if these (layer, head) give nothing."""
    weights = {n: np.asarray(model.decoder.layers[n].attention.output.weight) for n, _ in heads}
    kept = {n: weight.copy() for n, weight in weights.items()}  # [E, H * D]
    for n, head in heads:
        weights[n][:, 32 * head : 32 * head + 32] = 0
    found = operators.cross_entropy(model.logits(ids[:-1]), ids[1:])
    for n, weight in weights.items():
        weight[:] = kept[n]
    return found


# %%
for heads in (
    [],
    [(6, 2)],
    [(6, 3)],
    [(6, 2), (6, 3)],
    [(6, 2), (6, 3), (7, 0)],
    [(6, 0), (6, 1), (7, 2)],
):
    found = losses_without(heads)
    others = np.delete(found, before).mean()
    print(
        f"without {heads!s:26}: words of the story {found[before].mean():.3f}, others {others:.3f}"
    )
alone = np.array([[losses_without([(n, h)]).mean() for h in range(4)] for n in range(8)])
n, h = np.unravel_index(alone.argmax(), alone.shape)
print(
    f"the one head that is missed most: layer {n}, head {h}, {alone.max() - losses_without([]).mean():.3f} nats"
)

# %% [markdown]
# Of the two heads in layer 6 one is enough. Without both the model no longer knows whom the story is about; head 0 of layer 7 helps a little. Three
# others make no difference there. So these heads fetch the story's words. What most others do is open: their weight is spread
# widely, hardly any is missed.

# %% [markdown]
# ## With pencil and paper
#
# **1.** A model has 32 layers, H = 32, K = 4, D = 128 and a cache in 16 bits. How many bytes does one position take? How many positions fit into 8 GB? And with MHA?
#
# <details><summary>Answer</summary>
#
# $2 \cdot 32 \cdot 4 \cdot 128 \cdot 2$ = 65 536 bytes, so $8 \cdot 10^9 / 65\,536 \approx$ 122 000 positions. With K = 32 eight times as much for each: 15 000 positions.
#
# </details>
#
# **2.** One query, scores 0, 2, 1 and values 6, 3, 9. Give $m$, $s$ and $o$ after each key; $e^{-1} = 0.37$, $e^{-2} = 0.14$. What is the output?
#
# <details><summary>Answer</summary>
#
# After the first: 0, 1, 6. The second grows $m$ to 2, factor 0.14: $s$ = 0.14 + 1 = 1.14, $o$ = 0.84 + 3 = 3.84. The third adds 0.37: $s$ = 1.51, $o$ = 3.84 + 3.33 = 7.17.
# Output 7.17 / 1.51 = 4.7.
#
# </details>

# %% [markdown]
# ## The answer
#
# - **Attention**: a token asks with a query, every token offers a key and a value, and the answer is a mean of the values weighted by the softmax of
#   $q \cdot k / \sqrt D$. The **causal mask** hides the future, so the past can be cached.
# - The **KV cache** holds turned keys and values, $2 K D$ numbers for each position and layer. **GQA**, sliding windows and latent vectors make it smaller.
# - The work grows with $n^2$. **FlashAttention** stores no table: online softmax, for blocks of queries.
#
# ## Sources
#
# - D. Bahdanau, K. Cho, Y. Bengio (2014), [Neural machine translation by jointly learning to align and translate](https://arxiv.org/abs/1409.0473): attention as a soft lookup.
# - A. Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762).
# - N. Shazeer (2019), [Fast transformer decoding: one write-head is all you need](https://arxiv.org/abs/1911.02150).
# - J. Ainslie et al. (2023), [GQA](https://arxiv.org/abs/2305.13245).
# - R. Child et al. (2019), [Generating long sequences with sparse transformers](https://arxiv.org/abs/1904.10509);
#   DeepSeek-AI (2024), [DeepSeek-V2](https://arxiv.org/abs/2405.04434): multi-head latent attention.
# - M. Milakov, N. Gimelshein (2018), [Online normalizer calculation for softmax](https://arxiv.org/abs/1805.02867);
#   T. Dao et al. (2022), [FlashAttention](https://arxiv.org/abs/2205.14135);
#   T. Dao et al. (2023), [Flash-decoding for long-context inference](https://crfm.stanford.edu/2023/10/12/flashdecoding.html).
# - C. Olsson et al. (2022), [In-context learning and induction heads](https://arxiv.org/abs/2209.11895);
#   K. Wang et al. (2022), [Interpretability in the wild](https://arxiv.org/abs/2211.00593): heads that move names.
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json).
#
# ## Go on
#
# In [lab 12 attention](../labs/12_attention/12_attention.ipynb) you write `attention` as a kernel: first with a row of scores, then online, then for a block of queries.
# Then: [13 The Qwen block](13_qwen_block.ipynb).
