"""llaisys_mini: learn how a language model computes by writing its operators yourself.

    from llaisys_mini import check, kernel, load_model, operators, use_kernels

Names are imported when they are first used, so that `import llaisys_mini` itself is quick.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llaisys_mini import operators
    from llaisys_mini.checks.check import check
    from llaisys_mini.checks.verify import verify_calls
    from llaisys_mini.generation import load_model
    from llaisys_mini.kernels.choice import use_kernels
    from llaisys_mini.kernels.registry import kernel
    from llaisys_mini.tensor import Tensor

__version__ = "0.1.0"

_HOME = {
    "Tensor": "llaisys_mini.tensor",
    "check": "llaisys_mini.checks.check",
    "kernel": "llaisys_mini.kernels.registry",
    "load_model": "llaisys_mini.generation",
    "use_kernels": "llaisys_mini.kernels.choice",
    "verify_calls": "llaisys_mini.checks.verify",
}

__all__ = ["Tensor", "check", "kernel", "load_model", "operators", "use_kernels", "verify_calls"]


def __getattr__(name: str):
    import importlib

    if name == "operators":
        return importlib.import_module("llaisys_mini.operators")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'llaisys_mini' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
