# %% [markdown]
# # 09 · Matmul on a CPU
#
# **Question:** a product of matrices is three nested loops. Why is one program a hundred times faster than another that does the same additions?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [05 Normalisation](05_normalisation.ipynb) | strides and cache lines (lecture 06), SIMD (lecture 05) | 25 minutes | [09 matmul](../labs/09_matmul/09_matmul.ipynb) | [10 Matmul on a GPU](10_matmul_gpu.ipynb) |

# %%
import time
from collections import OrderedDict

import numba
import numpy as np
from ipywidgets import interact
from numba import njit, prange

from llaisys_mini import operators, plots
from llaisys_mini.cpu import simd
from llaisys_mini.cpu.simd import WIDTH, fma, splat
from llaisys_mini.inspect.timing import (
    seconds,  # shortest of several runs, processor time of this thread
)

# %% [markdown]
# ## 1. Count first
#
# $$\underbrace{C}_{N\times M} = \underbrace{A}_{N\times K}\;\underbrace{B}_{K\times M}, \qquad C_{ij} = \sum_{k} A_{ik} B_{kj}$$
#
# Each of the $NM$ results takes $K$ multiplications and $K$ additions: $2NMK$ *floating-point operations* (FLOP). At the least, each
# number of $A$ and $B$ is read once and each of $C$ written once: $4\,(NK + KM + NM)$ bytes in float32.
# Their quotient, FLOP per byte, is the *arithmetic intensity*.


# %%
def flops(n, k, m):
    return 2 * n * k * m


def intensity(n, k, m):
    return flops(n, k, m) / (4 * (n * k + k * m + n * m))


for n in (1, 8, 64, 512):
    work, ratio = flops(n, 1024, 1024) / 1e6, intensity(n, 1024, 1024)
    print(f"[{n:3d}, 1024] @ [1024, 1024]: {work:6.1f} MFLOP, {ratio:5.1f} FLOP per byte")

# %% [markdown]
# With one row (a model that writes one token) each weight is read and used once. With many rows (a model that reads a text) each
# weight is used for every row. The same operator lives in two worlds.

# %% [markdown]
# ## 2. The roofline of this machine
#
# Two things can limit a kernel: how fast the core computes, and how fast memory delivers. We measure both, for one core.
#
# **Arithmetic.** A SIMD register holds `WIDTH` numbers (lecture 05). `fma(x, a, b)` computes $x a + b$ for all of them in one instruction,
# a *fused multiply-add*: $2 \cdot$ `WIDTH` FLOP. Its result comes some cycles later, so a chain of them would wait. Ten chains side by
# side keep the core busy. `splat` fills a register with one number, `simd.total` adds up what is in it.


# %%
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


# %% [markdown]
# **Memory.** The sum of an array that is much larger than the caches, four registers at a time.


# %%
@njit
def sum_of(x, times):
    """The sum of x, computed `times` times; its length is a multiple of four registers."""
    a = b = c = d = splat(np.float32(0))
    for _ in range(times):
        for k in range(0, x.size, 4 * WIDTH):
            a = simd.add(a, simd.load(x, k))
            b = simd.add(b, simd.load(x, k + WIDTH))
            c = simd.add(c, simd.load(x, k + 2 * WIDTH))
            d = simd.add(d, simd.load(x, k + 3 * WIDTH))
    return simd.total(simd.add(simd.add(a, b), simd.add(c, d)))


large = np.ones(48_000_000, np.float32)
peak = 2 * WIDTH * 10 * 100_000 / seconds(multiply_adds, 100_000, repeats=20)
bandwidth = large.nbytes / seconds(sum_of, large, 1)
print(f"arithmetic: {peak / 1e9:.0f} GFLOP/s   memory: {bandwidth / 1e9:.1f} GB/s")
print(f"their quotient: {peak / bandwidth:.0f} FLOP per byte")

