"""The face of every device: memory, copies, streams, events; which device a name means; the pool of GPU buffers."""

import gc
import inspect
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from llaisys_mini import Tensor, cuda, devices
from llaisys_mini.devices import HOST, Device, get, require, use_device
from llaisys_mini.devices.cuda import Cuda, why_no_device
from llaisys_mini.devices.host import Host
from llaisys_mini.devices.opaque import HostComputation
from llaisys_mini.devices.sanitized import Sanitized
from llaisys_mini.errors import DeviceError, KernelError

without_gpu = pytest.mark.skipif(cuda.is_available(), reason="this machine has a CUDA device")
with_gpu = pytest.mark.skipif(not cuda.is_available(), reason="no CUDA device here")


def test_names():
    assert get("cpu") is HOST
    assert get("cuda").name == get("cuda").kernels == "cuda"
    with pytest.raises(DeviceError, match="there is no device 'npu': choose 'cpu' or 'cuda'"):
        get("npu")


@without_gpu
def test_without_a_gpu_the_sanitizer_answers_but_runs_a_model_only_when_asked_to():
    assert isinstance(get("cuda"), Sanitized)
    assert why_no_device()
    with pytest.raises(DeviceError, match="--sanitize` writes a few tokens without a GPU"):
        require("cuda")
    with cuda.sanitized():
        assert isinstance(require("cuda"), Sanitized)
    with pytest.raises(DeviceError):
        require("cuda")


def test_another_thread_does_not_see_a_chosen_device():
    seen = []
    mine = Sanitized()
    with use_device(mine):
        thread = threading.Thread(target=lambda: seen.append(get("cuda")))
        thread.start()
        thread.join()
        assert get("cuda") is mine
    assert seen[0] is not mine


def copies_there_and_back(device: Device):
    numbers = np.random.default_rng(0).normal(size=250).astype(np.float32)
    first, second = device.allocate(1008), device.allocate(1000)
    stream, start, end = device.stream(), device.event(), device.event()
    start.record(stream)
    device.upload(numbers, first, 8)
    device.synchronise()
    device.copy(first, 8, second, 0, 1000, stream)
    end.record(stream)
    end.synchronise()
    device.synchronise(stream)
    back = device.download(second, 400, 600)
    np.testing.assert_array_equal(back.view(np.float32), numbers[100:])
    back[:] = 0  # a copy
    np.testing.assert_array_equal(device.download(second, 0, 1000).view(np.float32), numbers)
    assert end.milliseconds_since(start) >= 0
    free, total = device.memory_info()
    assert 0 < free <= total


@pytest.mark.parametrize("make", [Host, Sanitized])
def test_copies_in_ordinary_memory(make):
    copies_there_and_back(make())
    with pytest.raises(DeviceError, match="11 bytes to copy, from byte 0 of 20 to byte 0 of 10"):
        make().copy(np.zeros(20, np.uint8), 0, np.zeros(10, np.uint8), 0, 11)


@with_gpu
def test_copies_on_a_gpu():
    copies_there_and_back(get("cuda"))
    from llaisys_mini.devices.cuda import select

    with pytest.raises(DeviceError, match="there is no CUDA device 99"):
        select(99)


@pytest.mark.parametrize("make", [Host, Sanitized, Cuda])
def test_devices_have_one_face(make):
    for name, method in inspect.getmembers(Device, inspect.isfunction):
        found = inspect.signature(getattr(make, name)).parameters
        assert list(found) == list(inspect.signature(method).parameters), name
    assert {name for name, _ in inspect.getmembers(make, callable) if not name.startswith("_")} - {
        name for name, _ in inspect.getmembers(Device, callable)
    } <= {"release_unused"}


@without_gpu
def test_arrays_outside_of_a_launcher_are_the_sanitizers():
    numbers = np.arange(6).reshape(2, 3)
    copied = cuda.to_device(numbers)
    assert copied is not numbers and np.array_equal(copied, numbers)
    assert np.isnan(cuda.device_array((2, 3))).all()


def test_a_cuda_kernel_does_not_run_on_the_host():
    @cuda.jit
    def fill(out):
        out[cuda.grid(1)] = 1

    from llaisys_mini.cuda.launching import launching

    token = launching.set(HOST)
    try:
        with pytest.raises(KernelError, match=r"fill: a kernel under @cuda\.jit runs on 'cuda', not on 'cpu'"):
            fill[1, 4](np.zeros(4, np.float32))
    finally:
        launching.reset(token)


def test_opaque_arrays_can_be_handed_on_but_not_looked_at():
    device = Sanitized(opaque=True)
    array = device.array(device.allocate(24), 0, (2, 3), np.dtype(np.float32))
    assert array.reshape(-1)[2:].shape == (4,)
    array[:] = 0.0
    assert len(array) == 2 and array.T.shape == (3, 2) and array.view(np.int32).dtype == np.int32
    looks = {
        "element": lambda: array[0, 0],
        "arithmetic": lambda: array + 1,
        "float": lambda: float(array[:1, :1]),
        "sum": lambda: np.sum(array),
        "in a list": lambda: np.float64([array[0]]),
        "in a tuple": lambda: np.float32((array[0], array[1])),
        "scalar type": lambda: np.float32(array),
        "array": lambda: np.array([[array]]),
        "asarray": lambda: np.asarray(array),
        "power": lambda: np.e**array,
        "max": lambda: max(array[0]),
        "sorted": lambda: sorted([array[0], array[1]]),
        "compare": lambda: array == 0,
        "truth": lambda: bool(array[:1, :1]),
        "mask": lambda: array[np.array([True, False])],
        "object view": lambda: array.view("O"),
        "fill from array": lambda: array.__setitem__(slice(None), np.ones(3)),
    }
    for how, look in looks.items():
        with pytest.raises(HostComputation):
            print(how, look())


# ---- the pool of a GPU's buffers, with the driver faked --------------------------------------------------------------


@pytest.fixture
def pool(monkeypatch):
    """A GPU whose driver only notes how many bytes it was asked for, and that list."""
    asked = []
    device = Cuda()
    monkeypatch.setattr(device, "_from_driver", lambda size: asked.append(size) or SimpleNamespace(device_pointer=0))
    yield device, asked
    gc.collect()


def test_a_freed_buffer_serves_the_next_of_its_size(pool):
    device, asked = pool
    first = device.allocate(1000)
    pointer = first.pointer
    assert device.allocate(1000).pointer is not pointer  # in use
    assert asked == [1024, 1024]
    del first
    assert device.allocate(900).pointer in (pointer, *device._free[1024])
    assert device.allocate(2000).nbytes == 2000
    assert asked == [1024, 1024, 2048]


def test_what_is_not_used_goes_back_to_the_driver(pool):
    device, asked = pool
    device.allocate(100)
    device.release_unused()
    device.allocate(100)
    assert asked == [512, 512]


def test_a_storage_holds_its_device():
    assert Tensor.empty((2,)).storage.device is HOST
    with cuda.sanitized():
        there = Tensor.empty((2,), device="cuda")
        assert there.storage.device is devices.get("cuda")
        assert there.device == "cuda"
