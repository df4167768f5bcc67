"""Small data sets that are made on the spot from a seed: nothing is downloaded, and all get the same numbers."""

import numpy as np

from llaisys_mini.digits import digits

__all__ = ["digits", "two_moons", "two_spirals"]


def two_spirals(count: int, seed: int = 0, noise: float = 0.1, turns: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """`count` points on two spirals that wind around each other `turns` times: points float32 [count, 2], labels int64
    0 or 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    outwards = np.sqrt(rng.uniform(0.02, 1, size=count))  # along the arm, from near the centre (0) to its end (1)
    angle = 2 * np.pi * turns * outwards + np.pi * labels
    points = 3 * outwards[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + noise * rng.normal(size=(count, 2))).astype(np.float32), labels.astype(np.int64)


def two_moons(count: int, seed: int = 0, wrong_labels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` points in two half-moons that reach into each other: points float32 [count, 2], labels int64 0 or 1.

    The first `wrong_labels` points get the other label.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    angle = np.pi * rng.uniform(size=count)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    points = np.where(labels[:, None] == 0, upper, -upper) + rng.normal(scale=0.15, size=(count, 2))
    labels[:wrong_labels] = 1 - labels[:wrong_labels]
    return points.astype(np.float32), labels.astype(np.int64)
