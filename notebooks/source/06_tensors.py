# %% [markdown]
# # 06 · Tensors
#
# **Question:** memory is one long row of bytes. How does a matrix live in it, and what do 16 or 8 bits for a number cost?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [05 Normalisation](05_normalisation.ipynb) | NumPy arrays, binary numbers | 25 minutes | [06 tensor](../labs/06_tensor/06_tensor.ipynb) | [07 Softmax](07_softmax.ipynb) |

# %%
import itertools

import ml_dtypes
import numpy as np
from numba import njit

from llaisys_mini import Tensor, plots
from llaisys_mini.inspect.timing import seconds  # shortest of several runs
from llaisys_mini.lectures import widgets
from llaisys_mini.tensor import TensorError

# %% [markdown]
# ## 1. A row of bytes and a way to walk through it
#
# A *tensor* is an array with any number of dimensions: a vector has one, a matrix two. In memory there is only one dimension,
# the address. So a tensor has two parts:
#
# - the **storage**: a row of bytes;
# - a **description**: `shape` (how many elements along each dimension), `strides` (how many elements to step in memory when
#   an index grows by one), `offset` (where the first element is, in bytes), and `dtype` (what one element is).
#
# Element $(i, j)$ lives at byte
#
# $$\text{offset} + \text{itemsize}\cdot(i\cdot\text{strides}_0 + j\cdot\text{strides}_1).$$
#
# The course's own `Tensor`, in `llaisys_mini/tensor.py`, has just these two parts.

# %%
t = Tensor.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4))
print(t)
print("storage:", t.storage.data.nbytes, "bytes")

# %%
i, j = 2, 1
address = t.offset + t.dtype.itemsize * (i * t.strides[0] + j * t.strides[1])
four_bytes = t.storage.data[address : address + 4]
print(f"element ({i}, {j}) is at byte {address}: {four_bytes.tolist()}")
print("the same four bytes read as a float32:", four_bytes.view(np.float32)[0])

# %% [markdown]
# ## 2. Views: another description of the same bytes
#
# Three operations change the description only. No number moves, so they cost the same for 12 numbers and for a billion.
#
# | operation | meaning | what changes |
# |---|---|---|
# | `view(4, 3)` | another shape, same order of elements | shape, strides |
# | `permute(1, 0)` | dimensions in another order (here: the transpose) | shape and strides, reordered |
# | `slice(1, 1, 3)` | along dimension 1, elements 1 and 2 (3, the end, is excluded) | shape, offset |
#
# > **Predict, then run.** What are shape, strides and offset of `t.permute(1, 0)`, and of `t.permute(1, 0).slice(0, 1, 3)`?

# %%
views = {
    "t": t,
    "t.view(2, 6)": t.view(2, 6),
    "t.permute(1, 0)": t.permute(1, 0),
    "t.slice(1, 1, 3)": t.slice(1, 1, 3),
    "t.permute(1, 0).slice(0, 1, 3)": t.permute(1, 0).slice(0, 1, 3),
}
for name, view in views.items():
    same = view.storage is t.storage
    description = f"shape {view.shape}  strides {view.strides}  offset {view.offset} B"
    print(f"{name:31s} {description}  same storage: {same}")


# %% jupyter={"source_hidden": true}
def draw_grid_and_walk(grid, walk, tensor, title):
    """Left the logical grid of a matrix, right the storage: below each box, when it is read as the indices count up."""
    numbers, places = tensor.storage.data.view(np.float32), {}
    for turn, (i, j) in enumerate(itertools.product(*map(range, tensor.shape))):
        position = tensor.offset // 4 + i * tensor.strides[0] + j * tensor.strides[1]
        places.setdefault(position, []).append((turn, i))
        face = plots.COLOURS[i] + "50"
        grid.bar(j, 0.94, bottom=-i, width=0.94, color=face, edgecolor="#999999", linewidth=0.7)
        grid.text(j, 0.47 - i, f"{numbers[position]:.0f}", ha="center", va="center", fontsize=8.5)
    for position, number in enumerate(numbers):
        reads = places.get(position, [])
        face = plots.COLOURS[reads[0][1]] + "50" if reads else "white"
        if len(reads) > 1:
            face = plots.GREY + "50"
        walk.bar(position, 1, width=0.94, color=face, edgecolor="#999999", linewidth=0.7)
        walk.text(position, 0.5, f"{number:.0f}", ha="center", va="center")
        turns = ", ".join(str(turn) for turn, _ in reads)
        walk.text(position, -0.42, turns, ha="center", va="center", fontsize=8, color="#555555")
    grid.set(xlim=(-0.6, 5.6), ylim=(0.9 - tensor.shape[0], 1.1), aspect="equal", anchor="W")
    walk.set(xlim=(-0.6, 11.6), ylim=(-0.8, 1.1), title=title)
    grid.axis("off")
    walk.axis("off")


