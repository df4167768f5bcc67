"""Compiled kernels are kept for the next process, for as long as what they are made from stays as it is; and whatever
befalls the files, a kernel computes what it should."""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import numba
import numpy as np
import pytest

from llaisys_mini import paths
from llaisys_mini.kernels import compiled
from llaisys_mini.kernels.loading import import_fresh
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.kernels.sets import StudentSet

TWICE = "from numba import njit\n\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"

_numbers = count()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A file with a function under @njit(cache=True), which is kept in tmp_path/kept."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(compiled, "_said", False)
    compiled.keep_checked()
    path = tmp_path / "twice.py"
    path.write_text(TWICE)
    return path


def kept(source: Path) -> list[Path]:
    return sorted((source.parent / "kept").rglob("*.nbc"))


def imported(source: Path):
    return import_fresh(f"tests_twice_{next(_numbers)}", source).twice


def hits(function) -> int:
    return sum(function.stats.cache_hits.values())


def test_a_function_is_compiled_once(source):
    first = imported(source)
    assert (first(3), first(0.25), hits(first)) == (6, 0.5, 0)
    assert len(kept(source)) == 2
    second = imported(source)
    assert (second(3), second(0.25), hits(second)) == (6, 0.5, 2)


# ---- what it is made from --------------------------------------------------------------------------------------------


def test_a_change_of_the_source_counts(source):
    imported(source)(3)
    source.write_text(TWICE.replace("2 * x", "9 * x"))
    changed = imported(source)
    assert (changed(3), hits(changed)) == (27, 0)
    assert len(kept(source)) == 1  # the former file was replaced


def test_another_version_of_numba_compiles_again(source, monkeypatch):
    imported(source)(3)
    monkeypatch.setattr(numba, "__version__", "0.1")
    other = imported(source)
    assert (other(3), hits(other)) == (6, 0)


HELPER = "from numba import njit\n\n@njit(cache=True)\ndef value(x):\n    return x * {factor}\n"
KERNEL = """
from numba import njit
from llaisys_mini import kernel
from {module} import value

@kernel("relu")
@njit(cache=True)
def relu(x, out):
    for i in range(x.size):
        out[i] = value(x[i])
"""


@pytest.mark.parametrize("chosen", [False, True], ids=["beside the source", "NUMBA_CACHE_DIR"])
@pytest.mark.parametrize("kernel_set", ["KernelSet", "StudentSet"])
def test_a_changed_helper_reaches_the_kernel_that_uses_it(tmp_path, kernel_set, chosen):
    """What Numba misses: helper.py changes, the kernel's file does not, and a new process runs the kernel.

    A learner's kernel cannot import from another kernel, but from any other file.
    """
    folder = tmp_path / "mine" / "cpu"
    folder.mkdir(parents=True)
    beside = kernel_set == "KernelSet"
    (folder / "relu.py").write_text(KERNEL.format(module=".helper" if beside else "helper"))
    program = f"""
import numpy as np
from pathlib import Path
from llaisys_mini.kernels.sets import KernelSet, StudentSet
out = np.zeros(1, np.float32)
{kernel_set}("mine", Path({str(folder.parent)!r})).get("relu", "cpu").function(np.float32([1]), out)
print(out[0])
"""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = os.pathsep.join([str(paths.course_root()), str(tmp_path)])
    if chosen:
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / "kept")
    for factor in ("2", "3"):
        (folder if beside else tmp_path).joinpath("helper.py").write_text(HELPER.format(factor=factor))
        result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert result.stdout.strip() == f"{factor}.0", result.stderr


def test_a_learners_kernel_that_uses_installed_modules_only_is_kept(student, write_kernel):
    write_kernel("relu", KERNEL.replace("from {module} import value\n", "").replace("value(x[i])", "max(x[i], 0)"))
    assert compiled.is_cached(StudentSet("one", student).get("relu", "cpu").function)


