"""Images of digits, made on the spot from a seed: nothing is downloaded, and all get the same numbers."""

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
