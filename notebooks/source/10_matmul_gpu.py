# %% [markdown]
# # 10 · Matmul on a GPU
#
# **Question:** a GPU runs hundreds of thousands of threads at once. What do they wait for, and how does a kernel make them wait less?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [09 Matmul on a CPU](09_matmul_cpu.ipynb) | tiles, register blocks, the roofline (lecture 09) | 25 minutes | [10 matmul on a GPU](../labs/10_matmul_gpu/10_matmul_gpu.ipynb) | [11 Tokens and positions](11_tokens_and_positions.ipynb) |

# %%
import numpy as np
from ipywidgets import interact

from llaisys_mini import cuda, plots
from llaisys_mini.console import console
from llaisys_mini.inspect import compile_check, occupancy, pictures
from llaisys_mini.kernels import choice
from llaisys_mini.sanitizer import SanitizerError

rng = np.random.default_rng(0)

# %% [markdown]
# You need no GPU. The course's *sanitizer* (lecture 08) runs every thread of a kernel on the CPU, watches each access, and counts the
# traffic that a GPU would have. Whatever is counted below is counted so.

# %% [markdown]
# ## 1. Threads, warps, blocks
#
# | level | what it is | what it shares |
# |---|---|---|
# | **thread** | one run of the kernel, with its own number | registers: its own, nearest |
# | **warp** | 32 threads that execute one instruction together | one *request* to memory for all 32 |
# | **block** | up to 1024 threads on one multiprocessor | shared memory, and a barrier to wait for each other |
# | **grid** | all blocks of a launch, in no fixed order | global memory: large, far away |
#
# Below the launch `[blocks, threads]` stands in brackets. `cuda.grid(2)` gives a thread its two numbers, x first.
# Neighbours in x sit in the same warp.


# %%
@cuda.jit
def matmul_naive(a, b, out):
    """a [N, K], b [K, M], out [N, M]: one thread for each number of out."""
    column, row = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        total = np.float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        out[row, column] = total


a, b = rng.normal(size=(2, 32, 32)).astype(np.float32)
out = np.empty((32, 32), np.float32)
with cuda.sanitized(traces=True) as naive:
    matmul_naive[(2, 4), (16, 8)](a, b, out)  # 2 x 4 blocks of 16 x 8 threads
print("largest difference from NumPy:", np.abs(out - a @ b).max())


# %% jupyter={"source_hidden": true}
fig = pictures.touched(naive, "out", "store", warp=None)
for edge in (7.5, 15.5, 23.5):
    fig.axes[0].axhline(edge, color="white", linewidth=3)
fig.axes[0].axvline(15.5, color="white", linewidth=3)
plots.show(
    fig,
    alt="A matrix of 32 by 32 numbers, coloured by the number of the thread in its block. White lines "
    "part it into 2 by 4 rectangles of 16 columns and 8 rows, the blocks; the colours are the same in each.",
)

# %% [markdown]
# Each rectangle between white lines is a block, and each colour in it one of its 128 threads. A warp is two of its rows here: 32 threads.
# (The title names the line of the cell that is drawn.)

# %% [markdown]
# ### The levels of memory
#
# A GPU has many *multiprocessors*; each takes some blocks and switches between their warps. When one warp waits for memory, another
# computes. This is what one multiprocessor of an H100 has (CUDA C++ Programming Guide, technical specifications):

# %%
h100 = occupancy.ARCHITECTURES["sm_90"]
print(f"threads on it at a time:  {h100.threads:7,d} = {h100.threads // 32} warps")
print(f"registers of 4 bytes:     {h100.registers:7,d} = {h100.registers * 4 // 1024} KiB")
print(f"shared memory:            {h100.shared // 1024:7,d} KiB")
print(f"registers for each thread if all are there: {h100.registers // h100.threads}")

# %% [markdown]
# And the whole H100 in its SXM version: 132 multiprocessors and 50 MB of L2 cache (Andersch et al., 2022), 80 GB of global memory that
# deliver 3.35 TB/s, and 67 TFLOP/s in float32 (NVIDIA's specifications). A multiprocessor adds and multiplies 128 pairs of float32
# in a cycle (CUDA C++ Programming Guide, arithmetic instructions); that gives the clock. Its shared memory delivers 32 words of
# 4 bytes in a cycle.

