# %% [markdown]
# # 10 · Matmul on a GPU
#
# **Question:** a GPU runs hundreds of thousands of threads at once. What do they wait for, and how does a kernel make them wait less?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [09 Matmul on a CPU](09_matmul_cpu.ipynb) | warps, blocks and barriers (lecture 08), tiles and the roofline (lecture 09) | 25 minutes | [10 matmul on a GPU](../labs/10_matmul_gpu/10_matmul_gpu.ipynb) | [11 Tokens and positions](11_tokens_and_positions.ipynb) |

# %%
import textwrap

import numpy as np
from matplotlib.patches import Rectangle

from llaisys_mini import cuda, plots
from llaisys_mini.inspect import occupancy, pictures
from llaisys_mini.kernels import choice
from llaisys_mini.lectures import widgets
from llaisys_mini.sanitizer import SanitizerError

rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Where numbers lie
#
# You need no GPU: the sanitizer runs the kernels below and counts what they ask of memory. The speeds are those of one card, NVIDIA's
# H100. It has 132 *streaming multiprocessors*. Each holds the warps of several blocks; when one warp waits, another computes. Per clock cycle a
# multiprocessor does 128 multiply-adds, and its shared memory delivers 32 words of 4 bytes.

# %%
UNITS, PEAK, BANDWIDTH = 132, 67e12, 3.35e12  # multiprocessors, FLOP/s, bytes/s of global memory
clock = PEAK / (UNITS * 128 * 2)  # a multiply-add is two FLOP
LEVELS = {  # bytes of all together, bytes/s of all together, cycles until a number is there
    "registers": (UNITS * 256 * 1024, UNITS * 128 * 3 * 4 * clock, 4),  # three numbers each
    "shared memory": (UNITS * 228 * 1024, UNITS * 32 * 4 * clock, 34),
    "L2 cache": (50e6, 6.9e12, 266),
    "global memory": (80e9, BANDWIDTH, 650),
}
print(f"clock {clock / 1e9:.2f} GHz, corner of the roofline: {PEAK / BANDWIDTH:.0f} FLOP per byte")
for name, (size, rate, cycles) in LEVELS.items():
    print(f"{name:14s} {size / 1e6:8,.0f} MB {rate / 1e12:6.1f} TB/s {cycles:4d} cycles")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=2.3, sharey=True)
names = list(LEVELS)
for axis, place, unit, label in (
    (axes[0], 1, 1e12, "delivers to all threads [TB/s]"),
    (axes[1], 2, 1, "latency [clock cycles]"),
):
    values = [LEVELS[name][place] / unit for name in names]
    axis.barh(names, values, color=plots.BLUE if place == 1 else plots.ORANGE, height=0.62)
    for row, value in enumerate(values):
        axis.text(value, row, f"  {value:,.3g}", va="center", fontsize=9)
    axis.set(xscale="log", xlabel=label, xlim=(1, 3000))
axes[0].invert_yaxis()
plots.show(
    fig,
    alt="Two bar charts on logarithmic axes. What the levels of memory of an H100 deliver: registers 402 terabytes per second, "
    "shared memory 33.5, L2 cache 6.9, global memory 3.35. Their latency: 4, 34, 266 and 650 clock cycles.",
)

# %% [markdown]
# (Rates and sizes are NVIDIA's; latencies, and the rate of L2, were measured on the PCIe card: see the sources. Shared memory is a part of the
# L1 cache, and has its latency.) A nearer level is faster in both respects, but not always smaller: all registers together hold more than all
# shared memory. A thread has access only to its own.

# %% [markdown]
# ## 2. Neighbours read neighbours
#
# Global memory moves in *sectors* of 32 bytes, eight float32. When a warp reads, every sector moves that any of its 32 threads touches.
# If neighbours read neighbouring numbers, these are 4 sectors: the access is **coalesced**.
#
# `cuda.grid(2)` gives a thread its two numbers, x first; neighbours in x sit in the same warp. Here is the matrix product, with one
# thread for each number of the result:


# %%
@cuda.jit
def matmul_naive(a, b, out):
    """a [M, K], b [K, N], out [M, N]"""
    column, row = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        total = np.float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        out[row, column] = total


