"""Arrays of np.empty that are read before they are set: found by reading; what is set first, or may be, is not."""

from pathlib import Path

import pytest

from llaisys_mini import check, paths
from llaisys_mini.checks.unset_arrays import find_unset
from llaisys_mini.errors import CheckFailed

MADE = "a = np.empty(x.shape[1], np.float32)\n"


def kernel(body):
    text = "".join(f"    {line}\n" for line in body.splitlines())
    return f"import numpy as np\n\n\n@njit\ndef kernel(x, out):\n{text}"


FOUND = {
    "added to": "for c in range(3):\n    a[c] += x[0, c]",
    "written out": "for c in range(3):\n    a[c] = a[c] + x[0, c]",
    "a maximum": "for c in range(3):\n    a[c] = max(a[c], x[0, c])",
    "read": "for c in range(3):\n    out[c] = 2 * a[c]",
    "compared": "for c in range(3):\n    if a[c] < x[0, c]:\n        a[c] = x[0, c]",
    "set back only afterwards": "for n in range(9):\n    a[0] += x[n, 0]\n    out[n] = a[0]\n    a[0] = 0",
    "never but on a condition": "for c in range(3):\n    if x[0, c] > 0:\n        a[c] += 1\nout[0] = a[0]",
    "after its length was asked": "for c in range(len(x) + a.shape[0]):\n    a[c] += 1",
}
LEFT = {
    "set in a loop": "for c in range(3):\n    a[c] = 0\nfor c in range(3):\n    a[c] += 1",
    "set as a whole": "a[:] = 0\na[1] += 1",
    "filled": "a.fill(0)\na[1] += 1",
    "set by a function": "clear(a)\na[1] += 1",
    "set in the first round": "for n in range(3):\n    if n == 0:\n        a[n] = 1\n    else:\n        a[n] += 1",
    "set in the other branch": "for n in range(3):\n    if n > 0:\n        a[n] += 1\n    else:\n        a[n] = 1",
    "set under another name": "b = a\nb[0] = 0\na[0] += 1",
    "set as part": "first = a[0:1]\nfirst[0] = 0\na[0] += 1",
    "made anew": "a = np.zeros(3)\na[0] += 1",
    "given as a row": "for n in range(3):\n    row = a[n]\n    row[0] = 1",
    "read on a condition": "out[0] = a[0] if x[0, 0] > 99 else 0",
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND.keys())
def test_a_read_of_what_was_never_set_is_found_with_line_array_and_remedy(body):
    (found,) = find_unset(kernel(MADE + body))
    assert found.array == "a"
    assert found.made == 6
    assert found.source == kernel(MADE + body).split("\n")[found.line - 1].strip()
    assert "a[" in found.source
    assert "np.zeros" in str(found)


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_what_may_be_set_is_left_alone(body):
    made = "a = np.empty((3, 3), np.float32)\n" if "row" in body else MADE
    assert find_unset(kernel(made + body)) == []


def test_no_kernel_of_the_course_has_one():
    root = paths.PACKAGE.parent
    files = [*(root / "solutions").rglob("*.py"), *(root / "notebooks").glob("*.py")]
    assert len(files) > 50
    assert [str(file) for file in files if find_unset(Path(file).read_text())] == []


COLUMN_SUMS = """import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("linear_backward", device="cpu")
@njit
def linear_backward(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    sums = np.empty(grad_out.shape[1], np.float32)
    for n in range(len(x)):
        for m in range(len(weight)):
            sums[m] += grad_out[n, m]
"""


def test_check_names_it_where_right_numbers_may_come_out(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "linear_backward.py").write_text(COLUMN_SUMS)
    with pytest.raises(CheckFailed, match=r"(?s)read before it was set\s+line 13: sums\[m\] \+= .*np.zeros"):
        check("linear_backward")
