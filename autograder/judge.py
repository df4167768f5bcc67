"""The judge: sends inputs to a worker, compares what comes back with the contract, and decides. Runs no student code.

    judge(plan, reading, worker, secret) -> the verdict on one submission, as plain data

Hidden cases come from seeds made of the course's secret, so the same class graded twice gets the same grades and nobody
can know the cases. Expected outputs never leave this process.
"""

import hashlib
import hmac
from dataclasses import asdict, dataclass, field
from functools import cache

import numpy as np

from autograder import rules, slicing
from autograder.findings import ELSEWHERE, REFUSED, UNUSUAL
from autograder.pool import Ended, Worker
from autograder.reading import Reading
from autograder.tasks import CASES, FACTS, GPU_TRAFFIC, SHIPPED_MODEL, TRAFFIC, Check, Plan
from llaisys_mini import exercises, operators, paths
from llaisys_mini.checks.check import diagnosis
from llaisys_mini.checks.compare import compare, recognise
from llaisys_mini.checks.exercises import first_difference
from llaisys_mini.checks.exercises import recognise as recognise_answer
from llaisys_mini.checks.run import Result
from llaisys_mini.contract import Case
from llaisys_mini.cuda.sanitizer.findings import KINDS, REMARKS
from llaisys_mini.errors import CheckFailed
from llaisys_mini.explanation import Facts
from llaisys_mini.gpu_traffic import GpuTraffic, measured_inputs
from llaisys_mini.traffic import Traffic

GRADED, TIMED_OUT, CRASHED = "graded", "timed out", "crashed"
UNREADABLE, MANUAL, TAMPERING = "unreadable", "needs manual grading", "tampering tried"
STATES = (UNREADABLE, TAMPERING, TIMED_OUT, CRASHED, MANUAL, GRADED)
"""States of a submission. Of several that fit, the first is shown."""

PASSED, WRONG, NOT_WRITTEN = "passed", "wrong", "not written"
"""Further states of a part; it may be refused (findings.REFUSED), and it may also be timed out, crashed, tampering tried or need manual grading."""

_SIGKILL, _SIGXCPU = 9, 24


@dataclass
class PartVerdict:
    """What one cell with points gets. points: None if a person decides. mistake: the sentence it matches, or None."""

    points: float | None
    maximum: float
    state: str
    message: str = ""
    mistake: str | None = None
    task: str | None = None


@dataclass
class Verdict:
    """What one submission gets. cpu, wall: seconds of its workers; tasks: source of what was run, by task."""

    student: str
    lab: str
    state: str = GRADED
    reason: str = ""
    parts: dict[str, PartVerdict] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tampering: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    cpu: float = 0.0
    wall: float = 0.0
    peak: int = 0

    @property
    def points(self) -> float:
        """Points decided so far."""
        return sum((part.points or 0.0 for part in self.parts.values()), 0.0)

    @property
    def maximum(self) -> float:
        return sum((part.maximum for part in self.parts.values()), 0.0)

    @property
    def open_points(self) -> float:
        """Points that a person still decides on."""
        return sum((part.maximum for part in self.parts.values() if part.points is None), 0.0)

    def as_data(self) -> dict:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict) -> "Verdict":
        parts = {name: PartVerdict(**part) for name, part in data["parts"].items()}
        return cls(**{**data, "parts": parts})


@dataclass
class _Outcome:
    """How one check ended. A check that was not reached has state None."""

    state: str | None = None
    message: str = ""
    mistake: str | None = None
    remarks: dict[str, None] = field(default_factory=dict)


def unreadable(plan: Plan, student: str, reason: str, tampering: list[str] | None = None) -> Verdict:
    """The verdict on a submission that cannot be read."""
    verdict = Verdict(student, plan.lab, UNREADABLE, reason, tampering=tampering or [])
    for part in plan.parts:
        verdict.parts[part.grade_id] = PartVerdict(0.0, part.points, UNREADABLE, reason)
    return verdict


