"""Grading a class: every submission once, several at a time, and nothing lost when the grader is killed.

No submission stops the others: whatever an exception about one of them is, it becomes the verdict on that one, with its
traceback for the log. Only what is wrong with the machine (a sandbox that does not work, a full disk) ends the run.

Each verdict is appended to a journal (journal.py) as soon as it is there. The gradebook is written at the end, in
order, by this process alone.
"""

import queue
import secrets
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder import tasks
from autograder.course import GradingError, fault_of_machine
from autograder.journal import Journal, fingerprint, journal_of
from autograder.judge import submission as judge
from autograder.judge.submission import Verdict
from autograder.judge.watch import TookTooLong, limited
from autograder.reading.files import Unreadable
from autograder.reading.notebook import Reading
from autograder.reading.submission import Submission, read_submission
from autograder.sandbox.limits import Limits
from autograder.tasks import Plan
from autograder.worker.pool import SandboxFailed, Worker, WorkerLost
from llaisys_mini.files import write_atomically

SECONDS_TO_READ, SECONDS_TO_JUDGE = 20, 120
"""Of the judge's own computing, for one submission."""


def course_secret(build: Path) -> bytes:
    """The secret from which the seeds of hidden cases are made; written once, readable by the instructor only."""
    path = build / "grading" / "secret"
    if not path.is_file():
        write_atomically(path, secrets.token_hex(32) + "\n", mode=0o600)
    try:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        raise GradingError(f"{path} is damaged: restore it, or delete it to draw new hidden cases") from None


def judge_one(submission: Submission, worker: Worker, secret: bytes) -> Verdict:
    """The verdict on one submission. Raises SandboxFailed or GradingError if the machine cannot grade at all."""
    plan, read = read_one(submission)
    return read if isinstance(read, Verdict) else judge_read(plan, submission.student, read, worker, secret)


def read_one(submission: Submission) -> tuple[Plan, Reading | Verdict]:
    """The plan of the lab, and what was read; or the verdict, if nothing can be."""
    plan = tasks.plan_of(submission.lab)
    try:
        if submission.files is None and (submission.folder.is_symlink() or not submission.folder.is_dir()):
            reason = "the submission is a link or a file, not a folder"
            return plan, judge.unreadable(plan, submission.student, reason, [reason])
        with limited(SECONDS_TO_READ):
            return plan, read_submission(submission.folder, submission.lab, submission.files)
    except Unreadable as problem:
        return plan, judge.unreadable(plan, submission.student, str(problem), problem.suspicious)
    except Exception as problem:
        return plan, failed(plan, submission.student, problem, SECONDS_TO_READ)


def judge_read(plan: Plan, student: str, reading: Reading, worker: Worker, secret: bytes) -> Verdict:
    """The verdict on what was read; a lost worker is replaced once. Raises SandboxFailed or GradingError if the machine
    cannot grade at all."""
    lost: Exception | None = None
    for _ in range(2):
        try:
            with limited(SECONDS_TO_JUDGE):
                return judge.judge(plan, student, reading, worker, secret)
        except WorkerLost as problem:
            lost = problem
        except SandboxFailed as problem:
            worker.close()
            if not _works(worker):
                raise
            # The sandbox is all right, so it was the student's code that said so.
            verdict = failed(plan, student, problem, SECONDS_TO_JUDGE)
            verdict.tampering.append("its code claimed that the sandbox could not be entered")
            return verdict
        except Exception as problem:
            worker.close()  # it may be in the middle of a task; it starts anew with the next one
            return failed(plan, student, problem, SECONDS_TO_JUDGE)
    if not _works(worker):
        raise GradingError(f"no worker starts here: {lost}")
    verdict = judge.unreadable(plan, student, f"grading it ended the worker twice: {lost}")
    verdict.state = judge.CRASHED
    for part in verdict.parts.values():
        part.state = judge.CRASHED
    return verdict


def failed(plan: Plan, student: str, problem: Exception, seconds: float = SECONDS_TO_JUDGE) -> Verdict:
    """The verdict where grading ended in an exception. Raises GradingError for what is no fault of the submission."""
    if told := fault_of_machine(problem):
        raise GradingError(told)
    if isinstance(problem, TookTooLong):
        reason = f"the judge itself computed for more than {seconds:g} s on it"
    else:
        reason = f"grading it ended in {type(problem).__name__}: {problem}"
    return judge.failed(plan, student, reason, "".join(traceback.format_exception(problem)))


def _works(worker: Worker) -> bool:
    """Whether the worker takes a task in its sandbox. Nothing of a student's is run."""
    try:
        for _ in worker.run(dict(name="perceptron_update", device="python", source="", cases=[], watched=False)):
            pass
        return True
    except (SandboxFailed, WorkerLost):
        return False


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
    journal = Journal(journal_of(build), resume)
    try:
        verdicts = {s: known for s in submissions if (known := journal.get(keys[s])) is not None}
        rest = [s for s in submissions if s not in verdicts]
        if verdicts:
            console.print(f"{len(verdicts)} of {len(submissions)} were graded already")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("grading", total=len(submissions), completed=len(verdicts))
            for submission, verdict in judging(rest, secret) if rest else ():
                verdict.lms_id = submission.lms_id
                journal.add(keys[submission], verdict)
                verdicts[submission] = verdict
                progress.advance(bar)
    except SandboxFailed as problem:
        raise GradingError(f"{problem}. `python -m autograder doctor` says which sandbox works here") from None
    finally:
        journal.close()
    return [verdicts[submission] for submission in submissions]
