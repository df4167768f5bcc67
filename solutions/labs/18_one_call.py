# %% [markdown]
# # Lab 18: from a list of calls to one
#
# For each token the shipped model makes some 130 operator calls, and between any two of them Python code runs. In this lab a step is not a
# program but a **list of calls**. You write what a compiler does with such a list: remove calls whose results are not needed, compute
# constants once, fuse calls, and let arrays share memory. At the end you look at the list of the real model, and at the single function into
# which it is compiled.
#
# | part | minutes | |
# |---|---|---|
# | 1 dead code | 15 | required |
# | 2 constants | 15 | required |
# | 3 fusion | 30 | required |
# | 4 memory | 35 | required |
# | 5 the step of the real model | 15 | to look at, with a question |
# | 6 a tile by counting | 20 | extra: nothing later needs it |
#
# A call is a tuple `(name, operator, inputs)`: the name of the array that it computes, the operator, and the list of arrays that it reads. So
# `("q", "linear", ["h", "wq"])` means `q = linear(h, wq)`. A step is a list of such tuples; every array is computed before it is read. A name
# that no call computes is *given*: an input of the step, or a weight.

# %%
from llaisys_mini import check, exercises, load_model

# %% [markdown]
# ## 1. Dead code
#
# `dead_code(calls, outputs)` returns the calls on which the `outputs` depend, in their order. Of
#
# ```
# a = silu(x)
# b = silu(a)
# y = add(x, x)
# ```
#
# the output `y` needs only the last call: no call reads `b`, so `a` is not needed either.
#
# An operator whose name begins with `store` is always needed: it writes keys and values into pages, which are used after the step. So the
# arrays that it reads are needed too.

# %% task="python/dead_code"

# %% [markdown]
# <details><summary>Hint 1: front or back?</summary>
#
# For each call, you need to know whether a later call reads its result. In which direction must you go through the list so that you know
# this already?
#
# </details>
# <details><summary>Hint 2: a set</summary>
#
# Keep the set of names that are needed. What is in it at the beginning? What do you add to it when you keep a call?
#
# </details>
# <details><summary>Hint 3: the loop</summary>
#
# `for name, operator, inputs in reversed(calls)`: if `name in needed`, or the operator is a store, append the call to `kept` and
# `needed.update(inputs)`. One thing remains to be done with `kept` at the end.
#
# </details>

# %% test="dead-public" points=3
check("dead_code")

# %% test="dead-hidden" points=1
# Other steps, when it is graded.
### BEGIN HIDDEN TESTS
check("dead_code", seed=41801)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Constants
#
# Weights do not change from step to step, and neither does anything that depends only on weights. An example is LoRA, a small correction of a
# weight by the product of two thin matrices:
#
# ```
# d = matmul(up, down)
# w = add(w0, d)
# y = linear(x, w)
# ```
#
# With `constants = ["up", "down", "w0"]` the first two calls are the same in each step. `fold_constants(calls, constants)` returns two lists:
# the calls to run **once**, and those to run in **each** step. Here they are the first two, and the third.
#
# Two kinds of calls are never constant: a store, and a call that reads nothing, such as one that draws random numbers.

# %% task="python/fold_constants"

# %% [markdown]
# <details><summary>Hint 1: one constant makes others</summary>
#
# `d` is not in `constants`, and still the second call of the example runs only once. What must you remember after the first call?
#
# </details>
# <details><summary>Hint 2: a trap</summary>
#
# In Python, what is `all(...)` for an empty list of inputs?
#
# </details>
# <details><summary>Hint 3: the loop</summary>
#
# Keep a set `known`, which at first contains the constants. For each call, from front to back: if it has inputs, all of them are in `known`,
# and it is not a store, then add its name to `known` and the call to `once`; otherwise add the call to `each`.
#
# </details>

# %% test="constants-public" points=3
check("fold_constants")

# %% test="constants-hidden" points=1
# Other steps, when it is graded.
### BEGIN HIDDEN TESTS
check("fold_constants", seed=41802)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Fusion
#
# `s = silu(g)` writes an array that `m = multiply(s, u)` reads immediately afterwards. One kernel for both, `m = swiglu(g, u)`, need not
# store `s`.
#
# `fuse(calls, outputs, patterns)` does this for all pairs in `patterns`, a dictionary such as `{("silu", "multiply"): "swiglu"}`. The rules:
#
# 1. The **first** input of the second call must be what the first call computes.
# 2. No other call reads this array, and it is not an output of the step. (An array that a call reads twice counts as read twice.)
# 3. The fused call takes the place and the name of the second one. Its inputs are those of the first call, then the other inputs of
#    the second: `silu(g)` and `multiply(s, u)` give `swiglu(g, u)`.
# 4. A fused call may be the first of a later pair: with `("linear", "add"): "linear_with_bias"` and
#    `("linear_with_bias", "silu"): "linear_silu"` three calls become one.

