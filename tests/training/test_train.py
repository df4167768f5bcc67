"""`train` from a text to a model that speaks; resuming bit for bit; and what goes wrong, each in a sentence."""

import dataclasses
import errno
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import load_model, paths
from llaisys_mini.cli import main
from llaisys_mini.errors import CheckpointWarning, TrainingError
from llaisys_mini.training import checkpoints, loop
from llaisys_mini.training.loop import train
from llaisys_mini.weights import checkpoint
from tests.training.small import RECIPE, write_text

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "text.txt")


@pytest.fixture(scope="module")
def uninterrupted(text, tmp_path_factory):
    """A whole run: its folder, and its outcome."""
    folder = tmp_path_factory.mktemp("run") / "model"
    return folder, train(text, folder, RECIPE)


def weights_of(folder) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def assert_same_run(folder, outcome, uninterrupted):
    other, expected = uninterrupted
    assert np.array_equal(outcome.losses, expected.losses)
    assert weights_of(folder) == weights_of(other)


class Stopped(Exception):
    """Ends a run from within, as an interruption would."""


def stop_after(monkeypatch, step):
    take_step = loop.Run.take_step

    def step_or_stop(run):
        if run.step == step:
            raise Stopped
        take_step(run)

    monkeypatch.setattr(loop.Run, "take_step", step_or_stop)


