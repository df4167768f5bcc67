"""A wrong answer is told which operator call is the first that differs, and which of its arguments."""

import numpy as np
import pytest

from llaisys_mini import check, exercises, operators
from llaisys_mini.checks.exercises import diagnosis, try_answer
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.kernels.sets import solutions_set


@pytest.fixture
def told(tmp_path):
    def told_of(name, right, wrong):
        solution = solutions_set().path(name, "python").read_text()
        assert right in solution
        (tmp_path / "python").mkdir()
        (tmp_path / "python" / f"{name}.py").write_text(solution.replace(right, wrong))
        with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
            check(name)
        return str(failed.value)

    return told_of


def test_a_wrong_number_is_named(told):
    text = told("qwen_attention", 'config["head_dim"] ** -0.5', "1.0")
    assert "on the case 'a prompt': x (5, 8), positions (5,)\n" in text
    assert "is number 9: attention(q (5, 4, 4), k (5, 2, 4), v (5, 2, 4), scale 1)" in text
    assert "\n    scale is 1, expected 0.5" in text


def test_a_wrong_array_is_named_with_a_place(told):
    right = 'operators.rms_norm(query, layer["query_norm"]'
    text = told("qwen_heads", right, right.replace("query_norm", "key_norm"))
    assert "the first operator call that differs is number 5: rms_norm(x (1, 2, 4), weight (4,), eps 1e-06)" in text
    assert "\n    weight: 4 of 4 elements differ, the first at [0]: got " in text


def test_a_wrong_shape_is_named(told):
    right = 'operators.linear(h, layer["value"], layer["value_bias"])'
    text = told("qwen_heads", right, right.replace("(h,", "(h[:1],") + ".repeat(length, 0)")
    assert "is number 4: linear(x (1, 8), weight (8, 8))" in text
    assert "\n    x has the shape (1, 8), expected (5, 8)" in text


def test_a_missing_call_is_named(told):
    text = told("qwen_heads", 'operators.rope(key, positions, config["theta"])', "key")
    assert "no operator call gives what this one gives: rope(x (" in text or "number 7: rope" in text


def test_a_call_that_is_not_made_is_named(told):
    text = told("qwen_attention", "operators.add(x, operators", "(operators")
    assert "x has to be added at the end" in text
    assert "no operator call gives what this one gives: add(x (1, 6), y (1, 6))" in text


def test_where_all_calls_are_right_the_rest_is_named(told):
    text = told("qwen_heads", "return query, key, value", "return query, value, key")
    assert "all operator calls give what they should: look at what happens between and after them" in text


def test_another_order_and_more_calls_are_no_difference():
    def shuffled(x, norm, gate, up, down, eps):
        h = operators.rms_norm(x, norm, eps)
        second, first = operators.linear(h, up), operators.linear(h, gate)
        operators.relu(first)
        return 2 * operators.add(x, operators.linear(operators.swiglu(first, second), down))

    exercise = exercises.get("qwen_mlp")
    trials = [try_answer(exercise, shuffled, case) for case in exercise.make_cases()]
    assert "all operator calls give what they should" in diagnosis(exercise, trials[0], trials, answer=shuffled)


def test_a_wrong_kernel_is_told_apart_from_wrong_arguments():
    def wrong(gate, up, out):
        out[...] = gate * up

    def plain(x, norm, gate, up, down, eps):
        h = operators.rms_norm(x, norm, eps)
        inner = operators.swiglu(operators.linear(h, gate), operators.linear(h, up))
        return operators.add(x, operators.linear(inner, down))

    exercise = exercises.get("qwen_mlp")
    with Runtime(per_operator={"swiglu": Kernel("swiglu", "cpu", "student", wrong)}).in_force():
        trials = [try_answer(exercise, plain, case) for case in exercise.make_cases()]
        text = diagnosis(exercise, trials[0], trials, answer=plain)
    assert "is number 4: swiglu(gate (" in text
    assert 'its arguments are right, its result is not: check("swiglu") tells' in text


def test_an_answer_without_operators_is_told_nothing_of_calls():
    exercise = exercises.get("qwen_mlp")
    trials = [try_answer(exercise, lambda x, **_: np.zeros_like(x), case) for case in exercise.make_cases()]
    text = diagnosis(exercise, trials[0], trials, answer=lambda x, **_: np.zeros_like(x))
    assert "operator call" not in text


def test_the_reference_is_run_once_for_a_case_and_not_for_each_mistake(monkeypatch):
    exercise = exercises.get("perceptron_update")
    cases, reference, runs = exercise.make_cases(), exercise.reference, []
    alone = [mistake for mistake in exercise.mistakes if "reference" not in mistake.function.__code__.co_names]
    monkeypatch.setattr(exercise, "mistakes", alone)
    monkeypatch.setattr(exercise, "reference", lambda *a, **k: runs.append(1) or reference(*a, **k))
    trials = [try_answer(exercise, lambda weights, bias, x, label: (0 * weights, 7.0), case) for case in cases]
    diagnosis(exercise, next(trial for trial in trials if not trial.passed), trials)
    assert len(alone) > 2
    assert len(runs) == len(cases)