# %% task="python/fuse"

# %% [markdown]
# <details><summary>Hint 1: who reads?</summary>
#
# For rule 2 you need, before you change anything, the number of times that each array is read. Count all `inputs`, each time they occur. Why
# must the outputs of the step be counted too?
#
# </details>
# <details><summary>Hint 2: finding the first call</summary>
#
# Go through the calls from front to back, and keep a dictionary from names to the calls kept so far. A dictionary keeps the order in which
# its keys were added. The first call of a pair is then found under `inputs[0]`.
#
# </details>
# <details><summary>Hint 3: from two calls to one</summary>
#
# If `kept.get(inputs[0])` is a call `(_, before, read)` with `(before, operator)` in `patterns` and one reader: delete it from the
# dictionary, and go on with `operator = patterns[before, operator]` and `inputs = read + inputs[1:]`. Rule 4 needs nothing more. Why?
#
# </details>

# %% test="fuse-public" points=5
check("fuse")

# %% test="fuse-hidden" points=2
# Other steps and patterns, when it is graded.
### BEGIN HIDDEN TESTS
check("fuse", seed=41803)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Memory
#
# If every call allocates its result, the step needs as much memory as all arrays together. But most of them are read once and never again.
# `plan_buffers(lives)` gives each array a place in one block of memory. `lives` is a list of `(born, dies, size)`: the number of the call
# that computes the array, the number of the last call that reads it, and its size in bytes. It returns the list of the arrays' first bytes
# in the block.
#
# Two arrays **live at the same time** if their spans have a call in common: `(0, 3, 64)` and `(3, 5, 64)` do, since call 3 reads one while
# it writes the other. Such arrays must not overlap. All others may.
#
# The smallest block is hard to find in general. A simple rule comes close: place **the largest arrays first** (if two are equally large, the
# earlier in the list), each at the lowest place that is free while it lives. Any plan that is not larger than the one given by this rule
# counts as right.
#
# Three arrays `(0, 1, 32)`, `(1, 2, 32)`, `(2, 3, 64)`: the third is placed first, at byte 0. The first does not live at the same time, so it
# is placed at byte 0 as well. The second lives at the same time as both, so it is placed at byte 64. The block has 96 bytes instead of 128.

# %% task="python/plan_buffers"

# %% [markdown]
# <details><summary>Hint 1: the order</summary>
#
# `sorted(range(len(lives)), key=...)` gives the numbers of the arrays in the order in which they are placed. Python's sort keeps equal elements
# in their order.
#
# </details>
# <details><summary>Hint 2: the lowest free place</summary>
#
# Of the arrays that are placed already, consider only those that live at the same time. Go through them from the lowest place to the highest,
# with `place = 0` at first. When is the gap before such an array large enough? If it is not, what is the next place to try?
#
# </details>
# <details><summary>Hint 3: the inner loop</summary>
#
# Two arrays live at the same time if `born <= other_dies and other_born <= dies`. For each such array, lowest first: if
# `place + size > places[other]`, then `place = max(place, places[other] + other_size)`. The maximum is needed because these arrays need not
# live at the same time as each other, so they may overlap.
#
# </details>

# %% test="plan-public" points=5
check("plan_buffers")

# %% test="plan-hidden" points=2
# Other steps, when it is graded.
### BEGIN HIDDEN TESTS
check("plan_buffers", seed=41804)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. The step of the real model
#
# The course's decoder is ordinary Python. `record_step` observes it while it computes one step, and `formulas` turns the observed calls into a
# list like yours.

# %%
from llaisys_mini.capture.formulas import formulas, record_step

model = load_model("mini")
step = formulas(record_step(model.decoder))
print(len(step.calls), "calls; the first of them:")
for name, operator, inputs in step.calls[:16]:
    print(f"  {name} = {operator}({', '.join(inputs)})")


def bytes_moved(calls):
    """Bytes that the calls read and write, without weights and pages, which no pass can save."""
    computed = {name for name, _, _ in calls}
    return sum(step.sizes[a] for name, _, inputs in calls for a in [name, *inputs] if a in computed)


def lives(calls, outputs):
    """(born, dies, bytes) of every array that is computed."""
    spans = {name: [number, number] for number, (name, _, _) in enumerate(calls)}
    for number, (_, _, inputs) in enumerate(calls):
        for read in inputs:
            if read in spans:
                spans[read][1] = number
    for name in outputs:
        spans[name][1] = len(calls)
    return [(born, dies, step.sizes[name]) for name, (born, dies) in spans.items()]


