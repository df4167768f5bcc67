"""The comparison with compute-sanitizer, with tools whose verdicts are scripted: it can come out badly, and says so."""

import shlex
import shutil
import subprocess
import sys

import pytest

from benchmarks.gpu import tools
from benchmarks.gpu.rows import Clock
from benchmarks.tables import NOT_RUN
from llaisys_mini import cuda
from llaisys_mini.sanitizer.findings import LIMIT
from tests.cuda.mutants import catalogue
from tests.cuda.mutants.catalogue import MUTANTS
from tests.cuda.mutants.running import source_of

PROGRAMS = ("add", "softmax", "rms_norm")  # a mutant for each tool is among theirs
CHOSEN = [mutant for mutant in MUTANTS if mutant.kind in tools.TOOLS and mutant.program in PROGRAMS]

REPORT = 'echo "========= COMPUTE-SANITIZER"; echo "========= Invalid read of size 4"; exit 9'
OF_THE_DRIVER = 'echo "========= Program hit CUDA_ERROR_INVALID_VALUE on CUDA API call to cuGetProcAddress_v2"; exit 9'

VERDICTS = {
    "finds all": f"[ $broken = yes ] && {{ {REPORT}; }}; exit 0",
    "finds out-of-bounds accesses only": f"[ $broken$tool = yesmemcheck ] && {{ {REPORT}; }}; exit 0",
    "finds nothing": "exit 0",
    # As the real one does: each program makes a harmless error in the driver's interface.
    "reports the driver's errors unless told not to": f"""
        case "$*" in *--report-api-errors?no*) ;; *) [ $tool = memcheck ] && {{ {OF_THE_DRIVER}; }} ;; esac
        [ $broken = yes ] && {{ {REPORT}; }}; exit 0""",
    "reports the driver's errors": f"[ $tool = memcheck ] && {{ {OF_THE_DRIVER}; }}; exit 0",
    "reports one program that is right": f"[ $program = softmax.py ] && {{ {REPORT}; }}; exit 0",
    "does not start": 'echo "the driver is too old" >&2; exit 1',
}


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """compare(verdict): {name: row} of the comparison with such a tool, which knows the unbroken programs."""
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    for program in PROGRAMS:
        (unbroken / f"{program}.py").write_text(source_of(program) + tools._LAUNCH)

    def run(verdict, seconds=600.0):
        script = tmp_path / "compute-sanitizer"
        script.write_text(
            f"""#!/bin/sh
            tool=$2
            for path; do :; done
            program=$(basename "$path")
            broken=yes
            cmp -s "$path" {shlex.quote(str(unbroken))}/"$program" && broken=no
            {VERDICTS[verdict]}
            """
        )
        script.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda name: str(script))
        monkeypatch.setattr(catalogue, "MUTANTS", CHOSEN)
        made = list(tools.rows(None, Clock(seconds), 0))
        assert len(made) == 4 + len(CHOSEN) + 5  # four tools; their sums, and the sum of all
        return {row.name: row for row in made}

    return run


def of_mutants(rows):
    return [rows[f"{mutant.program}: {mutant.name}"] for mutant in CHOSEN]


def unbroken(rows, tool):
    return rows[f"unbroken programs, {tool}"]


def test_a_tool_that_finds_all(compare):
    rows = compare("finds all")
    assert {row.result for row in of_mutants(rows)} == {"right"}
    assert {unbroken(rows, tool).result for tool in tools.TOOLS.values()} == {"right"}
    assert rows["all"].result == "done"
    assert rows["all"].why == f"0 of {len(CHOSEN)} were not found by compute-sanitizer"
    assert rows["all"].figures == {"mutants": len(CHOSEN), "found by both": len(CHOSEN), tools._MISSED: 0}
    assert of_mutants(rows)[0].figures["its words"] == "Invalid read of size 4"


