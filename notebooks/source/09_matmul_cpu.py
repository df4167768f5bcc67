# %% [markdown]
# # 09 · Matmul on a CPU
#
# **Question:** most of the time of a language model goes into one operator, three nested loops. How can the same arithmetic take a tenth of the time?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [08 Reductions](08_reductions.ipynb) | strides and cache lines (lecture 06), SIMD (lecture 08) | 25 minutes | [09 matmul](../labs/09_matmul/09_matmul.ipynb) | [10 Matmul on a GPU](10_matmul_gpu.ipynb) |

# %%
import time

import numba
import numpy as np
from numba import njit, prange

from llaisys_mini import plots, profile_model, show_profiles
from llaisys_mini.cpu import simd
from llaisys_mini.cpu.simd import WIDTH, fma, splat
from llaisys_mini.inspect.timing import seconds  # shortest of several runs

# %% [markdown]
# ## 1. Where the time goes
#
# We take the profile (lecture 00) of a naive decoder, whose `linear` is three plain loops, in two phases: *prefill* reads a prompt of 128
# tokens at once, *decode* writes one token after the other. The clocks count *processor time*, so that other programs hardly matter.


# %%
@njit
def three_loops(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0)
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
            out[n, m] = total


# %% jupyter={"source_hidden": true}
def profiled(model, linear, **settings):
    return profile_model(
        model, kernels={"linear": linear}, dtype="float32", runs=1, new_tokens=4,
        clock=time.process_time, **settings
    )  # fmt: skip


# %% [markdown]
# > **Predict, then run.** The shipped model makes 15 operator calls in each of its layers, 7 of them `linear`. Which share of the time of
# > prefill is `linear`: a third, half, or more? Is it more or less in decode?

# %%
small = profiled("mini", three_loops)
show_profiles({"shipped model": small})

# %% [markdown]
# > **The common guess**, a third or a half, counts calls. But a call of `linear` reads a whole matrix, and a norm reads one row.
#
# In prefill most is `linear`. In decode of this small model it is less than half: its calls are so short that much of the time goes into the
# Python code that makes them. Real models are larger. The same for the shape of Qwen3-0.6B, with random weights (2 of its 28 layers are
# run, their times scaled):

# %%
SHAPE = "shape:qwen3-0.6b"
before = profiled(SHAPE, three_loops, layers=2)
show_profiles({"Qwen3-0.6B's shape": before})

# %% [markdown]
# So this lecture is about `linear`: $\text{out}[n, m] = \sum_k x[n, k]\, w[m, k]$, the *matrix product* $X W^T$ of N tokens [N, K] and
# the weights of M outputs [M, K]. Our shape is one of this model's: N = 128, K = 1024, M = 3072.

# %% [markdown]
# ## 2. Count first
#
# Each of the $NM$ results takes $K$ multiplications and $K$ additions: $2NMK$ *floating-point operations* (FLOP). At the least, each
# number of $X$ and $W$ is read once and each result written once: $4\,(NK + MK + NM)$ bytes in float32. FLOP per byte is the
# *arithmetic intensity*.


# %%
def flops(n, k, m):
    return 2 * n * k * m


def intensity(n, k, m):
    return flops(n, k, m) / (4 * (n * k + k * m + n * m))


for n, phase in ((1, "decode"), (128, "prefill")):
    work, ratio = flops(n, 1024, 3072) / 1e6, intensity(n, 1024, 3072)
    print(f"{phase:7s} N = {n:3d}: {work:6.1f} MFLOP, {ratio:5.1f} FLOP per byte")

# %% [markdown]
# In decode each weight is used once, in prefill once for every token.
#
# ## 3. The two roofs of this machine
#
# Two things can limit a kernel: how fast a core computes, and how fast memory delivers. We measure both, for one core, in
# folded cells.
#
# - **Arithmetic.** A *fused multiply-add* (FMA) computes $x a + b$ for all `WIDTH` numbers of a SIMD register (lecture 08) in one
#   instruction: $2 \cdot$ `WIDTH` FLOP. Its result comes some cycles later, so one chain of them would wait. Ten chains side by
#   side keep the core busy.
# - **Memory.** *Bandwidth* is the bytes moved per second. We add up arrays of many sizes, with eight sums side by side. Each
#   begins where a cache line begins, since a load across two lines costs two.


# %% jupyter={"source_hidden": true}
@njit
def step(x):
    return fma(x, splat(np.float32(0.999)), splat(np.float32(0.001)))


