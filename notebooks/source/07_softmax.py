# %% [markdown]
# # 07 · Softmax
#
# **Question:** a network ends in scores. How do they become probabilities, safely, and with as few walks through memory as possible?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [06 Tensors](06_tensors.ipynb) | $e^x$, $\log$, the derivative | 25 minutes | [07 softmax](../labs/07_softmax/07_softmax.ipynb) | [08 Reductions](08_reductions.ipynb) |

# %%
import math

import numpy as np
from numba import njit

from llaisys_mini import load_model, operators, paths, plots
from llaisys_mini.inspect.timing import seconds  # shortest of several runs
from llaisys_mini.lectures import widgets

# %% [markdown]
# ## 1. From scores to probabilities
#
# Lecture 03 turned the scores $x_1, \dots, x_C$ of a network (*logits*) into probabilities with the *softmax*:
#
# $$p_c = \frac{e^{x_c}}{\sum_{j=1}^{C} e^{x_j}}$$
#
# The exponential makes every number positive, the division makes their sum 1. Here it becomes a kernel, and the last step of a model.


# %%
def simple_softmax(x):
    """x [C] -> probabilities [C], as the formula says."""
    exponentials = np.exp(x)
    return exponentials / exponentials.sum()


x = np.array([2.0, 1.0, 0.0, -1.0], dtype=np.float32)
p = simple_softmax(x)
print("scores       ", x)
print("probabilities", np.round(p, 3), " sum", p.sum())
print("each is e =", round(math.e, 3), "times the next:", np.round(p[:-1] / p[1:], 3))

# %% [markdown]
# Equal differences of scores give equal ratios of probabilities: $p_a / p_b = e^{x_a - x_b}$.
#
# > **Predict, then run.** What happens to the probabilities if we add 5 to all scores? If we double all scores? If we add 100?

# %%
print("as they are:", np.round(simple_softmax(x), 3))
print("all + 5:    ", np.round(simple_softmax(x + 5), 3))
print("all · 2:    ", np.round(simple_softmax(2 * x), 3))
with np.errstate(all="ignore"):
    print("all + 100:  ", simple_softmax(x + 100))

# %% [markdown]
# > **The common guess**, that larger scores make larger probabilities, holds for one score among others. What counts is the
# > differences of the scores, and adding a constant leaves them as they are.
#
# Adding a constant $k$ multiplies numerator and denominator by $e^k$. It cancels, so 5 changes nothing. Doubling squares the ratios.
#
# Adding 100 should change nothing either, but the computer gave `nan`, "not a number".

# %% [markdown]
# ## 2. Overflow, and the safe softmax
#
# The largest float32 is about $3.4\cdot10^{38}$. An exponential beyond it becomes `inf`, and `inf / inf` is `nan`.

# %%
for dtype in (np.float16, np.float32, np.float64):
    info = np.finfo(dtype)
    high, low = math.log(info.max), math.log(info.smallest_subnormal)
    print(f"{info.dtype}: e^x is inf for x above {high:.2f}, and zero for x below about {low:.2f}")

# %% [markdown]
# In float16 even the scores of section 4, up to 13.5, are too large. But subtracting a constant changes nothing.
# Subtract the largest score, $m = \max_j x_j$:
#
# $$p_c = \frac{e^{x_c - m}}{\sum_j e^{x_j - m}}$$
#
# - Every exponent is at most 0, so every exponential is at most 1. Nothing overflows.
# - The largest exponential is exactly 1, so the sum is at least 1. Nothing is divided by zero.
# - Exponentials of scores far below the largest become 0, to which their probability would be rounded anyway.


# %%
def safe_softmax(x):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


print("all + 100:  ", np.round(safe_softmax(x + 100), 3))
print("all - 1000: ", np.round(safe_softmax(x - 1000), 3))
print("far apart:  ", safe_softmax(np.array([1000, 0, -1000], np.float32)))
print("operator:   ", np.round(operators.softmax(x + 100), 3))

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=2.5)
HIGH, LOW = math.log(np.finfo(np.float32).max), math.log(np.finfo(np.float32).smallest_subnormal)
axis.axvspan(HIGH, 130, color=plots.VERMILION, alpha=0.18, linewidth=0)
axis.axvspan(-130, LOW, color=plots.GREY, alpha=0.18, linewidth=0)
axis.text(HIGH + 2, 1.72, "$e^x$ is inf", va="center")
axis.text(LOW - 2, 1.72, "$e^x$ is 0", va="center", ha="right")
scores = np.array([30, 60, 95, 115])
for height, shifted, name in [(1, scores, "scores x"), (0, scores - scores.max(), "x - m")]:
    axis.plot(shifted, np.full(4, height), "os"[height], color=plots.COLOURS[height], zorder=3)
    axis.text(-127, height, name, va="center")
