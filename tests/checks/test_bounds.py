"""A kernel that reads or writes outside of its arrays is told so, and Python lives on; of others nothing is said."""

import ast
import inspect
import math
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core import config, event

from llaisys_mini import check, operators, paths
from llaisys_mini.checks.bounds import BoundsCheck, _has_threads
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.checks.index_kinds import Length, bits_of
from llaisys_mini.checks.plain_indices import indices_are_plain
from llaisys_mini.checks.run import run_case, run_cases
from llaisys_mini.errors import CheckFailed
from llaisys_mini.inspect import codegen
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from tests.operators import student_kernels

HEAD = """import numpy as np
from numba import njit, prange
from llaisys_mini import kernel

TILE = 8


@njit
def put(array, i, value):
    array[i] = value


@kernel("{name}", device="cpu")
@njit({options})
def {name}({arguments}, out):
"""


def written(folder, name, arguments, body, options="") -> Path:
    (folder / "cpu").mkdir(exist_ok=True)
    path = folder / "cpu" / f"{name}.py"
    path.write_text(HEAD.format(name=name, arguments=arguments, options=options) + body)
    return path


def told(folder, *kernel) -> str:
    path = written(folder, *kernel)
    with Runtime(student=folder).in_force(), pytest.raises(CheckFailed) as failed:
        check(path.stem)
    return str(failed.value)


FAR = "    for i in range(x.size):\n        out[i * 1_000_000_000] = x[i]\n"


@pytest.mark.parametrize("options", ["", "parallel=True"])
def test_a_write_far_outside_is_told_by_line_and_does_no_harm(tmp_path, options):
    body = FAR.replace("range", "prange") if options else FAR
    text = told(tmp_path, "relu", "x", body, options)
    assert "line 17: out[i * 1_000_000_000] = x[i]\n      writes outside of out (9,): index 1000000000 is out" in text
    assert "never written" not in text


def test_a_far_read_is_told_as_well(tmp_path):
    text = told(tmp_path, "relu", "x", "    for i in range(x.size):\n        out[i] = max(x[i + (1 << 40)], 0)\n")
    assert "reads outside of x (1,): index 1099511627776 is out of bounds" in text


def test_a_helper_function_of_the_file_is_followed(tmp_path):
    text = told(tmp_path, "relu", "x", "    for i in range(x.size):\n        put(out, i + 123456789, x[i])\n")
    assert "line 10: array[i] = value\n      writes outside of out (1,)" in text


def test_an_array_of_the_kernel_itself_that_is_too_short_is_told(tmp_path):
    body = """
    row = np.empty(128, np.float32)
    for n in range(x.shape[0]):
        top, total = x[n, 0], np.float32(0)
        for c in range(x.shape[1]):
            top = max(top, x[n, c])
        for c in range(x.shape[1]):
            row[c] = np.exp(x[n, c] - top) if top > -np.inf else 1
            total += row[c]
        for c in range(x.shape[1]):
            out[n, c] = row[c] / total
"""
    text = told(tmp_path, "softmax", "x", body)
    assert "x (2, 3000)" in text
    assert "line 23: row[c] = " in text
    assert "index 128 is out of bounds for axis 0 with size 128" in text


def test_a_case_on_which_it_raises_does_not_end_the_looking():
    """The next case may be the one that destroys what something else keeps."""

    @njit
    def relu(x, out):
        out[0] = 1 / x[0]
        out[2 * x.size] = 0

    bounds = BoundsCheck(Kernel("relu", "cpu", "student", relu))
    for first, is_outside in ((0, False), (1, True)):
        inputs = {"x": np.full(3, first, np.float32)}
        found = bounds.outside(inputs, empty_outputs(operators.get("relu"), inputs))
        assert (found is not None) is is_outside


def test_where_python_cannot_run_it_the_sentence_is_general():
    @njit
    def relu(x, out):
        out[0] = math.exp(1000 * x.size)  # inf for Numba, an OverflowError for Python
        out[x.size] = 0

    inputs = {"x": np.zeros(3, np.float32)}
    bounds = BoundsCheck(Kernel("relu", "cpu", "student", relu))
    found = bounds.outside(inputs, empty_outputs(operators.get("relu"), inputs))
    assert found == "the kernel reads or writes outside of an array: an index is too large, or too far below 0"


def test_the_checked_form_of_a_kernel_is_made_once():
    """Every check of a kernel would compile it again."""

    @njit
    def relu(x, out):
        out[:] = np.maximum(x, 0)

    first, second = (BoundsCheck(Kernel("relu", "cpu", "student", relu)) for _ in range(2))
    assert first._checked is not None and first._checked is second._checked


@pytest.mark.parametrize("name", ["rope", "embedding", "linear_backward"])
def test_nothing_is_said_of_a_kernel_that_stays_within(name):
    kernel = choice.from_set("solutions", name, "cpu")
    contract = operators.get(name)
    bounds = BoundsCheck(Kernel(name, "cpu", "student", kernel.function))
    for case in contract.make_cases(0, ("float32",)):
        assert bounds.outside(case.inputs, empty_outputs(contract, case.inputs)) is None


