# %% [markdown]
# # 13 · The Qwen block
#
# **Question:** norms, linear maps, attention, gates: all parts are known. How does Qwen put them together, and what does the result cost?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [12 Attention](12_attention.ipynb) | RMSNorm, RoPE, attention, backpropagation | 25 minutes | [13 the Qwen block](../labs/13_qwen_block/13_qwen_block.ipynb) | [14 The decoder speaks](14_decoder.ipynb) |

# %%
import numpy as np
from ipywidgets import interact

from llaisys_mini import load_model, observe_calls, operators, paths, plots
from llaisys_mini.weights.checkpoint import Checkpoint

# %% [markdown]
# ## 1. The residual stream
#
# A deep network passes its values from layer to layer: $x \leftarrow f(x)$. Each layer writes everything anew.
# Since He et al. (2015) a deep network *adds* instead:
#
# $$x \leftarrow x + f(x)$$
#
# What is carried along, here $[L, E]$, is called the *residual stream*: $E$ numbers for each of $L$ tokens. A layer reads the stream and adds its
# contribution. A layer that has nothing to say adds zero.

# %% [markdown]
# ### Where does the norm go?
#
# A layer works best on values of a steady magnitude, so RMSNorm (lecture 05) is near. There are two places for it:
#
# - **post-norm** (Vaswani et al., 2017): $x \leftarrow \operatorname{norm}(x + f(x))$. The stream itself is normalised.
# - **pre-norm** (Qwen and nearly all models today): $x \leftarrow x + f(\operatorname{norm}(x))$. Only what the layer reads is normalised.
#
# We send a gradient backwards through 28 layers of each kind, as many as Qwen3-0.6B has. The layers are random:
# $f(x) = \operatorname{silu}(x W_1^{\mathsf T})\, W_2^{\mathsf T}$. The rules are those of lecture 02, one for each step.
# `norm_backward` is the chain rule for $x / \operatorname{rms}(x)$; `sigmoid` is written with tanh, which does not overflow.


# %%
def norm(x):
    return x / np.sqrt(np.mean(x**2) + 1e-6)


def norm_backward(grad, x):
    """Gradient of x, given that of norm(x): both [E]."""
    root = np.sqrt(np.mean(x**2) + 1e-6)
    return (grad - x / root * np.mean(grad * x / root)) / root


def sigmoid(z):
    return (1 + np.tanh(z / 2)) / 2


def f(x, W1, W2):
    z = W1 @ x
    return W2 @ (z * sigmoid(z))


def f_backward(grad, x, W1, W2):
    z = W1 @ x
    return W1.T @ ((W2.T @ grad) * sigmoid(z) * (1 + z * (1 - sigmoid(z))))


# %%
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
# through (lecture 02). Training moves the weights, so nothing keeps them there.
#
# > **Predict, then run.** A gradient of length 1 enters behind layer 28. How long is it at layer 1, for $s$ = 0.5, 1 and 2?

# %%
E, DEPTH = 128, 28


def gradient_at_first(kind, scale):
    """Length of the gradient in front of layer 1, if it is 1 behind the last layer."""
    forward, backward = KINDS[kind]
    rng = np.random.default_rng(0)
    weights = rng.normal(scale=scale * (2 / E) ** 0.5, size=(DEPTH, 2, E, E))
    xs = [norm(rng.normal(size=E))]
    for W1, W2 in weights:
        xs.append(forward(xs[-1], W1, W2))
    grad = norm(rng.normal(size=E)) / E**0.5
    for x, (W1, W2) in zip(xs[-2::-1], weights[::-1], strict=True):
        grad = backward(grad, x, W1, W2)
    return np.linalg.norm(grad)


scales = [0.25, 0.5, 0.7, 1, 1.4, 2, 3]
sizes = {kind: [gradient_at_first(kind, scale) for scale in scales] for kind in KINDS}
for kind, values in sizes.items():
    found = dict(zip(scales, values, strict=True))
    print(f"{kind:9s}", ", ".join(f"s = {scale}: {found[scale]:.2g}" for scale in (0.5, 1, 2)))

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4)
for (kind, values), style in zip(sizes.items(), ("o:", "s--", "^-"), strict=True):
    axis.loglog(scales, values, style, label=kind, markersize=5)
axis.set(xlabel="scale s of the weights", ylabel="gradient at layer 1", xticks=scales)
axis.set_xticklabels(scales)
axis.minorticks_off()
axis.legend()
axis.grid()
plots.show(
    fig,
    alt="Length of the gradient at layer 1 against the scale of the weights, both logarithmic. In the plain "
    "network it changes by tens of powers of ten; with residual stream and norm, of either kind, it stays "
    "within two.",
)