for score in scores:
    axis.annotate(
        "",
        (score - scores.max(), 0.1),
        (score, 0.9),
        arrowprops=dict(arrowstyle="->", color="#999999", linewidth=0.8),
    )
axis.axvline(0, color="#555555", linewidth=0.8)
axis.set(xlim=(-130, 130), ylim=(-0.5, 2.1), yticks=[], xlabel="exponent")
axis.spines["left"].set_visible(False)
plots.show(
    fig,
    alt="A line of exponents. Above 88.7 the exponential is infinite in float32, below about -103 it is zero. Two of four scores lie "
    "in the infinite part. With the largest subtracted all lie at zero or below, the largest at zero.",
)

# %% [markdown]
# ## 3. How often must we walk through memory?
#
# The safe softmax of a row seems to need three walks over it, or *passes*:
#
# 1. read the row, find the maximum $m$;
# 2. read it again, add up $s = \sum_j e^{x_j - m}$;
# 3. read it once more, write $e^{x_c - m} / s$.
#
# Rows can be long: Qwen3 has a score for each of some 150 000 tokens (Qwen team, 2025). When a row does not fit into the cache,
# each pass fetches it from memory again. Can passes 1 and 2 become one? Pass 2 needs $m$, which is known only at the end of pass 1.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=2.4)
PASSES = {
    "three passes": [
        ("read: m", plots.BLUE),
        ("read: s", plots.BLUE),
        ("read, write: p", plots.ORANGE),
    ],
    "two passes?": [("read: m and s", plots.BLUE), ("read, write: p", plots.ORANGE)],
}
for row, (name, walks) in enumerate(PASSES.items()):
    axis.text(-0.05, -row, name, ha="right", va="center")
    for place, (what, colour) in enumerate(walks):
        axis.annotate(
            "",
            (place + 0.93, -row - 0.28),
            (place + 0.03, -row - 0.28),
            arrowprops=dict(arrowstyle="->", color="#555555"),
        )
        axis.barh(
            -row, 0.9, left=place + 0.03, height=0.34, color=colour + "55", edgecolor="#777777"
        )
        axis.text(place + 0.48, -row, what, ha="center", va="center")
axis.set(xlim=(-0.6, 3.05), ylim=(-1.6, 0.4))
axis.axis("off")
plots.show(
    fig,
    alt="Walks over a row, each drawn as a bar with an arrow. Above: three, one for the maximum, one for the sum, one that writes "
    "the probabilities. Below: two, if maximum and sum came out of the same walk.",
)

# %% [markdown]
# ### Online softmax
#
# Idea (Milakov and Gimelshein, 2018): keep the maximum *so far*, $m_j$, and the sum *so far* relative to it, $s_j$:
#
# $$s_j = \sum_{i=1}^{j} e^{x_i - m_j}$$
#
# When the next score $x_{j+1}$ arrives, the new maximum is $m_{j+1} = \max(m_j, x_{j+1})$. The old sum was relative to the old
# maximum. Multiply it by $e^{m_j - m_{j+1}}$ and it is relative to the new one:
#
# $$s_{j+1} = \sum_{i=1}^{j} e^{x_i - m_{j+1}} + e^{x_{j+1} - m_{j+1}}
#           = s_j\, e^{m_j - m_{j+1}} + e^{x_{j+1} - m_{j+1}}$$
#
# Start with $m_0 = -\infty$ and $s_0 = 0$. Every exponent is again at most 0.

# %%
m, s = -math.inf, 0.0
for score in (1.0, 3.0, 2.0, 5.0):
    new_m = max(m, score)
    factor = math.exp(m - new_m)
    s = s * factor + math.exp(score - new_m)
    print(f"score {score}: maximum {m:4} -> {new_m}, old sum times {factor:.3f}, sum now {s:.3f}")
    m = new_m