# %% [markdown]
# A kernel of intensity $I$ cannot exceed $\min(\text{peak},\; I \cdot \text{bandwidth})$. This is the *roofline* (Williams, Waterman and
# Patterson, 2009). Left of the corner memory decides, right of it arithmetic.


# %% jupyter={"source_hidden": true}
def draw_roof(axis, peak, bandwidth, name, low, style="-", colour=plots.BLACK):
    """A roof from an intensity of `low` to 1000 FLOP per byte."""
    x = np.array([low, peak / bandwidth, 1000])
    y = np.minimum(peak, x * bandwidth) / 1e9
    axis.loglog(x, y, style, color=colour, linewidth=1.5, label=name)
    axis.set(xlabel="arithmetic intensity [FLOP per byte]", ylabel="speed [GFLOP/s]")


in_words = f"peak {peak / 1e9:.0f} GFLOP/s, memory {bandwidth / 1e9:.0f} GB/s"
fig, axis = plots.figure(width=6.6)
draw_roof(axis, peak, bandwidth, in_words, low=0.1)
for n, marker, colour in zip((1, 8, 64, 512), plots.MARKERS, plots.COLOURS, strict=False):
    at = intensity(n, 1024, 1024)
    limit = min(peak, at * bandwidth) / 1e9
    axis.plot(at, limit, marker, color=colour, markersize=9, label=f"[{n}, 1024] @ [1024, 1024]")
axis.legend(loc="lower right")
axis.grid()
plots.show(
    fig,
    alt="The roofline of this machine: speed rises with arithmetic intensity up to a corner and is level "
    "beyond. One row lies on the slope, 64 and 512 rows under the level roof.",
)

# %% [markdown]
# So with many rows the roof is high. Three plain loops are far below it, as we shall see. For the rest, all matrices are [960, 960].

# %% [markdown]
# ## 3. The order of the loops
#
# The three loops may stand in any order. The additions are the same.


# %%
@njit
def loops_ijk(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


@njit
def loops_jki(a, b, c):
    for j in range(b.shape[1]):
        for k in range(a.shape[1]):
            for i in range(a.shape[0]):
                c[i, j] += a[i, k] * b[k, j]


@njit
def loops_ikj(a, b, c):
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


# %% [markdown]
# Every version is compared with NumPy's result in float64 before it is timed. Times are processor time of one thread.

# %%
n = 960
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, n, n)).astype(np.float32)
exact = a.astype(np.float64) @ b.astype(np.float64)
speed = {}


def measure(name, kernel, repeats=1, clock=time.thread_time):
    """Print GFLOP/s, and keep it in `speed`."""
    c = np.zeros((n, n), np.float32)
    kernel(a, b, c)
    assert np.abs(c - exact).max() < 1e-3, name
    taken = seconds(kernel, a, b, c, repeats=repeats, clock=clock)
    speed[name] = flops(n, n, n) / taken / 1e9
    share = 1e9 * speed[name] / peak
    print(f"{name:24s} {speed[name]:7.2f} GFLOP/s, {share:6.1%} of the peak")


# %% [markdown]
# > **Predict, then run.** Arrays are stored row by row. In which order does the innermost loop walk with stride 1? Which one
# > is fastest?

# %%
measure("jki", loops_jki)
measure("ijk", loops_ijk)
measure("ikj", loops_ikj, repeats=3)

# %% [markdown]
# With $k$ inside, $A$ is walked with stride 1 and $B$ with stride 960. With $i$ inside both $A$ and $C$ jump. With $j$ inside, all are walked
# with stride 1, and the compiler can use SIMD.

# %% [markdown]
# ## 4. Cache misses, simulated and counted
#
# The clock says what, not why. So we build a cache: it holds some lines of 64 bytes, and when it is full, the line that was
# not used for the longest time is evicted (*least recently used*). An access to a line that is not there is a *miss*. The
# cache has 2 kB and the matrices are [48, 48], 9 kB each: too large for it, as real matrices are for real caches.