# ---- what may befall the files ---------------------------------------------------------------------------------------


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "a byte": lambda content: content[:1],
    "truncated": lambda content: content[: len(content) // 2],
    "zeros at the end": lambda content: content[: len(content) // 2] + bytes(len(content) // 2),
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    "one bit": flip_a_bit,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_replaced(source, damage, capfd):
    imported(source)(3)
    (file,) = kept(source)
    file.write_bytes(damage(file.read_bytes()))
    after = imported(source)
    assert (after(3), hits(after)) == (6, 0)
    healed = imported(source)
    assert (healed(3), hits(healed)) == (6, 1)
    assert capfd.readouterr().err == ""


def test_a_whole_file_that_cannot_be_loaded_is_replaced(source, monkeypatch):
    """Such as one that names a module which is gone."""
    imported(source)(3)

    def fail(*_):
        raise ModuleNotFoundError("No module named 'gone'")

    with monkeypatch.context() as patch:
        patch.setattr(compiled.pickle, "loads", fail)
        after = imported(source)
        assert (after(3), hits(after)) == (6, 0)
    healed = imported(source)
    assert (healed(3), hits(healed)) == (6, 1)


def test_a_full_disk_costs_one_sentence_and_leaves_no_parts(source):
    """A limit on the size of files stands in for the disk: as there, some bytes are written before it fails."""
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "from llaisys_mini.kernels import compiled; compiled.keep_checked(); from twice import twice\n"
        "print(twice(3), twice(0.25))"
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(source.parent / "kept"),
        "PYTHONPATH": str(paths.course_root()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env=environment, cwd=source.parent, capture_output=True, text=True)
    assert ran.stdout == "6 0.5\n"
    assert ran.stderr.count("\n") == 1
    assert "compiled kernels are not kept" in ran.stderr
    assert "File too large" in ran.stderr
    assert [path for path in (source.parent / "kept").rglob("*") if path.is_file()] == []


def in_a_process(source: Path, **environment: str) -> subprocess.CompletedProcess:
    program = (
        "from llaisys_mini.kernels import compiled; compiled.keep_checked(); from twice import twice; "
        "print(twice(3), sum(twice.stats.cache_hits.values()), compiled.place(twice))"
    )
    environment = os.environ | {"PYTHONPATH": str(paths.course_root()), "NUMBA_CACHE_DIR": ""} | environment
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, cwd=source.parent, capture_output=True, text=True)


@pytest.fixture
def shut(source):
    """A source beside which nothing can be kept; its value is a path that cannot become a folder, even for root."""
    (source.parent / "__pycache__").write_text("")
    file = source.parent / "a file"
    file.write_text("")
    return file / "folder"


def test_without_a_folder_of_its_own_temporary_files_hold_it(source, shut, tmp_path):
    """A read-only checkout, and a user without a home: what containers run as."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for hit in ("0", "1"):
        ran = in_a_process(source, HOME=str(shut), XDG_CACHE_HOME="", TMPDIR=str(temporary))
        assert ran.stderr == ""
        answer, hits, place = ran.stdout.split(maxsplit=2)
        assert (answer, hits) == ("6", hit)
    assert Path(place.strip()).parent == temporary / f"llaisys_mini-{os.getuid()}"
    assert (temporary / f"llaisys_mini-{os.getuid()}").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_to_is_not_trusted(source, shut, tmp_path):
    (tmp_path / f"llaisys_mini-{os.getuid()}").mkdir()
    (tmp_path / f"llaisys_mini-{os.getuid()}").chmod(0o777)
    ran = in_a_process(source, HOME=str(shut), XDG_CACHE_HOME="", TMPDIR=str(tmp_path))
    assert ran.stdout.split() == ["6", "0", "None"]
    assert ran.stderr.count("\n") == 1
    assert "belongs to someone else" in ran.stderr


def test_a_chosen_folder_that_cannot_be_written_is_passed_over(source, shut):
    (source.parent / "__pycache__").unlink()
    ran = in_a_process(source, NUMBA_CACHE_DIR=str(shut))
    assert ran.stderr == ""
    assert Path(ran.stdout.split(maxsplit=2)[2].strip()) == source.parent / "__pycache__"


def test_a_function_without_a_source_file_is_compiled(source, capfd):
    for text in (TWICE, TWICE.replace("def twice", "def other")):
        names: dict = {}
        exec(text, names)
        function = names.get("twice") or names["other"]
        assert function(3) == 6
        assert not compiled.is_cached(function)
    assert kept(source) == []
    assert capfd.readouterr().err == ""


def test_ufuncs_are_kept_in_the_same_way(source):
    source.write_text(
        "import numba\n\n@numba.vectorize(['float64(float64)'], cache=True)\ndef twice(x):\n    return 2 * x\n"
    )
    assert imported(source)(3) == 6
    (file,) = kept(source)
    file.write_bytes(b"")
    assert imported(source)(3) == 6
    assert kept(source)[0].stat().st_size


def test_nothing_is_kept_where_the_runtime_says_so(source):
    """Not even a function that is made in the course of a call."""
    source.write_text(
        "from numba import njit\n\ndef twice(x):\n    @njit(cache=True)\n    def inner(x):\n        return 2 * x\n"
        "    return inner(x)\n"
    )
    with Runtime(keeps_compiled=False).in_force():
        assert imported(source)(3) == 6
    assert kept(source) == []
    assert imported(source)(3) == 6
    assert len(kept(source)) == 1


def test_processes_that_compile_at_once_do_not_mix_up_their_machine_code(source):
    program = (
        "import sys; from llaisys_mini.kernels import compiled; compiled.keep_checked(); from twice import twice\n"
        "print(*(twice(eval(value)) for value in sys.argv[1:]), sum(twice.stats.cache_hits.values()))"
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(source.parent / "kept"),
        "PYTHONPATH": str(paths.course_root()),
    }

    def start(*values):
        command = [sys.executable, "-c", program, *values]
        return subprocess.Popen(command, env=environment, cwd=source.parent, stdout=subprocess.PIPE, text=True)

    for process in [start("3"), start("0.25"), start("3")]:
        assert process.wait(60) == 0
    assert start("3", "0.25").communicate()[0].split() == ["6", "0.5", "2"]


@pytest.mark.slow
def test_a_kernel_compiled_around_a_cached_parallel_function_runs_again(tmp_path):
    """Without `keep_parallel_helpers_within` the third process dies of a segmentation fault."""
    program = (
        "import sys, numpy as np; from llaisys_mini import operators\n"
        "x, weight, bias = (np.ones(shape, np.float32) for shape in ((4, 8), (3, 8), 3))\n"
        "print(operators.linear(x, weight, bias if sys.argv[1] == 'bias' else None)[0, 0])"
    )
    for bias, expected in (("none", "8.0"), ("bias", "9.0"), ("bias", "9.0"), ("none", "8.0")):
        answer = subprocess.run(
            [sys.executable, "-c", program, bias],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            cwd=paths.course_root(),
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr[-2000:]
        assert answer.stdout.strip() == expected
