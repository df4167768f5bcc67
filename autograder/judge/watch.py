"""A limit on the judge's own computing for one submission: reading, cutting and comparing what a student handed in.

Time of the worker is not counted; it has limits of its own (sandbox/limits.py). Memory needs no watch: the sizes of
files, cells and messages are bounded where they are read (reading/, channel.py).
"""

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_EVERY = 0.25  # seconds between two looks


class TookTooLong(Exception):
    """The judge computed for longer than a submission is worth."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TookTooLong in this thread once it has computed for `seconds` within the with block.

    It is raised between two steps of Python, so a single call of a library is not interrupted. Where the system does
    not tell a thread's computing time, there is no limit.
    """
    if not hasattr(time, "pthread_getcpuclockid"):
        yield
        return
    thread = threading.get_ident()
    clock = time.pthread_getcpuclockid(thread)
    end = time.clock_gettime(clock) + seconds
    finished, lock = threading.Event(), threading.Lock()

    def watch():
        while not finished.wait(_EVERY):
            with lock:
                if not finished.is_set() and time.clock_gettime(clock) > end:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TookTooLong))
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with lock:
            finished.set()
        watcher.join()