def judge(plan: Plan, student: str, reading: Reading, worker: Worker, secret: bytes) -> Verdict:
    """The verdict on one submission. Raises WorkerLost or SandboxFailed if the worker cannot go on."""
    verdict = Verdict(student, plan.lab, notes=list(reading.notes), tampering=list(reading.suspicious))
    outcomes: dict[tuple[str | None, Check], _Outcome] = {}
    for task in plan.tasks:
        _judge_task(plan, task, reading, worker, secret, verdict, outcomes)
    for part in plan.parts:
        if part.written:
            _judge_written(plan, part, reading, verdict)
        else:
            found = [outcomes.get((check.task, check), _Outcome(MANUAL)) for check in part.checks]
            verdict.parts[part.grade_id] = _combine(part, found)
    _look_for_tampering(plan, reading, verdict)
    states = {part.state for part in verdict.parts.values()}
    verdict.tampering = list(dict.fromkeys(verdict.tampering))
    if verdict.tampering or TAMPERING in states:
        verdict.state = TAMPERING
    else:
        verdict.state = next(state for state in STATES if state in states or state == GRADED)
    return verdict


def _combine(part, found: list[_Outcome]) -> PartVerdict:
    task = next((check.task for check in part.checks if check.task), None)
    for wanted in (TAMPERING, REFUSED, TIMED_OUT, CRASHED, NOT_WRITTEN, WRONG):
        for outcome in found:
            if outcome.state == wanted:
                return PartVerdict(0.0, part.points, wanted, outcome.message, outcome.mistake, task)
    if any(outcome.state != PASSED for outcome in found):
        message = next(o.message for o in found if o.state != PASSED)
        return PartVerdict(None, part.points, MANUAL, message or "a person decides on this one", None, task)
    remarks = list(dict.fromkeys(f"the sanitizer remarks: {remark}" for outcome in found for remark in outcome.remarks))
    return PartVerdict(part.points, part.points, PASSED, "\n".join(["right", *remarks]), None, task)


def _judge_written(plan, part, reading, verdict) -> None:
    texts = [c.source for c in reading.cells if c.kind != "code" and part.grade_id in (c.grade_id, c.id)]
    if not texts:  # the mark is gone: whatever text is not the lab's own
        known = {" ".join(text.split()) for text in plan.texts.values()}
        own = [c.source for c in reading.cells if c.kind in ("markdown", "raw")]
        texts = [text for text in own if text.strip() and " ".join(text.split()) not in known]
    answer = "\n\n".join(text for text in texts if text.strip() and text.strip() != part.stub.strip())
    if answer:
        verdict.written[part.grade_id] = answer
        verdict.parts[part.grade_id] = PartVerdict(None, part.points, MANUAL, "a person reads it")
    else:
        verdict.parts[part.grade_id] = PartVerdict(0.0, part.points, NOT_WRITTEN, "no answer")


def _look_for_tampering(plan, reading, verdict) -> None:
    known = {" ".join(text.split()) for text in plan.texts.values()}
    points = {part.grade_id: part.points for part in plan.parts}
    for cell in reading.cells:
        if cell.points is not None and cell.points != points.get(cell.grade_id, cell.points):
            verdict.tampering.append(f"the points of {cell.grade_id} were changed in the file")
        if cell.kind == "code" and " ".join(cell.source.split()) not in known:
            verdict.tampering += [f"a cell has to do with: {sign}" for sign in rules.signs_of_tampering(cell.source)]
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
    best: dict[Check, _Outcome] = {check: _Outcome(NOT_WRITTEN, "it is not written yet") for check in checks}
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


def _judge_cut(plan, task, checks, cut, worker, secret, verdict) -> dict[Check, _Outcome]:
    if cut.blank:
        return {check: _Outcome(NOT_WRITTEN, "it is not written yet") for check in checks}
    if cut.problem:
        return {check: _Outcome(WRONG, cut.problem) for check in checks}
    if task.device == "python":
        findings = rules.exercise_findings(cut.source, task.name)
    else:
        findings = rules.kernel_findings(cut.source, task.name, task.device)
    for kind, state in ((REFUSED, REFUSED), (ELSEWHERE, MANUAL)):
        reasons = list(dict.fromkeys(str(f) for f in findings if f.kind == kind))
        if reasons:
            return {check: _Outcome(state, "; ".join(reasons)) for check in checks}
    run = _run_exercise if task.device == "python" else _run_kernel
    found = {check: _Outcome() for check in checks}
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
    unusual = [str(f) for f in findings if f.kind == UNUSUAL]
    if unusual:
        for outcome in found.values():
            if outcome.state == PASSED:
                outcome.state, outcome.message = MANUAL, "it passes, but a person has to look: " + "; ".join(unusual)
    return found


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
        return WRONG, f"loading it raised {ended.error[0]}: {_first_line(ended.error[1])}"
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


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:200]


