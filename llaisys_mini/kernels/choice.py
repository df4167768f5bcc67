"""Which kernel answers when an operator is called.

By default: the learner's kernel if it passed its check, else the course's, else the NumPy reference.
`use_kernels` chooses otherwise, for all operators or for some.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llaisys_mini import dtypes
from llaisys_mini.contract import OPERATORS, Contract
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels import runtime, verdicts
from llaisys_mini.kernels.registry import DEVICES, Kernel
from llaisys_mini.kernels.sets import (
    FOLDERS,
    NAMES,
    REFERENCE,
    SOLUTIONS,
    STUDENT,
    reference_kernel,
    solutions_set,
    student_set,
)


class use_kernels:
    """Choose the kernels that answer from now on in this thread, or within a `with` block.

        use_kernels("reference")                  the NumPy reference for every operator
        use_kernels("student")                    the learner's kernels, checked or not; where none is written, the rule
        use_kernels(softmax="student")            one operator only
        use_kernels()                             back to the rule

    Raises KernelError for an unknown set or operator, and for an operator asked of a set that has no kernel for it.
    """

    def __init__(self, everywhere: str | None = None, /, **per_operator: str):
        for name in [everywhere, *per_operator.values()]:
            if name is not None and name not in NAMES:
                raise KernelError(f"there is no kernel set {name!r}; choose among {', '.join(NAMES)}")
        for name, kernel_set in per_operator.items():
            OPERATORS.get(name)
            if kernel_set in FOLDERS and not any(FOLDERS[kernel_set]().has(name, device) for device in DEVICES):
                raise KernelError(
                    f"the kernel set {kernel_set!r} has no kernel for {name}; "
                    f"it would be a file {name}.py in {FOLDERS[kernel_set]().folder}/cpu"
                )
        self._changes: dict[str, Any] = dict(everywhere=everywhere, per_operator=per_operator, answered={})
        self._undo = runtime.from_now_on(**self._changes)

    def __repr__(self) -> str:
        """Says what is in force now: in a notebook this stands under a cell that ends with use_kernels(...)."""
        now = runtime.current()
        rule = "student kernels that passed, else solutions, else reference"
        exceptions = "".join(f", {name} from {_called(chosen)}" for name, chosen in now.per_operator.items())
        return f"kernels: {now.everywhere or rule}{exceptions}"

    def __enter__(self):
        self._undo()  # the block has a context of its own
        self._token = runtime.enter(replace(runtime.current(), **self._changes))
        return self

    def __exit__(self, *_):
        runtime.leave(self._token)


def _called(chosen: str | Kernel) -> str:
    return chosen if isinstance(chosen, str) else chosen.kernel_set


def parse_choice(text: str) -> tuple[str | None, dict[str, str]]:
    """Read the command line's `--kernels`: "reference", "student,linear=solutions", "softmax=student".

    Returns (the kernel set for all operators or None, operator -> its set). Raises KernelError for two sets for all;
    whether there are such sets and operators is not looked at here.
    """
    everywhere, per_operator = None, {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        operator, equals, name = part.partition("=")
        if equals:
            per_operator[operator] = name
        elif everywhere is None:
            everywhere = part
        else:
            raise KernelError(f"--kernels {text}: name one kernel set, then operator=set pairs, separated by commas")
    return everywhere, per_operator


def answering_kernel(
    operator: Contract | str, device: str = "cpu", storage: str = "float32", dims: Mapping[str, int] | None = None
) -> Kernel:
    """The kernel that answers `operator` on `device` for weights stored as `storage`.

    dims: the dimensions of the call, by which an expert kernel may answer it (Kernel.when). Raises KernelError if no
    kernel can answer.
    """
    name = operator if isinstance(operator, str) else operator.name
    answers = _answers(name, device, storage)
    return answers if isinstance(answers, Kernel) else from_set(answers, name, device, dims)


def _answers(name: str, device: str, storage: str) -> str | Kernel:
    """The kernel set that answers, or the kernel that was chosen itself. Loads nothing."""
    now = runtime.current()
    wanted = now.per_operator.get(name)
    if isinstance(wanted, str) or (isinstance(wanted, Kernel) and wanted.device == device):
        return wanted
    if now.everywhere not in (None, STUDENT):
        if now.everywhere == REFERENCE or solutions_set().has(name, device):
            return now.everywhere
    unchecked_too = now.everywhere == STUDENT
    if student_set().has(name, device) and (unchecked_too or storage in verdicts.passed_storages(name, device)):
        return STUDENT
    return SOLUTIONS if solutions_set().has(name, device) else REFERENCE


def course_reads_weights(device: str) -> bool:
    """Whether the course's own kernels answer all operators that read a model's weights, however these are stored."""
    weights = {name: OPERATORS.get(name).arrays.get("weight") for name in OPERATORS.names}
    reading = [name for name, spec in weights.items() if spec is not None and spec.is_stored]
    return all(_answers(name, device, dtype.name) == SOLUTIONS for name in reading for dtype in dtypes.STORAGE)


def from_set(kernel_set: str, operator: str, device: str, dims: Mapping[str, int] | None = None) -> Kernel:
    """The kernel of one set. Raises KernelError if the set has none for this operator and device."""
    if kernel_set == REFERENCE:
        if device != "cpu":
            raise KernelError(f"{operator}: the reference runs on the cpu only, not on {device}")
        return reference_kernel(operator)
    return FOLDERS[kernel_set]().get(operator, device, dims)
