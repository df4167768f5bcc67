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
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.errors import ContractError
from llaisys_mini.tensor import Tensor, contiguous_strides

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding one number to float32."""

LARGE = 1 << 18
"""Numbers in the array arguments of a call, all together, from which on the call is large: then an expert kernel
answers where there is one. Below, the plain kernel is done before the expert's compilation would ever pay. An operator
may set its own, `operator.large_from`."""

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
        return self.dims[0] == "..."

    @property
    def is_stored(self) -> bool:
        return self.allowed == dtypes.STORAGE

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
    inputs: dict[str, object]


@dataclass(frozen=True)
class Mistake:
    """A well-known wrong way: a small NumPy function like the reference, and the sentence that explains it."""

    name: str
    sentence: str
    function: Callable


@dataclass(frozen=True, slots=True)
class _Output:
    """One output of a call: what the caller gets, and the shape its kernel sees."""

    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]  # in elements
    seen_shape: tuple[int, ...]


@dataclass(slots=True)
class _Plan:
    """What a call with arguments of certain shapes and dtypes needs: worked out once, then looked up."""

    variant: str  # name of the storage dtype, which may decide which kernel answers
    reshapes: list[tuple[int, tuple[int, ...]]]  # (argument, the shape its kernel sees)
    views: list[tuple[int, np.dtype]]  # (argument, the integer dtype its kernel sees)
    scalars: list[int]
    outputs: list[_Output]
    is_large: bool = False  # which too may decide it
    merges_outputs: bool = False  # whether a kernel sees any output in another shape than the caller


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
        self.inputs: dict[str, object] = {name: p.annotation for name, p in signature.parameters.items()}
        self._defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty}
        returned = signature.return_annotation
        self.outputs: dict[str, ArraySpec] = dict(returned) if isinstance(returned, Outputs) else {"out": returned}
        self.mistakes: list[Mistake] = []
        self._make_cases: Callable[[np.random.Generator], Iterator] | None = None
        self._rounding: Callable | None = None
        self._shape_rule: Callable[[dict[str, int]], str | None] | None = None
        self._value_rule: Callable[..., str | None] | None = None
        self.large_from = LARGE
        self._plans: dict[tuple, _Plan] = {}
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
        """The cases drawn with `seed`, once per storage dtype. Seed 0 is public; the autograder keeps its own."""
        cases = []
        for storage in storages or self.storages:
            rng = np.random.default_rng(seed)
            for name, inputs in self._make_cases(rng):
                title = name if storage == "float32" else f"{name}, {storage} storage"
                cases.append(Case(title, self._convert(inputs, dtypes.BY_NAME[storage])))
        return cases

    def expected(self, inputs: dict[str, object]) -> list[np.ndarray]:
        """The outputs of the reference for `inputs`, computed in float64."""
        return _as_list(self.reference(*self._in_float64(inputs)))

    def tolerance(self, inputs: dict[str, object]) -> list[np.ndarray]:
        """Allowed absolute error of every output element; zero for integer outputs."""
        expected = self.expected(inputs)
        if self._rounding is None:
            roundoffs = [8 * np.abs(value) for value in expected]
        else:
            roundoffs = _as_list(self._rounding(*self._in_float64(inputs)))
        return [
            np.zeros(value.shape)
            if spec.allowed == (dtypes.int64,)
            else np.broadcast_to(UNIT_ROUNDOFF * np.asarray(units) + SMALLEST_NORMAL, value.shape)
            for value, units, spec in zip(expected, roundoffs, self.outputs.values(), strict=True)
        ]

    def _convert(self, inputs, storage):
        converted = {}
        for name, spec in self.inputs.items():
            value = inputs[name]
            if isinstance(spec, ArraySpec) and value is not None:
                dtype = storage if spec.is_stored else spec.allowed[0]
                value = np.ascontiguousarray(value, dtype=dtype)
            converted[name] = value
        return converted

    def _in_float64(self, inputs):
        values = []
        for name, spec in self.inputs.items():
            value = inputs[name]
            is_real = isinstance(spec, ArraySpec) and value is not None and spec.allowed != (dtypes.int64,)
            values.append(np.asarray(value).astype(np.float64) if is_real else value)
        return values

    # ---- calling ---------------------------------------------------------------------------------------------

    def __call__(self, *arguments, out=None, **named):
        if named or len(arguments) != len(self.inputs):
            arguments = self._bind(arguments, named)
        if type(arguments[0]) is Tensor and arguments[0].storage.device != "cpu":
            return self._call_on_device(arguments, out)
        values, plan = self._prepare(arguments)
        if out is None:
            results = [np.empty(output.shape, output.dtype) for output in plan.outputs]
        else:
            results = self._accept(out, plan, arguments)
        key = "cpu", plan.variant, plan.is_large
        function, prepares = self._chosen.get(key) or self._choose(*key)
        for position, prepare in prepares:
            values[position] = prepared(arguments[position], values[position], prepare)
        function(*values, *(_as_kernels_see(results, plan) if plan.merges_outputs else results))
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

    def run_with(self, kernel, inputs: dict[str, object], outputs: list[np.ndarray]) -> None:
        """Check `inputs` as a call would, then have `kernel` (see kernels.registry) write into `outputs`.

        A kernel for "cuda" runs on the device if there is one and `cuda.sanitized()` is not open, else under the
        sanitizer; the arrays are copied to the device and back.
        """
        arguments = [inputs[name] for name in self.inputs]
        values, plan = self._prepare(arguments)
        for position, prepare in self._prepares(kernel):
            values[position] = prepared(arguments[position], values[position], prepare)
        if kernel.device == "cpu":
            kernel.function(*values, *_as_kernels_see(outputs, plan))
        else:
            from llaisys_mini.cuda.dispatch import run

            run(kernel.function, values, _as_kernels_see(outputs, plan))

    def _prepare(self, arguments) -> tuple[list, _Plan]:
        """The arguments as a kernel sees them, and the plan of this call. Raises ContractError."""
        values, key = [], []
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
            key.append((value.shape, value.dtype, value.flags.c_contiguous) if is_array else type(value))
        key = tuple(key)
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

    def _bind(self, arguments, named):
        values = dict(zip(self.inputs, arguments, strict=False))
        unknown = [name for name in named if name not in self.inputs]
        missing = [n for n in self.inputs if n not in values and n not in named and n not in self._defaults]
        if len(arguments) > len(self.inputs) or unknown or missing or any(name in values for name in named):
            raise ContractError(f"{self.name} takes ({', '.join(self.inputs)}), each once")
        return [named[n] if n in named else values.get(n, self._defaults.get(n)) for n in self.inputs]

    def _accept(self, out, plan, arguments):
        """The arrays of `out`, each checked against the shape and dtype that this call produces."""
        given = list(out) if isinstance(out, (tuple, list)) else [out]
        if len(given) != len(plan.outputs):
            raise ContractError(f"{self.name}: out needs {len(plan.outputs)} arrays ({', '.join(self.outputs)})")
        results = []
        for name, target, output in zip(self.outputs, given, plan.outputs, strict=True):
            if not self.is_elementwise and any(target is value for value in arguments):
                raise ContractError(f"{self.name}: {name} is also an input; pass an array of its own")
            array = target.numpy() if type(target) is Tensor else target
            if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (output.shape, output.dtype):
                raise ContractError(
                    f"{self.name}: {name} must be {output.dtype.name} {output.shape}, not {_describe(target)}"
                )
            if not array.flags.c_contiguous or not array.flags.writeable:
                raise ContractError(f"{self.name}: {name} must be C-contiguous and writable")
            results.append(array)
        return results

    def _make_plan(self, values, key) -> _Plan:
        """Check the arguments against the contract and work out what the call needs. Raises ContractError."""
        lengths: dict[str, tuple[int, str]] = {}  # dimension -> (length, where it was seen first)
        leading: tuple[tuple[int, ...], str] | None = None
        plan = _Plan("float32", [], [], [], [])
        for position, (name, spec) in enumerate(self.inputs.items()):
            value = values[position]
            if not isinstance(spec, ArraySpec):
                if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
                    raise ContractError(f"{self.name}: {name} must be a number, not {_describe(value)}")
                plan.scalars.append(position)
                continue
            if value is None and spec.optional:
                continue
            self._check_array(name, spec, value)
            named_shape = value.shape[len(value.shape) - len(spec.dims) + 1 :] if spec.any_leading else value.shape
            named_dims = spec.dims[1:] if spec.any_leading else spec.dims
            where = f"{name} {value.shape}"
            for dim, length in zip(named_dims, named_shape, strict=True):
                seen, first = lengths.setdefault(dim, (length, where))
                if seen != length:
                    raise ContractError(f"{self.name}: {dim} is {seen} in {first} but {length} in {where}")
            if spec.any_leading:
                front = value.shape[: len(value.shape) - len(named_dims)]
                leading = leading or (front, where)
                if leading[0] != front:
                    raise ContractError(f"{self.name}: the leading dimensions of {where} differ from {leading[1]}")
                seen_shape = (math.prod(front), *named_shape)
                if seen_shape != value.shape:
                    plan.reshapes.append((position, seen_shape))
            if spec.is_stored:
                if plan.variant != "float32" and value.dtype.name not in (plan.variant, "float32"):
                    raise ContractError(f"{self.name}: {name} is {value.dtype.name} but another is {plan.variant}")
                if value.dtype != dtypes.float32:
                    plan.variant = value.dtype.name
                seen_as = dtypes.kernel_view(value).dtype
                if seen_as != value.dtype:
                    plan.views.append((position, seen_as))
        plan.is_large = sum(value.size for value in values if isinstance(value, np.ndarray)) >= self.large_from
        dims = {dim: length for dim, (length, _) in lengths.items()}
        problem = self._shape_rule(dims) if self._shape_rule else None
        if problem:
            raise ContractError(f"{self.name}: {problem}")
        front = leading[0] if leading else ()
        for spec in self.outputs.values():
            named = tuple(dims[dim] for dim in spec.dims if dim != "...")
            shape, seen_shape = ((*front, *named), (math.prod(front), *named)) if spec.any_leading else (named, named)
            plan.outputs.append(_Output(shape, spec.allowed[0], contiguous_strides(shape), seen_shape))
            plan.merges_outputs = plan.merges_outputs or shape != seen_shape
        if len(self._plans) >= 8192:  # decoding makes one per cache length; a long run must not grow without end
            self._plans.clear()
        self._plans[key] = plan
        return plan

    def _check_array(self, name, spec, value):
        if not isinstance(value, np.ndarray):
            raise ContractError(f"{self.name}: {name} must be an array or Tensor of {spec}, not {_describe(value)}")
        if value.dtype not in spec.allowed:
            raise ContractError(f"{self.name}: {name} must be {spec}, not {value.dtype.name} {value.shape}")
        least = len(spec.dims) - 1 if spec.any_leading else len(spec.dims)
        if len(value.shape) < least or (not spec.any_leading and len(value.shape) != least):
            raise ContractError(
                f"{self.name}: {name} must have the dimensions [{', '.join(spec.dims)}], not {value.shape}"
            )
        if value.size == 0:
            raise ContractError(f"{self.name}: {name} {value.shape} is empty")
        if not value.flags.c_contiguous:
            raise ContractError(
                f"{self.name}: {name} {value.shape} is not C-contiguous; "
                "pass Tensor.contiguous() or np.ascontiguousarray"
            )

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


def _as_kernels_see(results, plan):
    """The output arrays with their leading dimensions merged into one."""
    return [result.reshape(output.seen_shape) for result, output in zip(results, plan.outputs, strict=True)]


def _as_list(result) -> list[np.ndarray]:
    return [np.asarray(value) for value in (result if isinstance(result, tuple) else (result,))]


def _describe(value) -> str:
    if isinstance(value, (np.ndarray, Tensor)):
        return f"{value.dtype.name} {value.shape}"
    return f"{type(value).__name__} {value!r}"[:60]


# ---- watching calls ----------------------------------------------------------------------------------------------

_observer: Callable | None = None


class observe_calls:
    """Within this context `observer(operator, arguments, results)` is called after every operator call.

    arguments: as passed by the caller; results: list of NumPy arrays. Used to trace, time or verify a whole model.
    """

    def __init__(self, observer: Callable):
        self.observer = observer

    def __enter__(self):
        global _observer
        self.before, _observer = _observer, self.observer

    def __exit__(self, *_):
        global _observer
        _observer = self.before
