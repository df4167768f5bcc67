"""The pool of device buffers, with the driver faked: what was let go of is given out again, sizes rounded up."""

import gc

import pytest

from llaisys_mini.cuda import memory, runtime


@pytest.fixture
def driver(monkeypatch):
    """Sizes asked from the driver."""
    asked = []
    monkeypatch.setattr(runtime, "target", lambda: runtime.DEVICE)
    monkeypatch.setattr(memory, "_from_driver", lambda size: asked.append(size) or object())
    memory.release_unused()
    yield asked
    gc.collect()
    memory.release_unused()


def test_a_freed_buffer_serves_the_next_of_its_size(driver):
    first = memory.allocate(1000)
    pointer = first.pointer
    assert memory.allocate(1000).pointer is not pointer  # in use
    assert driver == [1024, 1024]
    del first
    assert memory.allocate(900).pointer in (pointer, *memory._free[1024])
    assert memory.allocate(2000).nbytes == 2000
    assert driver == [1024, 1024, 2048]


def test_what_nobody_uses_goes_back_to_the_driver(driver):
    memory.allocate(100)
    memory.release_unused()
    memory.allocate(100)
    assert driver == [512, 512]


def test_without_a_device_a_buffer_is_ordinary_memory():
    if runtime.is_available():
        pytest.skip("there is a device")
    assert memory.allocate(10).nbytes == 10
