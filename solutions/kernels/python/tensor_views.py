"""tensor_views: only the description changes."""

import math

from llaisys_mini import Tensor, answer


@answer("tensor_views")
class Views:
    def is_contiguous(self):
        ### BEGIN SOLUTION
        step = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != step:
                return False
            step *= length
        return True
        ### END SOLUTION

    def view(self, *shape):
        ### BEGIN SOLUTION
        if math.prod(shape) != self.size or not Views.is_contiguous(self):
            raise ValueError(f"cannot view {self.shape} as {shape}")
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)
        ### END SOLUTION

    def permute(self, *order):
        ### BEGIN SOLUTION
        if sorted(order) != list(range(len(self.shape))):
            raise ValueError(f"{order} must name each dimension once")
        shape = [self.shape[i] for i in order]
        strides = [self.strides[i] for i in order]
        return Tensor(self.storage, self.offset, shape, strides, self.dtype)
        ### END SOLUTION

    def slice(self, dim, start, end):
        ### BEGIN SOLUTION
        if not 0 <= dim < len(self.shape) or not 0 <= start <= end <= self.shape[dim]:
            raise ValueError(f"{start}:{end} does not lie in dimension {dim}")
        shape = (*self.shape[:dim], end - start, *self.shape[dim + 1 :])
        offset = self.offset + start * self.strides[dim] * self.dtype.itemsize
        return Tensor(self.storage, offset, shape, self.strides, self.dtype)
        ### END SOLUTION
