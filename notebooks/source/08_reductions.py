# %% [markdown]
# # 08 · Reductions, and a first look at a GPU
#
# **Question:** a sum needs one addition after another. How do a core, several cores and a GPU add up a row faster than that?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [07 Softmax](07_softmax.ipynb) | cache lines (lecture 06), RMSNorm (lecture 05) | 21 minutes | [08 reductions](../labs/08_reductions/08_reductions.ipynb) | [09 Matmul on a CPU](09_matmul_cpu.ipynb) |

# %%
import math
import re
import textwrap
import time
from collections import Counter

import numba
import numpy as np
from matplotlib.patches import Rectangle
from numba import njit, prange

from llaisys_mini import cuda, plots
from llaisys_mini.inspect.timing import seconds  # shortest of several runs
from llaisys_mini.lectures import widgets
from llaisys_mini.sanitizer import SanitizerError

# %% [markdown]
# ## 1. The chain
#
# RMSNorm needs the mean square of a row, softmax its maximum and a sum. An operation that turns many numbers into one is a
# **reduction**. Here are three kernels for the same one, the sum of squares: a plain loop; the same loop with `fastmath=True`, which
# allows the compiler to add in another order; and one with four sums side by side.


# %%
def sum_of_squares(x):
    total = np.float32(0)
    for n in range(x.size):
        total += x[n] * x[n]
    return total


in_order = njit(sum_of_squares)
in_any_order = njit(fastmath=True)(sum_of_squares)


@njit
def four_sums(x):
    """x [N / 4, 4]"""
    a = b = c = d = np.float32(0)
    for n in range(x.shape[0]):
        a += x[n, 0] * x[n, 0]
        b += x[n, 1] * x[n, 1]
        c += x[n, 2] * x[n, 2]
        d += x[n, 3] * x[n, 3]
    return (a + b) + (c + d)


# %% [markdown]
# > **Predict, then run.** How much faster is `fastmath`: not at all, twice, ten times? And the four sums?

# %%
x = np.random.default_rng(0).normal(size=16_384).astype(np.float32)  # 64 kB: it stays in the cache
exact = (x.astype(np.float64) ** 2).sum()
per_number = {}
for name, kernel, numbers in [
    ("in order", in_order, x),
    ("four sums", four_sums, x.reshape(-1, 4)),
    ("in any order", in_any_order, x),
]:
    per_number[name] = 1e9 * seconds(kernel, numbers, repeats=20) / x.size
    error = abs(kernel(numbers) / exact - 1)
    print(f"{name:13s} {per_number[name]:.3f} ns for one number, relative error {error:.0e}")
ratio = per_number["in order"] / per_number["in any order"]
print(f"the fastest is {ratio:.0f} times as fast as the slowest")

# %% [markdown]
# > **The common guess**, that the compiler makes the fastest loop out of any loop, forgets that it must keep the order of a
# > float sum unless we allow another: the order decides the last digits.
#
# More than ten times here, and the four sums about three times. Each addition of the plain loop needs the result of the one before. An addition
# takes several clock cycles, for which the CPU has to wait. Four sums that do not depend on each other keep it busy meanwhile.
#
# An order in which every sum waits for the one before is a *chain*. The other extreme is a *tree*: pairs are added first, then
# pairs of these sums. Both need 7 additions for 8 numbers. In the chain all 7 follow one another. In the tree they take only 3 steps, for
# $n$ numbers $\log_2 n$, and the additions of one step do not depend on each other.

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3)
line = dict(color="#777777", linewidth=1)
dot = dict(s=70, zorder=3, edgecolor="white")
for place in range(8):
    for axis in axes:
        axis.scatter(place, 0, color=plots.BLUE, **dot)
for place in range(1, 8):
    axes[0].plot([place, place], [0, place], **line)
    axes[0].plot([place - 1, place], [place - 1, place], **line)
    axes[0].scatter(place, place, color=plots.VERMILION, marker="s", **dot)