print(f"directly: {sum(math.exp(score - 5) for score in (1.0, 3.0, 2.0, 5.0)):.3f}")

# %% jupyter={"source_hidden": true}
row = np.random.default_rng(0).normal(size=40) + np.linspace(0, 2, 40)
tops = np.maximum.accumulate(row)
sums = [np.exp(row[: n + 1] - tops[n]).sum() for n in range(row.size)]
fig, axes = plots.figure(2, 1, width=8, height=3.8, sharex=True)
axes[0].plot(row, "o", markersize=3.5, label="score")
axes[0].step(range(row.size), tops, where="post", color=plots.VERMILION, label="running maximum m")
axes[1].step(range(row.size), sums, where="post", color=plots.GREEN)
for n in np.flatnonzero(np.diff(tops)) + 1:
    axes[1].axvline(n, color=plots.GREY, linestyle="--", linewidth=0.8)
axes[0].set(ylabel="score")
axes[0].legend(loc="lower right", ncols=2)
axes[1].set(xlabel="scores read so far", ylabel="running sum s", ylim=(0, None))
plots.show(
    fig,
    alt="Above: forty scores and their running maximum, which rises in a few steps. Below: the running sum. It grows with each score, "
    "and where the maximum rises, marked by dashed lines, it falls, since the old sum is rescaled.",
)

# %% [markdown]
# Where the maximum grows (dashed), the sum falls: it is now measured against a larger maximum.
#
# The same rule for eight scores, one at a time. Dashed below is what the sum held before the maximum grew. For which order of the
# scores is the old sum rescaled most often, and for which never?

# %%
widgets.show("online_softmax")

# %% [markdown]
# (Most often in ascending order; never if the largest comes first.) Two parts of a row can also be processed separately and merged
# afterwards, by the same rule:
#
# $$m = \max(m_a, m_b), \qquad s = s_a\, e^{m_a - m} + s_b\, e^{m_b - m}$$
#
# The order does not matter, up to rounding. So threads of a CPU or blocks of a GPU can each take a part.


# %%
def summary(x):
    """(m, s) of a stretch."""
    return x.max(), np.exp(x - x.max()).sum()


def merge(a, b):
    m = max(a[0], b[0])
    return m, a[1] * np.exp(a[0] - m) + b[1] * np.exp(b[0] - m)


row = np.random.default_rng(0).normal(scale=30, size=1000)
pieces = [summary(piece) for piece in np.split(row, [137, 500, 501])]
together = merge(merge(pieces[3], pieces[0]), merge(pieces[2], pieces[1]))
print("whole row:          m = {:.6f}, s = {:.6f}".format(*summary(row)))
print("four pieces merged: m = {:.6f}, s = {:.6f}".format(*together))

# %% [markdown]
# ### Three kernels
#
# Now as loops, compiled by Numba. `in_blocks` takes a block of 2048 numbers, which stays in the cache, finds its maximum and its
# sum, and merges. So memory is read once for both, and the maximum changes only from block to block.
#
# `reassoc` lets the compiler add in any order, `contract` lets it join a product and a sum. The rest of `fastmath` stays off: among
# other things it would let the compiler assume that there is no `inf` and no `nan`.


# %%
@njit(fastmath={"reassoc", "contract"})
def largest(x, start, end):
    m = x[start]
    for i in range(start, end):
        m = max(m, x[i])
    return m


@njit(fastmath={"reassoc", "contract"})
def sum_of_exponentials(x, start, end, m):
    s = np.float32(0)
    for i in range(start, end):
        s += math.exp(x[i] - m)
    return s


@njit(fastmath={"reassoc", "contract"})
def write_shares(x, m, s, out):
    share = np.float32(1) / s
    for i in range(x.size):
        out[i] = math.exp(x[i] - m) * share


# %%
@njit
def three_passes(x, out):
    m = largest(x, 0, x.size)
    write_shares(x, m, sum_of_exponentials(x, 0, x.size, m), out)


@njit
def online(x, out):
    m, s = x[0], np.float32(1)
    for i in range(1, x.size):
        new_m = max(m, x[i])
        s = s * math.exp(m - new_m) + math.exp(x[i] - new_m)
        m = new_m
    write_shares(x, m, s, out)


