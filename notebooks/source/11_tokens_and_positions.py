# %% [markdown]
# # 11 · Tokens and positions
#
# **Question:** a network computes with numbers. How does text become numbers, and how does the order of the words get into them?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [10 Matmul on a GPU](10_matmul_gpu.ipynb) | softmax, the dot product, sine and cosine | 25 minutes | [11 tokens and positions](../labs/11_tokens_and_positions/11_tokens_and_positions.ipynb) | [12 Attention](12_attention.ipynb) |

# %%
import itertools
import re
from collections import Counter

import numpy as np
from ipywidgets import interact

from llaisys_mini import load_model, operators, paths, plots

# %% [markdown]
# ## 1. Text is bytes
#
# A computer stores text as bytes, numbers from 0 to 255. The rule is called UTF-8 (Yergeau, 2003). An English letter is one byte. Other
# characters take two, three or four.

# %%
for text in ("fox", "Füchsin", "狐", "🦊"):
    print(f"{text!r:10} {len(text)} characters, bytes {list(text.encode())}")

# %% [markdown]
# So any text at all is a sequence of whole numbers below 256. A network could read these directly. But a word would then be five or ten
# steps long, and the cost of a model grows with the number of steps. Whole words as units are no way out: there are too many, and
# there will always be one that was not in the list.

# %% [markdown]
# ## 2. Byte-pair encoding
#
# The answer in between: start with bytes, and give pieces that occur often a number of their own. This is *byte-pair encoding*, BPE
# (Gage, 1994; for language models Sennrich et al., 2015, and Radford et al., 2019). To train it:
#
# 1. Every byte is a *token*. So there are 256 tokens at first.
# 2. Count all pairs of neighbouring tokens. The most frequent pair becomes a new token. This is a *merge*.
# 3. Replace the pair everywhere. Go on with 2 until there are enough tokens.
#
# We train it here, on this text:

# %%
TEXT = """
The fox saw the crow, and the crow saw the fox. The crow had the cheese that the fox wanted.
"What a fine crow," said the fox. "What fine feathers, and what a fine voice, I am sure."
The crow wanted to show the fox how fine a voice the crow had. The crow opened wide and sang.
Down fell the cheese, down to the fox. The fox ran with the cheese, faster than the crow flew.
The crow sat on the branch and thought: whoever sings for a fox sings without the cheese.
"""

# %% [markdown]
# Merges must not join the end of one word with the beginning of the next. So the text is first cut into words, each with the space
# before it. Qwen's tokenizer does it with a longer pattern of the same kind.


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
print("ten of the words:", [b"".join(word).decode() for word in list(words)[1:11]])


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
for number, ((left, right), count) in enumerate(merges[:12]):
    print(f"token {256 + number}: {left.decode()!r} + {right.decode()!r} occurs {count} times")

# %% [markdown]
# > **The common guess** for the first pair is one with a space, the most frequent byte. What counts is how often two bytes
# > stand side by side, and a space has many different neighbours.
#
# To *encode* a text, cut it, and apply the merges in the order in which they were found. To *decode*, put the bytes of the tokens side by
# side: nothing was lost.


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
# Words of the text are one token. A new word falls into pieces it shares with known words, at worst into bytes. Every text can be encoded.


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


# %%
@interact(count=(0, 100, 5))
def draw_chosen_tokens(count=20):
    fig, axis = plots.figure(width=9, height=0.8)
    draw_tokens(axis, count)
    plots.show(fig, alt=f"The sentence after {count} merges.")


# %% [markdown]
# The tokenizer of this course's small model was trained in the same way, on the stories that the model learned from, until it had
# 2048 tokens. Our loops would take long for so much text; the library `tokenizers` does it, and reads the result from a file.

# %%
model = load_model("mini")
tokenizer = model.tokenizer
for text in ("Once upon a time", " strawberry", "347", "狐"):
    ids = tokenizer.encode(text)
    pieces = [tokenizer.decode([token]) for token in ids]
    print(f"{text!r:20} ids {ids}, pieces {pieces}")

# %% [markdown]
# - "Once upon a time" is frequent in stories: four tokens for 16 letters.
# - A rare word is several tokens. The model never sees its letters, only these numbers: to count the letters of a word it must have learned
#   how each token is spelled.
# - Digits are never merged. Qwen's pattern cuts between them, so each digit is a token of its own.
# - A character outside the training text falls into bytes. A single byte of it is no character, so it prints as �.

