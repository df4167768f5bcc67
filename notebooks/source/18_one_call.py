# %% [markdown]
# # 18 · From a list of calls to one
#
# **Question:** the kernels are fast, and still most of a token's time is spent between them. How does a program become a list of calls that can be improved, and then a single function?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [17 A service](17_service.ipynb) | the decoder (14), bytes and bandwidth (09) | 22 minutes | [18 one call](../labs/18_one_call/18_one_call.ipynb) | [19 Training a language model](19_training_a_language_model.ipynb) |

# %%
import numba
import numpy as np

from llaisys_mini import load_model, plots
from llaisys_mini.capture.emit import emit
from llaisys_mini.capture.formulas import formulas, record_step
from llaisys_mini.inspect.timing import seconds
from llaisys_mini.text.sampling import SamplingParams

numba.set_num_threads(1)  # so that the clock of this thread sees all of the work
model = load_model("mini")
prompts = [
    model.tokenizer.encode(f"Once upon a time, there was a child named {name}.")
    for name in "Lily Tom Anna Ben Sue Max Mia Sam Dot Leo Ann Jack Rosa Tim Ella Finn".split()
]

# %% [markdown]
# ## 1. Where the time of a token goes
#
# The decoder of lecture 14 is ordinary Python: it calls one operator after the other. Each call finds out shapes and dtypes, looks up which kernel answers, makes an
# array for the result, and only then runs the kernel. That is a **dynamic** or *eager* program: it decides everything at the moment of the call.
#
# We measure one such step: the time of a text of 60 tokens minus that of one of 10, divided by 50. So the prompt and the first steps, which take longer, do not
# count. Then we take away the Python in between, and look at what is left.

# %%
step = record_step(model.decoder)  # watches one step; more in section 2
print(len(step.calls), "operator calls in a step of the shipped model")


def write(texts, tokens=60, capture=False):
    """An engine that has written that many tokens of each text."""
    engine = model.engine(capture=capture)
    greedy = SamplingParams(temperature=0.0, max_new_tokens=tokens)
    for prompt in prompts[:texts]:
        engine.add(prompt, greedy, stop_ids=())
    while engine.is_busy:
        engine.step()
    return engine


def microseconds_per_step(texts, capture):
    short = seconds(lambda: write(texts, 10, capture), repeats=7)
    long = seconds(lambda: write(texts, 60, capture), repeats=7)
    return 1e6 * (long - short) / 50


calls = microseconds_per_step(1, capture=False)
print(f"one step, call by call: {calls:.0f} microseconds, {calls / len(step.calls):.0f} per call")

# %% [markdown]
# > **Predict, then run.** The same kernels can be called from one compiled function, with no Python in between. By which factor does a step of this model get
# > faster: hardly, twice, or several times?

# %%
write(1, 20, capture=True).replay.wait()  # has the function compiled, or takes it from disk
replayed = microseconds_per_step(1, capture=True)
print(f"one step, replayed: {replayed:.0f} microseconds, {calls / replayed:.1f} times as fast")
print(f"between the calls went {1 - replayed / calls:.0%} of the time")

# %% [markdown]
# > **The common guess**, that a fast kernel makes a fast program, forgets how little one call of this model computes: a vector times a matrix of 128 x 128 takes
# > a fraction of what the call around it takes.
#
# With matrices of 1024 x 3072 a call computes for a hundred microseconds or more, and the Python around it hardly counts. On a GPU it
# counts again: there the same kernels finish sooner, and launching one from Python takes longer.

# %% [markdown]
# ## 2. A program that writes itself down
#
# To run a step without Python, we first need to know *what* it does, as data. One way is to run it once with inputs that record what is done to them. This is called **tracing**.


