"""What the doctor says of the folders that kernels, and their compiled forms, are kept in."""

import os
import shutil
from pathlib import Path

import pytest

from llaisys_mini import paths
from llaisys_mini.course import doctor
from llaisys_mini.kernels import compiled
from llaisys_mini.kernels.sets import KernelSet

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


@pytest.mark.parametrize(("can_be_written", "verdict"), [(True, "ok"), (False, "note")])
def test_whether_a_kernel_can_be_saved(monkeypatch, tmp_path, can_be_written, verdict):
    asked = []

    def access(place, how):
        asked.append((place, how))
        return can_be_written

    monkeypatch.setattr("os.access", access)
    finding = doctor._own_kernels(KernelSet("yours", tmp_path / "student"))
    assert (finding.what, finding.verdict) == ("your kernels", verdict)
    assert asked == [(tmp_path, os.W_OK)], "the folder is not there yet: the one above it decides"
    assert ("LLAISYS_MINI_STUDENT_DIR" in finding.remedy) == (not can_be_written)


def test_a_full_disk_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "place", lambda _: tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    for finding in (doctor._own_kernels(KernelSet("yours", tmp_path)), doctor._kernel_cache(None)):
        assert finding.verdict == "note" and "the disk is full" in finding.remedy