# %% [markdown]
# ### How many tokens?
#
# More merges make texts shorter. They also make the vocabulary larger, and a model needs a vector for each entry. We measure both sides with
# our own merges. Let $V$ be the number of tokens, 256 + merges:

# %%
held_out = """A hungry wolf met the crow by the river.
The wolf had never heard such a song, and asked for more."""
counts = list(range(0, 101, 10))


def tokens_for_a_byte(text):
    """With each number of merges in `counts`."""
    return [len(encode(text, merges[:count])) / len(text.encode()) for count in counts]


shorter = {
    "the text it was trained on": tokens_for_a_byte(TEXT),
    "a text with other words": tokens_for_a_byte(held_out),
}
fig, axis = plots.figure(width=6.4, height=2.9)
for (name, ratio), style in zip(shorter.items(), ("o-", "s--"), strict=True):
    axis.plot([256 + count for count in counts], ratio, style, label=name)
axis.set(xlabel="V [tokens in the vocabulary]", ylabel="tokens for one byte", ylim=(0, 1.05))
axis.legend()
axis.grid()
plots.show(
    fig,
    alt="Tokens for one byte against the size of the vocabulary. Both curves fall quickly at first, "
    "then slowly; the text with other words stays longer.",
)

# %% [markdown]
# The first merges help most. Real vocabularies go on for long, since they serve many languages. For Qwen3-0.6B the published
# `config.json` (Qwen team, 2025) says $V$ = 151 936 and a vector of $E$ = 1024 numbers for each:

# %%
story = paths.held_out_text().read_text()  # stories that the model was not trained on
V, E = model.config.vocab_size, model.config.hidden_size
print(
    f"small model: V = {V}, {len(story.encode()) / len(tokenizer.encode(story)):.2f} bytes a token"
)
print(f"its vectors: {V * E:,d} numbers (E = {E})")
print(f"Qwen3-0.6B:  {151_936 * 1024:,d} numbers for the vectors of its vocabulary")

# %% [markdown]
# ## 3. Embeddings: a vector for each token
#
# Token 442 is not larger than token 441 in any sense. The numbers are names. So the first thing a model does is look up a vector for each
# name, in a table of shape $[V, E]$ that training has filled. The vector is called *embedding* (Bengio et al., 2003), $E$ the *hidden width*.
# The operator:
#
# | argument | shape | meaning |
# |---|---|---|
# | `ids` | [L] | the tokens of a text, as whole numbers |
# | `table` | [V, E] | one row for each token |
# | result | [L, E] | row `ids[l]` for each l |

# %%
table = np.asarray(model.decoder.embeddings)  # [V, E]
ids = np.array(tokenizer.encode("Once upon a time"))  # [L]
x = operators.embedding(ids, table)  # [L, E]
print("table", table.shape, " ids", ids.shape, " result", x.shape)
one_hot = np.eye(len(table), dtype=np.float32)[ids]  # [L, V]: a single one in each row
print("the same as a product with one-hot rows:", np.allclose(x, one_hot @ table))

# %% [markdown]
# So an embedding is a linear layer whose input is *one-hot*, with a single 1; looking the row up saves all the multiplications by 0.
#
# What has training put into the table? The *cosine* of two vectors $a$, $b$ is $a\cdot b / (\lVert a\rVert \lVert b\rVert)$: 1 for the same
# direction, 0 for a right angle.
#
# > **Predict, then run.** The model was never told what a number, a colour or an animal is. Which tokens are nearest to "7"? To " red"? To " fox"?

# %%
directions = table / np.linalg.norm(table, axis=1, keepdims=True)


def nearest(word, count=6):
    """The `count` nearest tokens, each with its cosine."""
    (token,) = tokenizer.encode(word)
    cosine = directions @ directions[token]  # [V]
    others = np.argsort(-cosine)[1 : count + 1]  # the first is the token itself
    return [f"{tokenizer.decode([int(other)])!r} {cosine[other]:.2f}" for other in others]


for word in ("7", " red", " fox", " she", " small"):
    print(f"{word!r:9}", *nearest(word), sep="  ")

