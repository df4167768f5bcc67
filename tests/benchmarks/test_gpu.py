"""`make gpu` without a device: its logic, with the device, torch and NVIDIA's tool faked where they are needed."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import correctness, decoding, launches, report, rows, timing, tools
from benchmarks.gpu.rows import Clock, Row
from benchmarks.tables import NOT_RUN
from llaisys_mini import cuda, operators
from llaisys_mini.models.shapes import QWEN3_06B

GONE = "there is no CUDA device here"


def test_an_error_costs_its_own_row_only():
    def work(name):
        if name == "broken":
            raise ValueError("first line\nsecond line")
        if name == "lacking":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return [Row("part", name, "right")]

    made = list(rows.each("part", ["good", "broken", "lacking", "late"], work, Clock(100)))
    assert [row.result for row in made] == ["right", "wrong", NOT_RUN, "right"]
    assert made[1].why == "ValueError: first line"
    assert made[2].why == "torch is not installed"


def test_nothing_begins_when_the_time_is_over():
    def work(name):
        raise AssertionError("must not be called")

    clock = Clock(10)
    assert [row.why for row in rows.each("part", ["a", "b"], work, clock, reserve=10)] == ["no time was left"] * 2
    assert clock.left <= 10


def test_the_whole_command_ends_cleanly_without_a_device_and_writes_both_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command.availability, "why_no_device", lambda: GONE)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "new"), "--minutes", "0"])
    assert command.main() == 0
    content = json.loads((tmp_path / "new" / "results.json").read_text())
    assert content["machine"]["device"] == GONE
    assert {row["result"] for row in content["rows"]} == {NOT_RUN}
    parts = {row["part"] for row in content["rows"]}
    alone = {launches.PART, timing.PART, decoding.PART, tools.PART}  # what only a device tells
    assert {*alone, "compiled", "correct: device, solutions", "correct: sanitizer, expert"} <= parts
    assert {row["why"] for row in content["rows"] if row["part"] in alone} == {GONE}
    named = {row["name"] for row in content["rows"] if row["part"] == decoding.PART}
    assert {decoding.CAPTURED, decoding.CALLED} < named
    named = [row["name"] for row in content["rows"] if row["part"] == "correct: device, solutions"]
    assert named == list(operators.names)
    assert all(row["why"] for row in content["rows"])
    text = (tmp_path / "new" / "results.md").read_text()
    assert "## time" in text
    assert f"| {GONE} |" in text
    assert "not run; written:" in capsys.readouterr().out


def test_something_wrong_is_an_exit_code_but_not_what_another_tool_misses(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path)])
    for part, code in (("correct: device, solutions", 1), (tools.PART, 0)):
        monkeypatch.setattr(command, "all_rows", lambda *_, part=part: [Row(part, "add", "wrong", "why")])
        assert command.main() == code


def test_the_roofline_is_the_longer_of_memory_and_arithmetic(monkeypatch):
    monkeypatch.setattr(timing, "interleaved", lambda ours, theirs: [2.0, 3.0])
    ceilings = {"bandwidth, GB/s": 1000.0, "float32, TFLOP/s": 10.0}
    moving = timing.Subject("moving", None, None, bytes=1e9)  # 1 ms at 1000 GB/s
    figures = timing._timed(moving, ceilings).figures
    assert figures["share of the roofline, %"] == pytest.approx(50)
    assert figures["GB/s"] == pytest.approx(500)
    assert figures["torch / ours"] == pytest.approx(1.5)
    assert "asked" not in figures
    counting = timing.Subject(
        "counting", None, None, bytes=1e6, flops=1.5e10, asked="0.7 of torch"
    )  # 1.5 ms at 10 TFLOP/s
    assert timing._timed(counting, ceilings).figures["share of the roofline, %"] == pytest.approx(75)
    assert timing._timed(counting, ceilings).figures["TFLOP/s"] == pytest.approx(7.5)
    assert timing._timed(counting, ceilings).figures["asked"] == "at least 0.7 of torch"


def test_markdown_has_one_table_per_part_and_a_column_per_figure():
    made = [
        Row("time", "add", "done", figures={"ours, ms": 0.123456}),
        Row("time", "a|b", "done", "remark", {"GB/s": 4321.0}),
        Row("decode", "ours", NOT_RUN, GONE),
    ]
    lines = report.markdown({"device": "none"}, made, 12.3).splitlines()
    assert "| add | done | 0.123 |  |  |" in lines
    assert "| a\\|b | done |  | 4,321 | remark |" in lines
    assert "2 done, 1 not run" in lines
    assert [line for line in lines if line.startswith("## ")] == ["## time", "## decode"]


def test_a_launch_is_timed_until_it_is_in_the_queue():
    calls = []
    spent = launches.microseconds(lambda: calls.append("launch"), lambda: calls.append("wait"))
    assert 0 < spent < 1000
    assert calls.count("launch") == 1 + launches.ROUNDS * launches.LAUNCHES
    assert calls[0] == "launch"  # which compiles, before the first wait
    assert calls[1] == calls[-1] == "wait"


@pytest.mark.parametrize("name", [name for name in launches.WORKS if "torch" not in name])
def test_each_launch_that_is_timed_is_one(name):
    with cuda.sanitized() as report:
        launch, wait, *_ = launches.WORKS[name]()
        launch()
        wait()
    assert len(report.launches) == 1
    assert report.findings == report.remarks == []


@pytest.mark.slow
def test_expert_kernels_are_checked_on_cases_larger_than_their_tiles(monkeypatch):
    monkeypatch.setattr(correctness.operators, "names", ("argmax", "relu"))
    made = {(row.part, row.name): row for row in correctness.rows("sanitizer", GONE, Clock(600), 0)}
    assert {row.result for (part, _), row in made.items() if "sanitizer" in part} == {"right"}, made
    plain, expert = (made[f"correct: sanitizer, {name}", "argmax"].figures["cases"] for name in ("solutions", "expert"))
    assert expert > plain
    assert ("correct: sanitizer, expert", "relu") not in made


TINY = QWEN3_06B | dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8
)


@pytest.mark.slow
def test_the_model_of_the_decode_row_says_the_same_on_both_devices():
    shape = TINY | dict(vocab_size=64, max_position_embeddings=64)
    expected = list(decoding.make_model(shape, "cpu").generate(np.arange(5), 6))
    with cuda.sanitized():
        assert list(decoding.make_model(shape, "cuda").generate(np.arange(5), 6)) == expected


class FakeModel:
    """Writes `text`; with `captures` its engine says that each step but the first was replayed."""

    def __init__(self, text, captures, given_up=None):
        self.text, self.captures, self.given_up = text, captures, given_up

    def engine(self, capture):
        engine = SimpleNamespace(replayed=0, given_up=self.given_up if capture else "it was not asked for")
        engine.wait = lambda: None
        return SimpleNamespace(replay=engine, capture=capture)

    def generate(self, prompt, count, temperature, engine):
        assert (len(prompt), temperature) == (decoding.PROMPT, 0)
        for number, token in enumerate(self.text[:count]):
            engine.replay.replayed += self.captures and engine.capture and number > 0
            yield token


@pytest.fixture
def written(monkeypatch):
    """written(capture, texts, model's arguments): what the row of decoding says of a FakeModel."""

    def run(capture, texts, *arguments):
        monkeypatch.setattr(decoding, "make_model", lambda shape, device: FakeModel(*arguments))
        return decoding._ours(capture, texts, TINY | dict(vocab_size=64))

    return run


def test_captured_steps_are_counted_and_write_the_same_text(written):
    texts: list[list[int]] = []
    text = list(range(decoding.TOKENS))
    result, why, figures = written(True, texts, text, True)
    assert (result, why) == ("done", "")
    assert figures["steps replayed"] == decoding.TOKENS - 1  # of the timed text, not of those before
    assert figures["tokens/s"] > 0
    assert figures["asked"].startswith("at least")
    result, why, figures = written(False, texts, text, False)
    assert (result, why, set(figures)) == ("done", "", {"tokens/s"})
    result, why, figures = written(False, texts, [*text[:-1], 0], False)
    assert (result, figures) == ("wrong", {})
    assert why == "captured steps and single calls do not write the same text"


@pytest.mark.parametrize("reason", ["steps on cuda are not captured", None])
def test_a_step_that_was_not_captured_has_no_figure(written, reason):
    result, why, figures = written(True, [], list(range(decoding.TOKENS)), False, reason)
    assert (result, figures) == (NOT_RUN, {})
    assert why == f"no step was captured: {reason or 'none was replayed'}"
