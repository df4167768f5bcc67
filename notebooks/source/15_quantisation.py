# %% [markdown]
# # 15 · Quantisation
#
# **Question:** a model's weights have 16 bits each. Why do 8 bits lose nothing and 4 very little, and how can 3 still work?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [14 The decoder speaks](14_decoder.ipynb) | int8 and scales (06), the KV cache (12), projections and norms (13) | 25 minutes | [15 quantisation](../labs/15_quantisation/15_quantisation.ipynb) | [16 Many texts at once](16_many_texts.ipynb) |

# %%
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np

from llaisys_mini import Tensor, load_model, paths, plots
from llaisys_mini.engine.quality import documents_of, loss
from llaisys_mini.models.outliers import plant_outliers
from llaisys_mini.models.projections import inputs_of, weights_of, with_weights

with tempfile.TemporaryDirectory() as folder:
    plant_outliers(paths.shipped_model(), Path(folder) / "mini-outliers")
    model = load_model(Path(folder) / "mini-outliers")

stories = documents_of(model, paths.held_out_text().read_text())
read, looked_at = (
    stories[:4],
    stories[12:18],
)  # the loss is measured on the first, the second are for methods to look at


def held_out(decoder, cache=model.cache):
    """Mean loss per token, in nats, on stories that the model was not trained on."""
    return loss(decoder, read, cache)


def with_rounding(function):
    """The held-out loss with function(name, weight [M, K]) in the place of all 56 projections."""
    return held_out(with_weights(model.decoder, function))


original = held_out(model.decoder)
print(f"{sum(map(len, read))} tokens, loss {original:.4f}")

# %% [markdown]
# The model is the course's own, with two *outlier channels*. Large models have some channels whose numbers are many times as large as all others (Dettmers et
# al., 2022); ours has none, and is easy to round. So two are planted: each norm multiplies channels 5 and 77 by 32, and the columns that read them are divided by 32. The
# function is the same, to the last bit.

# %% [markdown]
# ## 1. A grid, and who shares it
#
# [Lecture 06](06_tensors.ipynb) kept a weight as $w \approx s\,q$, with a whole number $q$ and a scale $s$. With $b$ bits there are $2^b$ numbers:
#
# - **symmetric**: $q$ from $-2^{b-1}$ to $2^{b-1} - 1$, and $s = \max|w| / (2^{b-1} - 1)$;
# - **asymmetric**: $q$ from 0 to $2^b - 1$, $w \approx s\,(q - z)$ with a *zero point* $z$, which puts the grid between the smallest and the largest weight.
#
# A scale may be shared by the whole tensor, a *channel* (a row, one output), or a *group* of neighbours in a row. Smaller groups cost bits: a scale of 16 bits for 32
# weights adds half a bit to each. Loss added with 8, 6, 5, 4 and 3 bits:


# %%
def rounded(weight, bits, size):
    """weight [M, K], symmetric, with a scale for each `size` neighbours."""
    groups = weight.reshape(-1, size)
    largest = 2 ** (bits - 1) - 1
    scale = np.abs(groups).max(axis=1, keepdims=True) / largest
    scale[scale == 0] = 1
    q = np.rint(groups / scale).clip(-largest - 1, largest)
    return (scale * q).reshape(weight.shape)


shared_by = {
    "tensor": lambda w: w.size,
    "channel": lambda w: w.shape[1],
    "group of 32": lambda w: 32,
}
costs = {}
for who, size in shared_by.items():
    losses = [
        with_rounding(lambda _, w, b=b, size=size: rounded(w, b, size(w))) for b in (8, 6, 5, 4, 3)
    ]
    costs[who] = np.array(losses) - original
    print(f"{who:12s}", "  ".join(f"{cost:+7.4f}" for cost in costs[who]))

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7.4, height=2.9)
for (who, cost), marker in zip(costs.items(), plots.MARKERS, strict=False):
    axis.semilogy(
        [8, 6, 5, 4, 3], np.maximum(cost, 1e-4), marker + "-", label=f"one scale per {who}"
    )
