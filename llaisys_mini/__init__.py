"""llaisys_mini: learn how a language model computes by writing its operators yourself.

    from llaisys_mini import check, kernel, load_model, operators, use_kernels

Names are imported when they are first used, so that `import llaisys_mini` itself is quick.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llaisys_mini import exercises, operators
    from llaisys_mini.checks.check import check
    from llaisys_mini.checks.verify import verify_calls
    from llaisys_mini.course.progress import show_progress
    from llaisys_mini.course.submission import submit
    from llaisys_mini.engine.generate import load_model
    from llaisys_mini.engine.held_out_loss import held_out_loss
    from llaisys_mini.engine.profile_chart import show_profiles
    from llaisys_mini.engine.profiling import profile_model, profile_tokens
    from llaisys_mini.exercise import answer
    from llaisys_mini.inspect.codegen import explain
    from llaisys_mini.inspect.gpu_traffic import count_gpu_traffic
    from llaisys_mini.inspect.race import race
    from llaisys_mini.inspect.traffic import count_traffic
    from llaisys_mini.kernels.choice import use_kernels
    from llaisys_mini.kernels.decorator import kernel
    from llaisys_mini.kernels.runtime import observe_calls
    from llaisys_mini.lectures import plots
    from llaisys_mini.tensor import Tensor

__version__ = "0.1.0"

_MODULES = {
    "exercises": "llaisys_mini.exercises",
    "operators": "llaisys_mini.operators",
    "plots": "llaisys_mini.lectures.plots",
}
_HOME = {
    "Tensor": "llaisys_mini.tensor",
    "answer": "llaisys_mini.exercise",
    "check": "llaisys_mini.checks.check",
    "count_gpu_traffic": "llaisys_mini.inspect.gpu_traffic",
    "count_traffic": "llaisys_mini.inspect.traffic",
    "explain": "llaisys_mini.inspect.codegen",
    "held_out_loss": "llaisys_mini.engine.held_out_loss",
    "kernel": "llaisys_mini.kernels.decorator",
    "observe_calls": "llaisys_mini.kernels.runtime",
    "load_model": "llaisys_mini.engine.generate",
    "profile_model": "llaisys_mini.engine.profiling",
    "profile_tokens": "llaisys_mini.engine.profiling",
    "race": "llaisys_mini.inspect.race",
    "show_profiles": "llaisys_mini.engine.profile_chart",
    "show_progress": "llaisys_mini.course.progress",
    "submit": "llaisys_mini.course.submission",
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
    "held_out_loss",
    "kernel",
    "load_model",
    "observe_calls",
    "operators",
    "plots",
    "profile_model",
    "profile_tokens",
    "race",
    "show_profiles",
    "show_progress",
    "submit",
    "use_kernels",
    "verify_calls",
]


def __getattr__(name: str):
    import importlib

    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'llaisys_mini' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
