# %% [markdown]
# # 05 · Normalisation
#
# **Question:** numbers that pass through many layers grow or vanish. What keeps them in range, and how does a machine add up a row quickly?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [07 Softmax](07_softmax.ipynb) | mean and variance, lecture 02's layers | 20 minutes | [05 norms](../labs/05_norms/05_norms.ipynb) | [09 Matmul on a CPU](09_matmul_cpu.ipynb) |
#
# Read lecture 07 first: this one builds on it, although its number is lower.

# %%
import math
import re
import textwrap
import time
from collections import Counter

import numba
import numpy as np
from ipywidgets import interact
from numba import njit, prange

from llaisys_mini import cuda, operators, plots
from llaisys_mini.inspect.timing import seconds  # shortest of several runs
from llaisys_mini.sanitizer import SanitizerError

# %% [markdown]
# ## 1. Drift
#
# We send 64 random rows through 50 layers of 256 neurons with ReLU. Each weight is drawn with variance $c / K$, where $K = 256$
# is the number of inputs. The magnitude of a row $x$ [E] is its *root mean square*:
#
# $$\operatorname{rms}(x) = \sqrt{\frac1E \sum_{e=1}^{E} x_e^2}$$
#
# > **Predict, then run.** Lecture 02 used $c = 2$. How large are the rows, the *activations*, after 50 layers if $c$ is 1, 2 or 3?


# %%
def rms(x):
    """x [N, E] -> [N]."""
    return np.sqrt(np.mean(x * x, axis=-1))