# %%
class Noted:
    """A number that writes down what is done to it."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def _note(self, operator, other):
        made = Noted(f"v{len(self.notes)}", self.notes)
        self.notes.append((made.name, operator, [self.name, getattr(other, "name", other)]))
        return made

    def __add__(self, other):
        return self._note("add", other)

    def __mul__(self, other):
        return self._note("multiply", other)


def polynomial(x):
    y = x
    for _ in range(3):
        y = y * x + 1
    return y


notes = []
polynomial(Noted("x", notes))
for name, operator, inputs in notes:
    print(f"{name} = {operator}({inputs[0]}, {inputs[1]})")

# %% [markdown]
# The loop is gone: three rounds became six lines. The list is a **static** graph of the computation: calls are its nodes, names its edges. Lecture 03 walked through such a
# graph backwards; here it is data that a compiler improves.
#
# The course's recorder does the same with operators. It watches the calls of one step, and tells arrays apart by their addresses in memory:

# %%
plain = formulas(step)
for name, operator, inputs in plain.calls[:12]:
    print(f"{name:4s} = {operator}({', '.join(inputs)})")
print(f"... {len(plain.calls)} calls in all")

# %% [markdown]
# (`formulas` writes calls that do two things at once as two, so that there is something to fuse below. `keys0` and `values0` are the pages of the first layer.)
#
# Frameworks differ in when they do this. In TensorFlow 1 the user's program built the graph. PyTorch runs eagerly, and `torch.compile` traces. JAX traces a function under `jit` at its
# first call. A *CUDA graph* records launches on a GPU.

# %% [markdown]
# ## 3. What a recording does not know
#
# > **Predict, then run.** `clipped` returns x if x is at least 1, else 1. We trace it once with x = 5, and replay the list with x = -3. What comes out?


# %%
class NotedValue(Noted):
    """It also knows its value while it is traced, so that an `if` can look at it."""

    def __init__(self, name, notes, value):
        super().__init__(name, notes)
        self.value = value

    def __ge__(self, other):
        return self.value >= other


def clipped(x):
    return x if x >= 1 else x * 0 + 1


def replay(notes, result, x):
    values = {"x": x}
    for name, operator, (a, b) in notes:
        a, b = values.get(a, a), values.get(b, b)
        values[name] = a + b if operator == "add" else a * b
    return values[result.name]


notes = []
result = clipped(NotedValue("x", notes, 5))
print("recorded:", notes, "-> returns", result.name)
print("replayed with -3:", replay(notes, result, -3), "  but clipped(-3) is", clipped(-3))

# %% [markdown]
# > **The common guess**, 1, takes the recording for the program. It holds only the path that was taken, and the comparison itself was not noted.
#
# So we have to know on what the path depends. In a decoder it depends on the number of rows and on which kernels are chosen, not on the numbers in
# the arrays. The engine keeps one recording for each kind of step (so many rows, texts and pages), and drops it when another kernel is chosen. What changes from step to step (ids, positions, the
# table of pages) lies in arrays: a replay reads what they hold then.

# %% [markdown]
# ## 4. Passes
#
# A **pass** takes a list and gives a list that computes the same, with less. You write four of them in the lab. The first two are short:
#
# - **Dead code**: read from the end, a call is needed if its result is. All others go.
# - **Constant folding**: a call that reads only weights gives the same in every step. It is computed once.
#
# The third one saves bytes. **Fusion** (lecture 13) makes one call of two, if no other call reads the array between them. Count the bytes that `silu` and `multiply` move,
# against those of one `swiglu`. All arrays have the same size.
#
# > **Predict, then run.** `s = silu(g)` then `m = multiply(s, u)` against `m = swiglu(g, u)`: which share of the bytes is saved, a fifth, a quarter, two fifths, a half?

# %%
apart = {"silu reads g": 1, "silu writes s": 1, "multiply reads s": 1, "multiply reads u": 1, "multiply writes m": 1}  # fmt: skip
fused = {"swiglu reads g": 1, "swiglu reads u": 1, "swiglu writes m": 1}
print(f"{sum(apart.values())} arrays apart, {sum(fused.values())} fused")
print(f"saved: {1 - sum(fused.values()) / sum(apart.values()):.0%}")

# %% [markdown]
# > **The common guess**, a half, thinks of two calls that become one. What counts are transfers of arrays: of the five two are saved, writing `s` and reading it.
#
# And by the clock? We compare two kernels that compute next to nothing with one that does the work of both: again 5 arrays against 3. With arrays that fit no cache, memory decides (lecture 09), and the bytes say what to
# expect: $5 / 3 \approx 1.7$. Small arrays stay in the cache; there loads, stores and one call less are what is saved.


# %%
@numba.njit
def square(x, out):
    for i in range(out.size):
        out[i] = x[i] * x[i]


@numba.njit
def add(x, y, out):
    for i in range(out.size):
        out[i] = x[i] + y[i]


@numba.njit
def square_add(x, y, out):
    for i in range(out.size):
        out[i] = x[i] * x[i] + y[i]


rng = np.random.default_rng(0)
for size in (128, 8192, 16_000_000):
    x, y = (rng.normal(size=size).astype(np.float32) for _ in range(2))
    between, out = np.empty_like(x), np.empty_like(x)

    def two():
        square(x, between)  # noqa: B023
        add(between, y, out)  # noqa: B023

    def one():
        square_add(x, y, out)  # noqa: B023

    two(), one()
    apart, fused = (seconds(call, repeats=9) for call in (two, one))
    print(f"{size:8d} numbers: {1e6 * apart:8.1f} us apart, {1e6 * fused:8.1f} us fused, "
          f"{apart / fused:.1f} times as fast")  # fmt: skip

# %% [markdown]
# ## 5. Memory, planned
#
# Call by call each result is a new array. In a list we see for each array which call makes it and which reads it last: its **lifetime**. Arrays that do not live at
# the same time may have the same place in memory.

# %%
spans = {name: [number, number] for number, (name, _, _) in enumerate(plain.calls)}
for number, (_, _, inputs) in enumerate(plain.calls):
    for read in inputs:
        if read in spans:
            spans[read][1] = number
spans[plain.outputs[0]][1] = len(plain.calls)
lives = [(born, dies, plain.sizes[name]) for name, (born, dies) in spans.items()]


def planned(lives):
    """Greedy by size: the largest choose first, each the lowest place that is free while it lives."""
    places, done = [0] * len(lives), []
    for number in sorted(range(len(lives)), key=lambda n: -lives[n][2]):
        born, dies, size = lives[number]
        meeting = [n for n in done if born <= lives[n][1] and lives[n][0] <= dies]
        for other in sorted(meeting, key=lambda n: places[n]):
            if places[number] + size > places[other]:
                places[number] = max(places[number], places[other] + lives[other][2])
        done.append(number)
    return places


places = planned(lives)
side_by_side = sum(size for _, _, size in lives)
block = max(place + size for place, (_, _, size) in zip(places, lives, strict=True))
print(f"side by side {side_by_side / 1024:.1f} KiB, planned {block / 1024:.1f} KiB")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=8.4, height=3.4)
shown = 42
for number, (place, (born, dies, size)) in enumerate(zip(places, lives, strict=True)):
    if born < shown and size:
        colour = plots.COLOURS[number % 6]
        axis.broken_barh(
            [(born, dies - born + 1)],
            (place / 1024, size / 1024),
            facecolor=colour,
            edgecolor=plots.CARD,
            linewidth=0.6,
            alpha=0.75,
        )
axis.set(xlim=(0, shown), xlabel="call", ylabel="place in the block, KiB", ylim=(0, 6))
axis.axvline(1, color=plots.GREY, linestyle=":")
axis.axvline(20, color=plots.GREY, linestyle=":")
axis.text(1.3, 5.5, "layer 0", fontsize=9)
axis.text(20.3, 5.5, "layer 1", fontsize=9)
plots.show(
    fig,
    alt="Rectangles, one for each array of the first two layers: as wide as it lives, as high as its bytes, where it lies in the "
    "block. They fill the same few KiB again and again; one long thin row at a time is the residual stream.",
)

# %% [markdown]
# Each rectangle is an array: as wide as it lives, as high as it is large. The long ones are the residual stream, which lives through half a layer. The same few KiB
# serve all layers, and stay in the fastest cache.

# %% [markdown]
# ### A worked error: spans that only touch
#
# Call 3 is the last to read array `x`, and it writes array `y`. May `y` lie where `x` lies? It looks as if `x` were no longer needed.

# %%
weight, x = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([3.0, 5.0])
memory = x.copy()  # x and y share this memory
for i in range(2):  # y = weight @ x, row by row
    memory[i] = weight[i] @ memory
print("in one place:", memory, "  right:", weight @ x)

# %% [markdown]
# The first output was written over an input that the second still needed. So the spans of `x` and `y` have a call in common, and they must lie apart. Only a call that
# works number by number, such as `add`, could write over its input.

# %% [markdown]
# ## 6. One function
#
# The last stage writes code. The layers repeat, so the list is searched for its repetition, and the code becomes a loop. Every kernel and every array is found in a
# table `at` of addresses, with a row for each call. Its first number is the address of the kernel's machine code, the others are those of the arrays.
#
# `run(address, arguments)` calls the kernel at an address. `float32_2d(address, shape)` and its like make an array over memory that is there already; nothing is copied.
# (Lines are cut here.)

# %%
source = emit(step, rows=1).text
for line in source.splitlines():
    print(line[:96] + ("..." if len(line) > 96 else ""))
print()
print(f"{len(step.calls)} calls, {len(source.splitlines())} lines")

# %% [markdown]
# Numba compiles this function once; it is kept on disk, and later starts load it from there. `run` calls the same machine code of a kernel as
# before. So a replayed step gives the same logits, to the last bit. A compiler may also go further and compile the kernels into the function. Then sums may be added up in another
# order, and bits may change.

# %% [markdown]
# ## 7. What it is worth
#
# > **Predict, then run.** Replaying saves a fixed time per call. Does it help more when one text is written, or when 16 are?

# %%
table = {}
for texts in (1, 4, 16):
    write(texts, capture=True).replay.wait()  # all kinds of steps that are timed below
    table[texts] = [microseconds_per_step(texts, capture) for capture in (False, True)]
    eager, fast = table[texts]
    print(f"{texts:2d} texts: {eager:5.0f} us a step call by call, {fast:5.0f} us replayed: {eager / fast:.1f} times as fast")  # fmt: skip

# %% [markdown]
# > **The common guess**, with 16, since more is done, has it the wrong way round. The saved time is about the same; what 16 rows compute comes on top.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4, height=3.0)
for shift, (name, colour, hatch) in enumerate(
    (("call by call", plots.SKY, ""), ("replayed", plots.ORANGE, "//"))
):
    rates = [1e6 * texts / table[texts][shift] for texts in table]
    bars = axis.bar(
        [i + 0.38 * (shift - 0.5) for i in range(3)],
        rates,
        0.36,
        color=colour,
        hatch=hatch,
        label=name,
    )
    axis.bar_label(bars, [f"{rate:.0f}" for rate in rates], fontsize=9)
axis.set(
    xticks=range(3),
    xticklabels=[f"{texts} at once" for texts in table],
    ylabel="tokens per second, one thread",
)
axis.legend()
plots.show(
    fig,
    alt="Bars of tokens per second for 1, 4 and 16 texts at once. Replayed is several times as fast for one text; the two come "
    "closer together the more texts are written.",
)

# %% [markdown]
# On a GPU a *CUDA graph* does this: it records the launches of a step, and the driver replays them. On an H100 one step of Qwen3-0.6B's shape with this
# course's kernels took 80 to 100 ms in 481 launches from Python, and 2.2 ms as a graph. (Measured once, with an early version and a trial program. The course's engine now records its steps
# in this way; that has not been measured on a card.)

# %% [markdown]
# ## 8. With a pencil
#
# **1.** A step has 130 calls. Each takes 12 microseconds of Python and 1.5 microseconds of kernel. How much faster can replaying make it at most? And if the kernels take
# 150 microseconds each?
#
# <details><summary>Answer</summary>
#
# $(12 + 1.5) / 1.5 = 9$ times. With 150 microseconds $(12 + 150) / 150 = 1.08$ times: 8 percent. The number of calls does not matter.
#
# </details>
#
# **2.** `t = add(x, r)`, `h = rms_norm(t, w)`, and later `z = add(t, y)`. Why may `t` not be fused away? How many arrays are moved by the first two calls apart, and by one
# call that returns both `t` and `h`? (Do not count `w`.)
#
# <details><summary>Answer</summary>
#
# `t` has two readers. Apart: x, r, t written, t read, h written: 5. Fused with two results: x, r, t, h: 4. A fifth is saved, and one call.
#
# </details>

# %% [markdown]
# ## The answer
#
# - A small model spends most of a token between its kernels. Recorded once, a step is a list of calls, and a list can be improved and replayed.
# - A recording holds the path that was taken. Rows and kernels choose the path, so each choice has a recording of its own; what changes in each step are arrays.
# - Passes leave out dead code, compute constants once, fuse calls so that arrays between them are never stored, and give arrays a place by their lifetimes.
# - The list becomes one function that loops over the layers. It runs the same kernels, so the text is the same to the last bit.
#
# ## Sources
#
# - M. Abadi et al. (2016), [TensorFlow: a system for large-scale machine learning](https://arxiv.org/abs/1605.08695): static graphs.
# - J. Ansel et al. (2024), [PyTorch 2: faster machine learning through dynamic Python bytecode transformation and graph
#   compilation](https://docs.pytorch.org/assets/pytorch2-2.pdf).
# - T. Chen et al. (2018), [TVM: an automated end-to-end optimizing compiler for deep learning](https://arxiv.org/abs/1802.04799): fusion and schedules.
# - Y. Pisarchyk, J. Lee (2020), [Efficient memory management for deep neural net inference](https://arxiv.org/abs/2001.03288): plans for buffers.
#
# ## Go on
#
# In [lab 18 one call](../labs/18_one_call/18_one_call.ipynb) you write the passes, and look at what they do to the step of the real model. Then
# [19 Training a language model](19_training_a_language_model.ipynb) asks where the weights come from.
