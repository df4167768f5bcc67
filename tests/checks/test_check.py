"""The diagnosis: it names the place, the size of the error, what was not written, and the mistake."""

import numpy as np
import pytest

from llaisys_mini import check, operators
from llaisys_mini.checks.check import diagnosis, most_telling, picture
from llaisys_mini.checks.run import run_cases
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.task import Case


def diagnose(operator, function, **inputs):
    contract = operators.get(operator)
    cases = [Case("mine", inputs)] if inputs else contract.make_cases(storages=("float32",))
    results = list(run_cases(Kernel(operator, "cpu", "student", function), cases))
    failed = next(result for result in results if not result.passed)
    return diagnosis(contract, failed, results)


def f32(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_one_wrong_element_is_located():
    def kernel(x, out):
        out[:] = np.maximum(x, 0)
        out[7] = 99

    text = diagnose("relu", kernel, x=f32(4, 5))
    assert "x (4, 5)" in text
    assert "1 of 20 elements wrong" in text
    assert "first at [1, 2]: got 99, expected" in text
    assert "\n  .....\n  ..x..\n  .....\n  ....." in text


def test_a_case_that_shows_the_fault_is_told_before_one_that_is_nearly_right():
    """eps outside the root: on the case of one column, the first that fails, it changes the seventh digit."""

    def kernel(x, weight, eps, out):
        x = x.astype(float)
        out[:] = x / (np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + eps) * weight

    contract = operators.rms_norm
    cases = contract.make_cases(storages=("float32",))
    results = list(run_cases(Kernel("rms_norm", "cpu", "student", kernel), cases))
    names = [result.case.name for result in results if not result.passed]
    assert names[:2] == ["one column", "tiny: eps decides"]
    assert most_telling(results).case.name == "tiny: eps decides"
    only_nearly = [result for result in results if result.passed or result.case.name == "one column"]
    assert most_telling(only_nearly).case.name == "one column"
    assert most_telling([result for result in results if result.passed]) is None


def test_what_was_never_written_is_named():
    def kernel(x, out):
        out[:, :-1] = operators.softmax.reference(x.astype(float))[:, :-1]

    text = diagnose("softmax", kernel, x=f32(3, 4))
    assert "3 were never written" in text
    assert "the first at [0, 3]" in text


def test_an_unwritten_index_is_named():
    def kernel(x, index, value):
        value[:] = x.max(axis=1)

    assert "never written" in diagnose("argmax", kernel, x=f32(3, 4))


def test_changing_an_input_is_found_although_the_output_is_right():
    def kernel(x, out):
        np.maximum(x, 0, out=x)
        out[:] = x

    assert "the kernel changed its input x" in diagnose("relu", kernel, x=f32(6))


def test_an_exception_of_the_kernel_is_quoted():
    def kernel(x, out):
        raise NotImplementedError("write me")

    assert "the kernel raised NotImplementedError: write me" in diagnose("relu", kernel)


@pytest.mark.parametrize("name", ["rms_norm", "attention", "rope"])
def test_a_known_mistake_is_told_in_its_sentence(name):
    mistake = operators.get(name).mistakes[0]

    def kernel(*arguments):
        arguments[-1][...] = np.asarray(mistake.function(*arguments[:-1])).reshape(arguments[-1].shape)

    assert mistake.sentence in diagnose(name, kernel)


def test_of_two_mistakes_that_fit_the_first_case_the_others_tell():
    def no_eps(x, weight, eps, out):
        with np.errstate(all="ignore"):
            out[...] = x * weight / np.sqrt(np.mean(x * x, axis=-1, keepdims=True))

    contract = operators.get("rms_norm")
    kernel = Kernel("rms_norm", "cpu", "student", no_eps)
    results = list(run_cases(kernel, contract.make_cases(storages=("float32",))))
    first = next(result for result in results if not result.passed)
    assert "eps is added outside the square root" in diagnosis(contract, first, [first])
    assert "eps is not added at all" in diagnosis(contract, first, results)


def test_an_unknown_mistake_is_not_given_a_name():
    def kernel(x, weight, eps, out):
        out[:] = 3 * x

    assert "this is what comes out" not in diagnose("rms_norm", kernel)


def test_pictures_of_large_arrays_are_shrunk():
    wrong = np.zeros((96, 192), bool)
    wrong[48:, 96:] = True
    drawn = picture(wrong)
    assert len(drawn) == 8
    assert {len(line) for line in drawn} == {48}
    assert drawn[0] == "." * 48
    assert drawn[-1] == "." * 24 + "x" * 24


RACING = """
import numpy as np
from numba import njit, prange
from llaisys_mini import kernel


@kernel("linear_backward", device="cpu")
@njit(parallel=True, cache=True)
def linear_backward(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = 0
    grad_weight[:] = 0
    grad_bias[:] = 0
    for n in prange(x.shape[0]):
        for m in range(weight.shape[0]):
            grad_bias[m] += grad_out[n, m]
            for k in range(weight.shape[1]):
                grad_x[n, k] += grad_out[n, m] * weight[m, k]
                grad_weight[m, k] += grad_out[n, m] * x[n, k]
"""


def test_a_race_is_told_by_line_whatever_came_out(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "linear_backward.py").write_text(RACING)
    with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
        check("linear_backward")
    told = str(failed.value)
    assert "line 15: grad_bias[m] += grad_out[n, m]" in told
    assert "line 18: grad_weight[m, k] += grad_out[n, m] * x[n, k]" in told
    assert "grad_x" not in told


REBOUND = """
import numpy as np
from numba import njit
from llaisys_mini import kernel


@kernel("relu", device="cpu")
@njit(cache=True)
def relu(x, out):
    out = np.maximum(x, 0)
"""


def test_a_slip_in_the_source_is_told_with_the_result(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "relu.py").write_text(REBOUND)
    with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
        check("relu")
    assert "never written" in str(failed.value)
    assert "line 10: out = ... gives the name out to another array" in str(failed.value)


ENDLESS = """
from llaisys_mini import cuda, kernel


@cuda.jit
def step(x, out):
    i = cuda.grid(1)
    while x.size > 0:
        i += 1


@kernel("relu", device="cuda")
def relu(x, out):
    step[(x.size + 127) // 128, 128](x, out)
"""


@pytest.mark.slow
def test_an_endless_loop_ends_the_check_at_its_first_case(tmp_path, capsys):
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda" / "relu.py").write_text(ENDLESS)
    with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed, match="line 8: runaway loop"):
        check("relu", device="cuda")
    assert capsys.readouterr().out.count("wrong") == 1


NONE_INDEXED = """
from numba import njit
from llaisys_mini import kernel


@kernel("linear", device="cpu")
@njit(cache=True)
def linear(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            out[n, m] = bias[m]
"""


def test_an_argument_that_is_none_is_told_apart_from_a_wrong_index(tmp_path, capsys):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "linear.py").write_text(NONE_INDEXED)
    with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
        check("linear")
    assert "is wrong on the case 'one row'" in str(failed.value)  # the first case has a bias
    right = NONE_INDEXED.replace(
        "= bias[m]",
        "= 0\n            for k in range(x.shape[1]):\n"
        "                out[n, m] += x[n, k] * weight[m, k]\n            out[n, m] += bias[m]",
    )
    (tmp_path / "cpu" / "linear.py").write_text(right)
    with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
        check("linear")
    assert "this indexes an argument that may be None" in str(failed.value)
    assert "out[n, m] += bias[m]" in str(failed.value)