# %% [markdown]
# The next cell applies your passes, one after the other. (For a pass that you have not written, the course's is used.)

# %%
PATTERNS = {("silu", "multiply"): "swiglu", ("add", "rms_norm"): "add_rms_norm"}

once, each = exercises.get("fold_constants")(step.calls, step.constants)
alive = exercises.get("dead_code")(each, step.outputs)
fused = exercises.get("fuse")(alive, step.outputs, PATTERNS)
for what, calls in (("recorded", step.calls), ("constants, dead code", alive), ("fused", fused)):
    print(f"{what:21} {len(calls):4d} calls  {bytes_moved(calls) / 1024:6.1f} KiB moved")

spans = lives(fused, step.outputs)
places = exercises.get("plan_buffers")(spans)
apart = sum(size for _, _, size in spans)
block = max(place + size for place, (_, _, size) in zip(places, spans, strict=True))
print(f"memory: {apart / 1024:.1f} KiB side by side, {block / 1024:.1f} KiB planned")

# %% [markdown]
# ### In your own words
#
# `("add", "rms_norm")` is among the patterns, and the list has such a pair twice in every layer, but there is only one `add_rms_norm` in the
# result. Look at which calls read the sums. Which pair was fused, and why not the others? What would a fused call have to return so that
# all pairs could be fused, and what would this save?

# %% [markdown] written="residual" points=3
# The sum is the residual stream: the norm reads it, and so does the addition at the end of the next part. It has two readers, so
# rule 2 forbids to fuse it away. Only behind the last addition nothing is added any more: there the final norm is the only reader. A fused
# call may return both, the sum and its norm (as the course's operator `add_rms_norm` does). Then the sum is still written, but it need not be
# read again for the norm: one reading of the array and one call are saved for each pair.

# %% [markdown]
# The last step of a compiler is to generate code. The course's own code generator writes the list as one function with a loop over the
# layers. Each line calls a kernel by its address (`run`), with arrays whose addresses are in a table (`at`). If a kernel is yours, the
# function calls your kernel. This is its source for the step above:

# %%
from llaisys_mini.capture.emit import emit

graph = record_step(model.decoder)
print(emit(graph, rows=1).text)

# %% [markdown]
# How much faster is it? The next cell writes the same text twice: with single calls, and replayed. The first steps of a kind are always computed
# with single calls, and so are steps while the function is being compiled; `replayed` says how many steps were replayed.

# %%
from llaisys_mini.inspect.timing import seconds

prompt = model.tokenizer.encode("Once upon a time, there was a dog.")


def write(capture):
    engine = model.engine(capture=capture)
    ids = list(model.generate(prompt, max_new_tokens=100, temperature=0, engine=engine))
    engine.replay.wait()
    return ids, engine.replay.replayed


write(True)  # compiles, or takes from disk, what is not there yet
texts = {}
for capture in (False, True):
    taken = seconds(lambda: write(capture), repeats=3)  # noqa: B023
    texts[capture], replayed = write(capture)
    what = "replayed" if capture else "call by call"
    print(f"{what:12} {len(texts[capture]) / taken:6.0f} tokens per second, {replayed} steps replayed")
print("the same text:", texts[False] == texts[True])

# %% [markdown]
# ## 6. Extra: a tile by counting
#
# In lab 09 you chose a tile size. A compiler can choose it by *counting*: for each candidate, the numbers that would be loaded. Unlike a
# measurement, counting gives the same answer every time, and needs no particular machine.
#
# `choose_tile(n, m, k, cache, tiles)` is for the product of [n, k] and [k, m]. A candidate `(rows, columns, depth)` **fits** if its three
# blocks, `rows * columns` outputs, `rows * depth` and `depth * columns` inputs, are together at most `cache` numbers. It **loads**
# `ceil(n / rows) * ceil(m / columns) * k * (rows + columns)` inputs. Return `(tile, loads)` for the candidate that fits and loads the fewest
# inputs, the first one if several are equal, or None if no candidate fits.
#
# For n = m = k = 64 and `cache` 200, the tile (8, 8, 8) fits with 192 numbers and loads 8 * 8 * 64 * 16 = 65,536; (16, 16, 16) has 768.

# %% task="python/choose_tile"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Write two small functions, one for each word in bold; the rest is then short.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `min(candidates, key=loads)` returns the first of several equal candidates. What does it do with an empty list?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `fitting = [tile for tile in tiles if fits(tile)]`; None if it is empty; else `best = min(fitting, key=loads)`. `math.ceil(n / rows)` or
# `-(-n // rows)` rounds up.
#
# </details>

# %% test="tile-public" points=1
check("choose_tile")

# %% test="tile-hidden" points=1
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("choose_tile", seed=41805)
### END HIDDEN TESTS
