# %% [markdown]
# # Lab 00: practice
#
# Nothing here is hard. You write the smallest kernel there is, break it on purpose, read what the check says, and hand in.
# After that you know everything about how the labs work. About 30 minutes; all tasks count.
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
# ## 2. Break it
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
#
# Then fix it and run the check again.

# %% [markdown]
# ## 3. In your own words
#
# Without the check, which of the five mistakes would have stayed hidden longest in a real program, and why? One or two sentences.

# %% [markdown] written="break-it" points=1
# The kernel that changes its input: its own result is right, and another part of the program, which still uses x, goes wrong
# later and elsewhere.

# %% [markdown]
# ## 4. Where you stand
#
# `show_progress()` shows all labs and what comes next. In a terminal: `llaisys-mini progress`.

# %%
from llaisys_mini import show_progress

show_progress()
