"""How a launch gets its machine code, without a GPU: numba-cuda makes LTO-IR, and nvJitLink links that."""

import re
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from llaisys_mini.errors import KernelError


def compile_for(kernel, arguments, architecture: str) -> str:
    """Compile a kernel, under @cuda.jit or its plain Python function, for these arguments; what ptxas has to say.

    Raises KernelError with the compiler's message, and the compiler's own error as its cause.
    """
    with _told(kernel, architecture):
        return _link(kernel, _lto_ir(kernel, arguments, architecture), architecture)


def compile_with_lines(kernel, arguments, architecture: str) -> tuple[str, dict[int, int]]:
    """What ptxas has to say, as from compile_for, and source line -> number of float64 instructions.

    Moves, loads and stores of float64 are not counted: they are harmless. Numba's part, which takes nine tenths of the
    time, is done once: nvJitLink makes of the same LTO-IR the machine code and the PTX whose lines are counted.
    """
    with _told(kernel, architecture):
        objects = _lto_ir(kernel, arguments, architecture, lineinfo=True)
        log = _link(kernel, objects, architecture)
        return log, _float64_lines(_ptx(objects, architecture))


def refusal(kernel, arguments, architecture: str) -> Exception | None:
    """What stops Numba's part of the work, nine tenths of the time; None if nothing does."""
    try:
        _lto_ir(kernel, arguments, architecture)
    except Exception as problem:
        return problem
    return None


def parts_of(kernel) -> tuple:
    """(Python function for Numba, options of the compiler, most registers or None) of a kernel."""
    given = getattr(kernel, "options", {})
    options = {name: given[name] for name in ("fastmath", "launch_bounds", "opt") if name in given}
    function = getattr(getattr(kernel, "dispatcher", kernel), "py_func", kernel)
    return function, options, given.get("max_registers")


def target_of(architecture: str) -> tuple[int, int]:
    """Numba's name of an architecture: (8, 0) for sm_80."""
    return int(architecture[3:-1]), int(architecture[-1])


def _lto_ir(kernel, arguments, architecture: str, lineinfo: bool = False) -> list:
    """What nvJitLink links."""
    from cuda.core import ObjectCode
    from numba import cuda

    function, options, _ = parts_of(kernel)
    signature, target = tuple(numba_type(argument) for argument in arguments), target_of(architecture)
    with _pretended_device(target):
        codes, _ = cuda.compile_all(
            function, signature, cc=target, device=False, abi="numba", output="ltoir", lineinfo=lineinfo, **options
        )
    return [code if isinstance(code, ObjectCode) else ObjectCode.from_ltoir(bytes(code)) for code in codes]


def _link(kernel, objects: list, architecture: str) -> str:
    """What ptxas has to say about the linked kernel."""
    from cuda.core import Linker, LinkerOptions

    wanted = LinkerOptions(
        arch=architecture,
        link_time_optimization=True,
        max_register_count=parts_of(kernel)[2],
        ptxas_options=["-v"],
        verbose=True,
    )
    linker = Linker(*objects, options=wanted)
    linker.link("cubin")
    return linker.get_info_log()


def _ptx(objects: list, architecture: str) -> str:
    from cuda.core import Linker, LinkerOptions

    wanted = LinkerOptions(arch=architecture, link_time_optimization=True, ptx=True, lineinfo=True)
    return bytes(Linker(*objects, options=wanted).link("ptx").code).decode()


@contextmanager
def _told(kernel, architecture: str):
    """Whatever stops the compiler within becomes a KernelError that says for what."""
    try:
        yield
    except Exception as problem:  # typing errors, unsupported Python, the assembler's own limits
        function = parts_of(kernel)[0]
        if getattr(problem, "loc", None) is None:
            problem.loc = _place(problem, function.__code__.co_filename)  # type: ignore[attr-defined]
        raise KernelError(f"{function.__name__} does not compile for {architecture}: {_message(problem)}") from problem


def _place(problem: BaseException, filename: str):
    """Where in a file the compiler was when it raised (an object with `line`), or None. Its messages do not always say:
    some errors of numba-cuda are those of Numba, which it does not recognise as its own."""
    place = None
    trace = problem.__traceback__
    while trace is not None:
        at_work = getattr(trace.tb_frame.f_locals.get("self"), "loc", None)
        if getattr(at_work, "filename", "") == filename:
            place = at_work
        trace = trace.tb_next
    return place


_ARITHMETIC = re.compile(r"^\s*(?:@!?%p\d+\s+)?(?!mov|ld|st|bar)[a-z]\w*(?:\.\w+)*\.f64\b")
_SOURCE_LINE = re.compile(r"^\s*\.loc\s+\d+\s+(\d+)")


def _float64_lines(ptx: str) -> dict[int, int]:
    """Source line -> number of float64 instructions."""
    counts: dict[int, int] = {}
    line = 0
    for text in ptx.splitlines():
        found_at = _SOURCE_LINE.match(text)
        if found_at:
            line = int(found_at[1])
        elif _ARITHMETIC.match(text):
            counts[line] = counts.get(line, 0) + 1
    return counts


@contextmanager
def _pretended_device(target: tuple[int, int]):
    """numba-cuda asks the present device for its architecture when it compiles device functions: answer for it."""
    from numba.cuda import dispatcher

    real = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=target)
    try:
        yield
    finally:
        dispatcher.get_current_device = real


def numba_type(argument):
    from numba.cuda import types
    from numba.cuda.np import numpy_support

    if argument is None:
        return types.none
    if hasattr(argument, "dtype") and hasattr(argument, "shape") and not isinstance(argument, np.generic):
        return types.Array(numpy_support.from_dtype(np.dtype(argument.dtype)), len(argument.shape), "C")
    if isinstance(argument, (bool, np.bool_)):
        return types.boolean
    if isinstance(argument, np.generic):
        return numpy_support.from_dtype(argument.dtype)
    return types.int64 if isinstance(argument, int) else types.float64


def largest(pattern: str, log: str) -> int:
    return max(map(int, re.findall(pattern, log)), default=0)


def _message(problem: Exception, count: int = 3) -> str:
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(problem)).splitlines() if line.strip()]
    return " / ".join(lines[:count]) or type(problem).__name__
