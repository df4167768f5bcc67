"""`explain("softmax")`: what the compiler made of a kernel. Facts, not timings: the same on every run.

Of a CPU kernel, here; of a CUDA kernel, `explain("softmax", device="cuda")`, see compile_check.

vectorised    its machine code works on several floats per instruction; sums do so only if their order may change
FMA           it multiplies and adds in one instruction
parallel      it starts threads, and they do something
allocations   arrays that one call makes; inside a loop each costs more than the arithmetic on a short row
"""

import dataclasses
import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba.core.runtime import _nrt_python, rtsys
from rich.table import Table

from llaisys_mini import operators
from llaisys_mini.checks.compare import case_shapes, empty_outputs
from llaisys_mini.checks.idle_loops import all_are_idle
from llaisys_mini.console import console
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.inspect import parallel_work
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.compiled import is_cached
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.sets import STUDENT
from llaisys_mini.operator import Operator
from llaisys_mini.task import Case

if TYPE_CHECKING:
    from llaisys_mini.inspect.compile_check import Build

# x86: addps, vfmadd231ps ...; ARM: fadd v0.4s, v1.4s ...
_ON_VECTORS = re.compile(
    r"\bv?(?:add|sub|mul|div|max|min|sqrt)p[sd]\b|\bvfn?m(?:add|sub)\d+p[sd]\b"
    r"|\bf(?:add|sub|mul|div|max|min|maxnm|minnm|mla|mls|sqrt)\s+v\d+\.[24][sd]\b"
)
# A vector to which more is added again and again: the register that is written is one that was read.
_SUMS_ON_VECTORS = re.compile(
    r"\bvfn?madd231p[sd]\b|\bvaddp[sd]\s.*(%[xyz]mm\d+), \1\s*$|\s(addp[sd])\s"
    r"|\bfmla\s+v\d+\.[24][sd]\b|\bfadd\s+(v\d+\.[24][sd]), \3\b",
    re.MULTILINE,
)
_FUSED = re.compile(r"\bvfn?m(?:add|sub)\d+[sp][sd]\b|\bf(?:mla|mls|n?madd|n?msub)\b")


@dataclass(frozen=True)
class Facts:
    """What the compiled kernel does. vector_instructions: in the machine code, not executed ones; allocations: arrays
    allocated in one call on `case`."""

    operator: str
    vector_instructions: int
    vectorised_sums: bool
    fma: bool
    parallel: bool
    allocations: int
    case: str

    @property
    def vectorised(self) -> bool:
        return self.vector_instructions > 0

    def require(
        self,
        vectorised: bool = False,
        vectorised_sums: bool = False,
        fma: bool = False,
        parallel: bool = False,
        allocations: int | None = None,
    ) -> None:
        """Raise CheckFailed unless the kernel has what is asked for. allocations: the most that one call may make."""
        problems = []
        if vectorised and not self.vectorised:
            problems.append(
                "no instruction works on several floats at once: keep the innermost loop plain, along a row"
            )
        if vectorised_sums and not self.vectorised_sums:
            problems.append(
                "its sums add one number at a time. To add several at once changes the order of a sum; allow it: "
                "@njit(fastmath=True) on the function with that loop"
            )
        if fma and not self.fma:
            problems.append("products and sums are not fused: fastmath=True allows it")
        if parallel and not self.parallel:
            problems.append(
                "it starts no threads that do anything: @njit(parallel=True), and prange instead of range in the outer "
                "loop"
            )
        if allocations is not None and self.allocations > allocations:
            problems.append(
                f"one call allocates {self.allocations} array(s), allowed: {allocations} (on the case {self.case}). "
                "A slice with arithmetic, x[n] - top, makes a new array each time: write the loop"
            )
        if problems:
            raise CheckFailed("\n".join(f"{self.operator}: {problem}" for problem in problems))

    def _ipython_display_(self) -> None:
        """Nothing: explain has printed it already when a cell ends with its result."""

    def __rich__(self) -> Table:
        table = Table(title=f"{self.operator} on cpu, as compiled", title_justify="left", box=None, show_header=False)
        count = self.vector_instructions
        table.add_row("vectorised", f"yes, {count} instructions on several floats at once" if count else "no")
        table.add_row("sums of several at once", "yes" if self.vectorised_sums else "no")
        table.add_row("multiply-add fused", "yes" if self.fma else "no")
        table.add_row("parallel", "yes" if self.parallel else "no")
        table.add_row("arrays allocated in one call", f"{self.allocations}, on the case {self.case}")
        return table