# %%
class Cache:
    def __init__(self, size_in_bytes=2048):
        self.room, self.lines, self.misses = size_in_bytes // 64, OrderedDict(), 0

    def access(self, address):
        line = address // 64
        if line in self.lines:
            self.lines.move_to_end(line)
            return
        self.misses += 1
        self.lines[line] = True
        if len(self.lines) > self.room:
            self.lines.popitem(last=False)


SIDE = 48


def misses(steps, cache=None):
    """Misses when the multiply-adds (i, k, j) are done in this order."""
    cache = cache or Cache()
    matrix = 4 * SIDE * SIDE  # bytes; A, B and C lie one behind the other
    for i, k, j in steps:
        cache.access(4 * (i * SIDE + k))
        cache.access(matrix + 4 * (k * SIDE + j))
        cache.access(2 * matrix + 4 * (i * SIDE + j))
    return cache.misses


# %%
side = range(SIDE)
counted = {
    "jki": misses((i, k, j) for j in side for k in side for i in side),
    "ijk": misses((i, k, j) for i in side for j in side for k in side),
    "ikj": misses((i, k, j) for i in side for k in side for j in side),
}
least = 3 * 4 * SIDE * SIDE // 64
print(f"{SIDE**3:,d} multiply-adds; each line fetched once would be {least} misses")
for order, count in counted.items():
    print(f"{order}: {count:7,d} misses, {count / least:5.1f} times as many")

# %% [markdown]
# The order of speed is the order of misses. But even $ikj$ fetches $B$ again for each row of $A$.

# %% [markdown]
# ## 5. Tiles
#
# Cut the matrices into square *tiles* of side $T$, and multiply tile by tile. For each row of its tile of $A$ the inner loops pass through
# the whole tile of $B$. If that tile stays in the cache, with a row of the tile of $A$ and one of $C$, then it is fetched once for $T$ rows:
# each number of $B$ comes $n/T$ times, not $n$ times. What has to fit is $T^2 + 2T$ numbers.


# %%
def tiled_steps(tile):
    starts = range(0, SIDE, tile)
    return (
        (i, k, j)
        for i0 in starts
        for k0 in starts
        for j0 in starts
        for i in range(i0, min(i0 + tile, SIDE))
        for k in range(k0, min(k0 + tile, SIDE))
        for j in range(j0, min(j0 + tile, SIDE))
    )


# %% [markdown]
# > **Predict, then run.** The cache holds 512 numbers. Which tile side has the fewest misses: 4, 8, 16, 24 or 48?

# %%
sides = [4, 8, 16, 24, 48]
tiled = [misses(tiled_steps(tile)) for tile in sides]
for tile, count in zip(sides, tiled, strict=True):
    print(f"T = {tile:2d}: {count:6,d} misses; {tile * tile + 2 * tile:5,d} numbers, 512 fit")

# %% [markdown]
# The largest tile that fits is the best. One that does not fit is worse than no tiles at all:

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.6)
axis.semilogy(sides, tiled, "o-")
for (order, count), dashes in zip(counted.items(), (":", "-.", "--"), strict=True):
    axis.hlines(count, 4, 48, linestyle=dashes, color=plots.GREY)
    axis.text(49, count, order, va="center", fontsize=9)
axis.hlines(least, 4, 48, color=plots.VERMILION, linewidth=1)
axis.text(20, least * 1.1, "each line once", fontsize=9, color=plots.VERMILION)
axis.set(xlabel="side T of a tile", ylabel="cache misses", xticks=sides, xlim=(2, 53))
axis.set_title("in tiles (dots), and without")
plots.show(
    fig,
    alt="Simulated cache misses against the side of a tile. They fall up to a side of 16, the largest that "
    "fits, and rise beyond. The orders jki, ijk and ikj without tiles are drawn as lines, far above the "
    "least possible.",
)


