"""The exercises: references and solutions pass, each known mistake is rejected on every seed and recognised."""

import asyncio
import threading

import numpy as np
import pytest

from llaisys_mini import check, exercises
from llaisys_mini.checks.exercises import diagnosis, first_difference, try_answer
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.kernels.answers import learners_views
from llaisys_mini.kernels.runtime import kernels_changed
from llaisys_mini.kernels.sets import solutions_set

SEEDS = (0, 1, 12345)
all_exercises = pytest.mark.parametrize("exercise", list(map(exercises.get, exercises.names)), ids=exercises.names)
all_mistakes = pytest.mark.parametrize(
    ("exercise", "mistake"),
    [
        pytest.param(exercises.get(name), mistake, id=f"{name}-{mistake.name}")
        for name in exercises.names
        for mistake in exercises.get(name).mistakes
    ],
)


@all_exercises
def test_the_reference_and_the_solution_are_right(exercise):
    solution = solutions_set().get(exercise.name, "python").function
    for seed in SEEDS:
        for case in exercise.make_cases(seed):
            assert try_answer(exercise, exercise.reference, case).passed
            assert try_answer(exercise, solution, case).passed, case.name


@all_exercises
def test_has_docs_and_mistakes(exercise):
    assert exercise.__doc__
    assert len(exercise.mistakes) >= 3


@all_mistakes
@pytest.mark.parametrize("seed", SEEDS)
def test_every_mistake_is_rejected_and_named(exercise, mistake, seed):
    trials = [try_answer(exercise, mistake.function, case) for case in exercise.make_cases(seed)]
    failed = [trial for trial in trials if not trial.passed]
    assert failed, f"no case of {exercise.name} notices that {mistake.sentence}"
    told = [trial for trial in failed if trial.exception is None]
    if told:
        assert f"this is what comes out when {mistake.sentence}" in diagnosis(exercise, told[0], trials)


def test_a_trace_can_be_driven_where_a_loop_runs():
    """As in a notebook, whose kernel has one."""
    exercise = exercises.get("abort_on_disconnect")
    solution = solutions_set().get(exercise.name, "python").function

    async def cell():
        return [try_answer(exercise, solution, case).passed for case in exercise.make_cases()]

    assert all(asyncio.run(cell()))


@pytest.mark.parametrize(
    ("got", "expected", "sentence"),
    [
        (1, 1, None),
        (1.0000001, 1.0, None),
        (1.1, 1.0, "got 1.1, expected 1"),
        (np.nan, 1.0, "got nan"),
        (np.inf, 1.0, "got inf"),
        (float("nan"), float("nan"), None),
        ([1, 2], (1, 2), None),
        ([1, 2], [1, 3], "value 1 of the result: got 2, expected 3"),
        ([1], [1, 3], "expected 2 values"),
        ("a", "b", "got 'a', expected 'b'"),
        (None, 1, "got None"),
        ({"a": 1}, {"a": 2}, "a: got 1"),
        ({"a": 1}, {"b": 2}, "expected entries b"),
        (np.zeros(2), np.zeros(3), r"shape \(2,\), expected \(3,\)"),
        (np.array([0.0, 5.0]), np.array([0.0, 1.0]), r"1 of 2 wrong, the first at \[1\]: got 5, expected 1"),
        (True, 1, None),
        (object(), 1.0, "expected 1.0"),
    ],
)
def test_comparing(got, expected, sentence):
    import re

    found = first_difference(got, expected, 1e-4)
    assert (found is None) if sentence is None else re.search(sentence, found), found


ANSWER = """
from llaisys_mini import answer

@answer("merge_softmax")
def merge_softmax(top_a, sum_a, top_b, sum_b):
    {body}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))

    def write_answer(body):
        (tmp_path / "python").mkdir(exist_ok=True)
        (tmp_path / "python" / "merge_softmax.py").write_text(ANSWER.format(body=body))
        kernels_changed()

    yield write_answer
    monkeypatch.undo()
    kernels_changed()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return max(top_a, top_b), sum_a + sum_b", "comes out when the sums are added without rescaling"),
        ('raise NotImplementedError("write it")', "is not written yet"),
        ("return missing", r"raised NameError: name 'missing' is not defined\n  line 6: return missing"),
        ("return 1", "expected 2 values"),
    ],
)
def test_check_says_what_is_wrong(write, body, sentence):
    write(body)
    with pytest.raises(CheckFailed, match=sentence):
        check("merge_softmax")
    assert exercises.get("merge_softmax").answering().__module__ == "llaisys_mini_solutions.python.merge_softmax"


def test_an_answer_that_passed_is_used(write, capsys):
    write(
        "from math import exp, inf\n    top = max(top_a, top_b)\n    if top == -inf:\n        return top, 0\n"
        "    return top, sum_a * exp(top_a - top) + sum_b * exp(top_b - top)"
    )
    check("merge_softmax")
    assert "right on all cases" in capsys.readouterr().out
    assert exercises.get("merge_softmax").answering().__module__ == "llaisys_mini_student.python.merge_softmax"


def test_errors(write):
    with pytest.raises(KernelError, match="no exercise 'nothing'"):
        exercises.get("nothing")
    with pytest.raises(KernelError, match="merge_softmax: run the cell with @answer"):
        check("merge_softmax")


def test_tensors_use_the_learners_views_once_they_passed(tmp_path, monkeypatch):
    from llaisys_mini import Tensor, use_kernels

    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    (tmp_path / "python").mkdir()
    source = solutions_set().path("tensor_views", "python").read_text()
    (tmp_path / "python" / "tensor_views.py").write_text(source)
    try:
        kernels_changed()
        assert learners_views() is None
        check("tensor_views")
        views = learners_views()
        assert views.__module__ == "llaisys_mini_student.python.tensor_views"
        tensor = Tensor.from_numpy(np.arange(12).reshape(3, 4))
        monkeypatch.setattr(views, "slice", lambda self, dim, start, end: "the learner's")
        assert tensor.slice(0, 0, 1) == "the learner's"
        assert tensor.view(-1, 2).shape == (6, 2)
        assert tensor.permute((1, 0)).numpy().tolist() == tensor.numpy().T.tolist()
        with use_kernels("solutions"):
            assert tensor.slice(0, 0, 1).shape == (1, 4)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(learners_views()))
        with use_kernels("reference"):
            assert learners_views() is None
            thread.start()
            thread.join()
        assert seen == [views]
    finally:
        monkeypatch.undo()
        kernels_changed()
    assert learners_views() is None


def test_equal_first_weights_of_a_network_are_named():
    """Trained longer or wider, as the check would advise otherwise, such a network learns as little."""
    inputs = next(iter(exercises.get("train_digits").make_cases())).inputs

    def alike(images, labels, seed):
        return np.ones((64, 81)), np.zeros(64), np.ones((10, 64)), np.zeros(10)

    said = exercises.get("train_digits").judge(alike(**inputs), **inputs)
    assert "All hidden neurons have the same weights" in said