def interrupted(text, folder, step):
    """A folder whose run was stopped after so many steps."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, step)
        train(text, folder, RECIPE)


def test_the_model_has_learned_and_speaks(uninterrupted):
    folder, outcome = uninterrupted
    assert len(outcome.losses) == 12 and outcome.held_out[:, 0].tolist() == [4, 8, 12]
    assert outcome.losses[-1] < outcome.losses[0] - 0.3
    assert outcome.held_out[-1, 1] < np.log(RECIPE.vocabulary) - 0.3
    spoken = CliRunner().invoke(main, ["generate", "the cat", "--model", str(folder), "--max-new-tokens", "5"])
    assert spoken.exit_code == 0, spoken.output
    assert spoken.output.startswith("the cat")
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert load_model(folder).config.vocab_size == RECIPE.vocabulary


def test_held_out_text_is_not_learned_from(text):
    documents = loop.read_documents(text)
    tokenizer = loop.make_tokenizer(documents, RECIPE.vocabulary)
    tokens = loop.Tokens(documents, tokenizer, RECIPE)
    held_out = tokenizer.encode(documents[49]).ids
    learned = tokens.learned.tolist()
    assert tokens.held_out.tolist()[:-1] == held_out
    assert not any(learned[i : i + len(held_out)] == held_out for i in range(len(learned)))


def test_an_interrupted_run_goes_on_bit_for_bit(text, tmp_path, uninterrupted):
    interrupted(text, tmp_path / "model", 6)
    assert_same_run(tmp_path / "model", train(text, tmp_path / "model", RECIPE), uninterrupted)


def test_a_finished_run_is_not_run_again(text, uninterrupted, monkeypatch):
    folder, _ = uninterrupted
    stop_after(monkeypatch, 0)
    assert_same_run(folder, train(text, folder, RECIPE), uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, pytest.param(10, marks=pytest.mark.long)])
def test_kills_change_no_bit(text, tmp_path, uninterrupted, with_one_thread, kills):
    """Killed with signal 9 between two steps, and when a checkpoint is written but not yet in its place."""
    folder = tmp_path / "model"
    for step in range(12 - kills, 12):
        moment = "writing" if step % 2 else "between"
        command = [sys.executable, "-m", "tests.training.small", str(text), str(folder), str(step), moment]
        killed = subprocess.run(
            command, cwd=paths.course_root(), env=with_one_thread, capture_output=True, text=True, check=False
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    left = [path.name for path in (folder / "checkpoints").iterdir() if path.name.startswith(".")]
    assert left, "the last kill came while a checkpoint was written"
    outcome = train(text, folder, dataclasses.replace(RECIPE, checkpoint_every=1))
    assert_same_run(folder, outcome, uninterrupted)
    assert not [path for path in (folder / "checkpoints").iterdir() if path.name.startswith(".")]


def test_a_full_disk_leaves_the_last_checkpoint(text, tmp_path, uninterrupted):
    folder = tmp_path / "model"
    with pytest.MonkeyPatch.context() as patch:
        save_file = checkpoint.save_file

        def fills_the_disk(arrays, path, metadata=None):
            if metadata and metadata.get("step") == "8":
                path.write_bytes(b"half a file")
                raise OSError(errno.ENOSPC, "No space left on device")
            save_file(arrays, path, metadata)

        patch.setattr(checkpoint, "save_file", fills_the_disk)
        with pytest.raises(TrainingError, match=r"No space left on device.*one of step 4 is whole"):
            train(text, folder, RECIPE)
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-000004.safetensors"]
    assert_same_run(folder, train(text, folder, RECIPE), uninterrupted)


def damage(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("harm", [damage, cut])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(harm, text, tmp_path, uninterrupted):
    folder = tmp_path / "model"
    interrupted(text, folder, 9)
    harm(folder / "checkpoints" / "step-000008.safetensors")
    with pytest.warns(CheckpointWarning, match=r"step-000008.safetensors is damaged"):
        outcome = train(text, folder, RECIPE)
    assert_same_run(folder, outcome, uninterrupted)


def test_where_all_checkpoints_are_damaged_nothing_is_overwritten(text, tmp_path):
    folder = tmp_path / "model"
    interrupted(text, folder, 9)
    for path in (folder / "checkpoints").iterdir():
        damage(path)
    with pytest.warns(CheckpointWarning), pytest.raises(TrainingError, match=r"All checkpoints in .* are damaged"):
        train(text, folder, RECIPE)
    assert sorted(checkpoints._found(folder / "checkpoints")) == [4, 8]


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_last_checkpoint(text, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    take_step = loop.Run.take_step

    def spoiled(run):
        if run.step == 6:
            run.weights["model.norm.weight"][:] = np.nan
        take_step(run)

    monkeypatch.setattr(loop.Run, "take_step", spoiled)
    with pytest.raises(TrainingError, match=r"the loss of step 7 is no finite number.*step 4 in .* is whole"):
        train(text, folder, RECIPE)


def test_a_learning_rate_too_high_is_noticed(text, tmp_path):
    reckless = dataclasses.replace(RECIPE, rate=1e38, matrix_rate=1e38)
    with pytest.raises(TrainingError, match="no finite number"), np.errstate(all="ignore"):
        train(text, tmp_path / "model", reckless)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 13}, "other settings"),
        ({"seed": 2}, "other settings"),
    ],
)
def test_other_settings_need_another_folder(changes, message, text, uninterrupted):
    with pytest.raises(TrainingError, match=message):
        train(text, uninterrupted[0], dataclasses.replace(RECIPE, **changes))


def test_what_a_user_may_get_wrong_is_one_sentence(text, tmp_path):
    short, latin = tmp_path / "short.txt", tmp_path / "latin.txt"
    short.write_text("too short a text")
    latin.write_bytes(b"caf\xe9")
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("mine")
    long_lines = dataclasses.replace(RECIPE, length=5000)
    for given, out, recipe, message in [
        (tmp_path / "no.txt", "a", RECIPE, "cannot be read: No such file"),
        (latin, "b", RECIPE, "no UTF-8 text: byte 3"),
        (short, "c", RECIPE, "too few different words"),
        (text, "d", dataclasses.replace(RECIPE, vocabulary=256), "vocabulary of 256 is too small"),
        (text, "e", long_lines, "the text is too short: .* more than 5,001"),
        (text, "full", RECIPE, "holds no training"),
    ]:
        with pytest.raises(TrainingError, match=message):
            train(given, tmp_path / out, recipe)
    assert [path.name for path in full.iterdir()] == ["letter.txt"]


def test_the_command_prints_where_the_model_is(text, tmp_path):
    out = tmp_path / "model"
    arguments = ["train", str(text), "--out", str(out), "--steps", "1", "--layers", "1", "--vocabulary", "270"]
    done = CliRunner().invoke(main, [*arguments, "--kernels", "solutions"])
    assert done.exit_code == 1 or done.exit_code == 2  # the text is too short for rows of 256 tokens
    assert "the text is too short" in done.output