fig, axes = plots.figure(
    len(views), 2, width=9.4, height=1.25 * len(views), gridspec_kw={"width_ratios": [1, 3.3]}
)
for (grid, walk), (name, view) in zip(axes, views.items(), strict=True):
    about = f"{name}    shape {view.shape}, strides {view.strides}, offset {view.offset} B"
    draw_grid_and_walk(grid, walk, view, about)
plots.show(
    fig,
    alt="For each view, left the matrix as its indices show it, right the twelve numbers of the storage. Colours show the row. "
    "Small numbers tell when each is read: in order for t and its view, in jumps of four for the transpose, with gaps for the slice.",
)

# %% [markdown]
# > **The common guess**, that the transpose moves the numbers, confuses the order of reading with the memory: `permute` exchanges the
# > strides, and `slice` only moves the offset.
#
# At the left is the *logical* matrix, at the right the memory, always the same. Each colour is one row. The small numbers tell in which
# order the elements are read when the indices count up. The rows of `t` lie one after the other: this order is called *row-major*.
#
# Views share memory, so what is written through one is seen through the other:

# %%
column = t.slice(1, 3, 4)  # [3, 1]: the last column
column.load(np.array([[-1], [-2], [-3]]))
print(t.numpy())

# %% [markdown]
# ## 3. When a copy is needed
#
# A tensor is *contiguous* when its elements lie side by side in the order of their indices. For shape $(3, 4)$ that means strides
# $(4, 1)$: each stride is the product of the lengths after it.
#
# The transpose is not contiguous. Can it be viewed as one row of 12 numbers? That would need one single stride, but reading it in order
# goes 4 forward, and at the end of each of its rows 7 back. No stride does that. Splitting its first dimension in two is possible, though:

# %%
t = Tensor.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4))
split = t.permute(1, 0).view(2, 2, 3)
print(
    "split:", split.shape, "strides", split.strides, "- same storage:", split.storage is t.storage
)
try:
    t.permute(1, 0).view(12)
except TensorError as error:
    print(error)

copied = t.permute(1, 0).contiguous().view(12)
print(copied.numpy(), "- same storage:", copied.storage is t.storage)

# %% [markdown]
# `contiguous()` makes a new storage and copies every number. NumPy follows the same rules, with strides in bytes, but its `reshape`
# copies silently where a view is impossible. What a copy of 16 million numbers costs, compared with a view:


# %%
large = Tensor.empty((4096, 4096))
copying = seconds(lambda: large.permute(1, 0).contiguous())
print(f"permute, 12 numbers:         {1e6 * seconds(t.permute, 1, 0):10.1f} µs")
print(f"permute, 16 million numbers: {1e6 * seconds(large.permute, 1, 0):10.1f} µs")
print(f"permute and contiguous:      {1e6 * copying:10.1f} µs")

# %% [markdown]
# ## 4. Broadcasting: a stride of zero
#
# Adding a bias of shape [4] to a matrix of shape [3, 4] uses the same bias for every row. It is not repeated in memory.
# The trick is a stride of 0: when the row index grows, stay where you are.

