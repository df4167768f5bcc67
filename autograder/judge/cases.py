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
from llaisys_mini.checks.check import raised
from llaisys_mini.checks.compare import case_shapes
from llaisys_mini.checks.recognise import told
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.task import Case


@dataclass
class Outcome:
    """How one check ended. A check that was not reached has state None. notes: what is told of one that passed.

    Of a kernel that is wrong, is_slight: by a rounding only, so another failure is told rather; differs: numbers are
    wrong, so a mistake may explain them; outside: lines on where it leaves an array too, on a later case.
    """

    state: str | None = None
    message: str = ""
    mistake: str | None = None
    is_slight: bool = False
    differs: bool = False
    outside: list[str] = field(default_factory=list)
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

    @property
    def shapes(self) -> str:
        """What may be told of its inputs."""
        return "" if self.check.hidden else case_shapes(self.case)

    @property
    def with_shapes(self) -> str:
        return f"{self}: {self.shapes}" if self.shapes else str(self)

    def outside(self, sentences: Iterable[str]) -> list[str]:
        """Lines, as `check` has them, on an array that a kernel leaves on this case, where another case is told."""
        shapes = f", {self.shapes}" if self.shapes else ""
        return [f"  and on {self}{shapes}:", *(f"  {sentence}" for sentence in sentences)]


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
                _fail_by(message["error"], found[judged[number].check], judged[number], request, worker.limits)
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


def fail(
    outcome: Outcome,
    state: str,
    message: str,
    mistake: str | None = None,
    is_slight: bool = False,
    differs: bool = False,
) -> bool:
    """Note a failure. Of a check the first is told, as cases begin small, but a slight one only if no other is: the
    choice of most_telling in `check`. Returns whether this is the one so far. is_slight, differs: see Outcome."""
    is_told = outcome.state in (None, PASSED) or (outcome.is_slight and not is_slight)
    if is_told:
        outcome.state, outcome.message, outcome.mistake = state, message, mistake
        outcome.is_slight, outcome.differs = is_slight, differs
    return is_told


def name_mistake(outcomes: Iterable[Outcome], sentence: str | None) -> None:
    """Add to failures, once all cases were run, the mistake that explains them."""
    for outcome in outcomes:
        if sentence:
            outcome.mistake = sentence
            outcome.message += "\n" + told(sentence)


def _fail_by(error, outcome: Outcome, judged: JudgedCase, request: dict, limits) -> None:
    """Note a failure by an exception, or by what the worker found where no result came out."""
    if error[0] == OUT_OF_BOUNDS:  # the line of the source; below it an index, which could hold the inputs
        lines = [*map(_shortened, error[1].splitlines()[: 1 if judged.check.hidden else _MOST_LINES])]
        wrong = f"{request['name']} is wrong on {judged.with_shapes}"
        sentence = "\n".join(lines)
        if not fail(outcome, WRONG, f"{wrong}\n  {sentence}") and not outcome.outside:
            outcome.outside = judged.outside([sentence])
    else:
        fail(outcome, *_raised(request, judged, error[0], error[1], limits))


def _raised(request: dict, judged: JudgedCase, kind: str, text: str, limits) -> tuple[str, str]:
    """State and message of an exception. On hidden cases its text is not shown: it could hold the inputs."""
    name, where = request["name"], str(judged)
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
    if kind == "DoesNotCompile":  # told as `check` tells it; types only, no numbers
        return WRONG, "\n".join([f"{name}: {DOES_NOT_COMPILE}", *map(_shortened, text.splitlines()[:_MOST_LINES])])
    text = "" if judged.check.hidden else text
    if request["device"] == PYTHON:
        return WRONG, f"{name} on {where} raised {kind}" + (f": {first_line(text)}" if text else "")
    text = "\n".join(map(_shortened, text.splitlines()))
    return WRONG, "\n".join([f"{name} is wrong on {judged.with_shapes}", *raised(kind, text)])


OUT_OF_BOUNDS = "OutOfBounds"
"""What the worker calls an index that BoundsCheck found."""

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
