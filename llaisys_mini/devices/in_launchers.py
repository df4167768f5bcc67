"""What a launcher may ask of the device that runs it, under Numba's names: new arrays, copies, waiting.

Outside a launcher, as in a lecture, they mean "cuda": the GPU, or the sanitizer where there is none.
"""

from typing import Any

import numpy as np

from llaisys_mini.cuda.launching import launching_device


def device_array(shape, dtype=np.float32) -> Any:
    """An uninitialised array for kernels. Under the sanitizer, reading one before it is written is found."""
    return launching_device().new_array(shape, dtype)


def to_device(array: np.ndarray) -> Any:
    """A copy of `array` for kernels."""
    return launching_device().copy_of(array)


def synchronize() -> None:
    """Wait until the device has finished all its work; nothing to wait for under the sanitizer."""
    launching_device().synchronise()
