"""Judging the answer to an exercise: its results, and the inputs that it had to leave alone."""

from functools import cache

import numpy as np

from autograder.judge.cases import JudgedCase, Outcome, cases_of, fail, name_mistake, run_cases
from autograder.judge.verdicts import PASSED, WRONG
from autograder.replies import size_of
from autograder.tasks import HELD_OUT_LOSS, SHIPPED_MODEL
from autograder.worker.pool import Ended, Worker
from llaisys_mini import exercises, operators, paths
from llaisys_mini.checks.calls import Call, first_that_differs, recorded
from llaisys_mini.checks.exercises import Trial, compare_answer, recognised
from llaisys_mini.errors import CheckFailed
from llaisys_mini.exercise import Exercise
from llaisys_mini.task import Case


def run_exercise(plan, task, checks, cut, worker, secret, found) -> Ended:
    """Have the worker run an answer, and note in `found` how each check ended."""
    asked = exercises.get(task.name)
    judged = cases_of(plan, task, checks, secret, asked.make_cases)
    for check in checks:
        if check.kind == SHIPPED_MODEL:
            judged.append(JudgedCase(check, _shipped_model_case()))
        elif check.kind == HELD_OUT_LOSS:
            judged += [JudgedCase(check, case) for case in _held_out_cases(task.name)]
    into_a_model: dict[int, dict] = {}  # number of the case -> its result
    sent = [{"inputs": j.case.inputs} for j in judged]
    request = dict(name=task.name, device=task.device, source=cut.source, cases=sent, watched=True)
    trials: list[Trial] = []
    unnamed: list[Outcome] = []
    to_trace: list[tuple[int, Outcome]] = []  # public cases that are told, in which operators were called
    kept: list[int] = []

    def compare(number, reply):
        j = judged[number]
        after = reply.get("inputs")
        if j.check.kind == HELD_OUT_LOSS:
            into_a_model[number] = reply.get("result")
            return
        got = asked.with_inputs_after(reply.get("result"), j.case, after if isinstance(after, dict) else {})
        # A whole model in float32 is as exact as its lab asks for; the small cases are judged more strictly.
        accuracy = SHIPPED_MODEL_ACCURACY if j.check.kind == SHIPPED_MODEL else asked.accuracy
        trial = compare_answer(asked, j.case, got, accuracy)
        kept.append(size_of(got))
        # Where rounding adds up, a result tells nothing about mistakes; and results of any size are not kept.
        if j.check.kind != SHIPPED_MODEL and sum(kept) <= _MOST_KEPT:
            trials.append(trial)
        if not trial.passed:
            lines = [f"{asked.name} is wrong on {j.with_shapes}"] + ([] if j.check.hidden else [f"  {trial.place}"])
            if fail(found[j.check], WRONG, "\n".join(lines)):
                unnamed.append(found[j.check])
                if not j.check.hidden and reply.get("calls") and asked.judge is None:
                    to_trace.append((number, found[j.check]))

    ended = run_cases(worker, request, judged, found, compare)
    for check in checks:
        if check.kind == HELD_OUT_LOSS and found[check].state is None:
            numbers = [n for n, j in enumerate(judged) if j.check is check]
            if all(n in into_a_model for n in numbers):
                _judge_loss(found[check], check, asked.name, [into_a_model[n] for n in numbers])
    name_mistake(unnamed, recognised(asked, trials))
    for number, outcome in to_trace:
        lines, again = _calls_that_differ(asked, request, judged[number].case, worker)
        outcome.message = "\n".join([outcome.message, *(f"  {line}" for line in lines)])
        ended.cpu, ended.wall = ended.cpu + again.cpu, ended.wall + again.wall
        ended.tried += again.tried
    return ended


def _calls_that_differ(asked: Exercise, request: dict, case: Case, worker: Worker) -> tuple[list[str], Ended]:
    """What `check` says of the operator calls of a wrong answer, from a log that no code of a student's has kept: the
    case is run once more, and the process that answers the calls tells of each."""
    calls: list[Call] = []
    ended = Ended()
    for message in worker.run(request | dict(cases=[{"inputs": case.inputs}], calls=True)):
        if isinstance(message, Ended):
            ended = message
        elif "called" in message and message["called"][0] in operators.names and len(calls) < _MOST_CALLS:
            name, arguments, results = message["called"]
            calls.append(Call(operators.get(name), arguments, results))
    expected = recorded(lambda: asked.run(asked.reference, case))
    try:
        return first_that_differs(calls, expected, asked.accuracy), ended
    except Exception:  # a call of another form than an operator's: nothing is said of it
        return [], ended


_MOST_CALLS = 2_000
_MOST_KEPT = 64 << 20  # bytes of results, to find the mistake that explains them
SHIPPED_MODEL_ACCURACY = 1e-3  # of logits, relative to the largest


def _held_out_cases(name: str) -> list[Case]:
    """What the answer is called with for the whole model."""
    from llaisys_mini.engine.held_out_loss import inputs_for

    return [Case(f"part {number} of the model", inputs) for number, inputs in enumerate(inputs_for(name), start=1)]


def _judge_loss(outcome: Outcome, check, name: str, results: list) -> None:
    """Whether the model with these results reads the held-out stories well enough."""
    from llaisys_mini.engine.held_out_loss import loss_with

    (at_most,) = (value for key, value in check.require if key == "at_most")
    try:
        loss = loss_with(name, results)
    except CheckFailed as problem:
        fail(outcome, WRONG, str(problem))
        return
    if loss <= at_most:
        outcome.state, outcome.message = PASSED, f"the held-out loss is {loss:.4f}"
    else:
        fail(outcome, WRONG, f"{name}: the held-out loss is {loss:.4f}; at most {at_most} is asked for")


@cache
def _shipped_model_case() -> Case:
    """The shipped model's own weights and a text, as decoder_forward takes them."""
    from llaisys_mini.models.config import ModelConfig
    from llaisys_mini.text.tokenizer import Tokenizer
    from llaisys_mini.weights.checkpoint import Checkpoint

    folder = paths.shipped_model()
    config, checkpoint = ModelConfig.from_folder(folder), Checkpoint.open(folder)

    def take(name):
        return checkpoint[name].astype("float32").numpy() if name in checkpoint else None

    embeddings = take("model.embed_tokens.weight")
    layer = exercises.get("layer_weights").reference
    weights = dict(
        embeddings=embeddings,
        layers=[layer(take, index) for index in range(config.layers)],
        final_norm=take("model.norm.weight"),
        head=embeddings if config.tied_embeddings else take("lm_head.weight"),
    )
    theirs: dict[str, float] = dict(heads=config.heads, kv_heads=config.kv_heads, head_dim=config.head_dim)
    theirs |= dict(eps=config.rms_norm_eps, theta=config.rope.theta)
    ids = Tokenizer.open(folder).encode("Lily had a red ball. One day")
    return Case("the shipped model", dict(pieces=[np.array(ids, np.int64)], weights=weights, config=theirs))
