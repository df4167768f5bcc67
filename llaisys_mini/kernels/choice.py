"""Which kernel answers when an operator is called.

Without a word from the user: the learner's kernel if it passed its check, else the course's, else the NumPy reference.
`use_kernels` chooses otherwise, for all operators or for some.
"""

from dataclasses import dataclass, field

from llaisys_mini import operators
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels import verdicts
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
from llaisys_mini.tensor import use_views


@dataclass(frozen=True)
class Choice:
    """`everywhere`: a kernel set or None for the rule above; `per_operator`: exceptions to it."""

    everywhere: str | None = None
    per_operator: dict[str, str] = field(default_factory=dict)


_current = Choice()


class use_kernels:
    """Choose the kernels that answer from now on, or within a `with` block.

        use_kernels("reference")                  the NumPy reference for every operator
        use_kernels("student")                    the learner's kernels, checked or not; where none is written, the rule
        use_kernels(softmax="student")            one operator only
        use_kernels()                             back to the rule

    Raises KernelError for an unknown set or operator, and for an operator asked of a set that has no kernel for it.
    """

    def __init__(self, everywhere: str | None = None, /, **per_operator: str):
        global _current
        for name in [everywhere, *per_operator.values()]:
            if name is not None and name not in NAMES:
                raise KernelError(f"there is no kernel set {name!r}; choose among {', '.join(NAMES)}")
        for name, kernel_set in per_operator.items():
            operators.get(name)
            if kernel_set in FOLDERS and not any(FOLDERS[kernel_set]().has(name, device) for device in DEVICES):
                raise KernelError(
                    f"the kernel set {kernel_set!r} has no kernel for {name}; "
                    f"it would be a file {name}.py in {FOLDERS[kernel_set]().folder}/cpu"
                )
        self._before, _current = _current, Choice(everywhere, dict(per_operator))
        kernels_changed()

    def __repr__(self) -> str:
        """Says what is in force now: in a notebook this stands under a cell that ends with use_kernels(...)."""
        rule = "student kernels that passed, else solutions, else reference"
        exceptions = "".join(f", {name} from {chosen}" for name, chosen in _current.per_operator.items())
        return f"kernels: {_current.everywhere or rule}{exceptions}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        global _current
        _current = self._before
        kernels_changed()


def parse_choice(text: str) -> tuple[str | None, dict[str, str]]:
    """Read the command line's `--kernels`: "reference", "student,linear=solutions", "softmax=student"."""
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


def kernels_changed() -> None:
    """Have every operator look up anew which kernel answers."""
    for name in operators.names:
        operators.get(name).forget_choice()
    choose_views()


def choose_views() -> None:
    """Have tensors answer with the learner's methods (exercises.tensor_views) where they passed and may answer."""
    may_answer = _current.everywhere in (None, STUDENT)
    passed = may_answer and verdicts.passed_storages("tensor_views", "python")
    use_views(student_set().get("tensor_views", "python").function if passed else None)


def answering_kernel(operator, device: str = "cpu", storage: str = "float32", large: bool = False) -> Kernel:
    """The kernel that answers `operator` (an Operator or its name) on `device` for weights stored as `storage`.

    large: whether the call is large, see plans.LARGE. Raises KernelError if no kernel can answer.
    """
    name = operator if isinstance(operator, str) else operator.name
    wanted = _current.per_operator.get(name)
    if wanted is not None:
        return from_set(wanted, name, device, large)
    if _current.everywhere not in (None, STUDENT):
        if _current.everywhere == REFERENCE or solutions_set().has(name, device):
            return from_set(_current.everywhere, name, device, large)
    unchecked_too = _current.everywhere == STUDENT
    if student_set().has(name, device) and (unchecked_too or storage in verdicts.passed_storages(name, device)):
        return from_set(STUDENT, name, device)
    if solutions_set().has(name, device):
        return from_set(SOLUTIONS, name, device, large)
    return from_set(REFERENCE, name, device)


def from_set(kernel_set: str, operator: str, device: str, large: bool = False) -> Kernel:
    """The kernel of one set. Raises KernelError if the set has none for this operator and device."""
    if kernel_set == REFERENCE:
        if device != "cpu":
            raise KernelError(f"{operator}: the reference runs on the cpu only, not on {device}")
        return reference_kernel(operator)
    return FOLDERS[kernel_set]().get(operator, device, large)