def seed_of(secret: bytes, lab: str, task: str) -> int:
    """The private seed of a task's hidden cases."""
    return int.from_bytes(hmac.new(secret, f"{lab}/{task}".encode(), hashlib.sha256).digest()[:4], "big") | 1


@dataclass(frozen=True)
class _JudgedCase:
    check: Check
    case: Case

    def __str__(self) -> str:
        return f"the {'hidden ' if self.check.hidden else ''}case '{self.case.name}'"


def _cases(plan, task, checks, secret, make_cases) -> list[_JudgedCase]:
    judged = []
    for check in checks:
        if check.kind == CASES:
            seed = seed_of(secret, plan.lab, task.grade_id) if check.hidden else 0
            judged += [_JudgedCase(check, case) for case in make_cases(seed)]
    return judged


def _settle(found, judged, replied: set[int]) -> None:
    """A check of cases passes when every one of its cases came back right."""
    for check in dict.fromkeys(j.check for j in judged):
        numbers = {n for n, j in enumerate(judged) if j.check is check}
        if check.kind == CASES and found[check].state is None and numbers <= replied:
            found[check].state, found[check].message = PASSED, "right"


def _fail(outcome: _Outcome, state: str, message: str, mistake: str | None = None) -> None:
    if outcome.state in (None, PASSED):  # the first failure is the one that is told
        outcome.state, outcome.message, outcome.mistake = state, message, mistake


def _raised(name, judged: _JudgedCase, error, limits) -> tuple[str, str]:
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
        return WRONG, f"the sanitizer cannot run it: {_first_line(text)}"
    if kind.endswith("TypingError") or kind in ("UnsupportedError", "LoweringError", "UnsupportedBytecodeError"):
        return WRONG, f"Numba cannot compile it: {_typing_problem(text)}"
    return WRONG, f"{name} raised {kind} on {where}" + ("" if judged.check.hidden else f": {_first_line(text)}")


def _typing_problem(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("Failed", "-", "During"))), lines[0] if lines else "")[
        :300
    ]


# ---- kernels -----------------------------------------------------------------------------------------------------


def _run_kernel(plan, task, checks, cut, worker, secret, found) -> Ended:
    contract = operators.get(task.name)
    judged = _cases(plan, task, checks, secret, lambda seed: contract.make_cases(seed, ("float32",)))
    judged += [_traffic_case(contract, check) for check in checks if check.kind == GPU_TRAFFIC]
    sent = []
    for j in judged:
        forms = [
            ["int64", list(value.shape), int(np.iinfo(np.int64).min)]
            if spec.allowed == (np.dtype(np.int64),)
            else ["float32", list(value.shape), float("nan")]
            for value, spec in zip(contract.expected(j.case.inputs), contract.outputs.values(), strict=True)
        ]
        sent.append({"inputs": j.case.inputs, "outputs": forms, "counts": j.check.kind == GPU_TRAFFIC})
    kinds = {check.kind for check in checks}
    request = dict(name=task.name, device=task.device, source=cut.source, cases=sent)
    request |= dict(explain=FACTS in kinds, traffic=TRAFFIC in kinds)
    replied: set[int] = set()
    ended = Ended()
    for message in worker.run(request):
        if isinstance(message, Ended):
            ended = message
        elif "compiled" in message:
            reason = _not_a_kernel(message["compiled"])
            if reason:
                for outcome in found.values():
                    outcome.state, outcome.message = REFUSED, reason
        elif "explained" in message:
            _require(found, FACTS, Facts, message["explained"])
        elif "traffic" in message:
            _require(found, TRAFFIC, Traffic, message["traffic"])
        elif type(message.get("case")) is int and 0 <= message["case"] < len(judged):
            number = message["case"]
            replied.add(number)
            if "error" in message:
                _fail(found[judged[number].check], *_raised(task.name, judged[number], message["error"], worker.limits))
            elif task.device != "cuda" or _sanitizer_is_content(contract, judged[number], message, found):
                _compare(contract, judged[number], sent[number], message, found)
                if "traffic" in message:
                    _require(found, GPU_TRAFFIC, GpuTraffic, message["traffic"], judged[number].check)
    _settle(found, judged, replied)
    for outcome in found.values():  # a kernel that does not compile, or is not written, fails all of its checks alike
        if outcome.state is None and (first := _general_failure(found)):
            outcome.state, outcome.message = first.state, first.message
    return ended


