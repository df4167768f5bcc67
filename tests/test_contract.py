"""What a contract can say beyond arrays of floats: whole numbers, int32 arrays, arguments that are written into."""

import ml_dtypes
import numpy as np
import pytest

from llaisys_mini import Tensor, cuda
from llaisys_mini.checks.compare import compare, recognised
from llaisys_mini.contract import F32, I32, Contract, Stored, Written
from llaisys_mini.errors import ContractError
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.operator import operator


@operator
def store_rows(x: F32["T D"], slots: I32["T"], first: int, pages: Written[Stored["P D"]]) -> None:  # noqa: F821, F722
    """pages[slots[t] - first] = x[t]; negative slots are left out."""
    pages = pages.copy()
    pages[slots[slots >= 0] - first] = x[slots >= 0]
    return pages


@store_rows.cases
def cases(rng):
    yield "two rows", dict(x=rng.normal(size=(3, 4)), slots=[7, -1, 6], first=5, pages=rng.normal(size=(6, 4)))


@store_rows.mistake("negative slots are not left out: they count from the end")
def wrapped(x, slots, first, pages):
    pages = pages.copy()
    pages[slots - first] = x
    return pages


def plain(x, slots, first, pages):
    narrow = pages.dtype == np.uint16
    for row, slot in zip(x, slots, strict=True):
        if slot >= 0:
            pages[slot - first] = row.astype(ml_dtypes.bfloat16).view(np.uint16) if narrow else row


ON_CPU = Runtime(per_operator={"store_rows": Kernel("store_rows", "cpu", "test", plain)})


def inputs(dtype=np.float32):
    (case,) = store_rows.make_cases(0, (np.dtype(dtype).name,))
    return case.inputs


def test_what_it_takes_and_returns():
    assert store_rows.kernel_arguments == ["x", "slots", "first", "pages"]
    assert (store_rows.outputs, store_rows.written, list(store_rows.results)) == ({}, ["pages"], ["pages"])
    assert inputs()["slots"].dtype == np.int32
    assert isinstance(store_rows, Contract)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_a_call_writes_into_its_argument_and_is_compared_with_the_new_contents(dtype):
    given, before = inputs(dtype), inputs(dtype)
    with ON_CPU.in_force():
        assert store_rows(**given) is None
    assert not np.array_equal(given["pages"], before["pages"])
    assert compare(store_rows, before, [given["pages"]]) == []
    np.testing.assert_array_equal(given["pages"][[0, 3, 4, 5]], before["pages"][[0, 3, 4, 5]])
    (difference,) = compare(store_rows, before, [before["pages"]])
    assert (difference.output, difference.first) == ("pages", (1, 0))


def test_rounding_to_the_storage_is_allowed_and_no_more():
    before = inputs(ml_dtypes.bfloat16)
    with ON_CPU.in_force():
        store_rows(**(given := inputs(ml_dtypes.bfloat16)))
    bits = given["pages"].view(np.uint16)
    bits[2, 0] += 2  # two units of the last place
    (difference,) = compare(store_rows, before, [given["pages"]])
    assert difference.wrong.sum() == 1 and difference.first == (2, 0)


def test_its_mistakes_are_recognised():
    before = inputs()
    given = inputs()
    given["pages"][...] = wrapped(*given.values())
    assert recognised(store_rows, [(before, [given["pages"]])]) == store_rows.mistakes[0].sentence


def test_tensors_are_written_into_as_well():
    given = inputs()
    tensors = {n: Tensor.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in given.items()}
    with ON_CPU.in_force():
        assert store_rows(**tensors) is None
    assert compare(store_rows, inputs(), [tensors["pages"].numpy()]) == []


def test_on_a_device():
    @cuda.jit
    def store(x, slots, first, pages):
        t = cuda.grid(1)
        if t < x.shape[0] and slots[t] >= 0:
            for d in range(x.shape[1]):
                pages[slots[t] - first, d] = x[t, d]

    def launcher(x, slots, first, pages):
        store[1, 32](x, slots, first, pages)

    given = inputs()
    with cuda.sanitized(), Runtime(per_operator={"store_rows": Kernel("store_rows", "cuda", "", launcher)}).in_force():
        there = {n: Tensor.from_numpy(v).to("cuda") if isinstance(v, np.ndarray) else v for n, v in given.items()}
        assert store_rows(**there) is None
        assert compare(store_rows, given, [there["pages"].numpy()]) == []
        store_rows.run_with(Kernel("store_rows", "cuda", "", launcher), given, [])
    assert compare(store_rows, inputs(), [given["pages"]]) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict(first=1.5), "first must be a whole number, not float 1.5"),
        (dict(first=True), "first must be a whole number"),
        (dict(slots=np.zeros(3, np.int64)), r"slots must be int32 \[T\], not int64 \(3,\)"),
        (dict(pages=np.broadcast_to(np.float32(0), (1, 4)).copy()[:, ::1]), None),
    ],
)
def test_bad_arguments(changes, sentence):
    if sentence is None:  # not writable
        changes["pages"].flags.writeable = False
        sentence = "pages is written into, but the array is read-only"
    with ON_CPU.in_force(), pytest.raises(ContractError, match=sentence):
        store_rows(**inputs() | changes)


def test_numpys_whole_numbers_reach_a_kernel_as_pythons():
    seen = []
    kernel = Kernel("store_rows", "cpu", "", lambda x, slots, first, pages: seen.append(first))
    with Runtime(per_operator={"store_rows": kernel}).in_force():
        store_rows(**inputs() | {"first": np.int32(5)})
    assert seen == [5] and type(seen[0]) is int
