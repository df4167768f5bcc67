"""What expert kernels ask of global memory, counted: a row is read once, 16 bytes a load."""

from types import SimpleNamespace

import numpy as np
import pytest

from llaisys_mini import operators
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.cuda.vectors import are_aligned
from llaisys_mini.devices.opaque import OpaqueArray
from llaisys_mini.kernels.choice import from_set
from tests.cuda.traffic import VECTOR_SECTORS, traffic


def inputs_of(operator, rows, width):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, width))
    return {
        "softmax": dict(x=x),
        "layer_norm": dict(x=x, weight=np.ones(width), bias=np.zeros(width), eps=1e-5),
        "cross_entropy": dict(logits=x, targets=np.arange(rows)),
        "argmax": dict(x=x),
        "rms_norm": dict(x=x, weight=np.ones(width), eps=1e-5),
    }[operator]


def reads_of_each_number(operator, kernel_set, rows, width):
    """How often each number of x comes from global memory, and the sectors of its widest request."""
    inputs = inputs_of(operator, rows, width)
    array = "logits" if operator == "cross_entropy" else "x"
    moved, widest = traffic(operator, kernel_set, inputs)[array, "load"]
    return moved / (4 * rows * width), widest


HELD = [(8, 512), (2, 4096), (1, 16384)]  # by a warp, by a block, by the largest block


@pytest.mark.parametrize(("rows", "width"), HELD)
@pytest.mark.parametrize("operator", ["softmax", "layer_norm"])
def test_a_row_that_registers_hold_is_read_once(operator, rows, width):
    reads, widest = reads_of_each_number(operator, "expert", rows, width)
    assert reads == 1
    assert widest == VECTOR_SECTORS
    moved, widest = traffic(operator, "expert", inputs_of(operator, rows, width))["out", "store"]
    assert (moved, widest) == (4 * rows * width, VECTOR_SECTORS)


@pytest.mark.parametrize("operator", ["softmax", "layer_norm"])
def test_a_wider_row_is_read_twice(operator):
    assert reads_of_each_number(operator, "expert", 1, 40960) == (2, VECTOR_SECTORS)


@pytest.mark.parametrize(("rows", "width"), [*HELD, (1, 40960)])
def test_a_loss_needs_one_pass_over_any_row(rows, width):
    reads, widest = reads_of_each_number("cross_entropy", "expert", rows, width)
    assert widest == VECTOR_SECTORS
    assert 1 < reads <= 1 + 8 / width  # and the sector of each row's target


@pytest.mark.parametrize(("rows", "width"), [(1, 40960), (66, 8192)])
def test_argmax_reads_each_number_once_16_bytes_a_load(rows, width):
    assert reads_of_each_number("argmax", "expert", rows, width) == (1, VECTOR_SECTORS)


@pytest.mark.parametrize(("operator", "least"), [("softmax", 3), ("layer_norm", 3), ("cross_entropy", 2)])
def test_the_plain_versions_read_it_once_a_pass(operator, least):
    """What the counts above are worth: they differ for kernels that read more."""
    reads, widest = reads_of_each_number(operator, "plain", 2, 4096)
    assert reads >= least
    assert widest == 4


@pytest.mark.parametrize("width", [511, 2051])  # of 511, a warp holds rows that begin at a multiple of 16 bytes
@pytest.mark.parametrize("operator", ["softmax", "layer_norm", "cross_entropy"])
def test_a_row_that_begins_anywhere_is_read_once_too(operator, width):
    """Rows of this width begin within a sector: a request for 16 bytes by each lane then touches one more."""
    reads, widest = reads_of_each_number(operator, "expert", 4, width)
    assert reads < 1.15
    assert widest <= VECTOR_SECTORS + 1


def view_of(array):
    """The same numbers in an array that does not start at a multiple of 16 bytes."""
    view = np.zeros(array.size + 1, array.dtype)[1:].reshape(array.shape)
    view[...] = array
    return view


def test_where_an_array_of_any_device_begins():
    array = np.zeros(8, np.float32)
    word = next(n for n in range(4) if array[n:].ctypes.data % 16 == 0)
    for held in (array, OpaqueArray(array), SimpleNamespace(address=array.ctypes.data)):
        assert are_aligned(held) == (word == 0)
    assert not are_aligned(array[word:], array[word + 1 :])
    assert not are_aligned(SimpleNamespace(address=40))


@pytest.mark.parametrize("operator", ["softmax", "layer_norm", "cross_entropy", "argmax"])
def test_views_that_begin_anywhere_are_read_right(operator):
    contract = operators.get(operator)
    inputs = contract.convert(inputs_of(operator, 2, 8192))
    first = next(iter(inputs))
    inputs[first] = view_of(inputs[first])
    assert inputs[first].ctypes.data % 16
    outputs = empty_outputs(contract, inputs)
    from_set("expert", operator, "cuda").function(*inputs.values(), *outputs)
    for got, want in zip(outputs, contract.expected(inputs), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
