"""One grader at a time in a build folder: a second one waits, and says for whom.

The lock is the system's own on a file, so it is gone when the grader that holds it ends, however it ends.
"""

import datetime
import fcntl
import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


@contextmanager
def only_grader(build: Path, console: Console) -> Iterator[None]:
    """Hold the build folder for the with block; before it, wait until no other grader does. Raises OSError."""
    path = build / "grading" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip() or "another grader"
            console.print(f"waiting for {holder}, which grades into {build} too", highlight=False, markup=False)
            while True:  # asked in steps, so that Ctrl-C works everywhere
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.2)
        file.truncate(0)
        now = datetime.datetime.now().strftime("%H:%M")
        file.write(f"the grader of {_user()} on {socket.gethostname()} (process {os.getpid()}, since {now})")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
