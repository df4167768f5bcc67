"""The small chip, and the course's runtime for it as a device of the package."""

import numpy as np
import pytest

from llaisys_mini import Tensor, load_model
from llaisys_mini import operators as ops
from llaisys_mini.devices import use_device
from llaisys_mini.devices.small_chip import Chip, ChipDevice
from llaisys_mini.errors import DeviceError
from llaisys_mini.kernels.sets import solutions_set

Runtime = solutions_set().get("device_runtime", "python").function


def test_a_command_is_done_when_somebody_waits_and_only_what_is_awaited():
    chip, into = Chip(16), np.zeros(2, np.uint8)
    values, other, flag = np.array([1, 2], np.uint8), chip.new_queue(), chip.new_flag()
    chip.put(0, "write", 0, values)
    chip.put(0, "raise", flag)
    chip.put(0, "write", 0, np.array([5, 6], np.uint8))
    chip.put(other, "await", flag)
    chip.put(other, "read", 0, into)
    values[0] = 9
    assert not chip.is_up(flag)
    chip.drain(other)
    assert chip.is_up(flag) and into.tolist() == [9, 2]
    chip.drain(0)
    chip.put(0, "read", 0, into)
    chip.drain(0)
    assert into.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda chip: chip.put(3, "raise", 0), "the chip has no queue 3"),
        (lambda chip: chip.put(0, "raise", 7), "the chip has no flag 7"),
        (lambda chip: chip.put(0, "fetch", 7), "knows no command 'fetch': it knows write, read"),
        (lambda chip: chip.put(0, "write", 7), "write takes 2 arguments, and was given 1"),
        (lambda chip: chip.put(0, "move", 0, 12, 8), "bytes 12 to 20 of a memory of 16 bytes"),
        (lambda chip: chip.put(0, "await", 0), "queue 0 awaits flag 0, and no queue holds a command that raises it"),
    ],
)
def test_what_makes_no_sense_is_refused(use, message):
    chip = Chip(16)
    chip.new_flag()
    with pytest.raises(DeviceError, match=message):
        use(chip)
        chip.drain(0)


def test_queues_that_wait_for_each_other_are_named():
    chip = Chip(16)
    other, first, second = chip.new_queue(), chip.new_flag(), chip.new_flag()
    for queue, awaited, raised in ((0, first, second), (other, second, first)):
        chip.put(queue, "await", awaited)
        chip.put(queue, "raise", raised)
    with pytest.raises(DeviceError, match="queues 0, 1 wait for each other"):
        chip.drain(0)


def test_operators_run_behind_the_runtime():
    x, weight = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32), np.ones(8, np.float32)
    with use_device(ChipDevice(Runtime, size=4096)) as device:
        on_chip = Tensor.from_numpy(x).to("chip")
        result = ops.rms_norm(on_chip, Tensor.from_numpy(weight).to("chip"), 1e-6)
        np.testing.assert_allclose(result.numpy(), ops.rms_norm(x, weight, 1e-6), rtol=1e-5)
        del on_chip, result
        device.allocate(16)
        free, total = device.memory_info()
        assert (free, total) == (4096 - 16, 4096)  # what nothing refers to is free again
        with pytest.raises(DeviceError, match=r"the chip's memory is full: 5000 bytes asked for"):
            device.allocate(5000)


@pytest.mark.slow
def test_the_shipped_model_writes_the_same_text():
    host = load_model("mini")
    ids = host.tokenizer.encode("Once upon a time")
    with use_device(ChipDevice(Runtime)):
        assert list(load_model("mini", device="chip").generate(ids, 4, temperature=0)) == list(
            host.generate(ids, 4, temperature=0)
        )
