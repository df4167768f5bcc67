"""Races in prange: found in every form, and not seen where there are none."""

from pathlib import Path

import pytest

from llaisys_mini import paths
from llaisys_mini.checks.prange_races import find_races

RACES = {
    "augmented": "for n in prange(N):\n    for m in range(M):\n        out[m] += x[n, m]",
    "minus": "for n in prange(N):\n    out[0] -= x[n]",
    "maximum": "for n in prange(N):\n    for m in range(M):\n        out[m] = max(out[m], x[n, m])",
    "plain sum": "for n in prange(N):\n    out[0] = out[0] + x[n]",
    "over k": (
        "for k in prange(K):\n    for n in range(N):\n"
        "        for m in range(M):\n            out[n, m] += x[n, k] * w[m, k]"
    ),
    "a view": "row = out[0]\nfor n in prange(N):\n    row[2] += x[n]",
    "a view made inside": "for n in prange(N):\n    row = out[2]\n    row[1] += x[n]",
    "flat": "for n in prange(N):\n    flat = out.reshape(-1)\n    flat[3] += x[n]",
    "with numba's name": "for n in numba.prange(N):\n    out[0] += x[n]",
    "under another name": "each = prange\nfor n in each(N):\n    out[0] += x[n]",
    "imported under another name": "from numba import prange as each\nfor n in each(N):\n    out[0] += x[n]",
    "under a condition": "for n in prange(N):\n    if x[n] > 0:\n        out[1] += x[n]",
    "in a while loop": "for n in prange(N):\n    i = 0\n    while i < M:\n        out[i] += x[n, i]\n        i += 1",
    "in a helper": "for n in prange(N):\n    add_to(out, 3, x[n])",
    "two subscripts": "for n in prange(N):\n    out[1][2] += x[n]",
    "the array outside of the loop": "sums = np.zeros(M)\nfor n in prange(N):\n    sums[0] += x[n]",
}
FINE = {
    "by the loop variable": "for n in prange(N):\n    out[n] += x[n]",
    "by something made of it": "for n in prange(N):\n    place = 2 * n + 1\n    out[place] += x[n]",
    "by an inner loop that starts there": (
        "for b in prange(N):\n    for n in range(b * 4, b * 4 + 4):\n        out[n] += x[n]"
    ),
    "its own array": (
        "for n in prange(N):\n    sums = np.zeros(M)\n    for m in range(M):\n        sums[m] += x[n, m]"
    ),
    "its own row": "for n in prange(N):\n    row = out[n]\n    for m in range(M):\n        row[m] += x[n, m]",
    "its own slice": (
        "for b in prange(N):\n    part = out[b * 4 : b * 4 + 4]\n    for i in range(4):\n        part[i] += 1"
    ),
    "a reduction": "total = 0.0\nfor n in prange(N):\n    total += x[n]",
    "one column each": "for m in prange(M):\n    for n in range(N):\n        out[m] += x[n, m]",
    "stored, not updated": "for n in prange(N):\n    out[n] = x[n] + x[0]",
    "range": "for n in range(N):\n    out[0] += x[n]",
    "a helper with the row": "for n in prange(N):\n    add_to(out[n], 3, x[n])",
    "a helper with the index": "for n in prange(N):\n    add_to(out, n, x[n])",
    "a helper with an array of its own": "for n in prange(N):\n    mine = np.zeros(9)\n    add_to(mine, 3, x[n])",
    "inside of a tile": (
        "for t in prange(N):\n    tile = np.zeros((4, 4))\n    for k in range(K):\n        tile[0, 1] += x[t, k]"
    ),
}
HELPER = "def add_to(array, place, value):\n    array[place] += value\n\n"


def kernel(body):
    return HELPER + "def kernel(x, w, out, N, M, K):\n" + "".join(f"    {line}\n" for line in body.splitlines())


@pytest.mark.parametrize("body", RACES.values(), ids=RACES)
def test_found(body):
    (race,) = find_races(kernel(body))
    assert race.array in ("out", "sums", "row")
    assert race.variable in ("n", "k")
    line = kernel(body).splitlines()[race.line - 1].strip()
    assert line == race.source and ("=" in line or "add_to" in line)


@pytest.mark.parametrize("body", FINE.values(), ids=FINE)
def test_not_accused(body):
    assert find_races(kernel(body)) == []


def test_the_courses_own_kernels_have_none():
    files = [*paths.solutions_folder().rglob("*.py")]
    assert len(files) > 40
    assert {Path(file).name: found for file in files if (found := find_races(file.read_text()))} == {}


def test_what_does_not_parse_has_none():
    assert find_races("def kernel(:") == []