axis.set(xlabel="bits of a weight", ylabel="loss above the original [nats]", xticks=[8, 6, 5, 4, 3])
axis.invert_xaxis()
axis.grid()
axis.legend()
plots.show(
    fig,
    alt="Loss added by rounding against bits, falling from 8 to 3 to the right, for one scale per tensor, channel and group of 32. "
    "With 8 bits all cost next to nothing; with 3 bits all cost much, and the larger the group the more.",
)

# %% [markdown]
# With eight bits nothing is lost, whoever shares the scale. Each bit fewer doubles the steps, so the squared error grows fourfold. What else can be done at 3 bits?

# %% [markdown]
# ## 2. Floats of 8 and 4 bits
#
# The steps need not be equal. FP8 in the form E4M3 has a sign, 4 bits of exponent and 3 of mantissa; E5M2 has more range and fewer digits. FP4, E2M1, has a sign and eight sizes:
#
# | bits | 000 | 001 | 010 | 011 | 100 | 101 | 110 | 111 |
# |---|---|---|---|---|---|---|---|---|
# | value | 0 | 0.5 | 1 | 1.5 | 2 | 3 | 4 | 6 |
#
# Small weights are the most frequent, and there the grid is fine. The scale of a group of 32 makes its largest weight 6.


# %%
def as_floats(weight, dtype, largest, size):
    groups = weight.reshape(-1, size)
    scale = np.abs(groups).max(axis=1, keepdims=True) / largest
    return (scale * (groups / scale).astype(dtype).astype(np.float32)).reshape(weight.shape)


fp8 = with_rounding(lambda _, w: as_floats(w, ml_dtypes.float8_e4m3fn, 448, w.shape[1]))
fp4 = with_rounding(lambda _, w: as_floats(w, ml_dtypes.float4_e2m1fn, 6, 32))
print(
    f"FP8, a scale per channel {fp8 - original:+.4f}   FP4, per group of 32 {fp4 - original:+.4f}"
)
print(f"int4, per group of 32    {costs['group of 32'][3]:+.4f}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=8.4, height=2.2)
fp4_sizes = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6]) / 6
grids = {
    "int3": np.arange(-4, 4) / 3,
    "int4": np.arange(-8, 8) / 7,
    "FP4": np.r_[-fp4_sizes, fp4_sizes],
}
for row, values in enumerate(grids.values()):
    axis.plot(
        values,
        np.full(len(values), row),
        "|",
        markersize=16,
        markeredgewidth=2,
        color=plots.COLOURS[row],
    )
weights = np.concatenate([w.ravel() for w in weights_of(model.decoder).values()])[
    : 32 * 4000
].reshape(-1, 32)
density, edges = np.histogram(
    weights / np.abs(weights).max(axis=1, keepdims=True), bins=60, range=(-1, 1)
)
axis.fill_between(
    (edges[1:] + edges[:-1]) / 2, 2.6, 2.6 + density / density.max(), color=plots.GREY, alpha=0.6
)
axis.set(
    yticks=[0, 1, 2, 3], xlabel="weight, as a part of the largest of its group", ylim=(-0.6, 3.8)
)
axis.set_yticklabels([*grids, "weights"])
plots.show(
    fig,
    alt="Three grids on a number line: int3 and int4 evenly spaced, FP4 close together near zero and far apart at the ends. "
    "Above them the histogram of the model's weights, which is highest near zero.",
)

# %% [markdown]
# ## 3. Which scale is best?
#
# The largest weight need not fit. A smaller scale *clips* it, and is finer for all others. We try shares of the plain scale, for every group, and keep the one with the smallest
# squared error.

# %%
from llaisys_mini.quantisation import grid  # the package's own: best scales and their errors

