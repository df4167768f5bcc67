"""What does a CPU kernel read or write outside of its arrays?

Compiled code does not look at indices. One that is far out ends Python without a word, or destroys what something else
keeps there. Around arguments guard_zones find it. Around arrays that a kernel makes nothing can lie, so a kernel that
makes some, and whose source does not make it plain that all its indices lie within (plain_indices), is first run in
another form: compiled by Numba with its check of indices, without threads, and with few optimisations, since it runs on
small cases only. Where nobody asks about the machine code, this form can give the results too (`stand_in`), and the
kernel need not be compiled a second time.

Which line it is, and which index, Python tells: it runs the kernel on the same case.
"""

import contextlib
import functools
import linecache
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.compile_errors import COMPILE_ERRORS
from llaisys_mini.checks.plain_indices import indices_are_plain
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.operator import Operator

_MOST_ACCESSES = 1_000_000  # that Python runs, about two seconds, to find a line
_UNKNOWN = "the kernel reads or writes outside of an array: an index is too large, or too far below 0"


class BoundsCheck:
    """Runs a kernel so that an index outside of an array is found and does no harm."""

    def __init__(self, kernel: Kernel, always: bool = False):
        """The check of this kernel. Does nothing for one that needs none, unless `always`, or has no checked form."""
        self._operator: Operator = operators.get(kernel.operator)
        self._kernel = kernel
        self._checked = None if _needs_none(self._operator, kernel, always) else _checked_form(kernel.function)
        self.stand_in: Kernel | None = None
        """The checked form as a kernel, if the last call of `outside` ran it to its end and if it computes what the
        kernel does: one whose loops run on threads may be wrong by a race, which the checked form has not."""

    def outside(self, inputs: Mapping[str, Any], outputs: Sequence[np.ndarray]) -> str | None:
        """What the kernel reads or writes outside of an array in this call, as a sentence; None if nothing is.

        inputs, outputs: of a kernel's call (Operator.run_with); they are copied and left alone.
        """
        self.stand_in = None
        if self._checked is None or not _is_read_as_numbers(self._operator, inputs):
            return None
        try:
            with _few_optimisations():
                self._run(self._checked, inputs, outputs)
        except IndexError:
            return self.place(inputs, outputs) or _UNKNOWN
        except COMPILE_ERRORS:  # as the kernel itself will, on every case
            self._checked = None
            return None
        except Exception:  # the kernel's own run will say so; the next case is looked at all the same
            return None
        if not _has_threads(self._kernel.function):
            self.stand_in = self._kernel_of(self._checked)
        return None

    def _run(self, function: Callable, inputs: Mapping[str, Any], outputs: Sequence[np.ndarray]) -> None:
        copies = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
        self._operator.run_with(self._kernel_of(function), copies, [value.copy() for value in outputs])

    def _kernel_of(self, function: Callable) -> Kernel:
        return Kernel(self._kernel.operator, "cpu", self._kernel.kernel_set, function)

    def place(self, inputs: Mapping[str, Any], outputs: Sequence[np.ndarray]) -> str | None:
        """The line, the array and the index where this call leaves an array, as Python finds them; None if it does
        not. inputs, outputs: as for outside."""
        if not _is_compiled(self._kernel.function):
            return None
        names = self._operator.kernel_arguments
        function = _in_other_form(self._kernel.function, lambda _, plain: plain)
        left = [_MOST_ACCESSES]

        def watched(*arguments):
            function(*(_watched(value, name, left) for name, value in zip(names, arguments, strict=True)))

        try:
            with np.errstate(all="ignore"):
                self._run(watched, inputs, outputs)
        except IndexError as problem:
            return _place(problem, function.__code__.co_filename)
        except Exception:  # Python stops where Numba goes on, such as at math.exp(1000)
            return None
        return None


def _needs_none(operator: Operator, kernel: Kernel, always: bool) -> bool:
    """Whether it runs as Python, which checks every index; or is the course's own form of a layout; or is plain."""
    if not _is_compiled(kernel.function) or kernel.prepare:
        return True
    if always or kernel.path is None:
        return False
    return indices_are_plain(operator, kernel.path.read_text(encoding="utf-8"))


def _is_read_as_numbers(operator: Operator, inputs: Mapping[str, Any]) -> bool:
    """Whether weights are float32. In 16 bits the same case has the same indices, and the kernel another form, which
    would have to be compiled again."""
    stored = [inputs[name] for name, spec in operator.arrays.items() if spec.is_stored]
    return all(value is None or value.dtype == np.float32 for value in stored)


