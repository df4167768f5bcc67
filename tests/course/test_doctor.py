"""What the doctor says of the folder that compiled kernels are kept in."""

from pathlib import Path

import pytest

from llaisys_mini import paths
from llaisys_mini.course import doctor
from llaisys_mini.kernels import compiled

BESIDE = paths.solutions_folder() / "cpu" / "__pycache__"


@pytest.mark.parametrize(
    ("chosen", "place", "verdict", "words"),
    [
        (None, BESIDE, "ok", str(BESIDE)),
        ("/chosen", Path("/chosen/cpu_1"), "ok", "/chosen"),
        ("/chosen", BESIDE, "note", "since NUMBA_CACHE_DIR=/chosen cannot be written"),
        (None, Path("/tmp/private/cpu_1"), "note", "is read-only"),
        (None, None, "note", "each start compiles the kernels again"),
    ],
)
def test_where_kernels_are_kept(monkeypatch, chosen, place, verdict, words):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("NUMBA_CACHE_DIR", chosen)
    monkeypatch.setattr(compiled, "place", lambda _: place)
    finding = doctor._kernel_cache(None)
    assert (finding.what, finding.verdict) == ("kernel cache", verdict)
    assert words in finding.state
    assert bool(finding.remedy) == (verdict == "note")