groups = grid.as_groups(weights_of(model.decoder)["model.layers.3.mlp.up_proj"], 32)
plain = grid.plain_scales(groups, 3)
errors = [grid.squared_errors(groups, plain * share, 3).sum() for share in grid.SHARES]
best = with_rounding(lambda _, w: grid.rounded(w, 3, 32, best=True))
print(f"3 bits: plain {costs['group of 32'][4]:+.4f}, best scale per group {best - original:+.4f}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4, height=2.6)
axis.plot(grid.SHARES, errors / errors[0], "o-", markersize=3.5)
axis.axhline(
    grid.squared_errors(groups, grid.best_scales(groups, 3), 3).sum() / errors[0], color=plots.VERMILION, linestyle="--",
    label="each group its own best share",
)  # fmt: skip
axis.set(xlabel="share of the plain scale", ylabel="squared error, plain = 1", ylim=(0, None))
axis.legend()
axis.grid()
plots.show(
    fig,
    alt="Squared error of one weight matrix at 3 bits against the share of the plain scale. It falls from 1 to a minimum at a smaller share and "
    "rises again. A dashed line below shows the error when each group has its own best share.",
)

# %% [markdown]
# ## 4. AWQ: an error counts as much as its input
#
# What the next layer sees is not the weight, but the output $\sum_k x_k w_{mk}$. An error in column $k$ is multiplied by $x_k$. So columns that meet large inputs should be rounded on a
# finer grid. AWQ (Lin et al., 2023) multiplies column $k$ by $s_k$ before rounding and divides input $k$ by it. Without rounding nothing changes:
#
# $$\sum_k x_k w_{mk} = \sum_k \frac{x_k}{s_k}\,(s_k w_{mk})$$
#
# With $s_k = a_k^{e}$, where $a_k$ is the mean $|x_k|$ on some text (*calibration*), one exponent $e$ is searched for. The division costs nothing: the weight of the norm in front takes it over.
#
# > **Predict, then run.** The exponent 0 is plain rounding, 1 makes all inputs equally large. Where is the smallest error of the outputs: at 0, at 1, or between?

# %%
from llaisys_mini.quantisation import awq

inputs, weights = inputs_of(model.decoder, looked_at, model.cache), weights_of(model.decoder)


def round_to_3_bits(weight):
    return grid.rounded(weight, 3, 32)


def output_errors(name):
    """The squared error of the outputs for each exponent, as a part of that for 0."""
    weight, gram, sizes = weights[name], inputs[name].gram, inputs[name].mean_sizes
    errors = [
        awq.output_error(weight, round_to_3_bits(weight * s) / s, gram)
        for s in awq.candidates(sizes)  # [K] for each exponent
    ]  # gram [K, K] is x^T x
    return np.array(errors) / errors[0]


shown = {
    last: output_errors(f"model.layers.6.{last}") for last in ("self_attn.q_proj", "mlp.down_proj")
}
for last, errors in shown.items():
    print(
        f"{last:17s} best exponent {awq.EXPONENTS[errors.argmin()]:.1f}: error {errors.min():.2f}"
    )

# %% jupyter={"source_hidden": true}
sizes = inputs["model.layers.6.self_attn.q_proj"].mean_sizes
fig, axes = plots.figure(1, 2, width=9, height=2.8)
axes[0].semilogy(sizes, ".", color=plots.BLUE)
axes[0].semilogy([5, 77], sizes[[5, 77]], "s", color=plots.VERMILION, label="channels 5 and 77")
axes[0].set(xlabel="channel k", ylabel="mean |x| of q_proj")
axes[0].legend(loc="center right")
for (last, errors), marker in zip(shown.items(), "os", strict=True):
    axes[1].plot(awq.EXPONENTS, errors, marker + "-", label=last)
axes[1].set(xlabel="exponent e", ylabel="error of the outputs, e = 0 is 1")
axes[1].legend()
axes[1].grid()
plots.show(
    fig,
    alt="Left: the mean size of the 128 input channels of one projection; two of them lie far above all others. Right: the error of "
    "the outputs against the exponent, for two projections. Each has its minimum between 0 and 1, at different places, and rises after it.",
)

# %% [markdown]
# > **The common guess**, that the exponent should be 1, forgets that all columns of a group share one scale: what makes one column larger makes the grid coarser for its neighbours. So the exponent is searched for, for each input. (The inputs of `down_proj` have no planted channels: a smaller one is best.)


# %%
def by_awq(name, weight):
    seen = inputs[name]
    s = awq.awq_scale(weight, seen.gram, seen.mean_sizes, round_to_3_bits)
    return grid.rounded(weight * s, 3, 32, best=True) / s


awq_loss = with_rounding(by_awq)
print(f"3 bits: best scales {best - original:+.4f}, with AWQ {awq_loss - original:+.4f}")

# %% [markdown]
# ## 5. GPTQ: later columns make good what was lost
#
# AWQ rounds each weight by itself. But inputs are correlated, and then one column can stand in for another. GPTQ (Frantar et al., 2022) rounds column after column. When column $k$ is rounded to $Q_k$, the columns
# that are still floats are moved so that the outputs change least:
#
# $$W_j \leftarrow W_j - \frac{W_k - Q_k}{U_{kk}}\,U_{kj} \qquad j > k$$
#
# $U$ [K, K] is upper triangular, with $U^T U = (x^T x)^{-1}$, so it holds how the inputs are correlated. With two columns:

# %%
x = np.array([[1.0, 0.9], [0.5, 0.6], [-1.0, -1.1]])  # two inputs that are alike
w = np.array([0.4, 0.4])
U = np.linalg.cholesky(np.linalg.inv(x.T @ x)).T
moved = w[1] - (w[0] - 0) / U[0, 0] * U[0, 1]
for text, q in (("plainly", np.rint(w)), ("by GPTQ", np.array([0, np.rint(moved)]))):
    print(f"{text}: {q}, squared error of the outputs {np.square(x @ (w - q)).sum():.3f}")
print(f"after column 0 became 0, column 1 is {moved:.2f} in place of 0.4")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6, height=3.2)
first, second = np.meshgrid(np.linspace(-0.7, 1.4, 80), np.linspace(-0.4, 1.4, 80))
off = np.stack([w[0] - first, w[1] - second], axis=-1) @ x.T
lines = axis.contour(
    first, second, np.square(off).sum(axis=-1), levels=[0.05, 0.2, 0.5, 1, 2, 4], colors=plots.GREY
)
axis.clabel(lines, fontsize=8)
corners = np.array([(i, j) for i in (0, 1) for j in (0, 1)])
axis.plot(*corners.T, "o", color=plots.BLACK, label="whole numbers")
axis.plot(
    [w[0], 0, 0],
    [w[1], moved, 1],
    "s-",
    color=plots.VERMILION,
    label="GPTQ: round column 0, move, round",
)
axis.plot([w[0], 0], [w[1], 0], "^--", color=plots.BLUE, label="to the nearest")
axis.set(xlabel="weight of column 0", ylabel="weight of column 1", ylim=(-0.4, 1.9))
axis.legend(fontsize=8.5, loc="upper right")
plots.show(
    fig,
    alt="The two weights as a point at 0.4, 0.4, with lines of equal output error around it: a long, narrow valley from top left to bottom right. Rounding to the "
    "nearest goes across the valley to 0, 0. GPTQ goes along the valley to 0, 0.8 and then to the whole numbers 0, 1.",
)