at = list(range(8))
for level in (1, 2, 3):
    pairs = [(at[i], at[i + len(at) // 2]) for i in range(len(at) // 2)]
    for left, right in pairs:
        axes[1].plot([left, left], [level - 1, level], **line)
        axes[1].plot([right, left], [level - 1, level], **line)
        axes[1].scatter(left, level, color=plots.VERMILION, marker="s", **dot)
    at = [left for left, _ in pairs]
axes[0].set(title="chain", ylabel="step", xlabel="number", yticks=range(8))
axes[1].set(title="tree: the upper half is added to the lower", xlabel="number", yticks=range(4))
plots.show(
    fig,
    alt="Eight numbers, added up twice. Left: a chain of seven additions, each of which needs the one before. Right: a tree "
    "of four, two and one additions in three steps; in each step the upper half is added to the lower half.",
)

# %% [markdown]
# ## 2. One instruction, many numbers
#
# When it may add in any order, the compiler goes further than four sums. A core has registers that hold several numbers, and one instruction adds
# to all of them. This is **SIMD**, *single instruction, multiple data*; a place in such a register is a **lane**.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=2.9)
for row in range(3):
    for lane in range(8):
        axis.add_patch(
            Rectangle((lane, -row), 0.94, 0.72, facecolor=plots.SKY + "66", edgecolor="#777777")
        )
        axis.text(lane + 0.47, 0.36 - row, f"$x_{{{8 * row + lane}}}^2$", ha="center", va="center")
    axis.text(8.2, 0.36 - row, "one instruction adds these 8", va="center", color="#555555")
for lane in range(8):
    axis.add_patch(
        Rectangle((lane, -3.5), 0.94, 0.72, facecolor=plots.ORANGE + "88", edgecolor="#777777")
    )
    axis.text(lane + 0.47, -3.14, f"$s_{lane}$", ha="center", va="center")
    axis.annotate(
        "",
        (lane + 0.47, -2.75),
        (lane + 0.47, -2.05),
        arrowprops=dict(arrowstyle="->", color="#777777"),
    )
axis.text(
    8.2, -3.14, "8 sums in one register, added at the end as a tree", va="center", color="#555555"
)
axis.set(xlim=(-0.1, 14.2), ylim=(-3.6, 0.8))
axis.axis("off")
plots.show(
    fig,
    alt="Three rows of eight squares each. One instruction adds a whole row to eight sums, which lie side by side in one register, each "
    "below its lane.",
)

# %% [markdown]
# The machine code shows it:


# %%
def additions(kernel):
    """Instructions that add float32 numbers, with the kind of their registers: {name: count}."""
    (code,) = kernel.inspect_asm().values()
    intel_and_amd = re.findall(r"\s(\w*add\w*[ps]s)\s.*%([xyz]mm)", code)
    arm = re.findall(r"\s(fadd|fmadd|fmla)\s+([sv])\d", code)
    return Counter(" ".join(found) for found in intel_and_amd + arm)


for name, kernel in [("in order", in_order), ("in any order", in_any_order)]:
    print(f"{name}:")
    for instruction, count in additions(kernel).most_common():
        print(f"  {count} × {instruction}")

# %% [markdown]
# On Intel and AMD an instruction whose name ends in `ss` adds one number, one that ends in `ps` a whole register: 4 numbers in `xmm`, 8 in `ymm`, 16
# in `zmm`. `fmadd` multiplies and adds in one instruction. On ARM registers `s` hold one number, `v` four. The narrow instructions join the
# sums at the end, and add the numbers that are left over.

# %% [markdown]
# ## 3. Several cores
#
# Rows are independent of each other, so the cores can share them: `prange` in place of `range`. But starting the threads takes time.
#
# > **Predict, then run.** From how many rows of 1024 numbers on are several cores faster: 1, 16, 256, 4096?


# %%
@njit(fastmath=True)
def square_sums(x, out):
    for n in range(x.shape[0]):
        total = np.float32(0)
        for e in range(x.shape[1]):
            total += x[n, e] * x[n, e]
        out[n] = total


@njit(fastmath=True, parallel=True)
def square_sums_on_all_cores(x, out):
    for n in prange(x.shape[0]):
        total = np.float32(0)
        for e in range(x.shape[1]):
            total += x[n, e] * x[n, e]
        out[n] = total


def microseconds(kernel, x, out, calls=300):
    """The shortest of many single calls: other programs, which also want the cores, disturb most."""
    taken = []
    for _ in range(calls):
        start = time.perf_counter()  # of a clock on the wall, since the work of all threads counts
        kernel(x, out)
        taken.append(time.perf_counter() - start)
    return 1e6 * min(taken)


print("threads:", numba.get_num_threads())
for rows in (1, 16, 256, 4096):
    x, out = np.ones((rows, 1024), np.float32), np.empty(rows, np.float32)
    alone, together = (
        microseconds(square_sums, x, out),
        microseconds(square_sums_on_all_cores, x, out),
    )
    print(f"{rows:5d} rows: {alone:7.1f} µs on one core, {together:7.1f} µs on all")

# %% [markdown]
# > **The common guess**, that two cores always halve the time, forgets what it takes to wake the threads and to wait for the last
# > of them.
#
# For one row the threads cost more than they save, for 4096 they save time. Where the limit lies depends on the machine and on what else runs on
# it. The course's kernels therefore use threads only from a certain number of elements on (`PARALLEL_FROM` in
# `solutions/kernels/cpu/rms_norm.py`).
#
# Note what is divided among the threads: whole rows, so each element of `out` is written by one thread only. Two threads that add to the same
# element would overwrite each other's sums. `total` is set within the `prange` loop, so each thread has its own. (A scalar that all iterations
# only add to gets one copy for each thread from Numba, and the copies are added at the end.)

# %% [markdown]
# ## 4. What a GPU is made of
#
# A GPU has thousands of arithmetic units, and runs many thousands of threads. A kernel is written for *one* thread. A thread finds out from its
# numbers which part of the work is its own:
#
# - A **thread** runs the kernel once. `cuda.threadIdx.x` is its number in its block.
# - A **warp** is 32 threads that run the same instruction together; each of them is a lane. They can read each other's registers with a
#   *shuffle*.
# - A **block** is one or more warps, at most 1024 threads. They have a small **shared memory**, and a **barrier**,
#   `cuda.syncthreads()`, at which each waits until all have reached it. `cuda.blockIdx.x` is the number of a block.
# - The **grid** is all blocks of one **launch**, `kernel[blocks, threads](...)`. Blocks run in any order, so none may wait for
#   another.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=3.9)
soft = dict(color="#555555", fontsize=9)


def box(left, bottom, wide, high, face="white", **more):
    axis.add_patch(
        Rectangle((left, bottom), wide, high, facecolor=face, edgecolor="#777777", **more)
    )


for block in range(3):
    box(2 + 12 * block, 30, 10, 5, plots.ORANGE + "66" if block == 1 else "white")
    axis.text(7 + 12 * block, 32.5, f"block {block}", ha="center", va="center")
axis.text(39, 32.5, "the grid: here one block for each row of x", va="center", **soft)
axis.plot([14, 10], [30, 26.4], color="#777777", linewidth=0.8)
axis.plot([24, 80], [30, 26.4], color="#777777", linewidth=0.8)
box(10, 0.5, 70, 25.9, plots.ORANGE + "1A")
for warp in range(4):
    bottom = 21.2 - 4.4 * warp
    for lane in range(32):
        face = plots.VERMILION if (warp, lane) == (2, 5) else plots.SKY + "66"
        box(12 + 2.05 * lane, bottom, 1.9, 3.2, face, linewidth=0.6)
    axis.text(9, bottom + 1.6, f"warp {warp}", ha="right", va="center")
axis.text(81, 14, "lane 5 of warp 2:\nthread 2 · 32 + 5 = 69", va="center", **soft)
axis.text(81, 22.8, "32 lanes,\nshuffles between them", va="center", **soft)
box(12, 1.6, 65.5, 3.8, plots.GREEN + "44")
axis.text(44.7, 3.5, "shared memory of the block", ha="center", va="center")
axis.text(81, 3.5, "between warps,\nwith a barrier", va="center", **soft)
axis.set(xlim=(0, 104), ylim=(0, 36))
axis.axis("off")
plots.show(
    fig,
    alt="Above, a grid of three blocks. Below, block 1 in detail: four warps of 32 lanes each, and the shared memory that "
    "belongs to the block. Lane 5 of warp 2 is marked; it is thread 69 of the block.",
)

# %% [markdown]
# The simplest use: each thread takes one number. All blocks have the same size, so the last one may reach past the end; its surplus
# threads must do nothing.


# %%
@cuda.jit
def squares(x, out):
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x  # in short: cuda.grid(1)
    if i < x.size:
        out[i] = x[i] * x[i]


x = np.arange(300, dtype=np.float32)
out = np.full(300, np.nan, dtype=np.float32)
blocks = (x.size + 127) // 128
squares[blocks, 128](x, out)
print(
    f"{blocks} blocks of 128 threads for {x.size} numbers; {np.count_nonzero(out != x * x)} wrong"
)

# %% [markdown]
# If your computer has no GPU, this has run all the same. The course then executes the threads on the CPU, in its **sanitizer**, which
# also watches every access to memory. It reports accesses out of bounds, reads of memory that nobody has written, and conflicting accesses of
# threads in no defined order (section 6). A GPU by itself reports few of these, and not where they happened.

# %% [markdown]
# ## 5. A row on a GPU
#
# A row is added up in three stages:
#
# 1. each thread adds up its part of the row, a chain;
# 2. each warp adds the sums of its 32 threads as a tree of shuffles, in 5 steps, since $2^5 = 32$;
# 3. each warp writes its sum to shared memory, and one thread adds these.
#
# The second stage, step by step. With `shfl_down` lane $i$ reads from lane $i$ + step, and lane 0 ends with the sum. With `shfl_xor` each lane
# reads from the lane whose number differs in one bit, and all end with it.

# %%
widgets.show("warp_shuffle")

# %% [markdown]
# All three stages as a kernel:

# %%
THREADS = 128
WARPS = THREADS // 32  # a name for the shape below, in which nothing can be computed


@cuda.jit
def row_sums(x, out):
    of_warps = cuda.shared.array(WARPS, np.float32)
    row, thread = cuda.blockIdx.x, cuda.threadIdx.x
    total = np.float32(0)
    for e in range(thread, x.shape[1], THREADS):  # neighbouring threads read neighbouring numbers
        total += x[row, e] * x[row, e]
    for step in (16, 8, 4, 2, 1):  # lane i adds what lane i + step holds
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, step)  # 32 ones: all lanes take part
    if thread % 32 == 0:
        of_warps[thread // 32] = total
    cuda.syncthreads()
    if thread == 0:
        out[row] = of_warps[0] + of_warps[1] + of_warps[2] + of_warps[3]


# %%
x = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
out = np.full(3, np.nan, dtype=np.float32)
with cuda.sanitized(outputs=[out]) as report:
    row_sums[3, THREADS](x, out)  # 3 blocks, one for each row
print("kernel:", out)
print("NumPy: ", (x * x).sum(axis=1))
print("findings:", len(report.findings))
of_a_thread = math.ceil(1000 / THREADS)
print(f"additions one after another: 1000 in order, here {of_a_thread} + 5 + {WARPS}")

# %% [markdown]
# ## 6. A worked error
#
# The threads of a warp run together, but the four warps do not. Thread 0 must not read the sums of the other warps before
# they are written. The barrier ensures that.
#
# > **Predict, then run.** We leave the barrier out. Will the result be wrong? What will the sanitizer say?


# %%
@cuda.jit
def row_sums_without_barrier(x, out):
    of_warps = cuda.shared.array(WARPS, np.float32)
    row, thread = cuda.blockIdx.x, cuda.threadIdx.x
    total = np.float32(0)
    for e in range(thread, x.shape[1], THREADS):
        total += x[row, e] * x[row, e]
    for step in (16, 8, 4, 2, 1):
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, step)
    if thread % 32 == 0:
        of_warps[thread // 32] = total
    if thread == 0:
        out[row] = of_warps[0] + of_warps[1] + of_warps[2] + of_warps[3]


try:
    with cuda.sanitized(outputs=[out]):
        row_sums_without_barrier[3, THREADS](x, out)
except SanitizerError as error:
    for line in str(error).split("\n"):
        print(textwrap.fill(line, 96))

# %% [markdown]
# > **The common guess**, that a wrong kernel gives a wrong number, holds only when a warp is late. Otherwise the number is
# > right by luck, and a test that compares numbers passes.
#
# On a real GPU the result may be right a thousand times, and wrong when a warp is late. Such **data races** are hard to find by
# testing. The sanitizer does not depend on chance: it sees that nothing orders the write before the read. The message names both
# lines; the barrier belongs between them.

# %% [markdown]
# ## 7. How many threads
#
# How many threads should a block have? We count the additions that must follow one another, in the thread, in its warp and
# over the warps:


# %% jupyter={"source_hidden": true}
def steps(width, threads):
    """Additions after each other: in a thread, in its warp, over the warps."""
    return math.ceil(width / threads) + 5 + threads // 32


fig, axis = plots.figure(width=6.4, height=2.9)
choices = [32, 64, 128, 256, 512, 1024]
for width, marker, dashes in zip((256, 1024, 4096), plots.MARKERS, ("-", "--", "-."), strict=False):
    axis.plot(
        range(6),
        [steps(width, threads) for threads in choices],
        marker + dashes,
        label=f"row of {width}",
    )
axis.set(
    xlabel="threads in the block",
    ylabel="additions one after another",
    ylim=(0, None),
    xticks=range(6),
)
axis.set_xticklabels(choices)
axis.grid()
axis.legend()
plots.show(
    fig,
    alt="Additions one after another against the number of threads, for rows of 256, 1024 and 4096 "
    "numbers. Each curve falls, has a lowest point, later for longer rows, and rises again.",
)

# %% [markdown]
# With too few threads the first stage is long, with too many the last. Lecture 10 looks at what else matters.

# %% [markdown]
# ## With pencil and paper
#
# **1.** A launch has 8 blocks of 256 threads, for 2000 numbers, one for each thread. Which number belongs to thread 40 of block 3, and in
# which warp and lane of its block does it run? How many threads have nothing to do?
#
# <details><summary>Answer</summary>
#
# $3 \cdot 256 + 40 = 808$. $40 = 1 \cdot 32 + 8$: lane 8 of warp 1. There are 2048 threads, so 48 have nothing to do, all in the last
# block.
#
# </details>
#
# **2.** Eight lanes hold 1 to 8. They add up with `shfl_down` and the steps 4, 2, 1. What does lane 0 hold after each step? How many
# additions contribute to it, and how many would in a chain?
#
# <details><summary>Answer</summary>
#
# After step 4: 1 + 5 = 6. After step 2: 6 + (3 + 7) = 16. After step 1: 16 + (2 + 6 + 4 + 8) = 36. Additions that contribute: 4 + 2 + 1 = 7,
# as in a chain. The tree saves waiting, not work.
#
# </details>

# %% [markdown]
# ## The answer
#
# - In a sum in order each addition waits for the one before. A **reduction** gets faster by independent partial sums, combined as a tree: several
#   variables or the **lanes** of a **SIMD** register in one core, rows divided among cores.
# - On a GPU: chains in the threads, shuffles within a **warp**, **shared memory** and a **barrier** within a **block**. Blocks of a
#   **grid** do not wait for each other.
# - Another order changes the last digits. A missing barrier is a **data race**: the result may be right all the same. The **sanitizer**
#   reports it in every run.
#
# ## Sources
#
# - M. Harris (2007), [Optimizing parallel reduction in CUDA](https://developer.download.nvidia.com/assets/cuda/files/reduction.pdf).
# - G. Blelloch (1990), [Prefix sums and their applications](https://www.cs.cmu.edu/~guyb/papers/Ble93.pdf): sums as trees.
# - NVIDIA, [CUDA C++ programming guide](https://docs.nvidia.com/cuda/cuda-c-programming-guide/): threads, warps, blocks.
#
# ## Go on
#
# In [lab 08 reductions](../labs/08_reductions/08_reductions.ipynb) you make your `rms_norm` and `softmax` fast on a CPU, and write
# both for a GPU. Then: [09 Matmul on a CPU](09_matmul_cpu.ipynb).
