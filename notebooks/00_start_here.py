# %% [markdown]
# # 00 · Start here
#
# **Question:** what happens inside a language model between your words and its answer, and how will you build that yourself?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | nothing | Python, a little NumPy | 15 minutes | [00 practice](../labs/00_practice/00_practice.ipynb) | [01 From curves to neurons](01_neurons.ipynb) |

# %%
from collections import Counter

from llaisys_mini import check, load_model, operators, plots, use_kernels
from llaisys_mini.contract import observe_calls
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.choice import answering_kernel

# %% [markdown]
# ## 1. Where this is going
#
# A small language model comes with the course. Let it speak:

# %%
model = load_model("mini")


def speak(beginning="Once upon a time", tokens=60):
    ids = model.tokenizer.encode(beginning)
    new = model.generate(ids, max_new_tokens=tokens, temperature=0.0)  # each time the likeliest next token
    print(model.tokenizer.decode([*ids, *new]))


speak()

# %% [markdown]
# A *token* is a piece of a word. The model reads the tokens so far and gives a score to each token it knows for being the
# next one. The one with the largest score is appended, and the model reads again.
#
# The model is small and knows children's stories. But it has the form of a real one: the same program runs Qwen3 (Qwen team, 2025)
# from its published files.
#
# That program is a sequence of *operators*, functions on arrays with a fixed contract. Which ones, and how often, for one token?

# %%
calls = Counter()
with observe_calls(lambda operator, arguments, results: calls.update([operator.name])):
    list(model.generate(model.tokenizer.encode("Once"), max_new_tokens=1))
for name, count in calls.most_common():
    print(f"{count:4d} × {name:14s} {operators.get(name).__doc__.splitlines()[0]}")
print(f"{calls.total():4d} calls of {len(calls)} operators for one token")

# %% [markdown]
# This list is the course. You will write each of these operators, for the CPU and for a GPU, and at the end your own ones
# make the model speak.

# %% jupyter={"source_hidden": true}
from matplotlib.patches import FancyBboxPatch, Rectangle

fig, axis = plots.figure(width=9, height=4.1)
axis.set(xlim=(-0.2, 18), ylim=(-0.2, 8))
axis.axis("off")


def box(x, y, text, lecture, colour, width=2.7):
    style = dict(boxstyle="round,pad=0.1", facecolor=colour + "30", edgecolor=colour, linewidth=1.3)
    axis.add_patch(FancyBboxPatch((x - width / 2, y - 0.55), width, 1.1, **style))
    axis.text(x, y + 0.14, text, ha="center", va="center", fontsize=9.5)
    axis.text(x, y - 0.34, f"lecture {lecture}", ha="center", va="center", fontsize=8, color="#555555")


def arrow(start, end):
    axis.annotate("", end, start, arrowprops=dict(arrowstyle="-|>", color="#555555", linewidth=1.2))


axis.add_patch(Rectangle((3.2, 1.2), 10.1, 5.2, facecolor="#00000008", edgecolor="#999999", linestyle="--"))
axis.text(3.4, 1.4, "a block, repeated\nin every layer", fontsize=9, color="#555555")
box(1.4, 7.2, "text to tokens", "08", plots.GREEN)
box(1.4, 3.8, "embedding", "08", plots.GREEN)
box(4.9, 3.8, "RMSNorm", "05", plots.BLUE, width=2.4)
box(8.2, 3.8, "attention", "09", plots.VERMILION, width=2.4)
box(11.5, 3.8, "RMSNorm", "05", plots.BLUE, width=2.4)
box(8.2, 5.3, "RoPE: places", "08", plots.GREEN, width=2.4)
box(8.2, 2.1, "softmax", "04", plots.ORANGE, width=2.4)
box(11.5, 2.1, "SwiGLU", "10", plots.PURPLE, width=2.4)
box(16.5, 3.8, "scores", "06, 07", plots.BLACK, width=2.4)
box(16.5, 7.2, "choose a token", "04, 11", plots.ORANGE)
for start, end in [
    ((1.4, 6.5), (1.4, 4.5)), ((2.9, 3.8), (3.6, 3.8)), ((6.2, 3.8), (6.9, 3.8)), ((9.5, 3.8), (10.2, 3.8)),
    ((8.2, 4.65), (8.2, 4.45)), ((8.2, 2.75), (8.2, 3.15)), ((11.5, 3.15), (11.5, 2.75)), ((12.8, 2.1), (15.4, 3.2)),
    ((16.5, 4.45), (16.5, 6.5)), ((15.0, 7.2), (2.9, 7.2)),
]:  # fmt: skip
    arrow(start, end)