TOTALS = """
    for n in {count}(x.shape[0]):
        row = np.empty(x.shape[1] + 1, np.float32)
        total = np.float32(0)
        for c in range(x.shape[1]):
            row[c] = np.exp(x[n, c] - x[n].max())
            total += row[c]
        for c in range(x.shape[1]):
            out[n, c] = row[c] / total
"""


@pytest.mark.parametrize("options", ["fastmath=True", "parallel=True"])
def test_the_checked_form_stands_in_for_a_kernel_without_threads(tmp_path, options):
    """So that it alone is compiled where the machine code is of no interest; a race shows in the kernel itself."""
    count = "prange" if "parallel" in options else "range"
    written(tmp_path, "softmax", "x", TOTALS.format(count=count), options)
    with Runtime(student=tmp_path, keeps_compiled=False).in_force():
        kernel = choice.from_set("student", "softmax", "cpu")
        contract = operators.get("softmax")
        bounds = BoundsCheck(kernel)
        for case in contract.make_cases(0, ("float32",)):
            assert bounds.outside(case.inputs, empty_outputs(contract, case.inputs)) is None
            if "parallel" in options:
                assert bounds.stand_in is None
            else:
                assert run_case(bounds.stand_in, case).passed
        assert not kernel.function.signatures
        bounds._checked = None
        bounds.outside(case.inputs, empty_outputs(contract, case.inputs))
        assert bounds.stand_in is None


def test_a_kernel_that_calls_one_with_threads_has_threads(tmp_path):
    path = written(tmp_path, "relu", "x", "    put(out, 0, x[0])\n")
    for decorator, is_threaded in (("@njit", False), ("@njit(parallel=True)", True)):
        path.write_text(path.read_text().replace("@njit\ndef put", f"{decorator}\ndef put"))
        with Runtime(student=tmp_path, keeps_compiled=False).in_force():
            assert _has_threads(choice.from_set("student", "relu", "cpu").function) is is_threaded


def test_what_is_compiled_after_the_check_has_all_optimisations(tmp_path):
    """Facts are read from its machine code."""
    path = written(tmp_path, "softmax", "x", TOTALS.format(count="range"), "fastmath=True")
    contract = operators.get("softmax")
    case = next(iter(contract.make_cases(0, ("float32",))))
    found = []
    for checks_first in (False, True):
        with Runtime(student=tmp_path, keeps_compiled=False).in_force():
            path.write_text(path.read_text() + "\n")  # a module of its own
            kernel = choice.from_set("student", "softmax", "cpu")
            if checks_first:
                bounds = BoundsCheck(kernel)
                bounds.outside(case.inputs, empty_outputs(contract, case.inputs))
                assert bounds.stand_in is not None and not kernel.function.signatures
            found.append(codegen.examine(contract, kernel))
    assert found[0] == found[1] and found[0].vector_instructions > 0


@njit(fastmath=True)
def helper(row):
    total = np.float32(0)
    for c in range(row.size):
        total += row[c]
    return total


def test_a_helper_of_another_module_is_compiled_as_ever(tmp_path):
    """Numba keeps it, on disk too, and the next kernel uses what was kept."""
    body = "    own = np.empty(x.size + 1, np.float32)\n    own[int(x[0])] = helper(x)\n    out[0] = np.sqrt(own[1])\n"
    path = written(tmp_path, "relu", "x", body)
    path.write_text(path.read_text().replace("TILE = 8", f"from {__name__} import helper"))
    inputs = {"x": np.ones(64, np.float32)}
    levels = {}

    class Levels(event.Listener):
        def on_start(self, event): ...

        def on_end(self, event):
            levels[event.data["dispatcher"].py_func.__name__] = int(config.OPT)

    with Runtime(student=tmp_path, keeps_compiled=False).in_force():
        bounds = BoundsCheck(choice.from_set("student", "relu", "cpu"))
        with event.install_listener("numba:compile", Levels()):
            assert bounds.outside(inputs, empty_outputs(operators.get("relu"), inputs)) is None
    assert bounds.stand_in is not None
    assert (levels["relu"], levels["helper"], config.OPT) == (1, 3, 3)


# ---- what is plain from the source -----------------------------------------------------------------------------------


def plain(name, arguments, body) -> bool:
    return indices_are_plain(operators.get(name), HEAD.format(name=name, arguments=arguments, options="") + body)


def test_ordinary_kernels_are_plain_and_cost_no_second_compilation():
    for name in ("softmax", "rms_norm", "argmax", "linear", "rope", "swiglu", "linear_backward"):
        source = (paths.solutions_folder() / "cpu" / f"{name}.py").read_text()
        assert indices_are_plain(operators.get(name), source), name


