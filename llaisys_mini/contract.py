"""The contract of an operator: what it is, derived from one function. Nothing here runs a kernel; see `operator`.

    @operator
    def scale(x: F32["... C"], factor: float) -> F32["... C"]:
        '''Multiply every element by `factor`.'''
        return x * factor

The annotations name the dimensions, the docstring says what is computed, and the body is the reference: plain NumPy on
float64. From this one function come argument checks, output allocation, the cases that a kernel is checked on, the
tolerance of every element, and the diagnosis of what is wrong with it (`checks`).

In annotations:

    F32, I64, I32, I8, U8    the dtype of an array
    Stored                   any storage dtype: float32, float16, bfloat16
    F32["N E"]               its dimensions by name. A leading `...` stands for any number of dimensions, which a kernel
                             sees as one: for "... C" it gets two dimensions, for "..." one
    float, int               a number; a whole number
    F32["E"] | None          may be None
    Written[Stored["P D"]]   the operator writes into this argument. The reference leaves it alone and returns its new
                             contents, after the outputs
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.task import Case, Catalogue, Task

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding one number to float32."""

_ROUNDOFF = {dtypes.float16: 2.0**-11, dtypes.bfloat16: 2.0**-8}

SMALLEST_NORMAL = 2.0**-126
"""Below this float32 loses digits, and fast kernels may flush to zero."""

_FLOAT64 = np.dtype(np.float64)
_INDEX = (dtypes.int32, dtypes.int64)

OPERATORS: Catalogue["Contract"] = Catalogue("operators", "operator")


# ---- annotations -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArraySpec:
    """What an array argument must be: one of `allowed` dtypes, and dimensions by name ("..." only in front).

    optional: it may be None. written: the operator writes into it.
    """

    allowed: tuple[np.dtype, ...]
    dims: tuple[str, ...]
    optional: bool = False
    written: bool = False

    def __or__(self, nothing: None) -> "ArraySpec":
        return replace(self, optional=True)

    @property
    def any_leading(self) -> bool:
        """Whether any number of dimensions may stand in front of the named ones."""
        return self.dims[0] == "..."

    @property
    def is_stored(self) -> bool:
        """Whether it may be stored in any of the storage dtypes."""
        return self.allowed == dtypes.STORAGE

    @property
    def is_index(self) -> bool:
        """Whether it holds ids or indices, which are right or wrong: no tolerance, and no NaN to fill them with."""
        return self.allowed[0] in _INDEX

    def __str__(self) -> str:
        names = " or ".join(dtype.name for dtype in self.allowed)
        return f"{names} [{', '.join(self.dims)}]"


class _Annotation:
    def __init__(self, *allowed: np.dtype):
        self.allowed = allowed

    def __getitem__(self, dims: str) -> ArraySpec:
        return ArraySpec(self.allowed, tuple(dims.split()))


class _Written:
    def __getitem__(self, spec: ArraySpec) -> ArraySpec:
        return replace(spec, written=True)


F32 = _Annotation(dtypes.float32)
I64 = _Annotation(dtypes.int64)
I32 = _Annotation(dtypes.int32)
I8 = _Annotation(np.dtype(np.int8))
U8 = _Annotation(np.dtype(np.uint8))
Stored = _Annotation(*dtypes.STORAGE)
Written = _Written()


class Outputs(dict):
    """Return annotation of an operator with several named outputs: `Outputs(index=I64["..."], value=F32["..."])`."""


# ---- the contract ------------------------------------------------------------------------------------------------


