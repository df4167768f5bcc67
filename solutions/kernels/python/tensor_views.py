"""tensor_views: only the description changes."""

import math

import numpy as np

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
        if math.prod(shape) != self.size:
            raise ValueError(f"{shape} has not as many elements as {self.shape}")
        if self.size == 0:
            return Tensor(self.storage, self.offset, shape, [1] * len(shape), self.dtype)
        old = [pair for pair in zip(self.shape, self.strides, strict=True) if pair[0] != 1]
        strides, left, step = [], 1, 1  # left: elements of the old dimension that are not dealt out yet
        for length in reversed(shape):
            while left % length:
                taken, stride = old.pop()
                if left > 1 and stride != step * left:
                    raise ValueError(f"no strides walk through {self.shape}, {self.strides} as {shape}")
                if left == 1:
                    step = stride
                left *= taken
            strides.insert(0, step)
            left //= length
            step *= length
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

    def load(self, values):
        ### BEGIN SOLUTION
        if values.shape != self.shape:
            raise ValueError(f"values of shape {values.shape} do not fit {self.shape}")
        values, size = values.astype(self.dtype), self.dtype.itemsize
        for index in np.ndindex(*self.shape):
            steps = sum(i * stride for i, stride in zip(index, self.strides, strict=True))
            start = self.offset + size * steps
            self.storage.data[start : start + size] = np.frombuffer(values[index].tobytes(), np.uint8)
        ### END SOLUTION
