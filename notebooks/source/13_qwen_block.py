# %% [markdown]
# # 13 · The Qwen block
#
# **Question:** norms, linear maps, attention, gates: all parts are known. How does Qwen put them together, and what does the result cost?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [12 Attention](12_attention.ipynb) | RMSNorm, RoPE, attention, backpropagation | 25 minutes | [13 the Qwen block](../labs/13_qwen_block/13_qwen_block.ipynb) | [14 The decoder speaks](14_decoder.ipynb) |

# %%
import numba
import numpy as np

from llaisys_mini import Tensor, load_model, observe_calls, operators, paths, plots
from llaisys_mini.inspect.timing import seconds
from llaisys_mini.weights.checkpoint import Checkpoint

# %% [markdown]
# ## 1. The residual stream
#
# A plain deep network passes its values from layer to layer: $x \leftarrow f(x)$. Each layer replaces all of them.
# Since He et al. (2015) most deep networks *add* instead:
#
# $$x \leftarrow x + f(x)$$
#
# What is carried along, here $[L, E]$, is called the *residual stream*: $E$ numbers for each of $L$ tokens. A layer reads the stream and adds its
# contribution. A layer that has nothing to contribute adds zero.

# %% [markdown]
# ### Where does the norm go?
#
# A layer works best on inputs of about the same magnitude, so each comes with an RMSNorm (lecture 05). There are two places for it:
#
# - **post-norm** (Vaswani et al., 2017): $x \leftarrow \operatorname{norm}(x + f(x))$. The stream itself is normalised.
# - **pre-norm** (Qwen and most language models today): $x \leftarrow x + f(\operatorname{norm}(x))$. Only what the layer reads is normalised.
#
# We send a gradient backwards through 28 random layers of each kind, as many as Qwen3-0.6B has:
# $f(x) = \operatorname{silu}(x W_1^{\mathsf T})\, W_2^{\mathsf T}$. The folded cell holds the rules of lecture 03 for it. A *plain* layer has neither stream nor norm.

# %% jupyter={"source_hidden": true}
E, DEPTH = 128, 28


def norm(x):
    return x / np.sqrt(np.mean(x**2) + 1e-6)


def norm_backward(grad, x):
    """Gradient of x, given that of norm(x): both [E]."""
    root = np.sqrt(np.mean(x**2) + 1e-6)
    return (grad - x / root * np.mean(grad * x / root)) / root


def sigmoid(z):
    return (1 + np.tanh(z / 2)) / 2  # does not overflow


def f(x, W1, W2):
    z = W1 @ x
    return W2 @ (z * sigmoid(z))


def f_backward(grad, x, W1, W2):
    z = W1 @ x
    return W1.T @ ((W2.T @ grad) * sigmoid(z) * (1 + z * (1 - sigmoid(z))))


def post_norm_backward(grad, x, W1, W2):
    grad = norm_backward(grad, x + f(x, W1, W2))
    return grad + f_backward(grad, x, W1, W2)


KINDS = {  # forward and backward of one layer
    "plain": (f, f_backward),
    "post-norm": (lambda x, *W: norm(x + f(x, *W)), post_norm_backward),
    "pre-norm": (
        lambda x, *W: x + f(norm(x), *W),
        lambda grad, x, *W: grad + norm_backward(f_backward(grad, norm(x), *W), x),
    ),
}

# %% [markdown]
# The weights are random with a standard deviation of $s\sqrt{2/E}$. For a plain layer some $s$ near 1 keeps the magnitude of what passes
# through. But training changes the weights, and nothing keeps $s$ there.
#
# > **Predict, then run.** A gradient of length 1 comes in behind layer 28. How long is it at layer 1, for $s$ = 0.5, 1 and 2?

# %%


def gradient_at_first(kind, scale, changed_by=0.0, seed=0):
    """Gradient in front of layer 1 [E], if one of length 1 comes in behind the last layer."""
    forward, backward = KINDS[kind]
    rng = np.random.default_rng(seed)
    size, spread = (DEPTH, 2, E, E), scale * (2 / E) ** 0.5
    weights = rng.normal(scale=spread, size=size)
    xs, grad = [norm(rng.normal(size=E))], norm(rng.normal(size=E)) / E**0.5
    weights += changed_by * rng.normal(scale=spread, size=size)
    for W1, W2 in weights:
        xs.append(forward(xs[-1], W1, W2))
    for x, (W1, W2) in zip(xs[-2::-1], weights[::-1], strict=True):
        grad = backward(grad, x, W1, W2)
    return grad


