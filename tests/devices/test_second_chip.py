"""Another chip joins with one module: toy_chip.py. Operators, cache and the whole decoder run on it unchanged."""

import numpy as np
import pytest

from llaisys_mini import Tensor, check, devices, load_model
from llaisys_mini import operators as ops
from llaisys_mini.devices import use_device
from llaisys_mini.errors import CheckFailed, ContractError, DeviceError, KernelError
from llaisys_mini.kernels import decorator, registry, sets
from llaisys_mini.kernels.runtime import Runtime, observe_calls

from .toy_chip import ChipArray, OutOfReach, ToyChip


@pytest.fixture
def chip():
    with use_device(ToyChip()) as chip:
        yield chip


def f32(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_operators_run_on_it_and_nothing_crosses_but_what_is_copied(chip):
    x, weight = Tensor.from_numpy(f32(2, 3, 8)).to("toy"), Tensor.from_numpy(f32(8, seed=1)).to("toy")
    assert chip.up == [2 * 3 * 8 * 4, 8 * 4]
    result = ops.rms_norm(x, weight, 1e-6)
    assert (result.device, result.shape, chip.down) == ("toy", (2, 3, 8), [])
    np.testing.assert_allclose(result.numpy(), ops.rms_norm(f32(2, 3, 8), f32(8, seed=1), 1e-6), rtol=1e-5)
    assert (chip.up, chip.down, chip.launches) == ([192, 32], [192], 1)


def test_the_host_cannot_look_at_its_memory(chip):
    x = Tensor.from_numpy(f32(4)).to("toy")
    array = x.for_kernel()
    assert isinstance(array, ChipArray)
    for look in (lambda: np.asarray(array), lambda: array[0], lambda: array + 1, lambda: x.storage.data[0], array.open):
        with pytest.raises(OutOfReach):
            look()


def test_16_bit_storage_slices_and_errors_are_those_of_every_device(chip):
    x = Tensor.from_numpy(f32(6, 4)).to("toy")
    narrow = Tensor.empty((6, 4), "bfloat16", "toy").load(x)
    assert chip.down == []
    np.testing.assert_allclose(narrow.numpy().astype(np.float32), f32(6, 4), rtol=1e-2)
    np.testing.assert_array_equal(x.slice(0, 1, 3).numpy(), f32(6, 4)[1:3])
    with pytest.raises(ContractError, match=r"y lies on cpu, but x on toy; move it with \.to\('toy'\)"):
        ops.add(x, f32(6, 4))


def test_outside_of_its_context_the_name_is_unknown():
    with pytest.raises(DeviceError, match="there is no device 'toy'"):
        Tensor.empty((2,), device="toy")


def test_one_that_joined_for_good_is_found_and_named_like_the_others(monkeypatch):
    made = ToyChip()
    monkeypatch.setitem(devices._OF_THIS_MACHINE, "toy", lambda: made)
    x = Tensor.from_numpy(f32(4)).to("toy")
    np.testing.assert_array_equal(ops.add(x, x).numpy(), 2 * f32(4))
    assert made.launches == 1
    with pytest.raises(DeviceError, match="choose 'cpu' or 'cuda' or 'toy'"):
        devices.get("tpu")


SUM = """
from llaisys_mini import cuda, kernel

@cuda.jit
def run(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] + y[i]

@kernel("add", device="toy")
def add(x, y, out):
    run[(out.size + 31) // 32, 32](x, y, out)
"""


def test_kernels_of_its_own_are_checked_on_it(monkeypatch, tmp_path, capsys):
    class OwnKernels(ToyChip):
        kernels = "toy"

    for module in (registry, sets, decorator):
        monkeypatch.setattr(module, "DEVICES", ("cpu", "cuda", "toy"))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "add.py").write_text(SUM)
    with use_device(OwnKernels()) as chip, Runtime(student=tmp_path).in_force():
        check("add", device="toy")
        assert chip.launches > 0
        assert "right on all cases" in (said := capsys.readouterr().out)
        assert "sanitizer" not in said
        (tmp_path / "toy" / "add.py").write_text(SUM.replace("x[i] + y[i]", "x[i] - y[i]"))
        with pytest.raises(CheckFailed, match="add is wrong"):
            check("add", device="toy")


def test_a_chip_that_nobody_writes_kernels_for_is_named():
    with pytest.raises(KernelError, match="add: kernels are written for cpu and cuda, not for 'toy'"):
        check("add", device="toy")


@pytest.mark.slow
def test_the_shipped_model_speaks_the_same_text_and_only_ids_and_logits_cross(chip):
    host = load_model("mini")
    ids = host.tokenizer.encode("Once upon a time")
    expected = list(host.generate(ids, 8, temperature=0))
    model = load_model("mini", device="toy")
    assert not chip.down  # loading only brings weights up
    tokens = model.generate(ids, 8, temperature=0)
    written = [next(tokens)]
    chip.up.clear()
    chip.down.clear()
    calls = []
    with observe_calls(lambda operator, arguments, results: calls.append(operator.name)):
        written += list(tokens)
    assert written == expected
    steps = len(expected) - 1
    assert chip.up == [8] * steps  # one id, int64
    assert chip.down == [8, 4] * steps  # the id of the largest logit, and the logit, float32
    assert calls.count("linear") > 20 * steps
    chip.down.clear()
    list(model.generate(ids, 2, temperature=0.7, seed=1))
    assert chip.down == [4 * model.config.vocab_size] * 2  # to draw, all logits are needed