# %%
bias = np.array([10, 20, 30, 40], dtype=np.float32)
repeated = Tensor.from_numpy(np.broadcast_to(bias, (3, 4)))
print(repeated)
print("numbers in the tensor:", repeated.size)
print("numbers in memory:    ", repeated.storage.data.nbytes // 4)

# %% [markdown]
# The memory holds four numbers, and each is read three times: the first one at the turns 0, 4 and 8.

# %% jupyter={"source_hidden": true}
fig, (grid, walk) = plots.figure(
    1, 2, width=9.4, height=1.5, gridspec_kw={"width_ratios": [1, 3.3]}
)
draw_grid_and_walk(grid, walk, repeated, f"shape {repeated.shape}, strides {repeated.strides}")
plots.show(
    fig,
    alt="Left three equal rows 10, 20, 30, 40. Right the storage of four numbers, each of which is read three times: the first at the "
    "turns 0, 4 and 8.",
)

# %% [markdown]
# The rule: line the shapes up at their last dimension. Two lengths fit if they are equal or one of them is 1 (or missing);
# a length of 1 is repeated with stride 0.
#
# > **Predict, then run.** Which of these fit, and what is the shape of the result?

# %%
for left, right in [((3, 4), (4,)), ((3, 4), (3,)), ((3, 1), (1, 4)), ((8, 1, 5), (3, 1))]:
    try:
        print(f"{left!s:10s} with {right!s:7s} -> {np.broadcast_shapes(left, right)}")
    except ValueError:
        print(f"{left!s:10s} with {right!s:7s} -> do not fit")

# %% [markdown]
# > **The common guess**, that (3, 4) fits (3,) because both begin with 3, lines the shapes up at the wrong end: the last
# > dimensions are compared first.
#
# `(3, 4)` with `(3,)` fails, because 4 meets 3. To use one number for each row, make the second shape `(3, 1)`.

# %% [markdown]
# ## 5. Layout and speed
#
# In whichever order we read a matrix, its sum is the same up to rounding. Is the time the same? We write two kernels: one walks along
# the rows, the other down the columns. `@njit` from Numba turns them into machine code at the first call; `fastmath` lets it add in any order.


# %%
@njit(fastmath=True)
def sum_along_rows(a):
    total = np.float32(0)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j]
    return total


@njit(fastmath=True)
def sum_down_columns(a):
    total = np.float32(0)
    for j in range(a.shape[1]):
        for i in range(a.shape[0]):
            total += a[i, j]
    return total


# %% [markdown]
# > **Predict, then run.** The matrix has 4096 × 4096 numbers. How much slower is the walk down the columns: not at all, twice,
# > ten times?

# %%
matrix = np.random.default_rng(0).normal(size=(4096, 4096)).astype(np.float32)
along, down = seconds(sum_along_rows, matrix), seconds(sum_down_columns, matrix)
print(f"along the rows:   {1000 * along:6.1f} ms, {matrix.nbytes / along / 1e9:5.1f} GB/s")
print(f"down the columns: {1000 * down:6.1f} ms, {matrix.nbytes / down / 1e9:5.1f} GB/s")
print(f"down the columns takes {down / along:.0f} times as long")
print(f"the transpose down its columns: {1000 * seconds(sum_down_columns, matrix.T):.1f} ms")

# %% [markdown]
# > **The common guess**, that both walks take equally long because both read every number once, counts numbers. Memory delivers
# > lines of 16 numbers, and the walk down the columns uses one number of each line that it fetches.
#
# It is many times slower; the factor depends on the machine. The last line shows that neither the loops nor the numbers are the cause: down the
# columns of the transpose means along the rows of the memory. What counts is the stride of the inner loop. Why? Between the registers of a CPU,
# which hold the numbers it computes with, and the memory are *caches*: smaller and faster memories that keep what was used last.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=8.4, height=2.7)
LEVELS = [
    ("registers", "some 100 numbers", "no wait"),
    ("level 1 cache, of each core", "32 to 64 kB", "about 4 cycles"),
    ("level 2 cache, of each core", "0.5 to 2 MB", "about 15 cycles"),
    ("level 3 cache, shared", "10 to 100 MB", "about 50 cycles"),
    ("memory", "10 to 1000 GB", "about 300 cycles"),
]
for level, (name, size, wait) in enumerate(LEVELS):
    half = 0.9 + 0.55 * level
    axis.barh(-level, 2 * half, left=-half, height=0.9, color=plots.SKY + "55", edgecolor="#777777")
    axis.text(0, -level, name, ha="center", va="center")
    axis.text(3.5, -level, f"{size}", va="center", fontsize=9, color="#555555")
    axis.text(6.2, -level, wait, va="center", fontsize=9, color="#555555")
axis.set(xlim=(-3.3, 8.3), ylim=(-4.6, 0.6))
axis.axis("off")
plots.show(
    fig,
    alt="The memory pyramid: registers, three levels of cache and memory. From level to level there is more room and a longer wait, "
    "from no wait in registers to some three hundred cycles for memory.",
)

# %% [markdown]
# (Orders of magnitude; Drepper, 2007, has measured ones. A cycle is one tick of the CPU's clock.)
#
# Memory delivers whole *cache lines* to the cache, never single numbers. On most CPUs a line is 64 bytes, 16 float32 numbers. With stride 1 all 16
# are used. With stride 16 or more each line is fetched for one number.
#
# Walk through a small tensor yourself. Read it to the end as `t` and as its transpose: how many lines does each fetch? And how many a slice,
# and one row that is broadcast?

