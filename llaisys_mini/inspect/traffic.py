"""`count_traffic("matmul")`: what a CPU kernel asks of memory, counted, not timed: the same numbers on every machine.

The kernel runs as plain Python on small arrays that count. Every load and store of an element goes through a model of a
small cache (least recently used lines are dropped first); a miss is an access whose line is not there. Numbers kept in
variables are registers and cost nothing.
"""

import math
import types
from collections import OrderedDict
from dataclasses import dataclass

import numba
import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.console import console
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.loading import import_fresh
from llaisys_mini.kernels.sets import STUDENT
from llaisys_mini.plans import make_plan

LINE = 64  # bytes
CACHE_LINES = 32  # 2 KiB, half of one array of 32 x 32 floats; for larger arrays it is a third of the largest one
PRODUCTS = ("matmul", "linear")
_SIDE = 32


@dataclass(frozen=True)
class Traffic:
    """loads, stores: of single elements; misses: lines that had to come from memory; work: multiply-adds that a product
    of matrices needs; of another operator the elements of its (last) output."""

    operator: str
    loads: int
    stores: int
    misses: int
    work: int

    @property
    def loads_per_multiply_add(self) -> float:
        return self.loads / self.work

    @property
    def loads_of_each_number(self) -> float:
        """Loads for each element of the output, whatever is loaded: of an operator that is no product."""
        return self.loads / self.work

    def require(
        self,
        misses: int | None = None,
        loads_per_multiply_add: float | None = None,
        loads_of_each_number: float | None = None,
    ) -> None:
        """Raise CheckFailed if there are more than these."""
        if misses is not None and self.misses > misses:
            raise CheckFailed(
                f"{self.operator}: {self.misses:,} cache misses, at most {misses:,} allowed: use each line again while "
                "it is still in the cache"
            )
        if loads_per_multiply_add is not None and self.loads_per_multiply_add > loads_per_multiply_add:
            raise CheckFailed(
                f"{self.operator}: {self.loads_per_multiply_add:.2f} loads for each multiply-add, at most "
                f"{loads_per_multiply_add} allowed: keep sums and factors in variables and use each several times"
            )
        if loads_of_each_number is not None and self.loads_of_each_number > loads_of_each_number:
            raise CheckFailed(
                f"{self.operator}: {self.loads_of_each_number:.2f} loads for each number, at most "
                f"{loads_of_each_number} allowed: read each number once in a pass, and make fewer passes"
            )

    def _ipython_display_(self) -> None:
        """Nothing: count_traffic has printed it already when a cell ends with its result."""

    def __str__(self) -> str:
        of_what = "per multiply-add" if self.operator in PRODUCTS else "for each number"
        return (
            f"{self.operator}: {self.loads:,} loads ({self.loads / self.work:.2f} {of_what}), {self.stores:,} stores, "
            f"{self.misses:,} cache misses"
        )