# %% [markdown]
# Lines of equal error form a valley: along it one weight replaces the other. Rounded plainly, both weights become 0. In GPTQ the first becomes 0, the second takes over its part, and is rounded up.

# %%
from llaisys_mini.quantisation.gptq import gptq


def by_gptq(name, weight):
    numbers, scales = gptq(
        weight, inputs[name].gram, 3, 32, lambda group: grid.best_scales(group, 3)
    )
    return numbers * np.repeat(scales, 32, axis=1)


gptq_loss = with_rounding(by_gptq)
name = "model.layers.6.self_attn.q_proj"
gram = inputs[name].gram
rounded_name, gptq_name = (
    grid.rounded(weights[name], 3, 32, best=True),
    by_gptq(name, weights[name]),
)
for text, other in (("to the nearest", rounded_name), ("by GPTQ", gptq_name)):
    of_weights = np.square(weights[name] - other).sum() / np.square(weights[name]).sum()
    of_outputs = awq.output_error(weights[name], other, gram) / awq.output_error(
        weights[name], 0, gram
    )
    print(f"{text:14s} relative squared error: weights {of_weights:.4f}, outputs {of_outputs:.4f}")
print(f"3 bits: best scales {best - original:+.4f}, GPTQ {gptq_loss - original:+.4f}")

