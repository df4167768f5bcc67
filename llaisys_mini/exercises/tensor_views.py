"""tensor_views: looking at the same numbers in another way, without moving one."""

import math

import numpy as np

from llaisys_mini import tensor
from llaisys_mini.exercise import exercise
from llaisys_mini.tensor import Tensor


@exercise
class tensor_views:
    """Five methods of Tensor. Each gets a tensor (storage, offset in bytes, shape, strides in elements, dtype, size);
    view, permute and slice return a new Tensor over the same storage, is_contiguous True or False. load stores an array
    of the tensor's shape where the tensor's elements lie. What cannot be done without moving numbers, or makes no
    sense, raises ValueError."""

    def is_contiguous(self):
        step = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != step:
                return False
            step *= length
        return True

    def view(self, *shape):
        if math.prod(shape) != self.size:
            raise ValueError("another number of elements")
        strides = tensor.strides_of_view(self.shape, self.strides, shape)
        if strides is None:
            raise ValueError("no strides walk through these numbers in this order")
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)

    def permute(self, *order):
        if sorted(order) != list(range(len(self.shape))):
            raise ValueError("every dimension once")
        shape, strides = [self.shape[i] for i in order], [self.strides[i] for i in order]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)

    def slice(self, dim, start, end):
        if not 0 <= dim < len(self.shape) or not 0 <= start <= end <= self.shape[dim]:
            raise ValueError("outside")
        shape = (*self.shape[:dim], end - start, *self.shape[dim + 1 :])
        offset = self.offset + start * self.strides[dim] * self.dtype.itemsize
        return Tensor(self.storage, offset, shape, self.strides, self.dtype)

    def load(self, values):
        if values.shape != self.shape:
            raise ValueError("another shape")
        self.numpy()[...] = values


tensor_views.stands_in_package(Tensor, "is_contiguous view permute slice contiguous load")
tensor_views.stands_in_package(tensor, "strides_of_view")


@tensor_views.cases
def cases(rng):
    def inputs(shape, *steps, dtype=np.float32):
        return dict(array=rng.normal(size=shape).astype(dtype), steps=steps)

    yield "as it was made", inputs((2, 3))
    yield "view as another shape", inputs((4, 6), ("view", 3, 8), ("view", 24), ("view", 2, 3, 4))
    yield "permute a matrix", inputs((2, 5), ("permute", 1, 0))
    yield "permute three dimensions, twice", inputs((2, 3, 5), ("permute", 1, 2, 0), ("permute", 1, 2, 0))
    yield "slice the first dimension", inputs((6, 4), ("slice", 0, 2, 5))
    yield "slice the last dimension", inputs((6, 4), ("slice", 1, 1, 3))
    yield "slice twice", inputs((6, 4, 5), ("slice", 0, 2, 6), ("slice", 0, 1, 3), ("slice", 2, 1, 4))
    yield "slice after permute", inputs((3, 7), ("permute", 1, 0), ("slice", 0, 2, 6), ("slice", 1, 1, 2))
    yield "another dtype", inputs((6, 4), ("slice", 0, 2, 5), ("slice", 1, 1, 4), dtype=np.float64)
    yield "one row is contiguous in any direction", inputs((1, 5), ("permute", 1, 0), ("view", 5))
    yield "one column of a matrix", inputs((4, 3), ("slice", 1, 0, 1))
    yield "nothing is left", inputs((4, 3), ("slice", 0, 2, 2))
    yield "view splits a dimension of a slice", inputs((4, 6), ("slice", 1, 1, 5), ("view", 4, 2, 2), ("view", 2, 2, 4))
    yield "view joins what lies together", inputs((3, 2, 4), ("slice", 0, 1, 3), ("permute", 1, 2, 0), ("view", 8, 2))
    yield "view with lengths of 1", inputs((2, 3), ("permute", 1, 0), ("view", 3, 1, 2), ("view", 1, 3, 2))
    yield "view must refuse to join across a gap", inputs((4, 6), ("slice", 1, 0, 4), ("view", 16))
    yield "view must refuse to split across a gap", inputs((2, 6), ("slice", 1, 0, 4), ("view", 4, 2), ("view", 1, 8))
    yield "load a whole matrix", inputs((3, 4), ("load", 3, 4))
    yield "load through a transpose", inputs((2, 5), ("permute", 1, 0), ("load", 5, 2))
    yield "load a slice of a slice", inputs((5, 4), ("slice", 0, 1, 4), ("slice", 1, 2, 4), ("load", 3, 2))
    yield "load another dtype", inputs((3, 4), ("slice", 0, 1, 2), ("load", 1, 4), dtype=np.float64)
    yield "load must refuse another shape", inputs((3, 4), ("load", 1, 4))
    yield "view must refuse a permuted matrix", inputs((2, 3), ("permute", 1, 0), ("view", 6))
    yield "view must refuse a shape of another size", inputs((2, 3), ("view", 4, 2))
    yield "permute must refuse a dimension named twice", inputs((2, 3), ("permute", 0, 0))
    yield "permute must refuse too few dimensions", inputs((2, 3, 4), ("permute", 1, 0))
    yield "permute must refuse too many dimensions", inputs((2, 3), ("permute", 0, 1, 2))
    yield "slice must refuse an end before its start", inputs((5, 3), ("slice", 0, 4, 2))
    yield "slice must refuse a dimension that is not there", inputs((2, 3), ("slice", 2, 0, 1))
    yield "slice must refuse what lies outside", inputs((2, 3), ("slice", 1, 1, 4))
    yield "slice must refuse a negative start", inputs((4, 3), ("slice", 0, -1, 2))
    a, b, c = (int(i) for i in rng.integers(2, 9, size=3))
    yield "some sizes", inputs((a, b, c), ("permute", 2, 0, 1), ("slice", 1, 1, a), ("slice", 0, 1, c))
    yield "some sizes, viewed", inputs((a, b, c), ("view", a * b, c), ("slice", 0, 1, a * b), ("view", c, a * b - 1))


