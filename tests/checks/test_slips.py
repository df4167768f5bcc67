"""What is told of a kernel's source where its result did not arrive."""

import pytest

from llaisys_mini import operators, paths
from llaisys_mini.checks.slips import slips

HEAD = "@kernel('relu', device='cpu')\n@njit\ndef relu(x, out):\n"


def told(body):
    return slips(operators.get("relu"), HEAD + "".join(f"    {line}\n" for line in body.splitlines()))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return np.maximum(x, 0)", "line 4: the kernel returns its result, and nobody takes it. Write it into out"),
        ("out = np.maximum(x, 0)", "line 4: out = ... gives the name out to another array"),
        ("y = x\nout, z = y, x", "line 5: out = ... gives the name out to another array"),
        ("for i in range(3):\n    out[i] += x[i]", "line 5: it adds to what stands in out, and out is not 0"),
        ("y = np.maximum(x, 0)", "the kernel never mentions its output out"),
    ],
)
def test_told(body, sentence):
    assert any(text.startswith(sentence) for text in told(body)), told(body)


@pytest.mark.parametrize(
    "body",
    [
        "out[:] = np.maximum(x, 0)\nreturn",
        "for i in range(x.size):\n    out[i] = max(x[i], 0)\nreturn None",
        "def helper(v):\n    return v\nout[0] = helper(x[0])",
        "write(x, out)",
        "for i in range(3):\n    out[i] = 0\n    out[i] += x[i]",
    ],
)
def test_nothing_is_told_of_these(body):
    assert told(body) == []


def test_the_courses_own_kernels_have_none():
    for device in ("cpu", "cuda"):
        for name in operators.names:
            file = paths.solutions_folder() / device / f"{name}.py"
            if file.is_file():
                assert slips(operators.get(name), file.read_text()) == [], file
