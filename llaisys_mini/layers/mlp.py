"""mlp: down(silu(gate(h)) * up(h))."""

from dataclasses import dataclass, replace

from llaisys_mini import operators as ops
from llaisys_mini.layers.fused import fuse
from llaisys_mini.layers.quantised import AnyLinear
from llaisys_mini.tensor import Tensor


@dataclass(frozen=True)
class MLP:
    """The gated feed-forward part of a block. h [T, E] -> [T, E]. gate_up: both as one, see `fused`."""

    gate: AnyLinear
    up: AnyLinear
    down: AnyLinear
    gate_up: AnyLinear | None = None

    def __call__(self, h: Tensor) -> Tensor:
        if self.gate_up is not None and len(h) == 1:
            both = self.gate_up(h).view(2, -1)
            gate, up = both.slice(0, 0, 1), both.slice(0, 1, 2)
        else:
            gate, up = self.gate(h), self.up(h)
        return self.down(ops.swiglu(gate, up))

    def fused(self) -> "MLP":
        """With gate and up as one for single rows, where they are stored alike."""
        gate_up, (gate, up) = fuse([self.gate, self.up])
        return replace(self, gate=gate, up=up, gate_up=gate_up)
