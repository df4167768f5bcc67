"""Kernel sets: `reference` (NumPy, part of the contract), `solutions` (the course's), `student` (the learner's).

The sets but the reference are folders of the same form, `<device>/<operator>.py`. Where speed takes more than a lab
asks for, an expert version stands beside the lab's answer: `linear_expert.py` beside `linear.py`. It takes longer to
compile, which a small model never earns back, so it says itself for which calls it is made (Kernel.when): of
`solutions` it answers those, and the lab's answer all others. `plain` and `expert` are the same folder with that left
aside.
"""

import dataclasses
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from llaisys_mini import paths
from llaisys_mini.contract import OPERATORS
from llaisys_mini.dtypes import stored_view
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels.loading import import_kernel, stamp, unwatched_imports
from llaisys_mini.kernels.registry import DEVICES, PYTHON, Kernel
from llaisys_mini.kernels.runtime import current
from llaisys_mini.kernels.threads import choose_thread_pool

REFERENCE, SOLUTIONS, PLAIN, EXPERT, STUDENT = "reference", "solutions", "plain", "expert", "student"
NAMES = (STUDENT, SOLUTIONS, PLAIN, EXPERT, REFERENCE)


_loading = threading.RLock()  # two threads may ask for the same kernel


class KernelSet:
    """A folder of kernels. Each file is imported when it is first asked for.

    modules: the name under which they are imported. Sets over one folder share it: Numba's cache remembers a kernel's
    module by name.
    """

    def __init__(self, name: str, folder: Path, modules: str | None = None):
        self.name = name
        self.folder = folder
        self.modules = modules or name
        self._loaded: dict[Path, tuple[tuple[int, int], Kernel]] = {}  # with the file's stamp

    def path(self, operator: str, device: str) -> Path:
        """Where the kernel is, or would be."""
        return self.folder / device / f"{operator}.py"

    def has(self, operator: str, device: str) -> bool:
        """Whether there is a file for it."""
        return self.path(operator, device).is_file()

    def written(self) -> list[tuple[str, str]]:
        """(operator, device) of every kernel file in the folder that belongs to an operator."""
        return [(o, device) for device in DEVICES for o in OPERATORS.names if self.has(o, device)]

    def get(self, operator: str, device: str, dims: Mapping[str, int] | None = None) -> Kernel:
        """The kernel for calls of these dimensions, imported; anew if its file has changed since.

        dims: see Kernel.when; without them the kernel for small calls. Raises KernelError if the file is absent, cannot
        be imported, or holds no kernel.
        """
        return self._get_file(operator, device, self.path(operator, device))

    def _get_file(self, operator: str, device: str, path: Path) -> Kernel:
        if not path.is_file():
            if device not in (*DEVICES, PYTHON):
                raise KernelError(f"{operator}: kernels are written for {' and '.join(DEVICES)}, not for {device!r}")
            raise KernelError(self._absent(operator, device, path))
        with _loading:
            known = self._loaded.get(path)
            if known is None or known[0] != stamp(path):
                known = self._loaded[path] = stamp(path), self._load(operator, device, path)
        return known[1]

    def _absent(self, operator: str, device: str, path: Path) -> str:
        return f"the kernel set {self.name!r} has no {device} kernel for {operator}: {path} is missing"

    def _load(self, operator: str, device: str, path: Path, stands_alone: bool = False) -> Kernel:
        from llaisys_mini.kernels import compiled  # imports Numba, which references do not need

        choose_thread_pool()
        compiled.keep_checked()
        with nullcontext() if stands_alone else compiled.made_beside(self.folder / device):
            module = import_kernel(operator, self.modules, self.folder, device, path, stands_alone)
        made = getattr(module, "__kernels__", {}).get((operator, device))
        if made is None:
            raise KernelError(f"{operator}: {path} holds no function under @kernel({operator!r}, device={device!r})")
        compiled.keep_parallel_helpers_within(made.function, module)
        if stands_alone and unwatched_imports(path):
            compiled.keep_nothing_of(module)
        return dataclasses.replace(made, kernel_set=self.name, path=path)


class StudentSet(KernelSet):
    """The learner's kernels: each file stands alone, as a cell does."""

    def _absent(self, operator: str, device: str, path: Path) -> str:
        mark = f'@kernel("{operator}", device="{device}")' if device in DEVICES else f'@answer("{operator}")'
        return f"{operator}: run the cell with {mark} first, or write it to {path}"

    def _load(self, operator: str, device: str, path: Path, stands_alone: bool = True) -> Kernel:
        return super()._load(operator, device, path, stands_alone)


class ExpertSet(KernelSet):
    """The expert versions where there are any, whatever the call."""

    def path(self, operator: str, device: str) -> Path:
        expert = self._expert(operator, device)
        return expert if expert.is_file() else super().path(operator, device)

    def _expert(self, operator: str, device: str) -> Path:
        return self.folder / device / f"{operator}_expert.py"


class SolutionsSet(ExpertSet):
    """The lab's answers, and expert versions for the calls they say they are made for."""

    def path(self, operator: str, device: str) -> Path:
        return KernelSet.path(self, operator, device)

    def get(self, operator: str, device: str, dims: Mapping[str, int] | None = None) -> Kernel:
        path = self._expert(operator, device)
        if dims is not None and path.is_file():
            expert = self._get_file(operator, device, path)
            if expert.when is None or expert.when(dims):
                return expert
        return super().get(operator, device)


@cache
def _set(make: type[KernelSet], name: str, folder: Path, modules: str | None = None) -> KernelSet:
    return make(name, folder, modules)


def student_set() -> KernelSet:
    """The learner's kernels, in the folder that counts now."""
    return _set(StudentSet, STUDENT, current().student or paths.student_folder())


def solutions_set() -> KernelSet:
    """The course's kernels: the labs' answers, and expert versions where they pay."""
    return _set(SolutionsSet, SOLUTIONS, _course_folder(), SOLUTIONS)


def plain_set() -> KernelSet:
    """The labs' answers, whatever the size of the call."""
    return _set(KernelSet, PLAIN, _course_folder(), SOLUTIONS)


def expert_set() -> KernelSet:
    """The expert versions where there are any, whatever the size of the call."""
    return _set(ExpertSet, EXPERT, _course_folder(), SOLUTIONS)


def _course_folder() -> Path:
    return paths.solutions_folder() if current().solutions else paths.PACKAGE / "no course kernels"


FOLDERS = {STUDENT: student_set, SOLUTIONS: solutions_set, PLAIN: plain_set, EXPERT: expert_set}
"""The kernel sets that are folders; a function each, since the folder depends on the Runtime in force."""


@cache
def reference_kernel(operator: str) -> Kernel:
    """The operator's own NumPy reference in the form of a kernel."""
    contract = OPERATORS.get(operator)
    count = len(contract.inputs)

    def run(*arguments):
        inputs = {
            name: stored_view(value) if name in contract.arrays and value is not None else value
            for name, value in zip(contract.inputs, arguments[:count], strict=True)
        }
        targets = [*arguments[count:], *(inputs[name] for name in contract.written)]
        for target, value in zip(targets, contract.expected(inputs), strict=True):
            target[...] = value.reshape(target.shape)

    return Kernel(operator, "cpu", REFERENCE, run)