class Contract(Task):
    """What an operator is.

    inputs: by name an ArraySpec, `float` or `int`. outputs: by name the ArraySpec of what it allocates and returns.
    """

    def __init__(self, function: Callable):
        super().__init__(function)
        signature = inspect.signature(function)
        self.inputs: dict[str, Any] = {name: p.annotation for name, p in signature.parameters.items()}
        self.defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty}
        returned = signature.return_annotation
        self.outputs: dict[str, ArraySpec] = {}
        if isinstance(returned, Outputs):
            self.outputs |= returned
        elif returned is not None:
            self.outputs["out"] = returned
        self.arrays: dict[str, ArraySpec] = {n: s for n, s in self.inputs.items() if isinstance(s, ArraySpec)}
        self.written = [name for name, spec in self.arrays.items() if spec.written]
        self._rounding: Callable | None = None
        self._shape_rule: Callable[[dict[str, int]], str | None] | None = None
        self._value_rule: Callable[..., str | None] | None = None

    # ---- decorators for the rest of an operator's file -------------------------------------------------------

    def rounding(self, function):
        """`function(*inputs)`, in float64, returns for each element of the results how many unit roundoffs of absolute
        error a correct float32 kernel may make, whatever its order of summation. Default: 8 * |expected|."""
        self._rounding = function
        return function

    def shape_rule(self, function):
        """`function(dims)` gets the lengths by name and returns a sentence if they do not go together, else None."""
        self._shape_rule = function
        return function

    def value_rule(self, function):
        """`function(*inputs)` returns a sentence if values (such as ids) are out of range, else None. It holds at every
        call on a device whose numbers can be looked at without a copy."""
        self._value_rule = function
        return function

    # ---- what is derived -------------------------------------------------------------------------------------

    @property
    def is_elementwise(self) -> bool:
        """Each output element depends on the same element of the inputs only, so `out` may be one of them."""
        return all(spec.dims == ("...",) for spec in [*self.arrays.values(), *self.outputs.values()])

    @property
    def results(self) -> dict[str, ArraySpec]:
        """What the reference returns: the outputs, then the new contents of the arguments that are written into."""
        return self.outputs | {name: self.arrays[name] for name in self.written}

    @property
    def kernel_arguments(self) -> list[str]:
        """Argument names of every kernel of this operator: the inputs, then the outputs."""
        return [*self.inputs, *self.outputs]

    @property
    def storages(self) -> tuple[str, ...]:
        """Names of the storage dtypes its kernels must read."""
        stored = any(spec.is_stored for spec in self.arrays.values())
        return tuple(dtype.name for dtype in dtypes.STORAGE) if stored else ("float32",)

    def make_cases(self, seed: int = 0, storages: tuple[str, ...] | None = None) -> list[Case]:
        """The cases drawn with `seed`, once per storage dtype. Raises ContractError where there are none."""
        cases = []
        for storage in storages or self.storages:
            for name, inputs in self.drawn_cases(seed):
                title = name if storage == "float32" else f"{name}, {storage} storage"
                cases.append(Case(title, self.convert(inputs, dtypes.BY_NAME[storage])))
        return cases

    def expected(self, inputs: Mapping[str, Any]) -> list[np.ndarray]:
        """The results of the reference for `inputs`, computed in float64."""
        return _as_list(self.reference(*self.computed_in(_FLOAT64, inputs)))

    def tolerance(self, inputs: Mapping[str, Any]) -> list[np.ndarray]:
        """Allowed absolute error of every element of the results; zero for indices.

        What is stored in 16 bits may be off by half a unit of its last place besides.
        """
        expected = self.expected(inputs)
        if self._rounding is None:
            roundoffs = [8 * np.abs(value) for value in expected]
        else:
            roundoffs = _as_list(self._rounding(*self.computed_in(_FLOAT64, inputs)))
        allowed = []
        for (name, spec), value, units in zip(self.results.items(), expected, roundoffs, strict=True):
            stored = _ROUNDOFF.get(inputs[name].dtype, 0.0) if name in self.written else 0.0
            error = UNIT_ROUNDOFF * np.asarray(units) + SMALLEST_NORMAL
            if stored:
                normal = float(ml_dtypes.finfo(inputs[name].dtype).smallest_normal)
                error = error + stored * np.maximum(np.abs(value), normal)  # below it, places have one size
            allowed.append(np.zeros(value.shape) if spec.is_index else np.broadcast_to(error, value.shape))
        return allowed

    def convert(self, inputs: Mapping[str, Any], storage: np.dtype = dtypes.float32) -> dict[str, Any]:
        """`inputs` by name as a kernel is given them: C-contiguous arrays of the contract's dtypes, `storage` where it
        leaves a choice; numbers and None as they are."""
        converted = {}
        for name, spec in self.inputs.items():
            value = inputs[name]
            if isinstance(spec, ArraySpec) and value is not None:
                dtype = storage if spec.is_stored else spec.allowed[0]
                value = np.ascontiguousarray(value, dtype=dtype)
            converted[name] = value
        return converted

    def computed_in(self, dtype: np.dtype, inputs: Mapping[str, Any]) -> list[Any]:
        """The inputs in the contract's order, arrays of numbers as `dtype`: what a reference or a mistake is given.
        Ids and indices stay what they are."""
        return [
            np.asarray(inputs[name]).astype(dtype)
            if isinstance(spec, ArraySpec) and inputs[name] is not None and not spec.is_index
            else inputs[name]
            for name, spec in self.inputs.items()
        ]

    def problem_of_shapes(self, dims: dict[str, int]) -> str | None:
        """What keeps lengths of these dimensions from going together, by the shape rule; None if nothing does."""
        return self._shape_rule(dims) if self._shape_rule else None

    def problem_of_values(self, values: list[Any]) -> str | None:
        """What is wrong with the values of the inputs, by the value rule; None if nothing is."""
        return self._value_rule(*values) if self._value_rule else None

    def __repr__(self) -> str:
        arguments = ", ".join(f"{n}: {getattr(s, '__name__', s)}" for n, s in self.inputs.items())
        results = ", ".join(f"{name}: {spec}" for name, spec in self.outputs.items())
        return f"operator {self.name}({arguments}) -> {results}"


def _as_list(result) -> list[np.ndarray]:
    return [np.asarray(value) for value in (result if isinstance(result, tuple) else (result,))]
