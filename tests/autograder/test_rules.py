"""What reads a submission before it is judged knows every test of every lab, and the course's own answers by sight.

What a kernel may hold is tested in tests/kernels/test_language.py, and attacked in test_kernel_attacks.py.
"""

import pytest

from autograder import tasks
from autograder.reading import rules


@pytest.mark.parametrize("lab", tasks.lab_names())
def test_the_judge_knows_every_test_of_every_lab(lab):
    plan = tasks.plan_of(lab)
    assert not [part.grade_id for part in plan.parts if any(check.kind == tasks.BY_HAND for check in part.checks)]


@pytest.mark.parametrize(
    "source",
    [
        "from llaisys_mini.exercises.merge_softmax import merge_softmax as theirs",
        "from llaisys_mini.exercises import merge_softmax",
        "from llaisys_mini import exercises\nexercises.merge_softmax(1)",
        "from llaisys_mini import exercises\nexercises.get('merge_softmax')(1)",
        "f.reference(1)",
    ],
)
def test_the_courses_own_answer_is_not_an_answer(source):
    (finding,) = rules.exercise_findings(source, "merge_softmax")
    assert finding.line == source.count("\n") + 1 and "the course's own" in finding.reason


def test_resource_limits_alone_are_refused_for_a_class(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from autograder import sandbox
    from autograder.__main__ import main

    monkeypatch.setattr(sandbox, "candidates", lambda: [sandbox.LIMITS])
    result = CliRunner().invoke(main, ["grade", str(tasks.ROOT / "data" / "class"), "--build", str(tmp_path)])
    assert isinstance(result.exception, tasks.GradingError) and "--allow-unsandboxed" in str(result.exception)
