"""docs/pytorch.md does what it says: a kernel of the course as an operator of PyTorch."""

import re

import numpy as np
import pytest

from llaisys_mini import paths

torch = pytest.importorskip("torch")


def test_the_page_runs_and_agrees_with_torch():
    page = (paths.course_root() / "docs" / "pytorch.md").read_text(encoding="utf-8")
    names: dict = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/pytorch.md", "exec"), names)
    x, layer = names["x"], names["layer"]
    own = x.grad.clone(), layer.weight.grad.clone()
    x.grad = None
    reference = torch.nn.RMSNorm(64, eps=1e-6)
    expected = reference(x)
    np.testing.assert_allclose(layer(x).detach(), expected.detach(), rtol=2e-5, atol=1e-6)
    expected.square().mean().backward()
    for mine, theirs in zip(own, (x.grad, reference.weight.grad), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=1e-6)
