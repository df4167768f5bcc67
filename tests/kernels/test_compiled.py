"""Compiled kernels are dropped exactly when a file that they may be made from has changed."""

import os
import subprocess
import sys

import pytest

from llaisys_mini import paths
from llaisys_mini.kernels.compiled import drop_if_stale


def test_dropped_when_a_source_changes_and_only_then(tmp_path):
    helper = tmp_path / "helper.py"
    helper.write_text("x = 1")
    assert not drop_if_stale(tmp_path, [helper])
    compiled = tmp_path / "__pycache__" / "kernel-1.nbi"
    compiled.write_text("")
    assert not drop_if_stale(tmp_path, [helper])
    assert compiled.exists()
    helper.write_text("x = 22")
    assert drop_if_stale(tmp_path, [helper])
    assert not compiled.exists()
    assert not drop_if_stale(tmp_path, [helper])


def test_a_changed_helper_reaches_the_kernel_that_uses_it(tmp_path):
    """The case that Numba misses: helper.py changes, kernel.py does not, and a new process runs the kernel."""
    folder = tmp_path / "solutions" / "cpu"
    folder.mkdir(parents=True)
    helper = "from numba import njit\n\n@njit(cache=True)\ndef value(x):\n    return x * {factor}\n"
    (folder / "relu.py").write_text(
        "from numba import njit\nfrom llaisys_mini import kernel\nfrom .helper import value\n\n"
        "@kernel('relu')\n@njit(cache=True)\ndef relu(x, out):\n"
        "    for i in range(x.size):\n        out[i] = value(x[i])\n"
    )
    program = f"""
import numpy as np
from pathlib import Path
from llaisys_mini.kernels.sets import KernelSet
out = np.zeros(1, np.float32)
KernelSet("mine", Path({str(folder.parent)!r})).get("relu", "cpu").function(np.float32([1]), out)
print(out[0])
"""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    for factor in ("2", "3"):
        (folder / "helper.py").write_text(helper.format(factor=factor))
        result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert result.stdout.strip() == f"{factor}.0", result.stderr


def test_two_processes_that_compile_at_once_do_not_mix_up_their_machine_code(tmp_path):
    """Numba alone: `real` writes its index first and its code last, so that the index of `whole` leads to that code."""
    (tmp_path / "shared.py").write_text(
        "from numba import njit\n\n@njit(cache=True)\ndef double(x):\n    return 2 * x\n"
    )
    program = """
import sys, time
from numba.core.caching import IndexDataCacheFile
from llaisys_mini.kernels.compiled import one_process_writes_at_a_time
from shared import double
def slower(write, seconds):
    return lambda *arguments: time.sleep(float(seconds)) or write(*arguments)

if sys.argv[1] != "both":
    IndexDataCacheFile._save_index = slower(IndexDataCacheFile._save_index, sys.argv[2])
    IndexDataCacheFile._save_data = slower(IndexDataCacheFile._save_data, sys.argv[3])
    one_process_writes_at_a_time()
    double(3 if sys.argv[1] == "whole" else 0.25)
else:
    print(double(3), double(0.25), sum(double.stats.cache_hits.values()))
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "compiled"), "PYTHONPATH": str(paths.course_root())}

    def start(*arguments):
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    for process in [start("whole", "1", "0"), start("real", "0.5", "1.5")]:
        assert process.wait(60) == 0
    assert start("both").communicate()[0].split() == ["6", "0.5", "2"]


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
