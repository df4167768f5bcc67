"""Muon (Jordan, 2024): momentum whose update is made nearly orthogonal. For matrices only."""

from __future__ import annotations

import math

import torch


class Muon:
    """The update of a matrix is its momentum after five steps of a Newton-Schulz iteration, which brings all singular
    values close to 1. Matrices of the same shape are updated together, which costs far less than one by one."""

    def __init__(self, matrices: list[torch.nn.Parameter], weight_decay: float, momentum: float = 0.95) -> None:
        self.weight_decay, self.momentum = weight_decay, momentum
        self.groups: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        for matrix in matrices:
            self.groups.setdefault(tuple(matrix.shape), []).append(matrix)
        self.velocity = {
            shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        for (rows, columns), group in self.groups.items():
            gradient = torch.stack([matrix.grad for matrix in group if matrix.grad is not None])
            velocity = self.velocity[rows, columns]
            velocity.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(velocity, self.momentum)
            update = update.mT if rows > columns else update
            update = update / (update.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                square = update @ update.mT
                update = 3.4445 * update + (-4.7750 * square + 2.0315 * square @ square) @ update
            update = (update.mT if rows > columns else update) * math.sqrt(max(1.0, rows / columns))
            torch._foreach_mul_(group, 1 - learning_rate * self.weight_decay)
            torch._foreach_add_(group, update.unbind(), alpha=-learning_rate)