# %% [markdown]
# > **The common guess**, that vectors learned from text alone cannot know such things, overlooks that the words around a word
# > say what kind of word it is.
#
# Tokens that can stand in the same context have similar vectors. Training moved them there, because what follows them is similar.
#
# To see it, we need two of the 128 dimensions. *Principal components* are the two directions in which a cloud of points spreads most;
# the singular value decomposition of NumPy finds them.

# %%
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
print(f"{len(chosen)} words; two of {E} directions hold {held:.0%} of the spread")

# %% jupyter={"source_hidden": true}
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
    "Animals, colours, names, things and verbs form groups of their own.",
)

# %% [markdown]
# (Where there is no room, a point has no word beside it.)

# %% [markdown]
# ## 4. A mean does not know the order
#
# Each token has its vector now. But "the dog bites the man" and "the man bites the dog" have the same vectors. Only their order differs.
#
# The next lecture mixes the tokens of a text by a weighted mean, the one of [lecture 07](07_softmax.ipynb). For now this is enough: a token asks
# with a vector $q$; its *score* with each token $s$ is the dot product of $q$ with a vector $k_s$ of that token; softmax turns the scores
# into weights.
#
# > **Predict, then run.** We let the same $q$ look at both sentences. How much do the two results differ?


# %%
def weighted_mean(q, k, v):
    """q [E], k and v [S, E] -> [E]."""
    weights = operators.softmax((k @ q)[None, :])[0]
    return weights @ v


rng = np.random.default_rng(0)
E = 64  # from here on: any width will do
vector = {word: rng.normal(size=E).astype(np.float32) for word in "the dog bites man".split()}
q = rng.normal(size=E, scale=E**-0.5).astype(np.float32)
results = []
for sentence in ("the dog bites the man", "the man bites the dog"):
    tokens = np.stack([vector[word] for word in sentence.split()])  # [S, E]
    results.append(weighted_mean(q, tokens, tokens))
print("largest difference:", np.abs(results[0] - results[1]).max())

# %% [markdown]
# > **The common guess**, that the results differ because the meanings do, takes the mean for a reader. It is a sum, and a sum
# > has no order.
#
# Nothing, or a rounding error. A sum does not depend on the order of its terms. So the position of a token must become part of its numbers.

# %% [markdown]
# ## 5. First way: add a vector for the position
#
# Vaswani et al. (2017) add to the embedding at position $p$ a vector of sines and cosines. For $i = 0, \dots, E/2 - 1$:
#
# $$P_{p,2i} = \sin(p\,\omega_i), \qquad P_{p,2i+1} = \cos(p\,\omega_i), \qquad \omega_i = 10000^{-2i/E}$$
#
# $\omega_i$ is an angular frequency, in radians for each position. The first pair is fast, the last one very slow, like the hands
# of a clock: seconds tell neighbours apart, hours tell where in the text we are.


# %%
def sinusoidal(positions, width):
    """positions [L] -> [L, width]."""
    omega = 10000.0 ** (-np.arange(0, width, 2) / width)  # [width / 2]
    angle = np.asarray(positions)[:, None] * omega  # [L, width / 2]
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(len(angle), width)


P = sinusoidal(np.arange(100), E)
fig, axes = plots.figure(1, 2, width=9, height=3.4, width_ratios=(1, 1))
image = axes[0].imshow(P.T, aspect="auto")
axes[0].set(xlabel="position p", ylabel="dimension", title="$P$: fast above, slow below")
fig.colorbar(image, ax=axes[0], label="value")
image = axes[1].imshow(P @ P.T)
axes[1].set(xlabel="position p", ylabel="position r", title="$P_p \\cdot P_r$")
fig.colorbar(image, ax=axes[1], label="dot product")
plots.show(
    fig,
    alt="Left: the vectors of 100 positions as columns, rapid stripes in the first dimensions, slow ones "
    "in the last. Right: dot products of all pairs; equal along each diagonal, largest on the main one.",
)

# %% [markdown]
# The right picture is the same along every diagonal: $P_p \cdot P_r$ depends on the distance $p - r$ alone. The reason is
# $\sin a \sin b + \cos a \cos b = \cos(a - b)$, for each pair:
#
# $$P_p \cdot P_r = \sum_i \cos((p - r)\,\omega_i)$$
#
# This is what we want: "three words back" should mean the same anywhere in a text. But the score of two tokens is not $P_p\cdot P_r$.
# With embeddings $x$ and $y$:
#
# $$(x + P_p)\cdot(y + P_r) = x\cdot y + x\cdot P_r + P_p\cdot y + P_p\cdot P_r$$
#
# The two terms in the middle depend on where in the text the tokens are. The same two words, always three apart:

# %%
x, y = rng.normal(size=(2, E))
for p in (3, 10, 50, 90):
    here, there = x + P[p], y + P[p - 3]
    print(f"positions {p:2d} and {p - 3:2d}: score {here @ there:7.3f}")

# %% [markdown]
# ## 6. Second way: rotate (RoPE)
#
# Su et al. (2021) do not add. They *rotate*: the vector that asks, $q$, and the vector that is asked, $k$, are turned by an angle that grows
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
# **Relative by construction**: no term is left over.


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
# Dotted: before the rotation. The first three pictures have the same distance, and the pair turns as one body. In the fourth the distance is 8.


# %%
@interact(m=(0, 30), distance=(0, 30))
def draw_chosen_rotation(m=5, distance=2):
    fig, axis = plots.figure(width=3.2, height=3.2)
    draw_rotation(axis, m, m - distance)
    plots.show(fig, alt=f"Query at position {m}, key at {m - distance}.")


# %% [markdown]
# A real vector has $D$ numbers. They are split into $D/2$ pairs, and pair $i$ turns with its own frequency $\omega_i = \theta^{-2i/D}$, again from
# fast to slow. $\theta$ is the *base*. Qwen pairs number $i$ with number $i + D/2$.
#
# The operator: `rope(x, positions, theta)` with `x` [L, H, D] and `positions` [L]. Each position has H vectors of D numbers; the next lecture
# says why.


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


D, theta = 32, 10_000.0
q, k = rng.normal(size=(2, 1, 1, D)).astype(np.float32)
positions = np.array([7])
same = np.allclose(rope(q, positions, theta), operators.rope(q, positions, theta), atol=1e-6)
print("equals the operator:", same)
for m, n in [(8, 3), (108, 103), (508, 503), (508, 400)]:
    at_m, at_n = operators.rope(q, np.array([m]), theta), operators.rope(k, np.array([n]), theta)
    score = float((at_m * at_n).sum())
    print(f"positions {m:3d} and {n:3d}, distance {m - n:3d}: score {score:.4f}")

# %% [markdown]
# Lengths do not change either, since a rotation keeps them. And RoPE costs no weights.

# %% [markdown]
# ### Clocks from fast to slow
#
# Pair $i$ comes round after $2\pi/\omega_i$ positions, its *wavelength*.
#
# > **Predict, then run.** Our small model has $D$ = 32 and $\theta$ = 10 000, and reads up to 2048 tokens. How many positions does its slowest
# > pair need for one turn? And that of Qwen3-0.6B, with $D$ = 128, $\theta$ = 1 000 000 and 40 960 tokens (config.json)?


# %%
def wavelengths(width, theta):
    return 2 * np.pi * theta ** (np.arange(0, width, 2) / width)  # [D / 2], in positions


CLOCKS = {"small model": (32, 1e4, 2048), "Qwen3-0.6B": (128, 1e6, 40_960)}
for name, (width, base, context) in CLOCKS.items():
    lengths = wavelengths(width, base)
    slow = int((lengths > context).sum())
    turns = f"{lengths[0]:.1f} to {lengths[-1]:,.0f} positions"
    print(f"{name}: {turns}; {slow} of {width // 2} pairs never come round")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3.2)
