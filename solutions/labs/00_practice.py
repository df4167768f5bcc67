# %% [markdown]
# # Lab 00: practice
#
# Nothing here is hard. You write the smallest kernel there is, break it on purpose, read what the check says, and hand in.
# After that you know everything about how the labs work.
#
# A **lab** has cells for you to fill. Run a cell with Shift+Enter. The grey bar on the left shows which cell is selected.

# %%
import numpy as np

from llaisys_mini import check, operators

# %% [markdown]
# ## 1. Your first kernel
#
# An **operator** is a function with a fixed contract. A **kernel** is one way to compute it. `add` has the contract:
#
# - `x` and `y` are float32 arrays of the same shape, any shape; the kernel sees them flat, as `[size]`,
# - `out` has the same shape, and the kernel writes into it: `out[i] = x[i] + y[i]`.
#
# With numbers: `x = [1, 2, 3]` and `y = [10, 20, 30]` give `out = [11, 22, 33]`.
#
# `@njit` has Numba compile the function to machine code. Inside, write plain loops over elements. A kernel returns nothing; its
# results go into `out`. Replace the line that raises.

# %% task="cpu/add"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# One loop: `for i in range(out.size):`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Inside the loop, store something in `out[i]`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# What is stored is the sum of `x[i]` and `y[i]`. The line with `raise` goes away.
#
# </details>

# %% [markdown]
# Run the next cell. `check` tries your kernel on several inputs and compares with the reference, which computes in float64.
# This cell is locked and worth points; hidden cases are worth more when the lab is graded.

# %% test="add-public" points=2
check("add")

# %% test="add-hidden" points=2
# The same kernel on other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("add", seed=40001)
### END HIDDEN TESTS

# %% [markdown]
# From now on, wherever the course adds two arrays, your kernel does it:

# %%
operators.add(np.float32([1, 2, 3]), np.float32([10, 20, 30]))

# %% [markdown]
# ## 2. The same on a GPU
#
# A GPU kernel is written for one thread; very many run it at once. It consists of two functions:
#
# - one under `@cuda.jit`, which every thread runs. `cuda.grid(1)` is the number of the thread among all. Threads come in whole blocks,
#   so some numbers lie beyond the end of the array: those threads must do nothing.
# - the launcher under `@kernel`, an ordinary function. It says how many blocks of how many threads there are:
#   `add_kernel[blocks, threads](x, y, out)`.
#
# Example: 1000 elements and 256 threads per block take 4 blocks, `(1000 + 255) // 256`. That is 1024 threads; the last 24 do nothing.
#
# You need no GPU: where there is none, a sanitizer runs all the threads on the CPU and watches every access to memory. It finds what a
# real GPU often hides.

# %% task="cuda/add"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Above the launcher write `@cuda.jit` and `def add_kernel(x, y, out):`. It has no loop.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Its first line is `i = cuda.grid(1)`, its second asks whether i is below `out.size`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Inside the `if` stands the line that was in your loop on the CPU. The launcher computes the number of blocks and calls
# `add_kernel[blocks, 256](x, y, out)`.
#
# </details>

# %% test="add-gpu-public" points=2
check("add", device="cuda")

# %% test="add-gpu-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("add", device="cuda", seed=40002)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Break it
#
# A check that never failed in front of you is hard to trust. Try these in the cell of your kernel, one after the other. Run
# the cell and the check each time, and read what it says.
#
# | change | what the check finds |
# |---|---|
# | subtract instead of add | the known mistake, by name |
# | let the loop end one element early | which element was never written |
# | write `out[i] = x[i] + yy[i]` | the name that is not defined, before anything runs |
# | write `out[i] = x + y` | the line that Numba cannot compile, and why |
# | add `x[0] = 0` after the loop | that your kernel changed its input |
# | on the GPU, leave out the `if` | which thread reads out of bounds of which array |
#
# Then fix it and run the check again.

# %% [markdown]
# ## 4. In your own words
#
# Which of the six messages would have helped you least without the check, that is, which mistake would have stayed hidden the
# longest in a real program? One or two sentences.

# %% [markdown] written="break-it" points=1
# The kernel that changes its input: its own result is right, and another part of the program, which still uses x, goes wrong
# later and elsewhere.

# %% [markdown]
# ## 5. Where you stand
#
# `show_progress()` shows all labs and what comes next. In a terminal: `llaisys-mini progress`.

# %%
from llaisys_mini import show_progress

show_progress()
