"""Kernel sets: `reference` (NumPy, part of the contract), `solutions` (the course's), `student` (the learner's).

Where speed takes more than a lab asks for, an expert version stands beside the lab's answer: `linear_expert.py` beside
`linear.py`. It takes longer to compile, which a small model never earns back, so that of `solutions` the expert version
answers large calls (plans.LARGE) and the lab's answer the others. The kernel sets `plain` and `expert` are the same
folder with the size left aside.

The sets but the reference are folders of the same form, `<device>/<operator>.py`, and are imported under the names
`llaisys_mini_<set>.<device>.<operator>`, so that files of a set can import from each other and Numba can cache them.
"""

import ast
import contextlib
import dataclasses
import importlib.abc
import importlib.util
import linecache
import sys
import types
from functools import cache
from pathlib import Path

from llaisys_mini import operators, paths
from llaisys_mini.dtypes import stored_view
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels.compiled import (
    drop_if_stale,
    keep_parallel_helpers_within,
    one_process_writes_at_a_time,
)
from llaisys_mini.kernels.registry import DEVICES, Kernel
from llaisys_mini.kernels.threads import choose_thread_pool

REFERENCE, SOLUTIONS, PLAIN, EXPERT, STUDENT = "reference", "solutions", "plain", "expert", "student"
NAMES = (STUDENT, SOLUTIONS, PLAIN, EXPERT, REFERENCE)

_HELPERS_OF_KERNELS = ("widen.py", "simd.py", "fast_exp.py", "exp_vector.py")  # compiled into kernels that use them


class KernelSet:
    """A folder of kernels. Each file is imported when it is first asked for."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        self.folder = folder
        self._loaded: dict[Path, tuple[tuple[int, int], Kernel]] = {}  # with the file's stamp
        self._fresh: set[str] = set()  # devices whose compiled kernels are known to fit the sources

    def path(self, operator: str, device: str, large: bool = False) -> Path:
        """Where the kernel for small or large calls is, or would be."""
        if self.name == EXPERT or (self.name == SOLUTIONS and large):
            expert = self.folder / device / f"{operator}_expert.py"
            if expert.is_file():
                return expert
        return self.folder / device / f"{operator}.py"

    def has(self, operator: str, device: str) -> bool:
        """Whether there is a file for it."""
        return self.path(operator, device).is_file()

    def written(self) -> list[tuple[str, str]]:
        """(operator, device) of every kernel file in the folder that belongs to an operator."""
        return [(o, device) for device in DEVICES for o in operators.names if self.has(o, device)]

    def get(self, operator: str, device: str, large: bool = False) -> Kernel:
        """The kernel for small or large calls, imported; anew if its file has changed since.

        Raises KernelError if the file is absent, cannot be imported, or holds no kernel.
        """
        path = self.path(operator, device, large)
        if not path.is_file() and self.name == STUDENT:
            mark = f'@kernel("{operator}", device="{device}")' if device in DEVICES else f'@answer("{operator}")'
            raise KernelError(f"{operator}: run the cell with {mark} first, or write it to {path}")
        if not path.is_file():
            raise KernelError(f"the kernel set {self.name!r} has no {device} kernel for {operator}: {path} is missing")
        if device not in self._fresh:
            choose_thread_pool()
            one_process_writes_at_a_time()
            drop_if_stale(self.folder / device, self._sources(device))
            self._fresh.add(device)
        stamp = _stamp(path)
        known = self._loaded.get(path)
        if known is None or known[0] != stamp:
            known = self._loaded[path] = stamp, self._load(operator, device, path)
        return known[1]

    def _sources(self, device) -> list[Path]:
        """The files besides its own that a kernel may be compiled from. A learner's kernels are self-contained."""
        package = [paths.PACKAGE / name for name in _HELPERS_OF_KERNELS]
        return package if self.name == STUDENT else [*package, *(self.folder / device).glob("*.py")]

    def _load(self, operator, device, path):
        # Sets over one folder share its modules: Numba's cache remembers a kernel's module by name.
        shared = SOLUTIONS if self.name in (PLAIN, EXPERT) else self.name
        name = f"{_package(shared, self.folder, device)}.{path.stem}"
        module = sys.modules.get(name)
        try:
            # Another file of the set may have imported it already; a module of a changed file carries an old stamp.
            if (
                module is None
                or module.__file__ != str(path)
                or getattr(module, "__stamp__", _stamp(path)) != _stamp(path)
            ):
                if self.name == STUDENT:
                    _require_alone(operator, path)
                module = import_fresh(name, path)
        except KernelError:
            raise
        except Exception as problem:
            where = f", line {problem.lineno}" if isinstance(problem, SyntaxError) else ""
            raise KernelError(
                f"{operator}: {path}{where} cannot be imported: {type(problem).__name__}: {problem}"
            ) from problem
        made = getattr(module, "__kernels__", {}).get((operator, device))
        if made is None:
            raise KernelError(f"{operator}: {path} holds no function under @kernel({operator!r}, device={device!r})")
        keep_parallel_helpers_within(made.function, module)
        return dataclasses.replace(made, kernel_set=self.name, path=path)