def test_each_mutant_is_run_under_the_tool_that_is_meant_for_it(compare):
    rows = compare("finds out-of-bounds accesses only")
    for row, mutant in zip(of_mutants(rows), CHOSEN, strict=True):
        assert row.figures["tool"] == tools.TOOLS[mutant.kind]
        assert row.result == ("right" if row.figures["tool"] == "memcheck" else "wrong")
    missed = sum(row.result == "wrong" for row in of_mutants(rows))
    assert 0 < missed < len(CHOSEN)
    assert rows["all"].why == f"{missed} of {len(CHOSEN)} were not found by compute-sanitizer"
    assert rows["memcheck"].figures[tools._MISSED] == 0
    assert rows["racecheck"].figures["found by both"] == 0


def test_what_a_tool_misses_is_counted(compare):
    rows = compare("finds nothing")
    assert {row.result for row in of_mutants(rows)} == {"wrong"}
    assert rows["all"].why == f"{len(CHOSEN)} of {len(CHOSEN)} were not found by compute-sanitizer"


def test_errors_of_the_drivers_interface_are_switched_off(compare, monkeypatch):
    verdict = "reports the driver's errors unless told not to"
    rows = compare(verdict)
    assert unbroken(rows, "memcheck").result == "right"
    assert rows["all"].result == "done"
    monkeypatch.setattr(tools, "OPTIONS", {})
    assert compare(verdict)["all"].result == NOT_RUN


def test_a_tool_that_reports_every_program_counts_for_nothing(compare):
    rows = compare("reports the driver's errors")
    assert unbroken(rows, "memcheck").result == "wrong"
    assert "add: Program hit CUDA_ERROR_INVALID_VALUE" in unbroken(rows, "memcheck").why
    assert unbroken(rows, "racecheck").result == "right"
    for row in of_mutants(rows):
        if row.figures["tool"] == "memcheck":
            assert (row.result, row.why) == (NOT_RUN, "not sound: memcheck reports the unbroken program too")
        else:
            assert row.result == "wrong"
    assert rows["all"].result == NOT_RUN
    assert rows["all"].why.startswith("not sound")
    assert rows["all"].figures == {}  # nothing to be quoted
    assert rows["racecheck"].result == "done"


def test_only_the_mutants_of_a_program_that_is_reported_are_left_out(compare):
    rows = compare("reports one program that is right")
    left_out = [mutant.program for row, mutant in zip(of_mutants(rows), CHOSEN, strict=True) if row.result == NOT_RUN]
    assert set(left_out) == {"softmax"}
    assert len(left_out) == sum(mutant.program == "softmax" for mutant in CHOSEN)
    assert rows["all"].why.startswith("not sound")


def test_a_tool_that_does_not_start_found_nothing(compare):
    rows = compare("does not start")
    assert "add: the driver is too old" in unbroken(rows, "memcheck").why
    assert {row.result for row in of_mutants(rows)} == {NOT_RUN}
    assert rows["all"].result == NOT_RUN


def test_without_time_nothing_is_said(compare):
    rows = compare("finds all", seconds=1.0)
    assert {row.result for row in rows.values()} == {NOT_RUN}
    assert unbroken(rows, "memcheck").why.startswith("add: no time was left")


def test_a_launch_that_the_driver_refuses_is_found():
    """Under the tool, as without it, the program ends with an error of its own."""
    (mutant,) = [mutant for mutant in CHOSEN if mutant.kind == LIMIT][:1]
    refused = tools.Ended(failed=True, words="CUDA_ERROR_INVALID_VALUE")
    assert tools._row_of(mutant, refused).result == "right"
    other = next(mutant for mutant in CHOSEN if mutant.kind != LIMIT)
    assert tools._row_of(other, refused).result == "wrong"  # it failed, but the tool said nothing
    assert tools._row_of(mutant, tools.Ended()).result == "wrong"


def test_the_program_of_a_mutant_launches_with_arrays_of_the_device(tmp_path):
    """Run as compute-sanitizer would run it; without a device the course's own sanitizer watches."""
    if cuda.is_available():
        pytest.skip("there is a device")
    for old, new, code in (("", "", 0), ("i < out.size", "i <= out.size", 1), ("x[i] + y[i]", "x[i] + out[i]", 1)):
        program = tmp_path / "add.py"
        program.write_text(source_of("add").replace(old, new, 1) + tools._LAUNCH)
        ended = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr
