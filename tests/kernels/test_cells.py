"""Kernels from notebook cells: saved whole as a module that stands on its own, or refused with the reason."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from llaisys_mini import operators
from llaisys_mini.kernels.cells import keep_definitions, undefined_names

CELL = '''"""My first kernel."""
import numpy as np
from numba import njit
from llaisys_mini import check, kernel

def slope(value):
    return 0 if value < 0 else 1

@kernel("relu", device="cpu")
@njit(cache=True)
def relu(x, out):
    for i in range(x.size):
        out[i] = max(x[i], np.float32(0))

print("made", relu.__name__)
check("relu")
'''


@pytest.fixture
def notebook(student):
    """A running notebook kernel's shell; run(cell) raises what the cell raised."""
    shell = InteractiveShell.instance()

    def run(cell: str):
        result = shell.run_cell(cell)
        result.raise_error()
        return result.result

    yield run
    shell.reset()
    InteractiveShell.clear_instance()


def test_running_the_cell_saves_registers_and_checks_it(notebook, student, capsys):
    notebook(CELL)
    saved = (student / "cpu" / "relu.py").read_text()
    assert saved.splitlines()[:13] == CELL.splitlines()[:13]
    assert "print" not in saved
    assert "check(" not in saved
    assert "right on all cases" in capsys.readouterr().out
    x = np.float32([-2, 3])
    np.testing.assert_array_equal(operators.relu(x), [0, 3])
    assert notebook("relu.py_func.__code__.co_filename") == str(student / "cpu" / "relu.py")


def test_a_right_kernel_that_would_not_be_graded_is_told_so(notebook, student, capsys):
    notebook(CELL)
    assert "graded" not in capsys.readouterr().out
    notebook(CELL.replace("@njit(cache=True)", "@njit('void(float32[::1], float32[::1])', cache=True)"))
    printed = capsys.readouterr().out
    assert "right on all cases" in printed
    assert "right, but would not be graded: line 10: no signature is needed" in printed


@pytest.mark.parametrize("separator", ["\u2028", "\f", "\x85", "\x1c"])
def test_only_the_parsers_ends_of_lines_count(separator):
    """Characters that other programs take for the end of a line do not shift what is kept of a cell."""
    source = f"A = 1  # one{separator}two\nprint(A)\nB = 2\n"
    assert keep_definitions(source) == f"A = 1  # one{separator}two\n\nB = 2\n"


def test_running_a_changed_cell_replaces_the_kernel(notebook, student):
    from llaisys_mini import use_kernels

    notebook(CELL)
    notebook(CELL.replace("np.float32(0)", "np.float32(5)").replace('check("relu")', ""))
    with use_kernels("student"):
        assert operators.relu(np.float32([1.0]))[0] == 5


@pytest.mark.parametrize(
    "broken",
    [
        CELL.replace("return 0", "return 0 0"),  # does not parse
        CELL.replace("np.float32(0)", "nothing.here(0)").replace("def slope", "nothing.here()\ndef slope"),
        CELL.replace("def relu(x, out)", "def relu(x)"),  # the decorator refuses it
    ],
    ids=["syntax", "a name above the kernel", "refused by the decorator"],
)
def test_after_a_cell_that_failed_the_older_kernel_is_not_judged(notebook, student, capsys, broken):
    notebook(CELL)
    with contextlib.suppress(Exception):
        notebook(broken)
    with pytest.raises(Exception, match="relu: the cell with it stopped with an error") as caught:
        notebook('check("relu")')
    assert caught.typename == "CheckFailed"
    notebook(CELL)  # which also checks
    notebook('check("relu")')
    assert capsys.readouterr().out.count("right on all cases") == 3


def test_a_cell_whose_check_failed_has_made_its_kernel(notebook, student):
    notebook(CELL)
    for cell in (CELL.replace("max(x[i], np.float32(0))", "abs(x[i])"), 'check("relu")'):
        with pytest.raises(Exception, match="this is what comes out when the sign is dropped"):
            notebook(cell)


def test_the_saved_module_imports_on_its_own_and_numba_caches_it(notebook, student):
    notebook(CELL)
    program = """
import numpy as np
from llaisys_mini.kernels.sets import student_set
function = student_set().get("relu", "cpu").function
out = np.zeros(2, np.float32)
function(np.float32([-1, 4]), out)
print(out.tolist(), sum(function.stats.cache_hits.values()))
"""
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert runs[1] == "[0.0, 4.0] 1"


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (CELL.replace("import numpy as np\n", ""), "uses np without defining it"),
        (CELL.replace("from numba import njit\n", "").replace("import numpy as np\n", ""), "uses njit, np without"),
        (CELL.replace("def relu(x, out)", "def relu(x)"), r"a kernel takes \(x, out\), but this one takes \(x\)"),
        (CELL.replace('"relu", device="cpu"', '"relu", device="tpu"'), "device 'tpu' is not one of cpu, cuda"),
    ],
)
def test_a_cell_that_cannot_stand_alone_is_refused_and_nothing_is_saved(notebook, student, cell, sentence):
    notebook("import numpy as np\nfrom numba import njit")  # defined in the notebook, but not in the cell
    with pytest.raises(Exception, match=sentence) as caught:
        notebook(cell)
    assert caught.typename == "KernelError"
    assert len(caught.value._render_traceback_()) == 1
    assert list(student.rglob("*.py")) == []


def test_a_cell_that_fails_never_replaces_one_that_works(notebook, student):
    notebook(CELL)
    before = (student / "cpu" / "relu.py").read_text()
    with pytest.raises(Exception, match="without defining"):
        notebook(CELL.replace("range(x.size)", "range(length)"))
    assert (student / "cpu" / "relu.py").read_text() == before
    assert operators.relu(np.float32([-1.0]))[0] == 0


HELPER = """
@njit(cache=True)
def positive(x):
    return max(x, np.float32(0))

@kernel"""
WITH_HELPER = CELL.replace("\n@kernel", HELPER).replace("max(x[i], np.float32(0))", "positive(x[i])")


@pytest.mark.parametrize("magic", ["%%time", "%%timeit -n 1 -r 2", "%%prun -q", "%%capture", "%%time --no-raise-error"])
def test_a_cell_magic_above_the_kernel_changes_nothing(notebook, student, magic):
    """%%time and its kin compile the cell under a name that leads to no source."""
    notebook(f"{magic}\n{WITH_HELPER}")
    saved = (student / "cpu" / "relu.py").read_text()
    assert saved.splitlines()[:17] == WITH_HELPER.splitlines()[:17]
    assert "check(" not in saved
    np.testing.assert_array_equal(operators.relu(np.float32([-2, 3])), [0, 3])


def test_what_exec_is_given_has_no_source_to_save(notebook, student):
    cell = f"%%time\nexec({CELL!r})\n"
    with pytest.raises(Exception, match="put the kernel in a cell of its own") as caught:
        notebook(cell)
    assert caught.typename == "KernelError"
    assert list(student.rglob("*.py")) == []


def test_a_function_of_a_cell_follows_what_it_takes_from_other_cells(notebook, student):
    """Numba would load the former from its cache: the function's own lines are the same."""
    notebook("from numba import njit\nfrom llaisys_mini import kernel\nfactor = 2")
    times = "@njit(cache=True)\ndef times(x):\n    return factor * x\n"
    caller = "@njit(cache=True)\ndef caller(x):\n    return times(x)\n"
    for cell in (times, caller):
        notebook(cell)
    assert notebook("caller(3)") == 6
    notebook("factor = 5")
    for cell in (times, caller):
        notebook(cell)
    assert notebook("caller(3)") == 15


def test_a_folder_that_cannot_be_written_is_named(notebook, student):
    student.write_text("a file, where a folder is needed")
    with pytest.raises(Exception, match=r"cannot be saved as .* set LLAISYS_MINI_STUDENT_DIR") as caught:
        notebook(CELL)
    assert caught.typename == "KernelError"


def test_names_are_found_in_nested_scopes():
    assert undefined_names("import a\ndef f(x):\n    def g():\n        return a + b + x + len(x)\n    return g") == [
        "b"
    ]
    assert undefined_names("def f():\n    global n\n    n = 1\ndef g():\n    return n") == []
    assert undefined_names("class A:\n    y = 2\n    def m(self):\n        return z") == ["z"]
    assert undefined_names("s = [i * k for i in range(3)]") == ["k"]


def test_definitions_keep_their_lines():
    source = '"""doc"""\nx = 1\nprint(\n    x\n)\ndef f():\n    return x\nf()\n'
    kept = keep_definitions(source)
    assert kept == '"""doc"""\nx = 1\n\n\n\ndef f():\n    return x\n'


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('TILE = 16; check("relu")', "TILE = 16; pass"),
        ('check("relu"); TILE = 16', "pass; TILE = 16"),
        ('A = "é"; check("ü"); B = 2; print(B)', 'A = "é"; pass; B = 2; pass'),
        ("check(); print()", "pass; pass"),
        ("A = 1; print(\n    A\n); B = 2", "A = 1; pass; B = 2\n\n"),
    ],
)
def test_a_definition_beside_a_call_is_kept(line, kept):
    assert keep_definitions(f"{line}\nC = 3\n") == f"{kept}\nC = 3\n"


def test_a_script_is_saved_as_a_cell_is(student, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(CELL)
    saved = student / "cpu" / "relu.py"
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "right on all cases" in ran.stdout
    assert saved.read_text().splitlines()[:13] == CELL.splitlines()[:13]
    assert "check(" not in saved.read_text()


def test_the_saved_file_run_as_a_script_stays_as_it_is(student, write_kernel):
    path = write_kernel("relu", CELL)
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    assert "right on all cases" in ran.stdout
    assert path.read_text() == CELL
