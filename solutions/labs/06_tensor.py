# %% [markdown]
# # Lab 06: what a tensor is
#
# A tensor is a flat run of bytes and a description: shape, strides, and where the first element lies. Transposing, cutting
# and reshaping change the description only. No number moves.
# When your methods pass, the whole package uses them: every checkpoint is read and every KV cache is cut by your code.
#
# About 110 minutes. All tasks are required.

# %%
import numpy as np

from llaisys_mini import Tensor, check

# %% [markdown]
# ## The description
#
# | attribute | meaning |
# |---|---|
# | `storage` | the bytes, shared by all tensors over them |
# | `offset` | where the first element starts, in **bytes** |
# | `shape` | elements per dimension |
# | `strides` | **elements** to step per dimension |
# | `dtype` | what an element is; `dtype.itemsize` is its size in bytes |
# | `size` | number of elements |
#
# Element `[i, j]` starts at byte `offset + itemsize * (i * strides[0] + j * strides[1])`.
#
# A new tensor over the same bytes is `Tensor(self.storage, offset, shape, strides, self.dtype)`.
#
# The cell shows a matrix, its transpose and a piece of it, with their descriptions. The numbers are float32: 4 bytes each.

# %%
matrix = Tensor.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4))
print(matrix)
print(matrix.permute(1, 0))
print(matrix.slice(1, 1, 3))

# %% [markdown]
# ## Five methods
#
# - **`is_contiguous()`**: do the elements lie next to each other in the order of their indices? The last dimension then has
#   stride 1, each earlier one the product of the lengths behind it. A dimension of length 1 may have any stride: it is
#   never used.
# - **`view(*shape)`**: the same numbers in the same order under another shape. Raise ValueError if the new shape has
#   another number of elements, or if no strides can describe the walk. A tensor need not be contiguous: see below.
# - **`permute(*order)`**: dimensions in another order; `permute(1, 0)` is the transpose. Raise ValueError unless each
#   dimension is named once.
# - **`slice(dim, start, end)`**: elements `start` to `end` (exclusive) along one dimension. Raise ValueError for what lies
#   outside.
# - **`load(values)`**: store the NumPy array `values` where the elements of the tensor lie, converted to its dtype. Raise
#   ValueError if `values.shape` is another. `self.storage.data` is all bytes of the storage, a flat array of uint8. (The package
#   keeps its own `load`, which moves millions of numbers at a time.)
#
# With numbers, for shape `(3, 4)`, strides `(4, 1)`, offset 0, float32:
#
# | call | shape | strides | offset | contiguous |
# |---|---|---|---|---|
# | `view(2, 6)` | (2, 6) | (6, 1) | 0 | yes |
# | `permute(1, 0)` | (4, 3) | (1, 4) | 0 | no |
# | `slice(0, 1, 3)` | (2, 4) | (4, 1) | 16 | yes |
# | `slice(1, 1, 3)` | (3, 2) | (4, 1) | 4 | no |
#
# `load` of `[[7], [8], [9]]` into `slice(1, 1, 2)` changes the bytes 4 to 7, 20 to 23 and 36 to 39.
#
# **Which views are possible?** Dimensions fall into groups that are walked with one constant step: two neighbours belong together if
# the outer stride is the inner stride times the inner length. Within a group, dimensions may be split and joined at will. A new
# dimension may not reach from one group into the next.
#
# | shape | strides | groups | `view(...)` | result |
# |---|---|---|---|---|
# | (3, 4) | (4, 1) | 12 elements, step 1 | (2, 6) | strides (6, 1) |
# | (4, 4), a slice of (4, 6) | (6, 1) | 4 with step 6; 4 with step 1 | (2, 2, 2, 2) | strides (12, 6, 2, 1) |
# | the same | (6, 1) | the same | (16,) | refused: 16 reaches over both groups |
# | (4, 3), a transpose | (1, 4) | 4 with step 1; 3 with step 4 | (2, 2, 3) | strides (2, 1, 4) |

# %% task="python/tensor_views"

# %% [markdown]
# <details><summary>Hint 1: is_contiguous and view</summary>
#
# Both walk from the last dimension to the first. Which stride do you expect next, if everything lies together? And for `view`: how many
# elements of the present group are not dealt out yet, and with which step?
#
# </details>
# <details><summary>Hint 2: permute and slice</summary>
#
# The new dimension i of `permute` is the old dimension `order[i]`, for the shape and for the strides. For `slice`: which of shape,
# strides and offset change when you skip the first elements of a dimension, and in which unit is the offset?
#
# </details>
# <details><summary>Hint 3: view, nearly all of it</summary>
#
# Leave out old dimensions of length 1. Keep `left` (elements of the group that are left, 1 at first) and `step`. For each new length, from
# the last: while `length` does not divide `left`, take the next old dimension. If `left > 1`, its stride must be `step * left`, or the
# view is refused; if `left` is 1, its stride is the new `step`. Then `left` is multiplied by its length. The new stride is `step`;
# after it `left //= length` and `step *= length`.
#
# </details>

# %% test="views-public" points=7
check("tensor_views")

# %% test="views-hidden" points=5
# Other shapes and orders, when it is graded.
### BEGIN HIDDEN TESTS
check("tensor_views", seed=40301)
### END HIDDEN TESTS

# %% [markdown]
# ## Your tensors at work
#
# The model below is read through your methods, once they passed: each weight is a view of the file, and the cache hands out
# slices.

# %%
from llaisys_mini import load_model

model = load_model("mini")
print("the methods are yours:", Tensor.slice.__module__.startswith("llaisys_mini_student"))
ids = model.tokenizer.encode("Once upon a time")
print(model.tokenizer.decode([*ids, *model.generate(ids, max_new_tokens=20, temperature=0)]))

# %% [markdown]
# ## In your own words
#
# A matrix `[4096, 4096]` in row order is transposed with `permute(1, 0)`, which takes no time. Then a kernel adds up each row
# of the transposed matrix. Why is that kernel slower than the same one on the matrix itself, although it does the same
# additions? What does `contiguous()` cost, and when does it pay?

# %% [markdown] written="transpose-cost" points=2
# A row of the transposed matrix is a column in memory: its elements lie 4096 elements apart, so each one comes from another
# cache line and the other 15 floats of that line are not used before it is evicted. contiguous() reads and writes the whole
# matrix once. It pays when the result is read more than once or twice.