@njit
def in_blocks(x, out):
    m, s = x[0], np.float32(0)
    for start in range(0, x.size, 2048):
        end = min(start + 2048, x.size)
        new_m = max(m, largest(x, start, end))
        s = s * math.exp(m - new_m) + sum_of_exponentials(x, start, end, new_m)
        m = new_m
    write_shares(x, m, s, out)


# %% [markdown]
# > **Predict, then run.** Which one is fastest on a row of 5 million numbers, and which one is most exact?

# %%
KERNELS = {"three passes": three_passes, "online": online, "in blocks": in_blocks}


def nanoseconds(count, work, *arguments):
    """For one of `count` numbers."""
    return 1e9 * seconds(work, *arguments, repeats=15) / count


lengths = [10_000, 100_000, 1_000_000, 5_000_000]
times, errors = {name: [] for name in KERNELS}, {name: [] for name in KERNELS}
for length in lengths:
    x = np.random.default_rng(length).normal(scale=3, size=length).astype(np.float32)
    expected, out = safe_softmax(x.astype(np.float64)), np.empty_like(x)
    for name, kernel in KERNELS.items():
        times[name].append(nanoseconds(length, kernel, x, out))
        errors[name].append(np.abs(out / expected - 1).max())

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9)
for name, marker, dashes in zip(KERNELS, plots.MARKERS, ("-", "--", "-."), strict=False):
    axes[0].semilogx(lengths, times[name], marker + dashes, label=name)
    axes[1].loglog(lengths, errors[name], marker + dashes, label=name)
axes[0].set(ylabel="time for one number [ns]", ylim=(0, None))
axes[1].set(ylabel="largest relative error")
axes[0].legend(loc="lower right")
for axis in axes:
    axis.set(xlabel="length of the row [numbers]")
    axis.grid()
plots.show(
    fig,
    alt="Left: time for one number against the length of the row; the three kernels are within a "
    "factor of about two. Right: the relative error; it grows with the length for three passes and most "
    "for online, and stays small in blocks.",
)
print("a row of 5 million numbers:")
for name in KERNELS:
    print(f"{name:13s} {times[name][-1]:5.2f} ns for one, relative error {errors[name][-1]:.1e}")

# %% [markdown]
# > **The common guess**, that fewer passes are faster, counts reads only. Most of the time goes into exponentials, and `online`
# > computes the most of them.
#
# `online` reads less than three passes, and is the slowest. `in_blocks` is the most exact; it comes out somewhat slower or faster than three
# passes, by length and machine. Count what each does for one number, and measure a read and an exponential:
#
# | | reads | writes | exponentials |
# |---|---|---|---|
# | three passes | 3 | 1 | 2 |
# | online | 2 | 1 | 3 |
# | in blocks | 2, and 1 more from the cache | 1 | 2, and one for each block |


# %%
@njit(fastmath={"reassoc", "contract"})
def read(x):
    total = np.float32(0)
    for i in range(x.size):
        total += x[i]  # in any order, so that no addition waits for the one before
    return total


x = np.random.default_rng(0).normal(size=5_000_000).astype(np.float32)
reading = nanoseconds(x.size, read, x)
finding = nanoseconds(x.size, largest, x, 0, x.size)
with_exp = nanoseconds(x.size, sum_of_exponentials, x, 0, x.size, x[0])
print(f"a pass that reads and adds up:         {reading:.2f} ns for one number")
print(f"a pass that finds the maximum:         {finding:.2f} ns")
print(f"a pass with an exponential per number: {with_exp:.2f} ns")

# %% [markdown]
# A read is cheap. The pass for the maximum costs more than its reads, since each comparison waits for the one before (lecture 08).
# On one CPU core the exponentials take most of the time, so a saved read makes little difference. On a GPU memory is the
# bottleneck: there online softmax was up to 1.3 times as fast (Milakov and Gimelshein, 2018).
#
# The errors differ far more. Adding millions of small numbers to one float32 sum loses digits: the larger the sum, the coarser its
# steps (lecture 06). In `online` each number waits for the one before, so there is one sum. In `three_passes` the compiler keeps
# several (lecture 08). In blocks each sum is short, and only some thousands of them are added up.

# %% [markdown]
# ### One pass
#
# Softmax itself needs two passes: the first probability depends on the last score. But often we do not want the probabilities, but
# the mean of vectors $v_j$ [D] weighted with them, $o = \sum_j p_j v_j$ [D]. Then one pass is enough: keep the weighted
# sum so far, and rescale it together with $s$ whenever the maximum grows.


