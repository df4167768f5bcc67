"""The cases of a task, public and hidden, and what the worker's reply to one of them does to the check it belongs to.

A check is one question of a lab's test cell (tasks.py); a part of the lab passes when all its checks do.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from autograder.findings import REFUSED
from autograder.judge.verdicts import CRASHED, MANUAL, NOT_WRITTEN, PASSED, TAMPERING, WRONG
from autograder.tasks import CASES, SHIPPED_MODEL, Check
from autograder.worker.pool import Ended, Worker
from llaisys_mini.checks.recognise import told
from llaisys_mini.task import Case


@dataclass
class Outcome:
    """How one check ended. A check that was not reached has state None. notes: what is told of one that passed."""

    state: str | None = None
    message: str = ""
    mistake: str | None = None
    remarks: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def seed_of(secret: bytes, lab: str, task: str) -> int:
    """The private seed of a task's hidden cases."""
    return int.from_bytes(hmac.new(secret, f"{lab}/{task}".encode(), hashlib.sha256).digest()[:4], "big") | 1


@dataclass(frozen=True)
class JudgedCase:
    """A case, and the check that it decides on."""

    check: Check
    case: Case

    def __str__(self) -> str:
        return f"the {'hidden ' if self.check.hidden else ''}case '{self.case.name}'"


def cases_of(plan, task, checks, secret, make_cases) -> list[JudgedCase]:
    """The cases of all checks of a task. make_cases: from a seed; 0 gives the public ones."""
    judged = []
    for check in checks:
        if check.kind == CASES:
            seed = seed_of(secret, plan.lab, task.grade_id) if check.hidden else 0
            judged += [JudgedCase(check, case) for case in make_cases(seed)]
    return judged


def run_cases(
    worker: Worker,
    request: dict,
    judged: list[JudgedCase],
    found: dict[Check, Outcome],
    compare: Callable[[int, dict], None],
    note_facts: Callable[[dict], None] = lambda message: None,
) -> Ended:
    """Have the worker run `request`, whose cases are `judged` in this order, and note in `found` how each check ended.

    compare: called with a case's number and the reply, where the code gave a result. note_facts: called with replies
    that are about no case. Raises WorkerLost or SandboxFailed.
    """
    replied: set[int] = set()
    ended = Ended()
    for message in worker.run(request):
        if isinstance(message, Ended):
            ended = message
        elif "called" not in message and type(message.get("case")) is int and 0 <= message["case"] < len(judged):
            number = message["case"]
            if number in replied:  # the worker replies once; what is kept of the replies stays bounded
                outcome = found[judged[number].check]
                outcome.state, outcome.message = TAMPERING, "the worker was made to reply twice to one case"
                continue
            replied.add(number)
            if "error" in message:
                outcome = found[judged[number].check]
                fail(outcome, *_raised(request["name"], judged[number], message["error"], worker.limits))
            else:
                compare(number, message)
        else:
            note_facts(message)
    for check in dict.fromkeys(j.check for j in judged):
        numbers = {n for n, j in enumerate(judged) if j.check is check}
        if check.kind in (CASES, SHIPPED_MODEL) and found[check].state is None and numbers <= replied:
            found[check].state, found[check].message = PASSED, "right"
    for outcome in found.values():  # what does not compile, or is not written, fails all of its checks alike
        if outcome.state is None and (first := _general_failure(found)):
            outcome.state, outcome.message = first.state, first.message
    return ended


def fail(outcome: Outcome, state: str, message: str, mistake: str | None = None) -> bool:
    """Note a failure. The first one of a check is the one that is told; returns whether this is it."""
    is_first = outcome.state in (None, PASSED)
    if is_first:
        outcome.state, outcome.message, outcome.mistake = state, message, mistake
    return is_first


def name_mistake(outcomes: Iterable[Outcome], sentence: str | None) -> None:
    """Add to failures, once all cases were run, the mistake that explains them."""
    for outcome in outcomes:
        if sentence:
            outcome.mistake = sentence
            outcome.message += "\n" + told(sentence)


def _raised(name, judged: JudgedCase, error, limits) -> tuple[str, str]:
    """State and message of an exception. On hidden cases its text is not shown: it could hold the inputs."""
    kind, text = (str(error[0]), str(error[1])) if isinstance(error, list) and len(error) == 2 else ("an error", "")
    where = str(judged)
    if kind == "NotImplementedError":
        return NOT_WRITTEN, "it is not written yet"
    if kind == "MemoryError":
        return CRASHED, f"on {where} it asked for more memory than allowed ({limits.memory >> 20} MB)"
    if kind == "SystemExit":
        return CRASHED, f"on {where} it called exit"
    if kind == "NotSendable":
        return WRONG, f"on {where} the result is of a kind that cannot be compared: {text}"
    if kind == "HostComputation":
        return REFUSED, text
    if kind == "UnsupportedInKernel":
        return MANUAL, f"the judge cannot run it, which does not mean that it is wrong: {first_line(text)}"
    if kind == "OutOfBounds":  # the line of the source; below it an index, which could hold the inputs
        lines = text.splitlines()[: 1 if judged.check.hidden else _MOST_LINES]
        return WRONG, "\n  ".join([f"{name} is wrong on {where}", *map(_shortened, lines)])
    if kind == "DoesNotCompile":  # told as `check` tells it; types only, no numbers
        return WRONG, "\n".join([f"{name}: {DOES_NOT_COMPILE}", *map(_shortened, text.splitlines()[:_MOST_LINES])])
    return WRONG, f"{name} raised {kind} on {where}" + ("" if judged.check.hidden else f": {first_line(text)}")


DOES_NOT_COMPILE = "the kernel does not compile"
_MOST_LINES = 4


def first_line(text: str) -> str:
    """The first line of a text that may be anything, shortened."""
    return _shortened((text.strip().splitlines() or [""])[0])


def _shortened(line: str) -> str:
    return line[:200]


def _general_failure(found) -> Outcome | None:
    """The failure that every check of a task shares: it is not written, ended its process, or does not compile."""
    return next(
        (o for o in found.values() if o.state in (NOT_WRITTEN, CRASHED, REFUSED) or DOES_NOT_COMPILE in o.message),
        None,
    )
