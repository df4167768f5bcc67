"""Writing files and folders so that a reader sees the old one or the new one, never half of one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """Write `content`, a text as UTF-8, beside `path` and rename it into place; the folder is made if it is missing.

    mode: permissions of the file, such as 0o600 for a secret; by default those of any new file. Raises OSError, and
    leaves nothing behind, where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        # mkstemp makes it readable by its owner only
        os.chmod(temporary, 0o666 & ~_umask() if mode is None else mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file to, which takes its place at the end of the with block.

    If the block raises, what was there stays. Raises OSError. For what write_atomically would have to hold in memory.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to be filled, which becomes the new folder `path` at the end of the with block.

    If the block raises, or the process is killed, there is no `path`. Raises OSError.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.mkdir()
        yield unfinished
        os.rename(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def nearest_folder(path: Path) -> Path:
    """The deepest folder on the way to `path`, itself included, that is there already."""
    return next(place for place in (path, *path.parents) if place.exists())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
