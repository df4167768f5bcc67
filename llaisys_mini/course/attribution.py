"""Attribution: whose kernels computed a result, known from the calls that were made, not from what is written.

A kernel may be right for float32 weights only; for the bfloat16 weights of a model another one answers then.
"""

from collections import Counter

from llaisys_mini.checks.same_bits import keeps_bits
from llaisys_mini.kernels import verdicts
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.runtime import current
from llaisys_mini.kernels.sets import REFERENCE, STUDENT, student_set


def kernels_that_answered() -> dict[str, dict[str, str]]:
    """Of every operator called since the choice of kernels last changed: storage of its weights -> kernel set."""
    found: dict[str, dict[str, str]] = {}
    for (name, _device), by_storage in sorted(current().answered.items()):
        found.setdefault(name, {}).update(by_storage)
    return found


def attribution_lines(device: str) -> list[str]:
    """Lines about the learner's kernels for `device`: which took part in the calls made so far, which not and why.

    Kernels of operators that nobody called are not named: there is nothing that a learner could do about them.
    """
    answered = kernels_that_answered()
    yours: list[str] = []
    waiting: dict[str, list[str]] = {}
    for name in (operator for operator, written_for in student_set().written() if written_for == device):
        sets = answered.get(name)
        if sets is None:
            continue
        others = sorted(storage for storage, kernel_set in sets.items() if kernel_set != STUDENT)
        if len(others) < len(sets):
            yours.append(name + (f" (not for {' and '.join(others)} weights)" if others else ""))
        else:
            waiting.setdefault(_why_not(name, device, others), []).append(name)
    lines = []
    if yours:
        if len(yours) == len(answered) and not any("(" in name for name in yours):
            which, names = "all", ""
        else:
            which, names = f"{len(yours)} of", f": {', '.join(yours)}"
        lines.append(f"your kernels answer for {which} {len(answered)} operators that this run calls{names}")
    if waiting:
        reasons = "; ".join(f"{reason}: {', '.join(names)}" for reason, names in waiting.items())
        lines.append(f"written but not used, {reasons}")
    return lines


def counts() -> str:
    """How many of the operators called so far each kernel set answered: "8 student, 1 solutions"."""
    sets = Counter(" and ".join(sorted(set(by.values()))) for by in kernels_that_answered().values())
    return ", ".join(f"{count} {name}" for name, count in sets.items())


def kernels_that_change_bits(device: str) -> list[str]:
    """Operators called so far whose kernel, not one of the course, gives a row other bits alone than with others."""
    found = []
    for (name, called_on), by_storage in sorted(current().answered.items()):
        others = {kernel_set for kernel_set in by_storage.values() if kernel_set in (STUDENT, REFERENCE)}
        if called_on == device and any(keeps_bits(from_set(s, name, device)) is False for s in others):
            found.append(name)
    return found


def _why_not(name: str, device: str, storages: list[str]) -> str:
    """Why the learner's kernel did not answer. storages: of the calls that another kernel answered."""
    if not verdicts.was_checked(name, device):
        return "not checked (`llaisys-mini check` does)"
    passed = verdicts.passed_storages(name, device)
    unread = [storage for storage in storages if storage not in passed]
    if passed and unread:
        return f"right, but not for {' and '.join(unread)} weights"
    return "not chosen" if passed else "wrong"