# %%
widgets.show("strides")

# %% [markdown]
# (8, 32, 8 and 2 lines.) Now on this machine: 500 000 numbers, read with strides from 1 to 64:


# %%
@njit(fastmath=True)
def sum_with_stride(flat, count, stride):
    total = np.float32(0)
    for n in range(count):
        total += flat[n * stride]
    return total


count = 500_000
flat = np.ones(64 * count, dtype=np.float32)
strides = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64]
times = [
    1e9 / count * seconds(sum_with_stride, flat, count, stride, repeats=9) for stride in strides
]

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4)
axis.loglog(strides, times, "o-", base=2)
axis.axvline(16, color=plots.GREY, linestyle="--", linewidth=1)
axis.text(
    15.2,
    max(times),
    "one cache line",
    rotation=90,
    ha="right",
    va="top",
    color="#555555",
    fontsize=9,
)
axis.set(
    xlabel="stride [float32 numbers]",
    ylabel="time for one number [ns]",
    xticks=[*strides[:4], 16, 32, 64],
)
axis.set_xticklabels([1, 2, 4, 8, 16, 32, 64])
axis.yaxis.set_major_formatter("{x:.2g}")
axis.grid()
plots.show(
    fig,
    alt="Time to read one number against the stride, measured here. It grows several times between "
    "a stride of 1 and one of 16 numbers, which is one cache line.",
)
print("stride:ns  ", "  ".join(f"{n}:{t:.2f}" for n, t in zip(strides, times, strict=True)))

# %% [markdown]
# Up to 16 each doubling of the stride doubles the lines, yet at small strides the time hardly grows: the CPU fetches lines ahead (*prefetching*)
# while it adds, until fetching takes longer than adding. Beyond 16 the number of lines stays the same, but they lie further apart, which makes it harder
# to fetch them ahead and to look up their addresses (Drepper, 2007). This part of the curve differs from machine to machine, and it often jumps at
# powers of two, where many lines compete for the same places of the cache.
#
# So the innermost loop should walk with stride 1. Lecture 09 builds on this; lecture 10 finds the same rule on a GPU.

# %% [markdown]
# ## 6. Numbers in bits
#
# A float has a sign $s$, an exponent $e$ and a fraction $f$. With a fraction of $F$ bits and a *bias* that centres the exponent, a
# *normal* number is
#
# $$(-1)^s \cdot 2^{\,e - \text{bias}} \cdot (1 + f / 2^{F}).$$
#
# Exponents of only zeros or only ones are reserved: for zero and the *subnormal* numbers near it, and for inf and nan.
#
# | type | sign | exponent | fraction | bias |
# |---|---|---|---|---|
# | float32 (IEEE 754) | 1 | 8 | 23 | 127 |
# | float16 (IEEE 754) | 1 | 5 | 10 | 15 |
# | bfloat16 | 1 | 8 | 7 | 127 |
#
# bfloat16 has the layout of the upper half of a float32; a conversion rounds the rest. NumPy does not have it; the package `ml_dtypes` adds it.

# %% jupyter={"source_hidden": true}
FORMATS = {
    "float32": (np.float32, 8),
    "float16": (np.float16, 5),
    "bfloat16": (ml_dtypes.bfloat16, 8),
}


def bits_of(value, dtype):
    """The bits of `value` rounded to `dtype`, highest first, as a text of zeros and ones."""
    stored = np.array(value, dtype=dtype)
    whole = int(stored.view(f"uint{8 * stored.itemsize}"))
    return f"{whole:0{8 * stored.itemsize}b}"


for name, (dtype, _) in FORMATS.items():
    print(f"{name:9s} {bits_of(0.1, dtype):32s} is {float(dtype(0.1)):.10f}")


# %% jupyter={"source_hidden": true}
def draw_bits(axis, value):
    for row, (name, (dtype, exponent_bits)) in enumerate(FORMATS.items()):
        bits = bits_of(value, dtype)
        for place, bit in enumerate(bits):
            part = 0 if place == 0 else 1 if place <= exponent_bits else 2
            face = (plots.VERMILION, plots.ORANGE, plots.SKY)[part] + "66"
            axis.barh(
                -row, 0.92, left=place, height=0.7, color=face, edgecolor="#777777", linewidth=0.6
            )
            axis.text(place + 0.46, -row, bit, ha="center", va="center", fontsize=9)
        axis.text(-0.4, -row, name, ha="right", va="center")
        axis.text(len(bits) + 0.4, -row, f"= {float(dtype(value)):.10g}", va="center")
    for place, part in [(0.46, "sign"), (5, "exponent"), (20, "fraction")]:
        axis.text(place, 0.62, part, ha="center", fontsize=9, color="#555555")
    axis.set(xlim=(-4.5, 39), ylim=(-2.5, 1), title=f"{value:g} in bits")
    axis.axis("off")


