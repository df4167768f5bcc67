"""The channel carries values unchanged and refuses everything that is no message."""

import math
import struct

import numpy as np
import pytest

from autograder.channel import ChannelError, NotSendable, pack, unpack


def parts(message: bytes) -> tuple[bytes, bytes]:
    text, _ = struct.unpack("<QQ", message[:16])
    return message[16 : 16 + text], message[16 + text :]


@pytest.mark.parametrize(
    "value",
    [None, True, 3, -(10**30), 0.1, math.inf, "text", (1, [2.5, None]), {("a", "b"): 1, "list": [{}]}, []],
)
def test_values_come_back(value):
    back = unpack(*parts(pack(value)))
    assert back == value and type(back) is type(value)


def test_arrays_come_back():
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([True, False]), np.zeros((0, 4), np.int64)]
    for array, back in zip(arrays, unpack(*parts(pack(arrays))), strict=True):
        assert back.dtype == array.dtype and np.array_equal(back, array)
    assert math.isnan(unpack(*parts(pack(np.float32("nan")))))


@pytest.mark.parametrize("value", [lambda: 0, object(), np.array(["a"]), np.array([object()])])
def test_other_values_are_refused(value):
    with pytest.raises(NotSendable):
        pack(value)


@pytest.mark.parametrize(
    ("text", "arrays"),
    [
        (b"{}", b""),
        (b"[]", b""),
        (b"3", b""),
        (b'["plain"]', b""),
        (b'["plain", 3]', b""),
        (b'["array", "object", [1]]', b"12345678"),
        (b'["array", "float32", [-1]]', b""),
        (b'["array", "float32", [4611686018427387904, 4]]', b""),
        (b'["array", "float32", [2]]', b"1234"),
        (b'["plain", null]', b"rest"),
        (b'["dict", [["list"], ["plain", null]]]', b""),
        (b"[" * 100_000, b""),
        (b"\xff", b""),
    ],
)
def test_malformed_messages_are_refused(text, arrays):
    with pytest.raises(ChannelError):
        unpack(text, arrays)
