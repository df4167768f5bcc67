"""A kernel that ends the GPU's context is told in one sentence. A false driver reports the fault."""

import types

import numpy as np
import pytest

from llaisys_mini.devices.cuda import Cuda
from llaisys_mini.errors import DeviceError


class DriverError(Exception):
    """As numba's CudaAPIError: a number and a text."""

    def __init__(self, code):
        super().__init__(code, "UNKNOWN_CUDA_ERROR")
        self.code = code


class Memory:
    """Bytes on a GPU whose driver answers with an error once `code` is set."""

    def __init__(self, driver):
        self.driver = driver

    def copy_to_device(self, source, stream=0):
        self.driver.answer()

    def copy_to_host(self):
        self.driver.answer()
        return np.zeros(4, np.uint8)


class Driver:
    code = 0

    def answer(self):
        if self.code:
            raise DriverError(self.code)


@pytest.fixture
def gpu(monkeypatch):
    driver, device = Driver(), Cuda()
    monkeypatch.setattr(device, "_bytes", lambda buffer, offset, nbytes: Memory(driver))
    monkeypatch.setattr(device._launches, "launch", lambda *_: driver.answer())

    def kernel(name):
        return types.SimpleNamespace(__name__=name)

    return types.SimpleNamespace(driver=driver, device=device, kernel=kernel)


def touch(gpu):
    """Each way to the driver."""
    values = np.zeros(4, np.uint8)
    yield lambda: gpu.device.upload(values, None)
    yield lambda: gpu.device.download(None, 0, 4)
    yield lambda: gpu.device.copy(None, 0, None, 0, 4)
    yield lambda: gpu.device.launcher(gpu.kernel("innocent"), (1, 32))()
    yield lambda: gpu.device.synchronise(types.SimpleNamespace(synchronize=gpu.driver.answer))


def test_a_lost_context_names_the_kernel_launched_last_whoever_asks(gpu):
    gpu.device.launcher(gpu.kernel("scale_rows"), (1, 32))(1, 2)
    gpu.driver.code = 700
    for ask in touch(gpu):
        with pytest.raises(DeviceError) as told:
            ask()
        sentence = "the GPU has stopped: a kernel read or wrote outside of its arrays; scale_rows was launched last. "
        assert str(told.value).startswith(f"{sentence}Restart Python")
        assert 'check(..., device="cuda")' in str(told.value)
        assert "700" not in str(told.value)


def test_before_any_launch_no_kernel_is_blamed(gpu):
    gpu.driver.code = 719
    with pytest.raises(DeviceError, match="a kernel failed, most likely outside of its arrays"):
        gpu.device.download(None, 0, 4)


@pytest.mark.parametrize("code", [1, 201, 999])
def test_other_errors_of_the_driver_stay_what_they_are(gpu, code):
    gpu.driver.code = code
    for ask in touch(gpu):
        with pytest.raises(DriverError):
            ask()
