"""The sanitizer: runs ordinary CUDA kernels on the CPU, watches every access, and says what is wrong with them.

    with cuda.sanitized(outputs=[out]) as report:
        launcher(x, out)

- translate: the kernel's syntax tree becomes closures over vectors of threads, with the help of scope, operations,
  calls, expressions and loops; frames: variables and branches
- intrinsics: what each does, with the help of functions, arrays and warps; values: arithmetic
- lanes: which threads run together; views, memory, machine: what they share, and the shadow that finds mistakes
- findings, report, counters: what comes out; session: launches; uninitialised: global memory that holds nothing yet

All threads of many blocks go through the kernel together, one statement at a time, as vectors: that makes it quick
enough for a lesson. Mistakes are found from what orders two accesses (see memory), not from the order they ran in.
Not supported: threads that wait for other threads in a loop (locks, grid-wide barriers), and fences as a way to order.
"""

from llaisys_mini.sanitizer.findings import DoesNotCompile, Finding, SanitizerError, UnsupportedInKernel
from llaisys_mini.sanitizer.lanes import ORDERS
from llaisys_mini.sanitizer.report import Report
from llaisys_mini.sanitizer.session import LOOP_LIMIT, launcher, note_unwritten, watching

__all__ = [
    "LOOP_LIMIT",
    "ORDERS",
    "Finding",
    "Report",
    "DoesNotCompile",
    "SanitizerError",
    "UnsupportedInKernel",
    "launcher",
    "note_unwritten",
    "watching",
]
