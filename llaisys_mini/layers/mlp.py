"""mlp: down(silu(gate(h)) * up(h))."""

from dataclasses import dataclass

from llaisys_mini import operators as ops
from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class MLP:
    """The gated feed-forward part of a block. h [T, E] -> [T, E]."""

    gate: AnyLinear
    up: AnyLinear
    down: AnyLinear

    def __call__(self, h: Tensor) -> Tensor:
        return self.down(ops.swiglu(self.gate(h), self.up(h)))