# %%
MULTIPROCESSORS = 132
BANDWIDTH = 3.35e12  # bytes/s of global memory
FLOAT32 = 67e12  # FLOP/s
BFLOAT16 = 1979e12 / 2  # 1979 is said for matrices half of zeros
clock = FLOAT32 / (MULTIPROCESSORS * 128 * 2)  # a multiply-add is two FLOP
shared_bandwidth = MULTIPROCESSORS * 32 * 4 * clock
print(f"clock: {clock / 1e9:.2f} GHz; all shared memory: {shared_bandwidth / 1e12:.1f} TB/s")
print(f"threads on it at a time: {MULTIPROCESSORS * h100.threads:,d}")
print(f"corner of its roofline: {FLOAT32 / BANDWIDTH:.0f} FLOP per byte")

# %%
# A multiply-add reads three numbers of 4 bytes from registers.
register_bandwidth = MULTIPROCESSORS * 128 * 3 * 4 * clock
LEVELS = {  # size of all together, bytes; how many threads share one piece; what all deliver
    "registers": (MULTIPROCESSORS * h100.registers * 4, "a thread", register_bandwidth),
    "shared memory": (MULTIPROCESSORS * h100.shared, "a block", shared_bandwidth),
    "L2 cache": (50e6, "all blocks", None),
    "global memory": (80e9, "all blocks", BANDWIDTH),
}
running = MULTIPROCESSORS * h100.threads
print(f"{'':14s} {'size of all':>12s} {'for each thread':>16s} {'delivers':>12s}  seen by")
for name, (size, who, rate) in LEVELS.items():
    delivers = f"{rate / 1e12:.1f} TB/s" if rate else "not said"
    each = f"{size / running:,.0f} bytes"
    print(f"{name:14s} {size / 1e6:9,.0f} MB {each:>16s} {delivers:>12s}  {who}")

# %% jupyter={"source_hidden": true}
known = {name: rate / 1e12 for name, (_, _, rate) in LEVELS.items() if rate}
fig, axis = plots.figure(width=7.4, height=2.0)
axis.barh(list(known), list(known.values()), color=plots.BLUE, height=0.62)
for row, rate in enumerate(known.values()):
    axis.text(rate, row, f"  {rate:,.3g} TB/s", va="center", fontsize=9)
axis.set(xscale="log", xlim=(1, 3000), xlabel="delivers to the whole H100 [TB/s]")
axis.invert_yaxis()
plots.show(
    fig,
    alt="What the levels of memory of an H100 deliver, on a logarithmic axis: registers about 400 terabytes "
    "per second, shared memory about 34, global memory 3.35.",
)

# %% [markdown]
# What is near is fast: shared memory delivers ten times as much as global memory, and registers ten times as much again. It is not a
# pyramid of sizes, as on a CPU: all registers together hold more than all shared memory. But a thread sees its own registers only, and
# all threads that run at a time have little over a hundred bytes each of either. A kernel with fewer FLOP per byte than the corner waits
# for global memory, as in lecture 09. So we count bytes.

# %% [markdown]
# ## 2. Coalescing
#
# Global memory moves in *sectors* of 32 bytes: eight neighbouring float32. One request of a warp moves every sector that any of its 32
# threads touches. If neighbours touch neighbours, that is 4 sectors: the access is *coalesced*.
#
# The example is a transpose: it computes nothing, so all of its time is memory.


# %%
@cuda.jit
def transpose(x, out):
    """x [N, M] -> out [M, N]"""
    column, row = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        out[column, row] = x[row, column]


x = rng.normal(size=(32, 32)).astype(np.float32)
turned = np.empty_like(x)

# %% [markdown]
# > **Predict, then run.** The first warp reads row 0 of `x`, and writes column 0 of `out`. How many sectors does the read move,
# > and how many the write?

# %%
with cuda.sanitized(traces=True) as direct:
    transpose[1, (32, 32)](x, turned)
assert np.array_equal(turned, x.T)
direct.table()

