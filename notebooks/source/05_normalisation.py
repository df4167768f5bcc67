# %% [markdown]
# # 05 · Normalisation
#
# **Question:** numbers that pass through many layers shrink or grow, and their gradients with them. What keeps both in range?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [04 Training](04_training.ipynb) | mean and variance; backpropagation (lecture 03), initial weights (lecture 04) | 25 minutes | [05 norms](../labs/05_norms/05_norms.ipynb) | [06 Tensors](06_tensors.ipynb) |

# %%
import itertools
import math

import numpy as np
from matplotlib.patches import Rectangle

from llaisys_mini import operators, plots
from llaisys_mini.lectures.datasets import two_moons

# %% [markdown]
# ## 1. Drift
#
# We send 64 random rows through 50 layers of 256 neurons with ReLU, and then a random gradient back from the last layer to the
# first. Each weight is drawn with variance $c / K$, where $K = 256$ is the number of inputs of a neuron. The magnitude of a row
# $x$ [E] is its *root mean square*:
#
# $$\operatorname{rms}(x) = \sqrt{\frac1E \sum_{e=1}^{E} x_e^2}$$
#
# > **Predict, then run.** How large are the rows after 50 layers if $c$ is 1, 2 or 3? And which $c$ lets the gradient arrive at the
# > first layer as large as it started?


# %%
def rms(x):
    """x [N, E] -> [N]."""
    return np.sqrt(np.mean(x * x, axis=-1))


