"""Reading safetensors in place, refusing every kind of damage in plain words, and writing files back whole."""

import json
import os

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from llaisys_mini.errors import CheckpointError
from llaisys_mini.weights.checkpoint import Checkpoint, read_header, save_safetensors

BF16 = ml_dtypes.bfloat16


def file_bytes(header: dict | bytes, data: bytes = b"") -> bytes:
    """A safetensors file, put together by hand so that it may be wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def refusal(tmp_path, content: bytes) -> str:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError) as refused:
        Checkpoint.open(tmp_path)
    assert "model.safetensors" in str(refused.value)
    return str(refused.value)


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "embed": rng.standard_normal((5, 4)).astype(np.float32),
        "norm": rng.standard_normal(4).astype(BF16),
        "half": rng.standard_normal((2, 3)).astype(np.float16),
        "scalar": np.array(3.5, np.float32),
        "empty": np.empty((0, 4), np.float32),
        "ids": np.arange(6, dtype=np.int64),
    }


# ---- reading -------------------------------------------------------------------------------------------------


def test_every_tensor_reads_back_bit_for_bit(tmp_path, weights):
    save_safetensors(tmp_path / "model.safetensors", weights)
    checkpoint = Checkpoint.open(str(tmp_path))
    assert set(checkpoint) == set(weights)
    assert len(checkpoint) == 6
    for name, array in weights.items():
        tensor = checkpoint[name]
        assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(tensor.numpy(), array)


def test_weights_lie_in_the_file_and_a_write_never_reaches_it(tmp_path, weights):
    save_safetensors(tmp_path / "model.safetensors", weights)
    before = (tmp_path / "model.safetensors").read_bytes()
    checkpoint = Checkpoint.open(tmp_path)
    first, second = checkpoint["embed"].numpy(), checkpoint["embed"].numpy()
    assert np.shares_memory(first, second)
    first[0, 0] += 1
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_it_is_a_mapping(tmp_path, weights):
    save_safetensors(tmp_path / "model.safetensors", weights)
    checkpoint = Checkpoint.open(tmp_path)
    assert "norm" in checkpoint
    assert "lm_head.weight" not in checkpoint
    assert checkpoint.get("lm_head.weight") is None
    with pytest.raises(KeyError):
        checkpoint["lm_head.weight"]
    assert repr(checkpoint) == "Checkpoint(6 tensors, 0.0 MB in 1 file)"


def test_stored_tells_where_each_tensor_lies(tmp_path, weights):
    path = tmp_path / "model.safetensors"
    save_safetensors(path, weights)
    stored = Checkpoint.open(tmp_path).stored["norm"]
    assert (stored.dtype, stored.shape) == ("BF16", (4,))
    assert path.read_bytes()[stored.begin : stored.end] == weights["norm"].tobytes()


def test_take_checks_the_shape_and_names_all_three(tmp_path, weights):
    save_safetensors(tmp_path / "model.safetensors", weights)
    checkpoint = Checkpoint.open(tmp_path)
    assert checkpoint.take("embed", [5, 4]).shape == (5, 4)
    with pytest.raises(CheckpointError, match=r"'embed' has shape \[5, 4\], but config\.json asks for \[4, 5\]"):
        checkpoint.take("embed", (4, 5))
    with pytest.raises(CheckpointError, match=r"no tensor 'lm_head\.weight' \(expected with shape \[5, 4\]\)"):
        checkpoint.take("lm_head.weight", (5, 4))
    with pytest.raises(CheckpointError, match="'ids' is stored as I64, but only F32, F16 and BF16"):
        checkpoint.take("ids", (6,))


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "U8", "I8"])
def test_quantised_weights_are_refused_by_name(tmp_path, dtype):
    (tmp_path / "model.safetensors").write_bytes(file_bytes({"w": entry(dtype, (8,))}, bytes(8)))
    checkpoint = Checkpoint.open(tmp_path)
    with pytest.raises(CheckpointError, match=f"'w' is stored as {dtype}"):
        checkpoint.take("w", (8,))


def test_a_dtype_without_numpy_equivalent_is_refused_by_getitem_too(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(file_bytes({"w": entry("F4", (16,))}, bytes(8)))
    with pytest.raises(CheckpointError, match="F4"):
        Checkpoint.open(tmp_path)["w"]


def test_data_at_odd_addresses_is_copied_into_alignment(tmp_path):
    values = np.array([1.5, -2.0], np.float32)
    for padding in range(8):
        header = json.dumps({"w": entry()}).encode() + b" " * padding
        (tmp_path / "model.safetensors").write_bytes(file_bytes(header, values.tobytes()))
        array = Checkpoint.open(tmp_path).take("w", (2,)).numpy()
        assert array.flags.aligned
        np.testing.assert_array_equal(array, values)


def test_metadata_is_no_tensor(tmp_path, weights):
    save_safetensors(tmp_path / "model.safetensors", weights, metadata={"format": "np"})
    assert "__metadata__" not in Checkpoint.open(tmp_path)


# ---- damage --------------------------------------------------------------------------------------------------

TWO = {"a": entry(), "b": entry(offsets=(8, 16))}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "too short"),
        (b"1234567", "too short"),
        (file_bytes(TWO, bytes(16))[:40], "more than the file can hold"),
        ((2**63).to_bytes(8, "little") + b"{}", "more than the file can hold"),
        (file_bytes(b"not json"), "not valid JSON"),
        (file_bytes(b"\xff\xfe"), "not valid JSON"),
        (file_bytes(b"[" * 50_000), "not valid JSON"),
        (file_bytes(b"[]"), "not a JSON object"),
        (file_bytes(b'{"a": {}, "a": {}}'), "'a' occurs twice"),
        (
            file_bytes(b'{"a": {"dtype": "F32", "dtype": "F16", "shape": [0], "data_offsets": [0, 0]}}'),
            "'dtype' occurs",
        ),
        (file_bytes({"a": [1]}), "not a JSON object"),
        (file_bytes({"a": entry(dtype="F33")}, bytes(8)), "unknown dtype 'F33'"),
        (file_bytes({"a": entry(dtype=None)}, bytes(8)), "unknown dtype"),
        (file_bytes({"a": entry(dtype=["F32"])}, bytes(8)), "unknown dtype"),
        (file_bytes({"a": entry(shape=(-2,))}, bytes(8)), "impossible shape"),
        (file_bytes({"a": entry(shape=(2.0,))}, bytes(8)), "impossible shape"),
        (file_bytes({"a": entry(shape=(True, 2))}, bytes(8)), "impossible shape"),
        (file_bytes({"a": entry(shape=(0, 10**30), offsets=(0, 0))}), "impossible shape"),
        (file_bytes({"a": entry(shape=(1,) * 70, offsets=(0, 4))}, bytes(4)), "impossible shape"),
        (file_bytes({"a": entry(offsets=(0, 8, 16))}, bytes(8)), "impossible data_offsets"),
        (file_bytes({"a": entry(offsets=(8, 0))}, bytes(8)), "impossible data_offsets"),
        (file_bytes({"a": entry(offsets=(-8, 0))}, bytes(8)), "impossible data_offsets"),
        (file_bytes({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)), "impossible data_offsets"),
        (file_bytes({"a": entry(shape=(3,))}, bytes(8)), "does not fit F32 of shape [3]"),
        (file_bytes({"a": entry(dtype="F16")}, bytes(8)), "does not fit F16"),
        (file_bytes(TWO, bytes(15)), "tensor 'b' ends 1 bytes after the end of the file"),
        (file_bytes({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "'b' overlaps"),
        (file_bytes({"a": entry(), "b": entry()}, bytes(8)), "overlaps"),
        (file_bytes({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)), "'b' leaves a gap"),
        (file_bytes(TWO, bytes(17)), "1 bytes after the last tensor"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, says):
    assert says in refusal(tmp_path, content)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_corrupting_any_bytes_gives_an_error_or_a_correct_load(tmp_path, data):
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, BF16), "c": np.zeros((0, 2), np.int64)}
    path = tmp_path / "model.safetensors"
    save_safetensors(path, values)
    content = bytearray(path.read_bytes())
    header_end = 8 + int.from_bytes(content[:8], "little")
    for position, byte in data.draw(
        st.lists(st.tuples(st.integers(0, header_end - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        content[position] = byte
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    path.write_bytes(content)
    try:
        checkpoint = Checkpoint.open(tmp_path)
    except CheckpointError:
        return
    for stored in checkpoint.stored.values():
        assert header_end <= stored.begin <= stored.end <= len(content)
    for name in checkpoint:
        try:
            tensor = checkpoint[name]
        except CheckpointError:
            assert checkpoint.stored[name].dtype not in ("F32", "F16", "BF16")
        else:
            assert tensor.nbytes == checkpoint.stored[name].end - checkpoint.stored[name].begin


numbers = st.integers(-2, 20) | st.integers() | st.booleans() | st.none() | st.floats()
entries = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "F8_E4M3", "F4", "X"]) | numbers,
        "shape": st.lists(numbers, max_size=3) | numbers,
        "data_offsets": st.lists(numbers, min_size=2, max_size=2) | numbers,
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.dictionaries(st.text(max_size=3), entries, max_size=3), size=st.integers(0, 64))
def test_any_header_gives_an_error_or_tensors_inside_the_file(tmp_path, header, size):
    path = tmp_path / "model.safetensors"
    path.write_bytes(file_bytes(header, bytes(size)))
    try:
        stored = read_header(path)
    except CheckpointError:
        return
    assert sum(one.end - one.begin for one in stored.values()) == size


# ---- shards --------------------------------------------------------------------------------------------------


def write_shards(folder, shards: dict[str, dict[str, np.ndarray]]) -> dict[str, str]:
    for shard, arrays in shards.items():
        save_safetensors(folder / shard, arrays)
    weight_map = {name: shard for shard, arrays in shards.items() for name in arrays}
    write_index(folder, weight_map)
    return weight_map


def write_index(folder, weight_map) -> None:
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def sharded(tmp_path):
    arrays = {
        FIRST: {"a": np.ones(3, np.float32)},
        SECOND: {"b": np.full((2, 2), 2, BF16), "c": np.zeros(1, np.float16)},
    }
    write_shards(tmp_path, arrays)
    return tmp_path


def test_shards_are_one_checkpoint(sharded):
    checkpoint = Checkpoint.open(sharded)
    assert set(checkpoint) == {"a", "b", "c"}
    np.testing.assert_array_equal(checkpoint.take("b", (2, 2)).numpy(), np.full((2, 2), 2, BF16))
    assert "3 tensors" in repr(checkpoint)
    assert "2 files" in repr(checkpoint)


def test_a_missing_shard_is_named(sharded):
    (sharded / SECOND).unlink()
    with pytest.raises(CheckpointError, match=f"{SECOND} is missing"):
        Checkpoint.open(sharded)


def test_an_index_that_names_what_a_shard_lacks_is_refused(sharded):
    write_index(sharded, {"a": FIRST, "d": SECOND})
    with pytest.raises(CheckpointError, match=f"tensor 'd' is in {SECOND}, which does not have it"):
        Checkpoint.open(sharded)


def test_a_damaged_shard_is_named(sharded):
    with (sharded / SECOND).open("r+b") as file:
        file.truncate(20)
    with pytest.raises(CheckpointError, match=SECOND):
        Checkpoint.open(sharded)


@pytest.mark.parametrize(
    "shard", ["../secret.safetensors", "/etc/passwd", "", ".", "..", "a\0.safetensors", "x" * 5000]
)
def test_an_index_cannot_point_outside_its_folder(tmp_path, shard):
    write_index(tmp_path, {"a": shard})
    with pytest.raises(CheckpointError, match="not the name of a safetensors file"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"weight_map": 3}', b'{"weight_map": {"a": 3}}', b"\xff", b"[" * 50_000]
)
def test_a_broken_index_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json is broken"):
        Checkpoint.open(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds neither model\.safetensors nor model\.safetensors\.index\.json"):
        Checkpoint.open(tmp_path)


# ---- writing -------------------------------------------------------------------------------------------------


def test_the_safetensors_library_reads_what_was_written(tmp_path, weights):
    path = tmp_path / "weights.safetensors"
    save_safetensors(path, weights)
    loaded = load_file(path)
    for name, array in weights.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype


def test_a_transposed_view_is_stored_as_it_reads(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    save_safetensors(tmp_path / "model.safetensors", {"t": array})
    np.testing.assert_array_equal(Checkpoint.open(tmp_path)["t"].numpy(), array)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_safetensors(path, {"a": np.ones(2, np.float32)})
    before = path.read_bytes()

    def fails(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(CheckpointError, match="no space left"):
        save_safetensors(path, {"a": np.zeros(2, np.float32)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_what_cannot_be_stored_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_safetensors(tmp_path / "model.safetensors", {"a": np.array(["text"])})
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_safetensors(tmp_path / "absent" / "model.safetensors", {"a": np.ones(1, np.float32)})
