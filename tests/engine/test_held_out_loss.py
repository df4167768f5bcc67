"""The held-out loss of a rounding rule: figures of the frozen model, what each rule is worth, what is refused."""

import numpy as np
import pytest

from llaisys_mini import exercises, held_out_loss
from llaisys_mini.engine.held_out_loss import inputs_for, loss_with, original_loss, plain_loss
from llaisys_mini.errors import CheckFailed, GenerationError

# Of the lab's own cells. Each lies between the loss without the rule and the loss with it.
ASKED = {"best_scale": 0.28, "awq_scale": 0.235, "smooth": 0.2}
every_trial = pytest.mark.parametrize("name", ASKED)


def results(name, function):
    exercise = exercises.get(name)
    return [exercise.run_on(function, dict(inputs)) for inputs in inputs_for(name)]


@every_trial
def test_the_rule_passes_with_room_and_plain_rounding_fails(name):
    loss = loss_with(name, results(name, exercises.get(name).reference))
    assert original_loss() < loss < ASKED[name] < plain_loss(name)
    assert ASKED[name] - loss > 0.3 * (plain_loss(name) - loss) or loss < original_loss() + 0.01


def test_mistakes_that_matter_fail():
    def mistaken(name, mistake):
        (function,) = [m.function for m in exercises.get(name).mistakes if m.name == mistake]
        return loss_with(name, results(name, function))

    assert mistaken("best_scale", "plain") > ASKED["best_scale"]
    assert mistaken("awq_scale", "turned_round") > ASKED["awq_scale"]
    assert mistaken("smooth", "turned_round") > ASKED["smooth"]


def test_the_table_and_the_demand(capsys):
    found = held_out_loss("smooth")
    printed = capsys.readouterr().out
    assert f"{found.yours:.4f}" in printed and "with smooth" in printed
    found.require(at_most=ASKED["smooth"])
    with pytest.raises(CheckFailed, match=r"smooth: the held-out loss is 0\.\d+; at most 0\.1 is asked for"):
        found.require(at_most=0.1)


@pytest.mark.parametrize("bad", [np.ones(3), np.full(128, np.nan), "text", None, np.zeros(128)])
def test_results_of_another_form_are_refused(bad):
    given = results("smooth", exercises.get("smooth").reference)
    with pytest.raises(CheckFailed, match="smooth: "):
        loss_with("smooth", [{"s": bad}, *given[1:]])


def test_an_exercise_without_a_trial_is_refused():
    with pytest.raises(GenerationError, match="mlp_step has no held-out loss; there is one for best_scale, awq_scale"):
        held_out_loss("mlp_step")