# %%
@interact(tile=(2, 48, 2), cache_in_kB=[1, 2, 4, 8, 16])
def count_misses(tile=8, cache_in_kB=2):
    count = misses(tiled_steps(tile), Cache(1024 * cache_in_kB))
    print(f"tiles of side {tile}, cache of {cache_in_kB} kB: {count:,d} misses")


# %% [markdown]
# Now with the clock. One cut is enough to see it: 120 rows of $B$ (0.5 MB) are used by all rows of $A$ before the next 120 come. The
# innermost loop still runs along whole rows.


# %%
@njit
def add_scaled(out, factor, row):
    for j in range(out.size):
        out[j] += factor * row[j]


@njit
def in_tiles(a, b, c):
    tile = 120
    for k0 in range(0, a.shape[1], tile):
        for i in range(a.shape[0]):
            for k in range(k0, k0 + tile):
                add_scaled(c[i], a[i, k], b[k])


measure("ikj in tiles", in_tiles, repeats=3)

# %% [markdown]
# How much a cut gains depends on how large the caches are; here a real cache holds thousands of times more than ours.
# One thing no order of these loops changes: for each multiply-add a number of $C$ is loaded and stored. That is the next bottleneck.

# %% [markdown]
# ## 6. Packing and register blocks
#
# **Packing**: copy $B$ once into the order in which it will be read, here transposed. Then each result is a product of two rows, both with
# stride 1, and its sum stays in a register.


# %%
@njit(fastmath=True)
def dot(x, y):
    total = np.float32(0)
    for k in range(x.size):
        total += x[k] * y[k]
    return total


@njit
def packed(a, b, c):
    columns = np.ascontiguousarray(b.T)  # [M, K]: the packing is part of the time
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            c[i, j] = dot(a[i], columns[j])


measure("packed", packed, repeats=5)

# %% [markdown]
# Beside the worst order that is much, beside $ikj$ little or nothing. The stores are gone, but each multiply-add still loads two numbers, and all
# of $B$ passes by for each row of $A$.
#
# **Register blocks**: compute 3 × 4 results at once. Each step loads 3 numbers of $A$ and 4 of $B$ for 12 multiply-adds, in place of 2 loads
# for 1. It is the idea of the tile once more; the "cache" is now the registers.

# %%
for rows, columns in [(1, 1), (2, 2), (3, 4), (6, 8)]:
    loads, sums = rows + columns, rows * columns
    print(
        f"{rows} x {columns}: {loads / sums:.2f} loads for a multiply-add, {sums:2d} sums in registers"
    )


# %%
@njit(fastmath=True)
def block_3_by_4(x0, x1, x2, y0, y1, y2, y3, c, i, j):
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = s20 = s21 = s22 = s23 = np.float32(0)
    for k in range(x0.size):
        a0, a1, a2 = x0[k], x1[k], x2[k]
        b0, b1, b2, b3 = y0[k], y1[k], y2[k], y3[k]
        s00, s01, s02, s03 = s00 + a0 * b0, s01 + a0 * b1, s02 + a0 * b2, s03 + a0 * b3
        s10, s11, s12, s13 = s10 + a1 * b0, s11 + a1 * b1, s12 + a1 * b2, s13 + a1 * b3
        s20, s21, s22, s23 = s20 + a2 * b0, s21 + a2 * b1, s22 + a2 * b2, s23 + a2 * b3
    c[i, j], c[i, j + 1], c[i, j + 2], c[i, j + 3] = s00, s01, s02, s03
    c[i + 1, j], c[i + 1, j + 1], c[i + 1, j + 2], c[i + 1, j + 3] = s10, s11, s12, s13
    c[i + 2, j], c[i + 2, j + 1], c[i + 2, j + 2], c[i + 2, j + 3] = s20, s21, s22, s23


