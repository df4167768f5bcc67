"""Judging a kernel, for the CPU or for CUDA: its outputs, what became of its inputs, facts, traffic, findings."""

import signal
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.compiler import Compiler, Launch, launches_of
from autograder.findings import REFUSED
from autograder.judge.cases import (
    DOES_NOT_COMPILE,
    JudgedCase,
    Outcome,
    cases_of,
    fail,
    first_line,
    name_mistake,
    run_cases,
)
from autograder.judge.verdicts import PASSED, TAMPERING, WRONG
from autograder.tasks import CASES, FACTS, GPU_TRAFFIC, TRAFFIC, Check
from autograder.worker.pool import Ended
from llaisys_mini import operators
from llaisys_mini.checks.by_reading import fault_by_reading
from llaisys_mini.checks.check import describe, is_nearly_right, pattern_lines
from llaisys_mini.checks.compare import compare, recognised, unset
from llaisys_mini.checks.run import Result, changed_inputs
from llaisys_mini.checks.slips import slips
from llaisys_mini.cuda.availability import ARCHITECTURE
from llaisys_mini.errors import CheckFailed
from llaisys_mini.inspect.codegen import Facts
from llaisys_mini.inspect.gpu_traffic import GpuTraffic, measured_inputs
from llaisys_mini.inspect.traffic import Traffic
from llaisys_mini.sanitizer.findings import KINDS, REMARKS
from llaisys_mini.task import Case


def run_kernel(plan, task, checks, cut, worker, secret, found) -> Ended:
    """Have the worker run a kernel, and note in `found` how each check ended."""
    contract = operators.get(task.name)
    judged = cases_of(plan, task, checks, secret, lambda seed: contract.make_cases(seed, ("float32",)))
    judged += [_traffic_case(contract, check) for check in checks if check.kind == GPU_TRAFFIC]
    sent = []
    for j in judged:
        forms = [
            [spec.allowed[0].name, list(value.shape), unset(spec.allowed[0])]
            for value, spec in zip(contract.expected(j.case.inputs), contract.outputs.values(), strict=False)
        ]
        sent.append({"inputs": j.case.inputs, "outputs": forms, "counts": j.check.kind == GPU_TRAFFIC})
    kinds = {check.kind for check in checks}
    results: list[Result] = []
    launches: set[Launch] = set()
    request = dict(name=task.name, device=task.device, source=cut.source, cases=sent)
    counted = [check for check in checks if check.kind == TRAFFIC]
    request |= dict(explain=FACTS in kinds, traffic=[_inputs_of(check) for check in counted], crashed=False)

    def compare_outputs(number, reply):
        if task.device != "cuda" or _passes_sanitizer(contract, judged[number], reply, found, launches):
            j = judged[number]
            outcome, result = found[j.check], _result(contract, j, sent[number], reply, task.device)
            if result is None:
                fail(outcome, TAMPERING, "the worker sent outputs of another form than asked for")
                return
            results.append(result)
            if not result.passed:
                slight, differs = is_nearly_right(result), bool(result.differences)
                is_told = fail(outcome, WRONG, _described(contract, j, result), is_slight=slight, differs=differs)
                if result.out_of_bounds and not is_told and not outcome.outside:
                    outcome.outside = j.outside([_LEFT] if j.check.hidden else result.out_of_bounds)
            if "traffic" in reply:
                _require(found, GPU_TRAFFIC, GpuTraffic, reply["traffic"], j.check)

    def note_facts(reply):
        if "compiled" in reply:
            reason = _not_a_kernel(reply["compiled"])
            if reason:
                for outcome in found.values():
                    outcome.state, outcome.message = REFUSED, reason
        elif "explained" in reply:
            _require(found, FACTS, Facts, reply["explained"])
        elif "traffic" in reply and reply["number"] < len(counted):
            _require(found, TRAFFIC, Traffic, reply["traffic"], counted[reply["number"]])

    ended = run_cases(worker, request, judged, found, compare_outputs, note_facts)
    if ended.signal in _OF_MEMORY and task.device == "cpu":  # run again with checked indices, to say where it went
        results.clear()
        ended = run_cases(worker, request | dict(crashed=True), judged, found, compare_outputs, note_facts)
    _explain(contract, cut.source, list(found.values()), results)
    fault = fault_by_reading(task.name, cut.source) if task.device == "cpu" else None
    for check, outcome in found.items():  # run, such a kernel is right or wrong by chance
        compiles = DOES_NOT_COMPILE not in outcome.message
        if fault and compiles and check.kind == CASES and outcome.state in (PASSED, WRONG):
            outcome.state, (outcome.mistake, outcome.message) = WRONG, fault
    if task.device == "cuda":
        _compile(task.name, cut.source, launches, worker.compiler, found)
    _require_right(found)
    return ended


