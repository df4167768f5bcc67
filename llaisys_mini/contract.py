"""The contract of an operator: one decorated function from which everything else about it is derived.

    @operator
    def scale(x: F32["... C"], factor: float) -> F32["... C"]:
        '''Multiply every element by `factor`.'''
        return x * factor

The annotations name the dimensions, the docstring says what is computed, and the body is the reference: plain
NumPy on float64. From this one function come argument checks, output allocation, the call of whichever kernel
answers (`kernels.choice`), the cases a kernel is checked on, and the diagnosis of what is wrong with it (`checks`).

In annotations: `F32` is float32, `I64` int64, `I8` int8, `U8` uint8, `Stored` any storage dtype (float32, float16,
bfloat16). A leading `...` stands for any number of dimensions; the kernel sees them as one. So for "... C" a kernel
gets two dimensions, and for "..." it gets one.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.errors import ContractError
from llaisys_mini.plans import LARGE, Plan, accepted_outputs, as_kernels_see, make_plan
from llaisys_mini.tensor import Tensor

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding one number to float32."""

_FLOAT64 = np.dtype(np.float64)

SMALLEST_NORMAL = 2.0**-126
"""Below this float32 loses digits, and fast kernels may flush to zero."""


# ---- annotations -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArraySpec:
    """What an array argument must be: one of `allowed` dtypes, and dimensions by name ("..." only in front)."""

    allowed: tuple[np.dtype, ...]
    dims: tuple[str, ...]
    optional: bool = False

    def __or__(self, nothing: None) -> "ArraySpec":
        return ArraySpec(self.allowed, self.dims, optional=True)

    @property
    def any_leading(self) -> bool:
        """Whether any number of dimensions may stand in front of the named ones."""
        return self.dims[0] == "..."

    @property
    def is_stored(self) -> bool:
        """Whether it may be stored in any of the storage dtypes."""
        return self.allowed == dtypes.STORAGE

    @property
    def is_int64(self) -> bool:
        """Whether it holds ids or indices, which are right or wrong: no tolerance, and no NaN to fill them with."""
        return self.allowed == (dtypes.int64,)

    def __str__(self) -> str:
        names = " or ".join(dtype.name for dtype in self.allowed)
        return f"{names} [{', '.join(self.dims)}]"


class _Annotation:
    def __init__(self, *allowed: np.dtype):
        self.allowed = allowed

    def __getitem__(self, dims: str) -> ArraySpec:
        return ArraySpec(self.allowed, tuple(dims.split()))


F32 = _Annotation(dtypes.float32)
I64 = _Annotation(dtypes.int64)
I8 = _Annotation(np.dtype(np.int8))
U8 = _Annotation(np.dtype(np.uint8))
Stored = _Annotation(*dtypes.STORAGE)


class Outputs(dict):
    """Return annotation of an operator with several named outputs: `Outputs(index=I64["..."], value=F32["..."])`."""


