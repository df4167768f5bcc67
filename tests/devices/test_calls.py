"""Tensors on "cuda" and operators called with them. Without a device all of it runs on memory the sanitizer watches."""

import ml_dtypes
import numpy as np
import pytest

from llaisys_mini import Tensor, cuda, devices
from llaisys_mini import operators as ops
from llaisys_mini.devices.sanitized import Sanitized
from llaisys_mini.engine.generate import load_model
from llaisys_mini.errors import ContractError, DeviceError
from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.tensor import TensorError


def f32(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def on_cuda(array):
    return Tensor.from_numpy(np.asarray(array)).to("cuda")


def test_there_and_back():
    x = f32(4, 6)
    there = on_cuda(x)
    assert there.device == "cuda"
    assert there.to("cuda") is there
    back = there.numpy()
    np.testing.assert_array_equal(back, x)
    back[:] = 0  # a copy: the tensor keeps its numbers
    np.testing.assert_array_equal(there.to("cpu").numpy(), x)
    np.testing.assert_array_equal(there.slice(0, 1, 3).numpy(), x[1:3])
    np.testing.assert_array_equal(there.permute(1, 0).numpy(), x.T)
    np.testing.assert_array_equal(there.permute(1, 0).contiguous().numpy(), x.T)
    np.testing.assert_array_equal(there.view(2, 12).numpy(), x.reshape(2, 12))
    np.testing.assert_array_equal(there.slice(0, 2, 4).load(f32(2, 6, seed=1)).numpy(), f32(2, 6, seed=1))
    assert "device=cuda" in repr(there)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_float32_is_narrowed_without_leaving_the_device(dtype):
    x = np.array([0, -0.0, 1, -1.00390625, 1.01171875, 3.14159, 1e-7, 6e4, np.inf, -np.inf, np.nan], np.float32)
    narrow = Tensor.empty(x.shape, dtype, "cuda").load(on_cuda(x))
    np.testing.assert_array_equal(narrow.numpy().astype(np.float32), x.astype(dtype).astype(np.float32))


def test_operators_answer_on_the_device_of_their_arguments():
    x, weight = f32(2, 3, 8), f32(8, seed=1)
    result = ops.rms_norm(on_cuda(x), on_cuda(weight), 1e-6)
    assert (type(result), result.device, result.shape) == (Tensor, "cuda", (2, 3, 8))
    np.testing.assert_allclose(result.numpy(), ops.rms_norm(x, weight, 1e-6), rtol=1e-5)
    index, value = ops.argmax(on_cuda(f32(5, 7)))
    np.testing.assert_array_equal(index.numpy(), f32(5, 7).argmax(axis=1))
    assert value.device == "cuda"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_stored_weights_and_slices_reach_the_kernel_as_they_are(dtype):
    weight = f32(6, 8).astype(dtype)
    x = f32(4, 8, seed=1)
    result = ops.linear(on_cuda(x).slice(0, 2, 3), on_cuda(weight).freeze(), None)
    np.testing.assert_allclose(result.numpy(), x[2:3] @ weight.astype(np.float32).T, rtol=1e-5, atol=1e-5)


def test_out_on_the_device():
    x, out = on_cuda(f32(3, 4)), Tensor.empty((3, 4), device="cuda")
    assert ops.relu(x, out=out) is out
    np.testing.assert_array_equal(out.numpy(), np.maximum(f32(3, 4), 0))
    for wrong in (f32(3, 4), Tensor.empty((3, 4)), Tensor.empty((4, 3), device="cuda")):
        with pytest.raises(ContractError, match="relu: out must be"):
            ops.relu(x, out=wrong)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ops.add(on_cuda(f32(3)), f32(3)), r"y lies on cpu, but x on cuda; move it with .to\('cuda'\)"),
        (lambda: ops.add(on_cuda(f32(3)), Tensor.from_numpy(f32(3))), "y lies on cpu, but x on cuda"),
        (lambda: ops.add(Tensor.from_numpy(f32(3)), on_cuda(f32(3))), "y lies on cuda, but x on cpu"),
        (lambda: ops.rms_norm(on_cuda(f32(2, 8)), on_cuda(f32(7)), 1e-6), r"E is 8 in x \(2, 8\) but 7 in weight"),
        (lambda: ops.relu(on_cuda(f32(4, 6)).permute(1, 0)), "not C-contiguous"),
        (lambda: ops.softmax(on_cuda(f32(4).astype(np.float16))), "x must be float32"),
    ],
)
def test_bad_arguments_get_one_clear_sentence(call, sentence):
    for _ in range(2):
        with pytest.raises(ContractError, match=sentence):
            call()


def test_tensors_that_cannot_be_made_or_filled_there():
    with pytest.raises(DeviceError, match="there is no device 'npu'"):
        Tensor.empty((2,), device="npu")
    with pytest.raises(TensorError, match="contiguous to be filled"):
        on_cuda(f32(4, 6)).permute(1, 0).load(f32(6, 4))


def test_memory_that_no_kernel_wrote_is_found_across_calls():
    if cuda.is_available():
        pytest.skip("the device does not watch its memory")

    @cuda.jit
    def half(x, out):
        i = cuda.grid(1)
        if i < out.size // 2:
            out[i] = x[i]

    out = np.empty(8, np.float32)
    reader = np.empty(8, np.float32)

    def launcher(x, out):
        half[1, 32](x, out)
        half[1, 32](out[4:], reader)

    with pytest.raises(Exception, match="uninitialised"):
        Sanitized().launch(launcher, [f32(8)], [out])


def test_generating_on_cuda_without_a_gpu_is_refused_in_one_sentence():
    if cuda.is_available():
        pytest.skip("there is a device")
    with pytest.raises(DeviceError, match=r"^there is no .*device.*--sanitize` writes a few tokens without a GPU$"):
        load_model("mini", device="cuda")


@pytest.mark.slow
def test_the_same_greedy_text_as_on_the_cpu_and_copies_of_little_more_than_an_id():
    cpu = load_model("mini")
    ids = cpu.tokenizer.encode("Once upon a time")
    expected = list(cpu.generate(ids, 12, temperature=0))
    copied = []
    with cuda.sanitized(), pytest.MonkeyPatch.context() as patch:
        device = devices.get("cuda")
        model = load_model("mini", device="cuda")
        tokens = model.generate(ids, 12, temperature=0, engine=(engine := model.engine()))
        written = [next(tokens)]
        upload, download = device.upload, device.download

        def note_upload(values, buffer, offset=0, stream=None):
            copied.append(("to the device", values.nbytes))
            return upload(values, buffer, offset)

        def note_download(buffer, offset, nbytes):
            copied.append(("from the device", nbytes))
            return download(buffer, offset, nbytes)

        patch.setattr(device, "upload", note_upload)
        patch.setattr(device, "download", note_download)
        with observe_calls(lambda operator, arguments, results: copied.append(operator.name)):
            written.append(next(tokens))
        copies = [entry for entry in copied if isinstance(entry, tuple)]
        # The id goes there, and where its row lies; its successor and its logit (is it a number?) come back.
        assert [where for where, _ in copies] == ["to the device"] * 2 + ["from the device"] * 2
        assert sum(size for _, size in copies) < 200
        assert copied.count("linear") > 20
        written += list(tokens)
    assert engine.cache.device == "cuda"
    assert written == expected
