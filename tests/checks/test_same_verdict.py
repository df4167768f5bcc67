"""A kernel whose result is a matter of chance gets the same verdict, in the same words, in 30 of 30 checks."""

import pytest

from llaisys_mini import check
from llaisys_mini.errors import CheckFailed
from llaisys_mini.kernels.runtime import Runtime

HEAD = """import numpy as np
from numba import njit, prange
from llaisys_mini import kernel


@kernel("linear", device="cpu")
@njit(parallel=True, cache=True)
def linear(x, weight, bias, out):
"""

RACING = """    out[:] = 0
    for k in prange(x.shape[1]):
        for n in range(x.shape[0]):
            for m in range(weight.shape[0]):
                out[n, m] += x[n, k] * weight[m, k]
    if bias is not None:
        for n in range(x.shape[0]):
            for m in range(weight.shape[0]):
                out[n, m] += bias[m]
"""

NEVER_SET = """    for n in prange(x.shape[0]):
        for m in range(weight.shape[0]):
            for k in range(x.shape[1]):
                out[n, m] += x[n, k] * weight[m, k]
            if bias is not None:
                out[n, m] += bias[m]
"""

OUTSIDE = """    for n in prange(x.shape[0]):
        sums = np.zeros(64, np.float32)
        for m in range(weight.shape[0]):
            sums[m] = 0 if bias is None else bias[m]
            for k in range(x.shape[1]):
                sums[m] += x[n, k] * weight[m, k]
            out[n, m] = sums[m]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(RACING, "line 13: out[n, m] += x[n, k] * weight[m, k]", id="racing"),
        pytest.param(NEVER_SET, "never written (or are NaN)", id="never set"),
        pytest.param(OUTSIDE, "index 64 is out of bounds for axis 0 with size 64", id="outside"),
    ],
)
@pytest.mark.parametrize("times", [6, pytest.param(30, marks=pytest.mark.long)])
def test_every_time(tmp_path, body, told, times):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "linear.py").write_text(HEAD + body)
    verdicts = []
    for _ in range(times):
        with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
            check("linear")
        verdicts.append(str(failed.value))
    assert told in verdicts[0]
    assert len(set(verdicts)) == 1