_OF_MEMORY = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)


def _require_right(found: dict[Check, Outcome]) -> None:
    """Facts about a kernel count for a right one only: an empty kernel allocates nothing and reads nothing."""
    cases = [outcome for check, outcome in found.items() if check.kind == CASES]
    if all(outcome.state == PASSED for outcome in cases):
        return
    for check, outcome in found.items():
        if check.kind in (FACTS, TRAFFIC) and outcome.state == PASSED:
            outcome.state, outcome.message = WRONG, "it counts for a kernel that is right on all cases"


def _compile(name: str, source: str, launches: set[Launch], compiler: Compiler, found: dict[Check, Outcome]) -> None:
    """Note of a kernel that is right on all cases what the compiler says. One that does not compile is wrong, as in
    the lab's own check."""
    of_cases = [outcome for check, outcome in found.items() if check.kind == CASES]
    if not of_cases or any(outcome.state != PASSED for outcome in of_cases):
        return
    said = compiler.ask(name, source, launches)
    for outcome in of_cases:
        if said.why_not:
            outcome.state, outcome.mistake = WRONG, f"the kernel {said}"
            outcome.message = f"{name}: the kernel does not compile for a GPU ({ARCHITECTURE})\n{said.why_not}"
        else:
            outcome.notes.append(str(said))


def _explain(contract, source: str, outcomes: list[Outcome], results: list[Result]) -> None:
    """Add to what is wrong the reason, as `check` does: by reading the source, by where a later case leaves an array,
    or by what came out on all cases."""
    wrong = [outcome for outcome in outcomes if outcome.state == WRONG and outcome.differs]
    found = slips(contract, source) if wrong else []
    for outcome in [outcome for outcome in outcomes if outcome.state == WRONG]:
        slipped = [f"  {slip}" for slip in found] if outcome.differs else []
        outcome.message = "\n".join([outcome.message, *slipped, *outcome.outside])
    unnamed = [outcome for outcome in wrong if not outcome.outside]
    if found or not unnamed:
        return
    complete = [result for result in results if not result.out_of_bounds]
    sentence = recognised(contract, ((r.case.inputs, r.results) for r in complete))
    name_mistake(unnamed, sentence)
    for outcome in unnamed if sentence is None else ():
        outcome.message = "\n".join([outcome.message, *pattern_lines(complete)])


def _not_a_kernel(facts) -> str | None:
    if not isinstance(facts, dict) or facts.get("dispatcher") is not True:
        return "the kernel is not compiled by Numba. Put @njit below @kernel"
    if facts.get("object_mode"):
        return "object mode runs Python, not a kernel"
    if facts.get("blas"):
        return "it calls BLAS, a finished library: write the loops"
    return None


def _traffic_case(contract, check: Check) -> JudgedCase:
    """The inputs that a lab's own test cell counts traffic on."""
    return JudgedCase(check, Case("counted traffic", measured_inputs(contract, _inputs_of(check))))


def _inputs_of(check: Check) -> dict | None:
    """The inputs that a check names; None for those that are taken where it names none."""
    made: dict[str, Any] = {}
    exec(check.inputs, made)  # the lab's text, not a student's
    return made.get("inputs")


