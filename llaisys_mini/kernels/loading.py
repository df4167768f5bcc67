"""Importing the file of a kernel, always from its present source.

The files of a set are imported under the names `llaisys_mini_<set>.<device>.<operator>`, so that they can import from
each other and Numba can cache what it compiles.
"""

import ast
import contextlib
import importlib.abc
import importlib.util
import linecache
import sys
import sysconfig
import types
from pathlib import Path

from llaisys_mini import paths
from llaisys_mini.errors import KernelError
from llaisys_mini.kernels.definitions import keep_definitions


class _FreshLoader(importlib.machinery.SourceFileLoader):
    """Compiles from source each time: a .pyc is matched by whole seconds, and a learner is faster than that.

    Like a cell, a file may end with a call of check. Importing must not run it.
    """

    def get_code(self, fullname):
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
    vars(module)["__stamp__"] = stamp(path)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def import_kernel(operator: str, set_name: str, folder: Path, device: str, path: Path, stands_alone: bool):
    """The module of a kernel's file in the set of this name and folder; imported anew if the file has changed.

    stands_alone: refuse a file that imports from another one of its set. Raises KernelError.
    """
    name = f"{_package(set_name, folder, device)}.{path.stem}"
    module = sys.modules.get(name)
    # Another file of the set may have imported it already; a module of a changed file carries an old stamp.
    if module is not None and module.__file__ == str(path) and getattr(module, "__stamp__", stamp(path)) == stamp(path):
        return module
    try:
        if stands_alone:
            _require_alone(operator, path)
        return import_fresh(name, path)
    except KernelError:
        raise
    except Exception as problem:
        where = f", line {problem.lineno}" if isinstance(problem, SyntaxError) else ""
        raise KernelError(
            f"{operator}: {path}{where} cannot be imported: {type(problem).__name__}: {problem}"
        ) from problem


def stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file does."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


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


def unwatched_imports(path: Path) -> list[str]:
    """Modules that the imported file at `path` takes from files that are neither the course's nor installed, such as a
    learner's own `helpers.py`: nobody sees when one of these changes."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in names}
    return sorted(name for name, file in files.items() if file and not _is_watched(Path(file).resolve()))


def _is_watched(file: Path) -> bool:
    if file.is_relative_to(paths.PACKAGE):
        return not file.is_relative_to(paths.PACKAGE / "student")
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    return file.is_relative_to(standard) or not {"site-packages", "dist-packages"}.isdisjoint(file.parts)


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