for kind in KINDS:
    lengths = [np.linalg.norm(gradient_at_first(kind, s)) for s in (0.5, 1, 2)]
    print(f"{kind:9s}", ", ".join(f"{length:.2g}" for length in lengths))

# %% [markdown]
# > **The common guess**, that weights twice as large make the gradient about twice as long, forgets that it passes through 28
# > layers, each of which multiplies it.
#
# In the plain network the gradient vanishes or explodes, by many powers of ten. With a stream and norms, of either kind, it arrives, and judged by its length *post-norm* does
# better: 0.8 to 3, where pre-norm goes up to 25. So why do most models use pre-norm? Length is not all. A training step relies on a gradient that still points in nearly the same direction
# after the weights have moved. We change all weights by a tenth, at random, and compare directions: the cosine of the angle is 1 for the same direction, 0 for an unrelated one.

# %%


def still_the_same(kind, changed_by, scale=1.0):
    """Cosine between the gradients before and after the change; mean over 5 networks."""
    found = []
    for seed in range(5):
        before = gradient_at_first(kind, scale, 0.0, seed)
        after = gradient_at_first(kind, scale, changed_by, seed)
        found.append(before @ after / np.linalg.norm(before) / np.linalg.norm(after))
    return np.mean(found)


for kind in ("post-norm", "pre-norm"):
    print(f"{kind:9s} weights changed by a tenth: cosine {still_the_same(kind, 0.1):.2f}")

