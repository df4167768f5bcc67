"""Tensor: views against NumPy's, refusal of what would need a copy, and what the layout looks like."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llaisys_mini import Tensor
from llaisys_mini.errors import DeviceError
from llaisys_mini.strides import contiguous_strides
from llaisys_mini.tensor import TensorError


@st.composite
def arrays_and_views(draw):
    """An array and a strided view of it made by random permutes and slices, done to a Tensor alike."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    tensor = Tensor.from_numpy(array)
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            order = draw(st.permutations(range(array.ndim)))
            array, tensor = array.transpose(order), tensor.permute(*order)
        else:
            dim = draw(st.integers(0, array.ndim - 1))
            start = draw(st.integers(0, array.shape[dim] - 1))
            end = draw(st.integers(start + 1, array.shape[dim]))
            array = array[(slice(None),) * dim + (slice(start, end),)]
            tensor = tensor.slice(dim, start, end)
    return array, tensor


@given(arrays_and_views())
def test_views_show_the_same_numbers_as_numpy(pair):
    array, tensor = pair
    assert tensor.shape == array.shape
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.is_contiguous() == array.flags.c_contiguous
    np.testing.assert_array_equal(tensor.contiguous().numpy(), array)
    assert tensor.contiguous().is_contiguous()
    np.testing.assert_array_equal(Tensor.from_numpy(array).numpy(), array)


@given(arrays_and_views(), st.data())
def test_view_is_allowed_exactly_where_no_copy_is_needed(pair, data):
    array, tensor = pair
    shape, left = [], array.size
    while left > 1 and len(shape) < 3:
        factor = data.draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0]))
        shape.append(factor)
        left //= factor
    shape.append(left)
    try:
        expected = array.reshape(shape, copy=False)  # NumPy's own answer to the same question
    except ValueError:
        with pytest.raises(TensorError, match="without a copy"):
            tensor.view(*shape)
        return
    viewed = tensor.view(*shape)
    np.testing.assert_array_equal(viewed.numpy(), expected)
    assert np.shares_memory(viewed.numpy(), array)


def test_nothing_is_copied():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tensor = Tensor.from_numpy(array)
    tensor.permute(2, 0, 1).slice(0, 1, 2).load(np.full((1, 2, 3), -1.0))
    assert (array[:, :, 1] == -1).all()
    assert (array[:, :, 0] >= 0).all()


def test_view_works_out_one_length():
    assert Tensor.empty((4, 6)).view(-1, 3).shape == (8, 3)


@pytest.mark.parametrize("shape", [(5,), (-1, 5), (-1, -1), (-2, -12)])
def test_view_refuses_shapes_that_do_not_fit(shape):
    with pytest.raises(TensorError, match="does not hold 24 elements"):
        Tensor.empty((4, 6)).view(*shape)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda t: t.permute(0, 0), "must name each of the 2 dimensions"),
        (lambda t: t.slice(2, 0, 1), "dimension 2 is not among"),
        (lambda t: t.slice(0, 1, 9), "does not lie within dimension 0 of length 4"),
        (lambda t: t.slice(0, 3, 1), "does not lie within"),
        (lambda t: t.load(np.zeros((6, 4))), r"values have shape \(6, 4\)"),
        (lambda t: Tensor.from_numpy(np.zeros(4)[::-1]), "copy it first"),
        (lambda t: Tensor.from_numpy(np.array([None])), "Python objects"),
    ],
)
def test_errors_say_what_is_wrong(call, sentence):
    with pytest.raises(TensorError, match=sentence):
        call(Tensor.empty((4, 6)))


def test_an_absent_device_is_named():
    with pytest.raises(DeviceError, match="there is no device 'tpu': choose 'cpu' or 'cuda'"):
        Tensor.empty((2,)).to("tpu")
    tensor = Tensor.empty((2,))
    assert tensor.to("cpu") is tensor


def test_load_converts_and_read_only_memory_is_refused():
    tensor = Tensor.empty((3,), "bfloat16").load(np.array([1.0, 2.5, -3.0]))
    assert tensor.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(tensor.astype("float32").numpy(), [1.0, 2.5, -3.0])
    fixed = np.zeros(3, np.float32)
    fixed.flags.writeable = False
    with pytest.raises(TensorError, match="read-only"):
        Tensor.from_numpy(fixed).load(np.ones(3))


def test_repr_shows_the_layout():
    text = repr(Tensor.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3)).permute(1, 0).slice(0, 1, 3))
    assert "shape=(2, 2)" in text
    assert "strides=(1, 3)" in text
    assert "offset=4 B" in text
    assert "not contiguous" in text


def test_empty_and_scalar_tensors():
    assert Tensor.from_numpy(np.zeros((0, 3), np.float32)).view(3, 0).shape == (3, 0)
    assert Tensor.from_numpy(np.array(7.0, np.float32)).view(1, 1).numpy()[0, 0] == 7


def test_strides_are_plain_integers_whatever_the_shape_holds():
    """The sanitizer tells an index that all threads share by its type, and strides are kept by the shape's value."""
    assert [type(step) for step in contiguous_strides((3, np.int64(1237), np.int64(5)))] == [int] * 3