# %% jupyter={"source_hidden": true}
plots.show(
    pictures.touched(direct, "x"),
    alt="A matrix of 32 by 32. The 32 lanes of the first warp lie side by side in row 0: 4 sectors.",
)
plots.show(
    pictures.touched(direct, "out", "store"),
    alt="The same for out: the 32 lanes stand below each other in column 0, "
    "each in a sector of its own: 32 sectors.",
)

# %% [markdown]
# (In the table, *line* is a line of the kernel's cell, and *best possible* the fewest sectors that hold the numbers. In the pictures, numbers
# are lanes, the threads of the warp; dashed lines part the sectors.) The write moves eight times what it needs: each sector
# holds eight numbers, and one of them is wanted. If neighbours walked down a column of `x` instead, the
# read would pay. The rows have to become columns elsewhere.

# %% [markdown]
# ## 3. Shared memory and its banks
#
# Shared memory belongs to a block, and has no sectors. So: read rows into a shared tile, wait, and write rows from its columns.
# Here the parts of `cuda.grid` are needed: `cuda.blockIdx` is the number of the block in the grid, `cuda.threadIdx` that of the thread in
# its block, both with x and y. `cuda.shared.array` is one tile for the whole block.


# %%
@cuda.jit
def transpose_in_tiles(x, out):
    tile = cuda.shared.array((32, 32), np.float32)
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    rows, columns = 32 * cuda.blockIdx.y, 32 * cuda.blockIdx.x
    tile[i, j] = x[rows + i, columns + j]  # N and M are multiples of 32 here
    cuda.syncthreads()  # until all threads of the block are here
    out[columns + i, rows + j] = tile[j, i]


with cuda.sanitized(traces=True) as in_tiles:
    transpose_in_tiles[1, (32, 32)](x, turned)
assert np.array_equal(turned, x.T)
in_tiles.table()

# %% [markdown]
# Now both accesses to global memory are coalesced. But the last column of the table complains.
#
# Shared memory has 32 *banks*. Word $w$ (4 bytes) lies in bank $w \bmod 32$, and a bank delivers one word at a time. `tile[j, i]` with
# $j = 0 \dots 31$ are the words $32j + i$: all in bank $i$. They are served one after the other. This is a *bank conflict*, here a
# 32-way one.
#
# > **Predict, then run.** We make the tile one column wider, [32, 33], and leave the rest as it is. The last column is never used. In which
# > banks do the words of a column lie now?


# %%
@cuda.jit
def transpose_padded(x, out):
    tile = cuda.shared.array((32, 33), np.float32)
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    rows, columns = 32 * cuda.blockIdx.y, 32 * cuda.blockIdx.x
    tile[i, j] = x[rows + i, columns + j]
    cuda.syncthreads()
    out[columns + i, rows + j] = tile[j, i]


with cuda.sanitized(traces=True) as padded:
    transpose_padded[1, (32, 32)](x, turned)
assert np.array_equal(turned, x.T)
padded.table()

# %% jupyter={"source_hidden": true}
plots.show(
    pictures.banks(in_tiles, "tile"),
    alt="Words asked of each of the 32 banks by the first warp, tile of 32 columns: "
    "32 words of bank 0, none of the others.",
)
plots.show(
    pictures.banks(padded, "tile"), alt="The same for a tile of 33 columns: one word of each bank."
)

# %% [markdown]
# Word $33j + i$ lies in bank $(j + i) \bmod 32$: another one for each $j$. For a column, one wasted word in each row of the tile is the
# whole remedy. In general a step of $s$ words meets $32 / \gcd(s, 32)$ banks:

# %%
for step in (1, 2, 4, 8, 16, 32, 33):
    banks = len({step * lane % 32 for lane in range(32)})
    print(f"lanes {step:2d} words apart: {banks:2d} banks in use, {32 // banks:2d}-way")

# %% [markdown]
# What the barrier is for shows when it is missing. Warps run in no fixed order: one may read the tile before another has written it.
# On a GPU that often goes well. The sanitizer looks at which accesses are *ordered*, so it finds the race every time.


# %%
@cuda.jit
def without_barrier(x, out):
    tile = cuda.shared.array((32, 33), np.float32)
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    tile[i, j] = x[i, j]
    out[i, j] = tile[j, i]


