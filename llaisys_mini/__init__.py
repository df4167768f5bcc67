"""llaisys_mini: learn how a language model computes by writing its operators yourself.

    from llaisys_mini import check, kernel, load_model, operators, use_kernels

Names are imported when they are first used, so that `import llaisys_mini` itself is quick.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llaisys_mini import exercises, operators
    from llaisys_mini.checks.check import check
    from llaisys_mini.checks.verify import verify_calls
    from llaisys_mini.exercise import answer
    from llaisys_mini.explanation import explain
    from llaisys_mini.generation import load_model
    from llaisys_mini.gpu_traffic import count_gpu_traffic
    from llaisys_mini.kernels.choice import use_kernels
    from llaisys_mini.kernels.registry import kernel
    from llaisys_mini.progress import show_progress
    from llaisys_mini.racing import race
    from llaisys_mini.submission import submit
    from llaisys_mini.tensor import Tensor
    from llaisys_mini.traffic import count_traffic

__version__ = "0.1.0"

_HOME = {
    "Tensor": "llaisys_mini.tensor",
    "answer": "llaisys_mini.exercise",
    "check": "llaisys_mini.checks.check",
    "count_gpu_traffic": "llaisys_mini.gpu_traffic",
    "count_traffic": "llaisys_mini.traffic",
    "explain": "llaisys_mini.explanation",
    "kernel": "llaisys_mini.kernels.registry",
    "load_model": "llaisys_mini.generation",
    "race": "llaisys_mini.racing",
    "show_progress": "llaisys_mini.progress",
    "submit": "llaisys_mini.submission",
    "use_kernels": "llaisys_mini.kernels.choice",
    "verify_calls": "llaisys_mini.checks.verify",
}

__all__ = [
    "Tensor",
    "answer",
    "check",
    "count_gpu_traffic",
    "count_traffic",
    "exercises",
    "explain",
    "kernel",
    "load_model",
    "operators",
    "race",
    "show_progress",
    "submit",
    "use_kernels",
    "verify_calls",
]


def __getattr__(name: str):
    import importlib

    if name in ("operators", "exercises"):
        return importlib.import_module(f"llaisys_mini.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'llaisys_mini' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