def _require_alone(operator: str, path: Path) -> None:
    """Refuse a learner's kernel that imports from another one's file: its verdict and its compiled form belong to one
    file, and would stay what they were when the other file changes. A cell of a notebook cannot import so either.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise KernelError(
                f"{operator}: {path}, line {node.lineno} imports from the file of another kernel. "
                "A kernel's file stands alone, as a cell does: copy the helpers that it uses into it"
            )


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Compiles from source each time: a .pyc is matched by whole seconds, and a learner is faster than that.

    Like a cell, a file that somebody wrote may end with a call of check. Importing must not run it.
    """

    def get_code(self, fullname):
        from llaisys_mini.kernels.cells import keep_definitions

        path = self.get_filename(fullname)
        source = importlib.util.decode_source(self.get_data(path))
        with contextlib.suppress(SyntaxError):  # raised below, with the file's name
            source = keep_definitions(source)
        return self.source_to_code(source, path)


def import_fresh(name: str, path: Path) -> types.ModuleType:
    """Import the file at `path` as module `name` from its present source."""
    linecache.checkcache(str(path))
    loader = _FreshLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # since the loader is given
    module = importlib.util.module_from_spec(spec)
    vars(module)["__stamp__"] = _stamp(path)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file does."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _package(set_name: str, folder: Path, device: str) -> str:
    """Make `folder` and its device folder importable as packages; return the device package's name."""
    name = f"llaisys_mini_{set_name}"
    for package, place in ((name, folder), (f"{name}.{device}", folder / device)):
        module = sys.modules.get(package)
        if module is None or module.__path__ != [str(place)]:
            module = types.ModuleType(package)
            module.__path__ = [str(place)]
            sys.modules[package] = module
    return f"{name}.{device}"


@cache
def _folder_set(name: str, folder: Path) -> KernelSet:
    return KernelSet(name, folder)


def student_set() -> KernelSet:
    """The learner's kernels, in the folder that counts now."""
    return _folder_set(STUDENT, paths.student_folder())


def solutions_set() -> KernelSet:
    """The course's kernels: expert versions for large calls, the labs' answers for all others."""
    return _folder_set(SOLUTIONS, paths.solutions_folder())


def plain_set() -> KernelSet:
    """The labs' answers, whatever the size of the call."""
    return _folder_set(PLAIN, paths.solutions_folder())


def expert_set() -> KernelSet:
    """The expert versions where there are any, whatever the size of the call."""
    return _folder_set(EXPERT, paths.solutions_folder())


FOLDERS = {STUDENT: student_set, SOLUTIONS: solutions_set, PLAIN: plain_set, EXPERT: expert_set}
"""The kernel sets that are folders; a function each, since the learner's folder may change while we run."""


@cache
def reference_kernel(operator: str) -> Kernel:
    """The operator's own NumPy reference in the form of a kernel."""
    contract = operators.get(operator)
    count = len(contract.inputs)

    def run(*arguments):
        inputs = {
            name: stored_view(value) if name in contract.arrays and value is not None else value
            for name, value in zip(contract.inputs, arguments[:count], strict=True)
        }
        for out, value in zip(arguments[count:], contract.expected(inputs), strict=True):
            out[...] = value.reshape(out.shape)

    return Kernel(operator, "cpu", REFERENCE, run)
