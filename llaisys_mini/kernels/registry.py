"""What a kernel is, and the decorator that makes a function one.

@kernel("rms_norm", device="cpu")
@njit(parallel=True, fastmath=True, cache=True)
def rms_norm(x, weight, eps, out):
    ...
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from llaisys_mini import operators
from llaisys_mini.errors import KernelError

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Kernel:
    """One implementation of one operator for one device.

    function: takes the contract's inputs, then its outputs.
    prepare: for some arguments a function array -> array that puts it into the layout this kernel wants. Weights that
    never change are prepared once, see Tensor.freeze.
    """

    operator: str
    device: str
    kernel_set: str
    function: Callable
    prepare: dict[str, Callable] = field(default_factory=dict)
    path: Path | None = None


def kernel(operator: str, device: str = "cpu", prepare: dict[str, Callable] | None = None) -> Callable:
    """Register the function below as the kernel of `operator` on `device` ("cpu" or "cuda").

    prepare: see Kernel.

    In a notebook cell, or in a script that is run, it also saves the whole cell or script as
    `student/<device>/<operator>.py` and returns the function of that module. Raises KernelError if there is no such
    operator, if the arguments are not the contract's, or if the cell needs names that it does not define.
    """
    contract = operators.get(operator)
    if device not in DEVICES:
        raise KernelError(f"device {device!r} is not one of {', '.join(DEVICES)}")

    def register(function: Callable) -> Callable:
        _check_arguments(function, contract)
        return enter(Kernel(operator, device, "", function, prepare or {}), sys._getframe(1))

    return register


def enter(made: Kernel, frame: FrameType) -> Callable:
    """Put a kernel, or the answer to an exercise, where its kernel set finds it; returns the function to use.

    frame: where the decorator stands. In a module the kernel is noted in `__kernels__`; a cell of a notebook, or the
    script that is being run, is saved as a module first. Raises KernelError as `kernel` does.
    """
    source = frame.f_code.co_filename
    if frame.f_globals.get("__name__") == "__main__" and (_in_ipython() or Path(source).is_file()):
        from llaisys_mini.kernels.cells import save_cell

        return save_cell(made.operator, made.device, source)
    frame.f_globals.setdefault("__kernels__", {})[made.operator, made.device] = made
    return made.function


def _check_arguments(function, contract):
    python_function = getattr(function, "py_func", function)
    if not callable(python_function):
        raise KernelError(f"{contract.name}: @kernel must stand above a function, not {type(function).__name__}")
    found = list(inspect.signature(python_function).parameters)
    if found != contract.kernel_arguments:
        raise KernelError(
            f"{contract.name}: a kernel takes ({', '.join(contract.kernel_arguments)}), "
            f"but this one takes ({', '.join(found)})"
        )


def _in_ipython() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
