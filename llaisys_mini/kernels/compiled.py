"""Keeping Numba's cache of compiled kernels honest.

Numba compiles a kernel again when the kernel's own file has changed, but not when a file that it takes helpers from
has: after a `git pull` it would go on running the old helper, silently. So a fingerprint of all files that the kernels
of a folder may use lies beside their compiled forms, and when it no longer fits, those are dropped.

And Numba (0.68) crashes in the third process when a cached kernel was compiled around a parallel function that itself
came from the cache: first `linear` without a bias, then, in another process, with one, then again. So a parallel helper
of a compiled kernel is not cached on its own; it lies within the kernel's compiled form.

And Numba's cache has no lock: of two processes that compile a kernel for different arguments at the same time, both may
write machine code under one number, and a third then runs the wrong one. So one process at a time writes.
"""

import fcntl
import functools
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llaisys_mini.files import write_atomically


def drop_if_stale(folder: Path, sources: Iterable[Path]) -> bool:
    """Drop the compiled kernels of `folder` unless they were made from the present `sources`. True if any were dropped.

    Where the folder is read-only nothing is cached in it, and nothing is done.
    """
    cache = folder / "__pycache__"
    mark = cache / "kernels.fingerprint"
    present = _fingerprint(sources)
    try:
        if mark.is_file() and mark.read_text(encoding="utf-8") == present:
            return False
        compiled = [*cache.glob("*.nbi"), *cache.glob("*.nbc")]
        for file in compiled:
            file.unlink(missing_ok=True)
        write_atomically(mark, present)
    except OSError:
        return False
    return bool(compiled)


def one_process_writes_at_a_time() -> None:
    """From now on this process locks the cache of a function while it adds to it."""
    from numba.core.caching import IndexDataCacheFile

    unlocked = IndexDataCacheFile.save
    if hasattr(unlocked, "__wrapped__"):
        return

    @functools.wraps(unlocked)
    def save(self, key, data):
        with open(f"{self._index_path}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
            unlocked(self, key, data)

    IndexDataCacheFile.save = save


def keep_parallel_helpers_within(kernel, module) -> None:
    """No cache of their own for the parallel functions in `module` that the compiled `kernel` may call."""
    from numba.core.caching import NullCache
    from numba.core.dispatcher import Dispatcher

    if not isinstance(kernel, Dispatcher):
        return  # a launcher in plain Python calls compiled functions one by one: each is cached
    for value in vars(module).values():
        if isinstance(value, Dispatcher) and value is not kernel and value.targetoptions.get("parallel"):
            value._cache = NullCache()


@contextmanager
def nothing_cached() -> Iterator[None]:
    """Functions under @njit(cache=True) that are made within this context are not kept on disk, as if `cache` were not
    there: also where there is no folder to keep them in."""
    from numba.core.dispatcher import Dispatcher

    enable = Dispatcher.enable_caching
    Dispatcher.enable_caching = lambda self: None
    try:
        yield
    finally:
        Dispatcher.enable_caching = enable


def is_cached(function) -> bool:
    """Whether a compiled function may have come from the cache on disk."""
    from numba.core.caching import NullCache

    return not isinstance(getattr(function, "_cache", NullCache()), NullCache)


def _fingerprint(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources):
        status = path.stat()
        digest.update(f"{path.name} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()
