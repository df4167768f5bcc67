"""The runtime: what "cuda" means on this machine, and memory, streams and events without a device."""

import inspect

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.cuda import runtime
from llaisys_mini.cuda.backend import Backend, Copy, CudaBackend, HostBackend
from llaisys_mini.errors import DeviceError

without_device = pytest.mark.skipif(cuda.is_available(), reason="this machine has a CUDA device")
with_device = pytest.mark.skipif(not cuda.is_available(), reason="no CUDA device here")


@without_device
def test_without_a_device_the_sanitizer_answers():
    assert runtime.target() == runtime.SANITIZER
    assert runtime.backend().name == "host"
    assert runtime.why_no_device()
    with pytest.raises(DeviceError, match="CUDA device"):
        runtime.device_backend()


def test_the_sanitizer_can_be_asked_for():
    with cuda.sanitized():
        assert runtime.target() == runtime.SANITIZER
        assert runtime.is_sanitizing()
    assert not runtime.is_sanitizing()


def copies_there_and_back(backend):
    numbers = np.random.default_rng(0).integers(0, 255, 1000).astype(np.uint8)
    first, second = backend.malloc_device(1000), backend.malloc_device(1000)
    back = backend.malloc_host(1000)
    stream, start, end = backend.create_stream(), backend.create_event(), backend.create_event()
    backend.record_event(start, stream)
    backend.memcpy(first, numbers, 1000, Copy.HOST_TO_DEVICE)
    backend.memcpy_async(second, first, 1000, Copy.DEVICE_TO_DEVICE, stream)
    backend.memcpy_async(back, second, 1000, Copy.DEVICE_TO_HOST, stream)
    backend.record_event(end, stream)
    backend.synchronize_event(end)
    backend.synchronize_stream(stream)
    np.testing.assert_array_equal(back, numbers)
    assert backend.elapsed_milliseconds(start, end) >= 0
    free, total = backend.memory_info()
    assert 0 < free <= total
    backend.free_device(first)
    backend.free_device(second)
    with pytest.raises(DeviceError, match="there is no CUDA device 99"):
        backend.set_device(99)


def test_copies_on_the_host():
    copies_there_and_back(HostBackend())
    with pytest.raises(DeviceError, match="11 bytes to copy host to host"):
        HostBackend().memcpy(np.zeros(10, np.uint8), np.zeros(20, np.uint8), 11, Copy.HOST_TO_HOST)


@with_device
def test_copies_on_a_device():
    copies_there_and_back(runtime.device_backend())


@pytest.mark.parametrize("kind", [CudaBackend, HostBackend])
def test_backends_have_the_same_methods(kind):
    for name, method in inspect.getmembers(Backend, inspect.isfunction):
        assert list(inspect.signature(getattr(kind, name)).parameters) == list(inspect.signature(method).parameters)


@without_device
def test_arrays_without_a_device():
    numbers = np.arange(6).reshape(2, 3)
    copied = cuda.to_device(numbers)
    assert copied is not numbers and np.array_equal(copied, numbers)
    assert np.isnan(cuda.device_array((2, 3))).all()