def magnitudes_through_layers(c, norm=lambda x: x, layers=50, width=256):
    """The mean magnitude of the rows after each layer."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, width)).astype(np.float32)
    magnitudes = [rms(x).mean()]
    for _ in range(layers):
        weight = rng.normal(scale=math.sqrt(c / width), size=(width, width)).astype(np.float32)
        x = operators.relu(operators.linear(norm(x), weight, None))
        magnitudes.append(rms(x).mean())
    return magnitudes


drift = {c: magnitudes_through_layers(c) for c in (1, 2, 3)}
for c, magnitudes in drift.items():
    print(f"c = {c}: magnitude after 50 layers {magnitudes[-1]:.2g}")

# %% [markdown]
# > **The common guess**, that $c$ = 1 leaves the rows about half as large as $c$ = 2 does, forgets that the factor of a layer
# > is applied fifty times.
#
# Why: the linear step adds up $K$ products, each with mean square $\frac cK \operatorname{rms}(x)^2$, so $z$ has the mean
# square $c\,\operatorname{rms}(x)^2$. ReLU removes the negative half and leaves half of that. So each layer multiplies the
# magnitude by about $\sqrt{c/2}$, and fifty layers by its 50th power.
#
# With $c = 2$ the factor is 1: that is where the 2 of lecture 02 comes from (He et al., 2015). But training moves the weights, and
# $c$ does not stay 2. Now we divide each row by its magnitude before every layer:


# %%
def divide_by_magnitude(x):
    return x / rms(x)[:, None]


held = {c: magnitudes_through_layers(c, divide_by_magnitude) for c in (1, 2, 3)}
for c, magnitudes in held.items():
    print(f"c = {c}: magnitude after 50 layers {magnitudes[-1]:.2g}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, sharey=True)
for axis, runs, title in [
    (axes[0], drift, "as it is"),
    (axes[1], held, "each row divided by its magnitude"),
]:
    for (c, magnitudes), dashes in zip(runs.items(), ("-", "--", "-."), strict=True):
        axis.semilogy(magnitudes, dashes, label=f"variance {c}/K")
    axis.set(xlabel="layer", title=title)
    axis.grid(axis="y")
axes[0].set_ylabel("magnitude of a row (root mean square)")
axes[0].legend()
plots.show(
    fig,
    alt="Magnitude of the rows against depth, logarithmic. Left: with variance 1/K it falls by many "
    "powers of ten, with 3/K it rises as many, with 2/K it stays. Right: divided by its "
    "magnitude before each layer, it stays level in all three cases.",
)


# %%
@interact(c=(0.5, 4.0, 0.1), normalised=False)
def draw_chosen_drift(c=2.2, normalised=False):
    magnitudes = magnitudes_through_layers(c, divide_by_magnitude if normalised else lambda x: x)
    fig, axis = plots.figure(width=5.5)
    axis.semilogy(magnitudes)
    axis.set(xlabel="layer", ylabel="magnitude of a row (root mean square)", ylim=(1e-16, 1e16))
    axis.grid(axis="y")
    plots.show(fig, alt=f"Magnitude of the rows against depth for weights of variance {c}/K.")


# %% [markdown]
# ## 2. LayerNorm and RMSNorm
#
# Ba, Kiros and Hinton (2016) normalise each row of $x$ [N, E] to mean 0 and variance 1. This is **LayerNorm**:
#
# $$\text{out}_{ne} = w_e\,\frac{x_{ne} - \mu_n}{\sqrt{v_n + \epsilon}} + b_e,
# \qquad \mu_n = \frac1E\sum_e x_{ne},\qquad v_n = \frac1E\sum_e (x_{ne} - \mu_n)^2$$
#
# The weights $w$ [E] and biases $b$ [E] are learned, so that a layer can still choose a scale for each column. $\epsilon$ is
# a small number; section 3 says what for.
#
# Zhang and Sennrich (2019) leave out the mean and the bias, and find that networks learn as well. This is **RMSNorm**, which Qwen uses:
#
# $$\text{out}_{ne} = w_e\,\frac{x_{ne}}{\sqrt{\frac1E\sum_j x_{nj}^2 + \epsilon}}$$

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
# Neither notices the factor: it cancels. Only `rms_norm` notices the shift, since it does not subtract the mean.
#
# With two columns we can see it. Every row is a point in the plane:

# %%
rng = np.random.default_rng(2)
cloud = (rng.normal(size=(120, 2)) * [2, 0.8] + [1.0, 0.6]).astype(np.float32)
two = np.ones(2, np.float32)
after_rms = operators.rms_norm(cloud, two, 1e-6)
after_layer = operators.layer_norm(cloud, two, np.zeros(2, np.float32), 1e-6)

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=2.7, sharex=True, sharey=True)
side = (cloud[:, 0] < cloud[:, 1]).astype(int)
clouds = {"rows": cloud, "after RMSNorm": after_rms, "after LayerNorm": after_layer}
for axis, (title, points) in zip(axes, clouds.items(), strict=True):
    plots.draw_points(axis, points, side, size=20, names=("$x_1 > x_2$", "$x_1 < x_2$"))
    axis.set(title=title, xlabel="$x_1$", xlim=(-4.5, 6), ylim=(-3, 3.5), aspect="equal")
    axis.grid()
axes[0].set_ylabel("$x_2$")
axes[2].legend(loc="upper right", fontsize=8.5)
plots.show(
    fig,
    alt="A cloud of points; after RMSNorm they lie on a circle of radius square root of two; after "
    "LayerNorm all of them lie on two points, at (1, -1) and (-1, 1).",
)

# %% [markdown]
# RMSNorm keeps the direction of a row and puts it on a sphere of radius $\sqrt E$, here $\sqrt 2$. LayerNorm first removes the part
# along $(1, 1, \dots)$ and so loses one dimension. With two columns little is left: only which of the two is larger. In a model,
# with hundreds or thousands of columns, one dimension more or less hardly counts. RMSNorm needs one sum less.

# %% [markdown]
# ## 3. Epsilon
#
# What if a row is all zeros? Then its magnitude is 0, and 0/0 is `nan`. One such row is enough: every later layer that mixes
# rows would be `nan`. $\epsilon$ inside the root prevents it. Rows much larger than $\sqrt\epsilon$ do not notice; smaller
# ones are not blown up to full magnitude:

# %%
scale_of_rows = np.logspace(-7, 1, 200)
unit = np.ones((1, 64), dtype=np.float32)
ones64 = np.ones(64, dtype=np.float32)


def magnitude_after(eps):
    return [
        rms(operators.rms_norm(np.float32(magnitude) * unit, ones64, eps))[0]
        for magnitude in scale_of_rows
    ]


print("a row of zeros:", operators.rms_norm(0 * unit, ones64, 1e-6)[0, :3])
for magnitude in (1, 1e-3, 1e-5):
    out = operators.rms_norm(np.float32(magnitude) * unit, ones64, 1e-6)
    print(
        f"magnitude {magnitude:6g} before, {rms(out)[0]:.4f} after; root of eps: {math.sqrt(1e-6):.0e}"
    )

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4)
for eps, dashes in [(1e-5, "-"), (1e-6, "--"), (1e-12, "-.")]:
    axis.loglog(scale_of_rows, magnitude_after(eps), dashes, label=f"ε = {eps:.0e}")
axis.set(xlabel="magnitude of the row before", ylabel="magnitude after", ylim=(1e-5, 3))
axis.grid()
axis.legend()
plots.show(
    fig,
    alt="Magnitude after RMSNorm against magnitude before, for three values of epsilon. Each curve "
    "is level at one for large rows and falls in proportion below the square root of epsilon.",
)

# %% [markdown]
# A trap of rounding. The variance is also the mean of the squares minus the square of the mean, which needs only one walk
# through the row. In float32 that fails when the mean is large against the spread:

# %%
row = (10_000 + np.random.default_rng(0).normal(size=(1, 4096))).astype(np.float32)
one_walk = np.mean(row * row) - np.mean(row) ** 2
two_walks = np.mean((row - np.mean(row)) ** 2)
print(f"in float64:                            {row.astype(np.float64).var():.4f}")
print(f"deviations first, then their squares:  {two_walks:.4f}")
print(f"mean of squares minus squared mean:    {one_walk:.4f}")
print(f"step between float32 numbers at 10^8:  {np.spacing(np.float32(1e8)):.0f}")

# %% [markdown]
# Both terms are near $10^8$, where float32 goes in steps of 8. Their difference should be about 1, and is all
# rounding. A negative variance has no root: the norm would be `nan`.

# %% [markdown]
# ## 4. Adding up a row on a CPU core
#
# A norm, like the softmax before it, must turn a row into one number: a *reduction*. Here is a plain one, the same with
# `fastmath=True`, which allows the compiler to add in another order, and one with four sums side by side.


# %%
def sum_of_squares(x):
    total = np.float32(0)
    for n in range(x.size):
        total += x[n] * x[n]
    return total


in_order = njit(sum_of_squares)
in_any_order = njit(fastmath=True)(sum_of_squares)


@njit
def four_sums(x):
    """x [N / 4, 4]"""
    a = b = c = d = np.float32(0)
    for n in range(x.shape[0]):
        a += x[n, 0] * x[n, 0]
        b += x[n, 1] * x[n, 1]
        c += x[n, 2] * x[n, 2]
        d += x[n, 3] * x[n, 3]
    return (a + b) + (c + d)


# %% [markdown]
# > **Predict, then run.** How much faster is `fastmath`: not at all, twice, ten times? And the four sums?

# %%
x = np.random.default_rng(0).normal(size=16_384).astype(np.float32)  # 64 kB: it stays in the cache
exact = (x.astype(np.float64) ** 2).sum()
per_number = {}
for name, kernel, numbers in [
    ("in order", in_order, x),
    ("four sums", four_sums, x.reshape(-1, 4)),
    ("in any order", in_any_order, x),
]:
    per_number[name] = 1e9 * seconds(kernel, numbers, repeats=20) / x.size
    error = abs(kernel(numbers) / exact - 1)
    print(f"{name:13s} {per_number[name]:.3f} ns for one number, relative error {error:.0e}")
ratio = per_number["in order"] / per_number["in any order"]
print(f"the fastest is {ratio:.0f} times as fast as the slowest")

# %% [markdown]
# > **The common guess**, that the compiler makes the fastest loop out of any loop, forgets that it must keep the order of a
# > float sum unless we allow another: the order decides the last digits.
#
# Each addition of the plain loop needs the result of the one before. An addition takes several clock cycles, and the CPU waits.
# Four sums that do not depend on each other keep it busy meanwhile.
#
# In any order, the compiler goes further: it keeps many sums in wide registers, and one instruction adds to all sums of a
# register. This is *SIMD*, single instruction, multiple data. The machine code shows it:


# %%
def additions(kernel):
    """Instructions that add float32 numbers, with the kind of their registers: {name: count}."""
    (code,) = kernel.inspect_asm().values()
    intel_and_amd = re.findall(r"\s(\w*add\w*[ps]s)\s.*%([xyz]mm)", code)
    arm = re.findall(r"\s(fadd|fmadd|fmla)\s+([sv])\d", code)
    return Counter(" ".join(found) for found in intel_and_amd + arm)


for name, kernel in [("in order", in_order), ("in any order", in_any_order)]:
    print(f"{name}:")
    for instruction, count in additions(kernel).most_common():
        print(f"  {count} × {instruction}")

# %% [markdown]
# On Intel and AMD a name in `ss` adds one number, one in `ps` a register full: 4 numbers in `xmm`, 8 in `ymm`, 16 in `zmm`. On ARM
# registers `s` hold one, `v` four. The narrow ones beside the wide are for what is left at the end.

# %% [markdown]
# The chain, drawn for 8 numbers: in order there are 8 steps after each other, in a tree 3.

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3)
line = dict(color="#777777", linewidth=1)
dot = dict(s=70, zorder=3, edgecolor="white")
for place in range(8):
    for axis in axes:
        axis.scatter(place, 0, color=plots.BLUE, **dot)
    axes[0].plot([place, place], [0, place + 1], **line)
    axes[0].scatter(place, place + 1, color=plots.VERMILION, marker="s", **dot)
    if place:
        axes[0].plot([place - 1, place], [place, place + 1], **line)
at = list(range(8))
for level in (1, 2, 3):
    pairs = [(at[i], at[i + len(at) // 2]) for i in range(len(at) // 2)]
    for left, right in pairs:
        axes[1].plot([left, left], [level - 1, level], **line)
        axes[1].plot([right, left], [level - 1, level], **line)
        axes[1].scatter(left, level, color=plots.VERMILION, marker="s", **dot)
    at = [left for left, _ in pairs]
axes[0].set(title="in order", ylabel="step", xlabel="number", yticks=range(9))
axes[1].set(
    title="as a tree: the upper half is added to the lower",
    ylabel="step",
    xlabel="number",
    yticks=range(4),
)
plots.show(
    fig,
    alt="Left: eight numbers added one after the other in a chain of eight steps. Right: in a tree "
    "of three steps, in which the upper half is added to the lower half each time.",
)

# %% [markdown]
# ### Several cores
#
# Rows are independent of each other, so the cores can share them: `prange` in place of `range`. Starting the threads has a
# price, though:


# %%
@njit(fastmath=True)
def square_sums(x, out):
    for n in range(x.shape[0]):
        total = np.float32(0)
        for e in range(x.shape[1]):
            total += x[n, e] * x[n, e]
        out[n] = total


@njit(fastmath=True, parallel=True)
def square_sums_on_all_cores(x, out):
    for n in prange(x.shape[0]):
        total = np.float32(0)
        for e in range(x.shape[1]):
            total += x[n, e] * x[n, e]
        out[n] = total


wall = time.perf_counter  # the work of all threads counts
print("threads:", numba.get_num_threads())
for rows in (1, 16, 256, 4096):
    x, out = np.ones((rows, 1024), np.float32), np.empty(rows, np.float32)
    alone = seconds(square_sums, x, out, clock=wall)
    together = seconds(square_sums_on_all_cores, x, out, clock=wall)
    print(f"{rows:5d} rows: {1e6 * alone:8.1f} µs on one core, {1e6 * together:8.1f} µs on all")

# %% [markdown]
# For one row the threads only cost. The course's kernels therefore use them from a certain number of elements on
# (`PARALLEL_FROM` in `solutions/kernels/cpu/rms_norm.py`).

# %% [markdown]
# ## 5. Adding up a row on a GPU
#
# A GPU runs thousands of threads. Three terms are needed; lecture 10 has the rest:
#
# - A **thread** runs the kernel once, with its own index.
# - A **warp** is 32 threads, its *lanes*, that go through the program together. They can read each other's registers: a *shuffle*.
# - A **block** is several warps. They have a small *shared memory*, and a *barrier* (`syncthreads`) at which all wait for all.
#
# So a row is added up in three stages:
#
# 1. each thread adds up its part;
# 2. each warp adds its 32 numbers as a tree of shuffles, in 5 steps, since $2^5 = 32$;
# 3. one number of each warp goes through shared memory.
#
# The course runs such kernels without a GPU too, in its *sanitizer*: it executes all threads on the CPU, and watches every access.

# %%
THREADS = 128
WARPS = THREADS // 32  # a name for the shape below, in which nothing can be computed


@cuda.jit
def row_sums(x, out):
    of_warps = cuda.shared.array(WARPS, np.float32)
    row, thread = cuda.blockIdx.x, cuda.threadIdx.x
    total = np.float32(0)
    for e in range(thread, x.shape[1], THREADS):  # neighbouring threads read neighbouring numbers
        total += x[row, e] * x[row, e]
    for step in (16, 8, 4, 2, 1):  # lane i adds what lane i + step holds
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, step)  # 32 ones: all lanes take part
    if thread % 32 == 0:
        of_warps[thread // 32] = total
    cuda.syncthreads()
    if thread == 0:
        out[row] = of_warps[0] + of_warps[1] + of_warps[2] + of_warps[3]


# %%
x = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
out = np.full(3, np.nan, dtype=np.float32)
with cuda.sanitized(outputs=[out]) as report:
    row_sums[3, THREADS](x, out)  # 3 blocks, one for each row
print("kernel:", out)
print("NumPy: ", (x * x).sum(axis=1))
print("findings:", len(report.findings))
of_a_thread = math.ceil(1000 / THREADS)
print(f"additions one after another: 1000 in order, here {of_a_thread} + 5 + {WARPS}")

# %% [markdown]
# The threads of a warp go together, but the four warps do not. Thread 0 must not read the numbers of the other warps before
# they are written, which is what the barrier is for.
#
# > **Predict, then run.** We leave the barrier out. Will the result be wrong? What will the sanitizer say?


# %%
@cuda.jit
def row_sums_without_barrier(x, out):
    of_warps = cuda.shared.array(WARPS, np.float32)
    row, thread = cuda.blockIdx.x, cuda.threadIdx.x
    total = np.float32(0)
    for e in range(thread, x.shape[1], THREADS):
        total += x[row, e] * x[row, e]
    for step in (16, 8, 4, 2, 1):
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, step)
    if thread % 32 == 0:
        of_warps[thread // 32] = total
    if thread == 0:
        out[row] = of_warps[0] + of_warps[1] + of_warps[2] + of_warps[3]


try:
    with cuda.sanitized(outputs=[out]):
        row_sums_without_barrier[3, THREADS](x, out)
except SanitizerError as error:
    for line in str(error).split("\n"):
        print(textwrap.fill(line, 96))

# %% [markdown]
# > **The common guess**, that a wrong kernel gives a wrong number, holds only when a warp is late. Otherwise the number is
# > right by luck, and a test that compares numbers passes.
#
# On a real GPU the result may be right a thousand times, and wrong when a warp is late. Such *data races* are hard to find by
# testing. The sanitizer does not wait for bad luck: it sees that nothing orders the write before the read.
#
# How many threads should a block have? We count the additions that must wait for each other, in the thread, in its warp and
# over the warps:


# %% jupyter={"source_hidden": true}
def steps(width, threads):
    """Additions after each other: in a thread, in its warp, over the warps."""
    return math.ceil(width / threads) + 5 + threads // 32


fig, axis = plots.figure(width=6.4, height=2.9)
choices = [32, 64, 128, 256, 512, 1024]
for width, marker, dashes in zip((256, 1024, 4096), plots.MARKERS, ("-", "--", "-."), strict=False):
    axis.plot(
        range(6),
        [steps(width, threads) for threads in choices],
        marker + dashes,
        label=f"row of {width}",
    )
axis.set(
    xlabel="threads in the block",
    ylabel="additions one after another",
    ylim=(0, None),
    xticks=range(6),
)
axis.set_xticklabels(choices)
axis.grid()
axis.legend()
plots.show(
    fig,
    alt="Additions one after another against the number of threads, for rows of 256, 1024 and 4096 "
    "numbers. Each curve falls, has a lowest point, later for longer rows, and rises again.",
)

# %% [markdown]
# With too few threads the first stage is long; with too many the last is. Lecture 10 weighs what else counts.

# %% [markdown]
# ## The answer
#
# - A factor per layer is a power over many layers. Norms set every row back to a common magnitude: LayerNorm to mean 0 and
#   variance 1, RMSNorm to root mean square 1. $\epsilon$ keeps rows of zeros finite.
# - A sum in order is a chain of waits. Independent partial sums break it: SIMD lanes and registers in one core, rows shared among cores,
#   shuffles within a warp and shared memory within a block.
# - Order of addition changes the last digits, and a missing barrier changes more.
#
# ## Sources
#
# - J. Ba, J. Kiros, G. Hinton (2016), [Layer normalization](https://arxiv.org/abs/1607.06450).
# - B. Zhang, R. Sennrich (2019), [Root mean square layer normalization](https://arxiv.org/abs/1910.07467).
# - K. He et al. (2015), [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852).
# - M. Harris (2007), [Optimizing parallel reduction in CUDA](https://developer.download.nvidia.com/assets/cuda/files/reduction.pdf).
#
# ## Go on
#
# In [lab 05 norms](../labs/05_norms/05_norms.ipynb) you write both norms for the CPU and for CUDA. Then:
# [09 Matmul on a CPU](09_matmul_cpu.ipynb); there is no lecture 08 yet.