def _general_failure(found) -> _Outcome | None:
    return next(
        (o for o in found.values() if o.state in (NOT_WRITTEN, CRASHED, REFUSED) or o.message.startswith("Numba cannot")),
        None,
    )


def _not_a_kernel(facts) -> str | None:
    if not isinstance(facts, dict) or facts.get("dispatcher") is not True:
        return "the kernel is not compiled by Numba. Put @njit below @kernel"
    if facts.get("object_mode"):
        return "object mode runs Python, not a kernel"
    if facts.get("blas"):
        return "it calls BLAS, a finished library: write the loops"
    return None


def _traffic_case(contract, check: Check) -> _JudgedCase:
    """The inputs that a lab's own test cell counts traffic on."""
    made: dict[str, object] = {}
    exec(check.inputs, made)  # the lab's text, not a student's
    return _JudgedCase(check, Case("whose traffic is counted", measured_inputs(contract, made.get("inputs"))))


def _require(found, kind, form, facts, only: Check | None = None) -> None:
    """Decide on facts that the worker measured. only: the check that they are for; default: all of this kind."""
    for check, outcome in found.items():
        if check.kind == kind and outcome.state is None and only in (None, check):
            try:
                if "error" in facts:
                    _fail(outcome, WRONG, _first_line(str(facts["error"][1])))
                else:
                    form(**facts).require(**dict(check.require))
                    outcome.state, outcome.message = PASSED, "right"
            except CheckFailed as problem:
                _fail(outcome, WRONG, str(problem))
            except (TypeError, ValueError, KeyError, IndexError, ArithmeticError):
                _fail(outcome, TAMPERING, "the worker sent facts of unknown form")


def _sanitizer_is_content(contract, judged: _JudgedCase, message, found) -> bool:
    """Tell what the sanitizer found, if anything; whether the outputs are still worth comparing. Each finding makes a
    kernel wrong, as in the lab's own check; remarks cost nothing."""
    outcome = found[judged.check]
    try:
        errors, remarks = ([_Finding(*entry) for entry in message[word]] for word in ("findings", "remarks"))
    except (KeyError, TypeError, ValueError):
        _fail(outcome, TAMPERING, "the worker sent findings of unknown form")
        return False
    outcome.remarks.update({remark.place: None for remark in remarks})
    if not errors:
        return True
    lines = [f"{contract.name} on {judged}: the sanitizer finds"]
    for error in errors[:_MOST_FINDINGS]:
        # What a thread did to which element can tell hidden inputs, such as the ids of an embedding.
        lines += [f"  {error.place}" if judged.check.hidden else f"  {error.place}: {error.message}"]
        lines += [f"      {error.source}"] if error.source else []
    _fail(outcome, WRONG, "\n".join(lines), f"the sanitizer finds: {errors[0].kind}")
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
            object.__setattr__(self, name, _first_line(str(getattr(self, name))))

    @property
    def place(self) -> str:
        return f"{self.kernel}, line {self.line}: {self.kind}"


def _compare(contract, judged: _JudgedCase, sent, message, found) -> None:
    outcome = found[judged.check]
    outputs, inputs = message.get("outputs"), message.get("inputs")
    forms = sent["outputs"]
    good = isinstance(outputs, list) and len(outputs) == len(forms) and isinstance(inputs, dict)
    good = good and all(
        isinstance(o, (np.ndarray, np.generic)) and o.dtype.name == dtype and list(o.shape) == shape
        for o, (dtype, shape, _) in zip(outputs, forms, strict=True)
    )
    if not good:
        return _fail(outcome, TAMPERING, "the worker sent outputs of another form than asked for")
    outputs = [np.asarray(o) for o in outputs]
    case = judged.case
    changed = [
        name
        for name, value in case.inputs.items()
        if isinstance(value, np.ndarray) and not _same_bytes(value, inputs.get(name))
    ]
    differences = compare(contract, case.inputs, outputs)
    if not differences and not changed:
        return None
    mistake = recognise(contract, case.inputs, outputs) if differences else None
    if not judged.check.hidden:
        return _fail(outcome, WRONG, diagnosis(contract, Result(case, outputs, differences, changed)), mistake)
    lines = [f"{contract.name} is wrong on {judged}"]
    lines += [f"  {d.output}: {int(d.wrong.sum())} of {d.wrong.size} elements wrong" for d in differences]
    lines += [f"  {d.unwritten} of them were never written" for d in differences if d.unwritten]
    lines += [f"  the kernel changed its input {', '.join(changed)}; inputs are read only"] if changed else []
    lines += [f"  this is what comes out when {mistake}"] if mistake else []
    return _fail(outcome, WRONG, "\n".join(lines), mistake)


