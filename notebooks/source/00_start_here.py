# %% [markdown]
# # 00 · Start here
#
# **Question:** what happens inside a language model between your words and its answer, and how will you build that yourself?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | nothing | Python, a little NumPy | 18 minutes | [00 practice](../labs/00_practice/00_practice.ipynb) | [01 From curves to neurons](01_neurons.ipynb) |

# %% [markdown]
# ## 1. Where this is going
#
# A small language model comes with the course. Let it speak:

# %%
import textwrap

from llaisys_mini import load_model

model = load_model("mini")


def tell(beginning="Once upon a time", tokens=60):
    """The tokens of the beginning and those that the model appends, as numbers."""
    ids = model.tokenizer.encode(beginning)
    # temperature 0: each time the token with the largest score
    return [*ids, *model.generate(ids, max_new_tokens=tokens, temperature=0.0)]


def speak(tokens=60):
    for paragraph in model.tokenizer.decode(tell(tokens=tokens)).split("\n"):
        print(textwrap.fill(paragraph, 90))


speak()

# %% [markdown]
# A *token* is a word or a piece of one. The model reads the tokens so far and gives every token it knows a *score*, also
# called a *logit*: how well it would fit as the next one. The token with the largest score is appended, and the model reads again.
#
# Here are the best scores at three positions in this story:

# %%
import numpy as np

ids = tell()  # L tokens
scores = np.asarray(model.logits(ids))  # [L, V]: after each of the L tokens, a score for each of V
print(f"{scores.shape[0]} tokens in the story, {scores.shape[1]} tokens that the model knows")


# %% jupyter={"source_hidden": true}
from llaisys_mini import plots


def draw_scores(axis, place, count=6):
    """The best scores for the token that follows the first `place` tokens of the story."""
    best = np.argsort(-scores[place - 1])[:count]
    values = scores[place - 1, best]
    axis.barh(0, values[0], color=plots.BLUE, hatch="//", edgecolor="white")
    axis.barh(range(1, count), values[1:], color=plots.SKY)
    words = [model.tokenizer.decode([int(token)]).replace("\n", "↵").strip(" ") for token in best]
    axis.set(xlim=(0, 1.04 * scores.max()), xlabel="score", yticks=range(count), yticklabels=words)
    axis.invert_yaxis()
    so_far = model.tokenizer.decode(ids[:place]).replace("\n", " ↵ ").split()
    before = "" if len(so_far) <= 4 else "… "
    axis.set_title(f"{before}{' '.join(so_far[-4:])} ?", fontsize=10)  # whole words


fig, axes = plots.figure(1, 3, width=9, height=2.5)
for axis, place in zip(axes, (3, 9, 12), strict=True):
    draw_scores(axis, place)
plots.show(
    fig,
    alt="The six best scores for the next token at three positions in the story. At some positions one "
    "token is far ahead, at others several are close. The one with the largest score, hatched, "
    "is appended.",
)


# %%
from ipywidgets import interact


@interact(place=(1, len(ids) - 1))
def draw_scores_at(place=20):
    fig, axis = plots.figure(width=5, height=2.6)
    draw_scores(axis, place)
    plots.show(fig, alt=f"The best scores for the token after the first {place} of the story.")


# %% [markdown]
# Sometimes one token is far ahead, sometimes several are close.
#
# The model is small and knows children's stories. But it has the form of a real one: the same program runs Qwen3 (Qwen team, 2025)
# from its published files.

# %% [markdown]
# That program is a sequence of *operators*: functions on arrays, with a fixed contract for what goes in and what comes out.
# We record every call while the model computes one token. Which operators are called, and how often?

# %%
from collections import Counter

from llaisys_mini import observe_calls, operators

calls = Counter()
with observe_calls(lambda operator, arguments, results: calls.update([operator.name])):
    list(model.generate(model.tokenizer.encode("Once"), max_new_tokens=1, temperature=0.0))
for name, count in calls.most_common():
    print(f"{count:4d} × {name:14s} {operators.get(name).__doc__.splitlines()[0]}")
print(f"{calls.total():4d} calls of {len(calls)} operators for one token")

# %% [markdown]
# Where does the time go? A *profile* answers that: it adds up the time spent in each operator. We take it twice, with two sets of
# *kernels*. A kernel is one way to compute an operator. The first set, the references, is plain NumPy, written to be read. The
# second, the course's own kernels, is written to be fast.

# %%
import time

from llaisys_mini import use_kernels


