"""Compiled kernels, kept on disk for the next process.

Functions under @njit(cache=True) are kept in the folder where Numba (0.68) would keep them, but in files of another
form, since Numba's own have these traps:

- It compiles a kernel again when the kernel's own file has changed, but not when a file that it takes helpers from has:
  after a `git pull` the old helper would go on running, silently. Here a file counts only for the sources, and the
  version of Numba, that it was made from.
- A file that a full disk or a killed process has left empty or in parts raises in the midst of a call, so that the
  kernel seems wrong. Here a digest says whether a file is whole; if it is not, the kernel is compiled again.
- It raises where no folder can be written, and for a function whose source is no file. Here such a function is compiled
  in each process.
- It keeps a function of a notebook's cell as long as its own lines stay the same, also when the numbers and functions
  that it takes from other cells have changed. Here such a function is compiled in each process. A kernel need not be:
  its cell is saved as a file.
- Its files have no lock: of two processes that write at the same time, both may put machine code under one number.
  Here each compiled form has a name of its own, and is renamed into place when it is whole.

Numba also crashes in the third process when a cached kernel was compiled around a parallel function that itself came
from the cache: first `linear` without a bias, then, in another process, with one, then again. So a parallel helper
of a compiled kernel is not kept on its own; it lies within the kernel's compiled form.

Imported where a kernel is, since it imports Numba.
"""

import functools
import hashlib
import inspect
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba.core import caching, ccallback, dispatcher
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs
from numba.np.ufunc import ufuncbuilder, wrappers

from llaisys_mini import paths
from llaisys_mini.files import write_atomically
from llaisys_mini.kernels import linked
from llaisys_mini.kernels.runtime import current

_beside: ContextVar[str] = ContextVar("beside", default="")
"""A fingerprint of the kernels beside it, from which a function made now may take helpers."""


def keep_checked() -> None:
    """From now on functions under Numba's decorators with `cache=True` are kept as this module says."""
    for module in (dispatcher, ccallback, ufuncbuilder):
        module.FunctionCache = _cache_of
    linked.compile_helpers_within()
    wrappers.GufWrapperCache = lambda py_func: caching.NullCache()


@contextmanager
def made_beside(folder: Path) -> Iterator[None]:
    """Functions made within this context count for as long as no file of kernels in `folder` changes."""
    token = _beside.set(_fingerprint(folder))
    try:
        yield
    finally:
        _beside.reset(token)


