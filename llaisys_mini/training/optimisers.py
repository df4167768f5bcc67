"""What a weight becomes from its gradient: AdamW, Muon, and the clipping before them. All in float32, in place.

An optimiser holds arrays by the names of the weights. `arrays()` gives them for a checkpoint, `load` takes them back.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.training.decoder import EMBEDDINGS, Weights


def clip(gradients: Weights, longest: float) -> float:
    """Scale all gradients so that together, as one vector, they are no longer than `longest`. Returns the length that
    they had. Source: Pascanu et al. 2013 (arXiv:1211.5063)."""
    length = float(np.sqrt(sum(np.square(gradient, dtype=np.float64).sum() for gradient in gradients.values())))
    if length > longest:
        for name in gradients:
            gradients[name] = gradients[name] * np.float32(longest / length)
    return length


class AdamW:
    """Steps of equal size in every number, by running means of the gradient and of its square.

        m = b1 m + (1 - b1) g                   v = b2 v + (1 - b2) g^2
        w = w - rate * decay * w - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    decay acts on matrices only, not on norms. Source: Loshchilov & Hutter 2017 (arXiv:1711.05101).
    """

    def __init__(self, weights: Weights, names: Iterable[str], decay: float, b1=0.9, b2=0.95, eps=1e-8):
        self.weights, self.decay, self.b1, self.b2, self.eps = weights, decay, b1, b2, eps
        self.means = {name: np.zeros_like(weights[name]) for name in names}
        self.squares = {name: np.zeros_like(weights[name]) for name in self.means}

    def step(self, gradients: Weights, rate: float, number: int) -> None:
        """number: of this step, from 1."""
        for name, mean in self.means.items():
            weight = self.weights[name]
            decay = self.decay if weight.ndim > 1 else 0.0
            ops.adamw(
                gradients[name], rate, decay, self.b1, self.b2, self.eps, number, weight, mean, self.squares[name]
            )

    def arrays(self) -> Weights:
        return {f"mean.{n}": a for n, a in self.means.items()} | {f"square.{n}": a for n, a in self.squares.items()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name in self.means:
            self.means[name][...] = arrays[f"mean.{name}"]
            self.squares[name][...] = arrays[f"square.{name}"]


class Muon:
    """For matrices: the step is the momentum made nearly orthogonal, so that all its directions count alike.

        v = (1 - m) g + m v                       u = orthogonalised((1 - m) g + m v)
        w = w - rate * decay * w - rate * sqrt(max(1, rows / columns)) * u

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """

    def __init__(self, weights: Weights, names: Iterable[str], decay: float, momentum: float = 0.95):
        self.weights, self.decay, self.momentum = weights, decay, momentum
        self.velocities = {name: np.zeros_like(weights[name]) for name in names}

    def step(self, gradients: Weights, rate: float, number: int) -> None:
        of_velocity, of_gradient = np.float32(self.momentum), np.float32(1 - self.momentum)
        for name, velocity in self.velocities.items():
            weight, gradient = self.weights[name], gradients[name]
            velocity *= of_velocity
            velocity += of_gradient * gradient
            update = orthogonalised(of_gradient * gradient + of_velocity * velocity)
            weight *= np.float32(1 - rate * self.decay)
            weight -= np.float32(rate * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5) * update

    def arrays(self) -> Weights:
        return {f"velocity.{name}": array for name, array in self.velocities.items()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, velocity in self.velocities.items():
            velocity[...] = arrays[f"velocity.{name}"]


def orthogonalised(matrix: np.ndarray) -> np.ndarray:
    """A matrix of the same shape whose singular values all lie near 1: five steps of a Newton-Schulz iteration, whose
    coefficients bring small values up fast rather than to exactly 1."""
    a, b, c = np.float32(3.4445), np.float32(-4.7750), np.float32(2.0315)
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = np.ascontiguousarray(wide) / np.float32(np.linalg.norm(matrix) + 1e-7)
    for _ in range(5):
        square = ops.linear(x, x, None)  # x @ x.T
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def is_hidden_matrix(name: str, weight: np.ndarray) -> bool:
    """Whether Muon is meant for it: not for embeddings, of which a step sees few rows, nor for norms."""
    return weight.ndim == 2 and name != EMBEDDINGS