axis.text(9, 7.45, "append it, and go round again", ha="center", fontsize=9, color="#555555")
axis.text(
    9, 0.2, "Below all of it: neurons (01), layers (02), tensors (03), products of matrices (06, 07)", ha="center"
)
plots.show(
    fig,
    alt="The way of a token: text to tokens, embedding, then in every layer RMSNorm, attention with RoPE and softmax, RMSNorm, "
    "SwiGLU; then scores and the choice of a token, which is appended. Each part names its lecture.",
)

# %% [markdown]
# ## 2. Three ways through
#
# | you are | your way |
# |---|---|
# | a student in a class | read a lecture, do its lab, hand it in, read the feedback |
# | learning by yourself | the same without handing in: each lab checks your work at once. `make generate` lets the model speak, `make chat MODEL=Qwen/Qwen3-0.6B` a real one |
# | teaching | `make grade` releases the labs, grades a class and writes a report |
#
# | lecture | question | lab |
# |---|---|---|
# | 00 Start here | what happens inside? | [00 practice](../labs/00_practice/00_practice.ipynb) |
# | [01 From curves to neurons](01_neurons.ipynb) | how does a machine find a rule? | [01 neuron](../labs/01_neuron/01_neuron.ipynb) |
# | [02 Layers](02_layers.ipynb) | how do many neurons learn any shape? | [02 layers](../labs/02_layers/02_layers.ipynb) |
# | [03 Tensors](03_tensors.ipynb) | how does a matrix live in memory? | [03 tensor](../labs/03_tensor/03_tensor.ipynb) |
# | [04 Softmax](04_softmax.ipynb) | how do scores become probabilities? | [04 softmax](../labs/04_softmax/04_softmax.ipynb) |
# | [05 Normalisation](05_normalisation.ipynb) | what keeps numbers in range? | [05 norms](../labs/05_norms/05_norms.ipynb) |
# | [06 Matmul on a CPU](06_matmul_cpu.ipynb) | how fast can a product of matrices be? | [06 matmul](../labs/06_matmul/06_matmul.ipynb) |
# | [07 Matmul on a GPU](07_matmul_gpu.ipynb) | and with ten thousand threads? | [07 matmul on a GPU](../labs/07_matmul_gpu/07_matmul_gpu.ipynb) |
# | [08 Words and places](08_words_and_places.ipynb) | how does text become numbers? | [08 words and places](../labs/08_words_and_places/08_words_and_places.ipynb) |
# | [09 Attention](09_attention.ipynb) | how do words look at each other? | [09 attention](../labs/09_attention/09_attention.ipynb) |
# | [10 The Qwen block](10_qwen_block.ipynb) | how do the parts fit together? | [10 Qwen block](../labs/10_qwen_block/10_qwen_block.ipynb) |
# | [11 The decoder speaks](11_decoder.ipynb) | does it speak with your kernels? | [11 the decoder speaks](../labs/11_the_decoder_speaks/11_the_decoder_speaks.ipynb) |
#
# A lecture is a notebook like this one. Run a cell with Shift+Enter, change it, run it again. Before a cell that says
# **Predict, then run**, say aloud what you expect: what surprises you is what you learn from.
#
# ## 3. The machine you are on
#
# No GPU is needed. `doctor` says what is there, what is missing and what to do about it:

# %%
from llaisys_mini.doctor import examine

_ = examine()

# %% [markdown]
# ## 4. Your first kernel
#
# An operator says *what* is computed. A *kernel* is one way *how*. We take the operator that chooses the next token:

# %%
print(operators.argmax.__doc__)
print("arguments of a kernel:", operators.argmax.kernel_arguments)

# %% [markdown]
# `x` comes as [N, V]: N rows of V scores. The kernel returns nothing; it writes into `index` [N] and `value` [N].
#
# `@njit` from Numba turns the function into machine code. `@kernel` gives it to the course. Running the cell also saves it as a file, so
# the cell must be complete, with its imports.

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
# Is it right? `check` runs it on cases that were chosen to hurt, and compares with the reference:

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
# Now a small mistake: the loop goes in steps of 2, so it passes over every second score.
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
# The check names the case, the first wrong element, what came out and what should have. A kernel that failed is not used. We can
# insist, to see what it would do:

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
#
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
