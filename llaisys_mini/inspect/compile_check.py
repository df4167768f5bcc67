"""What the compiler makes of a CUDA kernel, found out without a GPU: registers, shared memory, spills, float64.

numba-cuda compiles a kernel to LTO-IR and nvJitLink links that for a real architecture: the same road that a launch on
a device takes. Neither needs a GPU or a driver. Two things a beginner's kernel often has and never shows:

- spills: more live values than registers, so some travel to memory and back;
- float64: a bare `0.5` or `x / n` with a whole number n makes Python's float, and consumer GPUs run float64 at a
  1/32 or 1/64 of the float32 rate. Reported with the source line.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from llaisys_mini.cuda.availability import why_no_compiler
from llaisys_mini.cuda.compiler import compile_with_lines, largest, numba_type, parts_of
from llaisys_mini.errors import KernelError
from llaisys_mini.inspect.occupancy import Occupancy, occupancy

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
"""Built by default: Turing, Ampere and Hopper."""

FEW_WARPS = 0.25
"""Share of a multiprocessor's threads below which a kernel is told that it has few."""


@dataclass(frozen=True)
class Build:
    """What one kernel became on one architecture.

    registers: per thread; shared: bytes per block, static and dynamic; spilled: bytes of registers written to memory
    and read back; stack: bytes of memory per thread, spills and local arrays that did not fit registers;
    float64: source line -> number of float64 instructions that stand for it; line 0 where the compiler names none.
    """

    kernel: str
    architecture: str
    threads: int
    registers: int
    shared: int
    spilled: int
    stack: int
    float64: dict[int, int]

    @property
    def occupancy(self) -> Occupancy:
        """How full a multiprocessor of this architecture is with blocks of this build."""
        return occupancy(self.architecture, self.threads, self.registers, self.shared)

    def problems(self) -> list[str]:
        """What is wrong with it, one sentence each; empty if nothing is."""
        found = []
        if self.spilled:
            found.append(f"{self.kernel} on {self.architecture}: {self.spilled} bytes of registers spill to memory")
        if self.float64:
            lines = ", ".join(f"line {line} ({count})" for line, count in sorted(self.float64.items()))
            found.append(
                f"{self.kernel}: float64 instructions at {lines}; write np.float32(0.5) for 0.5, "
                "and x * np.float32(1 / n) or x / np.float32(n) for a division by a whole number"
            )
        return found

    def remarks(self) -> list[str]:
        """What may make it slow, or keep it from being launched at all; a sentence each."""
        found, fits = [], self.occupancy
        local = self.stack - self.spilled
        if fits.share == 0:
            found.append(
                f"{self.kernel} cannot be launched on {self.architecture}: not one block of {self.threads} threads "
                f"with {self.registers} registers each and {self.shared} bytes of shared memory fits. "
                f"The limit is {fits.limit}"
            )
        elif fits.share < FEW_WARPS:
            found.append(
                f"{self.kernel} on {self.architecture}: {fits.share:.0%} of the threads a multiprocessor can hold, "
                f"because of {fits.limit}. With few threads it often has nothing to do while it waits for memory"
            )
        if local > 0:
            found.append(
                f"{self.kernel} on {self.architecture}: a local array of {local} bytes per thread lies in memory, not "
                "in registers: let loops over it have constant bounds, or make it shorter"
            )
        return found


def unavailable() -> str | None:
    """One sentence that begins "not run" and says why nothing can be compiled here, or None."""
    reason = why_no_compiler()
    return f"not run: {reason}" if reason else None


def build(
    kernel: Callable,
    arguments: Iterable[object],
    threads: int,
    dynamic_shared: int = 0,
    architecture: str = "sm_90",
) -> Build:
    """Compile `kernel` (under @cuda.jit, or its plain Python function) for `arguments` as a launch would pass them.

    arguments: arrays (only their dtype and number of dimensions matter), NumPy scalars, Python numbers or None.
    threads: per block; dynamic_shared: bytes per block.
    Raises KernelError with the compiler's message if it cannot be compiled, or if nothing can be compiled here.
    """
    why = unavailable()
    if why:
        raise KernelError(why)
    log, float64 = compile_with_lines(kernel, list(arguments), architecture)
    return Build(
        kernel=parts_of(kernel)[0].__name__,
        architecture=architecture,
        threads=threads,
        registers=largest(r"Used (\d+) registers", log),
        shared=largest(r"(\d+) bytes smem", log) + dynamic_shared,
        spilled=largest(r"(\d+) bytes spill stores", log),
        stack=largest(r"(\d+) bytes stack frame", log),
        float64=float64,
    )


def builds_of(
    kernel,
    architectures: Iterable[str] = ARCHITECTURES,
    storages: Iterable[str] | None = None,
    cases: Iterable | None = None,
) -> list[Build]:
    """Builds of every CUDA kernel that `kernel` (a kernels.registry.Kernel) launches on `cases`.

    cases: default: its operator's public ones, of the storages named. The launches are recorded, not run; one that
    differs from another in sizes only is built once, and compiled once for all sizes of its block. A module whose
    kernels need a newer architecture than the oldest says so as LOWEST_ARCHITECTURE, and is not built for older ones.
    Raises KernelError as `build` does.
    """
    from llaisys_mini import operators
    from llaisys_mini.checks.compiles import distinct_launches

    cases = cases or operators.get(kernel.operator).make_cases(storages=tuple(storages) if storages else None)
    made, compiled = [], {}
    for launch in distinct_launches(kernel, cases):
        lowest = parts_of(launch.kernel)[0].__globals__.get("LOWEST_ARCHITECTURE", "")
        for architecture in architectures:
            if architecture < lowest:
                continue
            threads = math.prod(launch.block)
            key = launch.kernel, tuple(map(numba_type, launch.arguments)), architecture
            if key not in compiled:
                compiled[key] = build(launch.kernel, launch.arguments, threads, architecture=architecture)
            built = compiled[key]
            made.append(replace(built, threads=threads, shared=built.shared + launch.shared_bytes))
    return made


def explain_cuda(kernel, architectures: Iterable[str] = ARCHITECTURES):
    """What a student is shown about a kernel (a kernels.registry.Kernel for "cuda"): its builds for float32, and their
    table with what is wrong below it. Where nothing can be compiled: no builds, and the sentence that says why.

    Returns (list of Build, rich renderable).
    """
    from rich.console import Group
    from rich.text import Text

    reason = unavailable()
    if reason:
        return [], reason
    builds = builds_of(kernel, architectures, storages=("float32",))
    sentences = dict.fromkeys(text for made in builds for text in [*made.problems(), *made.remarks()])
    return builds, Group(table(builds), *map(Text, sentences))


def table(builds: list[Build]):
    """The builds as a rich table: one row per kernel and architecture."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 1))
    shown.add_column("kernel", overflow="fold")
    shown.add_column("for")
    for title in ("threads", "regs", "shared B", "spill B", "occupancy", "float64"):
        shown.add_column(title, justify="right", no_wrap=True)
    with_stack = any(made.stack for made in builds)
    if with_stack:
        shown.add_column("local B", justify="right")
    for made in builds:
        fits = made.occupancy
        lines = ", ".join(f"line {line}" for line in sorted(made.float64))
        shown.add_row(
            made.kernel,
            made.architecture,
            str(made.threads),
            str(made.registers),
            str(made.shared),
            f"[red]{made.spilled}[/red]" if made.spilled else "0",
            f"{fits.share:.0%}" + ("" if fits.share == 1 else f", {fits.limit}"),
            f"[red]{lines}[/red]" if lines else "none",
            *([str(made.stack)] if with_stack else []),
        )
    return shown