for (name, (width, base, context)), colour, marker in zip(
    CLOCKS.items(), plots.COLOURS, plots.MARKERS, strict=False
):
    share = np.arange(width // 2) / (width // 2)
    axes[0].semilogy(
        share, wavelengths(width, base), marker, color=colour, markersize=3, label=name
    )
    axes[0].axhline(context, color=colour, linestyle="--", linewidth=1)
    axes[0].text(0, context * 1.3, f"its context, {context}", color=colour, fontsize=8.5)
    distance = np.arange(0, 400)
    score = np.cos(distance[:, None] * 2 * np.pi / wavelengths(width, base)).mean(axis=1)
    axes[1].plot(distance, score, "-" if marker == "o" else "--", color=colour, label=name)
axes[0].set(
    xlabel="pair i, as a share of D/2", ylabel="wavelength [positions]", title="from fast to slow"
)
axes[0].legend(loc="lower right")
axes[1].set(
    xlabel="distance m − n [positions]",
    ylabel="score / score at distance 0",
    title="score of equal vectors",
)
axes[1].legend()
axes[1].grid()
plots.show(
    fig,
    alt="Left: wavelengths of the pairs of two models on a logarithmic axis, straight lines from six "
    "positions to far beyond the context. Right: the score of a vector with itself against the distance; "
    "it falls and wiggles.",
)

# %% [markdown]
# > **The common guess**, that each pair comes round many times within a text, holds for the fast ones. The wavelength grows by
# > the same factor from pair to pair, and the last ones are longer than the longest text.
#
# The right picture: if $q$ and $k$ are equal and all their pairs equally long, the score at a distance is the mean of the cosines. It falls
# with the distance, so near tokens have an advantage unless training decides otherwise. With a larger base it falls more slowly. Models for long
# texts therefore take a large one (Xiong et al., 2023).

# %% [markdown]
# ### The proof in a whole model
#
# If RoPE is relative, a model must not notice when all positions move on by the same number. And without RoPE it should be lost. We
# reach into the small model, change the positions that its rotation gets, and let it read a story it has not seen. It gives a score, a *logit*,
# to every token that may come next; the loss is the cross-entropy of lecture 07, averaged over the tokens.

# %%
ids = np.array(tokenizer.encode(story.split("<|endoftext|>")[0])[:200])


def loss_with(change):
    """Mean cross-entropy, and the logits, if the model sees `change(positions)` as positions."""
    cache = model.cache()
    begin = cache.begin  # gives the positions that RoPE rotates by
    cache.begin = lambda ids: change(np.asarray(begin(ids)))
    logits = model.logits(ids[:-1], cache)  # [L, V]
    return operators.cross_entropy(logits, ids[1:]).mean(), logits


as_it_is, logits = loss_with(lambda positions: positions)
moved, moved_logits = loss_with(lambda positions: positions + 5000)
without, _ = loss_with(lambda positions: 0 * positions)
print(f"as it is: {as_it_is:.3f} nats a token")
change = np.abs(moved_logits - logits).max()
print(f"moved by 5000: {moved:.3f}; largest change of a logit {change:.1e}")
print(f"without positions: {without:.3f}; a guess among all {V} tokens would be {np.log(V):.3f}")

# %% [markdown]
# Moved by 5000, far beyond the 2048 positions it was trained for, the model does not notice: only distances count. Without positions it is lost.

# %% [markdown]
# ## The answer
#
# - Text is bytes. BPE joins frequent neighbours into tokens: short texts, a bounded vocabulary, and no text that cannot be written.
# - Each token has a trained vector, its embedding. Similar use gives similar vectors.
# - A weighted mean does not know the order of its terms. RoPE turns the vectors that meet in a dot product by their positions, so
#   that scores depend on the distance, and on nothing else about the positions.
#
# ## Sources
#
# - F. Yergeau (2003), [UTF-8, RFC 3629](https://www.rfc-editor.org/rfc/rfc3629).
# - P. Gage (1994), *A new algorithm for data compression*, The C Users Journal 12(2);
#   R. Sennrich, B. Haddow, A. Birch (2015), [Neural machine translation of rare words with subword units](https://arxiv.org/abs/1508.07909);
#   A. Radford et al. (2019), [Language models are unsupervised multitask learners](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf):
#   BPE on bytes.
# - Y. Bengio et al. (2003), [A neural probabilistic language model](https://www.jmlr.org/papers/v3/bengio03a.html).
# - A. Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762).
# - J. Su et al. (2021), [RoFormer: enhanced transformer with rotary position embedding](https://arxiv.org/abs/2104.09864);
#   W. Xiong et al. (2023), [Effective long-context scaling of foundation models](https://arxiv.org/abs/2309.16039): a larger base.
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json).
#
# ## Go on
#
# In [lab 11 tokens and positions](../labs/11_tokens_and_positions/11_tokens_and_positions.ipynb) you write `embedding` and `rope` as kernels, and the merges of BPE.
# Then: [12 Attention](12_attention.ipynb).