# %%
def weighted_mean_in_one_pass(x, v):
    """x [S], v [S, D] -> sum of softmax(x)[j] * v[j], shape [D]. Everything is read once."""
    m, s, o = -math.inf, 0.0, np.zeros(v.shape[1])
    for score, vector in zip(x, v, strict=True):
        new_m = max(m, score)
        factor, exponential = math.exp(m - new_m), math.exp(score - new_m)
        s = s * factor + exponential
        o = o * factor + exponential * vector
        m = new_m
    return o / s


rng = np.random.default_rng(1)
x, v = rng.normal(scale=20, size=300), rng.normal(size=(300, 4))
print("one pass:     ", weighted_mean_in_one_pass(x, v))
print("softmax first:", safe_softmax(x) @ v)

# %% [markdown]
# This is a central idea of FlashAttention (Dao et al., 2022): attention is such a weighted mean, and lecture 12 computes it this way.

# %% [markdown]
# ## 4. Temperature
#
# Divide all scores by a *temperature* $T$ before the softmax: $\;p = \operatorname{softmax}(x / T)$. $T = \frac12$ is the doubling of
# section 1.
#
# We take real scores: those of the course's small language model for the next token.

# %%
model = load_model("mini")
beginning = "In the garden she found a"
logits = np.asarray(model.logits(model.tokenizer.encode(beginning)))  # [L, V]: after each token
scores = logits[-1]  # [V]: after the last one
top = np.argsort(-scores)[:8]
words = [model.tokenizer.decode([int(token)]) for token in top]
print(f"{len(scores)} scores, from {scores.min():.1f} to {scores.max():.1f}")
for token, word in zip(top, words, strict=True):
    print(f"{scores[token]:6.2f}  {beginning}{word}")


# %% jupyter={"source_hidden": true}
def draw_temperature(axis, temperature):
    p = operators.softmax((scores / temperature).astype(np.float32))
    axis.barh(range(len(top)), p[top], color=plots.BLUE)
    axis.set(xlim=(0, 1), xlabel="probability", yticks=range(len(top)))
    axis.set_yticklabels([word.strip() or repr(word) for word in words])
    axis.set_title(f"T = {temperature:g}: top 8 hold {p[top].sum():.0%}", fontsize=10)
    axis.invert_yaxis()


fig, axes = plots.figure(1, 3, width=9, height=3.1, sharey=True)
for axis, temperature in zip(axes, (0.2, 1, 2), strict=True):
    draw_temperature(axis, temperature)
plots.show(
    fig,
    alt="Probabilities of the eight likeliest next tokens at three temperatures. At 0.2 they fall "
    "off fast and have nearly all; at 1 they fall off slowly; at 2 they are nearly even and "
    "together hold only a part.",
)

# %% [markdown]
# How uncertain is the next token? The *entropy* $-\sum_c p_c \log p_c$ (Shannon, 1948) of the distribution says it in one number. With the natural
# logarithm its unit is the *nat*; with $\log_2$ it is the bit.


# %%
def entropy(p):
    """In nats; p [V]."""
    p = p[p > 0]
    return -np.sum(p * np.log(p))


for temperature in (0.01, 0.2, 1, 2, 1000):
    p = operators.softmax((scores / temperature).astype(np.float32))
    print(f"T = {temperature:7}: largest probability {p.max():.4f}, entropy {entropy(p):.3f} nats")
print(f"all {len(scores)} equally likely: entropy {math.log(len(scores)):.3f} nats")

# %% [markdown]
# A low temperature favours the largest score: towards $T = 0$ it gets all the probability. A high one makes all more even:
# towards $T = \infty$ all tokens are equally likely.

# %% [markdown]
# ## 5. Cross-entropy: how surprised is the model?
#
# With the right class $t$ the *cross-entropy* of lecture 03 is $L = -\log p_t$. The probability of a whole text is the product of the
# probabilities of its tokens, each given those before it, so its logarithm is a sum.
#
# > **Predict, then run.** What is the loss of a model that knows nothing and gives all 2048 tokens the same probability?

