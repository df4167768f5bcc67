"""The shapes of the models that the course runs, and random numbers in any shape."""

import json

import numpy as np

from llaisys_mini import paths

QWEN3_UP, QWEN3_DOWN, QWEN25_UP = (1024, 3072), (3072, 1024), (1536, 8960)  # inputs, outputs
QWEN3_HEADS = (16, 8, 128)  # query heads, key/value heads, width of a head


def shipped_shape() -> tuple[int, int]:
    """Inputs and outputs of the feed-forward block of the model that comes with the course."""
    config = json.loads((paths.shipped_model() / "config.json").read_text())
    return config["hidden_size"], config["intermediate_size"]


def random(*shape: int, scale: float = 1.0) -> np.ndarray:
    """Normally distributed float32 numbers, the same for the same shape."""
    values = np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)
    values *= np.float32(scale)
    return values
