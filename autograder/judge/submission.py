"""The judge: sends inputs to a worker, compares what comes back with the contract, and decides. Runs no student code.

    judge(plan, reading, worker, secret) -> the verdict on one submission, as plain data

Hidden cases come from seeds made of the course's secret, so the same class graded twice gets the same grades, and the
cases cannot be known. Expected outputs never leave this process.

This file goes through a submission; kernels.py and exercises.py send one task and read the replies.
"""

from dataclasses import replace

from autograder.findings import REFUSED
from autograder.judge.cases import Outcome, first_line
from autograder.judge.exercises import run_exercise
from autograder.judge.kernels import run_kernel
from autograder.judge.verdicts import (
    CRASHED,
    FAILED,
    GRADED,
    MANUAL,
    NOT_WRITTEN,
    PASSED,
    STATES,
    TAMPERING,
    TIMED_OUT,
    UNREADABLE,
    WRONG,
    PartVerdict,
    Verdict,
)
from autograder.reading import rules, slicing, tampering
from autograder.reading.notebook import Reading
from autograder.reading.submission import written_answer
from autograder.tasks import Check, Plan
from autograder.worker.pool import Ended, Worker
from llaisys_mini.kernels import language
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.kernels.sets import REFERENCE

_SIGKILL, _SIGXCPU = 9, 24


def unreadable(plan: Plan, student: str, reason: str, tampering: list[str] | None = None) -> Verdict:
    """The verdict on a submission that cannot be read."""
    verdict = Verdict(student, plan.lab, UNREADABLE, reason, tampering=tampering or [])
    for part in plan.parts:
        verdict.parts[part.grade_id] = PartVerdict(0.0, part.points, UNREADABLE, reason)
    return verdict.plain()


def failed(plan: Plan, student: str, reason: str, trace: str) -> Verdict:
    """The verdict on a submission whose grading ended in an error: a person decides."""
    verdict = Verdict(student, plan.lab)
    for part in plan.parts:
        verdict.parts[part.grade_id] = PartVerdict(None, part.points, FAILED)
    return verdict.fail(reason, trace)


def judge(plan: Plan, student: str, reading: Reading, worker: Worker, secret: bytes) -> Verdict:
    """The verdict on one submission. Raises WorkerLost or SandboxFailed if the worker cannot go on."""
    # Only references are compared with: no kernel of the course's is compiled here, none of the grader's own answers.
    with Runtime(everywhere=REFERENCE, solutions=False, keeps_compiled=False, answers=REFERENCE).in_force():
        return _judge(plan, student, reading, worker, secret)


def _judge(plan, student, reading, worker, secret) -> Verdict:
    verdict = Verdict(student, plan.lab, notes=list(reading.notes), tampering=list(reading.suspicious))
    outcomes: dict[tuple[str | None, Check], Outcome] = {}
    for task in plan.tasks:
        _judge_task(plan, task, reading, worker, secret, verdict, outcomes)
    for part in plan.parts:
        if part.written:
            _judge_written(plan, part, reading, verdict)
        else:
            found = [outcomes.get((check.task, check), Outcome(MANUAL)) for check in part.checks]
            verdict.parts[part.grade_id] = _combine(part, found)
    _look_for_tampering(plan, reading, verdict)
    states = {part.state for part in verdict.parts.values()}
    verdict.tampering = list(dict.fromkeys(verdict.tampering))
    if verdict.tampering or TAMPERING in states:
        verdict.state = TAMPERING
    else:
        verdict.state = next(state for state in STATES if state in states or state == GRADED)
    return verdict.plain()


def _combine(part, found: list[Outcome]) -> PartVerdict:
    task = next((check.task for check in part.checks if check.task), None)
    for wanted in (TAMPERING, REFUSED, TIMED_OUT, CRASHED, NOT_WRITTEN, WRONG):
        for outcome in found:
            if outcome.state == wanted:
                return PartVerdict(0.0, part.points, wanted, outcome.message, outcome.mistake, task)
    if any(outcome.state != PASSED for outcome in found):
        message = next(o.message for o in found if o.state != PASSED)
        return PartVerdict(None, part.points, MANUAL, message or "it is graded by hand", None, task)
    remarks = list(dict.fromkeys(f"the sanitizer remarks: {remark}" for outcome in found for remark in outcome.remarks))
    notes = list(dict.fromkeys(note for outcome in found for note in outcome.notes))
    return PartVerdict(part.points, part.points, PASSED, "\n".join(["right", *notes, *remarks]), None, task)


def _judge_written(plan, part, reading, verdict) -> None:
    if answer := written_answer(plan, part, reading):
        verdict.written[part.grade_id] = answer
        verdict.parts[part.grade_id] = PartVerdict(None, part.points, MANUAL, "it is graded by hand")
    else:
        verdict.parts[part.grade_id] = PartVerdict(0.0, part.points, NOT_WRITTEN, "no answer")