@njit
def multiply_adds(steps):
    """Ten registers, each multiplied and added to `steps` times; none waits for another."""
    a = b = c = d = e = splat(np.float32(1))
    f = g = h = i = j = splat(np.float32(2))
    for _ in range(steps):
        a, b, c, d, e = step(a), step(b), step(c), step(d), step(e)
        f, g, h, i, j = step(f), step(g), step(h), step(i), step(j)
    first = simd.add(simd.add(simd.add(a, b), simd.add(c, d)), e)
    second = simd.add(simd.add(simd.add(f, g), simd.add(h, i)), j)
    return simd.total(simd.add(first, second))


@njit
def sum_of(x, times):
    """The sum of x, `times` times over; its length is a multiple of eight registers."""
    a = b = c = d = e = f = g = h = splat(np.float32(0))
    for _ in range(times):
        for k in range(0, x.size, 8 * WIDTH):
            a, b = simd.add(a, simd.load(x, k)), simd.add(b, simd.load(x, k + WIDTH))
            c = simd.add(c, simd.load(x, k + 2 * WIDTH))
            d = simd.add(d, simd.load(x, k + 3 * WIDTH))
            e = simd.add(e, simd.load(x, k + 4 * WIDTH))
            f = simd.add(f, simd.load(x, k + 5 * WIDTH))
            g = simd.add(g, simd.load(x, k + 6 * WIDTH))
            h = simd.add(h, simd.load(x, k + 7 * WIDTH))
    left = simd.add(simd.add(a, b), simd.add(c, d))
    return simd.total(simd.add(left, simd.add(simd.add(e, f), simd.add(g, h))))


def aligned(count):
    """`count` ones in float32, beginning at a multiple of 64 bytes."""
    memory = np.ones(count + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + count]


# %% jupyter={"source_hidden": true}
peak = 2 * WIDTH * 10 * 100_000 / seconds(multiply_adds, 100_000, repeats=20)
sizes = 2 ** np.arange(12, 28)  # bytes
rates = []
for size in sizes:
    numbers, times = aligned(size // 4), max(1, 2**22 // int(size))
    rates.append(size * times / seconds(sum_of, numbers, times, repeats=7))
near, bandwidth = max(rates[:3]), rates[-1]
print(f"arithmetic: {peak / 1e9:.0f} GFLOP/s for one core")
print(f"nearest cache: {near / 1e9:.0f} GB/s, {sizes[-1] >> 20} MiB: {bandwidth / 1e9:.0f} GB/s")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.8)
axis.semilogx(sizes / 1024, np.array(rates) / 1e9, "o-", base=2)
axis.set(xlabel="size of the array [KiB]", ylabel="read speed [GB/s]", ylim=(0, None))
axis.set_title("the staircase: how fast one core can read what it read before")
axis.set_xticks([4, 32, 256, 2048, 16384, 131072], ["4", "32", "256", "2,048", "16,384", "131,072"])
axis.grid()
plots.show(
    fig,
    alt=f"Read speed of one core against the size of the array: {near / 1e9:.0f} gigabytes per second for "
    f"arrays that fit the nearest cache, falling in steps to {bandwidth / 1e9:.0f} for "
    f"{sizes[-1] >> 20} MiB.",
)

# %% [markdown]
# Each step down is a level of cache that the array no longer fits: L1 (tens of KiB), L2 (up to a few MiB), L3 (shared by the
# cores), then memory. A kernel of intensity $I$ cannot exceed $\min(\text{peak},\; I \cdot \text{bandwidth})$: this is the *roofline*
# (Williams et al., 2009), one for each level, with the bytes asked of that level. Section 8 draws it.
#
# ## 4. First step: the order of three loops
#
# Take $C = AB$ with $B$ stored $[K, M]$, the operator `matmul`. The loops may stand in any order; the additions are the same.