@cuda.jit
def matmul_along_rows(a, b, out):
    row, column = cuda.grid(2)  # the only difference
    if row < out.shape[0] and column < out.shape[1]:
        total = np.float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        out[row, column] = total


# %% [markdown]
# > **Predict, then run.** In one step of the loop, how many sectors does a warp of `matmul_naive` move for `a`, and how many for `b`? And a
# > warp of `matmul_along_rows`?

# %%
SIDE = 128
a, b = rng.normal(size=(2, SIDE, SIDE)).astype(np.float32)
reports = {}


def count(name, multiply):
    out = np.empty((SIDE, SIDE), np.float32)
    with cuda.sanitized(counts=True) as report:
        multiply(a, b, out)
    assert np.allclose(out, a @ b, atol=1e-3), name
    reports[name] = report
    loads = [line for line in report.traffic if (line.space, line.operation) == ("global", "load")]
    for line in loads:
        print(f"{name}: {line.array}, {line.sectors_per_request:.0f} sectors for each request")
    times = report.global_bytes()["load"] / (a.nbytes + b.nbytes)
    print(f"{name}: the inputs are loaded {times:.1f} times")


count("naive", matmul_naive[(4, 16), (32, 8)])
count("along rows", matmul_along_rows[(4, 16), (32, 8)])

# %% [markdown]
# > **The common guess**, that both are alike since both read all of `a` and `b`, forgets what moves with each number: the seven others of its
# > sector.
#
# Neighbours in x of `matmul_naive` share a row: they want the *same* number of `a`, which is one sector, and 32 neighbours of `b`. With rows
# and columns exchanged, 32 numbers of a column of `a` lie in 32 sectors. One changed line, and 33 sectors in place of 5.

