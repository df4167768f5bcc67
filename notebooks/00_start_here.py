# %% [markdown]
# # 00 · Start here
#
# **Question:** what happens inside a language model between your words and its answer, and how will you build that yourself?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | nothing | Python, a little NumPy | 15 minutes | [00 practice](../labs/00_practice/00_practice.ipynb) | [01 From curves to neurons](01_neurons.ipynb) |

# %%
import textwrap
from collections import Counter

import numpy as np
from ipywidgets import interact

from llaisys_mini import check, load_model, observe_calls, operators, plots, use_kernels
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.choice import answering_kernel

# %% [markdown]
# ## 1. Where this is going
#
# A small language model comes with the course. Let it speak:

# %%
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
ids = tell()  # L tokens
scores = np.asarray(model.logits(ids))  # [L, V]: after each of the L tokens, a score for each of V
print(f"{scores.shape[0]} tokens in the story, {scores.shape[1]} tokens that the model knows")


# %% jupyter={"source_hidden": true}
def draw_scores(axis, place, count=6):
    """The best scores for the token that follows the first `place` tokens of the story."""
    best = np.argsort(-scores[place - 1])[:count]
    values = scores[place - 1, best]
    axis.barh(0, values[0], color=plots.BLUE, hatch="//", edgecolor="white")
    axis.barh(range(1, count), values[1:], color=plots.SKY)
    words = [model.tokenizer.decode([int(token)]).replace("\n", "↵").strip(" ") for token in best]
    axis.set(xlim=(0, 21), xlabel="score", yticks=range(count), yticklabels=words)
    axis.invert_yaxis()
    last_words = model.tokenizer.decode(ids[:place]).replace("\n", "↵")[-24:]
    axis.set_title(f"…{last_words} ?", fontsize=10)


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
# We listen while the model makes one token. Which operators are called, and how often?

# %%
calls = Counter()
with observe_calls(lambda operator, arguments, results: calls.update([operator.name])):
    list(model.generate(model.tokenizer.encode("Once"), max_new_tokens=1))
for name, count in calls.most_common():
    print(f"{count:4d} × {name:14s} {operators.get(name).__doc__.splitlines()[0]}")
print(f"{calls.total():4d} calls of {len(calls)} operators for one token")

# %% [markdown]
# This list is the course. You will write each of these operators, for the CPU and for a GPU, and at the end your own kernels
# make the model speak. The path of a token, with the lecture for each part (the names will be explained there):

# %% jupyter={"source_hidden": true}
from matplotlib.patches import FancyBboxPatch, Rectangle

fig, axis = plots.figure(width=9, height=4.1)
axis.set(xlim=(-0.2, 18), ylim=(-0.2, 8))
axis.axis("off")


def box(x, y, text, lecture, colour, width=2.7):
    style = dict(boxstyle="round,pad=0.1", facecolor=colour + "30", edgecolor=colour, linewidth=1.3)
    axis.add_patch(FancyBboxPatch((x - width / 2, y - 0.55), width, 1.1, **style))
    axis.text(x, y + 0.14, text, ha="center", va="center", fontsize=9.5)
    axis.text(x, y - 0.34, lecture, ha="center", va="center", fontsize=8, color="#555555")


def arrow(start, end):
    axis.annotate("", end, start, arrowprops=dict(arrowstyle="-|>", color="#555555", linewidth=1.2))


frame = dict(facecolor="#00000008", edgecolor="#999999", linestyle="--")
axis.add_patch(Rectangle((3.2, 1.0), 10.1, 5.6, **frame))
axis.text(3.4, 1.2, "a block,\nrepeated in every layer", fontsize=9, color="#555555")
axis.text(
    3.4, 5.4, "after attention and SwiGLU:\nadd what came in (13)", fontsize=9, color="#555555"
)
box(1.4, 7.2, "text to tokens", "lecture 11", plots.GREEN)
box(1.4, 3.8, "embedding", "lecture 11", plots.GREEN)
box(4.9, 3.8, "RMSNorm", "lecture 05", plots.BLUE, width=2.4)
box(8.2, 3.8, "attention", "lecture 12", plots.VERMILION, width=2.4)
box(11.5, 3.8, "RMSNorm", "lecture 05", plots.BLUE, width=2.4)
box(9.4, 5.7, "RoPE: positions", "lecture 11", plots.GREEN, width=2.4)
box(8.2, 1.9, "softmax", "lecture 07", plots.ORANGE, width=2.4)
box(11.5, 1.9, "SwiGLU", "lecture 13", plots.PURPLE, width=2.4)
box(16.5, 3.8, "scores", "lectures 09, 10", plots.BLACK, width=2.4)
box(16.5, 7.2, "choose a token", "lectures 07, 14", plots.ORANGE)
for start, end in [
    ((1.4, 6.5), (1.4, 4.5)), ((2.9, 3.8), (3.6, 3.8)), ((6.2, 3.8), (6.9, 3.8)),
    ((9.5, 3.8), (10.2, 3.8)), ((8.7, 5.0), (8.7, 4.5)), ((8.2, 2.6), (8.2, 3.1)),
    ((11.5, 3.1), (11.5, 2.6)), ((12.85, 1.9), (15.1, 3.5)), ((16.5, 4.5), (16.5, 6.5)),
    ((15.0, 7.2), (2.9, 7.2)),
]:  # fmt: skip
    arrow(start, end)
axis.text(9, 7.45, "append it, and go round again", ha="center", fontsize=9, color="#555555")
below = "Below all of it: neurons (01), layers (02), tensors (06), products of matrices (09, 10)"
axis.text(9, 0.1, below, ha="center")
plots.show(
    fig,
    alt="The path of a token: text to tokens, embedding, then in every layer RMSNorm, attention "
    "with RoPE and softmax, RMSNorm, SwiGLU, with additions in between; then scores and the "
    "choice of a token, which is appended. Each part names its lecture.",
)

