"""The decorator that makes a function a kernel.

@kernel("rms_norm", device="cpu")
@njit(parallel=True, fastmath=True, cache=True)
def rms_norm(x, weight, eps, out):
    ...
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from llaisys_mini.contract import OPERATORS
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels import compiled, failed_cells
from llaisys_mini.kernels.cells import save_cell
from llaisys_mini.kernels.registry import DEVICES, Kernel

failed_cells.watch()
compiled.keep_checked()  # before the functions of the cell that imports `kernel` are made


def kernel(
    operator: str,
    device: str = "cpu",
    prepare: dict[str, Callable] | None = None,
    when: Callable[[Mapping[str, int]], bool] | None = None,
    whole: Callable[[Mapping[str, int]], Callable | None] | None = None,
) -> Callable:
    """Register the function below as the kernel of `operator` on `device` ("cpu" or "cuda").

    prepare, when, whole: see registry.Kernel.

    In a notebook cell, or in a script that is run, it also saves the whole cell or script as
    `student/<device>/<operator>.py` and returns the function of that module. Raises KernelError if there is no such
    operator, if the arguments are not the contract's, or if the cell needs names that it does not define.
    """
    contract = OPERATORS.get(operator)
    if device not in DEVICES:
        raise KernelError(f"device {device!r} is not one of {', '.join(DEVICES)}")

    def register(function: Callable) -> Callable:
        _check_arguments(function, contract)
        return enter(Kernel(operator, device, "", function, prepare or {}, when, whole), sys._getframe(1))

    return register


def enter(made: Kernel, frame: FrameType) -> Callable:
    """Put a kernel, or the answer to an exercise, where its kernel set finds it; returns the function to use.

    frame: where the decorator stands. In a module the kernel is noted in `__kernels__`; a cell of a notebook, or the
    script that is being run, is saved as a module first. Raises KernelError as `kernel` does.
    """
    source = frame.f_code.co_filename
    if frame.f_globals.get("__name__") == "__main__" and (_in_ipython() or Path(source).is_file()):
        return save_cell(made, frame)
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