def _look_for_tampering(plan, reading, verdict) -> None:
    known = {" ".join(text.split()) for text in plan.texts.values()}
    points = {part.grade_id: part.points for part in plan.parts}
    for cell in reading.cells:
        changed = cell.points is not None and cell.points != points.get(cell.grade_id, cell.points)
        if changed and not cell.is_as_released():
            verdict.tampering.append(f"the points of {cell.grade_id} were changed in the file")
        if cell.kind == "code" and " ".join(cell.source.split()) not in known:
            verdict.tampering += [
                f"suspicious code in a cell: {sign}" for sign in tampering.signs_of_tampering(cell.source)
            ]
    missing = [
        part.grade_id for part in plan.parts if not any(part.grade_id in (c.grade_id, c.id) for c in reading.cells)
    ]
    if missing:
        verdict.notes.append(f"cells of the lab are gone or lost their mark: {', '.join(missing)}; it costs nothing")


# ---- one task ----------------------------------------------------------------------------------------------------


def _judge_task(plan, task, reading, worker, secret, verdict, outcomes) -> None:
    checks = list(dict.fromkeys(plan.checks_of(task)))
    if not checks:
        return
    cuts, notes = slicing.candidates(plan, task, reading)
    verdict.notes += [f"{task.grade_id}: {note}" for note in notes]
    best: dict[Check, Outcome] = {check: Outcome(NOT_WRITTEN, "it is not written yet") for check in checks}
    for number, cut in enumerate(cuts):
        found = _judge_cut(plan, task, checks, cut, worker, secret, verdict)
        if number == 0 or _passed(found) > _passed(best):
            best = found
            verdict.sources[task.grade_id] = cut.source
        if _passed(best) == len(checks):
            break
    outcomes.update({(task.grade_id, check): outcome for check, outcome in best.items()})


def _passed(found) -> int:
    return sum(outcome.state == PASSED for outcome in found.values())


def _judge_cut(plan, task, checks, cut, worker, secret, verdict) -> dict[Check, Outcome]:
    if cut.blank:
        return {check: Outcome(NOT_WRITTEN, "it is not written yet") for check in checks}
    if cut.problem:
        return {check: Outcome(WRONG, cut.problem) for check in checks}
    cut, findings = _read(cut, task)
    if findings:
        reasons = {f.reason: str(f) for f in reversed(findings)}  # each told once, of the first line
        message = "; ".join([*reversed(reasons.values())][:_MOST_REASONS])
        return {check: Outcome(REFUSED, message) for check in checks}
    run = run_exercise if task.device == PYTHON else run_kernel
    found = {check: Outcome() for check in checks}
    ended = run(plan, task, checks, cut, worker, secret, found)
    verdict.cpu += ended.cpu
    verdict.wall += ended.wall
    verdict.peak = max(verdict.peak, ended.peak)
    tried = [f"{task.grade_id}: {' '.join(event)[:120]}" for event in ended.tried]
    verdict.tampering += tried
    if ended.left_over:
        verdict.tampering.append(f"{task.grade_id}: left {ended.left_over} processes running; they were ended")
    state, message = _how_it_ended(ended, worker.limits)
    for outcome in found.values():
        if outcome.state is None:
            outcome.state, outcome.message = state, message
    return found


_MOST_REASONS = 4


def _read(cut, task) -> tuple[slicing.Cut, list[language.Finding]]:
    """What is run of a cut, and what keeps it from being run. A kernel is written anew from what was judged of it."""
    if task.device == PYTHON:
        return cut, rules.exercise_findings(cut.source, task.name)
    graded = language.read(cut.source, task.name, task.device)
    return replace(cut, source=graded.module), [*graded.findings]


def _how_it_ended(ended: Ended, limits) -> tuple[str, str]:
    """The state and message of what was not reached."""
    if ended.malformed:
        return TAMPERING, f"something wrote to the channel between worker and judge ({ended.malformed})"
    used_up = ended.signal == _SIGKILL and ended.cpu >= limits.cpu  # the system kills at the limit of computing time
    if ended.timed_out or ended.signal == _SIGXCPU or used_up:
        return TIMED_OUT, f"it did not end within {limits.wall:g} s (or {limits.cpu:g} s of computing)"
    if ended.error and ended.error[0] == "MemoryError":
        return CRASHED, f"it asked for more memory than allowed ({limits.memory >> 20} MB)"
    if ended.error and ended.error[0] == "SystemExit":
        return CRASHED, "it called exit"
    if ended.error:
        return WRONG, f"loading it raised {': '.join(map(first_line, ended.error))}"
    if ended.signal:
        names = {
            11: "a bad memory access",
            6: "an abort",
            9: "it was ended for its use of memory",
            31: "a forbidden call",
        }
        return CRASHED, f"it ended the process: {names.get(ended.signal, f'signal {ended.signal}')}"
    if not ended.finished:
        return CRASHED, "it ended the process in the middle"
    return WRONG, "an earlier case failed"