# %% [markdown]
# ## 2. Three ways through
#
# | you are | your way |
# |---|---|
# | a student in a class | read a lecture, do its lab, hand it in with `submit`, read the feedback |
# | learning by yourself | the same without handing in: each lab checks your work at once. `make generate` lets the model speak, `make chat MODEL=Qwen/Qwen3-0.6B` a real one |
# | teaching | `make grade` grades an example class and writes the report; `README.md` of the course, *You are an instructor*, says how to release labs and grade your class |

# %% [markdown]
# The lectures and their labs, in the order in which to read them. Lecture 05 comes after 07, on which it builds. There are no
# lectures 03, 04, 08 and 15 yet.
#
# | lecture | question | lab |
# |---|---|---|
# | 00 Start here | what happens inside? | [00 practice](../labs/00_practice/00_practice.ipynb) |
# | [01 From curves to neurons](01_neurons.ipynb) | how does a machine find a rule? | [01 neuron](../labs/01_neuron/01_neuron.ipynb) |
# | [02 Layers](02_layers.ipynb) | how do many neurons learn any shape? | [02 layers](../labs/02_layers/02_layers.ipynb) |
# | [06 Tensors](06_tensors.ipynb) | how does a matrix live in memory? | [06 tensor](../labs/06_tensor/06_tensor.ipynb) |
# | [07 Softmax](07_softmax.ipynb) | how do scores become probabilities? | [07 softmax](../labs/07_softmax/07_softmax.ipynb) |
# | [05 Normalisation](05_normalisation.ipynb) | what keeps numbers in range? | [05 norms](../labs/05_norms/05_norms.ipynb) |
# | [09 Matmul on a CPU](09_matmul_cpu.ipynb) | how fast can a product of matrices be? | [09 matmul](../labs/09_matmul/09_matmul.ipynb) |
# | [10 Matmul on a GPU](10_matmul_gpu.ipynb) | and with ten thousand threads? | [10 matmul on a GPU](../labs/10_matmul_gpu/10_matmul_gpu.ipynb) |
# | [11 Tokens and positions](11_tokens_and_positions.ipynb) | how does text become numbers? | [11 tokens and positions](../labs/11_tokens_and_positions/11_tokens_and_positions.ipynb) |
# | [12 Attention](12_attention.ipynb) | how do words look at each other? | [12 attention](../labs/12_attention/12_attention.ipynb) |
# | [13 The Qwen block](13_qwen_block.ipynb) | how do the parts fit together? | [13 Qwen block](../labs/13_qwen_block/13_qwen_block.ipynb) |
# | [14 The decoder speaks](14_decoder.ipynb) | does it speak with your kernels? | [14 the decoder speaks](../labs/14_the_decoder_speaks/14_the_decoder_speaks.ipynb) |
# | [16 Many texts at once](16_many_texts.ipynb) | why do sixteen texts cost little more than one? | [16 many texts](../labs/16_many_texts/16_many_texts.ipynb) |
# | [17 A service](17_service.ipynb) | what stands between the engine and a reader? | [17 a service](../labs/17_service/17_service.ipynb) |

# %% [markdown]
# A lecture is a notebook like this one: a file that ends in `.ipynb`. Where a `.py` of the same name lies beside it, that is only
# the text it was made from.
#
# Run a cell with Shift+Enter, change it, run it again. In JupyterLab cells that only draw are folded; a click unfolds them.
# Sliders appear once their cell has run.
#
# Before a cell that says **Predict, then run**, say aloud what you expect: what surprises you is what you learn from.

# %% [markdown]
# ## 3. The machine you are on
#
# No GPU is needed. `doctor` says what is there, what is missing and what to do about it:

# %%
from llaisys_mini.course.doctor import examine

_ = examine()

# %% [markdown]
# ## 4. Your first kernel
#
# An operator says *what* is computed. A *kernel* is one way *how*. We take the operator that chooses the next token, `argmax`:

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
check("argmax")

# %% [markdown]
# It passed, so from now on it answers wherever the course needs `argmax`. The same story, each token chosen by your kernel:

# %%
print("argmax is now answered by:", answering_kernel("argmax").kernel_set)
speak()

# %% [markdown]
# ## 5. Broken on purpose
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
def diagnose(name):
    """`check`, which raises when something is wrong; here we only want to read what it says."""
    try:
        check(name)
    except CheckFailed as diagnosis:
        print(diagnosis)


diagnose("argmax")

# %% [markdown]
# The check names the case, the first wrong element, what came out and what should have. (`argmax` only copies, so its
# tolerance is zero, and any error is a huge multiple of it.)
#
# A kernel that failed is not used. We can insist, to see what it would do:

# %%
print("argmax is now answered by:", answering_kernel("argmax").kernel_set)
with use_kernels(argmax="student"):
    speak(tokens=20)

# %% [markdown]
# That one was easy to notice. The next mistake is not: the search starts from 0 instead of the first score.
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
# The story is perfect, because the best score happens to be positive every time. The check has rows in which all scores are negative, and
# recognises the mistake by name. A program that seems to work is not yet a program that works.

# %% [markdown]
# ## The answer
#
# - A language model gives a score to each possible next token, chooses, appends, and starts again. What happens in between is a
#   sequence of calls of a few operators, counted in section 1.
# - You will write each operator as a kernel: a small function with plain loops. `check` says whether it is right, and what is wrong
#   if not. What passes is used; what you have not written is answered by the course's kernels.
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
