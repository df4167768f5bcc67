# %% [markdown]
# # 11 · Tokens and positions
#
# **Question:** a network computes with numbers. How does text become numbers, and how does the order of the words get into them?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [10 Matmul on a GPU](10_matmul_gpu.ipynb) | cross-entropy (03), softmax (07), the dot product, sine and cosine | 25 minutes | [11 tokens and positions](../labs/11_tokens_and_positions/11_tokens_and_positions.ipynb) | [12 Attention](12_attention.ipynb) |

# %%
import itertools
import json
import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np

from llaisys_mini import Tensor, load_model, operators, paths, plots
from training.corpus.held_out_text import held_out_stories

# %% [markdown]
# ## 1. Text is bytes
#
# A computer stores text as bytes, numbers from 0 to 255. The usual encoding is UTF-8 (Yergeau, 2003). An English letter takes one byte, most
# Chinese characters take three.

# %%
for text in ("fox", "Füchsin", "狐狸", "🦊"):
    print(f"{text!r:10} {len(text)} characters, bytes {list(text.encode())}")

# %% [markdown]
# A network could read these bytes directly. But a word would then take five or ten steps, and each step costs time. Whole words fail,
# too: some word is always missing from the list.

# %% [markdown]
# ## 2. Byte-pair encoding
#
# So start with bytes, and give each frequent piece a number of its own. This is *byte-pair encoding*, BPE
# (Gage, 1994; Sennrich et al., 2015; Radford et al., 2019). To train it:
#
# 1. Every byte is a *token*. So there are 256 tokens at first.
# 2. Count all pairs of neighbouring tokens. The most frequent pair becomes a new token. This is a *merge*.
# 3. Replace the pair everywhere. Repeat from 2 until there are enough tokens.
#
# We train it on this text:

# %%
TEXT = """
The fox saw the crow, and the crow saw the fox. The crow had the cheese that the fox wanted.
"What a fine crow," said the fox. "What fine feathers, and what a fine voice, I am sure."
The crow wanted to show the fox how fine a voice the crow had. The crow opened wide and sang.
Down fell the cheese, down to the fox. The fox ran with the cheese, faster than the crow flew.
The crow sat on the branch and thought: whoever sings for a fox sings without the cheese.
"""

# %% [markdown]
# Merges must not join one word with the next. So the text is first cut into words, each with the space before it. Qwen's pattern is longer.


# %%
def cut(text):
    """Words with their leading space, runs of punctuation, the rest: each a tuple of single bytes."""
    pieces = re.findall(r" ?\w+| ?[^\w\s]+|\s+", text)
    return [tuple(bytes([byte]) for byte in piece.encode()) for piece in pieces]


def merge(word, pair):
    """`word` with every occurrence of the two neighbours `pair` joined into one token."""
    merged, place = [], 0
    while place < len(word):
        joined = word[place : place + 2] == pair
        merged.append(word[place] + word[place + 1] if joined else word[place])
        place += 2 if joined else 1
    return tuple(merged)


words = Counter(cut(TEXT))  # word -> how often


# %% [markdown]
# > **Predict, then run.** Which two bytes make the first merge? Which word is the first to become one single token?


# %%
def train(words, merges):
    """The `merges` most frequent pairs, in the order in which they were found."""
    found = []
    for _ in range(merges):
        pairs = Counter()
        for word, count in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        best, count = max(pairs.items(), key=lambda item: item[1])
        words = Counter({merge(word, best): count for word, count in words.items()})
        found.append((best, count))
    return found


merges = train(words, 100)
for number, ((left, right), count) in enumerate(merges[:8]):
    print(f"token {256 + number}: {left.decode()!r} + {right.decode()!r} occurs {count} times")

# %% [markdown]
# > **The common guess**, a pair with the space, the most frequent byte, forgets that a space has many different neighbours. The first word
# > is ` the`, token 259.
#
# To *encode* a text, cut it, and apply the merges in the order in which they were found. To *decode*, join the bytes of the tokens.


# %%
def encode(text, merges):
    tokens = []
    for word in cut(text):
        for pair, _ in merges:
            word = merge(word, pair)
        tokens += word
    return tokens


