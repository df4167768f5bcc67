"""The packers of these tests write what the programs write whose forms they follow.

Recorded here are digests of what AutoGPTQ 0.7.1 and AutoAWQ 0.2.9 made of the weights below, on a CPU.
compressed-tensors itself is asked in test_published_parity.py.
"""

import hashlib

import numpy as np
import pytest

from tests.weights.published.packers import Codes, awq, gptq


def codes(bits, middle):
    """Without a random generator, so that they stay the same for ever."""
    m, k, g = np.arange(32)[:, None], np.arange(64), np.arange(4)
    return Codes(
        code=(3 * m * m + 7 * k + m * k) % 2**bits,
        zero=np.full((32, 4), 2 ** (bits - 1)) if middle else 1 + (5 * m + 3 * g) % (2**bits - 1),
        scale=(2.0 ** -(m % 5 + g)).astype(np.float16),
        group_of=k // 16,
    )


def digest(tensors):
    total = hashlib.sha256()
    for part in sorted(tensors):
        total.update(part.encode() + np.ascontiguousarray(tensors[part]).tobytes())
    return total.hexdigest()[:16]


@pytest.mark.parametrize(
    ("bits", "middle", "recorded"),
    [
        (4, True, "24e5ab2d6ea11146"),
        (4, False, "8ccfbdf677ec7731"),
        (8, True, "75eebadaeedbcc22"),
        (8, False, "d2b7fb2f71608d63"),
    ],
)
def test_gptq(bits, middle, recorded):
    assert digest(gptq(codes(bits, middle), bits)) == recorded


def test_awq():
    assert digest(awq(codes(4, False))) == "9c032c8291a1899b"