try:
    with cuda.sanitized():
        without_barrier[1, (32, 32)](x, turned)
except SanitizerError as error:
    print(error)

# %% [markdown]
# ## 4. The naive product, counted
#
# Back to the product, [128, 128] times [128, 128]. Each thread walks through a row of $A$ and a column of $B$. First the
# same kernel with the two grid numbers exchanged: neighbouring threads take neighbouring *rows*.


# %%
@cuda.jit
def matmul_along_rows(a, b, out):
    row, column = cuda.grid(2)  # the only difference
    if row < out.shape[0] and column < out.shape[1]:
        total = np.float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        out[row, column] = total


SIDE = 128
a, b = rng.normal(size=(2, SIDE, SIDE)).astype(np.float32)
reports = {}


def count(name, multiply):
    out = np.empty((SIDE, SIDE), np.float32)
    with cuda.sanitized(counts=True) as report:
        multiply(a, b, out)
    assert np.allclose(out, a @ b, atol=1e-3), name
    reports[name] = report
    loaded, inputs = report.global_bytes()["load"], a.nbytes + b.nbytes
    print(f"{name}: {loaded:,d} bytes loaded, {loaded / inputs:.1f} times the inputs")


# %%
count("naive, along rows", matmul_along_rows[(4, 16), (32, 8)])
reports["naive, along rows"].table()

# %% [markdown]
# > **Predict, then run.** `matmul_naive` has threads along columns. A warp of 32 then shares one row of $A$ and has 32 neighbouring
# > columns of $B$. How many sectors for a request of `a`, and of `b`?

# %%
count("naive, along columns", matmul_naive[(4, 16), (32, 8)])
reports["naive, along columns"].table()

# %% [markdown]
# All 32 threads want the same number of $A$: one sector serves them all, a *broadcast*. Their 32 numbers of $B$ are 4 sectors. In the other
# direction `a` takes 32 sectors and `b` one. One line of code, and 33 sectors in place of 5.
#
# Caches (L1 in each multiprocessor, L2 for all) catch part of this traffic on a real GPU; the sanitizer counts what is asked of
# them. A kernel that asks for less does not depend on what they catch.

# %% [markdown]
# ## 5. Tiles in shared memory
#
# Threads of one block need the same rows and columns again and again. So the block copies a $T \times T$ tile of $A$ and one of $B$ into
# shared memory, waits, adds $T$ products for each result from the tiles, waits, and goes on along $K$. It is section 7 of lecture 09;
# the cache is one that you fill yourself. You saw all of its parts in `transpose_in_tiles`; the lab asks you to put them together.
#
# A number of $A$ is then fetched by the $M/T$ blocks in its row of blocks: $T$ times less than once for each result. For each step along
# $K$ a block does $2T^2$ FLOP and fetches $2T$ numbers of 4 bytes:
#
# $$\text{FLOP per byte} = \frac{2T^2}{2T \cdot 4} = \frac{T}{4}$$


# %%
def speed_limit(tile, peak=FLOAT32):
    """FLOP/s that an H100 cannot exceed if each tile really comes from global memory."""
    return min(peak, tile / 4 * BANDWIDTH)


for tile in (1, 16, 32, 64, 128):
    limit = speed_limit(tile) / 1e12
    print(f"T = {tile:3d}: {tile / 4:5.2f} FLOP per byte, at most {limit:4.1f} TFLOP/s")

# %% [markdown]
# A block of $16 \times 16$ threads, one result each, gives $T = 16$. A block has at most 1024 threads, so with one result each
# $T = 32$ is the end. Beyond, a thread must compute more than one result.

# %% [markdown]
# ## 6. Tiles in registers
#
# There is a second reason. Let us count for one multiply-add in a tile: `tile_a[ty, k] * tile_b[k, tx]` takes **two** loads from shared
# memory. In one cycle a multiprocessor of an H100 computes 128 multiply-adds, those of 4 warps, but its 32 banks serve the load of
# one warp. So the multiply-adds wait for the loads.
#
# If a thread computes $R \times R$ results, it loads $R + R$ numbers for $R^2$ multiply-adds, and keeps the sums in registers. For a warp
# that is $R^2 / 4$ cycles of arithmetic, and $2R$ cycles of loads at the same time:

