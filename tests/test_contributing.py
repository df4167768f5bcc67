"""The operator that docs/contributing-operators.md walks through works as printed: three files, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "contributing-operators.md").read_text()
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what an operator needs, with the files of the guide."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("llaisys_mini", "solutions/kernels"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for name, source in FILES.items():
        assert not (root / name).exists()
        (root / name).write_text(source)
    return root


def run(checkout, *arguments):
    environment = os.environ | {"PYTHONPATH": str(checkout), "NUMBA_CACHE_DIR": str(checkout / "compiled")}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=checkout, env=environment, capture_output=True, text=True
    )


def test_the_guide_holds_one_operator():
    places = ("llaisys_mini/operators", "solutions/kernels/cpu", "solutions/kernels/cuda")
    assert [str(Path(name).parent) for name in FILES] == list(places)
    assert len({Path(name).name for name in FILES}) == 1


def test_it_is_in_style(checkout):
    for command in (["check"], ["format", "--check"]):
        answer = run(checkout, "ruff", *command, *FILES)
        assert answer.returncode == 0, answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_both_kernels_are_right(checkout, device):
    answer = run(checkout, "llaisys_mini", "check", "squared_relu", "--kernels", "solutions", "--device", device)
    assert answer.returncode == 0, answer.stderr
    assert f"squared_relu on {device}: right on all cases" in answer.stdout


@pytest.mark.slow
def test_its_mistakes_are_rejected_and_its_kernels_tested(checkout):
    """The tests of the operators find it by themselves."""
    shutil.copytree(ROOT / "tests", checkout / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    chosen = ["tests/operators/test_operators.py", "tests/kernels/test_solutions.py", "tests/cuda/test_kernels.py"]
    answer = run(checkout, "pytest", *chosen, "-q", "-k", "squared_relu", "-m", "not slow")
    assert answer.returncode == 0, answer.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", answer.stdout)[1]) >= 18
