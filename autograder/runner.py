"""Grading a class: every submission once, several at a time, and nothing lost when the grader is killed.

Each verdict is appended to a journal as soon as it is there. `--resume` takes from it what still fits: the same files,
the same lab, the same secret. The gradebook is written at the end, in order, by this process alone.
"""

import hashlib
import json
import os
import queue
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder import tasks
from autograder.course import RELEASED, WITH_SOLUTIONS, GradingError
from autograder.judge import submission as judge
from autograder.judge.submission import Verdict
from autograder.reading.notebook import Reading, Submission, Unreadable, read_submission
from autograder.sandbox.limits import Limits
from autograder.tasks import Plan
from autograder.worker.pool import SandboxFailed, Worker, WorkerLost
from llaisys_mini.files import write_atomically

_FORMAT = 3  # of the journal; another number makes old entries void


def course_secret(build: Path) -> bytes:
    """The secret from which the seeds of hidden cases are made; written once, readable by the instructor only."""
    path = build / "grading" / "secret"
    if not path.is_file():
        write_atomically(path, secrets.token_hex(32) + "\n", mode=0o600)
    return bytes.fromhex(path.read_text().strip())


def judge_one(submission: Submission, worker: Worker, secret: bytes) -> Verdict:
    """The verdict on one submission. Raises SandboxFailed."""
    plan, read = read_one(submission)
    return read if isinstance(read, Verdict) else judge_read(plan, submission.student, read, worker, secret)


def read_one(submission: Submission) -> tuple[Plan, Reading | Verdict]:
    """The plan of the lab, and what was read; or the verdict, if nothing can be."""
    plan = tasks.plan_of(submission.lab)
    if submission.folder.is_symlink() or not submission.folder.is_dir():
        reason = "the submission is a link or a file, not a folder"
        return plan, judge.unreadable(plan, submission.student, reason, [reason])
    try:
        return plan, read_submission(submission.folder, submission.lab)
    except Unreadable as problem:
        return plan, judge.unreadable(plan, submission.student, str(problem), problem.suspicious)


def judge_read(plan: Plan, student: str, reading: Reading, worker: Worker, secret: bytes) -> Verdict:
    """The verdict on what was read; a lost worker is replaced once. Raises SandboxFailed."""
    for _ in range(2):
        try:
            return judge.judge(plan, student, reading, worker, secret)
        except WorkerLost as problem:
            lost = problem
    verdict = judge.unreadable(plan, student, f"grading it ended the worker twice: {lost}")
    verdict.state = judge.CRASHED
    for part in verdict.parts.values():
        part.state = judge.CRASHED
    return verdict


def judge_many(
    submissions: list[Submission], secret: bytes, first: Worker, jobs: int
) -> Iterator[tuple[Submission, Verdict]]:
    """Verdicts as they come, from `jobs` workers side by side: `first`, which runs already, and others like it."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for submission in submissions:
        waiting.put(submission)
    done: queue.SimpleQueue = queue.SimpleQueue()
    stop = threading.Event()

    def work(worker):
        try:
            with worker:
                while not stop.is_set():
                    try:
                        submission = waiting.get_nowait()
                    except queue.Empty:
                        return
                    done.put((submission, judge_one(submission, worker, secret)))
        except BaseException as problem:
            done.put(problem)

    workers = [first, *(Worker(first.level, first.limits) for _ in range(min(jobs, len(submissions)) - 1))]
    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for _ in submissions:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# ---- the journal -------------------------------------------------------------------------------------------------


def fingerprint(submission: Submission, secret: bytes, limits: Limits) -> str:
    """Changes when the files, the lab, the secret or the limits change."""
    digest = hashlib.sha256(repr((_FORMAT, submission.student, submission.lab, limits)).encode() + secret)
    for path in (WITH_SOLUTIONS, RELEASED):
        digest.update((path / submission.lab / f"{submission.lab}.ipynb").read_bytes())
    if submission.folder.is_dir() and not submission.folder.is_symlink():
        for entry in sorted(os.scandir(submission.folder), key=lambda e: e.name):
            status = entry.stat(follow_symlinks=False)
            digest.update(f"{entry.name} {status.st_size} {status.st_mtime_ns} {status.st_mode}\n".encode())
    return digest.hexdigest()


class Journal:
    """One line per verdict, appended and synced; a line that was cut off by a kill is no entry."""

    def __init__(self, path: Path, resume: bool):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, dict] = {}
        if resume and path.is_file():
            lines = path.read_bytes().split(b"\n")[:-1]
            for line in lines:
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = entry["verdict"]
                except (ValueError, KeyError, TypeError):
                    continue
            write_atomically(path, "".join(_line(key, data) for key, data in self._known.items()))
        else:
            write_atomically(path, "")
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by close()

    def get(self, key: str) -> Verdict | None:
        data = self._known.get(key)
        return Verdict.from_data(data) if data else None

    def add(self, key: str, verdict: Verdict) -> None:
        self._file.write(_line(key, verdict.as_data()))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _line(key, data) -> str:
    return json.dumps({"key": key, "verdict": data}) + "\n"


# ---- the class ---------------------------------------------------------------------------------------------------


def grade_class(
    submissions: list[Submission],
    build: Path,
    limits: Limits,
    resume: bool,
    judging: Callable[[list[Submission], bytes], Iterable[tuple[Submission, Verdict]]],
    console: Console,
) -> list[Verdict]:
    """Judge what the journal does not know yet, with a progress bar. Returns the verdicts in order."""
    secret = course_secret(build)
    keys = {submission: fingerprint(submission, secret, limits) for submission in submissions}
    journal = Journal(build / "grading" / "journal.jsonl", resume)
    try:
        verdicts = {s: known for s in submissions if (known := journal.get(keys[s])) is not None}
        rest = [s for s in submissions if s not in verdicts]
        if verdicts:
            console.print(f"{len(verdicts)} of {len(submissions)} were graded already")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("grading", total=len(submissions), completed=len(verdicts))
            for submission, verdict in judging(rest, secret) if rest else ():
                journal.add(keys[submission], verdict)
                verdicts[submission] = verdict
                progress.advance(bar)
    except SandboxFailed as problem:
        raise GradingError(f"{problem}. `python -m autograder doctor` says which sandbox works here") from None
    finally:
        journal.close()
    return [verdicts[submission] for submission in submissions]