# %% [markdown]
# By GPTQ the weights are farther from the originals, and the outputs are nearer.
#
# ### One error, worked through
#
# Some inputs are always 0 on the calibration text. Their row and column of $x^T x$ are empty, and there is no inverse:

# %%
dead = gram.copy()
dead[7], dead[:, 7] = 0, 0
try:
    np.linalg.cholesky(dead)
except np.linalg.LinAlgError as problem:
    print("LinAlgError:", problem)
damped = dead + 0.01 * np.diag(dead).mean() * np.eye(len(dead))
print("with damping:", np.linalg.cholesky(damped).shape)

# %% [markdown]
# The remedy is *damping*: add a hundredth of the mean diagonal to the diagonal. Too few rows of $x$ give the same error. The other well-known remedy, setting such columns to 0, is
# dangerous: an input that was 0 on the calibration text need not be 0 on another. The package rounds such columns plainly.

# %% [markdown]
# ## 6. SmoothQuant: inputs of few bits
#
# So far only weights had few bits. If inputs have few bits too, the whole product is computed with integers. Each row of inputs gets one scale, computed when the row arrives.
#
# > **Predict, then run.** Weights *and* inputs are rounded to 6 bits, a scale for each row. Weights of 6 bits alone cost next to nothing. And both?

# %%
from llaisys_mini.layers.linear import Linear
from llaisys_mini.models.projections import RoundedInputs, with_projections
from llaisys_mini.quantisation.smooth import smooth


def both_rounded(bits, alpha=None):
    def change(name, layer):
        weight = weights[name]
        s = (
            np.ones(weight.shape[1])
            if alpha is None
            else smooth(inputs[name].largest, weight, alpha)
        )
        whole = grid.rounded(weight * s, bits).astype(np.float32)
        return RoundedInputs(Linear(Tensor.from_numpy(whole)), s, bits)

    return held_out(with_projections(model.decoder, change)) - original


plain_6, plain_4 = both_rounded(6), both_rounded(4)
print(f"6 bits: weights alone {costs['channel'][1]:+.4f}, with inputs {plain_6:+.4f}")

# %% [markdown]
# > **The common guess**, that six bits are enough for inputs too, forgets the outliers: two numbers of a row set the scale, and the other 126 share the few steps that are left around 0.
#
# For weights the outlier channels did no harm: their columns are small. SmoothQuant (Xiao et al., 2022) moves part of the size back. Divide input $k$ by $s_k$, multiply column $k$ of the
# weight by it, with $s_k = \max|x_k|^{\alpha} / \max_m|w_{mk}|^{1 - \alpha}$.

# %%
smooth_6, smooth_4 = both_rounded(6, 0.5), both_rounded(4, 0.5)
print(
    f"6 bits with SmoothQuant {smooth_6:+.4f};  4 bits {plain_4:+.2f}, with SmoothQuant {smooth_4:+.4f}"
)

# %% jupyter={"source_hidden": true}
seen = inputs["model.layers.3.self_attn.q_proj"]
columns = np.abs(weights["model.layers.3.self_attn.q_proj"]).max(axis=0)
s = smooth(seen.largest, weights["model.layers.3.self_attn.q_proj"], 0.5)
fig, axes = plots.figure(1, 2, width=9, height=2.8, sharey=True)
for axis, title, divisor in zip(
    axes, ("as it is", "with SmoothQuant"), (np.ones_like(s), s), strict=True
):
    axis.semilogy(seen.largest / divisor, "o", markersize=3.5, label="largest |input|")
    axis.semilogy(
        columns * divisor,
        "^",
        markersize=3.5,
        color=plots.ORANGE,
        label="largest |weight| of the column",
    )
    axis.set(title=title, xlabel="channel k")
axes[1].legend(fontsize=8.5, loc="upper right")
plots.show(
    fig,
    alt="Left: the largest input of each channel and the largest weight of its column; in two channels the input is far above all others and "
    "the weight far below. Right, with SmoothQuant: inputs and weights of a channel are equally large, and no channel stands out.",
)