def profile(kernels, tokens=30):
    """Milliseconds of each operator for one token, with what the program does just before it."""
    spent = Counter()
    start = time.perf_counter()

    def add_up(operator, arguments, results):  # called at the end of each call
        nonlocal start
        spent[operator.name] += 1000 * (time.perf_counter() - start) / tokens
        start = time.perf_counter()

    with use_kernels(kernels), observe_calls(add_up):
        list(model.generate(model.tokenizer.encode("Once"), max_new_tokens=tokens, temperature=0.0))
    return spent


profiles = {}
for kernels in ("reference", "solutions"):
    runs = [profile(kernels) for _ in range(5)]
    spent = profiles[kernels] = min(runs, key=Counter.total)  # the one that was disturbed least
    print(f"{kernels}: {spent.total():.1f} ms for a token")
    for name, milliseconds in spent.most_common():
        print(f"    {name:14s} {milliseconds:6.2f} ms {milliseconds / spent.total():6.0%}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=2.3)
operators_seen = [name for name, _ in profiles["reference"].most_common()]
hatches = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
for row, kernels in enumerate(profiles):
    left = 0
    for place, name in enumerate(operators_seen):
        width = profiles[kernels][name]
        axis.barh(
            row, width, left=left, height=0.6, color=plots.COLOURS[place], hatch=hatches[place],
            edgecolor="white", label=name if row == 0 else None,
        )  # fmt: skip
        left += width
axis.set(xlabel="time for one token [ms]", yticks=range(2))
axis.set_yticklabels(["plain NumPy", "the course's kernels"])
axis.invert_yaxis()
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8.5)
plots.show(
    fig,
    alt="The time for one token as two bars, one for each set of kernels, cut into a piece for each "
    "operator. With the course's kernels the bar is a fraction as long. The piece of linear is large "
    "in both.",
)

# %% [markdown]
# (Times of the machine that made this page; yours will differ.) The course makes this bar shorter, piece by piece. `linear`, the product with
# a matrix of weights, is called most often; lectures 09 and 10 are about products of matrices.
#
# This list of operators is also the plan of the course. You will write each of them for the CPU and for a GPU, and at the end your own
# kernels make the model speak. The picture shows the path of a token, with the lecture for each part; the names are explained there.
# (`add_rms_norm` in the list is an addition and the RMSNorm after it, computed together. The picture leaves out that Qwen3 also normalises q
# and k: lecture 13.)

# %% jupyter={"source_hidden": true}
import itertools

from matplotlib.patches import FancyBboxPatch, Rectangle

fig, axis = plots.figure(width=9, height=4.4)
axis.set(xlim=(-0.3, 19.7), ylim=(-0.3, 9))
axis.axis("off")


def box(x, y, text, lecture, colour, width=2.15):
    style = dict(boxstyle="round,pad=0.1", facecolor=colour + "30", edgecolor=colour, linewidth=1.3)
    axis.add_patch(FancyBboxPatch((x - width / 2, y - 0.55), width, 1.1, **style))
    axis.text(x, y + 0.18, text, ha="center", va="center", fontsize=9)
    axis.text(x, y - 0.34, lecture, ha="center", va="center", fontsize=8, color="#555555")


def arrow(*places):
    """Through all places, with its head at the last."""
    xs, ys = zip(*places[:-1], strict=True)
    axis.plot(xs, ys, color="#555555", linewidth=1.2)
    style = dict(arrowstyle="-|>", color="#555555", linewidth=1.2, shrinkA=0, shrinkB=0)
    axis.annotate("", places[-1], places[-2], arrowprops=style)


frame = dict(facecolor="#00000008", edgecolor="#999999", linestyle="--")
axis.add_patch(Rectangle((2.55, 1.0), 14.3, 5.8, **frame))
axis.text(2.7, 1.2, "a block, repeated in every layer", fontsize=9, color="#555555")
UPPER, LOWER = 5.5, 2.9
PLACES = (4.25, 6.9, 9.55, 12.2, 14.7)
box(1.1, 8.3, "text to tokens", "lecture 11", plots.GREEN)
box(1.1, UPPER, "embedding", "lecture 11", plots.GREEN)
for place, text, lecture, colour in [
    (0, "RMSNorm", "lecture 05", plots.BLUE), (1, "linear: q, k, v", "02, 09, 10", plots.BLACK),
    (2, "RoPE", "lecture 11", plots.GREEN), (3, "attention", "07, 12", plots.VERMILION),
    (4, "linear", "02, 09, 10", plots.BLACK),
]:  # fmt: skip
    box(PLACES[place], UPPER, text, lecture, colour)
