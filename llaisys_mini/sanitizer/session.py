"""Launches under the sanitizer: from `kernel[blocks, threads](...)` to a report."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llaisys_mini.cuda.jit import CudaKernel, launch_configuration
from llaisys_mini.errors import KernelError, UserError
from llaisys_mini.sanitizer import values
from llaisys_mini.sanitizer.findings import Halt, RefusedKernel, SanitizerError, UnsupportedInKernel
from llaisys_mini.sanitizer.lanes import ORDERS, Launch
from llaisys_mini.sanitizer.machine import Machine
from llaisys_mini.sanitizer.memory import Memory
from llaisys_mini.sanitizer.report import Report
from llaisys_mini.sanitizer.translate import Program
from llaisys_mini.sanitizer.uninitialised import registry
from llaisys_mini.sanitizer.unwritten import Writers
from llaisys_mini.sanitizer.views import View

LOOP_LIMIT = 50_000
"""Rounds after which a `while` loop is taken to be endless: a few seconds; no operator's cases need as many."""
_LONGEST_LOOP = 40 * LOOP_LIMIT  # of a launch that nobody checks, which may be meant to take its time


@dataclass
class Session:
    """How launches run now. See devices.sanitized.sanitized for the fields."""

    report: Report
    order: str = "forward"
    counts: bool = False
    traces: bool = False
    raises: bool = True
    loop_limit: int = LOOP_LIMIT
    writers: Writers = field(default_factory=Writers)


_session: ContextVar[Session | None] = ContextVar("session", default=None)


@contextmanager
def watching(
    outputs: Sequence[np.ndarray],
    order: str,
    counts: bool,
    traces: bool,
    raises: bool,
    loop_limit: int,
) -> Iterator[Report]:
    """Within this context launches under the sanitizer go into one report. See devices.sanitized.sanitized."""
    if order not in ORDERS:
        raise KernelError(f"there is no order {order!r}; choose among {', '.join(ORDERS)}")
    session = Session(Report(traces), order, counts or traces, traces, raises, loop_limit)
    for array in outputs:
        registry.add(array)
    token = _session.set(session)
    try:
        yield session.report
        note_unwritten(outputs)
    finally:
        _session.reset(token)
        for array in outputs:
            registry.forget(array)


def note_unwritten(outputs: Sequence[np.ndarray]) -> None:
    """Remark which of these registered arrays the launches of this context have not written everywhere."""
    session = _session.get()
    if session is None:
        return
    for finding in map(session.writers.finding, outputs):
        if finding is not None:
            session.report.note(finding)


def launcher(kernel: CudaKernel, configuration) -> Callable:
    """What `kernel[configuration]` is under the sanitizer."""
    grid, block, _, shared_bytes = launch_configuration(kernel, configuration)
    launch = Launch(grid, block, shared_bytes)
    return lambda *arguments: _run(
        kernel, launch, arguments, _session.get() or Session(Report(), loop_limit=_LONGEST_LOOP)
    )


def _run(kernel: CudaKernel, launch: Launch, arguments, session: Session) -> None:
    session.report.argument_types.setdefault((kernel.__name__, *map(_kind, arguments)))
    program = kernel.program = kernel.program or Program(kernel)
    machine = Machine(kernel, launch, program, session)
    try:
        with np.errstate(all="ignore"):
            machine.check_sizes()
            parameters = program.main.parameters
            if len(arguments) != len(parameters):
                raise UnsupportedInKernel(
                    f"{kernel.__name__} takes ({', '.join(parameters)}), but is given {len(arguments)} arguments"
                )
            held, memories = _hold(machine, program, arguments)
            try:
                for resident in launch.waves("block by block" if program.may_wait else session.order):
                    machine.enter(resident)
                    program.main.call(machine, resident.all_lanes, held)
                    machine.unset_reads.end_wave()
            finally:
                for memory, start in memories:
                    written = memory.was_written()
                    if written is not None:
                        session.writers.note(memory, start, kernel, launch.blocks * launch.threads_per_block)
                        registry.note(start, start + memory.cells.nbytes, written, memory.cells.itemsize)
    except Halt:
        pass
    except RefusedKernel as problem:
        if problem.line:
            raise
        raise type(problem)(problem.sentence, machine.function.__name__, machine.line) from None
    except UserError:
        raise
    except Exception as problem:
        raise KernelError(
            f"{machine.function.__name__}, line {machine.line}: {type(problem).__name__}: {problem}"
        ) from problem
    found = list(machine.found.values())
    session.report.add(f"{kernel.__name__}{list(launch.grid)}{list(launch.block)}", found)
    errors = [finding for finding in found if not finding.is_remark]
    if errors and session.raises:
        raise SanitizerError(session.report, errors)