# %% [markdown]
# ## 7. Keys by channel, values by position
#
# The KV cache of a long text can be larger than the model (lecture 12). Keys too have channels that are large at every position. So a channel of
# the keys gets a scale of its own, over a block of positions; a position's values share one (KIVI, Liu et al., 2024). Both are rounded asymmetrically.

# %%
from llaisys_mini.quantisation import kv

kept = []


def rounding_cache(round_keys, round_values):
    cache = model.cache()
    attend = cache.attend

    def rounded_attend(layer, q, k, v, *rest):
        kept.append((layer, k.numpy(), v.numpy()))
        k, v = round_keys(k.numpy()), round_values(v.numpy())  # [T, K, D] each
        return attend(layer, q, *(Tensor.from_numpy(a.astype(np.float32)) for a in (k, v)), *rest)

    cache.attend = rounded_attend
    return cache


def by_position(x):
    return kv.by_position(x, 2)


def by_channel(x):
    return kv.by_channel(x, 2, block=32)


kv_loss = {}
for text, rules in (
    ("both by position", (by_position, by_position)),
    ("keys by channel", (by_channel, by_position)),
):
    kv_loss[text] = held_out(model.decoder, lambda rules=rules: rounding_cache(*rules)) - original
    print(f"keys and values of 2 bits, {text:17s} {kv_loss[text]:+.4f}")

# %% jupyter={"source_hidden": true}
layer, keys, values = kept[3]
fig, axes = plots.figure(1, 2, width=9, height=2.9)
top = max(np.abs(keys[:64, 0]).max(), np.abs(values[:64, 0]).max())
for axis, title, array in zip(axes, ("keys", "values"), (keys, values), strict=True):
    image = axis.imshow(np.abs(array[:64, 0]), aspect="auto", vmin=0)
    fig.colorbar(image, ax=axis)
    axis.set(title=f"{title}, layer {layer}, head 0: sizes", xlabel="channel", ylabel="position")
plots.show(
    fig,
    alt="Two images of sizes over positions and channels of one head. In the keys some columns stand out at every position; in the values no column does.",
)

# %% [markdown]
# ## 8. Fewer weights in place of fewer bits?
#
# *Pruning* sets weights to zero. One form has hardware of its own: **2:4**, two of every four neighbours are kept. Some GPUs then store only these and skip the rest. Or a weight [M, K] becomes a product of two thin matrices,
# [M, r] and [r, K], which the SVD finds (*low rank*).
#
# > **Predict, then run.** Half of the weights of every projection become zero, the smaller two of each four. 16 bits times one half is 8 bits. Does it cost about as much as int8?

# %%
from llaisys_mini.quantisation.pruning import low_rank, pruned_by_size, pruned_by_sparsegpt