# ---- other forms of a kernel -----------------------------------------------------------------------------------------


def _is_compiled(function: Any) -> bool:
    from numba.core.dispatcher import Dispatcher

    return isinstance(function, Dispatcher)


def _checked(compiled: Any, plain: types.FunctionType) -> Callable:
    """`plain` compiled as `compiled` was, with checked indices and without threads."""
    from numba import njit

    options = {key: value for key, value in compiled.targetoptions.items() if key in ("fastmath", "error_model")}
    return njit(boundscheck=True, **options)(plain)


@functools.lru_cache(maxsize=64)
def _checked_form(compiled: Any) -> Callable:
    """A compiled function with checked indices: the same for every check of it, so that it is compiled once."""
    return _in_other_form(compiled, _checked)


def _has_threads(compiled: Any) -> bool:
    """Whether a compiled function, or any other of its module, may run on threads. One that is not found by its name
    in the module counts as if it did."""
    module = compiled.py_func.__globals__
    functions = [value for value in module.values() if _is_compiled(value) and value.py_func.__globals__ is module]
    return any(f.targetoptions.get("parallel") or f.py_func.__closure__ for f in [compiled, *functions])


@contextlib.contextmanager
def _few_optimisations() -> Iterator[None]:
    """Checked forms that are compiled within, and what Numba compiles for these alone, get few optimisations. Numba has
    one setting for all threads, so no other thread compiles meanwhile.

    Functions of other modules that a kernel calls are translated as ever: other kernels link what is kept of them.
    """
    from numba.core import config, event
    from numba.core.compiler_lock import global_compiler_lock

    as_ever = config.OPT
    levels = [as_ever]

    class OfEach(event.Listener):
        def on_start(self, event):
            function = event.data["dispatcher"]
            is_checked = bool(function.targetoptions.get("boundscheck"))
            is_part = levels[-1] != as_ever and function.py_func.__module__.startswith("numba.")
            self._compile_with(type(as_ever)(1) if is_checked or is_part else as_ever)

        def _compile_with(self, level):
            levels.append(level)
            config.OPT = level

        def on_end(self, event):
            levels.pop()
            config.OPT = levels[-1]

    with global_compiler_lock, event.install_listener("numba:compile", OfEach()):
        try:
            yield
        finally:
            config.OPT = as_ever


def _in_other_form(compiled: Any, make: Callable[[Any, types.FunctionType], Any]) -> Any:
    """A compiled function made anew by `make`, and with it every compiled function of its module that it calls."""
    module = compiled.py_func.__globals__
    copies = dict(module)
    done: dict[int, Any] = {}

    def anew(value: Any) -> Any:
        if not _is_compiled(value) or value.py_func.__globals__ is not module:
            return value
        if id(value) not in done:
            plain = value.py_func
            cells = tuple(types.CellType() for _ in plain.__closure__ or ())
            made = types.FunctionType(plain.__code__, copies, plain.__name__, plain.__defaults__, cells or None)
            made.__kwdefaults__ = plain.__kwdefaults__
            done[id(value)] = make(value, made)
            for cell, old in zip(cells, plain.__closure__ or (), strict=True):
                cell.cell_contents = anew(old.cell_contents)
        return done[id(value)]

    copies |= {name: anew(value) for name, value in module.items()}
    return anew(compiled)


# ---- the line, as Python finds it ------------------------------------------------------------------------------------


class _Watched(np.ndarray):
    """An argument whose indices are told by its name. `left`: how many accesses are still looked at."""

    def __array_finalize__(self, other):
        self.name, self.whole = getattr(other, "name", ""), getattr(other, "whole", ())
        self.left = getattr(other, "left", None)

    def __getitem__(self, index):
        return self._within("reads", index, super().__getitem__)

    def __setitem__(self, index, value):
        self._within("writes", index, lambda i: np.ndarray.__setitem__(self, i, value))

    def _within(self, verb, index, access):
        if self.left is not None:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise TimeoutError
        try:
            return access(index)
        except IndexError as problem:
            raise IndexError(f"{verb} outside of {self.name} {self.whole}: {problem}") from None


def _watched(value: Any, name: str, left: list[int]) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    made = value.view(_Watched)
    made.name, made.whole, made.left = name, value.shape, left
    return made


def _place(problem: IndexError, file: str) -> str | None:
    """The line of `file` that the problem arose in, and what it is."""
    lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == file]
    if not lines or lines[-1] is None:
        return None
    return f"line {lines[-1]}: {linecache.getline(file, lines[-1]).strip()}\n      {problem}"