def test_an_index_into_an_argument_must_be_made_of_lengths_and_counters():
    body = "    for i in range(x.size):\n        j = x.size // 2 + i * TILE - 3\n        out[{index}] = x[i]\n"
    for index in ("i", "i + 1", "j", "min(i, j)", "j // 2 if i else i"):
        assert plain("relu", "x", body.format(index=index)), index
    for index in ("int(x[i])", "i << 40", "i * 1_000_000_000", "2 ** i", "np.empty(3, np.int64)[0]", "hash(i)"):
        assert not plain("relu", "x", body.format(index=index)), index
    ids = "    for n in range(ids.shape[0]):\n        out[n, 0] = weight[{index}, 0]\n"
    assert plain("embedding", "ids, weight", ids.format(index="ids[n] - 1"))
    assert not plain("embedding", "ids, weight", ids.format(index="int(weight[n, 0])"))


TILED = """    M, K = a.shape
    N = b.shape[1]
    row = np.empty(N, np.float32)
    whole = np.zeros((K, N))
    for m in range(M):
        for n in range(N):
            row[n] = 0
            for k0 in range(0, K, TILE):
                for k in range(k0, min(k0 + TILE, K)):
                    row[n] += a[m, k] * b[k, n]
                    whole[k, n] = row[n]
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("min(k0 + TILE, K)", "k0 + TILE"),
        ("whole[k, n]", "whole[n, k]"),
        ("range(0, K, TILE)", "range(-1, K, TILE)"),
        ("for n in range(N)", "for n in range(M)"),
        ("row[n] = 0", "n += 1; row[n] = 0"),
        ("row[n] = 0", "row[n + 1] = 0"),
        ("row = np.empty(N, np.float32)", "row = np.empty(128, np.float32)"),
        ("N = b.shape[1]", "N = b.shape[1] + a.shape[0]\n    N = b.shape[1]"),
        ("row[n] = 0", "row = np.empty(TILE, np.float32); row[n] = 0"),
        ("row[n] = 0", "half = row[::2]; half[n] = 0"),
        ("row[n] = 0", "row[n // (M - N)] = 0"),
        ("whole[k, n] = row[n]", "for line in whole: line[k] = 0"),
    ],
)
def test_an_index_into_an_array_of_the_kernel_must_be_within(right, wrong):
    assert plain("matmul", "a, b", TILED)
    assert right in TILED
    assert not plain("matmul", "a, b", TILED.replace(right, wrong))


def test_the_keys_that_a_query_sees_are_within_all_keys():
    body = """
    S, L = k.shape[0], q.shape[0]
    scores = np.empty(S, np.float32)
    for l in range(L):
        visible = S - L + l + 1
        for s in range(visible):
            scores[s] = 0
"""
    assert plain("attention", "q, k, v, scale", body)
    assert not plain("attention", "q, k, v, scale", body.replace("l + 1", "l + 2"))
    assert not plain("attention", "q, k, v, scale", body.replace("S - L", "S"))


def test_lengths_of_cases_are_as_assumed():
    for contract in map(operators.get, operators.names):
        for seed in (0, 1, 40417):
            for case in contract.make_cases(seed, ("float32",)):
                for name, spec in contract.arrays.items():
                    shape = () if case.inputs[name] is None else case.inputs[name].shape
                    named = spec.dims[1:] if spec.any_leading else spec.dims
                    lengths = dict(zip(named[::-1], shape[::-1], strict=False))
                    lengths["..."] = math.prod(shape[: len(shape) - len(named)])
                    for dim, length in lengths.items():
                        assert length <= 2 ** bits_of(Length(dim)), (contract.name, case.name, dim)
                    assert math.prod(shape[1:]) <= 2**12 or contract.name in ("argmax", "cross_entropy"), case.name


def functions_of_students():
    """(operator, function, its source as a file of its own with the helpers) of student_kernels."""
    tree = ast.parse(inspect.getsource(student_kernels))
    nodes = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    helpers = [ast.unparse(node) for node in nodes.values() if not node.decorator_list]
    for operator, function, _ in student_kernels.OWN:
        node = nodes[function.__name__]
        node.decorator_list = []
        yield operator, function, "\n".join([*helpers, f'@kernel("{operator}")', ast.unparse(node)])


OUTSIDE_OF_ARGUMENTS = {"rms_norm_weight_by_row"}
"""It reads weight[n]; arguments are left to guard zones."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_called_plain_never_leaves_an_array_of_its_own():
    """Run as Python, which checks each index; around an argument it may be wrong."""
    found = [(o, f) for o, f, source in functions_of_students() if indices_are_plain(operators.get(o), source)]
    assert len(found) > 200
    for operator, function in found:
        cases = operators.get(operator).make_cases(5, ("float32",))[:4]
        with np.errstate(all="ignore"):
            results = list(run_cases(Kernel(operator, "cpu", "student", function), cases))
        outside = [r for r in results if isinstance(r.exception, IndexError)]
        assert not outside or function.__name__ in OUTSIDE_OF_ARGUMENTS, function.__name__
