"""A student folder of its own for each test of kernel sets."""

import pytest

from llaisys_mini.kernels.choice import use_kernels


@pytest.fixture
def student(tmp_path, monkeypatch):
    """An empty student folder, in force for this test."""
    folder = tmp_path / "student"
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(folder))
    use_kernels()
    yield folder
    use_kernels()


@pytest.fixture
def write_kernel(student):
    """write_kernel("relu", body) puts a plain Python kernel file into the student folder."""

    def write(operator: str, source: str, device: str = "cpu"):
        path = student / device / f"{operator}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    return write