# %% jupyter={"source_hidden": true}
scales, changes = [0.25, 0.5, 0.7, 1, 1.4, 2, 3], [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
fig, axes = plots.figure(1, 2, width=9, height=3.2)
for kind, style in zip(KINDS, ("o:", "s--", "^-"), strict=True):
    axes[0].loglog(
        scales, [np.linalg.norm(gradient_at_first(kind, s)) for s in scales], style,
        label=kind, markersize=5,
    )  # fmt: skip
    if kind != "plain":
        cosines = [still_the_same(kind, change) for change in changes]
        axes[1].semilogx(
            changes, cosines, style, label=kind, markersize=5, color=axes[0].lines[-1].get_color()
        )
axes[0].set(
    xlabel="scale s of the weights", ylabel="length of the gradient at layer 1", xticks=scales,
    ylim=(1e-3, 1e3),
)  # fmt: skip
axes[0].set_xticklabels(scales)
axes[1].set(xlabel="change of all weights", ylabel="cosine of before and after", ylim=(-0.3, 1.05))
axes[1].set_xticks(changes)
axes[1].set_xticklabels([f"{change:.0%}" for change in changes])
for axis in axes:
    axis.minorticks_off()
    axis.legend()
    axis.grid()
plots.show(
    fig,
    alt="Left: length of the gradient at layer 1 against the scale of the weights: the plain network's "
    "crosses the picture steeply, those with norms stay within two powers of ten, post-norm flatter. Right: "
    "how much the direction of the gradient stays when all weights change: pre-norm stays near 1 far "
    "longer than post-norm.",
)

# %% [markdown]
# Now pre-norm does better. Its layers hand the incoming gradient on unchanged and add what comes back through $f$. In post-norm all of the gradient passes through a norm in each
# layer. Xiong et al. (2020) found that post-norm transformers need a learning rate that starts small (*warm-up*), and that pre-norm ones can be trained without.

# %% [markdown]
# ### The stream of the small model
#
# A block of Qwen adds twice: attention adds, then a feed-forward network adds. So behind the last of 8 blocks the stream is the embedding plus
# 16 contributions. The course's decoder adds and normalises in one operator, `add_rms_norm`. Its
# second argument is what is added, its first result the stream. We record these calls while the model reads, and check that the sum is exactly the stream.

# %%
model = load_model("mini")
story = paths.held_out_text().read_text().split("<|endoftext|>")[0].strip()
ids = model.tokenizer.encode(story)[:120]
contributions, streams = [], []


def keep_contributions(operator, arguments, results):
    if operator.name == "embedding":
        contributions.append(np.array(results[0]))  # [L, E]
    if operator.name == "add_rms_norm":
        contributions.append(np.array(arguments[1]))
        streams.append(np.array(results[0]))


with observe_calls(keep_contributions):
    model.logits(ids)
difference = np.abs(sum(contributions) - streams[-1]).max()
print(f"{len(contributions)} terms; sum and stream differ by at most {difference:.1e}")

# %% jupyter={"source_hidden": true}


def root_mean_square(values):
    return np.sqrt(np.mean(values**2))


fig, axis = plots.figure(width=8.6, height=2.9)
names = ["embedding"] + [
    f"{part} {layer}" for layer in range(8) for part in ("attention", "feed-forward")
]
colours = [plots.GREY] + [plots.BLUE, plots.ORANGE] * 8
bars = axis.bar(range(17), [root_mean_square(part) for part in contributions], color=colours)
for bar, hatch in zip(bars[1:], ["", "//"] * 8, strict=True):
    bar.set_hatch(hatch)
axis.plot(
    range(17),
    [root_mean_square(x) for x in [contributions[0], *streams]],
    "o-",
    color=plots.BLACK,
    label="stream so far",
)
axis.set(ylabel="root mean square", xticks=range(17))
axis.set_xticklabels(names, rotation=40, ha="right", fontsize=8.5)
axis.legend()
plots.show(
    fig,
    alt="Size of the embedding and of the sixteen contributions, as bars, and of the stream, as a line. "
    "The embedding is small; the stream grows with every block.",
)

# %% [markdown]
# It is. The stream grows on its way: a layer cannot overwrite what others have written, only add to it. Since each layer reads the stream through a norm, the growth does not
# disturb it.

# %% [markdown]
# ### Fusion: two operators, fewer bytes
#
# `add` reads two arrays and writes one; `rms_norm` reads that one again and writes another: 5 arrays pass between memory and
# processor. The fused operator keeps a row in the cache between its two halves: 4 arrays. `swiglu` saves more: `silu` and a product would move 5 arrays, it moves 3.

# %%
numba.set_num_threads(1)  # the clock of one thread sees all of the work then
rng = np.random.default_rng(0)
a, b = (Tensor.from_numpy(x) for x in rng.normal(size=(2, 4096, 1024)).astype(np.float32))
gain = np.ones(1024, np.float32)
apart = seconds(lambda: operators.rms_norm(operators.add(a, b), gain, 1e-6), repeats=7)
fused = seconds(operators.add_rms_norm, a, b, gain, 1e-6, repeats=7)
print(f"bytes: {5 / 4:.2f} times fewer, time: {apart / fused:.2f} times less")

# %% [markdown]
# If memory were the only limit, the time would fall as the bytes do. How near a machine comes to that depends on what else it waits for. (Measured with one thread, on the machine
# that made this page.)

# %% [markdown]
# ## 2. SwiGLU: a feed-forward network with gates
#
# Attention mixes tokens. The second half of a block works on each token alone: a network with one hidden layer of width $F$ (lecture 02).
# Qwen's version has *gates* (Shazeer, 2020). With the stream's normalised values $h$ [L, E]:
#
# $$\operatorname{silu}(\underbrace{h W_g^{\mathsf T}}_{\text{gate, } L\times F}) \odot \underbrace{h W_u^{\mathsf T}}_{\text{up, } L\times F}
# \quad\text{then}\quad \underbrace{(\dots)}_{L\times F}\, W_d^{\mathsf T} \;\to\; [L, E]$$
#
# $\odot$ multiplies element by element. $W_g$ and $W_u$ have shape $[F, E]$, $W_d$ has $[E, F]$. The gate decides how much of `up` passes: silu is
# near 0 for clearly negative values and near the value itself for large ones. Silu and the product are one operator, `swiglu`.

# %% [markdown]
# How many gates of a trained model are closed? We collect all of them while the small model reads the story:

# %%
gates = []


def keep_gates(operator, arguments, results):
    if operator.name == "swiglu":
        gates.append(np.array(arguments[0]))  # [L, F]


with observe_calls(keep_gates):
    model.logits(ids)
for number in (0, 3, 7):
    print(f"layer {number}: {np.mean(gates[number] < 0):.0%} of the gates are below 0")

# %% jupyter={"source_hidden": true}
line = np.linspace(-6, 6, 241, dtype=np.float32)
fig, axes = plots.figure(1, 2, width=9, height=3.1)
for value, style in [(-2, ":"), (0.5, "--"), (2, "-")]:
    passed = operators.swiglu(line[None], np.full_like(line[None], value))[0]
    axes[0].plot(line, passed, style, label=f"up = {value}")
axes[0].set(xlabel="gate", ylabel="swiglu(gate, up)", title="what passes")
axes[0].legend()
axes[0].grid()
for number, style in ((0, "-"), (3, "--"), (7, ":")):
    heights, edges = np.histogram(gates[number], bins=80, range=(-6, 6), density=True)
    axes[1].plot((edges[1:] + edges[:-1]) / 2, heights, style, label=f"layer {number}")
axes[1].axvline(0, color=plots.GREY, linewidth=1)
axes[1].set(xlabel="gate", ylabel="density", title="gates of the small model")
axes[1].legend()
axes[1].grid()
plots.show(
    fig,
    alt="Left: swiglu against the gate for three values of up: near zero for negative gates, then rising "
    "with slope up. Right: how the gates of layers 0, 3 and 7 of the small model are distributed: about "
    "half to two thirds lie below zero.",
)

# %% [markdown]
# About half to two thirds lie below 0. There silu never gives less than -0.28: such a gate lets little of `up` pass.
#
# A network with a gate has three matrices instead of two. To have as many weights as a plain one of hidden width $4E$, the usual choice before, it needs
# $3 \cdot E F = 2 \cdot E \cdot 4E$, so $F = \tfrac83 E$. Qwen3-0.6B and our small model have $F = 3E$.

# %% [markdown]
# ## 3. QK-norm: scores that cannot explode
#
# In training the weights $W_q$ and $W_k$ may grow. Scores are products of both, so they grow with the square. Softmax then puts nearly all weight on
# one key, and hardly any gradient flows through it (lecture 12). Qwen3 (Qwen team, 2025) therefore normalises the $D$ numbers of each head of $q$ and $k$ by RMSNorm, before RoPE
# (Henry et al., 2020; Dehghani et al., 2023). All query heads of a layer share one weight $[D]$, all key heads another.
#
# > **Predict, then run.** We multiply $W_q$ and $W_k$ by 5. What happens to the largest weight of the softmax, without and with QK-norm?

# %%
S, D = 64, 32
x = rng.normal(size=(S, E)).astype(np.float32)
W_q, W_k = rng.normal(scale=E**-0.5, size=(2, D, E)).astype(np.float32)
ones = np.ones(D, dtype=np.float32)
for factor in (1, 5, 25):
    q, k = (operators.linear(x, np.float32(factor) * W) for W in (W_q, W_k))  # [S, D] each
    normed_q, normed_k = (operators.rms_norm(vectors, ones, 1e-6) for vectors in (q, k))
    without = operators.softmax(q @ k.T / np.float32(D**0.5)).max(axis=1).mean()
    with_norm = operators.softmax(normed_q @ normed_k.T / np.float32(D**0.5)).max(axis=1).mean()
    print(f"weights times {factor:2d}: {without:.3f} without the norm, {with_norm:.3f} with it")

# %% [markdown]
# > **The common guess**, that weights five times as large make the scores five times as large, forgets that a score is a
# > product of a query and a key, and both grow: 25 times.
#
# The norm cancels any factor. A normalised vector has length $\sqrt D$, so without weights a score is at most $\sqrt D\sqrt D/\sqrt D = \sqrt D$.
# With weights $a$ and $b$ of the two norms it is at most $\sqrt D \cdot \max|a| \cdot \max|b|$. RoPE changes no length, so the bound stays.

# %% [markdown]
# ## 4. One block, number by number
#
# Now the whole block. In this picture the stream runs upwards on the left. Each half reads it through a norm and adds to it:

# %% jupyter={"source_hidden": true}
STEPS = [
    ("rms_norm", "[L, E]", plots.GREY),
    ("linear × 3: query, key, value", "[L, H·D], [L, K·D] × 2", plots.BLUE),
    ("rms_norm × 2: QK-norm", "each head [D]", plots.GREY),
    ("rope × 2", "positions [L]", plots.GREEN),
    ("attention", "[L, H, D]; keys and values [S, K, D]", plots.VERMILION),
    ("linear: output", "[L, E]", plots.BLUE),
    None,
    ("rms_norm", "[L, E]", plots.GREY),
    ("linear × 2: gate, up", "[L, F] × 2", plots.BLUE),
    ("swiglu", "[L, F]", plots.ORANGE),
    ("linear: down", "[L, E]", plots.BLUE),
    None,
]
fig, axis = plots.figure(width=8, height=5.2)
stream = 0.6
arrow = dict(arrowstyle="-|>", color="#555555", linewidth=1.4, shrinkA=0, shrinkB=0)
axis.plot([stream, stream], [-0.9, 12.1], color=plots.BLACK, linewidth=3)
axis.annotate(
    "",
    (stream, 12.9),
    (stream, 12),
    arrowprops=dict(arrowstyle="-|>", color=plots.BLACK, linewidth=3),
)
axis.text(stream, -1.4, "stream [L, E]", ha="center", va="center")
for height, entry in enumerate(STEPS):
    if entry is None:
        axis.plot(
            stream,
            height,
            "o",
            color="white",
            markeredgecolor=plots.BLACK,
            markersize=15,
            markeredgewidth=1.6,
        )
        axis.text(stream, height - 0.03, "+", ha="center", va="center", fontsize=13)
        axis.annotate("", (stream + 0.13, height), (3.2, height), arrowprops=arrow)
        axis.plot([3.2, 3.2], [height - 0.69, height], color="#555555", linewidth=1.4)
        axis.text(1.9, height + 0.25, "add", ha="center", fontsize=9)
        continue
    name, shape, colour = entry
    if height in (0, 7):
        axis.annotate("", (2.62, height), (stream, height), arrowprops=arrow)
    else:
        axis.annotate(
            "",
            (3.2, height - 0.31),
            (3.2, height - 0.69),
            arrowprops={**arrow, "mutation_scale": 8},
        )
    box = dict(boxstyle="round,pad=0.28", facecolor=colour + "28", edgecolor=colour)
    axis.text(3.2, height, name, ha="center", va="center", bbox=box, fontsize=9.5)
    axis.text(4.9, height, shape, va="center", fontsize=9, color="#555555")
axis.text(
    8.2, 2.5, "attention:\nbetween tokens", ha="center", va="center", rotation=90, color="#555555"
)
axis.text(
    8.2, 8.5, "feed-forward:\neach alone", ha="center", va="center", rotation=90, color="#555555"
)
axis.set(xlim=(-0.2, 8.6), ylim=(-1.7, 13))
axis.axis("off")
plots.show(
    fig,
    alt="A block, from below: the stream is read through rms_norm, then come query, key and value, QK-norm, "
    "RoPE, attention and the output map, whose result is added to the stream; then rms_norm, gate and up, "
    "swiglu and down, added again.",
)

# %% [markdown]
# The same as code, with the operators of the course. `layer` holds the weights; shapes are in the comments.


# %%
def block(x, layer, positions, eps=1e-6, theta=10_000.0, D=32):
    """One block of Qwen3 for a text from its beginning; x is the stream.

    Returns the stream with attention's part added, and the feed-forward network's part, which the
    next add_rms_norm will add: [L, E] each.
    """
    L = len(x)
    h = operators.rms_norm(x, layer.input_norm.weight, eps)  # [L, E]
    q = operators.linear(h, layer.attention.query.weight).reshape(L, -1, D)  # [L, H, D]
    k = operators.linear(h, layer.attention.key.weight).reshape(L, -1, D)  # [L, K, D]
    v = operators.linear(h, layer.attention.value.weight).reshape(L, -1, D)  # [L, K, D]
    q = operators.rms_norm(q, layer.attention.query_norm.weight, eps)
    k = operators.rms_norm(k, layer.attention.key_norm.weight, eps)
    q, k = operators.rope(q, positions, theta), operators.rope(k, positions, theta)
    mixed = operators.attention(q, k, v, D**-0.5).reshape(L, -1)  # [L, H·D]
    part = operators.linear(mixed, layer.attention.output.weight)  # [L, E]
    x, h = operators.add_rms_norm(x, part, layer.post_norm.weight, eps)  # [L, E] each
    gate = operators.linear(h, layer.mlp.gate.weight)  # [L, F]
    up = operators.linear(h, layer.mlp.up.weight)  # [L, F]
    return x, operators.linear(operators.swiglu(gate, up), layer.mlp.down.weight)


# %% [markdown]
# We run it for the four tokens of "Once upon a time" through block 0, and print each call with the first numbers of the last token:

# %%
ids = np.array(model.tokenizer.encode("Once upon a time"))
trace = []


def keep_call(operator, arguments, results):
    trace.append((operator.name, np.array(results[0])))


with observe_calls(keep_call):
    x = operators.embedding(ids, model.decoder.embeddings)
    x, step = block(x, model.decoder.layers[0], np.arange(len(ids)))
for name, result in trace:
    numbers = ", ".join(f"{value:7.4f}" for value in result[-1].ravel()[:4])
    print(f"{name:12s} {result.shape!s:12s} {numbers}, ...")

# %% [markdown]
# Do these agree with what the model itself computes, number by number? We record the calls of its decoder and compare:

# %%
mine, trace = trace, []
with observe_calls(keep_call):
    model.logits(ids)
its = trace[: len(mine)]
print("same operators:", [name for name, _ in mine] == [name for name, _ in its])
differences = [np.abs(a - b).max() for (_, a), (_, b) in zip(mine, its, strict=True)]
print(f"{len(differences)} calls, largest difference {max(differences)}")

# %% [markdown]
# ### One error, worked through
#
# A row of the query projection holds its heads one behind the other: `reshape(L, H, D)`. With `reshape(H, L, D).transpose(1, 0, 2)` the shape is right as well, but the numbers
# are not:

# %%
rows = mine[2][1]  # [L, H·D]: the query projection, the third call above
right = rows.reshape(4, 4, 32)  # [L, H, D]
wrong = rows.reshape(4, 4, 32).transpose(1, 0, 2)  # read as [H, L, D]
for place in ((0, 0), (3, 0), (3, 1)):
    print(f"token {place[0]}, head {place[1]}: {right[place][:2]} or {wrong[place][:2]}")

# %% [markdown]
# In the place of token 3, head 0 stands token 0, head 3. The shapes do not show it. So compare calls, as above. The check of the lab does that for you: it names the
# first operator call that differs.

# %% [markdown]
# ## 5. What it costs: Qwen3-0.6B from its config
#
# The published `config.json` of Qwen3-0.6B (Qwen team, 2025) has these sizes. The number of weights, the FLOPs and the bytes follow from them.

# %%
QWEN = dict(V=151_936, E=1024, F=3072, H=16, K=8, D=128, layers=28)
SMALL = dict(V=2048, E=128, F=384, H=4, K=2, D=32, layers=8)


def count_weights(V, E, F, H, K, D, layers):
    """Number of weights by part. The output layer is the embedding table (`tie_word_embeddings`)."""
    return {
        "embedding table": V * E,
        "query, output": layers * 2 * E * H * D,
        "key, value": layers * 2 * E * K * D,
        "gate, up, down": layers * 3 * E * F,
        "norms": layers * (2 * E + 2 * D) + E,
    }


# %% [markdown]
# Is the formula complete? The small model has the same form, and we can count the numbers in its file:

# %%
stored = Checkpoint.open(paths.shipped_model()).stored
in_file = sum(int(np.prod(entry.shape)) for entry in stored.values())
print(f"small model: formula {sum(count_weights(**SMALL).values()):,d}, file {in_file:,d}")
for part, count in count_weights(**QWEN).items():
    print(f"  {part:16s} {count:12,d}")
print(f"Qwen3-0.6B:  formula {sum(count_weights(**QWEN).values()):,d}")


# %% jupyter={"source_hidden": true}
def draw_weights(axis, sizes, name):
    left, parts = 0, count_weights(**sizes)
    total = sum(parts.values())
    for (part, count), colour, hatch in zip(
        parts.items(), plots.COLOURS, ("", "//", "..", "\\\\", ""), strict=False
    ):
        axis.barh(0, count / 1e6, left=left, color=colour + "77", edgecolor="white", hatch=hatch)
        if count / total > 0.05:
            text = f"{part.replace(', ', chr(10))}\n{count / total:.0%}"
            box = dict(boxstyle="round,pad=0.2", facecolor=plots.CARD, edgecolor="none", alpha=0.85)
            axis.text(left + count / 2e6, 0, text, ha="center", va="center", fontsize=8.5, bbox=box)
        left += count / 1e6
    axis.set(xlabel="weights [million]", yticks=[], xlim=(0, left), ylim=(-0.5, 0.5))
    axis.set_title(f"{name}: {total / 1e6:,.1f} million")


fig, axes = plots.figure(2, 1, width=8.6, height=3.8)
draw_weights(axes[0], QWEN, "Qwen3-0.6B")
draw_weights(axes[1], SMALL, "small model")
plots.show(
    fig,
    alt="Weights by part of Qwen3-0.6B and of the small model. In Qwen3-0.6B the feed-forward networks hold "
    "44 per cent, the embedding table 26, attention 30.",
)


# %% [markdown]
# ### FLOPs
#
# A FLOP is one addition or multiplication of floats. A linear map does two with each of its weights for each token. Looking up an embedding costs none,
# but the output layer multiplies with the whole table. Attention does $4 \cdot H \cdot D$ for each earlier position in each layer: $2HD$ for the
# scores, $2HD$ for the mixture. So one token after $S$ others costs about
#
# $$2 \cdot \text{weights} + 4 \cdot \text{layers} \cdot H \cdot D \cdot S$$

# %% [markdown]
# ### Bytes
#
# To write one token, every weight must come from memory once, 2 bytes each in bfloat16, and the KV cache of $S$ positions too: $2 \cdot K \cdot D$ numbers
# in each layer for each position (lecture 12).
#
# > **Predict, then run.** After how many tokens does attention cost as many FLOPs as all the weights? How many FLOPs are there for each byte?

# %%
weights_of_qwen = sum(count_weights(**QWEN).values())
per_position = 4 * QWEN["layers"] * QWEN["H"] * QWEN["D"]  # FLOPs
cache_per_position = 2 * QWEN["layers"] * QWEN["K"] * QWEN["D"] * 2  # bytes
as_much = 2 * weights_of_qwen / per_position
print(f"attention costs as much as the weights after {as_much:,.0f} tokens")
for S in (100, 1000, 10_000, 40_000):
    flops = 2 * weights_of_qwen + per_position * S
    moved = 2 * weights_of_qwen + cache_per_position * S
    in_words = f"{flops / 1e9:5.2f} GFLOP, {moved / 1e9:4.2f} GB for one token"
    print(f"S = {S:6,d}: {in_words}: {flops / moved:.1f} FLOP a byte")

# %% [markdown]
# > **The common guess**, that so many FLOPs keep a processor busy, forgets that each weight is used for one multiplication and
# > one addition here, and has to be fetched for them.
#
# There are one to two FLOPs for each byte. Processors can do far more arithmetic for each byte that memory delivers (lecture 09 measures it). So
# writing token after token waits for memory, not for arithmetic. This gives an upper bound for the speed:
#
# $$\text{tokens per second} \le \frac{\text{bytes per second of the memory}}{\text{bytes for one token}}$$

# %%
for memory in (20, 100, 1000, 3350):  # GB/s
    rate = memory * 1e9 / (2 * weights_of_qwen)
    print(f"memory with {memory:4d} GB/s: at most {rate:4.0f} tokens per second in bfloat16")

# %% [markdown]
# (The first three are examples; 3350 GB/s is NVIDIA's figure for the memory of an H100.)
#
# A *prompt* is different. Its $L$ tokens go through a layer together, so each weight that comes from memory is used $L$ times:

# %% jupyter={"source_hidden": true}
lengths = 2 ** np.arange(17)
prefill = 2 * weights_of_qwen * lengths + per_position * lengths**2 / 2
moved = 2 * weights_of_qwen + cache_per_position * lengths
context = np.linspace(0, 40_000, 100)
fig, axes = plots.figure(1, 2, width=9, height=3.2)
axes[0].stackplot(
    context, np.full(100, 2 * weights_of_qwen / 1e9), per_position * context / 1e9,
    labels=["weights", "attention"], colors=[plots.BLUE + "AA", plots.ORANGE + "AA"],
)  # fmt: skip
axes[0].set(
    xlabel="tokens before, S",
    ylabel="GFLOP for one token",
    xlim=(0, 40_000),
    title="writing one token",
)
axes[0].set_xticks(range(0, 40_001, 10_000))
axes[0].legend(loc="upper left")
axes[1].loglog(lengths, prefill / moved, "o-", markersize=4)
axes[1].set(xlabel="tokens together, L", ylabel="FLOP for each byte", title="reading a prompt")
axes[1].grid()
plots.show(
    fig,
    alt="Left: FLOPs to write one token against the tokens before it: a constant part for the weights, a "
    "growing one for attention. Right: FLOPs for each byte when L tokens are read together; it grows in "
    "proportion to L.",
)

# %% [markdown]
# So reading a long prompt (*prefill*) is limited by arithmetic, writing (*decode*) by memory. Lecture 14 measures both.

# %% [markdown]
# ## 6. With a pencil
#
# **1.** A model has E = 2048, F = 6144, H = 16, K = 8, D = 128. How many weights has a block, without its norms?
#
# <details><summary>Answer</summary>
#
# Query and output $2 \cdot 2048 \cdot 2048$, key and value $2 \cdot 2048 \cdot 1024$, gate, up and down $3 \cdot 2048 \cdot 6144$: $8.4 + 4.2 + 37.7 = 50.3$ million.
#
# </details>
#
# **2.** A stream of 1 GB in a prompt of 100 000 tokens: how many bytes do two separate kernels and one fused `add_rms_norm` move?
#
# <details><summary>Answer</summary>
#
# Five arrays of 1 GB are 5 GB, four are 4 GB. At 3350 GB/s that is 1.5 and 1.2 ms, twice in each block.
#
# </details>

# %% [markdown]
# ## The answer
#
# - A block adds twice to the residual stream: attention between tokens, SwiGLU within each. Both read through RMSNorm (pre-norm), so
#   the gradient keeps its direction while weights move. QK-norm keeps scores bounded.
# - 28 blocks and an embedding table, 596 million weights, follow from seven numbers of the config.
# - Writing a token takes two FLOPs and two bytes for each weight, so it waits for memory.
#
# ## Sources
#
# - K. He et al. (2015), [Deep residual learning](https://arxiv.org/abs/1512.03385).
# - A. Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762);
#   R. Xiong et al. (2020), [On layer normalization in the transformer architecture](https://arxiv.org/abs/2002.04745).
# - N. Shazeer (2020), [GLU variants improve transformer](https://arxiv.org/abs/2002.05202).
# - A. Henry et al. (2020), [Query-key normalization for transformers](https://arxiv.org/abs/2010.04245);
#   M. Dehghani et al. (2023), [Scaling vision transformers to 22 billion parameters](https://arxiv.org/abs/2302.05442).
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json).
# - NVIDIA, [H100 GPU, specifications](https://www.nvidia.com/en-us/data-center/h100/): memory bandwidth of the SXM version.
#
# ## Go on
#
# In [lab 13 the Qwen block](../labs/13_qwen_block/13_qwen_block.ipynb) you write `swiglu` as a kernel and put a block together from your own kernels.
# Then: [14 The decoder speaks](14_decoder.ipynb).
