"""Remarks on accidental float64 agree with the instructions that the compiler makes, over the forms that are natural to
write."""

import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.inspect import compile_check
from llaisys_mini.sanitizer import findings
from tests.sanitizer.compiler import FLOAT32, kernel_of

# One form a line; `;` ends a line of the form. Parameters: the arrays x and out of float32, s (Python's float) and
# s32 (np.float32); i is the thread's number.
NATURAL = """out[i] = x[i] * 0.5
out[i] = x[i] * 2
out[i] = x[i] * 0.1
out[i] = x[i] / 2
out[i] = x[i] / x.shape[0]
out[i] = x[i] + 1
out[i] = x[i] - 0.1
out[i] = 1.0 / x[i]
out[i] = x[i] * x[i] * 0.5
out[i] = 0.5 * x[i] * (1 + x[i])
out[i] = 1 / (1 + math.exp(-x[i]))
out[i] = max(x[i], 0)
out[i] = max(x[i], 0.0)
out[i] = max(x[i], np.float32(0))
out[i] = x[i] if x[i] > 0 else 0
out[i] = min(max(x[i], 0), 6)
if x[i] > 0.5:;    out[i] = x[i]
if x[i] > 0.1:;    out[i] = x[i]
out[i] = math.pow(x[i], 2)
out[i] = x[i] ** 2
out[i] = x[i] ** 0.5
out[i] = math.sqrt(x[i] + 1e-5)
out[i] = round(x[i])
out[i] = math.floor(x[i])
out[i] = abs(x[i]) * 2
out[i] = x[i] * s
out[i] = x[i] * s32
out[i] = x[i] * np.float32(s)
out[i] = float(x[i]) * x[i]
total = 0.0;for j in range(4):;    total += x[j];out[i] = total
total = np.float32(0);for j in range(4):;    total += x[j];out[i] = total / np.float32(x.shape[0])
best = -math.inf;for j in range(4):;    best = max(best, x[j]);out[i] = best
half = x[i] * 0.5;out[i] = half
out[i] = x[i] * i
out[i] = i / 2
out[i] = (x[i] + x[i + 1]) / 2""".splitlines()

OTHERS = """out[i] = max(0, x[i])
out[i] = x[i] if x[i] > 0 else 0.0
out[i] = math.pow(x[i], np.float32(2))
out[i] = pow(x[i], 2)
out[i] = x[i] ** 2.0
out[i] = math.exp(x[i] * 0.5)
out[i] = math.exp(x[i] - 1)
out[i] = x[i] / math.sqrt(2.0)
out[i] = x[i] * (1 / 3)
out[i] = x[i] * (1 / 2)
out[i] = x[i] * -0.5
out[i] = x[i] * 16777217
out[i] = x[i] // 1
out[i] = x[i] % 2
out[i] = np.float32(x[i] * 0.1)
out[i] = np.float32(x[i] * 0.5)
out[i] = np.float32(1.0 / x.shape[0])
out[i] = np.float32(0.1) + x[i] * 0.5
y = x[i] * 0.5;out[i] = y + y
y = 0.5;out[i] = x[i] * y
out[i] += 1
out[i] += x[i] * 0.5
out[i] += 0.1
out[i] *= 2
out[i] = 2 * x[i] - 1
out[i] = i * 0.5
out[i] = math.sin(i)
out[i] = np.sin(i)
out[i] = np.maximum(x[i], 0)
out[i] = math.copysign(x[i], 1.0)
out[i] = math.atan2(x[i], 1.0)
out[i] = math.sqrt(2) + 1 / 3
if x[i] > i:;    out[i] = x[i]
if 0.1 < x[i] < 0.9:;    out[i] = 1
if i > 0.5:;    out[i] = x[i]
cuda.atomic.add(out, 0, x[i] * 0.5)
cuda.atomic.add(out, 0, x[i] * 0.1)
out[i] = cuda.fma(x[i], x[i], 1.0)
out[i] = cuda.libdevice.rintf(x[i])
out[i] = math.ceil(x.shape[0] / 32)
wide = cuda.local.array(4, np.float64);wide[0] = x[i];out[i] = wide[0]""".splitlines()

DIFFER = {
    "out[i] = x[i] * np.float32(s)": "the argument is rounded once per thread: this is the remedy, and no remark",
    "out[i] = float(x[i]) * x[i]": "the compiler sees through float()",
}


def lines_of(body):
    """(lines with float64 instructions, lines with a remark)"""
    from llaisys_mini.cuda.compiler import compile_with_lines

    text = "i = cuda.grid(1)\n" + body.replace(";", "\n")
    kernel = kernel_of(text, "x, out, s, s32")
    arguments = FLOAT32.copy(), FLOAT32.copy(), 0.3, np.float32(0.3)
    _, made = compile_with_lines(kernel, arguments, "sm_80")
    with cuda.sanitized(raises=False) as report:
        kernel[1, 32](*arguments)
    return set(made), {remark.line for remark in report.remarks if remark.kind == findings.FLOAT64}


@pytest.mark.slow
@pytest.mark.skipif(compile_check.unavailable() is not None, reason="the compiler is not installed")
@pytest.mark.parametrize("forms", [NATURAL, OTHERS], ids=["natural", "others"])
def test_remarks_agree_with_the_instructions(forms):
    """A form has a remark if and only if it has instructions, on a line that has them."""
    compared = {form: lines_of(form) for form in forms}
    told = {form for form, (made, remarks) in compared.items() if bool(made) != bool(remarks) or remarks - made}
    assert told == DIFFER.keys() & set(forms)
    assert {bool(made) for made, _ in compared.values()} == {True, False}


def test_the_table_is_as_long_as_it_is_said_to_be():
    assert len(NATURAL) == 36
    assert len(DIFFER) <= 2
