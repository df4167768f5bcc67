"""linear: y = x W^T + b."""

from dataclasses import dataclass

from llaisys_mini import operators as ops
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class Linear:
    """weight [out, in] and bias [out] or None of one linear map. x [T, in] -> [T, out]."""

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)