def _same_bytes(value, back) -> bool:
    return (
        isinstance(back, (np.ndarray, np.generic))
        and back.dtype == value.dtype
        and back.shape == value.shape
        and np.asarray(back).tobytes() == value.tobytes()
    )


# ---- exercises ---------------------------------------------------------------------------------------------------


def _run_exercise(plan, task, checks, cut, worker, secret, found) -> Ended:
    asked = exercises.get(task.name)
    judged = _cases(plan, task, checks, secret, asked.make_cases)
    for check in checks:
        if check.kind == SHIPPED_MODEL:
            judged.append(_JudgedCase(check, _shipped_model_case()))
    sent = [{"inputs": j.case.inputs} for j in judged]
    replied: set[int] = set()
    ended = Ended()
    for message in worker.run(dict(name=task.name, device=task.device, source=cut.source, cases=sent)):
        if isinstance(message, Ended):
            ended = message
        elif type(message.get("case")) is int and 0 <= message["case"] < len(judged):
            number = message["case"]
            replied.add(number)
            if "error" in message:
                _fail(found[judged[number].check], *_raised(task.name, judged[number], message["error"], worker.limits))
            else:
                _compare_answer(asked, judged[number], message, found)
    _settle(found, judged, replied)
    for check in checks:
        if check.kind == SHIPPED_MODEL and found[check].state is None and replied >= set(range(len(judged))):
            found[check].state, found[check].message = PASSED, "right"
        if found[check].state is None and (first := _general_failure(found)):
            found[check].state, found[check].message = first.state, first.message
    return ended


def _compare_answer(asked, judged: _JudgedCase, message, found) -> None:
    case, outcome = judged.case, found[judged.check]
    after = message.get("inputs")
    got = asked.with_inputs_after(message.get("result"), case, after if isinstance(after, dict) else {})
    # A whole model in float32 is as exact as its lab asks for; the small cases are judged more strictly.
    accuracy = 1e-3 if judged.check.kind == SHIPPED_MODEL else asked.accuracy
    expected = asked.run(asked.reference, case)
    try:
        place = first_difference(got, expected, accuracy)
    except Exception:  # a result of unlike form, such as an array where a text was asked for
        place = "the result is of another form than asked for"
    if place is None:
        return
    try:
        mistake = recognise_answer(asked, case, got)
    except Exception:
        mistake = None
    lines = [f"{asked.name} is wrong on {judged}"] + ([] if judged.check.hidden else [f"  {place}"])
    lines += [f"  this is what comes out when {mistake}"] if mistake else []
    _fail(outcome, WRONG, "\n".join(lines), mistake)


@cache
def _shipped_model_case() -> Case:
    """The shipped model's own weights and a text, as decoder_forward takes them."""
    from llaisys_mini.checkpoint import Checkpoint
    from llaisys_mini.models.config import ModelConfig
    from llaisys_mini.tokenizer import Tokenizer

    folder = paths.shipped_model()
    config, checkpoint = ModelConfig.from_folder(folder), Checkpoint.open(folder)

    def take(name):
        return checkpoint[name].astype("float32").numpy()

    embeddings = take("model.embed_tokens.weight")
    layer = exercises.get("layer_weights").reference
    weights = dict(
        embeddings=embeddings,
        layers=[layer(take, index) for index in range(config.layers)],
        final_norm=take("model.norm.weight"),
        head=embeddings if config.tied_embeddings else take("lm_head.weight"),
    )
    theirs = dict(heads=config.heads, kv_heads=config.kv_heads, head_dim=config.head_dim)
    theirs |= dict(eps=config.rms_norm_eps, theta=config.rope.theta)
    ids = Tokenizer.open(folder).encode("Lily had a red ball. One day")
    return Case("the shipped model", dict(pieces=[np.array(ids, np.int64)], weights=weights, config=theirs))