# ---- what belongs to an operator ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One set of inputs. `inputs` maps argument names to arrays of the contract's dtypes, floats, or None."""

    name: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A well-known wrong way: a small NumPy function like the reference, and the sentence that explains it."""

    name: str
    sentence: str
    function: Callable


class Operator:
    """A function with a fixed contract, answered by one of its kernels. Call it like a function.

    Arrays go in as NumPy arrays or Tensors, C-contiguous; results come back as the kind of the first argument.
    `out=` takes the array (or tuple of arrays) to write into.
    Raises ContractError for arguments the contract does not allow.
    """

    def __init__(self, function: Callable):
        self.name = function.__name__
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__module__ = function.__module__
        self.reference = function
        signature = inspect.signature(function)
        self.inputs: dict[str, Any] = {name: p.annotation for name, p in signature.parameters.items()}
        self._defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty}
        returned = signature.return_annotation
        self.outputs: dict[str, ArraySpec] = dict(returned) if isinstance(returned, Outputs) else {"out": returned}
        self.mistakes: list[Mistake] = []
        self._make_cases: Callable[[np.random.Generator], Iterator] | None = None
        self._rounding: Callable | None = None
        self._shape_rule: Callable[[dict[str, int]], str | None] | None = None
        self._value_rule: Callable[..., str | None] | None = None
        self.large_from = LARGE
        self._plans: dict[tuple, Plan] = {}
        # (device, variant, large or not) -> the function of the kernel that answers, and what it wants prepared
        self._chosen: dict[tuple[str, str, bool], tuple[Callable, list]] = {}

    # ---- decorators for the rest of an operator's file -------------------------------------------------------

    def cases(self, function):
        """`function(rng)` yields (name, {argument: value}) pairs; values are converted to the contract's dtypes."""
        self._make_cases = function
        return function

    def mistake(self, sentence: str):
        """Register a wrong version with the sentence that explains it."""

        def register(function):
            self.mistakes.append(Mistake(function.__name__.strip("_"), sentence, function))
            return function

        return register

    def rounding(self, function):
        """`function(*inputs)`, in float64, returns for each output element how many unit roundoffs of absolute error
        a correct float32 kernel may make, whatever its order of summation. Default: 8 * |expected|."""
        self._rounding = function
        return function

    def shape_rule(self, function):
        """`function(dims)` gets the lengths by name and returns a sentence if they do not go together, else None."""
        self._shape_rule = function
        return function

    def value_rule(self, function):
        """`function(*arrays)` returns a sentence if values (such as ids) are out of range, else None. Every call."""
        self._value_rule = function
        return function

    # ---- what is derived -------------------------------------------------------------------------------------

    @property
    def is_elementwise(self) -> bool:
        """Each output element depends on the same element of the inputs only, so `out` may be one of them."""
        return all(spec.dims == ("...",) for spec in [*self.arrays.values(), *self.outputs.values()])

    @property
    def arrays(self) -> dict[str, ArraySpec]:
        """The array arguments by name."""
        return {name: spec for name, spec in self.inputs.items() if isinstance(spec, ArraySpec)}

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
        """The cases drawn with `seed`, once per storage dtype. Seed 0 is public; the autograder keeps its own.

        Raises ContractError for an operator whose file gives none: no kernel may pass for want of cases.
        """
        if self._make_cases is None:
            raise ContractError(f"{self.name} has no cases yet: add a function under @{self.name}.cases to its file")
        cases = []
        for storage in storages or self.storages:
            rng = np.random.default_rng(seed)
            for name, inputs in self._make_cases(rng):
                title = name if storage == "float32" else f"{name}, {storage} storage"
                cases.append(Case(title, self.convert(inputs, dtypes.BY_NAME[storage])))
        return cases

    def expected(self, inputs: Mapping[str, Any]) -> list[np.ndarray]:
        """The outputs of the reference for `inputs`, computed in float64."""
        return _as_list(self.reference(*self.computed_in(_FLOAT64, inputs)))

    def tolerance(self, inputs: Mapping[str, Any]) -> list[np.ndarray]:
        """Allowed absolute error of every output element; zero for integer outputs."""
        expected = self.expected(inputs)
        if self._rounding is None:
            roundoffs = [8 * np.abs(value) for value in expected]
        else:
            roundoffs = _as_list(self._rounding(*self.computed_in(_FLOAT64, inputs)))
        return [
            np.zeros(value.shape)
            if spec.is_int64
            else np.broadcast_to(UNIT_ROUNDOFF * np.asarray(units) + SMALLEST_NORMAL, value.shape)
            for value, units, spec in zip(expected, roundoffs, self.outputs.values(), strict=True)
        ]

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
        Ids and indices stay int64."""
        return [
            np.asarray(inputs[name]).astype(dtype)
            if isinstance(spec, ArraySpec) and inputs[name] is not None and not spec.is_int64
            else inputs[name]
            for name, spec in self.inputs.items()
        ]

    # ---- calling ---------------------------------------------------------------------------------------------

    def __call__(self, *arguments, out=None, **named):
        if named or len(arguments) != len(self.inputs):
            arguments = self._bind(arguments, named)
        if type(arguments[0]) is Tensor and arguments[0].storage.device != "cpu":
            return self._call_on_device(arguments, out)
        values, plan = self._prepare(arguments)
        results: list[Any]
        if out is None:
            results = [np.empty(output.shape, output.dtype) for output in plan.outputs]
        else:
            results = accepted_outputs(self, out, plan, arguments)
        key = "cpu", plan.variant, plan.is_large
        function, prepares = self._chosen.get(key) or self._choose(*key)
        for position, prepare in prepares:
            values[position] = prepared(arguments[position], values[position], prepare)
        function(*values, *(as_kernels_see(results, plan) if plan.merges_outputs else results))
        if _observer is not None:
            _observer(self, arguments, results)
        if out is not None:
            return out
        if type(arguments[0]) is Tensor:
            results = [Tensor.over(array, output.strides) for array, output in zip(results, plan.outputs, strict=True)]
        return results[0] if len(results) == 1 else tuple(results)

    def _call_on_device(self, arguments, out):
        """A call whose first argument is a Tensor on a device; see cuda.dispatch."""
        from llaisys_mini.cuda.dispatch import call

        results = call(self, arguments, out)
        if _observer is not None:
            _observer(self, arguments, results)
        if out is not None:
            return out
        return results[0] if len(results) == 1 else tuple(results)

    def run_with(self, kernel, inputs: Mapping[str, Any], outputs: list[np.ndarray]) -> None:
        """Check `inputs` as a call would, then have `kernel` (see kernels.registry) write into `outputs`.

        A kernel for "cuda" runs on the device if there is one and `cuda.sanitized()` is not open, else under the
        sanitizer; the arrays are copied to the device and back.
        """
        arguments = [inputs[name] for name in self.inputs]
        values, plan = self._prepare(arguments)
        for position, prepare in self._prepares(kernel):
            values[position] = prepared(arguments[position], values[position], prepare)
        if kernel.device == "cpu":
            kernel.function(*values, *as_kernels_see(outputs, plan))
        else:
            from llaisys_mini.cuda.dispatch import run

            run(kernel.function, values, as_kernels_see(outputs, plan))

    def _prepare(self, arguments) -> tuple[list, Plan]:
        """The arguments as a kernel sees them, and the plan of this call. Raises ContractError."""
        values, kinds = [], []
        for value in arguments:
            if type(value) is Tensor:
                if value.storage.device != "cpu":
                    raise ContractError(
                        f"{self.name}: some arguments lie on the cpu, others on {value.device}; "
                        f"move them all with .to({value.device!r})"
                    )
                value = value.numpy()
            elif isinstance(value, np.ndarray) and type(value) is not np.ndarray:
                value = value.view(np.ndarray)  # np.memmap and its like
            values.append(value)
            is_array = type(value) is np.ndarray
            kinds.append((value.shape, value.dtype, value.flags.c_contiguous) if is_array else type(value))
        key = tuple(kinds)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make_plan(values, key)
        if self._value_rule is not None:
            problem = self._value_rule(*values)
            if problem:
                raise ContractError(f"{self.name}: {problem}")
        for position, shape in plan.reshapes:
            values[position] = values[position].reshape(shape)
        for position, dtype in plan.views:
            values[position] = values[position].view(dtype)
        for position in plan.scalars:
            values[position] = float(values[position])
        return values, plan

    def _choose(self, device, variant, is_large):
        from llaisys_mini.kernels.choice import answering_kernel

        kernel = answering_kernel(self, device, variant, is_large)
        self._chosen[device, variant, is_large] = kernel.function, self._prepares(kernel)
        return self._chosen[device, variant, is_large]

    def _prepares(self, kernel) -> list[tuple[int, Callable]]:
        return [(list(self.inputs).index(name), prepare) for name, prepare in kernel.prepare.items()]

    def forget_choice(self):
        """Look up again which kernel answers: called when kernels or the choice among them have changed."""
        self._chosen.clear()

    def kinds_of_calls(self) -> list[tuple[str, str, bool]]:
        """(device, storage of the weights, whether large) of the calls since the choice of kernels last changed."""
        return list(self._chosen)

    def _bind(self, arguments, named):
        values = dict(zip(self.inputs, arguments, strict=False))
        unknown = [name for name in named if name not in self.inputs]
        missing = [n for n in self.inputs if n not in values and n not in named and n not in self._defaults]
        if len(arguments) > len(self.inputs) or unknown or missing or any(name in values for name in named):
            raise ContractError(f"{self.name} takes ({', '.join(self.inputs)}), each once")
        return [named[n] if n in named else values.get(n, self._defaults.get(n)) for n in self.inputs]

    def _make_plan(self, values, key) -> Plan:
        if len(self._plans) >= 8192:  # decoding makes one per cache length; a long run must not grow without end
            self._plans.clear()
        plan = self._plans[key] = make_plan(self, values)
        return plan

    def problem_of_shapes(self, dims: dict[str, int]) -> str | None:
        """What keeps lengths of these dimensions from going together, by the shape rule; None if nothing does."""
        return self._shape_rule(dims) if self._shape_rule else None

    def __repr__(self) -> str:
        arguments = ", ".join(f"{n}: {getattr(s, '__name__', s)}" for n, s in self.inputs.items())
        results = ", ".join(f"{name}: {spec}" for name, spec in self.outputs.items())
        return f"operator {self.name}({arguments}) -> {results}"


def operator(function: Callable) -> Operator:
    """Turn an annotated reference function into an Operator. See the head of this file."""
    return Operator(function)


def prepared(argument, value, prepare):
    """`value` in the layout that a kernel wants; remembered with the argument if that is a frozen Tensor."""
    if type(argument) is not Tensor or argument.prepared is None:
        return prepare(value)
    if prepare not in argument.prepared:
        argument.prepared[prepare] = prepare(value)
    return argument.prepared[prepare]


def _as_list(result) -> list[np.ndarray]:
    return [np.asarray(value) for value in (result if isinstance(result, tuple) else (result,))]


# ---- watching calls ----------------------------------------------------------------------------------------------

_observer: Callable | None = None


class observe_calls:
    """Within this context `observer(operator, arguments, results)` is called after every operator call, and after the
    observer of a context around it.

    arguments: as passed by the caller; results: list of NumPy arrays. Used to trace, time or verify a whole model.
    """

    def __init__(self, observer: Callable):
        self.observer = observer

    def __enter__(self):
        global _observer
        self.before = before = _observer
        _observer = self.observer if before is None else _both(before, self.observer)

    def __exit__(self, *_):
        global _observer
        _observer = self.before


def _both(first: Callable, second: Callable) -> Callable:
    def observe(*call):
        first(*call)
        second(*call)

    return observe