for text in ("the fox sang", "The cow wanted cheese", "Füchsin"):
    tokens = encode(text, merges)
    print(f"{text!r} -> {tokens}; back: {b''.join(tokens).decode()!r}")

# %% [markdown]
# A new word is cut into known pieces, at worst into bytes. With more merges texts become shorter, and the list of tokens, the *vocabulary*, longer:


# %% jupyter={"source_hidden": true}
SENTENCE = '"What a fine crow," said the fox, and the crow wanted to sing without the cheese.'


def draw_tokens(axis, count):
    tokens = encode(SENTENCE, merges[:count])
    start = 0
    for number, token in enumerate(tokens):
        colour = plots.COLOURS[number % 3 + 3] + "66"
        axis.barh(
            0,
            len(token) - 0.12,
            left=start,
            height=0.8,
            color=colour,
            edgecolor="#999999",
            linewidth=0.4,
        )
        for offset, letter in enumerate(token.decode()):
            axis.text(
                start + offset + 0.44,
                0,
                letter,
                ha="center",
                va="center",
                fontsize=8.5,
                family="monospace",
            )
        start += len(token)
    axis.set(
        xlim=(-0.3, start + 0.3), ylim=(-0.5, 0.5), title=f"{count} merges: {len(tokens)} tokens"
    )
    axis.axis("off")


fig, axes = plots.figure(4, 1, width=9, height=2.9)
for axis, count in zip(axes, (0, 10, 40, 100), strict=True):
    draw_tokens(axis, count)
plots.show(
    fig,
    alt="One sentence cut into tokens after 0, 10, 40 and 100 merges. First every letter is a box; "
    "in the end nearly every word is.",
)


# %% [markdown]
# ## 3. The tokens of a real model
#
# The tokenizer of the shipped model was trained in the same way, on the text that the model learned from, up to 2048 tokens.

# %%
model = load_model("mini")
tokenizer = model.tokenizer
for text in ("Once upon a time", " strawberry", "347", "狐狸", "<|im_end|>"):
    ids = tokenizer.encode(text)
    pieces = [tokenizer.decode([token], skip_special_tokens=False) for token in ids]
    print(f"{text!r:20} ids {ids}, pieces {pieces}")

# %% [markdown]
# - A rare word is several tokens. The model gets their ids, never the letters.
# - Digits are never merged.
# - The training text had no Chinese, so each character takes three tokens.
# - `<|im_end|>` is a **special token**. No merge makes it: the tokenizer looks for it before it cuts the text.

# %%
for token in sorted(tokenizer.special_ids):
    print(token, tokenizer.token(token), end="   ")

# %% [markdown]
# The first ends a text; the others stand around what one speaker says. In a careless program a user can end the turn by typing
# `<|im_end|>`.

# %% [markdown]
# ### One error, worked through: Chinese, token by token
#
# A tokenizer trained on Chinese joins bytes to characters, and characters to words. This one learns from two sentences. A third is printed token by
# token, as in a chat.

# %%
CHINESE = "狐狸看见乌鸦，乌鸦也看见狐狸。乌鸦有奶酪，狐狸想要奶酪。"
chinese_merges = [pair for pair, _ in train(Counter(cut(CHINESE)), 12)]
tokens = encode("狐狸想看乌鸦。", [(pair, 0) for pair in chinese_merges])
print("pieces:", [len(token) for token in tokens], "bytes")
print("one by one:", "".join(token.decode(errors="replace") for token in tokens))
print("together:  ", b"".join(tokens).decode())

# %% [markdown]
# The two frequent words are tokens of 6 bytes, one character is a token of its own. The others are single bytes, and each is printed as �. The
# remedy: hold bytes back until they form a character, as in [lecture 17](17_service.ipynb).

# %% [markdown]
# ## 4. A first language model: counting
#
# A language model gives a probability to each token that may come next. The simplest one counts. An **n-gram model** looks at the $n - 1$ tokens before, the
# *context* $c$, and asks how often each token $t$ followed it in a text. Where it has seen little, it relies on the context without
# its first token, $c'$; without any context, all $V$ tokens are equally likely:
#
# $$p(t \mid c) = \frac{\text{count}(c, t) + p(t \mid c')}{\text{count}(c) + 1}$$


