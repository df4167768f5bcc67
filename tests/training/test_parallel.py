"""Training shared among processes: the same losses, the same weights in all, and an end that is told."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini.cli import main
from llaisys_mini.errors import TrainingError
from llaisys_mini.training import parallel
from llaisys_mini.training.loop import train
from llaisys_mini.training.recipe import Recipe
from tests.training.small import RECIPE, write_text

with_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None
    or not (shutil.which("mpiexec") or (Path(sys.executable).parent / "mpiexec").exists()),
    reason="not run: the extra mpi is not installed",
)


def test_buckets_hold_every_array_once_and_are_not_too_large():
    gradients = {f"w{n}": np.zeros(size) for n, size in enumerate((5, 3, 4, 30, 1, 9, 2))}
    groups = parallel.buckets(gradients, most=10)
    assert [name for names in groups for name in names] == list(gradients)
    assert groups == [["w0", "w1"], ["w2"], ["w3"], ["w4", "w5"], ["w6"]]


@pytest.mark.parametrize(
    ("sequences", "parts", "size", "fits"), [(16, 1, 4, True), (16, 2, 8, True), (16, 1, 3, False)]
)
def test_shares_are_equal(sequences, parts, size, fits):
    recipe = Recipe(sequences=sequences, parts=parts)
    if fits:
        parallel.require_equal_shares(recipe, size)
    else:
        with pytest.raises(TrainingError, match="16 texts of a step cannot be shared equally among 3 processes"):
            parallel.require_equal_shares(recipe, size)


def test_parts_and_shares_together_must_divide_a_batch():
    with pytest.raises(TrainingError, match="that take them in 4 parts"):
        parallel.require_equal_shares(Recipe(sequences=16, parts=4), 8)


def test_one_process_is_alone(monkeypatch):
    for name in parallel._STARTED_BY:
        monkeypatch.delenv(name, raising=False)
    assert type(parallel.group()) is parallel.Alone


def test_without_mpi_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel.shutil, "which", lambda _: None)
    monkeypatch.setattr(parallel.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(TrainingError, match=r"no mpiexec.*pip install 'llaisys_mini\[mpi\]'"):
        parallel.start(2, ["true"])
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(TrainingError, match=r"mpi4py cannot be used .*pip install 'llaisys_mini\[mpi\]'"):
        parallel.group()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (137, "One of the 2 processes died (status 137), and the others were ended. There is no checkpoint yet."),
        (parallel.TOLD, ""),
    ],
)
def test_the_command_says_that_a_process_died(monkeypatch, tmp_path, status, told):
    monkeypatch.setattr(parallel, "start", lambda processes, command: status)
    ended = CliRunner().invoke(main, ["train", "text", "--out", str(tmp_path / "out"), "--processes", "2"])
    assert ended.exit_code == parallel.TOLD
    assert ended.output.replace("\n", " ").removeprefix("llaisys-mini: ").strip().startswith(told)
    assert bool(ended.output) == bool(told)


def in_processes(size, text, out, *options):
    return parallel.start(size, [sys.executable, "-m", "tests.training.in_processes", str(text), str(out), *options])


@with_mpi
@pytest.mark.parametrize("size", [1, 2, 4])
def test_any_number_of_processes_gives_the_same_losses(size, tmp_path):
    text = write_text(tmp_path / "text.txt")
    expected = train(text, tmp_path / "alone", RECIPE)
    assert in_processes(size, text, tmp_path / "shared") == 0
    found = json.loads((tmp_path / "shared.json").read_text())
    assert found["size"] == size and len(set(found["weights"])) == 1
    np.testing.assert_allclose(found["losses"], expected.losses, rtol=1e-5)
    np.testing.assert_allclose(found["losses"][0], expected.losses[0], rtol=1e-6)


@with_mpi
def test_a_process_that_dies_ends_the_run_and_the_same_command_goes_on(tmp_path):
    text, out = write_text(tmp_path / "text.txt"), tmp_path / "shared"
    assert in_processes(2, text, out, "--die", "6") not in (0, 1, parallel.TOLD)
    assert (out / "checkpoints" / "step-000004.safetensors").exists() and not (out / "model.safetensors").exists()
    assert in_processes(2, text, out) == 0
    expected = train(text, tmp_path / "alone", RECIPE)
    np.testing.assert_allclose(json.loads((tmp_path / "shared.json").read_text())["losses"], expected.losses, rtol=1e-5)


@with_mpi
def test_an_error_of_the_first_process_ends_all_and_is_told_once(tmp_path, capfd):
    text = write_text(tmp_path / "text.txt")
    assert in_processes(2, text, tmp_path / "shared", "--fail") == parallel.TOLD
    assert capfd.readouterr().err.count("llaisys-mini: no room is left") == 1
