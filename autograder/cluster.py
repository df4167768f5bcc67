"""Grading on a Dask cluster: the same verdicts, from workers on other machines.

Submissions are read here and sent as text; every machine needs the course installed and its own sandbox.
Needs the extra `cluster` (dask.distributed).
"""

import threading
from collections.abc import Iterator

from autograder import runner, tasks
from autograder.course import GradingError
from autograder.judge import submission as judge
from autograder.reading.submission import Submission
from autograder.sandbox.limits import Limits
from autograder.worker import probe
from autograder.worker.pool import SandboxFailed, Worker

_of_thread = threading.local()


def judge_many(
    submissions: list[Submission], secret: bytes, limits: Limits, address: str, allow_unsandboxed: bool
) -> Iterator[tuple[Submission, judge.Verdict]]:
    """Verdicts as they come from the workers of the scheduler at `address`. Raises GradingError."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise GradingError("--scheduler needs dask.distributed: pip install 'llaisys_mini[cluster]'") from None
    try:
        client = Client(address, timeout=20)
    except (OSError, ValueError) as problem:
        raise GradingError(f"there is no Dask scheduler at {address}: {problem}") from None
    with client:
        futures = {}
        for submission in submissions:
            plan, read = runner.read_one(submission)
            if isinstance(read, judge.Verdict):
                yield submission, read
            else:
                arguments = (plan, submission.student, read, secret, limits, allow_unsandboxed)
                futures[client.submit(_judge_there, *arguments, pure=False)] = submission
        for future in as_completed(list(futures)):
            submission = futures.pop(future)  # forgotten here, it is forgotten by the cluster too
            try:
                yield submission, judge.Verdict.from_data(future.result())
            except (GradingError, SandboxFailed):
                raise
            except Exception as problem:  # such as a machine of the cluster that was lost several times
                yield submission, runner.failed(tasks.plan_of(submission.lab), submission.student, problem)


def _judge_there(plan, student, reading, secret, limits, allow_unsandboxed) -> dict:
    """Runs on a machine of the cluster; each of its threads keeps one warm worker."""
    worker: Worker | None = getattr(_of_thread, "worker", None)
    if worker is None or worker.limits != limits:
        worker, found = probe.strongest_worker(limits)
        if found.reduced and not allow_unsandboxed:
            worker.close()
            raise GradingError("a machine of the cluster has no sandbox; install bubblewrap there")
        _of_thread.worker = worker
    return runner.judge_read(plan, student, reading, worker, secret).as_data()
