"""Who takes part: our kernels through the operator, as a user calls them; and a check of all answers.

NumPy and torch are called as their users would call them; the operator's results are allocated by each call, as theirs
are. All contestants of a piece of work read the same numbers, most of them the same memory.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import Contestant
from benchmarks.work import ALONE, NOT_INSTALLED, OURS, PLAIN, Work
from llaisys_mini import dtypes, use_kernels
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.sets import PLAIN as PLAIN_SET
from llaisys_mini.kernels.sets import SOLUTIONS, expert_set, plain_set
from llaisys_mini.operator import Operator
from llaisys_mini.tensor import Tensor


def in_turn(function: Callable, *argument_lists: Sequence) -> Callable[[], object]:
    """A call that takes the next of each list of arguments every time, round and round: with more copies of the weights
    than a cache holds, every call finds its own in memory only."""
    rounds = list(zip(*argument_lists, strict=True))
    following = itertools.cycle(rounds).__next__

    def call():
        return function(*following())

    call.__dict__["turns"] = len(rounds)  # see measure.compare: before it counts, each copy is met once
    return call


def copies(array: np.ndarray, total: int) -> list[np.ndarray]:
    """The array and as many copies as make `total` bytes; at least itself."""
    return [array, *(array.copy() for _ in range(max(0, total // array.nbytes)))]


def ours(operator: Operator, calls: Callable[[], object]) -> list[Contestant]:
    """Our kernels behind `calls`, which calls the operator: the fastest, and the lab's where that is another."""
    found = [Contestant(OURS, calls, lambda: use_kernels(SOLUTIONS))]
    if expert_set().path(operator.name, "cpu") != plain_set().path(operator.name, "cpu"):
        found.append(Contestant(PLAIN, calls, lambda: use_kernels(PLAIN_SET)))
    return found


def alone(operator: Operator, inputs: Mapping[str, Any]) -> Contestant:
    """The kernel without what surrounds it: a difference to ours is what checking, allocating and finding cost."""
    kernel = from_set(PLAIN_SET, operator.name, "cpu")
    outs = [
        np.empty_like(value, dtype=kind.allowed[0])
        for value, kind in zip(operator.expected(inputs), operator.outputs.values(), strict=True)
    ]
    seen: list[Any] = []
    operator.run_with(dataclasses.replace(kernel, function=lambda *values: seen.extend(values)), inputs, outs)
    return Contestant(ALONE, lambda: kernel.function(*seen))


def torch_or_absent(work_absent: dict[str, str], *names: str):
    """torch, or None after noting in `work_absent` that these contestants are missing."""
    from benchmarks.machine import imported_if_installed

    torch = imported_if_installed("torch")
    if torch is None:
        work_absent.update(dict.fromkeys(names, NOT_INSTALLED))
    return torch


def as_torch(torch, array: np.ndarray):
    """The same memory as a torch tensor; bfloat16 too, which NumPy does not know."""
    if array.dtype == dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def positions_first(answer):
    """[1, head, position, width] -> [position, head, width]"""
    return answer[0].transpose(1, 0, 2)


def as_array(answer: Any) -> np.ndarray:
    """What a contestant returned, as a NumPy array."""
    if isinstance(answer, (Tensor, np.ndarray)):
        return np.asarray(answer)
    return answer.detach().float().numpy()  # torch


def check_answers(
    work: Work,
    operator: Operator,
    inputs: Mapping[str, Any],
    part: Callable[[np.ndarray], np.ndarray] = lambda answer: answer,
    layouts: dict[str, Callable[[np.ndarray], np.ndarray]] | None = None,
) -> None:
    """Note each contestant's largest error against the float64 reference, in multiples of the operator's tolerance.

    inputs: may be cut to a part of the work where the whole would take the reference minutes; `part` then cuts an
    answer the same way. layouts: per contestant, how its answer becomes one in the contract's order of dimensions.
    """
    expected, allowed = operator.expected(inputs)[-1], operator.tolerance(inputs)[-1]
    for one in work.contestants:
        if one.name == ALONE:  # the same kernel as ours
            continue
        if one.prepare is not None:
            one.prepare()
        answer = one.call()
        answer = as_array(answer[-1] if isinstance(answer, tuple) else answer)
        answer = (layouts or {}).get(one.name, lambda same: same)(answer)
        error = np.abs(part(answer).reshape(expected.shape) - expected)
        work.errors[one.name] = float((error / allowed).max())
