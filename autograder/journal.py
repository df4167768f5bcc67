"""The journal of a grading run: one line per verdict, so that `--resume` continues after an interruption; and the log
of what went wrong in the grader itself.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from autograder.course import RELEASED, WITH_SOLUTIONS
from autograder.judge.verdicts import FAILED, Verdict
from autograder.reading.submission import Submission, files_of
from autograder.sandbox.limits import Limits
from llaisys_mini.files import write_atomically

_FORMAT = 4  # of the journal; another number makes old entries void


def fingerprint(submission: Submission, secret: bytes, limits: Limits) -> str:
    """Changes when the files, the lab, the secret or the limits change."""
    digest = hashlib.sha256(repr((_FORMAT, submission.student, submission.lab, limits)).encode() + secret)
    for path in (WITH_SOLUTIONS, RELEASED):
        digest.update((path / submission.lab / f"{submission.lab}.ipynb").read_bytes())
    for name, state in files_of(submission):
        digest.update(os.path.basename(name) + f" {state}\n".encode())
    return digest.hexdigest()


class Journal:
    """One line per verdict, appended and synced; a line that was cut off by a kill is no entry."""

    def __init__(self, path: Path, resume: bool):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, dict] = {}
        if resume and path.is_file():
            self._known = _entries(path)
            write_atomically(path, "".join(_line(key, data) for key, data in self._known.items()))
        else:
            write_atomically(path, "")
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by close()

    def get(self, key: str) -> Verdict | None:
        """The verdict of an earlier run; None also where that was an error of the grader, which is tried again."""
        data = self._known.get(key)
        return Verdict.from_data(data) if data and data.get("state") != FAILED else None

    def add(self, key: str, verdict: Verdict) -> None:
        self._file.write(_line(key, verdict.as_data()))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def journal_of(build: Path) -> Path:
    """Where the journal of a build folder is."""
    return build / "grading" / "journal.jsonl"


def forget(build: Path, is_of: Callable[[str, str], bool]) -> None:
    """Take out of the journal what is of these (student, lab), so that `--resume` does not bring it back."""
    path = journal_of(build)
    if path.is_file():
        kept = {key: data for key, data in _entries(path).items() if not is_of(data["student"], data["lab"])}
        write_atomically(path, "".join(_line(key, data) for key, data in kept.items()))


def _entries(path: Path) -> dict[str, dict]:
    """The verdicts of a journal by their keys, as data."""
    known: dict[str, dict] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            entry = json.loads(line)
            known[entry["key"]] = entry["verdict"]
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _line(key, data) -> str:
    return json.dumps({"key": key, "verdict": data}) + "\n"


def errors_log(build: Path) -> Path:
    """Where the tracebacks of errors while grading are."""
    return build / "grading" / "errors.log"


def log_errors(build: Path, verdicts: list[Verdict]) -> None:
    """Write the log anew: the traceback of each verdict that has one. Without any there is no log."""
    told = [f"{v.student}, {v.lab}: {v.reason}\n{v.trace}\n" for v in verdicts if v.trace]
    if told:
        write_atomically(errors_log(build), "\n".join(told))
    else:
        errors_log(build).unlink(missing_ok=True)