def explain(operator: str, kernel_set: str = STUDENT, device: str = "cpu") -> "Facts | list[Build]":
    """Compile a kernel of `operator` afresh, print and return what the compiler made of it.

    On the CPU: Facts. For "cuda", GPU or not: a Build per kernel and architecture, with registers, spills, shared and
    local memory, occupancy and float64; none, and a sentence, where the compiler is not installed.
    Raises KernelError if the set has no such kernel, if it does not compile, or on the CPU if it is not under @njit.
    """
    if device != "cpu":
        from llaisys_mini.inspect.compile_check import explain_cuda

        builds, shown = explain_cuda(choice.from_set(kernel_set, operator, device))
        console().print(shown)
        return Builds(builds)
    contract = operators.get(operator)
    kernel = choice.from_set(kernel_set, operator, "cpu")
    if not hasattr(kernel.function, "py_func"):
        raise KernelError(f"{operator}: only a function under @njit can be explained; this one is plain Python")
    if kernel.function not in _known:
        _known[kernel.function] = examine(contract, kernel)
    console().print(_known[kernel.function])
    return _known[kernel.function]


class Builds(list["Build"]):
    """What explain returns for "cuda"."""

    def _ipython_display_(self) -> None:
        """Nothing: explain has printed it already."""


_known: dict[object, Facts] = {}
"""Compiled function -> its facts: a changed kernel is another function."""


def examine(contract: Operator, kernel: Kernel) -> Facts:
    """What the compiler made of this kernel. Raises KernelError if it does not run."""
    operator = contract.name
    case = max(contract.make_cases(storages=("float32",)), key=lambda c: sum(np.size(v) for v in c.inputs.values()))
    fresh = _compiled_here(kernel)
    outputs = empty_outputs(contract, case.inputs)
    try:
        contract.run_with(fresh, case.inputs, outputs)  # compiles
    except Exception as problem:
        raise KernelError(f'{operator}: it does not run yet; check("{operator}") says why') from problem
    compiled: Any = fresh.function
    machine_code = "\n".join(compiled.inspect_asm().values())
    return Facts(
        operator,
        vector_instructions=len(_ON_VECTORS.findall(machine_code)),
        vectorised_sums=bool(_SUMS_ON_VECTORS.search(machine_code)),
        fma=bool(_FUSED.search(machine_code)),
        parallel="numba_parallel_for" in machine_code and _threads_work(contract, fresh, case, outputs),
        allocations=_allocations(lambda: contract.run_with(fresh, case.inputs, outputs))
        - _passed_arrays(case, outputs),
        case=f"'{case.name}', {case_shapes(case)}",
    )


def _threads_work(contract: Operator, kernel: Kernel, case: Case, outputs: list[np.ndarray]) -> bool:
    """Whether its loops over prange do the work. outputs: what the kernel gave on `case`."""
    source = _source(kernel)
    return not all_are_idle(source) and not parallel_work.is_done_elsewhere(contract, kernel, source, case, outputs)


def _source(kernel: Kernel) -> str:
    """The source of the kernel's file, or of the kernel alone where it has none."""
    if kernel.path is not None:
        return kernel.path.read_text(encoding="utf-8")
    return textwrap.dedent(inspect.getsource(kernel.function.py_func))  # type: ignore[attr-defined]


def _compiled_here(kernel: Kernel) -> Kernel:
    """The same kernel without Numba's cache: of a function loaded from the cache, Numba cannot show the code."""
    if not is_cached(kernel.function):
        return kernel
    compiled: Any = kernel.function
    options = {name: value for name, value in compiled.targetoptions.items() if name != "nopython"}
    return dataclasses.replace(kernel, function=numba.njit(**options)(compiled.py_func))


def _allocations(work) -> int:
    """How many times Numba's runtime takes memory while `work` runs."""
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().mi_alloc
    work()
    return rtsys.get_allocation_stats().mi_alloc - before


def _passed_arrays(case, outputs) -> int:
    """Each array handed to compiled code counts once: Numba wraps it."""
    return sum(isinstance(value, np.ndarray) for value in [*case.inputs.values(), *outputs])
