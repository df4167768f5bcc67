"""The CUDA kernels of the lectures compile for a GPU, with the arguments that the lectures give them."""

import linecache
import os

import pytest

from llaisys_mini import cuda
from llaisys_mini.cuda.jit import RecordedLaunch
from llaisys_mini.inspect import compile_check
from notebooks.source import build

WITH_KERNELS = [source for source in build.lectures() if "@cuda.jit" in source.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.skipif(compile_check.unavailable() is not None, reason="the compiler is not installed")
@pytest.mark.parametrize("source", WITH_KERNELS, ids=lambda source: source.stem)
def test_the_kernels_of_a_lecture_compile(source, monkeypatch):
    from llaisys_mini.cuda.compiler import compile_for, numba_type

    launches = {}
    real = cuda.CudaKernel.__getitem__

    def noted(kernel, configuration):
        def launch(*arguments):
            types = tuple(str(numba_type(argument)) for argument in arguments)
            launches[kernel.__name__, types] = RecordedLaunch.of(kernel, configuration, arguments)
            return real(kernel, configuration)(*arguments)

        return launch

    monkeypatch.setattr(cuda.CudaKernel, "__getitem__", noted)
    monkeypatch.chdir(build.FOLDER)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    text = source.read_text(encoding="utf-8")
    linecache.cache[str(source)] = (len(text), None, text.splitlines(keepends=True), str(source))
    exec(compile(text, str(source), "exec"), {"__name__": "lecture"})
    names = {name for name, _ in launches}
    assert len(names) >= 2
    for launch in launches.values():
        compile_for(launch.kernel, launch.arguments, "sm_80")
