"""What holds for every test: the learner's kernels are out of reach, tests are marked, and how they share two cores.

Not for fixtures of one part of the package: those live beside the tests that use them.
"""

import os
import re
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version

import pytest
from hypothesis import settings

# Set before the package is imported, and inherited by every process that a test starts: no test may read or overwrite
# the kernels that the person who runs it has written.
_student_folder = tempfile.mkdtemp(prefix="llaisys_mini-tests-student-")
os.environ["LLAISYS_MINI_STUDENT_DIR"] = _student_folder

# Side by side (`make test`: one process per core), a thread that waits must not keep a core from the other processes.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"

# A kernel's first call compiles it, which no deadline per example survives. The same examples every time: a failure
# seen in CI is seen by whoever runs that test again.
settings.register_profile("llaisys_mini", deadline=None, derandomize=True)
settings.load_profile("llaisys_mini")

# These compile the same kernels: in one process, one after the other, the second finds them compiled. They take longest
# of all files, and lectures, labs and models use what they leave in the cache: they begin first.
_KERNELS = "tests/kernels/test_solutions.py"
_WITH = dict.fromkeys((f"tests/kernels/test_{name}.py" for name in ("guarded", "quantised", "same_bits")), _KERNELS)

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


def pytest_configure(config: pytest.Config) -> None:
    """The processes of one run, and those that tests start, compile a kernel once for all of them."""
    if "PYTEST_XDIST_WORKER" not in os.environ and getattr(config.option, "numprocesses", None):
        os.environ["NUMBA_CACHE_DIR"] = os.path.join(_student_folder, "compiled")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name.endswith("_parity.py"):
            item.add_marker(pytest.mark.parity)
    if "long" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    if "PYTEST_XDIST_WORKER" in os.environ:  # what takes long begins first, so that no core waits for it at the end
        items.sort(key=lambda item: (item.get_closest_marker("slow") is None, _scope(item.nodeid) != _KERNELS))


def _scope(nodeid: str) -> str:
    """What one process runs: a file, files that belong together, or all that a folder has of one lab or lecture."""
    file, _, test = nodeid.partition("::")
    lab = re.search(r"[\[-](\d\d_\w+)", test)
    return f"{os.path.dirname(file)} {lab[1]}" if lab else _WITH.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Tests of one file run in one process, and so do all tests of one lab, which share what its solution gave."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFileOrLab(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    config.option.loadscopereorder = False
    return ByFileOrLab(config, log)


def pytest_unconfigure() -> None:
    shutil.rmtree(_student_folder, ignore_errors=True)
