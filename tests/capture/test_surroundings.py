"""What is around a captured step: files, threads, and the end of the process."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from numba import float32, types

from llaisys_mini import load_model
from llaisys_mini.capture import captured
from llaisys_mini.capture.emit import emit
from llaisys_mini.capture.graph import COMPUTED, Call, Graph, Value
from llaisys_mini.capture.record import CannotCapture, Launch, Operand
from llaisys_mini.capture.replay import PATIENCE
from llaisys_mini.kernels import compiled
from tests.capture.test_replay import Texts
from tests.models.random_models import make_checkpoint


def test_ctrl_c_while_a_process_waits_for_the_compiler_at_its_end():
    program = (
        "import time; from llaisys_mini.capture import captured\n"
        "class Slow:\n"
        "    def wait(self): print('waiting', flush=True); time.sleep(100)\n"
        "captured._Function._known[()] = Slow()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, noise = process.communicate(timeout=60)
    assert (process.returncode, noise) == (130, "")


def test_a_damaged_source_is_written_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "step.py").write_bytes(b"\xff\xfe\x00")
    path = compiled.generated_file("step.py", "x = 1\n")
    assert path is not None and path.read_text() == "x = 1\n"


def test_where_no_thread_can_be_started_the_step_still_counts(tmp_path, monkeypatch, capfd):
    class Refused:
        def __init__(self, **_):
            pass

        def start(self):
            raise RuntimeError("can't start new thread")

    model = load_model(make_checkpoint(tmp_path, max_position_embeddings=300))
    monkeypatch.setattr(captured._Function, "_known", {})
    monkeypatch.setattr(captured.threading, "Thread", Refused)
    mine, theirs = Texts(model, 1), Texts(model, 1, replay=False)
    for number in range(PATIENCE + 3):
        np.testing.assert_array_equal(mine.step(number)[0], theirs.step(number)[0])
    assert mine.texts[0].ids == theirs.texts[0].ids and not captured._Function._known
    assert capfd.readouterr().err.count("can't start new thread") == 1


def test_an_array_whose_length_does_not_follow_the_rows_is_refused():
    """The source would give it a wrong length."""
    value = Value("half", COMPUTED, (3,), np.dtype(np.float32))
    operand = Operand(value, types.Array(float32, 1, "C"), (3,), 0)
    call = Call("halve", (), (value,), (), Launch(None, 0, (operand,)))
    with pytest.raises(CannotCapture, match="3 rows does not follow the 2 rows"):
        emit(Graph([call], []), rows=2)