half = {
    "2:4, the smaller two go": lambda n, w: pruned_by_size(w),
    "2:4, as SparseGPT chooses": lambda n, w: pruned_by_sparsegpt(w, inputs[n].gram),
    "low rank, half the numbers": lambda n, w: low_rank(w, w.size // (2 * sum(w.shape))),
}
losses = {text: with_rounding(function) - original for text, function in half.items()}
for text, cost in losses.items():
    print(f"{text:27s} {cost:+.3f}")
pruned = pruned_by_size(weights[name]).astype(np.float32)
print(
    f"zeros: {np.mean(pruned == 0):.0%};  bytes before {weights[name].nbytes}, after {pruned.nbytes}"
)

# %% [markdown]
# > **The common guess**, that half the weights are worth half the bits, forgets how precise a weight has to be: at 8 bits each changes by very little; a pruned one is gone.
#
# SparseGPT (Frantar and Alistarh, 2023) is GPTQ with zeros in place of rounding: later columns make good what was lost, and inputs decide what goes. Without training afterwards all of these cost far more than 4 bits do, on a model this small.
#
# And **zeros alone save nothing**: the last line shows as many bytes as before, and the product multiplies by zeros as by any number. It takes a file format that leaves them out, and a kernel that skips them.

# %% jupyter={"source_hidden": true}
bars = {
    "8 bits, per channel": costs["channel"][0],
    "4 bits, groups of 32": costs["group of 32"][3],
    "3 bits, plain": costs["group of 32"][4],
    "3 bits, best scales": best - original,
    "3 bits, AWQ": awq_loss - original,
    "3 bits, GPTQ": gptq_loss - original,
    "6 bits, inputs too": plain_6,
    "6 bits, SmoothQuant": smooth_6,
    "KV 2 bits, by position": kv_loss["both by position"],
    "KV 2 bits, keys by channel": kv_loss["keys by channel"],
} | losses
fig, axis = plots.figure(width=8, height=4)
axis.barh(list(bars), np.maximum(list(bars.values()), 1e-4), color=plots.BLUE)
axis.set(xscale="log", xlabel="loss above the original [nats per token]")
axis.invert_yaxis()
axis.grid(axis="x")
plots.show(
    fig,
    alt="Bars of the loss that each method of this lecture adds, on a logarithmic axis: 8 bits least, then 4 bits, SmoothQuant and GPTQ; plain rounding to 3 "
    "bits and rounded inputs far more; pruning and low rank most.",
)

# %% [markdown]
# ## 9. With a pencil
#
# **1.** A group of 64 weights has one scale of 16 bits and, asymmetric, one zero point of 4 bits. How many bits does a weight of 4 bits take, all in all?
#
# <details><summary>Answer</summary>
#
# $4 + (16 + 4) / 64 = 4.3125$ bits. In groups of 32 it would be $4.625$.
#
# </details>
#
# **2.** A row of inputs is $[32, 1, -0.5, 0.25]$, to be rounded to 4 bits with one scale. What do the numbers become? And after division by $s = [32, 1, 1, 1]$?
#
# <details><summary>Answer</summary>
#
# The scale is $32 / 7 = 4.57$, so the numbers are $7, 0, 0, 0$: three inputs vanish. After the division the row is $[1, 1, -0.5, 0.25]$ with the scale $1/7$: $7, 7, -4, 2$ (exactly
# $-3.5$ and $1.75$ steps; halves are rounded to the even number). They stand for $1, 1, -0.571, 0.286$.
#
# </details>

# %% [markdown]
# ## The answer
#
# - With eight bits nothing is lost; with four it matters how many weights share a scale. Each bit fewer doubles the steps.
# - At 3 bits three ideas help: the best scale clips a little; AWQ rounds columns with large inputs on a finer grid; GPTQ lets later columns make good what was lost. What counts is the error of the outputs.
# - Outlier channels spoil rounded inputs. SmoothQuant moves a part of their size into the weights. Keys have such channels too, so each gets a scale.
# - Pruning costs more than rounding, and zeros save nothing without a format and a kernel for them.
#
# ## Sources
#
# - T. Dettmers et al. (2022), [LLM.int8(): 8-bit matrix multiplication for transformers at scale](https://arxiv.org/abs/2208.07339): outlier channels.
# - E. Frantar et al. (2022), [GPTQ: accurate post-training quantization for generative pre-trained transformers](https://arxiv.org/abs/2210.17323).
# - J. Lin et al. (2023), [AWQ: activation-aware weight quantization](https://arxiv.org/abs/2306.00978).
# - G. Xiao et al. (2022), [SmoothQuant](https://arxiv.org/abs/2211.10438).
# - Z. Liu et al. (2024), [KIVI: a tuning-free asymmetric 2bit quantization for KV cache](https://arxiv.org/abs/2402.02750).
# - E. Frantar, D. Alistarh (2023), [SparseGPT](https://arxiv.org/abs/2301.00774); A. Mishra et al. (2021), [Accelerating sparse deep neural networks](https://arxiv.org/abs/2104.08378): 2:4.
# - P. Micikevicius et al. (2022), [FP8 formats for deep learning](https://arxiv.org/abs/2209.05433); Open Compute Project (2023),
#   [OCP Microscaling formats specification](https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf): FP4.
#
# ## Go on
#
# In [lab 15 quantisation](../labs/15_quantisation/15_quantisation.ipynb) you write the product with whole numbers, the best scale, AWQ's and SmoothQuant's factors, and a whole model computes with them.
# `llaisys-mini quantise --method gptq` does it for any checkpoint. Next, [16 Many texts at once](16_many_texts.ipynb) lets the model write for many people.
