"""A kernel counts as parallel if its threads do the work, not if they run beside a serial loop that does."""

import textwrap

import pytest

from llaisys_mini import explain
from llaisys_mini.kernels.runtime import kernels_changed

# Numba, where the kernel itself holds no loop over prange
pytestmark = pytest.mark.filterwarnings("ignore:[^a]*The keyword argument 'parallel=True'")

HEAD = """
import numpy as np
import numba
from numba import njit, prange
from numba import prange as rounds
from llaisys_mini import kernel

{helpers}
@kernel("add", device="cpu")
@njit(parallel=True, cache=True)
def add(x, y, out):
{body}
"""
ADDED = "for i in range(out.size):\n    out[i] = x[i] + y[i]"

IDLE = {
    "zeros that are overwritten": f"for i in prange(out.size):\n    out[i] = 0\n{ADDED}",
    "the same once more": f"for i in prange(out.size):\n    out[i] = x[i] + y[i]\n{ADDED}",
    "under another name": f"for i in rounds(out.size):\n    out[i] = x[i]\n{ADDED}",
    "by the module": f"for i in numba.prange(out.size):\n    out[i] = x[i]\n{ADDED}",
    "overwritten by a slice": f"for i in prange(out.size):\n    out[i] = x[i]\nout[:] = 1\n{ADDED}",
    "into an array that nobody reads": f"spare = np.empty(8)\nfor i in prange(8):\n    spare[i] = i\n{ADDED}",
    "behind the work": f"{ADDED}\nfor i in prange(out.size):\n    out[i] = out[i] * 1",
    "one element of many": f"for i in prange(1):\n    out[i] = x[i] + y[i]\n{ADDED.replace('range(', 'range(1, ')}",
    "in two serial loops": (
        "for i in prange(out.size):\n    out[i] = 3\nhalf = out.size // 2\n"
        "for i in range(half):\n    out[i] = x[i] + y[i]\nfor i in range(half, out.size):\n    out[i] = y[i] + x[i]"
    ),
    "by a function": f"fill(out)\n{ADDED}",
}
WORKING = {
    "a plain loop": ADDED.replace("range", "prange"),
    "blocks, and a serial rest": (
        "whole = out.size // 4\nfor block in prange(whole):\n    for i in range(4 * block, 4 * block + 4):\n"
        "        out[i] = x[i] + y[i]\nfor i in range(4 * whole, out.size):\n    out[i] = x[i] + y[i]"
    ),
    "zeros first, then sums in parallel": f"out[:] = 0\n{ADDED.replace('range', 'prange')}",
    "half of it, and the serial loop reads it": (
        "for i in prange(out.size):\n    out[i] = x[i]\nfor i in range(out.size):\n    out[i] += y[i]"
    ),
    "through an array between": (
        "sums = np.empty(out.size, np.float32)\nfor i in prange(out.size):\n    sums[i] = x[i] + y[i]\n"
        "for i in range(out.size):\n    out[i] = sums[i]"
    ),
    "a number that is counted": (
        "total = 0\nfor i in prange(out.size):\n    total += 1\nfor i in range(total):\n    out[i] = x[i] + y[i]"
    ),
    "threads for large arrays only": (
        f"if out.size < 1 << 30:\n{textwrap.indent(ADDED, '    ')}\n"
        f"else:\n{textwrap.indent(ADDED.replace('range', 'prange'), '    ')}"
    ),
    "in a function": "added(x, y, out)",
}
FILL = "@njit(parallel=True)\ndef fill(out):\n    for i in prange(out.size):\n        out[i] = 0\n"
SUMS = f"@njit(parallel=True)\ndef added(x, y, out):\n{textwrap.indent(ADDED.replace('range', 'prange'), '    ')}\n"


@pytest.fixture
def parallel(tmp_path, monkeypatch):
    """parallel(body): what explain says of a kernel `add` with this body."""
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    (tmp_path / "cpu").mkdir()

    def explained(body: str) -> bool:
        helpers = "\n\n".join(text for name, text in (("fill(", FILL), ("added(", SUMS)) if name in body)
        source = HEAD.format(helpers=helpers, body=textwrap.indent(body, "    "))
        (tmp_path / "cpu" / "add.py").write_text(source, encoding="utf-8")
        kernels_changed()
        return explain("add").parallel

    yield explained
    monkeypatch.undo()
    kernels_changed()


@pytest.mark.parametrize("body", IDLE.values(), ids=IDLE)
def test_threads_beside_the_work_do_not_count(parallel, body):
    assert not parallel(body)


@pytest.mark.parametrize("body", WORKING.values(), ids=WORKING)
def test_threads_that_do_the_work_count(parallel, body):
    assert parallel(body)
