"""`make gpu` without a device: its logic, with the device, torch and NVIDIA's tool faked where they are needed."""

import json
import shutil
import sys

import numpy as np
import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import correctness, decoding, report, rows, timing, tools
from benchmarks.gpu.rows import Clock, Row
from benchmarks.tables import NOT_RUN
from llaisys_mini import cuda, operators
from tests.cuda.mutants.catalogue import MUTANTS

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
    assert {timing.PART, decoding.PART, tools.PART, "compiled", "correct: device, solutions"} <= parts
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
    counting = timing.Subject("counting", None, None, bytes=1e6, flops=1.5e10)  # 1.5 ms at 10 TFLOP/s
    assert timing._timed(counting, ceilings).figures["share of the roofline, %"] == pytest.approx(75)
    assert timing._timed(counting, ceilings).figures["TFLOP/s"] == pytest.approx(7.5)


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


@pytest.fixture
def fake_tool(tmp_path, monkeypatch):
    """A compute-sanitizer that finds out-of-bounds accesses only."""
    path = tmp_path / "compute-sanitizer"
    path.write_text('#!/bin/sh\n[ "$2" = memcheck ] || exit 0\necho "========= Invalid read of size 4"\nexit 9\n')
    path.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(path))


def test_mutants_are_run_under_the_tool_that_is_meant_for_them(fake_tool):
    made = list(tools.rows(None, Clock(600), 0))
    chosen = [mutant for mutant in MUTANTS if mutant.kind in tools.TOOLS]
    assert len(made) == len(chosen) + 1
    for row, mutant in zip(made, chosen, strict=False):
        assert row.figures["tool"] == tools.TOOLS[mutant.kind]
        assert row.result == ("right" if row.figures["tool"] == "memcheck" else "wrong")
    assert made[0].figures["its words"] == "Invalid read of size 4"
    assert made[-1].figures["found by both"] == sum(row.result == "right" for row in made[:-1])


def test_the_program_of_a_mutant_launches_with_arrays_of_the_device(tmp_path):
    """Run as compute-sanitizer would run it; without a device the course's own sanitizer watches."""
    if cuda.is_available():
        pytest.skip("there is a device")
    import subprocess

    from tests.cuda.mutants.running import source_of

    for old, new, code in (("", "", 0), ("i < out.size", "i <= out.size", 1), ("x[i] + y[i]", "x[i] + out[i]", 1)):
        program = tmp_path / "add.py"
        program.write_text(source_of("add").replace(old, new, 1) + tools._LAUNCH)
        ended = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr


@pytest.mark.slow
def test_expert_kernels_are_checked_on_cases_larger_than_their_tiles(monkeypatch):
    monkeypatch.setattr(correctness.operators, "names", ("argmax", "relu"))
    made = {(row.part, row.name): row for row in correctness.rows(GONE, Clock(600), 0)}
    assert {row.result for (part, _), row in made.items() if "sanitizer" in part} == {"right"}, made
    plain, expert = (made[f"correct: sanitizer, {name}", "argmax"].figures["cases"] for name in ("solutions", "expert"))
    assert expert > plain
    assert ("correct: sanitizer, expert", "relu") not in made


TINY = decoding.SHAPE | dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8
)


@pytest.mark.slow
def test_the_model_of_the_decode_row_says_the_same_on_both_devices():
    shape = TINY | dict(vocab_size=64, max_position_embeddings=64)
    expected = list(decoding.make_model(shape, "cpu").generate(np.arange(5), 6))
    with cuda.sanitized():
        assert list(decoding.make_model(shape, "cuda").generate(np.arange(5), 6)) == expected