for place, text, lecture, colour in [
    (0, "RMSNorm", "lecture 05", plots.BLUE), (1, "linear: twice", "02, 09, 10", plots.BLACK),
    (2, "SwiGLU", "lecture 13", plots.PURPLE), (3, "linear", "02, 09, 10", plots.BLACK),
]:  # fmt: skip
    box(PLACES[place], LOWER, text, lecture, colour)
for x, y in ((16.1, 4.2), (PLACES[4] - 0.4, LOWER)):
    axis.text(x, y, "+", ha="center", va="center", fontsize=13)
    axis.scatter(x, y, s=170, facecolor="none", edgecolor="#555555", zorder=3)
aside = dict(fontsize=8.5, color="#555555", ha="center", va="center")
axis.text(
    9.55,
    6.5,
    "add what came in (13)",
    bbox=dict(facecolor="#F4F4F1", edgecolor="none", pad=2),
    **aside,
)
axis.text(
    9.55,
    1.95,
    "add what came in (13)",
    bbox=dict(facecolor="#F4F4F1", edgecolor="none", pad=2),
    **aside,
)
box(18.4, LOWER, "RMSNorm", "lecture 05", plots.BLUE)
box(18.4, UPPER, "linear: scores", "02, 09, 10", plots.BLACK)
box(18.4, 8.3, "choose a token", "lectures 07, 14", plots.ORANGE)
HALF = 1.18
arrow((1.1, 7.65), (1.1, UPPER + 0.65))
arrow((1.1 + HALF, UPPER), (PLACES[0] - HALF, UPPER))
for row, boxes in ((UPPER, 5), (LOWER, 4)):
    for left, right in itertools.pairwise(PLACES[:boxes]):
        arrow((left + HALF, row), (right - HALF, row))
arrow((2.8, UPPER), (2.8, 6.5), (16.55, 6.5), (16.55, 4.2), (16.42, 4.2))
arrow((2.8, LOWER), (2.8, 1.95), (PLACES[4] - 0.4, 1.95), (PLACES[4] - 0.4, LOWER - 0.37))
arrow((PLACES[4] + HALF, UPPER), (16.1, UPPER), (16.1, 4.55))
arrow((15.75, 4.2), (2.8, 4.2), (2.8, LOWER), (PLACES[0] - HALF, LOWER))
arrow((PLACES[3] + HALF, LOWER), (PLACES[4] - 0.75, LOWER))
arrow((PLACES[4] - 0.05, LOWER), (18.4 - HALF, LOWER))
arrow((18.4, LOWER + 0.65), (18.4, UPPER - 0.65))
arrow((18.4, UPPER + 0.65), (18.4, 7.65))
arrow((18.4 - HALF, 8.3), (1.1 + HALF, 8.3))
axis.text(9.7, 8.5, "append it, and go round again", ha="center", fontsize=9, color="#555555")
below = "What it rests on: neurons (01), layers (02), training (03, 04), tensors (06), reductions (08), matrix products (09, 10)"
axis.text(9.7, 0.2, below, ha="center")
plots.show(
    fig,
    alt="The path of a token: text to tokens, embedding; then in every layer RMSNorm, linear, RoPE, "
    "attention, linear, then RMSNorm, linear, SwiGLU, linear; to the result of each half its own input is added; after "
    "the last layer RMSNorm, a linear step to the scores, and the choice of a token, which is "
    "appended. Each part names its lectures.",
)

# %% [markdown]
# <details><summary>Pencil 1: "linear: q, k, v" stands for three calls of linear. How many calls does one block make, and how many blocks has a model
# that calls linear 57 times for a token?</summary>
#
# $3 + 1 + 2 + 1 = 7$ in a block, and one more for the scores at the end: $(57 - 1) / 7 = 8$ blocks.
#
# </details>

# %% [markdown]
# ## 2. Three ways through
#
# | you are | your way |
# |---|---|
# | a student in a class | read a lecture, do its lab, hand it in with `submit`, read the feedback |
# | learning by yourself | the same without handing in: each lab checks your work at once. `make generate` lets the model speak, `make chat MODEL=Qwen/Qwen3-0.6B` a real one |
# | teaching | `make grade` grades an example class and writes the report; `README.md` of the course, *You are an instructor*, says how to release labs and grade your class |

