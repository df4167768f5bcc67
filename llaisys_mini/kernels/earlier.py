"""The learner's previous version of a kernel: the last one that passed before the present one did.

Kept so that a race can show what a change was worth.
"""

from llaisys_mini.files import write_atomically
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.sets import KernelSet, student_set

EARLIER = "earlier"


def keep(operator: str, device: str) -> None:
    """The present kernel has passed: another one that passed before it becomes the earlier version."""
    history = student_set().folder / ".history"
    passed, earlier = (history / name / device / f"{operator}.py" for name in ("passed", EARLIER))
    source = student_set().path(operator, device).read_text(encoding="utf-8")
    if passed.is_file():
        before = passed.read_text(encoding="utf-8")
        if before == source:
            return
        write_atomically(earlier, before)
    write_atomically(passed, source)


def earlier_kernel(operator: str, device: str = "cpu") -> Kernel | None:
    """The earlier version, or None if there is none."""
    kernels = KernelSet(EARLIER, student_set().folder / ".history" / EARLIER)
    return kernels.get(operator, device) if kernels.has(operator, device) else None
