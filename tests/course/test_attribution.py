"""What is said of the kernels that answered: here, whether a row has the same bits in any company."""

import numpy as np

from llaisys_mini import operators
from llaisys_mini.course.attribution import counts, kernels_that_change_bits
from llaisys_mini.kernels.runtime import Runtime

LINEAR = """
from llaisys_mini import kernel

@kernel("linear", device="cpu")
def linear(x, weight, bias, out):
    out[:] = 0
    for k in range(x.shape[1]){order}:
        out += x[:, k : k + 1] * weight[:, k]
    if bias is not None:
        out += bias
"""


def test_a_kernel_that_sums_a_row_alone_in_another_order_is_named(tmp_path):
    (tmp_path / "cpu").mkdir()
    file = tmp_path / "cpu" / "linear.py"
    x = np.ones((2, 8), np.float32)
    for order, named in (("", []), ("[:: 1 if len(x) > 1 else -1]", ["linear"])):
        file.write_text(LINEAR.format(order=order))
        with Runtime(everywhere="student", student=tmp_path).in_force():
            operators.linear(x, x)
            operators.relu(x)
            assert kernels_that_change_bits("cpu") == named
            assert counts() == "1 student, 1 solutions"
