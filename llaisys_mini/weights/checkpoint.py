"""Weights from safetensors files: read in place through a memory map, and written back.

A safetensors file is three things, one after the other:

    8 bytes    N, the length of the header, as a little-endian unsigned integer
    N bytes    the header: JSON that maps each tensor's name to {"dtype", "shape", "data_offsets": [begin, end]}
    the rest   the numbers; the offsets count from here

Opening a checkpoint reads the headers only. The operating system fetches a weight's bytes from disk when a kernel
first touches them, and drops them again when memory is short: that is why a model opens at once, whatever its size.

A downloaded file is not trusted: every offset is checked before any byte is used. Unlike pickle, nothing in it runs.
"""

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from safetensors.numpy import save_file

from llaisys_mini import dtypes
from llaisys_mini.errors import CheckpointError
from llaisys_mini.files import whole_file
from llaisys_mini.tensor import Tensor

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

# What the format calls a dtype, and NumPy's dtype for it.
_READABLE = {
    "F32": dtypes.float32,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F64": np.dtype(np.float64),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
_WEIGHTS = ("F32", "F16", "BF16")

# Dtypes of the format that are only known by their size, in bits; a tensor of theirs cannot be read.
_OTHER_BITS = {
    "U16": 16, "U32": 32, "U64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
_BITS = {name: 8 * dtype.itemsize for name, dtype in _READABLE.items()} | _OTHER_BITS

_MAX_HEADER = 100_000_000  # bytes; the limit of the reference implementation
_MAX_DIMENSIONS = 8
_MAX_ELEMENTS = 2**48
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies in its file. `begin` and `end` count bytes from the start of the file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Checkpoint(Mapping[str, Tensor]):
    """A model's weights by name, memory-mapped. `stored` tells where each lies; no weight is read for it.

    `checkpoint[name]` raises KeyError for an unknown name; `take` also checks dtype and shape and names all three.
    """

    def __init__(self, stored: Mapping[str, StoredTensor]):
        self.stored = dict(stored)
        self.taken: set[str] = set()  # names that `take` was asked for
        self._maps = {path: _map(path) for path in {entry.path for entry in self.stored.values()}}

    @classmethod
    def open(cls, folder: Path | str) -> "Checkpoint":
        """Open `model.safetensors`, or the shards that `model.safetensors.index.json` lists, in `folder`.

        Raises CheckpointError where a file is missing, truncated or inconsistent.
        """
        folder = Path(folder)
        if (folder / SINGLE_FILE).is_file():
            return cls(read_header(folder / SINGLE_FILE))
        if (folder / INDEX_FILE).is_file():
            return cls(_read_shards(folder / INDEX_FILE))
        raise CheckpointError(
            f"{folder} holds neither {SINGLE_FILE} nor {INDEX_FILE}. Give a folder with a safetensors checkpoint."
        )

    def __getitem__(self, name: str) -> Tensor:
        """The tensor over the file's own bytes; nothing is copied. Raises KeyError, or CheckpointError for a dtype that
        NumPy does not have."""
        entry = self.stored[name]
        if entry.dtype not in _READABLE:
            raise _wrong_dtype(name, entry)
        array = self._maps[entry.path][entry.begin : entry.end].view(_READABLE[entry.dtype]).reshape(entry.shape)
        if not array.flags.aligned:  # writers usually pad the header so that this never happens; kernels rely on it
            array = array.copy()
        return Tensor.from_numpy(array)

    def take(self, name: str, shape: Sequence[int], allowed: Sequence[str] = _WEIGHTS) -> Tensor:
        """The tensor `name` of exactly `shape`; raises CheckpointError otherwise.

        allowed: dtypes it may be stored in, by the format's names; float32, float16 or bfloat16 unless told.
        """
        entry = self.stored.get(name)
        if entry is None:
            where = "".join(f" in {folder}" for folder in {path.parent for path in self._maps})
            raise CheckpointError(
                f"The checkpoint{where} has no tensor {name!r} (expected with shape {list(shape)}). "
                "Its config.json belongs to another model, or the download is incomplete."
            )
        if entry.dtype not in allowed:
            raise _wrong_dtype(name, entry, allowed)
        if entry.shape != tuple(shape):
            raise CheckpointError(
                f"{entry.path}: tensor {name!r} has shape {list(entry.shape)}, but config.json asks for {list(shape)}. "
                "Use the config.json that came with these weights."
            )
        self.taken.add(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def __repr__(self) -> str:
        files = len({entry.path for entry in self.stored.values()})
        size = sum(entry.end - entry.begin for entry in self.stored.values())
        return f"Checkpoint({len(self)} tensors, {size / 1e6:,.1f} MB in {files} file{'s' * (files != 1)})"


def read_header(path: Path | str) -> dict[str, StoredTensor]:
    """What a safetensors file holds, by name, in the order of the bytes.

    Raises CheckpointError where the header contradicts itself or the file.
    """
    path = Path(path)
    header, data_start, file_size = _read_json_header(path)
    entries = {
        name: _stored_tensor(path, name, entry, data_start) for name, entry in header.items() if name != "__metadata__"
    }
    # The format allows no gaps and no overlaps: sorted by offset, each tensor begins where the one before it ended.
    entries = dict(sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)))
    position = data_start
    for name, entry in entries.items():
        if entry.end > file_size:
            missing = entry.end - file_size
            raise _broken(path, f"tensor {name!r:.80} ends {missing} bytes after the end of the file")
        if entry.begin != position:
            how = "overlaps the tensor before it" if entry.begin < position else "leaves a gap before it"
            raise _broken(path, f"tensor {name!r:.80} {how}")
        position = entry.end
    if position != file_size:
        raise _broken(path, f"{file_size - position} bytes after the last tensor belong to none")
    return entries


def save_safetensors(
    path: Path | str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays (float32, float16, bfloat16 or integers) as one safetensors file.

    The file appears under its name only once it is complete, so a reader never sees half of it.
    Raises CheckpointError where the file cannot be written.
    """
    path = Path(path)
    # safetensors writes an array's memory as it lies, so a transposed view would be stored in the wrong order.
    arrays = {name: np.require(array, requirements="C") for name, array in tensors.items()}
    try:
        with whole_file(path) as unfinished:
            save_file(arrays, unfinished, metadata=None if metadata is None else dict(metadata))
    except Exception as problem:
        raise CheckpointError(f"{path} cannot be written: {problem}.") from problem


def _read_json_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """The parsed header, where the data starts, and the file's size, both in bytes."""
    try:
        with path.open("rb") as file:
            file_size = os.fstat(file.fileno()).st_size
            start = file.read(len(_LFS_POINTER))
            if start == _LFS_POINTER:
                raise CheckpointError(f"{path} is only a Git LFS pointer. Run `git lfs pull` to get the weights.")
            if len(start) < 8:
                raise _broken(path, "it is too short for a safetensors file")
            length = int.from_bytes(start[:8], "little")
            if length > min(file_size - 8, _MAX_HEADER):
                raise _broken(path, f"its header is said to be {length} bytes long, more than the file can hold")
            file.seek(8)
            text = file.read(length)
    except OSError as problem:
        raise CheckpointError(f"{path} cannot be read: {problem.strerror}.") from None
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as problem:
        raise _broken(path, f"its header is not valid JSON ({problem})") from None
    if not isinstance(header, dict):
        raise _broken(path, "its header is not a JSON object")
    return header, 8 + length, file_size


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict. json.loads alone lets the last of two equal keys win, silently."""
    unique = dict(pairs)
    if len(unique) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"key {twice!r:.80} occurs twice")
    return unique


def _stored_tensor(path: Path, name: str, entry: Any, data_start: int) -> StoredTensor:
    """One header entry with everything checked that can be checked without the other entries."""
    if not isinstance(entry, dict):
        raise _broken(path, f"the header entry of tensor {name!r:.80} is not a JSON object")
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _broken(path, f"tensor {name!r:.80} has the unknown dtype {dtype!r:.40}")
    if not _are_counts(shape) or len(shape) > _MAX_DIMENSIONS or math.prod(max(n, 1) for n in shape) > _MAX_ELEMENTS:
        raise _broken(path, f"tensor {name!r:.80} has an impossible shape")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _broken(path, f"tensor {name!r:.80} has impossible data_offsets")
    begin, end = offsets
    if 8 * (end - begin) != math.prod(shape) * _BITS[dtype]:
        raise _broken(path, f"tensor {name!r:.80} has {end - begin} bytes, which does not fit {dtype} of shape {shape}")
    return StoredTensor(path, dtype, tuple(shape), data_start + begin, data_start + end)


def _are_counts(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _read_shards(index: Path) -> dict[str, StoredTensor]:
    """All tensors that the index lists, each found in the shard it names."""
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"), object_pairs_hook=_no_duplicates)["weight_map"]
    except (ValueError, RecursionError, KeyError, TypeError, OSError) as problem:
        raise _broken(index, f"no `weight_map` can be read from it ({problem})") from None
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise _broken(index, "its `weight_map` must map each tensor's name to a file name")
    headers: dict[str, dict[str, StoredTensor]] = {}
    stored = {}
    for name, shard in weight_map.items():
        if shard not in headers:
            headers[shard] = _read_shard(index, shard)
        if name not in headers[shard]:
            raise _broken(index, f"it says that tensor {name!r:.80} is in {shard}, which does not have it")
        stored[name] = headers[shard][name]
    return stored


def _read_shard(index: Path, shard: str) -> dict[str, StoredTensor]:
    # A plain file name only: a path with folders in it could reach outside the checkpoint.
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}\.safetensors", shard):
        raise _broken(index, f"{shard!r:.80} is not the name of a safetensors file beside it")
    path = index.with_name(shard)
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, but {index.name} lists it. Download the checkpoint again.")
    return read_header(path)


def _map(path: Path) -> np.ndarray:
    """The whole file as uint8 [bytes], fetched from disk only where it is touched.

    Copy-on-write: a write would stay in this process. The file is never changed, and Numba, which compiles a kernel
    anew for read-only arrays, sees ordinary ones.
    """
    try:
        return np.asarray(np.memmap(path, np.uint8, mode="c"))
    except (OSError, ValueError) as problem:
        raise CheckpointError(f"{path} cannot be memory-mapped: {problem}.") from None


def _wrong_dtype(name: str, entry: StoredTensor, allowed: Sequence[str] = _WEIGHTS) -> CheckpointError:
    where = f"{entry.path}: tensor {name!r} is stored as {entry.dtype}"
    if tuple(allowed) == _WEIGHTS:
        return CheckpointError(
            f"{where}, but only F32, F16 and BF16 weights are supported. Choose a checkpoint that is not quantised."
        )
    return CheckpointError(f"{where}, not as {' or '.join(allowed)}. Use the config.json that came with these weights.")


def _broken(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is broken: {what}. Download it again.")
