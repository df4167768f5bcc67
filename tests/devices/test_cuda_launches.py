"""Prepared launches: the parameters that they write are those that the compiler's code reads."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.cuda.availability import why_no_compiler
from llaisys_mini.cuda.compiler import _pretended_device, numba_type
from llaisys_mini.devices import use_device
from llaisys_mini.devices.cuda_array import CudaArray
from llaisys_mini.devices.cuda_launches import _FORMATS, Launches, PreparedKernel, _name_of
from llaisys_mini.errors import KernelError
from llaisys_mini.strides import TensorError
from tests.devices.pretended_gpu import PretendedGpu

BUFFER = SimpleNamespace(address=4096, nbytes=1 << 16)


@cuda.jit
def mixed(x, n, scale, nothing, weight, flag, offset, step, out):
    i = cuda.grid(1)
    if i < n and flag and nothing is None:
        out[i] = x[i, 0] * scale + weight[i] + np.float32(offset) + step


def array(offset, shape, dtype):
    return CudaArray(BUFFER, offset, shape, np.dtype(dtype))


ARGUMENTS = (
    array(0, (5, 7), np.float32),
    5,
    np.float32(1.5),
    None,
    array(512, (5,), np.uint16),
    True,
    2.5,
    np.int32(-3),
    array(1024, (5,), np.float32),
)


@pytest.mark.skipif(why_no_compiler() is not None, reason="the CUDA compiler is not installed")
def test_parameters_are_those_of_the_compiled_kernel():
    """PTX declares each parameter with its type; the driver reads as many bytes of it as that has."""
    from numba import cuda as numba_cuda

    with _pretended_device((8, 0)):
        types = tuple(map(numba_type, ARGUMENTS))
        ptx, _ = numba_cuda.compile_ptx(mixed.dispatcher.py_func, types, cc=(8, 0))
    declared = re.findall(r"\.param \.(\w+) ", re.search(r"\.entry \w+\((.*?)\)", ptx, re.S)[1])
    ptx_names = {"q": "u64", "i": "u32", "f": "f32", "d": "f64", "?": "u8"}
    written = []
    for argument in ARGUMENTS:
        if isinstance(argument, CudaArray):
            written += ["u64"] * len(argument.words)
        else:
            written.append("u64" if argument is None else ptx_names[_FORMATS[_name_of(argument)]])
    assert declared == written


def test_what_is_written():
    calls = []
    prepared = PreparedKernel(77, ARGUMENTS)
    assert prepared.run(lambda *a: calls.append(a) or 0, (1, 2, 3), (32, 1, 1), 64, 9, ARGUMENTS) == 0
    assert calls[0][:9] == (77, 1, 2, 3, 32, 1, 1, 64, 9)
    words = np.array(prepared.parameters)
    assert words[:9].tolist() == [0, 0, 35, 4, 4096, 5, 7, 28, 4]
    assert words[9] == 5 and words[10:11].view(np.float32)[0] == 1.5 and words[11] == 0
    assert words[12:19].tolist() == [0, 0, 5, 2, 4096 + 512, 5, 2]
    assert words[19] == 1 and words[20:21].view(np.float64)[0] == 2.5 and words[21:22].view(np.int32)[0] == -3


def test_kernels_run_with_what_was_written():
    with use_device(PretendedGpu()) as gpu:
        x, weight = np.arange(35, dtype=np.float32).reshape(5, 7), np.arange(5, dtype=np.uint16)
        x_there, weight_there, out = gpu.copy_of(x), gpu.copy_of(weight), gpu.new_array(5)
        for scale in (1.5, 2.5):  # the second launch writes over what the first has written
            mixed[1, 32](x_there, 5, np.float32(scale), None, weight_there, True, 2.5, np.int32(-3), out)
            got = gpu.download(out.buffer, out.offset, out.nbytes).view(np.float32)
            np.testing.assert_array_equal(got, x[:, 0] * np.float32(scale) + weight - np.float32(0.5))
        assert gpu.calls == 2 and len(gpu._launches.functions) == 1


def test_configurations():
    with use_device(PretendedGpu()) as gpu:
        out = gpu.new_array(5)
        with pytest.raises(KernelError, match="there are no blocks"):
            mixed[0, 32](out, 5, np.float32(1), None, out, True, 2.5, np.int32(1), out)
        x = gpu.copy_of(np.ones((5, 1), np.float32))
        mixed[(1,), [32]](x, 5, np.float32(1), None, out, False, 2.5, np.int32(1), out)


def test_what_numba_has_to_launch():
    """Arguments of another form, such as tuples or arrays of Numba's own, and kernels for debugging."""
    launches, ours = Launches(lambda *_: 0), array(0, (4,), np.float32)
    assert launches._prepare(mixed, ((1, 2), ours)) is None
    assert launches._prepare(mixed, (np.zeros(3), ours)) is None
    assert launches._prepare(mixed, (np.uint8(3), ours)) is None
    assert launches._prepare(cuda.jit(debug=True, opt=False)(mixed.py_func), (ours,)) is None


def test_arrays():
    x = array(8, (4, 6), np.uint16)
    assert (x.size, x.nbytes, x.ndim, len(x), x.address) == (24, 48, 2, 4, 4104)
    assert x.reshape(2, -1).shape == x.reshape((2, 12)).shape == (2, 12)
    assert x.reshape(x.size).shape == x.ravel().shape == (24,)
    assert x.reshape(3, 8).words.tolist() == [0, 0, 24, 2, 4104, 3, 8, 16, 2]
    for shape in ((5, 5), (-1, 5), (-2, -12)):
        with pytest.raises(TensorError):
            x.reshape(shape)
    assert array(0, (0, 3), np.float32).size == 0
