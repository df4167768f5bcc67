"""Judging the answer to an exercise: its results, and the inputs that it had to leave alone."""

from functools import cache

import numpy as np

from autograder.judge.cases import JudgedCase, cases_of, fail, run_cases
from autograder.judge.verdicts import WRONG
from autograder.tasks import SHIPPED_MODEL
from autograder.worker.pool import Ended
from llaisys_mini import exercises, paths
from llaisys_mini.checks.exercises import first_difference, recognised
from llaisys_mini.task import Case


def run_exercise(plan, task, checks, cut, worker, secret, found) -> Ended:
    """Have the worker run an answer, and note in `found` how each check ended."""
    asked = exercises.get(task.name)
    judged = cases_of(plan, task, checks, secret, asked.make_cases)
    for check in checks:
        if check.kind == SHIPPED_MODEL:
            judged.append(JudgedCase(check, _shipped_model_case()))
    sent = [{"inputs": j.case.inputs} for j in judged]
    request = dict(name=task.name, device=task.device, source=cut.source, cases=sent, watched=True)
    return run_cases(
        worker, request, judged, found, lambda number, reply: _compare_answer(asked, judged[number], reply, found)
    )


def _compare_answer(asked, judged: JudgedCase, message, found) -> None:
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
        mistake = recognised(asked, case, got)
    except Exception:
        mistake = None
    lines = [f"{asked.name} is wrong on {judged}"] + ([] if judged.check.hidden else [f"  {place}"])
    lines += [f"  this is what comes out when {mistake}"] if mistake else []
    fail(outcome, WRONG, "\n".join(lines), mistake)


@cache
def _shipped_model_case() -> Case:
    """The shipped model's own weights and a text, as decoder_forward takes them."""
    from llaisys_mini.models.config import ModelConfig
    from llaisys_mini.text.tokenizer import Tokenizer
    from llaisys_mini.weights.checkpoint import Checkpoint

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
    theirs: dict[str, float] = dict(heads=config.heads, kv_heads=config.kv_heads, head_dim=config.head_dim)
    theirs |= dict(eps=config.rms_norm_eps, theta=config.rope.theta)
    ids = Tokenizer.open(folder).encode("Lily had a red ball. One day")
    return Case("the shipped model", dict(pieces=[np.array(ids, np.int64)], weights=weights, config=theirs))