@functools.cache
def _fingerprint(*places: Path) -> str:
    """Of the Python files in these folders, and of files themselves, as they were when the process first asked.

    They are imported once: one that is changed later is still the former one in this process, and what is compiled from
    it must not count for the new one.
    """
    digest = hashlib.sha256()
    for path in sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))):
        status = path.stat()
        digest.update(f"{path.name} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()


def keep_nothing_of(module: ModuleType) -> None:
    """The functions of `module` are compiled in each process from now on."""
    for function in _dispatchers(module):
        function._cache = caching.NullCache()


def keep_parallel_helpers_within(kernel: Any, module: ModuleType) -> None:
    """No file of their own for the parallel functions in `module` that the compiled `kernel` may call."""
    if not isinstance(kernel, dispatcher.Dispatcher):
        return  # a launcher in plain Python calls compiled functions one by one: each is kept
    for function in _dispatchers(module):
        if function is not kernel and function.targetoptions.get("parallel"):
            function._cache = caching.NullCache()


def _dispatchers(module: ModuleType) -> list[Any]:
    return [value for value in vars(module).values() if isinstance(value, dispatcher.Dispatcher)]


def generated_file(name: str, text: str) -> Path | None:
    """The file of this name that holds `text`, source that the package wrote itself; its compiled form is kept beside
    it. None if no folder for it can be written. The name is to change whenever the text does."""
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    for folder in [wanted] if wanted else [AppDirs("llaisys_mini", appauthor=False).user_cache_dir, _private_folder]:
        try:
            path = Path(folder() if callable(folder) else folder) / name
            if not path.is_absolute():
                continue  # nobody knows this user's home
            if not path.is_file() or path.read_bytes() != text.encode():  # it may be damaged
                write_atomically(path, text)
            return path
        except OSError:
            continue
    return None


def is_cached(function: Any) -> bool:
    """Whether a compiled function may have come from disk."""
    return not isinstance(getattr(function, "_cache", caching.NullCache()), caching.NullCache)


def place(function: Any) -> Path | None:
    """The folder in which the compiled forms of `function` are kept; None if they are not."""
    return Path(function._cache.cache_path) if is_cached(function) else None


# ---- the cache of one function ---------------------------------------------------------------------------------------


def _cache_of(py_func) -> caching.NullCache | caching.FunctionCache:
    """What stands in for Numba's FunctionCache."""
    if not current().keeps_compiled:
        return caching.NullCache()
    try:
        return _CheckedCache(py_func)
    except Exception as problem:  # Numba has several for what has no source, and one for what has no folder
        if os.path.isfile(inspect.getfile(py_func)):
            _say_once(problem)
        return caching.NullCache()


class _UserWideLocator(caching.UserWideCacheLocator):
    """~/.cache/numba. Where nobody knows a home, Numba would take "~" for the name of a folder to make here."""

    def ensure_cache_path(self):
        if not os.path.isabs(self.get_cache_path()):
            raise FileNotFoundError("this user has no home")
        super().ensure_cache_path()


class _TemporaryLocator(caching.UserWideCacheLocator):
    """A folder for temporary files that belongs to this user alone: where nothing but such files can be written."""

    def __init__(self, py_func, py_file):
        super().__init__(py_func, py_file)
        self._cache_path = os.path.join(_private_folder(), self.get_suitable_cache_subpath(py_file))


class _Place(caching.CompileResultCacheImpl):
    """Where a function's compiled forms are kept. Not where Numba keeps functions of cells, see the head."""

    _locator_classes = (
        caching.UserProvidedCacheLocator,  # NUMBA_CACHE_DIR
        caching.InTreeCacheLocator,  # __pycache__ beside the source
        _UserWideLocator,  # ~/.cache/numba
        _TemporaryLocator,
    )


class _CheckedCache(caching.FunctionCache):
    """The cache of one function, which never raises once it is made."""

    _impl_class = _Place

    def __init__(self, py_func):
        super().__init__(py_func)
        of_the_package = _fingerprint(paths.PACKAGE / "widen.py", paths.PACKAGE / "cpu", Path(linked.__file__))
        made_from = (numba.__version__, self._impl.locator.get_source_stamp(), _beside.get(), of_the_package)
        self._cache_file = _Files(Path(self.cache_path), self._impl.filename_base, repr(made_from))

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever a file's content makes pickle, Numba or LLVM raise
            return None

    def save_overload(self, sig, data):
        if isinstance(data.entry_point, linked.Linked):
            return  # it is kept within what calls it
        try:
            super().save_overload(sig, data)
        except OSError as problem:
            _say_once(problem)
        except Exception:  # what cannot be pickled
            pass


class _Files:
    """The files of one function, `<name>.<which compiled form>.nbc`, with the methods that Numba's Cache calls.

    A file is a digest, and what it is made of: of what the function was made from, and of the rest of the file.
    """

    _DIGEST = 32  # bytes

    def __init__(self, folder: Path, name: str, made_from: str):
        self._folder = folder
        self._name = name
        self._made_from = made_from.encode()

    def load(self, key):
        """What was saved under `key`; None if that is nothing, damaged, or made from something else."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        digest, body = content[: self._DIGEST], content[self._DIGEST :]
        if digest != self._digest(body):
            return None
        saved_key, data = pickle.loads(body)
        return data if saved_key == key else None

    def save(self, key, data):
        """Keep the pickled form of `data` under `key`. Raises OSError."""
        body = dumps((key, data))
        write_atomically(self._path(key), self._digest(body) + body)

    def flush(self):
        """Forget everything."""
        for file in self._folder.glob(f"{self._name}.*.nbc"):
            file.unlink(missing_ok=True)

    def _digest(self, body: bytes) -> bytes:
        return hashlib.sha256(self._made_from + body).digest()

    def _path(self, key) -> Path:
        signature, machine, (_, closure) = key  # without the function's code: a changed one takes the former's file
        which = hashlib.sha256(repr((signature, machine, closure)).encode()).hexdigest()[:16]
        return self._folder / f"{self._name}.{which}.nbc"


def _private_folder() -> str:
    """A folder for temporary files that nobody else can write to. Raises OSError if there is none.

    Loading a compiled kernel runs what is in the file, so a folder that another user has put there is not taken.
    """
    folder = os.path.join(tempfile.gettempdir(), f"llaisys_mini-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} belongs to someone else")
    return folder


_said = False


def _say_once(problem: Exception) -> None:
    global _said
    if not _said:
        _said = True
        print(
            f"compiled kernels are not kept, so each start compiles them again ({problem}); "
            "set NUMBA_CACHE_DIR to a folder with room that can be written",
            file=sys.stderr,
        )