fig, axis = plots.figure(width=9, height=1.8)
draw_bits(axis, 0.1)
plots.show(
    fig,
    alt="0.1 as sign, exponent and fraction bits in three types. The bfloat16 bits are those of the upper half of the float32, but "
    "for the last one, which is rounded up.",
)


# %% [markdown]
# Switch bits yourself: which one halves or doubles the number, and which one changes it least?

# %%
widgets.show("float_bits")

# %% [markdown]
# (The lowest bit of the exponent; the lowest bit of the fraction.) More bits in the exponent give a larger range, more bits in the fraction a
# higher precision:

# %%
print(f"{'':9s} {'bytes':>5s} {'largest':>10s} {'smallest normal':>16s} {'step above 1':>13s}")
for name, (dtype, _) in FORMATS.items():
    info = ml_dtypes.finfo(dtype)
    largest, smallest, step = float(info.max), float(info.smallest_normal), float(info.eps)
    print(f"{name:9s} {info.bits // 8:5d} {largest:10.3g} {smallest:16.3g} {step:13.3g}")

# %% [markdown]
# So the numbers of a type are not evenly spaced. Those of a tiny float with two fraction bits, from 0.5 to 14:

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=1.3)
for exponent, marker in zip(range(-1, 4), plots.MARKERS, strict=False):
    numbers = [2.0**exponent * (1 + f / 4) for f in range(4)]
    axis.plot(numbers, [0] * 4, marker, color=plots.COLOURS[exponent + 1], markersize=6)
    axis.text(numbers[0], 0.35, f"$2^{{{exponent}}}$", ha="center", fontsize=8.5, color="#555555")
axis.set(xlim=(0, 14.5), ylim=(-0.3, 0.9), yticks=[], xticks=range(0, 15))
axis.spines["left"].set_visible(False)
plots.show(
    fig,
    alt="A number line from 0 to 14. Four numbers lie between each power of two and the next, so the distance between neighbours "
    "doubles at each power of two.",
)

# %% [markdown]
# The step between neighbours doubles at each power of two.
#
# > **Predict, then run.** We add up a thousand ones, and round to the type after each addition. What comes out?

# %%
for name, (dtype, _) in FORMATS.items():
    total = dtype(0)
    for _ in range(1000):
        total = dtype(total + dtype(1))
    print(f"{name:9s} {float(total):.0f}")

# %% [markdown]
# > **The common guess**, that a thousand ones make a thousand in any type, forgets that the distance between neighbouring
# > floats grows with their size: from some sum on, adding 1 no longer reaches the next one.
#
# **A worked error.** Somebody keeps a running sum in the type of the numbers. In bfloat16 it stays at 256. There neighbouring numbers are 2 apart, so
# 256 + 1 lies halfway and is rounded back to 256 (of two equally near numbers the one whose last bit is 0 is taken). To notice such an error, add up
# many numbers whose sum you know. To avoid it, *store* in 16 bits, but *add up* in float32, as the course's kernels do.

# %% [markdown]
# ## 7. int8: whole numbers and a scale
#
# One byte holds a whole number from −128 to 127, without exponent or fraction. The last seven bits count 64, 32, ..., 1, and
# the first counts −128 (*two's complement*): 17 is `00010001`, 16 + 1, and −4 is `11111100`, −128 + 64 + 32 + 16 + 8 + 4.

# %% [markdown]
# To store real numbers $w$ in int8, choose a scale $s = \max|w| / 127$ and keep $q = \operatorname{round}(w / s)$. Then
# $w \approx s\,q$, and no error exceeds $s/2$. This is *quantisation*.

# %%
w = np.random.default_rng(0).normal(scale=0.02, size=(256, 256)).astype(np.float32)
scale = np.abs(w).max() / 127
q = np.round(w / scale).astype(np.int8)
error = np.abs(scale * q - w)
print("first weights:", np.round(w[0, :4], 4))
print("as int8:      ", q[0, :4])
print("times scale:  ", np.round(scale * q[0, :4], 4))
print(f"scale {scale:.5f}, largest error {error.max():.5f}, half the scale {scale / 2:.5f}")

