"""Each cause of missing CUDA is named, and the CPU goes on working. The causes are faked one by one."""

import ctypes
import importlib.metadata

import numpy as np
import pytest

from llaisys_mini import operators as ops
from llaisys_mini.course import doctor
from llaisys_mini.cuda import availability
from llaisys_mini.inspect import compile_check


class Driver:
    """Stands in for the driver's library."""

    def __init__(self, initialised=0, version=13000, devices=1):
        self.initialised, self.version, self.devices = initialised, version, devices

    def cuInit(self, flags):
        return self.initialised

    def cuDriverGetVersion(self, place):
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = self.version
        return 0

    def cuDeviceGetCount(self, place):
        ctypes.cast(place, ctypes.POINTER(ctypes.c_int))[0] = self.devices
        return 0


def absent():
    raise OSError("libcuda.so.1: cannot open shared object file")


def without(*packages):
    real = importlib.metadata.version

    def version(name):
        if name in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    return version


def with_driver(driver):
    return lambda patch: patch.setattr(availability, "load_driver", lambda: driver)


CONDITIONS = {
    "no driver": (lambda patch: patch.setattr(availability, "load_driver", absent), "no NVIDIA driver is installed"),
    "no GPU": (with_driver(Driver(100)), "the NVIDIA driver is installed, but it finds no GPU"),
    "no device counted": (with_driver(Driver(devices=0)), "it finds no GPU"),
    "mismatched": (with_driver(Driver(803)), "have different versions; restarting the machine fixes that"),
    "broken": (with_driver(Driver(712)), "the NVIDIA driver is installed, but error 712 of cuInit"),
    "too old": (
        with_driver(Driver(version=12040)),
        "the NVIDIA driver is too old: it is for CUDA 12.4, but the installed packages are for CUDA 13",
    ),
    "no numba-cuda": (
        lambda patch: patch.setattr(importlib.metadata, "version", without("numba-cuda")),
        "numba-cuda is not installed",
    ),
    "no toolkit": (
        lambda patch: patch.setattr(availability, "_can_load", lambda library: library == "nvrtc"),
        "the CUDA toolkit's nvvm, nvJitLink cannot be found",
    ),
    "NumPy too new": (
        lambda patch: (patch.delattr(np, "row_stack"), patch.setattr(np, "__version__", "2.5.2")),
        "numba-cuda cannot compile with NumPy 2.5.2",
    ),
}
COMPILING_NEEDS = ("no numba-cuda", "no toolkit", "NumPy too new")

needs_packages = pytest.mark.skipif(availability.why_no_compiler() is not None, reason="needs numba-cuda itself")


@needs_packages
@pytest.mark.parametrize("name", CONDITIONS)
def test_the_doctor_names_it_and_the_cpu_goes_on_working(name, monkeypatch, capsys):
    fake, words = CONDITIONS[name]
    monkeypatch.setattr(availability, "load_driver", Driver)  # in order, unless the condition says otherwise
    fake(monkeypatch)
    assert words in availability.why_no_device()
    assert "\n" not in availability.why_no_device()
    monkeypatch.setenv("COLUMNS", "400")
    assert doctor.examine() == 0  # a note, not a fault: the course works
    printed = capsys.readouterr().out
    assert words in printed
    assert ("compiled for three GPUs" in printed) == (name not in COMPILING_NEEDS)
    reason = compile_check.unavailable()
    assert words in reason if name in COMPILING_NEEDS else reason is None, reason
    x = np.ones(3, np.float32)
    np.testing.assert_array_equal(ops.add(x, x), 2 * x)


@needs_packages
def test_all_in_order(monkeypatch):
    monkeypatch.setattr(availability, "load_driver", Driver)
    assert availability.why_no_device() is None
    assert availability.driver().state == "for CUDA 13.0, 1 device(s)"


def test_an_older_driver_fits_older_packages(monkeypatch):
    monkeypatch.setattr(availability, "load_driver", lambda: Driver(version=12040))
    monkeypatch.setattr(availability, "toolkit_major", lambda: 12)
    assert availability.driver().problem == ""
    monkeypatch.setattr(availability, "toolkit_major", lambda: 13)
    assert "release 580 or newer" in availability.driver().remedy
    assert "numba-cuda[cu12]" in availability.driver().remedy
