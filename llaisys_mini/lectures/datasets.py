"""Small data sets that are made on the spot from a seed: nothing is downloaded, and all get the same numbers."""

import numpy as np

_GLYPHS = {
    0: "01110 10001 10001 10001 10001 10001 01110",
    1: "00100 01100 00100 00100 00100 00100 01110",
    2: "01110 10001 00001 00110 01000 10000 11111",
    3: "11110 00001 00001 01110 00001 00001 11110",
    4: "00010 00110 01010 10010 11111 00010 00010",
    5: "11111 10000 11110 00001 00001 10001 01110",
    6: "00110 01000 10000 11110 10001 10001 01110",
    7: "11111 00001 00010 00100 00100 01000 01000",
    8: "01110 10001 10001 01110 10001 10001 01110",
    9: "01110 10001 10001 01111 00001 00010 01100",
}
"""Digits of 7 rows and 5 columns."""


def two_spirals(count: int, seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """`count` points on two spirals that wind around each other: points float32 [count, 2], labels int64 0 or 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    turn = np.sqrt(rng.uniform(0.02, 1, size=count)) * 3 * np.pi  # radians from the centre outwards
    angle = turn + np.pi * labels
    points = (turn / np.pi)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + noise * rng.normal(size=(count, 2))).astype(np.float32), labels.astype(np.int64)


def digits(count: int, seed: int = 0, noise: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """`count` images of digits, 9 x 9 pixels, shifted and noisy: float32 [count, 81], labels int64 [count]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, size=count)
    images = noise * rng.normal(size=(count, 9, 9))
    for image, label in zip(images, labels, strict=True):
        glyph = np.array([[int(pixel) for pixel in row] for row in _GLYPHS[int(label)].split()])
        down, right = rng.integers(0, 3), rng.integers(0, 5)
        image[down : down + 7, right : right + 5] += glyph * rng.uniform(0.6, 1.2)
    return images.reshape(count, 81).astype(np.float32), labels