# %% [markdown]
# How large are the errors, and what is the effect of one *outlier*, a single large weight among 65 536?


# %%
def through_int8(w, group=None):
    """w rounded to int8 and back, with one scale for every `group` neighbours, or one for all."""
    groups = w.reshape(-1, group or w.size)
    scales = np.abs(groups).max(axis=1, keepdims=True) / 127
    return (scales * np.round(groups / scales)).reshape(w.shape)


outlier = w.copy()
outlier[0, 0] = 1.0
rounded = {name: w.astype(dtype).astype(np.float32) for name, (dtype, _) in FORMATS.items()}
rounded["int8"] = through_int8(w)
rounded["int8, outlier"] = through_int8(outlier)
rounded["int8 in groups of 32, outlier"] = through_int8(outlier, group=32)


# %%
def root_mean_square(values):
    return np.sqrt(np.mean(values**2))


for name, values in rounded.items():
    error = values - (outlier if "outlier" in name else w)
    print(f"{name:30s} relative error {root_mean_square(error) / root_mean_square(w):.2e}")

# %% [markdown]
# A single large number makes the scale larger and the rounding of all 65 535 others coarser; with groups of 32 this happens to 31 only. So formats in
# use have a scale for each small group, as do the course's operators `linear_int8` and `linear_int4`.
#
# Models have such outliers above all in their activations, in a few columns that are always the same (Dettmers et al., 2022); there a scale for
# each row or column matters even more.

# %% [markdown]
# ## With pencil and paper
#
# **1.** A contiguous float32 tensor has the shape (2, 3, 4). Which strides does it have? Which shape, strides and offset has
# `permute(2, 0, 1).slice(0, 1, 3)`, and is it contiguous?
#
# <details><summary>Answer</summary>
#
# Strides (12, 4, 1). After `permute`: shape (4, 2, 3), strides (1, 12, 4). The slice steps over one element of stride 1: shape
# (2, 2, 3), strides (1, 12, 4), offset 4 bytes. Not contiguous: the last stride is 4.
#
# </details>
#
# **2.** A cache line holds 16 floats. A matrix [1024, 1024] lies row by row, and the cache is smaller than one column's lines. How
# many lines does a walk along the rows fetch, and how many a walk down the columns?
#
# <details><summary>Answer</summary>
#
# Along the rows: $1024 \cdot 1024 / 16 = 65\,536$, each line once. Down the columns each number lies in another line than the one
# before, and when the walk returns to a line it is gone: $1024 \cdot 1024 = 1\,048\,576$, 16 times as many.
#
# </details>

# %% [markdown]
# ## The answer
#
# - A tensor is a row of bytes and a description: shape, strides, offset, dtype. `view`, `permute`, `slice` and broadcasting change the
#   description only; a copy is needed when no strides can describe the walk.
# - In the innermost loop, read memory with stride 1: it is delivered in lines, usually of 64 bytes.
# - 16 bits halve the memory of 32. bfloat16 keeps the range of float32 and 2 to 3 digits; float16 keeps 3 to 4 digits and little
#   range. int8 needs a scale, best one for each small group. Sums stay in float32.
#
# ## Sources
#
# - IEEE 754-2019, [Standard for floating-point arithmetic](https://doi.org/10.1109/IEEESTD.2019.8766229).
# - S. Wang, P. Kanwar (2019), [BFloat16: the secret to high performance on Cloud TPUs](https://cloud.google.com/blog/products/ai-machine-learning/bfloat16-the-secret-to-high-performance-on-cloud-tpus).
# - C. Harris et al. (2020), [Array programming with NumPy](https://doi.org/10.1038/s41586-020-2649-2): strides and broadcasting.
# - U. Drepper (2007), [What every programmer should know about memory](https://people.freebsd.org/~lstewart/articles/cpumemory.pdf).
# - T. Dettmers et al. (2022), [LLM.int8(): 8-bit matrix multiplication for transformers at scale](https://arxiv.org/abs/2208.07339).
#
# ## Go on
#
# In [lab 06 tensor](../labs/06_tensor/06_tensor.ipynb) you write `is_contiguous`, `view`, `permute`, `slice` and `load`
# yourself; the package then uses the first four. Next: [07 Softmax](07_softmax.ipynb).