def _kind(argument) -> str:
    """The type of an argument, as Report.argument_types has it."""
    if isinstance(argument, np.ndarray):
        return f"array {argument.dtype.name} {argument.ndim}"
    return getattr(getattr(argument, "dtype", None), "name", None) or _KINDS.get(type(argument), "")


_KINDS = {type(None): "none", bool: "bool", int: "int", float: "float"}


# ---- arguments -----------------------------------------------------------------------------------------------------


def _hold(machine: Machine, program: Program, arguments):
    """The arguments as the kernel holds them, and its memories with their addresses."""
    held: list[Any] = []
    arrays = []
    for name, value in zip(program.main.parameters, arguments, strict=True):
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in "biuf" or any(s < 0 or s % value.itemsize for s in value.strides):
                raise UnsupportedInKernel(
                    f"{machine.kernel.__name__}: {name} is {value.dtype} with strides {value.strides} bytes; kernels "
                    "take arrays of numbers with whole, forward strides (bfloat16: pass its uint16 view)"
                )
            arrays.append((len(held), name, value))
            held.append(None)
        elif value is None or isinstance(value, (bool, int, float, np.generic)):
            held.append(values.from_python(value))
        else:
            raise UnsupportedInKernel(
                f"{machine.kernel.__name__}: {name} is {type(value).__name__}; kernels take arrays, numbers and None"
            )
    memories = []
    for group in _overlapping(arrays):
        memory, start = _memory(machine, program, group)
        memories.append((memory, start))
        for position, _, array in group:
            offset = (_address(array) - start) // array.itemsize
            strides = tuple(stride // array.itemsize for stride in array.strides)
            held[position] = View(memory, offset, array.shape, strides)
    return held, memories


def _address(array):
    return array.__array_interface__["data"][0]


def _whole(array):
    """The array that `array` is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _end(array):
    last = sum((length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True))
    return _address(array) + (last + array.itemsize if array.size else 0)


def _overlapping(arrays):
    """The arrays (position, name, array) in groups that share memory."""
    groups: list[list] = []
    reach = 0
    for entry in sorted(arrays, key=lambda entry: _address(entry[2])):
        if groups and _address(entry[2]) < reach:
            groups[-1].append(entry)
        else:
            groups.append([entry])
        reach = max(reach, _end(entry[2]))
    return groups


def _memory(machine, program, group):
    """One memory for the arrays of a group, and its address."""
    _, _, lowest = group[0]
    names = list(dict.fromkeys(name for _, name, _ in group))
    is_written = any(name in program.main.written for name in names)
    start, end = _address(lowest), max(_end(array) for _, _, array in group)
    if any(array.dtype != lowest.dtype or (_address(array) - start) % lowest.itemsize for _, _, array in group):
        raise UnsupportedInKernel(
            f"{machine.kernel.__name__}: {' and '.join(names)} share memory but have different dtypes"
        )
    writeable = all(array.flags.writeable for _, _, array in group)
    count = (end - start) // lowest.itemsize
    cells = np.lib.stride_tricks.as_strided(lowest, (count,), (lowest.itemsize,), writeable=writeable)
    memory = Memory(machine, "/".join(names), "global", cells, lowest.shape, is_watched=is_written)
    memory.address = start - _address(_whole(lowest))  # a device allocates at multiples of 256 bytes, NumPy does not
    unset = registry.unset(start, end, lowest.itemsize)
    if is_written or unset is not None:
        memory.watch(unset if unset is not None else False)
    return memory, start