# %%
def count(texts, n):
    """How often each (context, token) and each context occurs, for contexts of 0 to n - 1 tokens."""
    pairs, contexts = Counter(), Counter()
    for ids in texts:
        for i, token in enumerate(ids):
            for length in range(min(n, i + 1)):
                context = tuple(ids[i - length : i])
                pairs[context, token] += 1
                contexts[context] += 1
    return pairs, contexts


def losses_of(texts, n, pairs, contexts):
    """Mean cross-entropy in nats of the models with 1 to n tokens, from the second token of each text on."""
    total = np.zeros(n)
    for ids in texts:
        for i in range(1, len(ids)):
            p = 1 / V
            for length in range(n):
                if length <= i:
                    context = tuple(ids[i - length : i])
                    p = (pairs[context, ids[i]] + p) / (contexts[context] + 1)
                total[length] -= math.log(p)
    return total / sum(len(ids) - 1 for ids in texts)


# %% [markdown]
# Two kinds of stories test it. The first comes from the generator of the training text, with another seed: the same plots, other names, many of
# the same sentences. In the second, plots and sentences were kept out of the training text. The shipped model's losses are in its
# `evaluation.json`.
#
# > **Predict, then run.** Which $n$ gives the lowest loss: 1, 2, 4, or the longer the better?

# %%
V = model.config.vocab_size
SAME, OTHER = "same plots, other names", "plots kept back"
learned = [tokenizer.encode(story) for story in held_out_stories(1, 400, False)]
tests = {
    name: [tokenizer.encode(story) for story in held_out_stories(7_000_003, 100, kept_back)]
    for name, kept_back in ((SAME, False), (OTHER, True))
}
counts = count(learned, 6)
losses = {name: losses_of(texts, 6, *counts) for name, texts in tests.items()}
evaluation = json.loads((paths.course_root() / "data/models/mini/evaluation.json").read_text())
shipped = dict(zip(tests, evaluation["loss"].values(), strict=True))
for name in tests:
    by_n = ", ".join(f"{value:.2f}" for value in losses[name])
    print(f"{name:23s}: n = 1 to 6: {by_n}; shipped model {shipped[name]:.2f}")