# %%
for r in (1, 2, 4, 8):
    cycles_of_arithmetic, cycles_of_loads = r * r / 4, 2 * r
    share = min(1, cycles_of_arithmetic / cycles_of_loads)
    loads = f"{2 * r:2d} loads for {r * r:2d} multiply-adds"
    print(f"{r} x {r} results: {loads}, at most {share:6.1%} of the peak")

# %% [markdown]
# So $8 \times 8$ is what it takes, and with $16 \times 16$ threads that makes tiles of side 128. The course's fast kernel has these sizes
# (`solutions/kernels/cuda/gemm.py`; the lab begins with $4 \times 4$). Here are the course's kernels, tiled and register-tiled,
# on the same matrices:

# %%
tiled = choice.from_set("plain", "matmul", "cuda")  # the kernel sets of solutions/kernels/cuda
register_tiled = choice.from_set("expert", "matmul", "cuda")
count("tiled, T = 16", tiled.function)
count("register-tiled, T = 128", register_tiled.function)

# %%
multiply_adds = SIDE**3 // 32  # of a whole warp each
for name in ("tiled, T = 16", "register-tiled, T = 128"):
    lines = [line for line in reports[name].traffic if line.space == "shared"]
    loads = sum(line.requests for line in lines if line.operation == "load")
    print(f"{name}: {loads:,d} shared loads, {loads / multiply_adds} for a multiply-add")

# %% [markdown]
# The inputs come $n/T = 8$ times and once, as the formula says. The first kernel has two shared loads for each multiply-add, as we counted. The
# other needs $16/64$ numbers, and fetches four with each load: a sixteenth.

# %% jupyter={"source_hidden": true}
plots.show(
    pictures.traffic(reports),
    alt="Bytes between global memory and the chip, one bar for each version: naive along rows by far the "
    "most, along columns several times less, tiled a small part of that, register-tiled the least.",
)

# %% [markdown]
# Each pair of bars is the same product. The axis is logarithmic.
#
# The roofline once more, with the side of a tile in place of FLOP per byte:


# %% jupyter={"source_hidden": true}
sides = np.logspace(0, 8, 200, base=2)
fig, axis = plots.figure(width=6.4)
axis.loglog(sides, [speed_limit(side) / 1e12 for side in sides], color=plots.BLACK)
for tile, marker, colour in zip((1, 16, 32, 128), plots.MARKERS, plots.COLOURS, strict=False):
    axis.plot(
        tile, speed_limit(tile) / 1e12, marker, color=colour, markersize=9, label=f"T = {tile}"
    )
axis.set(
    xlabel="side T of a tile",
    ylabel="limit [TFLOP/s]",
    xticks=[1, 4, 16, 64, 256],
    yticks=[1, 10, 67],
)
axis.set_xticklabels([1, 4, 16, 64, 256])
axis.set_yticklabels([1, 10, 67])
axis.minorticks_off()
axis.legend()
axis.grid()
plots.show(
    fig,
    alt="The limit of an H100 against the side of a tile: it rises with the side up to 80 and is level at "
    "67 TFLOP/s beyond. Sides 1, 16 and 32 lie on the slope, 128 on the level part.",
)

# %% [markdown]
# ## 7. Occupancy
#
# Registers are not free. A multiprocessor has 65,536, and all threads on it share them. *Occupancy* is the share of the possible warps that
# fit at a time. Threads, blocks, registers and shared memory each set a limit, and the smallest counts.

# %%
small = 2 * 16 * 16 * 4  # bytes: two tiles of 16 x 16 numbers
large = 2 * 16 * 132 * 4  # two of 16 x 128, each row with 4 numbers of padding
for name, threads, registers, shared in [
    ("tiled: one result each", 256, 32, small),
    ("8 x 8 results, say 128 registers", 256, 128, large),
    ("the same with 160", 256, 160, large),
    ("much shared memory", 256, 32, 100_000),
]:
    fits = occupancy.occupancy("sm_90", threads, registers, shared)
    print(f"{name:33s} {fits.blocks} blocks, {fits.share:4.0%} of the warps; limit: {fits.limit}")