@njit
def four_columns(a, columns, c, j):
    """Columns j to j + 3 of c, from all rows of a."""
    y0, y1, y2, y3 = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
    for i in range(0, c.shape[0], 3):
        block_3_by_4(a[i], a[i + 1], a[i + 2], y0, y1, y2, y3, c, i, j)


# %%
@njit
def in_register_blocks(a, b, c):
    columns, tile = np.ascontiguousarray(b.T), 60
    for i in range(0, c.shape[0], tile):  # 60 rows of A stay in the cache while all columns pass by
        for j in range(0, c.shape[1], 4):
            four_columns(a[i : i + tile], columns, c[i : i + tile], j)


measure("register blocks", in_register_blocks, repeats=7)

# %% [markdown]
# (960 is a multiple of 3 and of 4. A real kernel has to treat the edges too; the course's does, in `solutions/kernels/cpu/linear.py`.)

# %% [markdown]
# ## 7. Threads
#
# Groups of rows do not depend on each other, so the cores share them. With more than one thread we take
# wall-clock time, since a thread's own clock does not count the others.


# %%
@njit(parallel=True)
def on_all_cores(a, b, c):
    columns, tile = np.ascontiguousarray(b.T), 60
    for number in prange(c.shape[0] // tile):
        i = tile * number
        for j in range(0, c.shape[1], 4):
            four_columns(a[i : i + tile], columns, c[i : i + tile], j)


def openblas(a, b, c):
    np.matmul(a, b, out=c)


def best_of_the_course(a, b, c):
    operators.matmul(a, b, out=c)


threads = numba.get_num_threads()
clock = time.thread_time if threads == 1 else time.perf_counter
print(f"threads: {threads}")
measure("register blocks, threads", on_all_cores, repeats=7, clock=clock)
measure("the course's matmul", best_of_the_course, repeats=7, clock=clock)
measure("OpenBLAS (NumPy)", openblas, repeats=7, clock=clock)
print(f"from the slowest to the fastest: {max(speed.values()) / min(speed.values()):.0f} times")

# %% [markdown]
# ## 8. All steps under the roofline
#
# A roofline can be drawn for any level of memory (Ilic et al., 2014): take the bytes that are asked of that level, and the bandwidth with which
# it delivers. Each load and store of an inner loop goes to the nearest cache first, called L1. Its bandwidth is measured as that of memory was, with
# an array of 16 kB that stays in it. The bytes we count in the code, for one multiply-add:
#
# | inner loop | numbers loaded or stored |
# |---|---|
# | `c[i, j] += a[i, k] * b[k, j]`, in any order | 4: three loads, one store |
# | `out[j] += factor * row[j]` | 3 |
# | `total += x[k] * y[k]` | 2 |
# | 3 × 4 sums | 7/12 |
#
# > **Predict, then run.** Which steps move a point to the right, and which ones straight up?

# %%
small = np.ones(4096, np.float32)
near = 1000 * small.nbytes / seconds(sum_of, small, 1000)
print(f"L1 cache: {near / 1e9:.0f} GB/s, {near / bandwidth:.0f} times the memory")
ASKED = {
    "jki": 4, "ijk": 4, "ikj": 4, "ikj in tiles": 3, "packed": 2,
    "register blocks": 7 / 12, "register blocks, threads": 7 / 12,
}  # fmt: skip
for name, numbers in ASKED.items():
    at = 2 / (4 * numbers)  # FLOP per byte
    in_words = f"{speed[name]:6.2f} GFLOP/s of {min(peak, at * near) / 1e9:4.0f} that L1 allows"
    print(f"{name:24s} {at:4.2f} FLOP per byte, {in_words}")

# %% jupyter={"source_hidden": true}
PLACES = {  # of a label beside its point, in points; others stand to the left
    "ikj": (-6, -11),
    "ikj in tiles": (-4, 18),
    "packed": (6, -9),
    "register blocks": (9, 0),
    "register blocks, threads": (9, 0),
}
fig, axis = plots.figure(width=9, height=4.8)
if threads > 1:
    draw_roof(axis, threads * peak, threads * near, f"{threads} cores, L1 cache", 0.05, ":")
draw_roof(axis, peak, near, f"one core, L1 cache: {near / 1e9:.0f} GB/s", 0.05)
draw_roof(
    axis, peak, bandwidth, f"one core, memory: {bandwidth / 1e9:.0f} GB/s", 0.05, "--", plots.GREY
)
for (name, numbers), marker, colour in zip(
    ASKED.items(), plots.MARKERS, plots.COLOURS, strict=False
):
    at, place = 2 / (4 * numbers), PLACES.get(name, (-9, 0))
    axis.plot(at, speed[name], marker, color=colour, markersize=8, zorder=3)
    axis.annotate(
        f"{name}, {speed[name]:.3g}", (at, speed[name]), xytext=place, textcoords="offset points",
        ha="right" if place[0] < -4 else "left", va="center", fontsize=9,
    )  # fmt: skip
libraries = sorted(("the course's matmul", "OpenBLAS (NumPy)"), key=speed.get)
for name, colour, edge in zip(
    libraries, (plots.GREEN, plots.VERMILION), ("top", "bottom"), strict=True
):
    axis.axhline(speed[name], color=colour, linestyle="-.", linewidth=1.2)
    axis.annotate(
        f"{name}, {speed[name]:.3g}", (20, speed[name]), xytext=(0, 3 if edge == "bottom" else -3),
        textcoords="offset points", va=edge, fontsize=9, color=colour,
    )  # fmt: skip
axis.legend(loc="lower right")
axis.grid()
plots.show(
    fig,
    alt="The rooflines of memory and of the L1 cache with a point for each version. jki, ijk and ikj stand "
    "above each other at 0.12 FLOP per byte, ikj highest. Tiles and packing lie further right, register "
    "blocks at 0.86 and higher. The course's matmul and OpenBLAS are level lines, nearer to the peak.",
)

# %% [markdown]
# - The order of the loops moves a point straight up: the same loads, but from nearer by. Below the slope of memory is a loop that uses one number
#   of each line it fetches.
# - Tiles for the cache do the same. Packing and register blocks move it to the right: fewer loads. Threads raise the roof, and the point.
# - A fast kernel has to get under the level part of the roof, and there it has to keep the arithmetic busy.
#
# How many loads the two libraries need cannot be seen from outside, so they are lines. They do all of this at once, with one more refinement in
# each place: tiles for every level of cache, panels packed so that they are read in one straight line, register blocks
# as large as the registers allow (Goto and van de Geijn, 2008). The lab goes that way step by step.

# %% [markdown]
# ## The answer
#
# - Speed is limited by arithmetic or by memory; the roofline says which, before a line is written.
# - The additions are always the same. What differs is how often a number is fetched, and from how far: the order of loops, tiles for the
#   cache, packing for straight lines, blocks for the registers. Threads multiply what one core achieves.
#
# ## Sources
#
# - S. Williams, A. Waterman, D. Patterson (2009), [Roofline](https://doi.org/10.1145/1498765.1498785): a visual performance model.
# - A. Ilic, F. Pratas, L. Sousa (2014), [Cache-aware roofline model: upgrading the loft](https://doi.org/10.1109/L-CA.2013.6):
#   a roof for each level of cache.
# - K. Goto, R. van de Geijn (2008), [Anatomy of high-performance matrix multiplication](https://doi.org/10.1145/1356052.1356053).
# - M. Lam, E. Rothberg, M. Wolf (1991), [The cache performance and optimizations of blocked algorithms](https://doi.org/10.1145/106972.106981).
#
# ## Go on
#
# In [lab 09 matmul](../labs/09_matmul/09_matmul.ipynb) each of these steps is yours to write. Then:
# [10 Matmul on a GPU](10_matmul_gpu.ipynb).
