"""Landlock: Linux's file rules for ordinary users, reached through ctypes. Works inside Docker too.

After `restrict` the process and all it starts can read below the given folders and nothing else; it can write nowhere,
open no TCP connection (Linux 6.7) and signal no process outside (Linux 6.12).
Source: the kernel's Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on x86-64 and ARM64
_PATH_BENEATH = 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP = 0b11  # bind, connect
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_NO_NEW_PRIVILEGES = 38


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Landlock's version here; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, _libc().syscall(_CREATE, None, 0, 1))


def restrict(readable: Iterable[Path]) -> None:
    """Allow reading below `readable` only, from now on. Raises OSError where Landlock does not work."""
    found, libc = version(), _libc()
    if not found:
        raise OSError("Landlock is not available")
    handled = _FILE_RIGHTS[min(found, 5)]
    rules = _Ruleset(handled, _TCP if found >= 4 else 0, _ABSTRACT_SOCKETS_AND_SIGNALS if found >= 6 else 0)
    size = 8 if found < 4 else 16 if found < 6 else 24
    ruleset = _check(libc.syscall(_CREATE, ctypes.byref(rules), size, 0))
    for path in readable:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        rights = (_READ_FILE | _READ_DIR | _EXECUTE) if path.is_dir() else (_READ_FILE | _EXECUTE)
        rule = _PathBeneath(rights, opened)
        _check(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
        os.close(opened)
    _check(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _check(libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