@tensor_views.adapter
def with_tensors(answer):
    """What becomes of tensors is told where they are: a storage is one object, and shared by its views."""
    return lambda array, steps: _trail(answer, array, steps)


def _trail(answer, array, steps):
    tensor, trail = Tensor.from_numpy(array), {}
    storage = tensor.storage
    trail["at first"] = {"contiguous": bool(answer.is_contiguous(tensor))}
    for number, (method, *arguments) in enumerate(steps, start=1):
        title = f"step {number}, {method}({', '.join(map(str, arguments))})"
        try:
            if method == "load":
                answer.load(tensor, 100 + np.arange(math.prod(arguments), dtype=np.float32).reshape(arguments))
            else:
                tensor = getattr(answer, method)(tensor, *arguments)
        except ValueError:
            trail[title] = "refused"
            break
        trail[title] = {
            "shape": tuple(tensor.shape),
            "strides (0 for a length of 1, which is never stepped along)": tuple(
                0 if length == 1 else stride for length, stride in zip(tensor.shape, tensor.strides, strict=True)
            ),
            "offset": tensor.offset,
            "over the same storage": tensor.storage is storage,
            "contiguous": bool(answer.is_contiguous(tensor)),
        }
        if method == "load":
            trail[title]["the numbers in the storage"] = array.copy()
    return trail


@tensor_views.mistake("permute changes the shape but leaves the strides")
class shape_only(tensor_views.reference):
    def permute(self, *order):
        good = tensor_views.reference.permute(self, *order)
        return Tensor(self.storage, self.offset, good.shape, self.strides, self.dtype)


@tensor_views.mistake("permute moves dimensions to where they came from: the inverse order")
class inverse_order(tensor_views.reference):
    def permute(self, *order):
        return tensor_views.reference.permute(self, *(order.index(i) for i in range(len(self.shape))))


@tensor_views.mistake("slice counts its offset in elements; it is in bytes")
class offset_in_elements(tensor_views.reference):
    def slice(self, dim, start, end):
        good = tensor_views.reference.slice(self, dim, start, end)
        return Tensor(self.storage, self.offset + start * self.strides[dim], good.shape, self.strides, self.dtype)