def _require(found, kind, form, facts, only: Check | None = None) -> None:
    """Decide on facts that the worker measured. only: the check that they are for; default: all of this kind."""
    for check, outcome in found.items():
        if check.kind == kind and outcome.state is None and only in (None, check):
            try:
                if "error" in facts:
                    fail(outcome, WRONG, first_line(str(facts["error"][1])))
                else:
                    form(**facts).require(**dict(check.require))
                    outcome.state, outcome.message = PASSED, "right"
            except CheckFailed as problem:
                fail(outcome, WRONG, str(problem))
            except (TypeError, ValueError, KeyError, IndexError, ArithmeticError):
                fail(outcome, TAMPERING, "the worker sent facts of unknown form")


def _passes_sanitizer(contract, judged: JudgedCase, message, found, launches: set[Launch]) -> bool:
    """Whether the sanitizer found nothing. Each finding makes a kernel wrong, as in the lab's own check; remarks cost
    nothing. Adds the types of what was launched to `launches`."""
    outcome = found[judged.check]
    try:
        errors, remarks = ([_Finding(*entry) for entry in message[key]] for key in ("findings", "remarks"))
        launches |= launches_of(message["launches"])
    except (KeyError, TypeError, ValueError):
        fail(outcome, TAMPERING, "the worker sent findings of unknown form")
        return False
    outcome.remarks.update({remark.place: None for remark in remarks})
    if not errors:
        return True
    lines = [f"{contract.name} is wrong on {judged.with_shapes}"]
    for error in errors[:_MOST_FINDINGS]:
        # What a thread did to which element can tell hidden inputs, such as the ids of an embedding.
        lines += [f"  {error.place}" if judged.check.hidden else f"  {error.place}: {error.message}"]
        lines += [f"      {error.source}"] if error.source else []
    fail(outcome, WRONG, "\n".join(lines), f"the sanitizer finds: {errors[0].kind}")
    return False


_MOST_FINDINGS = 4


@dataclass(frozen=True)
class _Finding:
    """A finding or remark of the sanitizer, as the worker sent it: checked, and shortened."""

    kind: str
    kernel: str
    line: int
    message: str
    source: str

    def __post_init__(self):
        if self.kind not in KINDS + REMARKS or type(self.line) is not int:
            raise ValueError("no finding of the sanitizer")
        for name in ("kernel", "message", "source"):
            object.__setattr__(self, name, first_line(str(getattr(self, name))))

    @property
    def place(self) -> str:
        return f"{self.kernel}, line {self.line}: {self.kind}"


def _result(contract, judged: JudgedCase, sent, message, device: str) -> Result | None:
    """The result of one case by the worker's reply; None if the reply is not of the form that was asked for."""
    outputs, inputs = message.get("outputs"), message.get("inputs")
    forms = sent["outputs"]
    out_of_bounds = message.get("out_of_bounds", [])
    good = isinstance(outputs, list) and len(outputs) == len(forms)
    good = good and isinstance(inputs, dict) and isinstance(out_of_bounds, list)
    good = good and all(
        isinstance(o, (np.ndarray, np.generic)) and o.dtype.name == dtype and list(o.shape) == shape
        for o, (dtype, shape, _) in zip(outputs, forms, strict=True)
    )
    if not good:
        return None
    case = judged.case
    changed = changed_inputs(contract, case, inputs)
    results = [np.asarray(o) for o in outputs] + [np.asarray(inputs.get(name)) for name in contract.written]
    differences = compare(contract, case.inputs, results)
    remarks = tuple(_Finding(*entry) for entry in message["remarks"]) if device == "cuda" else ()
    return Result(case, results, differences, changed, None, tuple(out_of_bounds), remarks=remarks)


_LEFT = "the kernel wrote out of bounds of its arrays"


def _described(contract, judged: JudgedCase, result: Result) -> str:
    """What is wrong with a result that failed; of a hidden case no number."""
    if not judged.check.hidden:
        return describe(contract, result)
    lines = [f"{contract.name} is wrong on {judged}"]
    for d in result.differences:
        lines += [f"  {d.output}: {int(d.wrong.sum())} of {d.wrong.size} elements wrong"]
        lines += [f"  {d.uninitialised} of them were never written (or are NaN)"] if d.uninitialised else []
    if result.changed_inputs:
        lines += [f"  the kernel changed its input {', '.join(result.changed_inputs)}; inputs are read-only"]
    lines += [f"  {_LEFT}"] if result.out_of_bounds else []
    return "\n".join(lines)