# %% [markdown]
# The lectures and their labs, in the order in which to read them:
#
# | lecture | question | lab |
# |---|---|---|
# | 00 Start here | what happens inside? | [00 practice](../labs/00_practice/00_practice.ipynb) |
# | [01 From curves to neurons](01_neurons.ipynb) | how does a machine find a rule? | [01 neuron](../labs/01_neuron/01_neuron.ipynb) |
# | [02 Layers](02_layers.ipynb) | how do many neurons learn any shape? | [02 layers](../labs/02_layers/02_layers.ipynb) |
# | [03 Losses and backpropagation](03_losses_and_backpropagation.ipynb) | how much is each weight to blame? | [03 backpropagation](../labs/03_backpropagation/03_backpropagation.ipynb) |
# | [04 Training](04_training.ipynb) | how does a network learn the rule, and not its examples? | [04 training](../labs/04_training/04_training.ipynb) |
# | [05 Normalisation](05_normalisation.ipynb) | what keeps numbers in range? | [05 norms](../labs/05_norms/05_norms.ipynb) |
# | [06 Tensors](06_tensors.ipynb) | how does a matrix live in memory? | [06 tensor](../labs/06_tensor/06_tensor.ipynb) |
# | [07 Softmax](07_softmax.ipynb) | how do scores become probabilities? | [07 softmax](../labs/07_softmax/07_softmax.ipynb) |
# | [08 Reductions](08_reductions.ipynb) | how is a row added up quickly? | [08 reductions](../labs/08_reductions/08_reductions.ipynb) |
# | [09 Matmul on a CPU](09_matmul_cpu.ipynb) | how fast can a product of matrices be? | [09 matmul](../labs/09_matmul/09_matmul.ipynb) |
# | [10 Matmul on a GPU](10_matmul_gpu.ipynb) | and with ten thousand threads? | [10 matmul on a GPU](../labs/10_matmul_gpu/10_matmul_gpu.ipynb) |
# | [11 Tokens and positions](11_tokens_and_positions.ipynb) | how does text become numbers? | [11 tokens and positions](../labs/11_tokens_and_positions/11_tokens_and_positions.ipynb) |
# | [12 Attention](12_attention.ipynb) | how do words look at each other? | [12 attention](../labs/12_attention/12_attention.ipynb) |
# | [13 The Qwen block](13_qwen_block.ipynb) | how do the parts fit together? | [13 Qwen block](../labs/13_qwen_block/13_qwen_block.ipynb) |
# | [14 The decoder speaks](14_decoder.ipynb) | does it speak with your kernels? | [14 the decoder speaks](../labs/14_the_decoder_speaks/14_the_decoder_speaks.ipynb) |
# | [15 Quantisation](15_quantisation.ipynb) | how few bits does a weight need? | [15 quantisation](../labs/15_quantisation/15_quantisation.ipynb) |
# | [16 Many texts at once](16_many_texts.ipynb) | why do sixteen texts cost little more than one? | [16 many texts](../labs/16_many_texts/16_many_texts.ipynb) |
# | [17 A service](17_service.ipynb) | what stands between the engine and a reader? | [17 a service](../labs/17_service/17_service.ipynb) |
# | [18 From a list of calls to one](18_one_call.ipynb) | where does the time between the kernels go? | [18 one call](../labs/18_one_call/18_one_call.ipynb) |
# | [19 Training a language model](19_training_a_language_model.ipynb) | how is a model made of a text, and how good will it be? | [19 training](../labs/19_training/19_training.ipynb) |
# | [20 After training](20_after_training.ipynb) | how does a model learn to answer, and to be right? | [20 after training](../labs/20_after_training/20_after_training.ipynb) |

# %% [markdown]
# A lecture is a notebook like this one. Run a cell with Shift+Enter, change it, run it again. In JupyterLab cells that draw, or
# repeat something many times, are folded; a click unfolds them. Sliders appear once their cell has run.
#
# Where a cell says **Predict, then run**, write down what you expect before you run the next one. A wrong guess shows you what to read again.
# The output is folded until you run the cell or click on it. The line below it is folded too: it names a common guess and says what is wrong
# with it.
#
# No GPU is needed. If something does not work on your machine, `llaisys-mini doctor` in a terminal says what is missing and what to do about
# it.

# %% [markdown]
# ## 3. Your first kernel
#
# An operator says *what* is computed, a kernel *how*. We take the operator that chooses the next token, `argmax`:

# %%
print(operators.argmax.__doc__)
print("arguments of a kernel:", operators.argmax.kernel_arguments)

