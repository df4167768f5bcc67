"""Calling operators: argument errors in one sentence, outputs, Tensors, storage dtypes, leading dimensions."""

import ml_dtypes
import numpy as np
import pytest

from llaisys_mini import Tensor
from llaisys_mini import operators as ops
from llaisys_mini.errors import ContractError
from llaisys_mini.kernels.runtime import observe_calls


def f32(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


IDS = np.array([0, 1])

BAD_CALLS = {
    "shape": (lambda: ops.rms_norm(f32(2, 8), f32(7), 1e-6), r"rms_norm: E is 8 in x \(2, 8\) but 7 in weight \(7,\)"),
    "inner": (lambda: ops.matmul(f32(2, 3), f32(4, 5)), r"matmul: K is 3 in a \(2, 3\) but 4 in b \(4, 5\)"),
    "leading": (lambda: ops.add(f32(2, 3), f32(3, 2)), "leading dimensions of y"),
    "dimensions": (lambda: ops.linear(f32(8), f32(4, 8)), r"x must have the dimensions \[N, K\], not \(8,\)"),
    "dtype": (lambda: ops.softmax(np.zeros((2, 3))), r"x must be float32 \[\.\.\., C\], not float64"),
    "ids dtype": (lambda: ops.embedding(IDS.astype(np.int32), f32(4, 3)), r"ids must be int64"),
    "storage": (lambda: ops.linear(f32(1, 4), f32(3, 4).astype(np.float64)), "float32 or float16 or bfloat16"),
    "mixed storage": (
        lambda: ops.linear(f32(1, 4), f32(3, 4).astype(np.float16), f32(3).astype(ml_dtypes.bfloat16)),
        "bias is bfloat16 but another is float16",
    ),
    "contiguous": (lambda: ops.relu(f32(4, 6).T), "not C-contiguous"),
    "contiguous Tensor": (lambda: ops.relu(Tensor.from_numpy(f32(4, 6)).permute(1, 0)), "not C-contiguous"),
    "heads": (
        lambda: ops.attention(f32(1, 5, 4), f32(3, 2, 4), f32(3, 2, 4), 0.5),
        "H is 5 query heads, not a multiple of K, 2 key/value heads",
    ),
    "too many queries": (lambda: ops.attention(f32(4, 2, 4), f32(3, 2, 4), f32(3, 2, 4), 0.5), "L is 4 queries"),
    "odd width": (lambda: ops.rope(f32(2, 1, 5), IDS, 1e4), "head width must be even"),
    "frequencies": (lambda: ops.rope_scaled(f32(2, 1, 6), IDS, f32(2), 1.0), "each pair needs one"),
    "ids too large": (lambda: ops.embedding(np.array([0, 4]), f32(4, 3)), r"ids must lie in 0\.\.3.* 0 to 4"),
    "ids negative": (lambda: ops.embedding(np.array([-1]), f32(4, 3)), r"ids must lie in 0\.\.3"),
    "targets": (lambda: ops.cross_entropy(f32(2, 3), np.array([0, 3])), r"targets must lie in 0\.\.2"),
    "window": (lambda: ops.sliding_attention(f32(1, 2, 4), f32(3, 2, 4), f32(3, 2, 4), 0.5, 0), "window must be"),
    "whole number": (
        lambda: ops.sliding_attention(f32(1, 2, 4), f32(3, 2, 4), f32(3, 2, 4), 0.5, 2.0),
        r"window must be a whole number, not float 2\.0",
    ),
    "empty": (lambda: ops.softmax(f32(0, 3)), r"x \(0, 3\) is empty"),
    "not an array": (lambda: ops.relu([1.0, 2.0]), "x must be an array or Tensor"),
    "not a number": (lambda: ops.rms_norm(f32(2, 8), f32(8), "small"), "eps must be a number"),
    "missing": (lambda: ops.rms_norm(f32(2, 8)), r"rms_norm takes \(x, weight, eps\), each once"),
    "unknown": (lambda: ops.relu(f32(2), slope=0.1), r"relu takes \(x\), each once"),
    "twice": (lambda: ops.relu(f32(2), x=f32(2)), "each once"),
    "out shape": (lambda: ops.relu(f32(2, 3), out=f32(3, 2)), r"out must be float32 \(2, 3\), not float32 \(3, 2\)"),
    "out dtype": (lambda: ops.relu(f32(2), out=np.zeros(2)), r"out must be float32 \(2,\), not float64"),
    "out is input": (lambda: ops.softmax(X := f32(2, 3), out=X), "out is also an input"),
    "out count": (lambda: ops.argmax(f32(2, 3), out=f32(2)), r"out needs 2 arrays \(index, value\)"),
    "out strided": (lambda: ops.relu(f32(2, 3), out=f32(3, 2).T), "must be C-contiguous"),
}


@pytest.mark.parametrize(("call", "sentence"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_arguments_get_one_clear_sentence(call, sentence):
    for _ in range(2):  # the second call must not slip through what the first one remembered
        with pytest.raises(ContractError, match=sentence) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_leading_dimensions_are_merged_for_the_kernel_and_restored():
    x = f32(2, 3, 5, 7)
    np.testing.assert_allclose(ops.softmax(x), ops.softmax.reference(x.astype(float)), rtol=1e-5)
    index, value = ops.argmax(x)
    assert index.shape == value.shape == (2, 3, 5)
    index, value = ops.argmax(x[0, 0, 0])
    assert index.shape == ()
    assert value == x[0, 0, 0].max()


def test_named_arguments_and_defaults():
    x, weight, bias = f32(2, 8), f32(3, 8), f32(3)
    np.testing.assert_array_equal(ops.linear(weight=weight, x=x, bias=bias), ops.linear(x, weight, bias))
    np.testing.assert_array_equal(ops.linear(x, weight), ops.linear(x, weight, None))


def test_out_is_filled_and_returned():
    x, out = f32(3, 4), np.zeros((3, 4), np.float32)
    assert ops.relu(x, out=out) is out
    np.testing.assert_array_equal(out, np.maximum(x, 0))
    assert ops.add(x, x, out=x) is x  # elementwise operators may write over an input
    pair = np.zeros((3,), np.int64), np.zeros((3,), np.float32)
    assert ops.argmax(x, out=pair) is pair
    np.testing.assert_array_equal(pair[0], x.argmax(axis=1))


def test_tensors_in_tensors_out():
    x = f32(3, 4)
    result = ops.relu(Tensor.from_numpy(x))
    assert isinstance(result, Tensor)
    assert result.is_contiguous()
    np.testing.assert_array_equal(result.numpy(), np.maximum(x, 0))
    np.testing.assert_array_equal(result.slice(1, 1, 3).numpy(), np.maximum(x, 0)[:, 1:3])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_stored_weights_are_read_as_what_they_are(dtype):
    x, weight = f32(3, 16), f32(5, 16).astype(dtype)
    np.testing.assert_allclose(ops.linear(x, weight), x @ weight.astype(np.float32).T, rtol=1e-5, atol=1e-5)


def test_memory_mapped_arrays_are_accepted(tmp_path):
    x = f32(3, 4)
    x.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", np.float32, mode="c", shape=(3, 4))
    np.testing.assert_array_equal(ops.relu(mapped), np.maximum(x, 0))


def test_calls_can_be_observed():
    seen = []
    with observe_calls(lambda operator, arguments, results: seen.append((operator.name, results[0].shape))):
        ops.relu(f32(2, 3))
        ops.argmax(f32(2, 3))
    ops.relu(f32(9))
    assert seen == [("relu", (2, 3)), ("argmax", (2,))]


def test_repr_states_the_contract():
    assert repr(ops.rms_norm) == (
        "operator rms_norm(x: float32 [..., E], weight: float32 or float16 or bfloat16 [E], eps: float)"
        " -> out: float32 [..., E]"
    )
