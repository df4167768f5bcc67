# %% [markdown]
# # Lab 06: what a tensor is
#
# A tensor consists of a block of bytes and a description: shape, strides, and where the first element is. Transposing, slicing
# and reshaping change only the description. No number is moved.
# When your methods have passed the check, the whole package uses them: your code reads every checkpoint, and slices every KV cache
# (the keys and values that a model stores for earlier tokens; lecture 12).
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
# | `storage` | the bytes, shared by all tensors that are views of them |
# | `offset` | where the first element starts, in **bytes** |
# | `shape` | elements per dimension |
# | `strides` | for each dimension, how many **elements** to step in memory when the index grows by 1 |
# | `dtype` | the type of an element; `dtype.itemsize` is its size in bytes |
# | `size` | number of elements |
#
# Element `[i, j]` starts at byte `offset + itemsize * (i * strides[0] + j * strides[1])`.
#
# A new tensor over the same bytes is `Tensor(self.storage, offset, shape, strides, self.dtype)`.
#
# The next cell shows a matrix, its transpose and a slice of it, with their descriptions. The numbers are float32: 4 bytes each.

# %%
matrix = Tensor.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4))
print(matrix)
print(matrix.permute(1, 0))
print(matrix.slice(1, 1, 3))

# %% [markdown]
# ## Five methods
#
# - **`is_contiguous()`**: are the elements next to each other in memory, in the order of their indices? Then the last dimension has
#   stride 1, and the stride of each earlier one is the product of the lengths after it. A dimension of length 1 may have any
#   stride, since the stride is never used.
# - **`view(*shape)`**: the same numbers in the same order with another shape. Raise ValueError if the new shape has
#   another number of elements, or if no strides can describe it. The tensor need not be contiguous: see below.
# - **`permute(*order)`**: the dimensions in another order; `permute(1, 0)` is the transpose. Raise ValueError unless each
#   dimension is named exactly once.
# - **`slice(dim, start, end)`**: elements `start` to `end` (exclusive) along one dimension. Raise ValueError if they are outside
#   the tensor.
# - **`load(values)`**: copy the NumPy array `values` into the elements of the tensor, converted to its dtype. Raise
#   ValueError if `values.shape` differs from the tensor's. `self.storage.data` is all bytes of the storage, a one-dimensional array of
#   uint8. (The package keeps its own `load`, which copies millions of numbers at once.)
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
# **Which views are possible?** The dimensions form groups. All elements of a group follow each other in memory with one constant step:
# two neighbouring dimensions belong to the same group if the outer stride equals the inner stride times the inner length. Within a
# group, dimensions can be split and joined freely. A new dimension must not extend from one group into the next.
#
# | shape | strides | groups | `view(...)` | result |
# |---|---|---|---|---|
# | (3, 4) | (4, 1) | 12 elements, step 1 | (2, 6) | strides (6, 1) |
# | (4, 4), a slice of (4, 6) | (6, 1) | 4 with step 6; 4 with step 1 | (2, 2, 2, 2) | strides (12, 6, 2, 1) |
# | the same | (6, 1) | the same | (16,) | ValueError: 16 would extend over both groups |
# | (4, 3), a transpose | (1, 4) | 4 with step 1; 3 with step 4 | (2, 2, 3) | strides (2, 1, 4) |

# %% task="python/tensor_views"

# %% [markdown]
# <details><summary>Hint 1: is_contiguous and view</summary>
#
# Both go from the last dimension to the first. Which stride do you expect next, if the elements are contiguous? And for `view`: how many
# elements of the current group are not used yet, and what is the step between them?
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
# Ignore old dimensions of length 1. Keep `left` (how many elements of the group are not used yet, at first 1) and `step`. For each new
# length, beginning with the last: while `length` does not divide `left`, take the next old dimension. If `left > 1`, its stride must be
# `step * left`, otherwise raise ValueError; if `left` is 1, its stride becomes the new `step`. Then multiply `left` by its length. The new
# stride is `step`; after that `left //= length` and `step *= length`.
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
# ## A model with your tensors
#
# If your methods have passed, the model below is read with them: each weight is a view of the file, and the cache returns slices.

# %%
from llaisys_mini import load_model

model = load_model("mini")
print("the methods are yours:", Tensor.slice.__module__.startswith("llaisys_mini_student"))
ids = model.tokenizer.encode("Once upon a time")
print(model.tokenizer.decode([*ids, *model.generate(ids, max_new_tokens=20, temperature=0)]))

# %% [markdown]
# ## In your own words
#
# A matrix `[4096, 4096]`, stored row by row, is transposed with `permute(1, 0)`, which takes almost no time. Then a kernel adds up each
# row of the transposed matrix. Why is this slower than the same kernel on the matrix itself, although it does equally many
# additions? What does `contiguous()` cost, and when is it worth its cost?

# %% [markdown] written="transpose-cost" points=2
# A row of the transposed matrix is a column in memory: its elements lie 4096 elements apart, so each one comes from another
# cache line and the other 15 floats of that line are not used before it is evicted. contiguous() reads and writes the whole
# matrix once. It pays when the result is read more than once or twice.