# %% [markdown]
# The registers above are given numbers. What the compiler really takes for the course's kernels, tiled (`matmul_kernel`) and
# register-tiled (`multiply`), can be found without a GPU, where the package numba-cuda is installed. Elsewhere the cell says "not run".

# %%
_, shown = compile_check.explain_cuda(register_tiled, ("sm_90",))
console().print(shown)

# %% jupyter={"source_hidden": true}
registers = np.arange(16, 256)


def draw_occupancy(axis, threads, shared, label, dashes="-"):
    shares = [occupancy.occupancy("sm_90", threads, int(r), shared).share for r in registers]
    axis.step(registers, 100 * np.array(shares), dashes, where="mid", label=label)
    axis.set(xlabel="registers for each thread", ylabel="occupancy [%]", ylim=(0, 105))
    axis.grid()


fig, axis = plots.figure(width=6.6)
for (threads, shared), dashes in zip(
    [(256, 0), (1024, 0), (256, 60_000)], ("-", "--", ":"), strict=True
):
    draw_occupancy(axis, threads, shared, f"{threads} threads, {shared // 1000} kB shared", dashes)
axis.legend()
plots.show(
    fig,
    alt="Occupancy of an H100 against registers per thread: stairs that fall from 100 percent. Blocks of "
    "1024 threads fall in larger steps, to zero beyond 64 registers. With 60 kB of shared memory a block "
    "the stairs begin at 38 percent.",
)


# %%
@interact(threads=[64, 128, 256, 512, 1024], shared_kB=(0, 220, 10))
def draw_chosen_occupancy(threads=256, shared_kB=20):
    fig, axis = plots.figure(width=6.6)
    draw_occupancy(axis, threads, 1000 * shared_kB, "")
    plots.show(fig, alt=f"Occupancy for blocks of {threads} threads and {shared_kB} kB.")


# %% [markdown]
# More is not always better. Many warps are one way to have work while a load is on its way; many independent sums in one thread are another.
# Register tiles trade the first for the second (Volkov, 2010).

# %% [markdown]
# ## 8. What tensor cores change
#
# A *tensor core* does with one instruction of a warp what took many: it multiplies two small tiles, for example 16 × 16 by 16 × 8 (PTX ISA,
# `mma`), and adds the result to sums in float32. The catch is the inputs: they have 16 bits. *bfloat16* is the upper half of a float32
# (lecture 06): 8 bits of exponent, 8 of precision (one of them implied) in place of 24.


