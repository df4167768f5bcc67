"""The channel between the judge and a worker: messages of JSON and raw arrays, never pickle.

A message is two lengths (JSON, arrays; 8 bytes each), the JSON, and the bytes of the arrays one after the other. In the
JSON stand only lists `[kind, ...]`, one per value, so that nothing of the content can be taken for structure.

The judge reads messages that a student's code may have written. Whatever does not follow this form exactly raises
ChannelError; sizes are checked before memory is taken. What a message may say is in replies.py.
"""

import json
import math
import os
import select
import struct
import time
from collections.abc import Callable

import numpy as np

MAX_TEXT = 4 << 20  # bytes of JSON in one message
MAX_ARRAYS = 256 << 20  # bytes of arrays in one message
MAX_DEPTH = 24
MAX_DIGITS = 300  # of a whole number: what a float can hold too
DTYPES = tuple("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())

_HEAD = struct.Struct("<QQ")


class ChannelError(Exception):
    """The other side wrote something that is no message."""


class ChannelClosed(Exception):
    """The other side is gone."""


class ChannelTimeout(Exception):
    """No message came in time."""


class NotSendable(TypeError):
    """A value of a kind that messages do not have, such as a function, or one that is too large for them."""


Refer = Callable[[object], list]
"""What stands in a message for a value of no kind that messages have; raises NotSendable where nothing does."""
Resolve = Callable[[list], object]
"""The value for what a Refer gave. Raises ChannelError."""


def pack(value, refer: Refer | None = None) -> bytes:
    """The message for a value made of None, bool, int, float, str, bytes, arrays, tuples, lists and dicts."""
    arrays: list[bytes] = []
    text = json.dumps(_pack(value, arrays, 0, refer)).encode()
    if len(text) > MAX_TEXT or sum(map(len, arrays)) > MAX_ARRAYS:
        raise NotSendable("more than a message may hold")
    return _HEAD.pack(len(text), sum(map(len, arrays))) + text + b"".join(arrays)


def _pack(value, arrays, depth, refer):
    if depth > MAX_DEPTH:
        raise NotSendable("nested too deeply")
    if value is None or isinstance(value, (bool, str)):
        return ["plain", value]
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:
            raise NotSendable(f"a whole number of more than {MAX_DIGITS} digits")
        return ["int", str(value)]
    if isinstance(value, float) and not isinstance(value, np.generic):
        return ["float", value.hex()]
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin-1")]
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.name not in DTYPES:
            raise NotSendable(f"an array of {array.dtype}")
        if array.nbytes > MAX_ARRAYS:  # said before it is copied, which takes time and memory
            raise NotSendable("more than a message may hold")
        arrays.append(array.tobytes())
        return ["array", array.dtype.name, list(array.shape)]
    if isinstance(value, (tuple, list)):
        return ["tuple" if isinstance(value, tuple) else "list", *(_pack(v, arrays, depth + 1, refer) for v in value)]
    if isinstance(value, dict):
        pairs = ([_pack(k, arrays, depth + 1, refer), _pack(v, arrays, depth + 1, refer)] for k, v in value.items())
        return ["dict", *pairs]
    if refer is not None:
        return ["reference", *refer(value)]
    raise NotSendable(f"a value of type {type(value).__name__}")


def unpack(text: bytes, arrays: bytes, resolve: Resolve | None = None):
    """The value of a message. Raises ChannelError for anything that `pack` does not write."""
    try:
        tree = json.loads(text.decode())
        value, used = _unpack(tree, memoryview(arrays), 0, 0, resolve)
    except ChannelError:
        raise
    except Exception as problem:
        raise ChannelError(f"{type(problem).__name__}") from None
    if used != len(arrays):
        raise ChannelError("bytes that belong to no array")
    return value


def _unpack(node, data, at, depth, resolve):
    if depth > MAX_DEPTH:
        raise ChannelError("nested too deeply")
    if not isinstance(node, list) or not node:
        raise ChannelError("a value without a kind")
    kind, *content = node
    if kind == "plain" and len(content) == 1 and (content[0] is None or isinstance(content[0], (bool, str))):
        return content[0], at
    if kind == "int" and len(content) == 1 and isinstance(content[0], str) and len(content[0]) <= MAX_DIGITS + 1:
        return int(content[0]), at
    if kind == "float" and len(content) == 1 and isinstance(content[0], str) and len(content[0]) < 64:
        return float.fromhex(content[0]), at
    if kind == "bytes" and len(content) == 1 and isinstance(content[0], str):
        return content[0].encode("latin-1"), at
    if kind == "reference" and resolve is not None:
        return resolve(content), at
    if kind == "array" and len(content) == 2:
        name, shape = content
        return _unpack_array(name, shape, data, at)
    if kind in ("tuple", "list"):
        values = []
        for child in content:
            value, at = _unpack(child, data, at, depth + 1, resolve)
            values.append(value)
        return (tuple(values) if kind == "tuple" else values), at
    if kind == "dict":
        result = {}
        for pair in content:
            key_node, value_node = pair
            key, at = _unpack(key_node, data, at, depth + 1, resolve)
            result[key], at = _unpack(value_node, data, at, depth + 1, resolve)
        return result, at
    raise ChannelError(f"an unknown kind of value: {ascii(kind)[:20]}")


def _unpack_array(name, shape, data, at):
    if name not in DTYPES or not isinstance(shape, list) or len(shape) > 16:
        raise ChannelError("an array of unknown form")
    if not all(type(length) is int and 0 <= length <= MAX_ARRAYS for length in shape):
        raise ChannelError("an array of impossible shape")
    dtype = np.dtype(name)
    size = math.prod(shape) * dtype.itemsize
    if size > len(data) - at:
        raise ChannelError("an array larger than the message")
    array = np.frombuffer(data[at : at + size], np.uint8).copy()
    if name == "bool":
        array = (array != 0).view(np.uint8)
    array = array.view(dtype).reshape(shape)
    return (array if shape else array[()]), at + size


def send(descriptor: int, value, deadline: float | None = None, refer: Refer | None = None) -> None:
    """Write a message. deadline: on time.monotonic's clock. Raises ChannelClosed, ChannelTimeout, NotSendable."""
    data = memoryview(pack(value, refer))
    try:
        while data:
            if deadline is not None:
                _wait(descriptor, deadline, writing=True)
            data = data[os.write(descriptor, data[: 1 << 16]) :]
    except (BrokenPipeError, ConnectionResetError):
        raise ChannelClosed from None


def receive(descriptor: int, deadline: float | None = None, resolve: Resolve | None = None):
    """Read one message. Raises ChannelError, ChannelClosed, ChannelTimeout."""
    text_size, arrays_size = _HEAD.unpack(_read(descriptor, _HEAD.size, deadline))
    if text_size > MAX_TEXT or arrays_size > MAX_ARRAYS:
        raise ChannelError("a message larger than allowed")
    return unpack(_read(descriptor, text_size, deadline), _read(descriptor, arrays_size, deadline), resolve)


def _read(descriptor, size, deadline):
    pieces = []
    while size:
        if deadline is not None:
            _wait(descriptor, deadline)
        try:
            piece = os.read(descriptor, min(size, 1 << 16))
        except ConnectionResetError:
            piece = b""
        if not piece:
            raise ChannelClosed
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _wait(descriptor, deadline, writing=False):
    left = deadline - time.monotonic()
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    if left <= 0 or not poll.poll(left * 1000):
        raise ChannelTimeout
