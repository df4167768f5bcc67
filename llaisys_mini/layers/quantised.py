"""quantised: a linear map whose weight is stored as whole numbers with scales."""

from dataclasses import dataclass

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.layers.linear import Linear
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class QuantisedLinear:
    """weight: int8 [out, in], or uint8 [out, in / 2] for two numbers of four bits each; scales [out, groups];
    bias: float32 [out] or None. See operators.linear_int8 and linear_int4.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        product = ops.linear_int8 if self.weight.dtype == np.int8 else ops.linear_int4
        return product(x, self.weight, self.scales, self.bias)


AnyLinear = Linear | QuantisedLinear
