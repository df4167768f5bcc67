"""norm: y = weight * x / sqrt(mean(x^2) + eps)."""

from dataclasses import dataclass

from llaisys_mini import operators as ops
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class RMSNorm:
    """weight [E]; eps is added under the root. x [..., E] -> [..., E]."""

    weight: Tensor
    eps: float

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        return ops.rms_norm(x, self.weight, self.eps, out=out)

    def add(self, x: Tensor, step: Tensor | None) -> tuple[Tensor, Tensor]:
        """(x + step, its norm), the sum being normalised while it is at hand. step None: there is nothing to add."""
        if step is None:
            return x, self(x)
        return ops.add_rms_norm(x, step, self.weight, self.eps)