@tensor_views.mistake("slice forgets where the tensor itself begins: a slice of a slice is off")
class offset_forgotten(tensor_views.reference):
    def slice(self, dim, start, end):
        good = tensor_views.reference.slice(self, dim, start, end)
        return Tensor(self.storage, good.offset - self.offset, good.shape, self.strides, self.dtype)


@tensor_views.mistake("slice makes new strides for the smaller shape; the numbers still lie where they lay")
class new_strides(tensor_views.reference):
    def slice(self, dim, start, end):
        good = tensor_views.reference.slice(self, dim, start, end)
        strides = tuple(math.prod(good.shape[i + 1 :]) for i in range(len(good.shape)))
        return Tensor(self.storage, good.offset, good.shape, strides, self.dtype)


@tensor_views.mistake(
    "view refuses every tensor that is not contiguous; where strides can describe the walk it must not"
)
class view_of_contiguous(tensor_views.reference):
    def view(self, *shape):
        if not tensor_views.reference.is_contiguous(self):
            raise ValueError
        return tensor_views.reference.view(self, *shape)


@tensor_views.mistake("load stores in the order of memory: it does not use the strides")
class load_in_order(tensor_views.reference):
    def load(self, values):
        if values.shape != self.shape:
            raise ValueError
        strides = tuple(math.prod(self.shape[i + 1 :]) for i in range(len(self.shape)))
        Tensor(self.storage, self.offset, self.shape, strides, self.dtype).numpy()[...] = values


@tensor_views.mistake("load forgets the offset: it begins at the first byte of the storage")
class load_from_the_start(tensor_views.reference):
    def load(self, values):
        if values.shape != self.shape:
            raise ValueError
        Tensor(self.storage, 0, self.shape, self.strides, self.dtype).numpy()[...] = values


@tensor_views.mistake("load does not ask whether the values have the tensor's shape")
class load_of_any_shape(tensor_views.reference):
    def load(self, values):
        self.numpy()[...] = values


@tensor_views.mistake("view does not ask whether strides can describe the walk")
class view_of_anything(tensor_views.reference):
    def view(self, *shape):
        if math.prod(shape) != self.size:
            raise ValueError
        strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)


@tensor_views.mistake("view does not ask whether the new shape has as many elements")
class view_of_any_size(tensor_views.reference):
    def view(self, *shape):
        if not tensor_views.reference.is_contiguous(self):
            raise ValueError
        strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)


@tensor_views.mistake("is_contiguous looks at the stride of a dimension of length 1, which is never used")
class minds_length_one(tensor_views.reference):
    def is_contiguous(self):
        return tuple(self.strides) == tuple(math.prod(self.shape[i + 1 :]) for i in range(len(self.shape)))


@tensor_views.mistake("is_contiguous only looks at the last stride")
class last_stride(tensor_views.reference):
    def is_contiguous(self):
        return self.strides[-1] == 1


@tensor_views.mistake("slice checks nothing: what lies outside is other memory")
class unchecked_slice(tensor_views.reference):
    def slice(self, dim, start, end):
        shape = (*self.shape[:dim], end - start, *self.shape[dim + 1 :])
        offset = self.offset + start * self.strides[dim] * self.dtype.itemsize
        return Tensor(self.storage, offset, shape, self.strides, self.dtype)


@tensor_views.mistake("permute does not ask whether each dimension is named once")
class unchecked_permute(tensor_views.reference):
    def permute(self, *order):
        shape, strides = [self.shape[i] for i in order], [self.strides[i] for i in order]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)


@tensor_views.mistake("permute does not ask whether every dimension is named")
class some_dimensions(tensor_views.reference):
    def permute(self, *order):
        if len(set(order)) != len(order) or any(not 0 <= i < len(self.shape) for i in order):
            raise ValueError
        shape, strides = [self.shape[i] for i in order], [self.strides[i] for i in order]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)


@tensor_views.mistake("slice does not ask whether the end comes before the start")
class turned_slice(tensor_views.reference):
    def slice(self, dim, start, end):
        if not 0 <= dim < len(self.shape) or not (0 <= start <= self.shape[dim] and 0 <= end <= self.shape[dim]):
            raise ValueError
        return unchecked_slice.slice(self, dim, start, end)
