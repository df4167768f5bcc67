"""Where `kernel[blocks, threads](...)` runs: on the device whose operator call is being answered, if there is one.

A launcher under `@kernel` names no device; it only launches. So the device that calls it says here, for the time of the
call, that launches are its own. A launch outside any operator call, as in a lecture, goes to "cuda": the GPU, or the
sanitizer where there is none.
"""

import importlib
from contextvars import ContextVar
from typing import Any

launching: ContextVar[Any] = ContextVar("launching", default=None)
"""The Device (devices.device) that runs a launcher now, or None."""


def launching_device() -> Any:
    """The Device that a launch goes to now."""
    device = launching.get()
    if device is None:  # by name: devices are built on kernels, not kernels on devices
        device = importlib.import_module("llaisys_mini.devices").get("cuda")
    return device