# %% [markdown]
# `x` comes as [N, V]: N rows of V scores. The kernel returns nothing; it writes into `index` [N] and `value` [N].
#
# `@njit` from Numba (Lam et al., 2015) turns the function into machine code. `@kernel` gives it to the course. Running the cell
# also saves it as a file, so the cell must be complete, with its imports.

# %%
from numba import njit

from llaisys_mini import kernel


@kernel("argmax", device="cpu")
@njit
def argmax(x, index, value):
    for row in range(x.shape[0]):
        best = 0
        for v in range(1, x.shape[1]):
            if x[row, v] > x[row, best]:
                best = v
        index[row] = best
        value[row] = x[row, best]


# %% [markdown]
# Is it right? `check` runs it on cases that were chosen to expose faults, and compares with the *reference*, the plain NumPy
# version that belongs to the operator:

# %%
from llaisys_mini import check

check("argmax")

# %% [markdown]
# It passed, so from now on it is used wherever the course needs `argmax`. The same story, each token chosen by your kernel:

# %%
from llaisys_mini.kernels.choice import answering_kernel

print("argmax is now answered by:", answering_kernel("argmax").kernel_set)
speak()

# %% [markdown]
# ## 4. Broken on purpose
#
# Now a small mistake: the loop goes in steps of 2, so it skips every second score.
#
# > **Predict, then run.** What will the check say? And what would the model say with this kernel?

# %%
from numba import njit

from llaisys_mini import kernel


@kernel("argmax", device="cpu")
@njit
def argmax(x, index, value):
    for row in range(x.shape[0]):
        best = 0
        for v in range(1, x.shape[1], 2):
            if x[row, v] > x[row, best]:
                best = v
        index[row] = best
        value[row] = x[row, best]


# %%
from llaisys_mini.errors import CheckFailed


def diagnose(name):
    """`check`, which raises when something is wrong; here we only want to read what it says."""
    try:
        check(name)
    except CheckFailed as diagnosis:
        print(diagnosis)


diagnose("argmax")

# %% [markdown]
# > **The common guess**, that every case is wrong, overlooks that a case is still right where the largest score of each row happens to stand
# > at a place that the loop looks at: here in half of the cases.
#
# The check names the case, the first wrong element, what came out and what should have come out. (An index is either right or wrong, so the
# table says *not comparable* where other operators show their error as a multiple of the tolerance.)
#
# A kernel that failed is not used. We can ask for it all the same, to see what it would do:

# %%
print("argmax is now answered by:", answering_kernel("argmax").kernel_set)
with use_kernels(argmax="student"):
    speak(tokens=20)

# %% [markdown]
# That one was easy to notice.
#
# <details><summary>Pencil 2: a row of scores is −2, −1, −1, −3. Which index and which value must argmax return?</summary>
#
# Index 1 and value −1: the largest is −1, at 1 and 2, and the lowest index wins a tie.
#
# </details>
#
# The next mistake is harder to notice: the search starts from 0 instead of the first score.
#
# > **Predict, then run.** Does the model still speak? Does the check notice?

# %%
from numba import njit

from llaisys_mini import kernel


@kernel("argmax", device="cpu")
@njit
def argmax(x, index, value):
    for row in range(x.shape[0]):
        index[row] = 0
        value[row] = 0
        for v in range(x.shape[1]):
            if x[row, v] > value[row]:
                value[row] = x[row, v]
                index[row] = v


# %%
with use_kernels(argmax="student"):
    speak()

# %%
diagnose("argmax")

# %% [markdown]
# > **The common guess**, that a kernel with which the model speaks well must be right, takes one example for a proof.
#
# The story is perfect, because here the best score is positive every time. The check has rows in which all scores are negative, and
# recognises the mistake. So one good run proves little: a check needs inputs that use every part of the contract, negative scores and ties
# among them.

# %% [markdown]
# ## The answer
#
# - A language model gives a score to each possible next token, chooses, appends, and starts again. What happens in between is a
#   sequence of calls of a few operators, counted in section 1.
# - You will write each operator as a kernel: a small function with plain loops. `check` says whether it is right, and what is wrong
#   if not. What passes is used; for what you have not written the course's kernels are used.
#
# ## Sources
#
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388).
# - S. Lam, A. Pitrou, S. Seibert (2015), [Numba: a LLVM-based Python JIT compiler](https://doi.org/10.1145/2833157.2833162).
#
# ## Go on
#
# In [lab 00 practice](../labs/00_practice/00_practice.ipynb) you write, break and hand in a kernel of your own. Then the first
# question: [01 From curves to neurons](01_neurons.ipynb).
