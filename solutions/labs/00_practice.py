# %% [markdown]
# # Lab 00: practice
#
# This lab is easy. You write a very small kernel, break it on purpose, read what the check says, and hand the lab in.
# Then you know how all labs work. About 30 minutes; all tasks count.
#
# A **lab** has cells for you to fill in. Run a cell with Shift+Enter. A coloured bar on the left marks the selected cell.

# %%
import numpy as np

from llaisys_mini import check, operators

# %% [markdown]
# ## 1. Your first kernel
#
# An **operator** is a mathematical function with a fixed *contract*: its arguments, their shapes, and its result. A **kernel** is
# a program that computes it. The contract of `add`:
#
# - `x` and `y` are float32 arrays of the same shape, any shape; the kernel gets them as arrays of one dimension, `[size]`,
# - `out` has the same shape, and the kernel writes into it: `out[i] = x[i] + y[i]`.
#
# With numbers: `x = [1, 2, 3]` and `y = [10, 20, 30]` give `out = [11, 22, 33]`.
#
# `@njit` tells Numba to compile the function to machine code. Inside, write plain loops over elements. A kernel returns nothing;
# it stores its results in `out`. Replace the line that raises an error.

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
# Store the sum of `x[i]` and `y[i]`. Delete the line with `raise`.
#
# </details>

# %% [markdown]
# Run the next cell. `check` runs your kernel on several inputs and compares the results with the reference, which computes in
# float64. The cell is locked and gives points. When the lab is graded, the same check runs on hidden inputs, for further points.

# %% test="add-public" points=2
check("add")

# %% test="add-hidden" points=2
# The same kernel on other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("add", seed=40001)
### END HIDDEN TESTS

# %% [markdown]
# From now on, your kernel is used wherever the course adds two arrays:

# %%
operators.add(np.float32([1, 2, 3]), np.float32([10, 20, 30]))

# %% [markdown]
# ## 2. Break it
#
# To trust a check, you should have seen it fail. Make these changes in the cell of your kernel, one after the other. Each time,
# run the cell and the check, and read what it says.
#
# | change | what the check finds |
# |---|---|
# | subtract instead of add | the mistake, since it is a well-known one |
# | let the loop end one element early | which element was never written |
# | write `out[i] = x[i] + yy[i]` | the name that is not defined, before the kernel runs |
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
# `show_progress()` shows all labs and what to do next. In a terminal: `llaisys-mini progress`.

# %%
from llaisys_mini import show_progress

show_progress()
