"""rotary: each pair of a head is rotated by an angle that grows with the position (RoPE)."""

from dataclasses import dataclass

from llaisys_mini import operators as ops
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class Rotary:
    """theta: base of the frequencies. x [T, H, D] at positions int64 [T] -> [T, H, D]."""

    theta: float

    def __call__(self, x: Tensor, positions: Tensor) -> Tensor:
        return ops.rope(x, positions, self.theta)


@dataclass(frozen=True)
class ScaledRotary:
    """For a stretched context. frequencies: float32 [D / 2], radians per position; factor: multiplies the result."""

    frequencies: Tensor
    factor: float

    def __call__(self, x: Tensor, positions: Tensor) -> Tensor:
        return ops.rope_scaled(x, positions, self.frequencies, self.factor)


AnyRotary = Rotary | ScaledRotary