# %%
def to_bfloat16(x):
    """float32 rounded to the nearest bfloat16 (ties to even), kept in a float32 array."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


pi = np.array([np.pi], np.float32)
print("pi:", pi[0], "as bfloat16:", to_bfloat16(pi)[0])
many = rng.uniform(1, 2, size=1_000_000).astype(np.float32)
largest = np.max(np.abs(to_bfloat16(many) / many - 1))
print(f"largest relative error of a million numbers: {largest:.2e}; 2^-8 is {2**-8:.2e}")

# %% [markdown]
# The weights of a Qwen checkpoint are bfloat16 from the start: nothing is lost there. The activations are float32. But a float32 has 24 bits
# of precision, and $24 = 8 + 8 + 8$: it is the sum of **three** bfloat16 numbers, exactly (Henry et al., 2019).


# %%
def split(x):
    """Three bfloat16 arrays whose sum is x."""
    high = to_bfloat16(x)
    middle = to_bfloat16(x - high)
    return high, middle, to_bfloat16(x - high - middle)


x = rng.normal(size=(64, 512)).astype(np.float32)  # [N, K]
weight = to_bfloat16(rng.normal(size=(512, 64)).astype(np.float32))  # [K, M]
high, middle, low = split(x)
print("parts of", x[0, 0], "are", high[0, 0], middle[0, 0], low[0, 0])
whole = high.astype(np.float64) + middle + low
print("all sums exact:", np.array_equal(whole, x.astype(np.float64)))

# %% [markdown]
# A product of two 8-bit numbers has 16 bits, so it is exact in float32. Only adding rounds. How wrong is a product of matrices with one, two
# and three parts of `x`?

# %%
exact = x.astype(np.float64) @ weight.astype(np.float64)
results = {
    "float32": x @ weight,
    "bfloat16, 1 part": high @ weight,
    "2 parts": middle @ weight + high @ weight,
    "3 parts": low @ weight + middle @ weight + high @ weight,
}
errors = {}
for name, result in results.items():
    errors[name] = np.abs(result - exact).max() / np.abs(exact).max()
    print(f"{name:17s} largest error {errors[name]:.0e} of the largest result")

# %% [markdown]
# Three parts are as good as float32; what differs is the order in which things are added. And what do they cost?

# %%
for parts in (1, 3):
    rate = BFLOAT16 / parts
    print(
        f"bfloat16 products: {parts}, {rate / 1e12:.0f} TFLOP/s, {rate / FLOAT32:.1f} times float32"
    )
print(f"the corner of the roofline moves to {BFLOAT16 / BANDWIDTH:.0f} FLOP per byte")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=2.7)
axes[0].barh(list(errors), list(errors.values()), color=plots.BLUE)
axes[0].set(xscale="log", xlabel="largest relative error", xlim=(1e-8, 1e-1))
rates = dict(zip(errors, (FLOAT32, BFLOAT16, BFLOAT16 / 2, BFLOAT16 / 3), strict=True))
axes[1].barh(list(rates), [rate / 1e12 for rate in rates.values()], color=plots.ORANGE)
axes[1].set(xlabel="peak of an H100 [TFLOP/s]")
for axis in axes:
    axis.invert_yaxis()
plots.show(
    fig,
    alt="Left: the error is about as small with three bfloat16 parts as in float32, and thousands of times "
    "larger with one part. Right: peak rates; even three products on tensor cores are several times "
    "faster than float32.",
)

# %% [markdown]
# The course's fast kernels use this for bfloat16 weights: float32 precision at tensor-core speed (`solutions/kernels/cuda/gemm_bfloat16.py`).
# The arithmetic became so cheap that memory is in the way again. With one row, as when a model writes a token, no tile helps: each
# weight is used once. Then only smaller weights help.

# %% [markdown]
# ## The answer
#
# - Threads wait for memory. A warp asks as one: neighbours must touch neighbours (coalescing), and in shared memory different banks.
# - Each number should be fetched once for many uses: tiles of side $T$ in shared memory save a factor $T$ of global traffic, blocks of
#   $R \times R$ results in registers a factor $R$ of shared traffic. Registers are limited, and occupancy says what they cost.
# - Tensor cores make the multiply-adds many times cheaper, for inputs of 16 bits. Three such parts make a float32.
#
# ## Sources
#
# - NVIDIA (2025), [CUDA C++ Programming Guide 12.9](https://docs.nvidia.com/cuda/archive/12.9.1/cuda-c-programming-guide/index.html): warps and
#   banks; *Arithmetic instructions* and *Technical specifications per compute capability*, column 9.0.
# - NVIDIA, [CUDA C++ Best Practices Guide](https://docs.nvidia.com/cuda/cuda-c-best-practices-guide/): coalescing, padding, occupancy.
# - NVIDIA, [H100 GPU, specifications](https://www.nvidia.com/en-us/data-center/h100/): rates and bandwidth of the SXM version.
# - M. Andersch et al. (2022), [NVIDIA Hopper architecture in-depth](https://developer.nvidia.com/blog/nvidia-hopper-architecture-in-depth/).
# - NVIDIA, [PTX ISA](https://docs.nvidia.com/cuda/parallel-thread-execution/): the `mma` instructions of tensor cores.
# - V. Volkov (2010), [Better performance at lower occupancy](https://www.nvidia.com/content/GTC-2010/pdfs/2238_GTC2010.pdf).
# - G. Henry, P. T. P. Tang, A. Heinecke (2019), [Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations](https://arxiv.org/abs/1904.06376).
#
# ## Go on
#
# In [lab 10 matmul on a GPU](../labs/10_matmul_gpu/10_matmul_gpu.ipynb) you write the three products, naive, tiled and register-tiled, and count
# their traffic. Then: [11 Tokens and positions](11_tokens_and_positions.ipynb).
