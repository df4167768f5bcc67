"""map_weights: the tensors of a safetensors file, as views of the file's own bytes."""

import json

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.exercise import exercise

DTYPES = {"F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16}


@exercise
def map_weights(file):
    """The arrays of a safetensors file by name. file: its bytes, uint8 [bytes], perhaps mapped into memory.

    8 bytes: N, a whole number, lowest byte first. N bytes: the header, JSON with dtype ("F32", "F16" or "BF16"), shape
    and data_offsets of each tensor, and perhaps an entry __metadata__, which is no tensor. Then the numbers; offsets
    count from here. Each array lies over the file's own bytes: nothing is copied.
    Source: https://huggingface.co/docs/safetensors.
    """
    return read(file)


def read(file, order="little", from_start=False, skipped="__metadata__", known=DTYPES):
    """The reference, and with other options well-known wrong ways."""
    length = int.from_bytes(file[:8].tobytes(), order)
    data = file if from_start else file[8 + length :]
    arrays = {}
    for name, entry in json.loads(file[8 : 8 + length].tobytes()).items():
        if name != skipped:
            begin, end = entry["data_offsets"]
            arrays[name] = data[begin:end].view(known[entry["dtype"]]).reshape(entry["shape"])
    return arrays


@map_weights.cases
def cases(rng):
    yield "one tensor", dict(file=made(rng, {"weight": ("F32", (2, 3))}))
    yield "bfloat16", dict(file=made(rng, {"weight": ("BF16", (4, 2))}))
    yield "several tensors", dict(file=made(rng, {"b": ("BF16", (3, 4)), "a": ("BF16", (5,)), "c": ("BF16", (2, 2))}))
    yield "with metadata", dict(file=made(rng, {"a": ("F32", (4,)), "b": ("F32", (1, 3))}, {"format": "pt"}))
    kinds = {"first": ("F32", (3, 2)), "second": ("F16", (8,)), "third": ("BF16", (2, 2, 2)), "scale": ("F32", (1,))}
    yield "all three dtypes", dict(file=made(rng, kinds))
    sizes = [tuple(int(i) for i in rng.integers(1, 9, size=2)) for _ in range(6)]
    yield "some tensors", dict(file=made(rng, {f"model.{n}.weight": ("BF16", s) for n, s in enumerate(sizes)}))


def made(rng, tensors, metadata=None):
    """The bytes of a file with random tensors: name -> (dtype, shape). The header is padded, as writers do it."""
    header = {} if metadata is None else {"__metadata__": metadata}
    parts, place = [], 0
    for name, (kind, shape) in tensors.items():
        parts.append(rng.normal(size=shape).astype(STORED[kind]).tobytes())
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [place, place + len(parts[-1])]}
        place += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return np.frombuffer(bytearray(len(text).to_bytes(8, "little") + text + b"".join(parts)), np.uint8)


STORED = {"F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16}
"""What `made` writes. The table of the reference is not there when a learner's answer is judged."""


@map_weights.adapter
def with_places(answer):
    """Where an array lies is told where the answer runs: a message would be a copy."""

    def look(file):
        found = {}
        for name, array in answer(file).items():
            array = np.asarray(array)
            found[name] = array.astype(np.float32)
            found[f"dtype of {name}"] = str(array.dtype)
            found[f"memory of {name}"] = "the file's" if np.may_share_memory(array, file) else "a copy"
        return found

    return look


map_weights.leaves_alone("file")


@map_weights.mistake("the offsets are counted from the start of the file; they count from the end of the header")
def from_the_start(file):
    return read(file, from_start=True)


@map_weights.mistake("the numbers are copied; take a slice of the file and view it with another dtype")
def copied(file):
    return {name: array.copy() for name, array in read(file).items()}


@map_weights.mistake("the numbers are copied into float32; the dtype of the file has to stay")
def converted(file):
    return {name: array.astype(np.float32) for name, array in read(file).items()}


@map_weights.mistake("16 bits are read as float16 whatever the header says; BF16 is bfloat16")
def half_for_bfloat16(file):
    return read(file, known=DTYPES | {"BF16": dtypes.float16})


@map_weights.mistake("the numbers keep one dimension: reshape them to the shape of the header")
def flat(file):
    return {name: array.reshape(-1) for name, array in read(file).items()}
