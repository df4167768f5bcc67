"""Which kernel answers: the rule, use_kernels, the verdicts that the rule depends on."""

import numpy as np
import pytest

from llaisys_mini import check, operators, use_kernels
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.kernels.choice import answering_kernel, parse_choice
from llaisys_mini.kernels.runtime import kernels_changed

RIGHT = """
import numpy as np
from llaisys_mini import kernel

@kernel("relu", device="cpu")
def relu(x, out):
    np.maximum(x, 0, out=out)
"""
WRONG = RIGHT.replace("np.maximum(x, 0, out=out)", "np.abs(x, out=out)")

FLOAT32_ONLY = """
import numpy as np
from llaisys_mini import kernel

@kernel("embedding", device="cpu")
def embedding(ids, weight, out):
    if weight.dtype != np.float32:
        raise TypeError("only float32")
    out[:] = weight[ids]
"""


def answers(name, storage="float32"):
    return answering_kernel(name, "cpu", storage).kernel_set


def test_the_learners_kernel_answers_once_it_has_passed(write_kernel, capsys):
    assert answers("relu") == "solutions"
    write_kernel("relu", RIGHT)
    kernels_changed()
    assert answers("relu") == "solutions"
    check("relu")
    assert answers("relu") == "student"
    assert "right on all cases" in capsys.readouterr().out
    np.testing.assert_array_equal(operators.relu(np.float32([-1, 2])), [0, 2])


def test_a_file_that_ends_with_its_check_does_not_run_it_when_it_is_imported(write_kernel, capsys):
    write_kernel("relu", RIGHT + "\nfrom llaisys_mini import check\n\ncheck('relu')\n")
    with use_kernels("student"):
        operators.relu(np.float32([-1, 2]))
    assert capsys.readouterr().out == ""


def test_a_wrong_kernel_is_diagnosed_and_does_not_answer(write_kernel, capsys):
    write_kernel("relu", WRONG)
    with pytest.raises(CheckFailed, match="this is what comes out when the sign is dropped") as caught:
        check("relu")
    assert "got" in str(caught.value)
    assert "expected" in str(caught.value)
    assert answers("relu") == "solutions"


def test_editing_a_kernel_voids_its_verdict(write_kernel):
    write_kernel("relu", RIGHT)
    check("relu")
    write_kernel("relu", WRONG)
    kernels_changed()
    assert answers("relu") == "solutions"
    with pytest.raises(CheckFailed):
        check("relu")


def test_a_float32_kernel_answers_for_float32_only(write_kernel, capsys):
    write_kernel("embedding", FLOAT32_ONLY)
    check("embedding")
    printed = " ".join(capsys.readouterr().out.split())
    assert "weights stored as float16 or bfloat16: not right yet" in printed
    assert "widen(weight[i])" in printed
    assert answers("embedding", "float32") == "student"
    assert answers("embedding", "bfloat16") == "solutions"


def test_use_kernels_everywhere_and_per_operator(write_kernel):
    write_kernel("relu", WRONG)
    with use_kernels("reference", softmax="solutions"):
        assert (answers("relu"), answers("softmax"), answers("add")) == ("reference", "solutions", "reference")
    with use_kernels("student"):  # unchecked kernels too: the learner asked for them
        assert (answers("relu"), answers("softmax")) == ("student", "solutions")
        assert operators.relu(np.float32([-1.0]))[0] == 1
    assert operators.relu(np.float32([-1.0]))[0] == 0
    assert repr(use_kernels(relu="student")).endswith("else reference, relu from student")
    assert answers("relu") == "student"
    assert repr(use_kernels("reference")) == "kernels: reference"
    use_kernels()
    assert answers("relu") == "solutions"


@pytest.mark.parametrize(
    ("choose", "sentence"),
    [
        (
            lambda: use_kernels("mine"),
            "no kernel set 'mine'; choose among student, solutions, plain, expert, reference",
        ),
        (lambda: use_kernels(softmaxx="student"), "no operator 'softmaxx'; did you mean softmax"),
        (
            lambda: use_kernels(relu="student"),
            r"the kernel set 'student' has no kernel for relu; it would be a file relu\.py",
        ),
        (lambda: parse_choice("student,solutions"), "name one kernel set"),
        (lambda: check("softmax"), "softmax: run the cell with @kernel"),
        (lambda: check("softmax", kernel_set="mine"), "no kernel set 'mine'"),
    ],
)
def test_errors(student, choose, sentence):
    with pytest.raises(KernelError, match=sentence):
        choose()
    assert answers("softmax") == "solutions"


def test_parse_choice():
    assert parse_choice("") == (None, {})
    assert parse_choice("student, linear=solutions") == ("student", {"linear": "solutions"})
    assert parse_choice("softmax=student") == (None, {"softmax": "student"})


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def relu(:", "line 1 cannot be imported: SyntaxError"),
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
        ("x = 1", "holds no function under @kernel"),
        (RIGHT.replace("(x, out)", "(x, y)"), r"a kernel takes \(x, out\), but this one takes \(x, y\)"),
        (RIGHT.replace('"relu"', '"rellu"'), "no operator 'rellu'; did you mean relu"),
    ],
)
def test_broken_kernel_files_are_explained(write_kernel, source, sentence):
    write_kernel("relu", source)
    with pytest.raises(KernelError, match=sentence):
        check("relu")


def test_a_changed_file_is_read_again_even_within_the_same_second(write_kernel):
    from llaisys_mini.kernels.sets import student_set

    write_kernel("relu", RIGHT)
    first = student_set().get("relu", "cpu").function
    write_kernel("relu", RIGHT.replace("np.maximum(x, 0,", "np.maximum(x, 1,"))
    out = np.zeros(1, np.float32)
    student_set().get("relu", "cpu").function(np.float32([-1.0]), out)
    assert out[0] == 1
    first(np.float32([-1.0]), out)
    assert out[0] == 0


def test_a_kernel_that_imports_from_anothers_file_is_refused(write_kernel):
    write_kernel("sign", "def helper(x):\n    return x\n")
    path = write_kernel("relu", "from .sign import helper\n" + RIGHT)
    with pytest.raises(KernelError, match=rf"{path}, line 1 imports from the file of another kernel"):
        check("relu")