# %% [markdown]
# > **The common guess**, that weights twice as large make the gradient about twice as long, forgets that it passes through 28
# > layers, each of which multiplies it.
#
# The plain network works at one single scale, somewhere between 0.7 and 1, and misses it by powers of ten elsewhere. With a stream and
# norms, of either kind, the gradient arrives at any of these scales.
#
# What separates the two kinds is the direct way, the "$x\,+$" through all layers. In pre-norm it is free: what layer 1 adds is still there behind layer 28,
# times 1. In post-norm each layer divides the stream, so it is there times the product of all those divisions:

# %%
rng = np.random.default_rng(0)
x, direct = norm(rng.normal(size=E)), 1.0
for layer in range(1, DEPTH + 1):
    total = x + f(x, *rng.normal(scale=(2 / E) ** 0.5, size=(2, E, E)))
    direct /= np.sqrt(np.mean(total**2))
    x = norm(total)
    if layer in (1, 7, 14, 28):
        print(f"post-norm, after {layer:2d} layers: what came in first is there times {direct:.1e}")

# %% [markdown]
# So in post-norm the direct way is all but closed. Xiong et al. (2020) show that such networks need a slow start (*warm-up*) to train at all, and
# pre-norm networks do not.

# %% [markdown]
# ### The stream of the small model
#
# A block of Qwen adds twice: attention adds, then a feed-forward network adds. So behind the last of 8 blocks the stream is the embedding plus
# 16 contributions. The course's decoder adds and normalises in one operator, `add_rms_norm`: the sum is normalised while it is at hand. Its
# second argument is what is added, its first result the stream. We watch these calls while the model reads, and see whether that is exactly so.

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
# It is. The stream grows on its way, and nothing in it is ever erased, only outweighed. Because each layer reads through a norm, it does not matter
# to the layer that the stream has grown.

# %% [markdown]
# ## 2. SwiGLU: a feed-forward network with gates
#
# Attention mixes tokens. The second half of a block works on each token alone: a network with one hidden layer of width $F$ (lecture 02).
# Qwen's version has *gates* (Shazeer, 2020). With the stream's normalised values $h$ [L, E]:
#
# $$\operatorname{silu}(\underbrace{h W_g^{\mathsf T}}_{\text{gate, } L\times F}) \odot \underbrace{h W_u^{\mathsf T}}_{\text{up, } L\times F}
# \quad\text{then}\quad \underbrace{(\dots)}_{L\times F}\, W_d^{\mathsf T} \;\to\; [L, E]$$
#
# $\odot$ multiplies element by element. $W_g$ and $W_u$ have shape $[F, E]$, $W_d$ has $[E, F]$. Up says *what*; the gate says *whether*: silu is
# near 0 for negative values and near the value itself for positive ones. Gate and product are one operator, `swiglu`.

# %%
gate, up = rng.normal(size=(2, 3, 5)).astype(np.float32)
print("equal:", np.allclose(operators.swiglu(gate, up), operators.silu(gate) * up))

# %% jupyter={"source_hidden": true}
line = np.linspace(-4, 4, 81, dtype=np.float32)
gates, ups = np.meshgrid(line, line)
fig, axes = plots.figure(1, 2, width=8.6, height=3.1, width_ratios=(1, 1.1))
for value, style in [(-2, ":"), (0.5, "--"), (2, "-")]:
    axes[0].plot(
        line,
        operators.swiglu(line[None], np.full_like(line[None], value))[0],
        style,
        label=f"up = {value}",
    )
axes[0].set(xlabel="gate", ylabel="swiglu(gate, up)")
axes[0].legend()
axes[0].grid()
image = axes[1].contourf(gates, ups, operators.swiglu(gates, ups), levels=16)
axes[1].set(xlabel="gate", ylabel="up", title="left of 0 the gate is nearly closed")
fig.colorbar(image, ax=axes[1], label="swiglu(gate, up)")
plots.show(
    fig,
    alt="Left: swiglu against the gate for three values of up: near zero for negative gates, then rising "
    "with slope up. Right: the same as contours over gate and up; the left half is flat.",
)

# %% [markdown]
# A network with a gate has three matrices instead of two. To have as many weights as a plain one of hidden width $4E$, the usual choice before, it needs
# $3 \cdot E F = 2 \cdot E \cdot 4E$, so $F = \tfrac83 E$. Qwen3-0.6B and our small model have $F = 3E$.

