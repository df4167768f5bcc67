"""`cuda.jit`: one function for Numba and for the sanitizer."""

import subprocess
import sys

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.cuda import grid as thread_of_grid
from llaisys_mini.errors import KernelError
from llaisys_mini.widen import widen


@cuda.jit(device=True)
def doubled(x, i):
    return widen(x[i]) * np.float32(2)


@cuda.jit(device=True)
def doubled_twice(x, i):
    return doubled(x, i) + doubled(x, i)


@cuda.jit(fastmath=True)
def uses_everything(x, out):
    tile = cuda.shared.array(64, np.float32)
    i = thread_of_grid(1)
    tile[cuda.threadIdx.x] = doubled_twice(x, i)
    cuda.syncthreads()
    above = cuda.shfl_down_sync(0xFFFFFFFF, tile[cuda.threadIdx.x], 1)
    if i < out.size:
        out[i] = max(above, np.float32(0))


@pytest.mark.parametrize("stored", ["float32", "uint16", "int16"])
def test_numba_compiles_for_a_device(stored, monkeypatch):
    from types import SimpleNamespace

    numba_cuda = pytest.importorskip("numba.cuda")
    dispatcher = pytest.importorskip("numba.cuda.dispatcher")
    numba = pytest.importorskip("numba")
    pytest.importorskip("cuda.core")
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    arguments = (getattr(numba.types, stored)[::1], numba.types.float32[::1])
    code, _ = numba_cuda.compile_all(
        uses_everything.dispatcher.py_func, arguments, cc=(9, 0), device=False, abi="numba", output="ltoir"
    )
    assert code


def test_a_word_outside_a_kernel_says_so():
    with pytest.raises(KernelError, match=r"cuda\.grid has a meaning only inside a kernel"):
        cuda.grid(1)
    with pytest.raises(KernelError, match="say how many threads"):
        uses_everything(1, 2)
    with pytest.raises(KernelError, match="call it from a kernel"):
        doubled[1, 1]


def test_nothing_is_kept_on_disk():
    @cuda.jit(cache=True, fastmath=True)
    def kernel(x, out):
        out[0] = x[0]

    assert kernel.options == {"fastmath": True}


def test_importing_does_not_import_numba():
    code = "import sys; from llaisys_mini import cuda; sys.exit('numba' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_launches_can_be_recorded_instead_of_run():
    with cuda.recorded_launches() as launches:
        uses_everything[(2, 3), 64, 0, 256]("x", "out")
    (launch,) = launches
    assert (launch.kernel, launch.arguments) == (uses_everything, ("x", "out"))
    assert (launch.grid, launch.block, launch.shared_bytes) == ((2, 3, 1), (64, 1, 1), 256)


@pytest.mark.parametrize("configuration", [4, (1,), (0, 32), (1, 32.0), ((1, 1, 1, 1), 32), (1, 32, 0, -4)])
def test_what_is_no_launch_configuration_is_refused(configuration):
    with cuda.recorded_launches(), pytest.raises(KernelError, match="uses_everything"):
        uses_everything[configuration]
        uses_everything[configuration]("x", "out")