class _Cache:
    """Counts accesses by address; holds the lines used last."""

    def __init__(self, room: int):
        self.room = room  # lines that it holds
        self.lines: OrderedDict[int, None] = OrderedDict()
        self.loads = self.stores = self.misses = 0
        self.end = 0  # of the memory handed out so far

    def reserve(self, nbytes: int) -> int:
        start = self.end
        self.end += -(-nbytes // LINE) * LINE
        return start

    def touch(self, address: int) -> None:
        line = address // LINE
        if line in self.lines:
            self.lines.move_to_end(line)
            return
        self.misses += 1
        self.lines[line] = None
        if len(self.lines) > self.room:
            self.lines.popitem(last=False)


class _CountingArray:
    """An array whose element accesses are counted; slices and reshapes look at the same memory."""

    def __init__(self, array: np.ndarray, cache: _Cache, origin: np.ndarray | None = None, start: int | None = None):
        self._array, self._cache = array, cache
        self._origin = array if origin is None else origin
        self._start = cache.reserve(array.nbytes) if start is None else start
        offset = array.__array_interface__["data"][0] - self._origin.__array_interface__["data"][0]
        self._base, self._steps = self._start + offset, tuple(zip(array.shape, array.strides, strict=True))

    def __getattr__(self, name):
        if name in ("shape", "size", "dtype", "ndim"):
            return getattr(self._array, name)
        raise AttributeError(f"inside a counted run an array has no .{name}: use loops over elements")

    def __len__(self):
        return len(self._array)

    @property
    def T(self):
        return self._view(self._array.T)

    def reshape(self, *shape):
        return self._view(self._array.reshape(*shape))

    def copy(self):
        """A new array; reading this one and writing that one is counted."""
        made = _CountingArray(np.empty(self._array.shape, self._array.dtype), self._cache)
        for place in np.ndindex(self._array.shape):
            made[place] = self[place]
        return made

    def fill(self, value):
        self[...] = value

    def __getitem__(self, index):
        found = self._array[index]
        if isinstance(found, np.ndarray) and found.ndim:
            return self._view(found)
        self._cache.loads += 1
        self._cache.touch(self._address(index))
        return found

    def __setitem__(self, index, value):
        target = self._array[index]
        if isinstance(target, np.ndarray) and target.ndim:
            value = np.broadcast_to(
                np.asarray(value._array if isinstance(value, _CountingArray) else value), target.shape
            )
            view = self._view(target)
            for place in np.ndindex(target.shape):
                view[place] = value[place]
            return
        self._cache.stores += 1
        self._cache.touch(self._address(index))
        self._array[index] = value

    def _view(self, array):
        return _CountingArray(array, self._cache, self._origin, self._start)

    def _address(self, index):
        index = index if isinstance(index, tuple) else (index,)
        address = self._base
        for i, (length, stride) in zip(index, self._steps, strict=True):
            address += (int(i) + (length if i < 0 else 0)) * stride
        return address


def count_traffic(operator: str = "matmul", inputs: dict | None = None, kernel_set: str = STUDENT) -> Traffic:
    """Run the kernel on `inputs`; print and return what it asked of memory.

    inputs: by name; unless given, matrices of 32 x 32, which the operator must be content with. Raises KernelError for
    a kernel that cannot run as plain Python, CheckFailed if its result is wrong.
    """
    contract = operators.get(operator)
    kernel = choice.from_set(kernel_set, operator, "cpu")
    given = contract.convert(_square(contract) if inputs is None else inputs)
    dims = make_plan(contract, list(given.values())).dims
    expected, outputs = contract.expected(given), empty_outputs(contract, given)
    arrays = [value for value in [*given.values(), *outputs] if isinstance(value, np.ndarray)]
    largest = max(array.nbytes for array in arrays)
    cache = _Cache(max(CACHE_LINES, largest // LINE // 3))
    try:
        function = _as_python(kernel, cache)
        function(*(_CountingArray(v, cache) if isinstance(v, np.ndarray) else v for v in [*given.values(), *outputs]))
    except NotImplementedError as unfinished:
        raise CheckFailed(f"{operator} is not written yet: the cell still raises ({unfinished})") from None
    except Exception as problem:
        raise KernelError(
            f"{operator}: it cannot be counted, {type(problem).__name__}: {str(problem).splitlines()[0]}"
        ) from problem
    if not all(np.allclose(got, want, rtol=1e-3, atol=1e-3) for got, want in zip(outputs, expected, strict=True)):
        raise CheckFailed(f'{operator}: the result is wrong; check("{operator}") says where')
    counted = Traffic(
        operator,
        cache.loads,
        cache.stores,
        cache.misses,
        math.prod(dims.values()) if operator in PRODUCTS else outputs[-1].size,
    )
    console().print(str(counted), highlight=False)
    return counted


def _square(contract) -> dict[str, np.ndarray | None]:
    """Matrices of 32 x 32 for a contract whose other arguments are optional."""
    rng = np.random.default_rng(0)
    return {name: None if spec.optional else rng.normal(size=(_SIDE, _SIDE)) for name, spec in contract.arrays.items()}


def _as_python(kernel, cache):
    """The kernel's function, imported with compilation turned off; arrays that it makes are counted too."""
    before, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, 1
    try:
        module = import_fresh(f"llaisys_mini_counted_{kernel.operator}", kernel.path)
    finally:
        numba.config.DISABLE_JIT = before

    def counted(make):
        return lambda *arguments, **named: _CountingArray(make(*arguments, **named), cache)

    makes = {name: counted(getattr(np, name)) for name in ("empty", "zeros", "ones", "full")}
    makes["ascontiguousarray"] = lambda array: array.copy()
    if "np" in vars(module):
        vars(module)["np"] = types.SimpleNamespace(**{**vars(np), **makes})
    return module.__kernels__[kernel.operator, "cpu"].function
