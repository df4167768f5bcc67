"""What holds for every test: the learner's kernels are out of reach, and slow or heavy tests are marked.

Not for fixtures of one part of the package: those live beside the tests that use them.
"""

import os
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version

import pytest
from hypothesis import settings

# Set before the package is imported, and inherited by every process that a test starts: no test may read or overwrite
# the kernels that the person who runs it has written.
_student_folder = tempfile.mkdtemp(prefix="llaisys_mini-tests-student-")
os.environ["LLAISYS_MINI_STUDENT_DIR"] = _student_folder

# Side by side (`make test`: one process per core), each process compiles into a cache of its own, since Numba's has no
# lock; and a thread that waits must not keep a core from the other processes.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(_student_folder, "compiled")
    os.environ["OMP_WAIT_POLICY"] = "passive"

# A kernel's first call compiles it, which no deadline per example survives. The same examples every time: a failure
# seen in CI is seen by whoever runs that test again.
settings.register_profile("llaisys_mini", deadline=None, derandomize=True)
settings.load_profile("llaisys_mini")

_REPORTED = ("numpy", "numba", "llvmlite", "ml_dtypes", "tokenizers", "safetensors", "torch", "transformers")


def pytest_report_header() -> str:
    """The versions that numerical results depend on."""
    found = []
    for name in _REPORTED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return f"{os.cpu_count()} cores; " + ", ".join(found)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name.endswith("_parity.py"):
            item.add_marker(pytest.mark.parity)


def pytest_unconfigure() -> None:
    shutil.rmtree(_student_folder, ignore_errors=True)
