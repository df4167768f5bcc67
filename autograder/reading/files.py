"""The files that a student handed in, and the notebooks in them: links are not followed, sizes are bounded, and a file
that is damaged costs itself alone.

Nothing here knows the labs, or what a notebook holds.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from autograder.plain import plain_name
from llaisys_mini.course.submission import MOST_BYTES

_MOST_ENTRIES = 200  # of a folder that are looked at
_MOST_IN_ZIP = 2000
_MOST_NOTEBOOKS = 50  # in a zip
_MOST_DEPTH = 4  # folders in a folder
_A_NOTEBOOK = re.compile(r"\.(ipynb|json|zip)(\.txt|\.json)?$", re.IGNORECASE)
_NOT_HANDED_IN = {"__macosx", ".ipynb_checkpoints", "__pycache__", ".git"}


class Unreadable(Exception):
    """Nothing can be read; the message says why, for the student. suspicious: as in Reading."""

    def __init__(self, reason: str, suspicious: list[str] | None = None):
        super().__init__(reason)
        self.suspicious = suspicious or []


def shown(path: Path | str) -> str:
    """The last part of a path, as it may be shown. Names that are not UTF-8 are taken for Latin-1."""
    name = os.fsencode(os.path.basename(os.fspath(path)))
    try:
        return plain_name(name.decode())
    except UnicodeDecodeError:
        return plain_name(name.decode("latin-1"))


def may_hold_notebook(name: str) -> bool:
    """By its name. Browsers and mail programs add endings such as .txt."""
    return _A_NOTEBOOK.search(name) is not None


def is_left_by_programs(name: str) -> bool:
    """Whether a file or folder is no work of a student's: hidden ones, and what editors keep."""
    return name.startswith(".") or name.casefold() in _NOT_HANDED_IN


def entries_of(folder: Path) -> list[os.DirEntry]:
    """What lies in a folder, in the order of names. Raises Unreadable."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError as problem:
        raise Unreadable(f"the folder cannot be read: {problem.strerror}") from None
    return entries[:_MOST_ENTRIES]


def candidates(folder: Path, lab: str, suspicious: list[str]) -> list[Path]:
    """Plain files in `folder` and the folders in it that may hold a notebook, the likeliest first. Raises Unreadable.

    A link could point to anything that the grader may read, so it goes into `suspicious`.
    """
    files: list[Path] = []
    problem: Unreadable | None = None
    waiting = [(folder, 0)]
    for inner, depth in waiting:  # which grows
        try:
            entries = entries_of(inner)
        except Unreadable as unreadable:
            problem = problem or unreadable
            continue
        here: list[Path] = []
        for entry in entries:
            if is_left_by_programs(entry.name):
                continue
            if may_hold_notebook(entry.name):
                if entry.is_symlink():
                    suspicious.append(f"{shown(entry.name)} is a link; links are not followed")
                elif entry.is_file(follow_symlinks=False):
                    here.append(Path(entry.path))
                else:
                    suspicious.append(f"{shown(entry.name)} is not a plain file")
            elif depth < _MOST_DEPTH and len(waiting) < _MOST_ENTRIES and entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), depth + 1))
        files += sorted(here, key=lambda file: (file.name != f"{lab}.ipynb", lab not in file.name))
    if not files and problem is not None:
        raise problem
    return files[:_MOST_ENTRIES]


def notebooks_in(path: Path) -> Iterator[tuple[str, bytes | Unreadable]]:
    """(name, content) of the notebook, or of each notebook in the zip; in its place what was wrong with it.

    Raises Unreadable where the file itself cannot be read.
    """
    data = _bytes(path)
    if data[:4] != b"PK\x03\x04" and not path.name.lower().endswith(".zip"):
        yield shown(path), data
        return
    # What a damaged archive raises is not bounded by any documentation: zlib.error, struct.error, NotImplementedError,
    # UnicodeDecodeError, ... Each means that the archive is damaged.
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        items = [item for item in archive.infolist()[:_MOST_IN_ZIP] if _is_notebook_in_zip(item.filename)]
    except Exception as problem:
        raise Unreadable(f"the zip cannot be read: {_told(problem)}") from None
    if not items:
        raise Unreadable("the zip holds no notebook")
    left = 2 * MOST_BYTES  # of all its notebooks together
    for item in items[:_MOST_NOTEBOOKS]:
        name = shown(item.filename.replace("\\", "/"))
        most = min(MOST_BYTES, left)
        try:
            with archive.open(item) as file:  # a limited read: the sizes in the index may lie
                content = file.read(most + 1)
        except Exception as problem:
            yield name, Unreadable(f"{name} in the zip cannot be read: {_told(problem)}")
            continue
        left -= len(content)
        if len(content) > most:
            yield name, Unreadable(f"{name} in the zip is larger than {most >> 20} MB")
        else:
            yield name, content


def _is_notebook_in_zip(name: str) -> bool:
    *folders, file = name.replace("\\", "/").split("/")
    if any(map(is_left_by_programs, [*folders, file])):
        return False
    return re.search(r"\.ipynb(\.txt|\.json)?$", file, re.IGNORECASE) is not None


def _told(problem: Exception) -> str:
    return str(problem)[:200] or type(problem).__name__


def _bytes(path: Path) -> bytes:
    name = shown(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable(f"{name} is not a plain file")
            data = file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise Unreadable(f"{name} cannot be read: {problem.strerror}") from None
    if len(data) > MOST_BYTES:
        raise Unreadable(f"{name} is larger than {MOST_BYTES >> 20} MB; clear its outputs")
    return data
