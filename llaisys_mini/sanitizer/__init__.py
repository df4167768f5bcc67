"""The sanitizer: runs ordinary CUDA kernels on the CPU, watches every access, and says what is wrong with them.

    with cuda.sanitized(outputs=[out]) as report:
        launcher(x, out)

- translate: the kernel's syntax tree becomes closures over vectors of threads, with the help of scope, operations,
  calls, expressions, assignments, iteration, loops and conditions; frames: variables and branches
- accepted: what numba-cuda compiles; what it refuses is refused here too. double_precision: float64 by accident
- intrinsics: what each does, with the help of functions, arrays and warps; values: arithmetic
- lanes: which threads run together; views, indices, memory, machine: what they share
- copies: asynchronous ones, and when they land
- shadow, clocks, races: which accesses nothing orders; unset_reads, uninitialised, unwritten: memory that holds nothing
- findings, report, counters: what comes out; session: launches

All threads of many blocks go through the kernel together, one statement at a time, as vectors: that makes it quick
enough for a lesson. Mistakes are found from what orders two accesses (see memory), not from the order they ran in.
Not supported: threads of one block that wait for each other in a loop, grid-wide barriers, and fences as a way to order
accesses: a fence is let pass, and a race stays one.
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