def through_layers(c, seed=0, layers=50, width=256):
    """Mean magnitude of the activations after each layer, and of the gradient before each layer."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(scale=math.sqrt(c / width), size=(layers, width, width))
    x = rng.normal(size=(64, width))
    sizes, kept = [rms(x).mean()], []
    for weight in weights:
        z = x @ weight
        kept.append(z > 0)
        x = np.where(z > 0, z, 0)
        sizes.append(rms(x).mean())
    g = rng.normal(size=x.shape)
    gradients = [rms(g).mean()]
    for weight, passed in zip(weights[::-1], kept[::-1], strict=True):
        g = (g * passed) @ weight.T  # backwards through ReLU, then through the linear step
        gradients.append(rms(g).mean())
    return sizes, gradients[::-1]


drift = {c: through_layers(c) for c in (1, 2, 3)}
for c, (sizes, gradients) in drift.items():
    print(
        f"c = {c}: activations after 50 layers {sizes[-1]:.1e}, gradient at the first {gradients[0]:.1e}"
    )

# %% [markdown]
# > **The common guess**, that $c$ = 1 leaves the rows about half as large as $c$ = 2 does, forgets that the factor of a layer is
# > applied fifty times, on the way forward and on the way back.
#
# Lecture 04 derived the factor ($c$ was called the gain there). A linear step adds up $K$ products, so $z$ has the mean square
# $c\,\operatorname{rms}(x)^2$, and ReLU leaves half of that. Each layer multiplies the magnitude by about $\sqrt{c/2}$, fifty layers by
# its 50th power. On the way back the factor is the same, with the columns of the weights in place of the rows. With the initial weights
# of He et al. (2015), $c = 2$, it is 1.

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, sharey=True)
for (c, both), dashes in zip(drift.items(), ("-", "--", "-."), strict=True):
    for axis, values in zip(axes, both, strict=True):
        axis.semilogy(values, dashes, label=f"variance {c}/K")
for axis, title in zip(
    axes, ("activations, on the way forward", "gradients, on the way back"), strict=True
):
    axis.set(xlabel="layer", title=title)
    axis.grid(axis="y")
axes[0].set_ylabel("magnitude (root mean square)")
axes[0].legend()
plots.show(
    fig,
    alt="Two panels over the layers 0 to 50, logarithmic. Activations: with variance 1/K they fall by many powers of ten, with "
    "3/K they rise, with 2/K they stay near one. Gradients: the same three curves, read from the last layer to the first.",
)

# %% [markdown]
# How good is "about"? The factor differs a little from layer to layer, and over fifty layers these differences accumulate. With $c = 2$,
# over 20 seeds:

# %%
ends = [through_layers(2, seed)[0][-1] for seed in range(20)]
print(
    f"c = 2, after 50 layers: from {min(ends):.2f} to {max(ends):.2f}, median {np.median(ends):.2f}"
)

# %% [markdown]
# And this holds only at the start: training changes the weights, and nothing keeps $c$ at 2. So instead of choosing a scale once, we
# measure it in every layer and divide by it. This is *normalisation*. The methods differ in the numbers over which the scale is measured.

# %% [markdown]
# ## 2. Down the columns: batch normalisation
#
# Let $x$ [N, E] be a batch of N rows. **BatchNorm** (Ioffe and Szegedy, 2015) takes mean and variance of each *column*, over
# the rows of the batch:
#
# $$\text{out}_{ne} = w_e\,\frac{x_{ne} - \mu_e}{\sqrt{v_e + \epsilon}} + b_e,
# \qquad \mu_e = \frac1N\sum_n x_{ne},\qquad v_e = \frac1N\sum_n (x_{ne} - \mu_e)^2$$
#
# The weights $w$ [E] and biases $b$ [E] are learned, so that the next layer can still get each column at any scale and offset. $\epsilon$ is
# a small positive number; section 4 says what it is for.


# %%
def batch_norm(x, mean, variance, eps=1e-5):
    """With w = 1 and b = 0. x [N, E], mean and variance [E]."""
    return (x - mean) / np.sqrt(variance + eps)


rng = np.random.default_rng(0)
batch = rng.normal(loc=[5, -3, 0], scale=[10, 1, 0.1], size=(8, 3))
out = batch_norm(batch, batch.mean(axis=0), batch.var(axis=0))
print("columns before: mean", batch.mean(axis=0).round(2), " deviation", batch.std(axis=0).round(2))
print(
    "columns after:  mean",
    np.abs(out.mean(axis=0)).round(2),
    " deviation",
    out.std(axis=0).round(2),
)

# %% [markdown]
# > **Predict, then run.** A trained network gets a single row, a batch of one. What does this BatchNorm make of it?

# %%
alone = batch[:1]
print("the row:               ", alone.round(2))
print("in its batch of eight: ", out[:1].round(2))
print(
    "in a batch of four:    ",
    batch_norm(alone, batch[:4].mean(axis=0), batch[:4].var(axis=0)).round(2),
)
print("alone:                 ", batch_norm(alone, alone.mean(axis=0), alone.var(axis=0)).round(2))

# %% [markdown]
# > **The common guess**, that the row comes out as it did in its batch, overlooks that mean and variance are those of the batch.
# > A single row is its own mean, and nothing is left of it.
#
# A row's result depends on the other rows of its batch. In training that is noise, which does little harm. At inference it is not
# acceptable: the answer to one request must not depend on the others. So BatchNorm has two modes:
#
# - **training**: it uses mean and variance of the batch, and keeps running means of both, here with the factor 0.9;
# - **inference**: it uses the running means, which are fixed by then.

# %%
running_mean, running_variance = np.zeros(3), np.ones(3)
for _ in range(200):  # training: 200 batches pass
    seen = rng.normal(loc=[5, -3, 0], scale=[10, 1, 0.1], size=(64, 3))
    running_mean = 0.9 * running_mean + 0.1 * seen.mean(axis=0)
    running_variance = 0.9 * running_variance + 0.1 * seen.var(axis=0)

print("running mean:     ", running_mean.round(2))
print("running deviation:", np.sqrt(running_variance).round(2))
print("the row alone, at inference:", batch_norm(alone, running_mean, running_variance).round(2))

# %% [markdown]
# ## 3. Along the rows: LayerNorm and RMSNorm
#
# Language models write one token at a time, and their texts have different lengths. A norm that needs no batch suits them better.
# **LayerNorm**, layer normalisation (Ba, Kiros and Hinton, 2016), takes mean and variance of each *row*:
#
# $$\text{out}_{ne} = w_e\,\frac{x_{ne} - \mu_n}{\sqrt{v_n + \epsilon}} + b_e,
# \qquad \mu_n = \frac1E\sum_e x_{ne},\qquad v_n = \frac1E\sum_e (x_{ne} - \mu_n)^2$$
#
# **RMSNorm** (Zhang and Sennrich, 2019) leaves out the mean and the bias. Qwen uses it:
#
# $$\text{out}_{ne} = w_e\,\frac{x_{ne}}{\sqrt{\frac1E\sum_j x_{nj}^2 + \epsilon}}$$
#
# Both are the same in training and at inference.

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=2.9)
KINDS = [
    ("BatchNorm: a column", lambda n, e: e == 2, "mean and variance of N numbers"),
    ("LayerNorm: a row", lambda n, e: n == 1, "mean and variance of E numbers"),
    ("RMSNorm: a row", lambda n, e: n == 1, "mean square of E numbers"),
]
for axis, (title, together, what) in zip(axes, KINDS, strict=True):
    for n in range(4):
        for e in range(6):
            face = plots.SKY if together(n, e) else "white"
            axis.add_patch(Rectangle((e, -n - 1), 0.94, 0.94, facecolor=face, edgecolor="#777777"))
    axis.text(3, -4.75, what, ha="center", fontsize=9, color="#555555")
    axis.text(3, 0.25, "E columns", ha="center", fontsize=9, color="#555555")
    axis.text(
        -0.35, -2, "N rows", ha="center", va="center", rotation=90, fontsize=9, color="#555555"
    )
    axis.set(xlim=(-0.8, 6.1), ylim=(-5, 0.8), title=title, aspect="equal")
    axis.axis("off")
plots.show(
    fig,
    alt="Three grids of four rows and six columns. The numbers that share a mean and a variance are filled: one column for "
    "BatchNorm, one row for LayerNorm, and one row for RMSNorm, which takes the mean square only.",
)

# %%
ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
row = np.array([[1, 2, 6]], dtype=np.float32)
print("mean 3, variance (4 + 1 + 9) / 3:", (row - 3) / math.sqrt(14 / 3))
print("layer_norm:                      ", operators.layer_norm(row, ones, zeros, 1e-6))
print("mean of squares (1 + 4 + 36) / 3:", row / math.sqrt(41 / 3))
print("rms_norm:                        ", operators.rms_norm(row, ones, 1e-6))

# %% [markdown]
# > **Predict, then run.** We multiply the row by 1000, or add 1000 to each element. Which of the two norms notices?

# %%
for name, changed in [("as it is", row), ("times 1000", row * 1000), ("plus 1000", row + 1000)]:
    layer = operators.layer_norm(changed, ones, zeros, 1e-6)[0]
    root = operators.rms_norm(changed, ones, 1e-6)[0]
    print(f"{name:11s} layer_norm {np.round(layer, 3)}   rms_norm {np.round(root, 3)}")

# %% [markdown]
# > **The common guess**, that both norms notice both, overlooks that each divides by a size that grows with the row, so a
# > common factor cancels.
#
# Neither notices the factor. Only `rms_norm` notices the shift, since it does not subtract the mean. With three columns we can
# look at it: every row is a point in space.

# %% jupyter={"source_hidden": true}
cloud = (rng.normal(size=(150, 3)) * [1.6, 0.9, 0.5] + [0.8, 0.5, 0.2]).astype(np.float32)
fig, axes = plots.figure(1, 3, width=9, height=3.2, subplot_kw={"projection": "3d"})
clouds = {
    "rows": cloud,
    "after RMSNorm": operators.rms_norm(cloud, ones, 1e-6),
    "after LayerNorm": operators.layer_norm(cloud, ones, zeros, 1e-6),
}
for axis, (title, points) in zip(axes, clouds.items(), strict=True):
    axis.scatter(*points.T, s=9, color=plots.BLUE, depthshade=False)
    axis.set(title=title, xlim=(-2, 2), ylim=(-2, 2), zlim=(-2, 2))
    axis.set(xticks=[-1, 1], yticks=[-1, 1], zticks=[-1, 1])
    axis.set(xticklabels=[], yticklabels=[], zticklabels=[])
    axis.set_xlabel("$x_1$", labelpad=-9)
    axis.set_ylabel("$x_2$", labelpad=-9)
    axis.set_zlabel("$x_3$", labelpad=-9)
    axis.set_box_aspect((1, 1, 1), zoom=0.86)
    axis.view_init(elev=20, azim=-20)
plots.show(
    fig,
    alt="A cloud of points in space. After RMSNorm they lie on a sphere of radius square root of three; after LayerNorm on a "
    "circle, where this sphere meets the plane in which the three coordinates add up to zero.",
)

# %% [markdown]
# RMSNorm keeps the direction of a row and puts it on a sphere of radius $\sqrt E$. LayerNorm first removes the part along
# $(1, 1, 1)$, and only a circle of the sphere is left: one dimension is lost. With hundreds of columns one dimension more
# or less matters little, and RMSNorm needs one sum less.

# %% [markdown]
# ## 4. Epsilon, and a worked error
#
# What if a row is all zeros? Its magnitude is 0, and 0/0 is `nan`; later layers that mix rows would spread it. $\epsilon$ inside
# the root prevents this. On rows much larger than $\sqrt\epsilon$ it has no visible effect; rows much smaller stay small:

# %% jupyter={"source_hidden": true}
scale_of_rows = np.logspace(-7, 1, 200)
unit, ones64 = np.ones((1, 64), dtype=np.float32), np.ones(64, dtype=np.float32)
fig, axis = plots.figure(width=6.4)
for eps, dashes in [(1e-5, "-"), (1e-6, "--"), (1e-12, "-.")]:
    after = [
        rms(operators.rms_norm(np.float32(size) * unit, ones64, eps))[0] for size in scale_of_rows
    ]
    axis.loglog(scale_of_rows, after, dashes, label=f"ε = {eps:.0e}")
axis.set(xlabel="magnitude of the row before", ylabel="magnitude after", ylim=(1e-5, 3))
axis.grid()
axis.legend()
plots.show(
    fig,
    alt="Magnitude after RMSNorm against magnitude before, for three values of epsilon. Each curve "
    "is level at one for large rows and falls in proportion below the square root of epsilon.",
)

# %% [markdown]
# **A worked error.** Somebody wants to save a pass over the row. The variance is also the mean of the squares minus the square
# of the mean, and both sums can be taken in one pass. In exact arithmetic this is right. In float32:

# %%
row = (10_000 + np.random.default_rng(0).normal(size=(1, 4096))).astype(np.float32)
one_walk = np.mean(row * row) - np.mean(row) ** 2
two_walks = np.mean((row - np.mean(row)) ** 2)
print(f"in float64:                            {row.astype(np.float64).var():.4f}")
print(f"deviations first, then their squares:  {two_walks:.4f}")
print(f"mean of squares minus squared mean:    {one_walk:.4f}")
print(f"step between float32 numbers at 10^8:  {np.spacing(np.float32(1e8)):.0f}")

# %% [markdown]
# Both terms are near $10^8$, where neighbouring float32 numbers are 8 apart. Their difference should be about 1, and consists of rounding
# errors only: *catastrophic cancellation*. Where it comes out negative, its root is `nan`. To notice such an error, test with a mean that is
# large compared with the spread. To avoid it, subtract the mean before you square.

# %% [markdown]
# ## 5. Thirty layers
#
# Do norms help in training? We take a network of 30 layers with 24 neurons each, on two half moons of 64 points, full batch, plain
# gradient descent. The norm stands between the linear step and ReLU. So that no single lucky choice decides, each network is trained
# with four learning rates and from four starts.
#
# The gradient of a norm follows from the chain rule. With $\hat x = (x - \mu) / s$ and means over the same numbers as in the
# forward pass:
#
# $$g_{\text{in}} = \frac1s\Big(g - \operatorname{mean}(g) - \hat x \cdot \operatorname{mean}(g \cdot \hat x)\Big)$$
#
# Without $\mu$, as in RMSNorm, the term $\operatorname{mean}(g)$ falls away.


# %%
def normalise(z, axis, centred):
    """z [starts, N, E] -> normalised, and the size that it was divided by."""
    if centred:
        z = z - z.mean(axis, keepdims=True)
    size = np.sqrt((z * z).mean(axis, keepdims=True) + np.float32(1e-5))
    return z / size, size


def normalise_backward(g, z, size, axis, centred):
    shift = g.mean(axis, keepdims=True) if centred else 0
    return (g - shift - z * (g * z).mean(axis, keepdims=True)) / size


for name, (axis, centred) in [
    ("BatchNorm", (1, True)),  # axis 1 of [starts, N, E]: over the rows
    ("LayerNorm", (2, True)),
    ("RMSNorm", (2, False)),
]:
    z, g, direction = rng.normal(size=(3, 1, 8, 6))
    z_hat, size = normalise(z, axis, centred)
    formula = np.sum(normalise_backward(g, z_hat, size, axis, centred) * direction)
    more, less = (normalise(z + s * direction, axis, centred)[0] for s in (1e-5, -1e-5))
    measured = np.sum(g * (more - less)) / 2e-5
    print(f"{name}: {formula:.5f} by the formula, {measured:.5f} measured")

# %% [markdown]
# The formula agrees with the change along a small step in a random direction. Now the network:

# %%
points, side = two_moons(64, seed=0)


def train(norm, c, rate, starts=4, layers=30, width=24, steps=150):
    """Share of points on the right side after training, for each start. norm: (axis, centred) or None."""
    rng, widths = np.random.default_rng(1), [2] + [width] * layers + [2]
    weights = [
        rng.normal(scale=math.sqrt((c if layer else 2) / k), size=(starts, k, m)).astype(np.float32)
        for layer, (k, m) in enumerate(itertools.pairwise(widths))
    ]
    target = np.eye(2, dtype=np.float32)[side]
    for _ in range(steps):
        h, kept = np.broadcast_to(points, (starts, *points.shape)), []
        for weight in weights[:-1]:
            z, size = h @ weight, None
            if norm:
                z, size = normalise(z, *norm)
            kept.append((h, z, size))
            h = np.maximum(z, 0)
        p = operators.softmax(h @ weights[-1])
        inputs, g = h, (p - target) / len(points)  # the gradient of the cross-entropy (lecture 03)
        for layer in reversed(range(layers + 1)):
            if layer < layers:
                inputs, z, size = kept[layer]
                g = g * (z > 0)
                if norm:
                    g = normalise_backward(g, z, size, *norm)
            step = inputs.transpose(0, 2, 1) @ g
            g = g @ weights[layer].transpose(0, 2, 1)
            weights[layer] -= np.float32(rate) * step
    return (p.argmax(-1) == side).mean(axis=1)


# %% [markdown]
# > **Predict, then run.** Which of the five networks learn the moons, where guessing gives about half: no norm with $c$ = 1, no
# > norm with $c$ = 2, BatchNorm, LayerNorm, RMSNorm?

# %%
NETWORKS = {
    "no norm, c = 1": (None, 1),
    "no norm, c = 2": (None, 2),
    "BatchNorm, c = 2": ((1, True), 2),
    "LayerNorm, c = 2": ((2, True), 2),
    "RMSNorm, c = 2": ((2, False), 2),
}
RATES = (0.01, 0.03, 0.1, 0.3)
with np.errstate(over="ignore", invalid="ignore"):  # without a norm some of them diverge
    right = {
        name: np.array([train(*kind, rate) for rate in RATES]) for name, kind in NETWORKS.items()
    }
for name, shares in right.items():
    print(
        f"{name:17s}",
        "  ".join(
            f"rate {r}: {s.min():.2f}-{s.max():.2f}" for r, s in zip(RATES, shares, strict=True)
        ),
    )

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 5, width=9.8, height=2.7, sharey=True)
for axis, (name, shares), colour in zip(axes, right.items(), plots.COLOURS, strict=False):
    for start in range(shares.shape[1]):
        axis.semilogx(RATES, shares[:, start], "o", color=colour, alpha=0.65)
    axis.semilogx(RATES, np.median(shares, axis=1), color=colour)
    axis.axhline(max(side.mean(), 1 - side.mean()), color=plots.GREY, linestyle="--", linewidth=1)
    axis.set(xlabel="learning rate", ylim=(0.35, 1.03), xticks=RATES)
    axis.set_xticks([], minor=True)
    axis.set_xticklabels(RATES, fontsize=7.5)
    axis.set_title(name, fontsize=9.5)
    axis.grid(axis="y")
axes[0].set_ylabel("share on the right side")
plots.show(
    fig,
    alt="Share of training points on the right side against the learning rate, one dot for each of four starts and a line "
    "through the medians, in five panels. Without a norm the dots stay at or near guessing, with a few higher ones at c = 2; with "
    "BatchNorm nearly all are close to one; with LayerNorm and RMSNorm they lie between.",
)

# %% [markdown]
# > **The common guess**, that a good start ($c$ = 2) is enough, forgets that training changes the weights: each step changes all
# > thirty layers, and their factors multiply.
#
# Without a norm no rate trains all four starts, and most runs are no better than guessing. With BatchNorm nearly all points are right at the rates
# 0.1 and 0.3, from every start. With LayerNorm and RMSNorm some starts learn and others do not, hardly better than no norm with $c$ = 2. Why,
# although they keep the rows at one magnitude? We look at how alike the rows have become after 30 layers, before any training: the mean
# cosine of the angle between two rows, which is 1 if they have the same direction.


# %%
def likeness(norm, layers=30, width=24):
    rng, h = np.random.default_rng(1), points[None]
    for k in [2] + [width] * (layers - 1):
        z = h @ rng.normal(scale=math.sqrt(2 / k), size=(1, k, width))
        h = np.maximum(normalise(z, *norm)[0] if norm else z, 0)
    directions = h[0] / np.linalg.norm(h[0], axis=1, keepdims=True)
    return (directions @ directions.T).mean()


for name in list(NETWORKS)[1:]:
    print(f"{name:17s} mean cosine of two rows {likeness(NETWORKS[name][0]):.3f}")

# %% [markdown]
# RMSNorm keeps the direction of each row, and the directions become more and more alike: to the last layer all points look nearly the same.
# LayerNorm removes one direction, $(1, \dots, 1)$, and changes little. BatchNorm subtracts what the rows have in common, so they stay apart. Deep
# networks with RMSNorm also pass the input of each block around it: the residual stream of lecture 13.

# %% [markdown]
# ## With pencil and paper
#
# **1.** $x = \begin{pmatrix} 1 & 2 \\ 3 & 6 \end{pmatrix}$, two rows, with $w = 1$, $b = 0$, $\epsilon = 0$. What do BatchNorm (training) and LayerNorm return?
#
# <details><summary>Answer</summary>
#
# BatchNorm: the column (1, 3) has mean 2 and deviation 1, the column (2, 6) mean 4 and deviation 2, so both become (-1, 1):
# $\begin{pmatrix} -1 & -1 \\ 1 & 1 \end{pmatrix}$. LayerNorm: the rows (1, 2) and (3, 6) both become (-1, 1):
# $\begin{pmatrix} -1 & 1 \\ -1 & 1 \end{pmatrix}$.
#
# </details>
#
# **2.** A linear step $z = 2x + 5$ is followed by a BatchNorm at inference with running mean 3, running variance 4, $w = 6$, $b = 1$
# and $\epsilon = 0$. Write both as one linear step.
#
# <details><summary>Answer</summary>
#
# $6 \cdot \frac{(2x + 5) - 3}{2} + 1 = 6x + 7$. At inference the numbers of a BatchNorm are fixed, so it costs nothing: it is merged
# into the weights before it.
#
# </details>

# %% [markdown]
# ## The answer
#
# - Over many layers the factors multiply, for activations on the way forward and for gradients on the way back.
# - A norm measures the scale and divides by it. **BatchNorm** measures down the columns of a batch, and at inference uses running
#   means. **LayerNorm** and **RMSNorm** measure along each row, so a row's result does not depend on others.
# - LayerNorm sets mean 0 and variance 1, RMSNorm root mean square 1. $\epsilon$ avoids a division by zero.
# - Subtract the mean before you square: in mean of squares minus squared mean the digits cancel.
#
# ## Sources
#
# - K. He et al. (2015), [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852).
# - S. Ioffe, C. Szegedy (2015), [Batch normalization](https://arxiv.org/abs/1502.03167).
# - J. Ba, J. Kiros, G. Hinton (2016), [Layer normalization](https://arxiv.org/abs/1607.06450).
# - B. Zhang, R. Sennrich (2019), [Root mean square layer normalization](https://arxiv.org/abs/1910.07467).
#
# ## Go on
#
# In [lab 05 norms](../labs/05_norms/05_norms.ipynb) you write `rms_norm`, and make `layer_norm` out of it.
# Then: [06 Tensors](06_tensors.ipynb).
