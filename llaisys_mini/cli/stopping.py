"""Ctrl-C while a model computes: it stops when the operator call, or the replayed step, that is running has ended.

Raised at once, it would strike amid an import or the compilation of a kernel. There Numba may swallow it, or be left
half made.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stoppable() -> Iterator[None]:
    """Within this context, Ctrl-C raises KeyboardInterrupt when the running operator call has ended. Pressed again
    before that, it ends the program with exit code 130.

    Where Ctrl-C means something else to this process, as in the background of a shell, that stays so.
    """
    from llaisys_mini.kernels.runtime import at_pauses

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    pressed = False

    def note(*_):
        nonlocal pressed
        if pressed:
            raise SystemExit(130)
        pressed = True

    def stop():
        if pressed:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        with at_pauses(stop):
            yield
    finally:
        signal.signal(signal.SIGINT, before)