print(f"counted: {sum(map(len, learned)):,} tokens; a guess among all {V}: {np.log(V):.2f}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7, height=3)
for (name, values), marker, colour in zip(
    losses.items(), plots.MARKERS, (plots.BLUE, plots.VERMILION), strict=False
):
    axis.plot(range(1, 7), values, marker + "-", color=colour, label=f"n-gram, {name}")
    axis.hlines(shipped[name], 1, 6, color=colour, linestyle="--", linewidth=1.2)
    axis.text(6.1, shipped[name], f"shipped model: {shipped[name]:.2f}", color=colour, va="center")
axis.hlines(np.log(V), 1, 6, color=plots.GREY, linestyle=":", linewidth=1.2)
axis.text(6.1, np.log(V), f"a guess: {np.log(V):.2f}", color="#555555", va="center")
axis.set(
    xlabel="n", ylabel="loss [nats a token]", ylim=(-0.5, None), xlim=(0.8, 8.2), xticks=range(1, 7)
)
axis.legend(loc="upper left", bbox_to_anchor=(0, 0.92))
plots.show(
    fig,
    alt="Loss of n-gram models against n. On stories with the same plots it falls steeply to n = 4 and then rises a little; the "
    "shipped model lies far below. On plots that were kept back it begins below a guess and rises above it, and the shipped model lies far above "
    "all of them.",
)

# %% [markdown]
# > **The common guess**, the longer the better, forgets that a long context was rarely seen before, and then there is nothing to
# > count.
#
# On familiar plots the shipped model is far better: it uses hundreds of tokens of context, and learned from thousands of times as much text. Where
# plots and sentences are new, only $n = 1$ beats a guess among all tokens. The shipped model does worst: it expects the sentences it knows.

# %% [markdown]
# ## 5. Embeddings: a vector for each token
#
# An id is only a name. So a model looks up a vector for each id, in a table of shape $[V, E]$ whose numbers are learned. The vector is called
# *embedding* (Bengio et al., 2003), $E$ the *hidden width*.
# For `ids` $[L]$, the operator `embedding` returns row `ids[l]` for each $l$: $[L, E]$.

# %%
table = np.asarray(model.decoder.embeddings)  # [V, E]
ids = np.array(tokenizer.encode("Once upon a time"))  # [L]
x = operators.embedding(ids, table)  # [L, E]
print("table", table.shape, " ids", ids.shape, " result", x.shape)

# %% [markdown]
# A linear layer with one-hot input gives the same, with many multiplications by 0. For Qwen3-0.6B the published `config.json` (Qwen
# team, 2025) says $V$ = 151 936 and $E$ = 1024: the table holds a quarter of its 0.6 billion weights.
# %% [markdown]
# In training, tokens that occur in similar contexts get similar vectors. Some words, in the two directions in which their
# vectors spread most (*principal components*):

# %% jupyter={"source_hidden": true}
directions = table / np.linalg.norm(table, axis=1, keepdims=True)
GROUPS = {
    "animals": "fox dog crow duck goat sheep hen beaver turtle rabbit mouse cat frog owl pig".split(),
    "colours": "red yellow blue green white brown pink purple black gray".split(),
    "names": "Gus Mia Leo Emma Finn Pip Jack Ben Dot Max Nora Bruno Tilly Lily".split(),
    "things": "kite ball flute blanket wagon cape basket balloon drum lamp hat".split(),
    "verbs": "looked asked stood held took pulled saw went ran said".split(),
}


def is_one_token(word):
    return len(tokenizer.encode(" " + word)) == 1


groups = {name: list(filter(is_one_token, group)) for name, group in GROUPS.items()}
chosen = [tokenizer.encode(" " + word)[0] for group in groups.values() for word in group]
cloud = directions[chosen] - directions[chosen].mean(axis=0)  # [words, E]
_, spread, axes_of_cloud = np.linalg.svd(cloud, full_matrices=False)
places = cloud @ axes_of_cloud[:2].T  # [words, 2]
held = (spread[:2] ** 2).sum() / (spread**2).sum()
print(f"{len(chosen)} words; two of {table.shape[1]} directions hold {held:.0%} of the spread")

fig, axis = plots.figure(width=8.6, height=5)
start, labelled = 0, []
for (name, group), colour, marker in zip(
    groups.items(), plots.COLOURS, plots.MARKERS, strict=False
):
    part = places[start : start + len(group)]
    axis.plot(*part.T, marker, color=colour, label=name, markersize=5)
    for word, place in zip(group, part, strict=True):
        right, up = (places - place).T
        covers = (right > 0.005) & (right < 0.08) & (up > -0.02) & (up < 0.04)
        near = [abs(place[0] - x) < 0.085 and abs(place[1] - y) < 0.034 for x, y in labelled]
        if covers.any() or any(near):
            continue  # no room for this one
        labelled.append(place)
        axis.annotate(
            word, place, xytext=(4, 2), textcoords="offset points", fontsize=8, color=colour
        )
    start += len(group)
axis.set(xlabel="first principal component", ylabel="second principal component")
axis.legend(loc="best", fontsize=9)
plots.show(
    fig,
    alt="Tokens of the small model in the plane of two principal components. "
    "Animals, colours and things form groups that lie apart; verbs lie beside the names.",
)

# %% [markdown]
# ## 6. A mean does not know the order
#
# The texts "the dog bites the man" and "the man bites the dog" have the same vectors. The next lecture mixes the tokens of a text by a weighted mean:
# a token asks with a vector $q$, its *score* with each token $s$ is the dot product of $q$ with a vector $k_s$, and softmax turns the scores
# into weights. A sum does not depend on the order of its terms: both sentences give the same.
#
# So the position must become part of the numbers. Vaswani et al. (2017) *add* a vector of sines and cosines for the position to the embedding.
# But then a score depends on where in the text the two tokens stand, not only on their distance.

# %% [markdown]
# ## 7. Rotate (RoPE)
#
# Su et al. (2021) *rotate*: the vector that asks, $q$, and the vector that is asked, $k$, are turned by an angle that grows
# with their position. This is *rotary position embedding*, RoPE. All Qwen models use it.
#
# Begin with two dimensions. $R(\alpha)$ turns a vector by the angle $\alpha$:
#
# $$R(\alpha) = \begin{pmatrix}\cos\alpha & -\sin\alpha\\ \sin\alpha & \cos\alpha\end{pmatrix}$$
#
# Let $q$ stand at position $m$ and $k$ at position $n$. Their score is
#
# $$\bigl(R(m\omega)\,q\bigr)\cdot\bigl(R(n\omega)\,k\bigr) = q\cdot R\bigl((n - m)\,\omega\bigr)\,k$$
#
# because turning both vectors by the same angle changes no dot product, so we may turn both back by $m\omega$. Only the distance $n - m$ is left.


# %% jupyter={"source_hidden": true}
OMEGA = 0.35  # radians for each position, for the pictures
FLAT_Q, FLAT_K = np.array([1.0, 0.15]), np.array([0.75, 0.55])


def turned(vector, angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ vector


def draw_rotation(axis, m, n):
    axis.add_patch(_circle())
    for vector, position, colour, name in [
        (FLAT_Q, m, plots.BLUE, "q"),
        (FLAT_K, n, plots.VERMILION, "k"),
    ]:
        arrow = dict(arrowstyle="-|>", color=colour, linewidth=1, linestyle=":", alpha=0.7)
        axis.annotate("", vector, (0, 0), arrowprops=arrow)
        tip = turned(vector, position * OMEGA)
        axis.annotate(
            "", tip, (0, 0), arrowprops=dict(arrowstyle="-|>", color=colour, linewidth=2.2)
        )
        axis.text(*(1.2 * tip), f"${name}$", ha="center", va="center", color=colour)
    score = turned(FLAT_Q, m * OMEGA) @ turned(FLAT_K, n * OMEGA)
    axis.set(
        xlim=(-1.35, 1.35),
        ylim=(-1.35, 1.35),
        aspect="equal",
        title=f"m = {m}, n = {n}: score {score:.3f}",
    )
    axis.axis("off")


def _circle():
    from matplotlib.patches import Circle

    return Circle((0, 0), 1, facecolor="none", edgecolor="#CCCCCC", linewidth=0.8)


fig, axes = plots.figure(1, 4, width=9, height=2.6)
for axis, (m, n) in zip(axes, [(2, 0), (6, 4), (14, 12), (14, 6)], strict=True):
    draw_rotation(axis, m, n)
plots.show(
    fig,
    alt="A query and a key, turned by their positions. For positions 2 and 0, 6 and 4, 14 and 12 the pair "
    "turns together and the score is the same. For 14 and 6 the angle between them, and the score, differ.",
)

# %% [markdown]
# Dotted: before the rotation. In the first three pictures the distance is 2.


# %% [markdown]
# A real vector has $D$ numbers. They are split into $D/2$ pairs, and pair $i$ turns with its own frequency $\omega_i = \theta^{-2i/D}$, from
# fast to slow. $\theta$ is the *base*. Qwen pairs number $i$ with number $i + D/2$.
#
# The operator: `rope(x, positions, theta)` with `x` [L, H, D] and `positions` [L]. The next lecture explains H.


# %%
def rope(x, positions, theta):
    """As the operator, written out: x [L, H, D]."""
    half = x.shape[2] // 2
    omega = theta ** (-np.arange(half) / half)  # [D / 2]
    angle = positions[:, None, None] * omega  # [L, 1, D / 2]
    first, second = x[:, :, :half], x[:, :, half:]
    turned_first = first * np.cos(angle) - second * np.sin(angle)
    turned_second = second * np.cos(angle) + first * np.sin(angle)
    return np.concatenate([turned_first, turned_second], axis=2)


rng = np.random.default_rng(0)
D, theta = 32, 10_000.0
q, k = rng.normal(size=(2, 1, 1, D)).astype(np.float32)
positions = np.array([7])
same = np.allclose(rope(q, positions, theta), operators.rope(q, positions, theta), atol=1e-6)
print("equals the operator:", same)
for m, n in [(8, 3), (508, 503), (508, 400)]:
    at_m, at_n = operators.rope(q, np.array([m]), theta), operators.rope(k, np.array([n]), theta)
    score = float((at_m * at_n).sum())
    print(f"positions {m:3d} and {n:3d}, distance {m - n:3d}: score {score:.4f}")

# %% [markdown]
# ### Clocks from fast to slow
#
# Pair $i$ comes round after $2\pi/\omega_i$ positions, its *wavelength*. As with the hands of a clock, fast pairs tell short distances apart, slow
# ones long distances. If the wavelength is longer than the context, the pair never comes round.
# The shipped model has $D$ = 32, $\theta$ = 10 000 and a context of 2048 tokens; Qwen3-0.6B $D$ = 128, $\theta$ = 1 000 000 and 40 960 (config.json).

# %% jupyter={"source_hidden": true}
CLOCKS = {"shipped model": (32, 1e4, 2048), "Qwen3-0.6B": (128, 1e6, 40_960)}


def wavelengths(width, theta):
    return 2 * np.pi * theta ** (np.arange(0, width, 2) / width)  # [D / 2], in positions


for name, (width, base, context) in CLOCKS.items():
    lengths = wavelengths(width, base)
    slow = int((lengths > context).sum())
    turns = f"{lengths[0]:.1f} to {lengths[-1]:,.0f} positions"
    print(f"{name}: {turns}; {slow} of {width // 2} pairs never come round")
fig, axis = plots.figure(width=6.4, height=2.9)
for (name, (width, base, context)), colour, marker in zip(
    CLOCKS.items(), plots.COLOURS, plots.MARKERS, strict=False
):
    share = np.arange(width // 2) / (width // 2)
    axis.semilogy(share, wavelengths(width, base), marker, color=colour, markersize=3, label=name)
    axis.axhline(context, color=colour, linestyle="--", linewidth=1)
    axis.text(0, context * 1.3, f"its context, {context}", color=colour, fontsize=8.5)
axis.set(xlabel="pair i, as a share of D/2", ylabel="wavelength [positions]")
axis.legend(loc="lower right")
plots.show(
    fig,
    alt="Wavelengths of the pairs of two models on a logarithmic axis: straight lines from six positions to far beyond the context of each.",
)

# %% [markdown]
# ## 8. In a whole model, and beyond its context
#
# The shipped model reads a story it has not seen (same plots, other names), with other positions than the true ones.
#
# > **Predict, then run.** 5000 is added to all positions; in training there were at most 2048. What happens to the loss? And if every
# > position is 0?

# %%
text = np.array(tokenizer.encode(paths.held_out_text().read_text()))


def loss_of_model(model, ids, change):
    """Cross-entropy of each token [L - 1], if the model sees `change(positions)` as positions."""
    cache = model.cache()
    begin = cache.begin  # gives the positions that RoPE rotates by
    cache.begin = lambda ids: change(np.asarray(begin(ids)))
    return operators.cross_entropy(model.logits(ids[:-1], cache), ids[1:])


for name, change in {
    "as it is": lambda positions: positions,
    "moved by 5000": lambda positions: positions + 5000,
    "without positions": lambda positions: 0 * positions,
}.items():
    print(f"{name:18s} {loss_of_model(model, text[:200], change).mean():.3f} nats a token")

# %% [markdown]
# > **The common guess**, that positions it never saw confuse the model, forgets that only distances reach a score.
#
# Without positions it predicts badly. And what about *distances* that it never saw? In a text longer than the context the slow pairs reach angles that never
# occurred in training. **YaRN** (Peng et al., 2023) slows down only these. For four times the context, a pair that turns less than once within the
# old one gets $\omega_i / 4$; one that turns 32 times or more keeps $\omega_i$; between them it changes linearly with $i$.
# Scores grow a little too, since softmax over more tokens is flatter. The operator for given frequencies is `rope_scaled`.


# %%
def yarn(theta, width, context, factor):
    """Frequencies [D / 2] in radians for each position, and what q and k are multiplied by."""
    omega = theta ** (-np.arange(0, width, 2) / width)
    first, last = (width / 2 * math.log(context / (2 * math.pi * n), theta) for n in (32, 1))
    first, last = math.floor(first), math.ceil(last)  # pairs that turn 32 times and once
    slowed = np.clip((np.arange(width // 2) - first) / (last - first), 0, 1)
    return omega * (1 - slowed) + omega / factor * slowed, 0.1 * math.log(factor) + 1


frequencies, times = yarn(10_000.0, 32, 2048, 4)
frequencies = Tensor.from_numpy(frequencies.astype(np.float32))


def stretched(x, positions):
    return operators.rope_scaled(x, positions, frequencies, times)


longer = load_model("mini")
longer.config = replace(longer.config, max_positions=8192)
plain = loss_of_model(longer, text[:3585], lambda positions: positions)
layers = longer.decoder.layers
longer.decoder.layers = [
    replace(layer, attention=replace(layer.attention, rotary=stretched)) for layer in layers
]
with_yarn = loss_of_model(longer, text[:3585], lambda positions: positions)
for start in (0, 1024, 2048, 2560, 3072):
    there = slice(start, start + 512)
    print(
        f"tokens from {start:4d} on: plain {plain[there].mean():.2f}, YaRN {with_yarn[there].mean():.2f}"
    )

# %% [markdown]
# Beyond the 2048 tokens of training the loss of the plain model grows; with YaRN it grows far less.

# %% [markdown]
# ## With pencil and paper
#
# **1.** The words are `low` (5 times), `lot` (2 times) and `slow` (3 times), cut into letters. Which pair is merged first, and which second?
#
# <details><summary>Answer</summary>
#
# `l o` occurs 5 + 2 + 3 = 10 times, `o w` 5 + 3 = 8, `o t` 2, `s l` 3. So `lo` is first. Then `lo w` occurs 8 times, `lo t` 2, `s lo` 3: second is `low`.
#
# </details>
#
# **2.** $D$ = 4 and $\theta$ = 100. Which angles do the two pairs have at position 10? After how many positions does the slow one come round? Which pair
# would YaRN slow down by the full factor, for a model whose context was 32?
#
# <details><summary>Answer</summary>
#
# $\omega_0 = 100^0 = 1$ and $\omega_1 = 100^{-2/4} = 0.1$: 10 radians and 1 radian. The slow pair needs $2\pi/0.1 \approx 63$ positions, so within 32 it turns half
# round, less than once: that one. The fast one turns 32/6.28 = 5.1 times.
#
# </details>

# %% [markdown]
# ## The answer
#
# - Text is bytes. **BPE** joins frequent neighbours into tokens: texts become short, the **vocabulary** has a fixed size, and every text can be encoded.
#   A **special token** is a marker that stands for no text.
# - Each token has a trained vector, its **embedding**.
# - A weighted mean does not know the order of its terms. **RoPE** turns the vectors that meet in a dot product by their positions, so
#   that scores depend on the distance alone. **YaRN** slows the slow pairs down, for longer texts.
# - An **n-gram model** counts which token followed the last $n - 1$.
#
# ## Sources
#
# - F. Yergeau (2003), [UTF-8, RFC 3629](https://www.rfc-editor.org/rfc/rfc3629).
# - P. Gage (1994), *A new algorithm for data compression*, The C Users Journal 12(2);
#   R. Sennrich, B. Haddow, A. Birch (2015), [Neural machine translation of rare words with subword units](https://arxiv.org/abs/1508.07909);
#   A. Radford et al. (2019), [Language models are unsupervised multitask learners](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf):
#   BPE on bytes.
# - C. Shannon (1948), [A mathematical theory of communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x): n-grams of English.
# - Y. Bengio et al. (2003), [A neural probabilistic language model](https://www.jmlr.org/papers/v3/bengio03a.html).
# - A. Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762).
# - J. Su et al. (2021), [RoFormer: enhanced transformer with rotary position embedding](https://arxiv.org/abs/2104.09864);
#   B. Peng et al. (2023), [YaRN](https://arxiv.org/abs/2309.00071).
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json).
#
# ## Go on
#
# In [lab 11 tokens and positions](../labs/11_tokens_and_positions/11_tokens_and_positions.ipynb) you write the merges of BPE, `embedding` and `rope`.
# Then: [12 Attention](12_attention.ipynb).