# %% jupyter={"source_hidden": true}
small_a, small_b = a[:32, :32].copy(), b[:32, :32].copy()
fig, axes = plots.figure(1, 4, width=9, height=2.7)
for pair, (name, kernel) in enumerate([("naive", matmul_naive), ("along rows", matmul_along_rows)]):
    with cuda.sanitized(traces=True) as traced:
        kernel[1, (32, 32)](small_a, small_b, np.empty((32, 32), np.float32))
    for axis, array in zip(axes[2 * pair : 2 * pair + 2], "ab", strict=True):
        found = [x for x in traced.accesses if (x.array, x.operation) == (array, "load")][5]
        first_warp = found.elements[found.threads < 32]
        sectors = np.unique(first_warp // 8)
        axis.set(xlim=(-0.5, 31.5), ylim=(31.5, -0.5), aspect="equal", xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(True)
        for sector in sectors:
            corner = (sector % 4 * 8 - 0.5, sector // 4 - 0.5)
            axis.add_patch(Rectangle(corner, 8, 1, facecolor=plots.ORANGE + "66"))
        for element in np.unique(first_warp):
            corner = (element % 32 - 0.5, element // 32 - 0.5)
            axis.add_patch(Rectangle(corner, 1, 1, facecolor=plots.BLUE))
        axis.set_title(f"{name}: {array}\n{len(sectors)} sector{'s' * (len(sectors) > 1)}")
plots.show(
    fig,
    alt="Two matrices of 32 by 32 for each kernel, with the numbers that the first warp wants and the sectors that move. Naive: one "
    "number and one sector of a, one row and 4 sectors of b. Along rows: a column and 32 sectors of a, one number and one sector of b.",
)

# %% [markdown]
# Blue: what the first warp wants in step 5. Orange: what moves with it.
#
# **Divergence.** A warp executes one instruction at a time. If its threads take different sides of an `if`, both sides are executed, one after
# the other, each by its threads only. Here the side changes from thread to thread, and then from warp to warp:


# %%
@cuda.jit
def two_sides(x, out, width):
    i = cuda.grid(1)
    if i // width % 2 == 0:
        out[i] = x[i] + x[i]
    else:
        out[i] = x[i] * x[i]


for width in (1, 32):
    with cuda.sanitized(counts=True) as report:
        two_sides[1, 128](np.ones(128, np.float32), np.empty(128, np.float32), width)
    stores = sum(line.requests for line in report.traffic if line.operation == "store")
    print(f"sides change after {width:2d} threads: {stores} store instructions by 4 warps")

# %% [markdown]
# The test for the edge of a matrix, `if row < out.shape[0]`, divides only warps at the edge.

# %% [markdown]
# ## 3. Tiles in shared memory
#
# Threads of one block want the same rows and columns again and again. So the block copies a $T \times T$ tile of $A$ and one of $B$ into
# its shared memory, waits, adds $T$ products for each result, waits, and goes on along $K$. In lecture 09 the cache kept tiles by itself; here the
# kernel copies them.

# %%
T = 16


@cuda.jit
def matmul_tiled(a, b, out):
    tile_a = cuda.shared.array((T, T), np.float32)
    tile_b = cuda.shared.array((T, T), np.float32)
    j, i = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = np.float32(0)
    for start in range(0, a.shape[1], T):  # all sizes are multiples of T here
        tile_a[i, j] = a[row, start + j]  # each thread copies one number of each
        tile_b[i, j] = b[start + i, column]
        cuda.syncthreads()  # the tiles are complete
        for k in range(T):
            total += tile_a[i, k] * tile_b[k, j]
        cuda.syncthreads()  # all have read them
    out[row, column] = total


count("tiled", matmul_tiled[(8, 8), (T, T)])  # 8 tiles of 16 along each side

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.1)
for step, axis in enumerate(axes):
    for left, top, name in ((0, 4.6, "A"), (4.6, 0, "B"), (4.6, 4.6, "out")):
        axis.add_patch(Rectangle((left, top), 4, 4, facecolor="none", edgecolor="#777777"))
        axis.text(left + 2, top - 0.15, name, ha="center", va="bottom", fontsize=9)
    for done in range(step):
        axis.add_patch(Rectangle((done, 5.6), 1, 1, facecolor=plots.BLUE + "33"))
        axis.add_patch(Rectangle((6.6, done), 1, 1, facecolor=plots.ORANGE + "33"))
    axis.add_patch(Rectangle((step, 5.6), 1, 1, facecolor=plots.BLUE))
    axis.add_patch(Rectangle((6.6, step), 1, 1, facecolor=plots.ORANGE))
    axis.add_patch(Rectangle((6.6, 5.6), 1, 1, facecolor=plots.GREEN + "99"))
    axis.text(7.1, 6.1, f"{step + 1}/4", ha="center", va="center", fontsize=8)
    axis.set(xlim=(-0.2, 8.8), ylim=(8.8, -0.8), aspect="equal", title=f"start = {T * step}")
    axis.axis("off")
plots.show(
    fig,
    alt="Three steps of one block. Its tile of the result stays where it is. The tile of A moves right along a row of tiles, the tile "
    "of B moves down a column of tiles, one tile further in each step.",
)

# %% [markdown]
# The green tile belongs to one block, which holds the blue and the orange one in shared memory. Each column of a tile of $A$, with a row of one of $B$,
# gives $2 T^2$ FLOP for $2T$ numbers of 4 bytes:
#
# $$\text{FLOP per byte} = \frac{2T^2}{2T \cdot 4} = \frac{T}{4}$$
#
# $T = 16$ gives 4, and the corner of the roofline is at 20, so $T$ has to be 80 or more. A block has at most 1024 threads, 32 × 32. Beyond that,
# a thread must compute several results (section 5).

# %% [markdown]
# ## 4. Banks
#
# Shared memory has no sectors. It has 32 *banks*: word $w$ of 4 bytes lies in bank $w \bmod 32$, and a bank delivers one word at a time.
# If a warp wants several words of one bank, they come one after the other: a **bank conflict**. `matmul_tiled` reads along rows of its tiles,
# which causes none. But in `linear`, $\text{out} = X W^\top$, both tiles lie along $k$, and a warp reads down a *column* of one of them.
#
# > **Predict, then run.** A column of a tile of 32 × 32 numbers: how many banks does it use? And if each row gets one unused number more, 32 × 33?

# %%
for width in (32, 33):
    banks_of_column = {(width * row + 5) % 32 for row in range(32)}
    print(f"32 x {width}: column 5 lies in {len(banks_of_column)} banks")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=4.1)
for axis, width in zip(axes, (32, 33), strict=True):
    bank = np.arange(32 * width).reshape(32, width) % 32
    axis.imshow(bank, interpolation="none")
    axis.add_patch(
        Rectangle((4.5, -0.5), 1, 32, facecolor="none", edgecolor=plots.VERMILION, linewidth=2)
    )
    for row in range(0, 32, 4):
        axis.text(
            6.2, row, bank[row, 5], va="center", fontsize=7.5, color=plots.VERMILION,
            bbox=dict(boxstyle="round,pad=0.15", facecolor="white", edgecolor="none"),
        )  # fmt: skip
    axis.set(title=f"32 × {width}, coloured by bank", xlabel="column", ylabel="row")
plots.show(
    fig,
    alt="Two tiles coloured by the bank of each number. 32 by 32: every column has one colour, column 5 is bank 5 throughout. 32 by "
    "33: the colours run diagonally, and column 5 meets every bank once: 5, 9, 13 and so on in every fourth row.",
)

# %% [markdown]
# > **The common guess**, that an unused number is wasted memory and nothing else, forgets that it moves each row by one bank.
#
# 32 words of one bank take 32 turns, a *32-way* conflict. With one unused number a row (*padding*), the column takes one turn.

# %% [markdown]
# ## 5. Results in registers, loads of 16 bytes
#
# One multiply-add from tiles takes two loads from shared memory. In a cycle a multiprocessor does the multiply-adds of 4 warps, but its
# banks serve the load of one. If a thread computes $R \times R$ results, it loads $R + R$ numbers for $R^2$ multiply-adds, and keeps the
# sums in registers. For a warp that is $R^2 / 4$ cycles of arithmetic beside $2R$ cycles of loads:

# %%
for r in (1, 2, 4, 8):
    share = min(1, (r * r / 4) / (2 * r))
    print(
        f"{r} x {r} results: {2 * r / r**2:.2f} loads a multiply-add, at most {share:4.0%} of peak"
    )
count("registers", choice.from_set("expert", "matmul", "cuda").function)

# %% jupyter={"source_hidden": true}
plots.show(
    pictures.traffic(reports),
    alt="Bytes between global memory and the chip, two bars for each version: along rows by far the most, naive several times less, tiled "
    "a small part of that, registers the least.",
)

# %% [markdown]
# The course's fast kernel (`solutions/kernels/cuda/gemm.py`) computes $8 \times 8$ results in a thread and $128 \times 128$ in a block of 256
# threads: $T/4 = 32$ FLOP per byte, beyond the corner.
#
# A thread may also fetch four neighbouring numbers with one instruction, a *vector load* of 16 bytes (`load4` there). The bytes
# are the same, asked for by a quarter of the instructions. The next section says why this matters.

# %% [markdown]
# ## 6. What is on its way
#
# A number from global memory takes 650 cycles. Memory delivers at its full rate only if enough has been asked for meanwhile, as a long hose
# delivers at its full rate only when it is full. This is **Little's law**:
#
# $$\text{bytes on their way} = \text{bandwidth} \cdot \text{latency}$$
#
# > **Predict, then run.** A multiprocessor holds at most 2048 threads. Each has asked for one float32. Is the hose full?

# %%
latency = 650 / 1.755e9  # seconds; measured at this clock
needed = BANDWIDTH * latency / UNITS
print(f"needed: {needed:,.0f} bytes for each multiprocessor")
for threads, each in ((2048, 4), (2048, 16), (512, 64)):
    share = min(1, threads * each / needed)
    print(
        f"{threads} threads with {each:2d} bytes each: {threads * each:6,d} bytes, {share:4.0%} of the rate"
    )

# %% [markdown]
# > **The common guess**, that the largest number of threads is enough for anything, forgets how long 650 cycles are: more is needed than one
# > number from each.
#
# Not quite: 87 %. More threads fill it, or more bytes from each thread. The share of the possible warps that a multiprocessor holds is its
# **occupancy**. Threads, registers and shared memory limit it:

# %%
for name, threads, registers, shared in (
    ("tiled, T = 16", 256, 32, 2 * 16 * 16 * 4),
    ("8 x 8 results each", 256, 128, 2 * 16 * 132 * 4),
    ("the same, two buffers", 256, 160, 4 * 16 * 132 * 4),
):
    fits = occupancy.occupancy("sm_90", threads, registers, shared)
    print(f"{name:22s} {fits.blocks} blocks, {fits.share:4.0%} of the warps; limit: {fits.limit}")

# %% [markdown]
# (32 and 128 registers are what the compiler takes, 160 is assumed.) A register tile has a quarter of the warps, and yet more bytes on their way
# than 2048 threads with 4: two blocks are the 512 threads with 64 bytes each above. High occupancy is only one way (Volkov, 2010).
#
# These bytes must be asked for *before* they are needed. **Double buffering**: while a step is computed, the next tiles are already on their
# way, into registers or a second pair of tiles:
#
# ```python
# fetch(0)
# for step in range(steps):
#     keep()              # what was fetched goes into the tiles
#     cuda.syncthreads()
#     fetch(step + 1)     # asked for now, needed in the next round
#     multiply()
#     cuda.syncthreads()
# ```

# %% [markdown]
# ## 7. Streams and pinned memory
#
# The same idea helps between computer and card. A *stream* is a queue: its copies and kernels run in order, those of different
# streams may run at the same time. A copy beside a kernel needs host memory that the operating system does not move, **pinned memory**;
# the card reads it by itself.

# %%
parts = np.arange(4 * 128, dtype=np.float32).reshape(4, 128)
streams = [cuda.stream(), cuda.stream()]
results = cuda.pinned_array((4, 128))
for number, part in enumerate(parts):
    stream = streams[number % 2]
    x, out = cuda.device_array(128), cuda.device_array(128)
    x.copy_to_device(part, stream=stream)
    two_sides[1, 128, stream](x, out, 32)
    out.copy_to_host(results[number], stream=stream)
for stream in streams:
    stream.synchronize()  # before this, results may hold anything
print(results[:, 40])

# %% [markdown]
# (Without a GPU nothing overlaps. The course's `pinned_array` is ordinary memory, which works anywhere; Numba's own is pinned.) The time
# lines of both ideas, computed from the rates above and 64 GB/s between computer and card (PCIe 5.0); a kernel of 400 µs is assumed:

# %% jupyter={"source_hidden": true}
per_cycle = BANDWIDTH / UNITS / clock  # bytes for one multiprocessor
fetch = 650 + 2 * 128 * 16 * 4 / per_cycle  # cycles: tiles of 128 x 16, two
multiply = 128 * 128 * 16 / 128
up = 16e6 / 64e9 * 1e6  # µs for 16 MB
work = 400.0


def timeline(axis, stages, buffers, rounds, colours):
    """Bars of `rounds` rounds through the stages; a round waits for its buffer. Returns the end."""
    free, ends = [0.0] * len(stages), []
    for number in range(rounds):
        ready = ends[number - buffers] if number >= buffers else 0.0
        for place, (name, length) in enumerate(stages):
            start = max(ready, free[place])
            axis.barh(name, length, left=start, color=colours[place], edgecolor="white", height=0.7)
            axis.text(start + length / 2, name, number, ha="center", va="center", fontsize=8)
            ready = free[place] = start + length
        ends.append(ready)
    return ends[-1]


fig, axes = plots.figure(2, 2, width=9, height=3.6, sharex="col")
tile_stages = [("fetch", fetch), ("multiply", multiply)]
host_stages = [("up", up), ("kernel", work), ("down", up)]
for column, (stages, rounds, unit, words) in enumerate(
    [(tile_stages, 4, "cycles", ("one buffer", "two buffers")),
     (host_stages, 4, "µs", ("one stream", "two streams"))]
):  # fmt: skip
    colours = [plots.SKY, plots.ORANGE, plots.GREEN][: len(stages)]
    for row, buffers in enumerate((1, 2)):
        axis = axes[row][column]
        end = timeline(axis, stages, buffers, rounds, colours)
        axis.set_title(f"{words[row]}: {end:,.0f} {unit}")
        axis.invert_yaxis()
    axes[1][column].set_xlabel(f"time [{unit}]")
plots.show(
    fig,
    alt="Time lines of four rounds. Left, in a block: with one buffer fetching and multiplying take turns, with two buffers the next "
    "fetch runs below the multiplication. Right, copies up, kernels and copies down: in one stream after each other, in two streams side by side.",
)

# %% [markdown]
# ## 8. From naive to cuBLAS
#
# Dashed: what each version may reach on an H100 at most, if every sector that it asks for comes from global memory and loads from shared memory take
# their cycles (section 5). Blue: what was measured on one H100 for 4096 × 4096 numbers in float32 (version 0.1.0, `docs/gpu.md`). The last bar
# is NVIDIA's own library, cuBLAS.

# %% jupyter={"source_hidden": true}
flop = 2 * SIDE**3
shared_share = {"tiled": 1 / 8, "registers": 1}  # R = 1 and R = 8, with loads of 16 bytes
limits = {
    name: min(shared_share.get(name, 1) * PEAK, flop / report.global_bytes()["load"] * BANDWIDTH) / 1e12
    for name, report in reports.items()
}  # fmt: skip
order = sorted(limits, key=limits.get)
measured = {"registers": 29.9, "cuBLAS": 29.9 / 0.59}  # TFLOP/s
fig, axis = plots.figure(width=8, height=2.6)
for row, name in enumerate([*order, "cuBLAS"]):
    top = limits.get(name, PEAK / 1e12)
    axis.barh(row, top, color="none", edgecolor=plots.GREY, height=0.62, linestyle="--")
    said = f"at most {top:.2g}" if name in limits else ""
    if name in measured:
        axis.barh(row, measured[name], color=plots.BLUE, height=0.62)
        said = f"measured {measured[name]:.1f}"
    axis.text(top, row, f"  {said}", va="center", fontsize=9)
axis.set_yticks(range(len(order) + 1), [*order, "cuBLAS"])
axis.invert_yaxis()
axis.set(xlabel="float32 [TFLOP/s]", xlim=(0, 84))
plots.show(
    fig,
    alt="Bars in TFLOP/s. Limits without caches: along rows 0.2, naive 1.3, tiled 8.4, registers 67. Measured: registers 29.9, "
    "cuBLAS 50.7.",
)

# %% [markdown]
# Caches may lift the first three above their bars; how far was not measured.

# %% [markdown]
# ## 9. Hardware that is a tile
#
# Reading a large on-chip memory takes much more energy than arithmetic (Jouppi et al., 2017). A **systolic array** saves reads: it is a grid of
# multiply-add units. Rows of $A$ enter from the left, columns of $B$ from above, each one step later than its neighbour. In every step a unit
# multiplies what arrives, adds the product to its own sum, and passes both numbers on.


# %%
def systolic(a, b):
    """a [M, K], b [K, N]: yields the sums [M, N] and which units work, after each step."""
    (M, K), N = a.shape, b.shape[1]
    right, down, sums = np.zeros((3, M, N))
    for step in range(M + N + K - 2):
        right[:, 1:], down[1:] = right[:, :-1].copy(), down[:-1].copy()  # all move on by one
        for m in range(M):
            right[m, 0] = a[m, step - m] if 0 <= step - m < K else 0
        for n in range(N):
            down[0, n] = b[step - n, n] if 0 <= step - n < K else 0
        sums += right * down
        yield sums.copy(), right * down != 0


left, above = rng.integers(1, 5, size=(2, 3, 3))
states = list(systolic(left, above))
print("as NumPy:", np.array_equal(states[-1][0], left @ above), "after", len(states), "steps")

# %%
widgets.show("systolic_array")

# %% [markdown]
# Orange: units at work. Each number is read from memory once and used three times (in an array of 128 × 128: 128 times). The array is fed from
# a *scratchpad*: memory like the shared tiles above, filled by copies that the program asks for. Google's first TPU has 256 × 256 units; in it the
# weights stay in place and the sums move.
#
# A GPU's **tensor core** also multiplies tiles in hardware: one instruction of a warp takes two, say 16 × 16 by 16 × 8, of 16-bit numbers.
# The peak of an H100 with them is 990 TFLOP/s, 15 times that of float32.

# %% [markdown]
# ## 10. A worked error
#
# `matmul_tiled` waits twice in each round. The first barrier is easy to explain: the tiles must be complete. We leave out the second (the
# kernel is folded).


# %% jupyter={"source_hidden": true}
@cuda.jit
def one_barrier(a, b, out):
    tile_a = cuda.shared.array((T, T), np.float32)
    tile_b = cuda.shared.array((T, T), np.float32)
    j, i = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = np.float32(0)
    for start in range(0, a.shape[1], T):
        tile_a[i, j] = a[row, start + j]
        tile_b[i, j] = b[start + i, column]
        cuda.syncthreads()
        for k in range(T):
            total += tile_a[i, k] * tile_b[k, j]
    out[row, column] = total


# %%
try:
    with cuda.sanitized():
        one_barrier[(8, 8), (T, T)](a, b, np.empty((SIDE, SIDE), np.float32))
except SanitizerError as error:
    print(textwrap.fill(str(error.findings[0]), 96))

# %% [markdown]
# A fast warp begins the next round and overwrites a tile that a slow warp still reads.

# %% [markdown]
# ## With pencil and paper
#
# **1.** A warp reads `x[lane * s]` for $s$ = 1, 2, 8 and 32. How many sectors in global memory, and what degree of bank conflict in shared memory?
#
# <details><summary>Answer</summary>
#
# Sectors: 4, 8, 32, 32. With $s$ = 8 each number has a sector of its own, the most there can be. Banks: 32 numbers in 32, 16, 4 and 1 banks: no
# conflict, 2-way, 8-way, 32-way.
#
# </details>
#
# **2.** On a card with 1 TB/s and a latency of 500 ns each of 50 multiprocessors runs 1024 threads. How many bytes must each thread have on
# their way? Are vector loads of 16 bytes enough?
#
# <details><summary>Answer</summary>
#
# $10^{12} \cdot 500 \cdot 10^{-9}$ = 500,000 bytes, 10,000 for each multiprocessor, so 9.8 for each thread: one load of 16 bytes is
# enough, one or two of 4 are not.
#
# </details>

# %% [markdown]
# ## The answer
#
# - Threads wait for memory: for its latency, 650 cycles, and for its bandwidth, 3.35 TB/s. **Coalescing** means that neighbouring threads read
#   neighbouring numbers. In shared memory they need different banks, or there is a **bank conflict**.
# - Each number should be fetched once for many uses: tiles of side $T$ save a factor $T$ of global traffic, $R \times R$ results in registers
#   a factor $R$ of shared traffic.
# - Latency is hidden by enough bytes on their way: **occupancy**, vector loads, a second buffer, streams.
# - Systolic arrays and **tensor cores** multiply tiles in hardware.
#
# ## Sources
#
# - NVIDIA (2025), [CUDA C++ Programming Guide 12.9](https://docs.nvidia.com/cuda/archive/12.9.1/cuda-c-programming-guide/index.html): warps,
#   banks, 4 cycles for most arithmetic, *Arithmetic instructions*, and *Technical specifications per compute capability*, column 9.0.
# - NVIDIA, [CUDA C++ Best Practices Guide](https://docs.nvidia.com/cuda/cuda-c-best-practices-guide/): coalescing, padding, occupancy, pinned memory.
# - NVIDIA, [H100 GPU, specifications](https://www.nvidia.com/en-us/data-center/h100/): rates and bandwidth of the SXM version.
# - D. Ernst, [gpu-benches](https://github.com/te42kyfo/gpu-benches): latencies and L2 bandwidth of an H100 PCIe at 1.755 GHz.
# - M. Andersch et al. (2022), [NVIDIA Hopper architecture in-depth](https://developer.nvidia.com/blog/nvidia-hopper-architecture-in-depth/).
# - J. D. C. Little (1961), [A proof for the queuing formula L = λW](https://doi.org/10.1287/opre.9.3.383).
# - V. Volkov (2010), [Better performance at lower occupancy](https://www.nvidia.com/content/GTC-2010/pdfs/2238_GTC2010.pdf).
# - H. T. Kung (1982), [Why systolic architectures?](https://doi.org/10.1109/MC.1982.1653825)
# - N. P. Jouppi et al. (2017), [In-datacenter performance analysis of a tensor processing unit](https://arxiv.org/abs/1704.04760).
#
# ## Go on
#
# In [lab 10 matmul on a GPU](../labs/10_matmul_gpu/10_matmul_gpu.ipynb) you write `matmul` coalesced, and then `linear` in tiles and in
# registers, the operator that a model calls; their traffic is counted. Then: [11 Tokens and positions](11_tokens_and_positions.ipynb).