# %%
@njit
def loops_ijk(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


@njit
def loops_ikj(a, b, c):
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


# %% [markdown]
# `measure`, folded, compares each version with NumPy's result in float64, then times it, on one core unless it says otherwise. The
# first steps take 96 of the outputs: their weights, 384 KiB, fit the second cache of a core.

# %%
N, K, M = 128, 1024, 3072
rng = np.random.default_rng(0)
x = rng.normal(size=(N, K)).astype(np.float32)  # tokens
w = (rng.normal(size=(M, K)) / 32).astype(np.float32)  # weights
piece = w[:96]  # [96, K]
transposed = np.ascontiguousarray(piece.T)  # [K, 96], as matmul wants it

# %% jupyter={"source_hidden": true}
exact = x.astype(np.float64) @ w.T.astype(np.float64)
speed = {}


def measure(name, kernel, right, repeats=3, clock=time.thread_time, cores=1):
    """Print GFLOP/s of one of the products x @ w.T or x @ piece.T, and keep it in `speed`."""
    c = np.zeros((N, right.size // K), np.float32)
    kernel(x, right, c)
    assert np.abs(c - exact[:, : c.shape[1]]).max() < 1e-3, name
    taken = seconds(kernel, x, right, c, repeats=repeats, clock=clock)
    speed[name] = flops(N, K, c.shape[1]) / taken / 1e9
    share = 1e9 * speed[name] / (peak * cores)
    print(f"{name:24s} {speed[name]:6.1f} GFLOP/s, {share:5.1%} of the peak of {cores} core(s)")


# %% [markdown]
# > **Predict, then run.** Arrays are stored row by row. Which array does the innermost loop walk with stride 1, in the order $ijk$? In
# > $ikj$? By how much will they differ: 2, 10 or 50 times?

# %%
measure("matmul, ijk", loops_ijk, transposed, repeats=1)
measure("matmul, ikj", loops_ikj, transposed)

# %% [markdown]
# > **The common guess**, 2 times, counts multiply-adds, of which both orders have the same number. What differs is how much of each cache
# > line is used, and whether neighbours can be computed side by side.
#
# About 10 times here. With $k$ inside, only $A$ is walked with stride 1; down a column of $B$ each access takes a new line to use 4 of its 64
# bytes. With $j$ inside, $B$ and $C$ are walked with stride 1: each line is used whole, and the compiler can use SIMD.
#
# For each multiply-add, $ikj$ still loads a number of B and one of C, and stores the latter. Take four k at a time, and each load and
# store of C serves four multiply-adds:


# %%
@njit(fastmath=True)
def four_k(a, b, c):
    c[:] = 0
    for i in range(a.shape[0]):
        row = c[i]
        for k in range(0, a.shape[1], 4):
            a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
            for j in range(row.size):
                row[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]


measure("matmul, four k", four_k, transposed)

# %% [markdown]
# What that gains differs between machines.
#
# ## 5. `linear`: the weights already lie as they should
#
# `linear` has its weights as $[M, K]$. Each output is the product of a *row* of x and a *row* of w, and its sum stays in a register.
# To copy a matrix into the order in which it will be read is called *packing*; these weights were packed when they were saved.
#
# What is left is the order of the two outer loops. For each n, all of w is read; for each m, all of x, 0.5 MB. We take the piece of
# 384 KiB again, then all weights, 12 MB.


# %%
@njit(fastmath=True)
def dot(x, y):
    total = np.float32(0)
    for k in range(x.size):
        total += x[k] * y[k]
    return total


@njit
def tokens_outside(x, w, c):
    for n in range(x.shape[0]):
        for m in range(w.shape[0]):
            c[n, m] = dot(x[n], w[m])


@njit
def weights_outside(x, w, c):
    for m in range(w.shape[0]):
        for n in range(x.shape[0]):
            c[n, m] = dot(x[n], w[m])


# %%
measure("linear, n outside, piece", tokens_outside, piece)
measure("linear, n outside", tokens_outside, w)
measure("linear, m outside", weights_outside, w)

# %% [markdown]
# With n outside, all of w is read 128 times: the piece comes from L2, all 12 MB come from further away. With m outside, a row of w
# (4 KiB) stays in the nearest cache while x is read, and x about fits L2.
#
# ## 6. A register tile
#
# Each multiply-add still loads two numbers. Compute a block of 3 × 4 outputs at once, a *register tile*, and 3 + 4 loads serve 12
# multiply-adds:

# %% jupyter={"source_hidden": true}
from matplotlib.patches import Rectangle

fig, axis = plots.figure(width=7.2, height=3.1)


def box(axis, column, row, text, colour, alpha=1.0, wide=1.0, high=1.0):
    axis.add_patch(
        Rectangle((column, row), wide, high, facecolor=colour, alpha=alpha, edgecolor=plots.BLACK)
    )
    axis.text(column + wide / 2, row + high / 2, text, ha="center", va="center", fontsize=9.5)


for j in range(4):
    box(axis, 2 + 1.2 * j, 0, f"w{j}[k]", plots.ORANGE, 0.45, 1.1, 0.8)
for i in range(3):
    box(axis, 0.6, 1.2 + i, f"x{i}[k]", plots.SKY, 0.55, 1.1, 0.8)
    for j in range(4):
        box(axis, 2 + 1.2 * j, 1.2 + i, f"s{i}{j}", plots.GREEN, 0.25, 1.1, 0.8)
axis.text(7.1, 0.4, "4 loads", va="center")
axis.text(1.15, 4.5, "3 loads", ha="center")
axis.text(7.1, 2.6, "12 sums,\neach a register of\nseveral numbers", va="center")
axis.set(xlim=(0.4, 9.6), ylim=(4.8, -0.3))
axis.axis("off")
plots.show(
    fig,
    alt="A block of three rows of x and four rows of w. For each k three numbers of x and four of w are loaded, "
    "and each of the twelve sums in registers gets one product.",
)

# %%
for rows, columns in [(1, 1), (1, 4), (3, 4), (6, 8)]:
    loads, sums = rows + columns, rows * columns
    print(f"{rows} x {columns}: {loads / sums:.2f} loads per multiply-add, {sums:2d} sums")

# %% [markdown]
# A core has 16 or 32 SIMD registers. Twelve sums, three numbers of x and one of w fit 16. Of 48 sums many would lie in memory,
# to be loaded and stored at each addition (*register spilling*).


# %%
@njit(fastmath=True)
def block_3_by_4(x0, x1, x2, y0, y1, y2, y3, c, n, m):
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(x0.size):
        a0, a1, a2 = x0[k], x1[k], x2[k]
        b0, b1, b2, b3 = y0[k], y1[k], y2[k], y3[k]
        s00, s01, s02, s03 = s00 + a0 * b0, s01 + a0 * b1, s02 + a0 * b2, s03 + a0 * b3
        s10, s11, s12, s13 = s10 + a1 * b0, s11 + a1 * b1, s12 + a1 * b2, s13 + a1 * b3
        s20, s21, s22, s23 = s20 + a2 * b0, s21 + a2 * b1, s22 + a2 * b2, s23 + a2 * b3
    c[n, m], c[n, m + 1], c[n, m + 2], c[n, m + 3] = s00, s01, s02, s03
    c[n + 1, m], c[n + 1, m + 1], c[n + 1, m + 2], c[n + 1, m + 3] = s10, s11, s12, s13
    c[n + 2, m], c[n + 2, m + 1], c[n + 2, m + 2], c[n + 2, m + 3] = s20, s21, s22, s23


# %% jupyter={"source_hidden": true}
@njit
def four_columns(x, w, c, m, first, last):
    """Outputs m to m + 3 of rows `first` up to `last`, not included; rows left over one by one."""
    whole = last - (last - first) % 3
    for n in range(first, whole, 3):
        block_3_by_4(x[n], x[n + 1], x[n + 2], w[m], w[m + 1], w[m + 2], w[m + 3], c, n, m)
    for n in range(whole, last):
        for column in range(m, m + 4):
            c[n, column] = dot(x[n], w[column])


# %% [markdown]
# `four_columns`, folded, calls it for all rows of x, three at a time.


# %%
@njit
def in_registers(x, w, c):
    for m in range(0, w.shape[0], 4):
        four_columns(x, w, c, m, 0, x.shape[0])


measure("linear, 3 x 4 block", in_registers, w)

# %% [markdown]
# (3072 is a multiple of 4; the lab's kernel has to treat edges too.) Where registers hold 16 numbers the compiler often uses half of
# each, and then half of the peak is out of reach for plain loops. Libraries write their innermost loop by hand.
#
# ## 7. Tiles for the cache
#
# A *tile* does for a cache what the block does for registers: cut the matrices into pieces that fit, and do all the work on one
# piece before the next comes. How large may it be? We build a cache (folded) and count its *misses*, the accesses to a line that is not
# there. It has room for 32 lines of 64 bytes; when it is full, the line not used for the longest time is dropped. The matrices are
# [48, 48], three lines a row, multiplied in the order $ikj$: three loops over tiles of side T, and inside them three loops over the numbers of a
# tile.


# %% jupyter={"source_hidden": true}
@njit
def miss(address, lines, last_use, now):
    """1 if the line of this address is not in the cache, else 0; it is there afterwards."""
    oldest = 0
    for place in range(lines.size):
        if lines[place] == address // 64:
            last_use[place] = now
            return 0
        if last_use[place] < last_use[oldest]:
            oldest = place
    lines[oldest], last_use[oldest] = address // 64, now
    return 1


SIDE, ROOM = 48, 32


@njit
def misses(tile):
    lines, last_use, now, count = np.full(ROOM, -1), np.zeros(ROOM, np.int64), 0, 0
    for i0 in range(0, SIDE, tile):
        for k0 in range(0, SIDE, tile):
            for j0 in range(0, SIDE, tile):
                for i in range(i0, min(i0 + tile, SIDE)):
                    for k in range(k0, min(k0 + tile, SIDE)):
                        for j in range(j0, min(j0 + tile, SIDE)):
                            a, b, c = i * SIDE + k, k * SIDE + j, i * SIDE + j
                            for number in (a, SIDE * SIDE + b, 2 * SIDE * SIDE + c):
                                now += 1
                                count += miss(4 * number, lines, last_use, now)
    return count


def lines_of_tile(tile):
    """The most lines that a tile of B touches: a piece of a row may begin inside a line."""
    ends = [(start, min(start + tile, SIDE)) for start in range(0, SIDE, tile)]
    return tile * max((last - 1) // 16 - first // 16 + 1 for first, last in ends)


# %% [markdown]
# > **Predict, then run.** The cache holds 512 numbers. A tile of B with side 16 has 256, with side 20 it has 400. Which of the sides 12, 16,
# > 20 and 32 has the fewest misses, and which one is worse than no tiles at all?

# %% jupyter={"source_hidden": true}
counted = {tile: misses(tile) for tile in range(1, SIDE + 1)}
plain = counted[SIDE]
for tile in (8, 12, 14, 16, 17, 20, 32):
    touched = lines_of_tile(tile)
    print(f"T = {tile:2d}: {counted[tile]:6,d} misses, a tile of B touches {touched:2d} lines")
print(f"without tiles: {plain:,d} misses; each line once: {3 * 4 * SIDE * SIDE // 64}")

# %% jupyter={"source_hidden": true}
fig, (top, low) = plots.figure(2, 1, width=7.6, height=4.6, sharex=True)
tiles = np.array(list(counted))
values = np.array(list(counted.values()))
needed = np.array([lines_of_tile(tile) for tile in tiles])
fits = needed + 6 <= ROOM
top.plot(tiles, values, color=plots.GREY, linewidth=0.8)
top.plot(tiles[fits], values[fits], "o", color=plots.BLUE, label="its lines fit")
top.plot(tiles[~fits], values[~fits], "s", color=plots.VERMILION, label="they do not")
top.axhline(plain, color=plots.BLACK, linestyle="--", linewidth=1, label="no tiles")
top.set(ylabel="misses", ylim=(0, None))
top.legend(loc="lower right", ncols=3)
low.plot(tiles, needed, "o", color=plots.BLUE, markersize=4, label="lines of a tile of B")
low.plot(tiles, tiles**2 / 16, ":", color=plots.BLACK, label="its numbers / 16")
low.axhline(ROOM, color=plots.BLACK, linestyle="--", linewidth=1)
low.text(44, ROOM + 3, "the cache", fontsize=9)
low.set(xlabel="side T of a tile", ylabel="lines", xticks=range(0, 49, 4))
low.legend(loc="upper left")
plots.show(
    fig,
    alt="Above: simulated misses for every tile side from 1 to 48. They are low while the lines of a tile fit, "
    "lowest at 16, jump above the line of no tiles from 14 on, and dip again at 32. Below: the lines that a "
    "tile touches, up to twice its numbers divided by 16.",
)

# %% [markdown]
# > **The common guess**, 20, fills the cache with numbers. But it holds lines: a tile whose rows begin inside lines touches more than its
# > numbers would fill.
#
# Side 16 has the fewest; side 20 is worse than no tiles. What has to fit is the *lines* that a tile touches, with a few for the other two matrices.
# With T = 14 a tile of B has 196 numbers, less than half of the cache; but its rows begin inside lines, so it touches 28, and the lines of A and C
# no longer fit beside it. Tiles of side 16 and 32 begin where lines begin.
#
# **Tiles of tokens.** In our shape x, 0.5 MB, about fits L2. With 512 tokens and K = 3072, as in another `linear` of this model, x has
# 6 MB. So cut the tokens: a tile of T rows of x meets all rows of w before the next tile comes.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=8.6, height=3.3)
box(axis, 0, 0.6, "", plots.SKY, 0.15, 2.2, 3.2)
box(axis, 0, 1.4, "tile of x\nT rows", plots.SKY, 0.7, 2.2, 0.8)
box(axis, 3.4, 0, "", plots.ORANGE, 0.12, 2.2, 4.4)
box(axis, 3.4, 1.2, "4 rows of w", plots.ORANGE, 0.7, 2.2, 0.4)
box(axis, 6.8, 0.6, "", plots.GREEN, 0.1, 4.4, 3.2)
box(axis, 6.8, 1.4, "", plots.GREEN, 0.25, 4.4, 0.8)
box(axis, 8.0, 1.4, "", plots.GREEN, 0.7, 0.4, 0.8)
axis.text(8.55, 1.8, "T x 4 outputs", va="center", fontsize=9.5)
arrow = dict(arrowstyle="->", color=plots.VERMILION, linewidth=1.6)
axis.annotate("", (3.2, 4.2), (3.2, 0.3), arrowprops=arrow)
axis.annotate("", (11.1, 1.28), (6.9, 1.28), arrowprops=arrow)
for left, name in ((0, "x [N, K]: stays in L2"), (3.4, "w [M, K]: passes by"), (6.8, "out [N, M]")):
    axis.text(left, -0.25, name, fontsize=10)
axis.text(3.4, 4.75, "all of w once for each tile", fontsize=9, color=plots.VERMILION)
axis.set(xlim=(-0.2, 11.6), ylim=(5.0, -0.6))
axis.axis("off")
plots.show(
    fig,
    alt="The walk of a tile: T rows of x stay in the cache while all rows of w pass by, four at a time, and fill "
    "a strip of T rows of the output from left to right. Then the next tile begins.",
)


# %%
@njit
def in_tiles(x, w, c, tile):
    for first in range(0, x.shape[0], tile):
        last = min(first + tile, x.shape[0])
        for m in range(0, w.shape[0], 4):
            four_columns(x, w, c, m, first, last)


# %% jupyter={"source_hidden": true}
long_x, down = (rng.normal(size=shape).astype(np.float32) for shape in ((512, 3072), (1024, 3072)))
long_out, by_tile = np.zeros((512, 1024), np.float32), {}
for tile in (6, 12, 24, 48, 96, 192, 512):
    taken = seconds(in_tiles, long_x, down, long_out, tile, repeats=2)
    by_tile[tile] = flops(512, 3072, 1024) / taken / 1e9
    print(f"T = {tile:3d}, {tile * 3072 / 2**18:5.2f} MiB: {by_tile[tile]:5.1f} GFLOP/s")

# %% [markdown]
# Small tiles fetch w too often; large ones come from L3. T = 512, no tiles at all, was hardly slower than the best here. Each number of x
# serves 8 FLOP of the block, 2 for each byte: 36 GFLOP/s ask for 18 GB/s, which L3 can deliver.
#
# ## 8. Threads
#
# Groups of four columns do not depend on each other, so the cores share them. Now we take wall-clock time (run this cell when the
# machine is idle), and compare with the peak of as many cores.


# %%
@njit(parallel=True)
def on_all_cores(x, w, c):
    for group in prange(w.shape[0] // 4):
        four_columns(x, w, c, 4 * np.intp(group), 0, x.shape[0])


def openblas(x, w, c):
    np.matmul(x, w.T, out=c)


cores = numba.get_num_threads()
shared = dict(repeats=40, clock=time.perf_counter, cores=cores)
measure("3 x 4 block, threads", on_all_cores, w, **shared)
measure("OpenBLAS (NumPy)", openblas, w, **shared)
times = speed["3 x 4 block, threads"] / speed["linear, 3 x 4 block"]
print(f"{cores} threads: {times:.1f} times the speed of one")

# %% [markdown]
# Now all steps on one core under one roof. We count what an inner loop asks of the nearest cache, L1, for one multiply-add
# (Ilic et al., 2014):
#
# | inner loop | numbers loaded or stored |
# |---|---|
# | $ijk$ | 4: three loads, one store |
# | $ikj$ | 3: `a[i, k]` stays in a register |
# | four k at a time | 6/4 |
# | `dot` | 2 |
# | 3 × 4 block | 7/12 |

# %% jupyter={"source_hidden": true}
ASKED = {
    "matmul, ijk": 4, "matmul, ikj": 3, "matmul, four k": 6 / 4, "linear, n outside": 2,
    "linear, m outside": 2, "linear, 3 x 4 block": 7 / 12,
}  # fmt: skip
fig, axis = plots.figure(width=8.6, height=4.4)
at = np.array([0.08, 0.2, 1, 3, 10])
for rate, name, style, colour in (
    (near, "L1 cache", "-", plots.BLACK), (bandwidth, "memory", "--", plots.GREY),
):  # fmt: skip
    words = f"{name}: {rate / 1e9:.0f} GB/s"
    ridge = peak / rate
    corners = np.array([0.08, ridge, 10]) if ridge < 10 else np.array([0.08, 10])
    axis.loglog(corners, np.minimum(peak, corners * rate) / 1e9, style, color=colour, label=words)
for (name, numbers), marker, colour in zip(
    ASKED.items(), plots.MARKERS, plots.COLOURS, strict=False
):
    axis.plot(
        2 / (4 * numbers), speed[name], marker, color=colour, markersize=9, linestyle="none",
        label=f"{name}, {speed[name]:.3g}",
    )  # fmt: skip
axis.set(xlabel="FLOP per byte asked of L1", ylabel="speed of one core [GFLOP/s]", xlim=(0.08, 10))
axis.grid()
fig.legend(loc="outside right center")
plots.show(
    fig,
    alt="Rooflines of L1 and of memory for one core, with a point for each step. "
    + ", ".join(f"{name} {speed[name]:.3g}" for name in ASKED)
    + " gigaflops; the points move up and to the right.",
)

# %% [markdown]
# A step moves a point in one of two ways, or in both:
#
# - *Up*: as many loads, but from nearer by (a better order of loops, tiles) or of several numbers at once (SIMD).
# - *To the right*: fewer loads (four k at a time, sums in registers, register tiles).
#
# **A worked error.** A report says: "on two threads, our kernel reaches 110 GFLOP/s, 85 % of the peak of 130." But 130 was measured
# with one thread. Two cores have a peak of 260, so the kernel reaches only 42 %. Ask of both numbers: how many cores, which clock?

# %% [markdown]
# ## 9. What it gives the model
#
# The profile of the beginning, with the register tile in place of three loops, in processor time.


# %%
@njit
def linear_of_this_lecture(x, weight, bias, out):
    in_registers(x, weight, out)


after = profiled(SHAPE, linear_of_this_lecture, layers=2)
show_profiles({"three loops": before, "3 x 4 block": after})
for phase in ("prefill", "decode"):
    gain = getattr(before, phase).seconds / getattr(after, phase).seconds
    print(f"{phase}: {gain:.1f} times as fast, on one core")

# %% [markdown]
# Prefill gains most. (Part of it is `fastmath`: three loops add one number at a time.) In decode each weight is used once, so a faster
# memory or smaller weights are needed.

# %% [markdown]
# ## 10. What libraries do, in five ideas
#
# **BLAS.** The *Basic Linear Algebra Subprograms* (Lawson et al., 1979; Dongarra et al., 1990) are an interface of three levels. Only in the
# third do the operations per number grow with n, so only there can tiles help much:
#
# | level | example | operations | numbers | operations per number |
# |---|---|---|---|---|
# | 1 | $y + a x$ | $2n$ | $3n$ | below 1 |
# | 2 | matrix times vector: decode | $2n^2$ | $n^2$ | 2 |
# | 3 | matrix times matrix: prefill | $2n^3$ | $3n^2$ | $\tfrac{2}{3} n$ |
#
# **A bound.** No order of the multiply-adds of an $n \times n$ product moves fewer numbers between memory and a cache of $S$ numbers than
# a constant times $n^3 / \sqrt{S}$ (Hong and Kung, 1981). Tiles of side $\sqrt{S/3}$, three of which fill the cache, move
# $2 n^3 / \sqrt{S/3}$ numbers of A and B and $2n^2$ of C: optimal up to a constant factor. For the simulated cache of section 7:


# %% jupyter={"source_hidden": true}
n, room = SIDE, 16 * ROOM  # in numbers
bound, tile = n**3 / np.sqrt(room), 16
moved = 2 * n**3 / tile + 2 * n**2
print(f"n^3 / sqrt(S) = {bound:,.0f} numbers; tiles of {tile} move {moved:,.0f} by this count")
print(f"the simulated cache moved {16 * counted[tile]:,d} (without tiles {16 * plain:,d})")

# %% [markdown]
# **Five loops.** GotoBLAS and BLIS (Goto and van de Geijn, 2008; Van Zee and van de Geijn, 2015) have a tile for every level of memory: a
# panel of one matrix for L3, a block of the other for L2, a sliver for L1, each packed so that it is read with stride 1. Three loops
# walk over these pieces, two over register tiles; inside, the *micro-kernel* is the loop over k.

# %% jupyter={"source_hidden": true}
LOOPS = [
    ("1  over columns, by thousands", "panel of w: L3", plots.PURPLE),
    ("2  over k, by hundreds", "pack the panel", plots.ORANGE),
    ("3  over rows, by hundreds", "block of x: L2, packed", plots.SKY),
    ("4  over columns, by 4", "sliver of w: L1", plots.GREEN),
    ("5  over rows, by 3", "block of sums: registers", plots.VERMILION),
    ("micro-kernel: over k, one by one", "12 multiply-adds for 7 loads", plots.GREY),
]
fig, axis = plots.figure(width=8.2, height=3.7)
for depth, (loop, keeps, colour) in enumerate(LOOPS):
    for face, alpha in ((plots.CARD, 1), (colour, 0.3)):
        box(axis, 0.35 * depth, depth, "", face, alpha, 9.4 - 0.7 * depth, 11.4 - 2 * depth)
    axis.text(0.35 * depth + 0.12, depth + 0.55, loop, va="center", fontsize=9.5)
    axis.text(9.25 - 0.35 * depth, depth + 0.55, keeps, va="center", ha="right", fontsize=9)
axis.set(xlim=(-0.1, 9.6), ylim=(11.6, -0.2))
axis.axis("off")
plots.show(
    fig,
    alt="Five nested loops, drawn as nested boxes: over columns by thousands, over k by hundreds, over rows by "
    "hundreds, over columns by 4, over rows by 3, and inside the micro-kernel over k. Each names the level of "
    "memory that its piece stays in.",
)

# %% [markdown]
# **Schedules.** Halide and TVM (Ragan-Kelley et al., 2013; Chen et al., 2018) separate *what* is computed from the *schedule*, which says
# in what order. This lecture in their words: *reorder* (section 4), packing (5), *vectorise* (`fastmath`), *unroll* (6), *tile* (7),
# *parallel* (8).
#
# **Tuning.** There are too many schedules to try. So a *cost model* predicts, and only the best few are measured. Ours adds two times.
# Arithmetic goes at the speed that the block reaches when all is near. Reading goes at the speed of the staircase: x is read for each
# group of four columns, from where a tile of x fits; w once for each tile, from where w fits. The two overlap, so the predicted
# speeds are too low. What matters is their order, which is uncertain where they differ little:

# %% jupyter={"source_hidden": true}
small_x, small_w = long_x[:24, :512].copy(), down[:64, :512].copy()
near_block = seconds(in_tiles, small_x, small_w, np.zeros((24, 64), np.float32), 24)
near_speed = flops(24, 512, 64) / near_block


def predicted(tile):
    """Seconds that in_tiles takes, if no reading is hidden behind arithmetic."""
    x_bytes, w_bytes = long_x.nbytes, down.nbytes
    x_rate, w_rate = np.interp([x_bytes * tile / 512, w_bytes], sizes, rates)
    reading = 1024 / 4 * x_bytes / x_rate + 512 / tile * w_bytes / w_rate
    return flops(512, 3072, 1024) / near_speed + reading


for tile, measured in by_tile.items():
    guess = flops(512, 3072, 1024) / predicted(tile) / 1e9
    print(f"T = {tile:3d}: predicted {guess:5.1f} GFLOP/s, measured {measured:5.1f}")
best = sorted(by_tile, key=predicted)[:2]
print(f"the model would have us measure T = {best[0]} and {best[1]} only")

# %% [markdown]
# ## 11. With pencil and paper
#
# **1.** A core does 64 GFLOP/s and reads 16 GB/s from memory. A `linear` of decode has M = K = 4096 and weights of 16 bits. How long does
# it take at best? From how many rows of x on does arithmetic decide?
#
# <details><summary>Answer</summary>
#
# The weights have 2 · 4096² bytes = 33.6 MB: 2.1 ms. The arithmetic, 2 · 4096² = 33.6 MFLOP a row, takes 0.52 ms. Memory decides. N rows
# take 0.52 N ms while the weights still come once: with N = 4 both take 2.1 ms, with more rows arithmetic decides.
#
# </details>
#
# **2.** A tile of 20 × 20 float32 numbers is part of a matrix whose rows are a multiple of 16 numbers long. How many lines of 64 bytes
# does it touch if it begins at column 0? At column 30?
#
# <details><summary>Answer</summary>
#
# From column 0, a piece of a row covers numbers 0 to 19: two lines, so 40. From column 30 it covers 30 to 49: three lines, so 60. By its
# numbers alone it would be 25.
#
# </details>

# %% [markdown]
# ## The answer
#
# - A profile says what to make faster: in prefill it is `linear`, and in a small model's decode it is not.
# - Arithmetic or memory is the limit. The arithmetic stays the same; what differs is how often a number is fetched, and from where.
# - Each step makes one fetch serve more often: a better order (a whole line), four k or a register tile (several multiply-adds), a tile
#   (many rows). Threads multiply what one core achieves.
# - What must fit a cache is counted in lines.
#
# ## Sources
#
# - S. Williams, A. Waterman, D. Patterson (2009), [Roofline](https://doi.org/10.1145/1498765.1498785): a visual performance model.
# - A. Ilic, F. Pratas, L. Sousa (2014), [Cache-aware roofline model: upgrading the loft](https://doi.org/10.1109/L-CA.2013.6):
#   a roof for each level of cache.
# - K. Goto, R. van de Geijn (2008), [Anatomy of high-performance matrix multiplication](https://doi.org/10.1145/1356052.1356053).
# - F. Van Zee, R. van de Geijn (2015), [BLIS: a framework for rapidly instantiating BLAS functionality](https://doi.org/10.1145/2764454).
# - M. Lam, E. Rothberg, M. Wolf (1991), [The cache performance and optimizations of blocked algorithms](https://doi.org/10.1145/106972.106981).
# - J. Hong, H. Kung (1981), [I/O complexity: the red-blue pebble game](https://doi.org/10.1145/800076.802486).
# - C. Lawson and others (1979), [Basic linear algebra subprograms for Fortran usage](https://doi.org/10.1145/355841.355847);
#   J. Dongarra and others (1990), [A set of level 3 basic linear algebra subprograms](https://doi.org/10.1145/77626.79170).
# - J. Ragan-Kelley and others (2013), [Halide](https://doi.org/10.1145/2491956.2462176);
#   T. Chen and others (2018), [TVM](https://arxiv.org/abs/1802.04799): schedules apart from what is computed.
#
# ## Go on
#
# In [lab 09 matmul](../labs/09_matmul/09_matmul.ipynb) these steps are yours to write, and the model reads with them. Then:
# [10 Matmul on a GPU](10_matmul_gpu.ipynb).
