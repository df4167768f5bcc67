"""Where students' code runs. Started by pool.py; never imported by the judge.

A warm parent imports Numba once and compiles one small kernel. For every task of every submission it forks a child,
which does the rest (child.py). Nothing that one child does reaches another: only what the parent had before is shared.
"""

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np
from numba.np.ufunc import parallel, workqueue

from autograder import sandbox
from autograder.sandbox.limits import Limits
from autograder.worker import child
from autograder.worker.helper import Helper
from llaisys_mini import exercises
from llaisys_mini.cuda import reductions, tensor_cores, vectors  # noqa: F401 - imported once, for all kernels
from llaisys_mini.kernels.threads import choose_thread_pool


def main() -> None:
    """argv: descriptor of the control socket, scratch folder, sandbox level, limits as JSON."""
    control = socket.socket(fileno=int(sys.argv[1]))
    scratch, level, limits = Path(sys.argv[2]), sys.argv[3], Limits(**json.loads(sys.argv[4]))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)  # a grader that was killed cannot
    _warm_up()
    sandbox.adopt_orphans()
    sandbox.system_paths()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    control.send(b"ready\n")
    while True:
        command, descriptors, *_ = socket.recv_fds(control, 1, 2)
        if not command:
            return
        if command == b"K":  # it ended by itself just before
            continue
        source, sink = descriptors
        helper = Helper(source, sink, scratch, level, limits) if command == b"P" else None
        process = os.fork()
        if process == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                if helper is None:
                    child.run(source, sink, scratch, level, limits)
                else:
                    child.run_answer(helper.descriptor, scratch, level, limits)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        report = _wait(process, control, wake_read)
        if helper is not None:
            seconds, ended_by = helper.close()
            report["cpu"] += seconds
            report["signal"] = report["signal"] or ended_by
        report["left_over"] = sandbox.sweep()
        for folder in scratch.iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        control.send(json.dumps(report).encode() + b"\n")


def _wait(child: int, control: socket.socket, wake: int) -> dict:
    """Wait for the child's end; kill it when the control socket says so."""
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return {
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                "cpu": usage.ru_utime + usage.ru_stime,
                "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            }
        for ready in select.select([control.fileno(), wake], [], [])[0]:
            if ready == wake:
                os.read(wake, 4096)
            else:
                if not control.recv(1):  # the grader is gone
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    sys.exit(0)
                os.kill(child, signal.SIGKILL)


_CALLED_BY_PARALLEL_CODE = (
    "parallel_for do_scheduling_signed do_scheduling_unsigned allocate_sched deallocate_sched get_num_threads"
    " set_num_threads get_thread_id set_parallel_chunksize get_parallel_chunksize get_sched_size"
).split()


def _warm_up() -> None:
    """Pay once for imports and for the parts of the compiler that every kernel needs."""
    choose_thread_pool()  # it sets an environment variable, which an answer's process may not

    @numba.njit(parallel=True)
    def warm(x, out):
        for n in numba.prange(x.shape[0]):
            total = np.float32(0)
            for c in range(x.shape[1]):
                total += np.exp(x[n, c])
            out[n, 0] = max(total, x[n, 0])

    # Compiled, never run: threads that run before the fork would be missing after it. So the names that compiled code
    # calls are made known without starting what is behind them; the child starts it when it needs it.
    for name in _CALLED_BY_PARALLEL_CODE:
        symbol = "numba_parallel_for" if name == "parallel_for" else name
        llvmlite.binding.add_symbol(symbol, getattr(workqueue, name))
    launch, parallel._launch_threads = parallel._launch_threads, lambda: None
    warm.compile("(float32[:, ::1], float32[:, ::1])")
    parallel._launch_threads = launch
    # A child that looks for garbage would copy all memory that it looks at, so it is to look at nothing of what stands
    # now. The exercises come later: of these a child lets go, and must see that nothing is left (answers.py).
    gc.collect()
    gc.freeze()
    for name in exercises.names:
        exercises.get(name)


if __name__ == "__main__":
    main()