# %%
ids = np.array(model.tokenizer.encode(paths.held_out_text().read_text()[:1500]))
logits = np.asarray(model.logits(ids[:-1]))  # [L, V]: the scores after each token
losses = operators.cross_entropy(logits, ids[1:])  # [L]: for the token that really came next
loss = losses.mean()
print(f"knows nothing:         {math.log(logits.shape[1]):.2f} nats")
print(f"the model, {len(losses)} tokens: {loss:.2f} nats on average")
print(f"like a choice among e^{loss:.2f} = {math.exp(loss):.1f} equally likely tokens")

# %% [markdown]
# > **The common guess**, 1 or 0.5, takes the loss for a share of wrong answers. It is $-\log(1/2048)$, and grows with the
# > number of tokens to choose from.
#
# The model was not trained on this text, but on texts made from the same patterns, so it is easy. The last number, $e^{L}$ with the mean of $L$,
# is the model's *perplexity* on this text.

# %% [markdown]
# **A worked error.** The formula says: first softmax, then the logarithm. Written like this, it fails where the probability
# rounds to zero:

# %%
x = np.array([[0, 200]], dtype=np.float32)  # the model is sure of class 1 ...
target = np.array([0])  # ... and wrong
with np.errstate(divide="ignore"):
    print("log of softmax:", -np.log(operators.softmax(x)[0, 0]))
print("cross_entropy: ", operators.cross_entropy(x, target)[0])

# %% [markdown]
# The operator never forms the probability. It uses the logarithm of the formula, again with the maximum taken out:
#
# $$L = -\log\frac{e^{x_t - m}}{\sum_j e^{x_j - m}} = \underbrace{m + \log \sum_j e^{x_j - m}}_{\text{log-sum-exp}} - x_t$$
#
# The part that does not depend on $t$ is called *log-sum-exp*. It is $m + \log s$, so one online pass is enough for it. To notice such an
# error, test with a model that is sure and wrong. To avoid it, simplify the logarithm of the exponential on paper before you compute.

# %% [markdown]
# ## With pencil and paper
#
# **1.** What is the softmax of the scores $0, \log 2, \log 5$? Of the same scores plus 3? At temperature $\frac12$?
#
# <details><summary>Answer</summary>
#
# The exponentials are 1, 2, 5, the probabilities $\frac18, \frac28, \frac58$. Adding 3 changes nothing. At temperature $\frac12$ the scores are
# doubled, so the exponentials are squared: 1, 4, 25, and the probabilities $\frac1{30}, \frac4{30}, \frac{25}{30}$.
#
# </details>
#
# **2.** Of two parts of a row we know $(m, s) = (3, 2)$ and $(1, 4)$. What are $m$, $s$ and the log-sum-exp of the whole row? What is
# the largest probability in it?
#
# <details><summary>Answer</summary>
#
# $m = 3$, $s = 2 + 4e^{1 - 3} = 2 + 0.541 = 2.541$. Log-sum-exp: $3 + \log 2.541 = 3.933$. The largest score has the probability
# $e^{3 - 3} / s = 1 / 2.541 = 0.394$.
#
# </details>

# %% [markdown]
# ## The answer
#
# - Softmax: exponentials, divided by their sum. Subtract the maximum first, and nothing can overflow.
# - Written plainly it takes three passes. Keeping maximum and sum so far and rescaling (online softmax) takes two; a weighted
#   mean takes one. Whether that is faster depends on the bottleneck, memory or arithmetic.
# - Temperature divides the scores: a low one favours the largest score, a high one makes all more even.
# - Cross-entropy is log-sum-exp minus the right score, computed without ever forming $p_t$. Its mean $L$ over a text gives the
#   **perplexity** $e^L$.
#
# ## Sources
#
# - J. Bridle (1990), [Probabilistic interpretation of feedforward classification network outputs](https://doi.org/10.1007/978-3-642-76153-9_28):
#   the name softmax.
# - C. Shannon (1948), [A mathematical theory of communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x): entropy.
# - M. Milakov, N. Gimelshein (2018), [Online normalizer calculation for softmax](https://arxiv.org/abs/1805.02867).
# - T. Dao et al. (2022), [FlashAttention](https://arxiv.org/abs/2205.14135).
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388).
#
# ## Go on
#
# In [lab 07 softmax](../labs/07_softmax/07_softmax.ipynb) you write the safe softmax, online softmax and the cross-entropy as kernels.
# Then: [08 Reductions](08_reductions.ipynb).