# %% [markdown]
# ## 3. QK-norm: scores that cannot explode
#
# In training the weights $W_q$ and $W_k$ may grow. Scores are products of both, so they grow with the square, and softmax
# turns into a hard choice through which hardly any gradient flows. Qwen3 (Qwen team, 2025) therefore normalises each head of $q$ and $k$ with
# an RMSNorm of its own, with weights of shape $[D]$, before RoPE (Henry et al., 2020; Dehghani et al., 2023).
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
# With weights $a$ and $b$ of the two norms it is at most $\sqrt D \cdot \max|a| \cdot \max|b|$. RoPE changes no length, so the bound stays. In our model:

# %%
largest = []


def keep_largest_score(operator, arguments, results):
    if operator.name == "attention":
        q, k, _, scale = (np.asarray(argument) for argument in arguments)  # [L, H, D], [S, K, D]
        k = np.repeat(k, q.shape[1] // k.shape[1], axis=1)
        largest.append(np.abs(scale * np.einsum("lhd,shd->hls", q, k)).max())


with observe_calls(keep_largest_score):
    model.logits(ids)
for number, (layer, score) in enumerate(zip(model.decoder.layers, largest, strict=True)):
    a, b = (np.abs(n.weight).max() for n in (layer.attention.query_norm, layer.attention.key_norm))
    print(f"layer {number}: largest score {score:5.1f}, bound {32**0.5 * a * b:5.1f}")

# %% [markdown]
# ## 4. One block, number by number
#
# Now the whole block. In this picture the stream runs up on the left, and each half reads it through a norm and adds to it:

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
# Do these agree with what the model itself computes, number by number? Its decoder makes the same calls in the same order:

# %%
mine, trace = trace, []
with observe_calls(keep_call):
    model.logits(ids)
its = trace[: len(mine)]
print("same operators:", [name for name, _ in mine] == [name for name, _ in its])
differences = [np.abs(a - b).max() for (_, a), (_, b) in zip(mine, its, strict=True)]
print(f"{len(differences)} calls, largest difference {max(differences)}")

# %% [markdown]
# And one number by hand: the first of `rms_norm`'s result, from the embedding in front of it.

# %%
e = mine[0][1][-1]  # [E]: the embedding of " time"
weight = np.asarray(model.decoder.layers[0].input_norm.weight)
root = np.sqrt(np.mean(e**2) + 1e-6)
print(f"{e[0]:.4f} / {root:.4f} · {weight[0]:.4f} = {e[0] / root * weight[0]:.4f}")

# %% [markdown]
# ## 5. What it costs: Qwen3-0.6B from its config
#
# The published `config.json` of Qwen3-0.6B (Qwen team, 2025) has these sizes. Everything follows from them.

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
# Is the formula complete? The small model has the same form, and its file can be counted:

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


# %%
@interact(layers=(2, 64, 2), E=(256, 4096, 256), V=(1000, 200_000, 1000))
def draw_chosen_weights(layers=28, E=1024, V=151_000):
    fig, axis = plots.figure(width=8.6, height=1.9)
    draw_weights(
        axis, dict(V=V, E=E, F=3 * E, H=16, K=8, D=E // 8, layers=layers), "a model of this form"
    )
    plots.show(fig, alt=f"Weights by part for {layers} layers, E = {E}, V = {V}.")


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
# About one FLOP for a byte. Processors could do far more arithmetic for each byte that memory delivers (lecture 09 measured it on
# this machine). So writing token after token waits for memory, not for arithmetic. An upper bound for the speed follows at once:
#
# $$\text{tokens per second} \le \frac{\text{bytes per second of the memory}}{\text{bytes for one token}}$$

# %%
print("one token needs", f"{2 * weights_of_qwen / 1e9:.2f} GB in bfloat16 at S = 0")
for memory in (20, 100, 1000, 3350):  # GB/s
    rates = [memory * 1e9 / (bytes_each * weights_of_qwen) for bytes_each in (2, 1, 0.5)]
    in_words = f"{rates[0]:5.0f} in bfloat16, {rates[1]:5.0f} in int8, {rates[2]:5.0f} in int4"
    print(f"memory with {memory:4d} GB/s, tokens per second at most: {in_words}")

# %% [markdown]
# (The first three are examples; 3350 GB/s is NVIDIA's figure for the memory of an H100.)
#
# A *prompt* is another matter. Its $L$ tokens go through a layer together, so each weight that comes from memory is used $L$ times:

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
# So reading is limited by arithmetic, writing by memory. The two have names, *prefill* and *decode*, and lecture 14 measures both.

# %% [markdown]
# ## The answer
#
# - A block adds twice to the residual stream: attention between tokens, SwiGLU within each. Both read through RMSNorm (pre-norm), so
#   the gradient has a free way. QK-norm keeps scores bounded.
# - 28 blocks and an embedding table, 596 million weights, follow from seven numbers of the config.
# - Two FLOPs for each weight, and two bytes: writing a token waits for memory.
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
