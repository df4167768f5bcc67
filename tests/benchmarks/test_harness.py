"""The benchmark harness: its arithmetic on an invented machine, its reports, and that the command runs.

No test here depends on how long anything takes: clocks are invented, and the command is only asked to finish.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import beside, ceilings, machine, measure, operators, random_model, report, rivals, work
from benchmarks.ceilings import MEMORY, Ceilings
from benchmarks.measure import Contestant, Effort, Patience, Surroundings, compare
from benchmarks.surroundings import DISTURBED, NO_USAGE, NOT_DETECTED, QUIET, Usage, disturbance
from benchmarks.work import OURS, Plan, Settings, Work

ONE_CALL = Effort(sample=0.0, rounds=6, least_rounds=3, seconds=1e9, tries=4)
ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """Time passes when contestants work and when the harness pauses; neighbours do what the test says.

    neighbour: function of the number of calls so far -> the share of its time that a call waits for a core.
    """

    def __init__(
        self, slower_per_call: float = 0.0, neighbour=lambda call: 0.0, steady: float = 0.0, tells: bool = True
    ):
        self.slower_per_call, self.neighbour, self.steady, self.tells = slower_per_call, neighbour, steady, tells
        self.now, self.waited, self.own, self.busy = 0.0, 0.0, 0.0, 0.0
        self.calls: list[str] = []

    def contestant(self, name: str, cost: float) -> Contestant:
        def call():
            wait = cost * self.neighbour(len(self.calls))
            self.calls.append(name)
            spent = cost * (1 + self.slower_per_call) ** len(self.calls)
            self.now += spent + wait
            self.own += spent
            self.waited += wait
            self.busy += spent + wait + self.steady * spent

        return Contestant(name, call)

    def around(self, threads: int = 1) -> Surroundings:
        def pause(seconds):
            self.now += seconds

        def usage():
            return Usage(self.now, self.own, self.busy, 0.0, self.waited) if self.tells else None

        return Surroundings(threads, 2, lambda: self.now, usage, pause, lambda: None)

    def race(self, effort: Effort = ONE_CALL, patience: float = 1e9, **costs: float) -> measure.Comparison:
        contestants = [self.contestant(name, cost) for name, cost in costs.items()]
        return compare(contestants, "ours", effort, self.around(), Patience(patience))


# ---- ratios ------------------------------------------------------------------------------------------------------


def test_ratio_is_their_time_over_ours():
    found = Machine().race(ours=1.0, theirs=2.5)
    assert found["theirs"].ratio == pytest.approx(2.5)
    assert found["ours"].ratio == 1
    assert found["ours"].seconds == pytest.approx(1.0)
    assert (found.state, found.rounds, found.repeated) == (QUIET, 6, 0)


def test_slow_drift_cancels():
    """The machine ends several times slower than it began; times spread, ratios hardly do."""
    found = Machine(slower_per_call=0.05).race(ours=1.0, theirs=2.0)
    assert found["ours"].spread > 0.1
    assert found["theirs"].ratio == pytest.approx(2.0, rel=0.06)


def test_each_round_begins_with_another_contestant():
    invented = Machine()
    invented.race(dataclasses.replace(ONE_CALL, rounds=3), a=1.0, ours=1.0, b=1.0)
    timed = invented.calls[-9:]
    assert timed == ["a", "ours", "b", "ours", "b", "a", "b", "a", "ours"]


def test_short_calls_are_repeated_until_they_fill_a_sample():
    invented = Machine()
    found = invented.race(Effort(sample=1.0, rounds=3), ours=0.01, theirs=0.02)
    assert found["theirs"].ratio == pytest.approx(2.0)
    assert invented.calls[-152:] == ["ours"] * 101 + ["theirs"] * 51  # each after one call that is not timed


def test_time_limit_stops_after_the_least_rounds():
    found = Machine().race(Effort(sample=0.0, rounds=100, least_rounds=3, seconds=5.0), ours=1.0, theirs=9.0)
    assert found.rounds == 3


def test_without_ours_nothing_is_timed():
    invented = Machine()
    assert invented.race(theirs=1.0).state == measure.NOT_MEASURED
    assert invented.calls == []


# ---- disturbed samples -------------------------------------------------------------------------------------------


def test_disturbed_samples_are_repeated_and_counted():
    found = Machine(neighbour=lambda call: 0.5 if call in (6, 9) else 0.0).race(ours=1.0, theirs=2.0)
    assert (found.state, found.repeated, found.rounds) == (QUIET, 2, 6)
    assert found["theirs"].ratio == pytest.approx(2.0)


def test_a_machine_that_is_never_quiet_is_called_disturbed():
    invented = Machine(neighbour=lambda call: 0.5)
    found = invented.race(ours=1.0, theirs=2.0)
    assert (found.state, found.rounds) == (DISTURBED, 6)
    assert "waited" in found.reason
    assert found.repeated == 6 * 2 * (ONE_CALL.tries - 1)  # bounded, and all of it reported
    assert found["theirs"].ratio == pytest.approx(2.0)  # the figures are kept


def test_without_patience_nothing_is_repeated():
    found = Machine(neighbour=lambda call: 0.5).race(patience=0.0, ours=1.0, theirs=2.0)
    assert (found.state, found.repeated) == (DISTURBED, 0)


def test_some_quiet_rounds_are_enough():
    """From some call on another process disturbs for good: only the rounds before that count."""
    found = Machine(neighbour=lambda call: 0.0 if call < 13 else 0.5).race(ours=1.0, theirs=2.0)
    assert found.state == QUIET
    assert 3 <= found.rounds < 6


def test_a_small_steady_neighbour_shows_in_all_samples_together():
    found = Machine(steady=0.3).race(Effort(sample=0.0, rounds=9), ours=0.05, theirs=0.05)
    assert found.state == DISTURBED
    assert "cores busy" in found.reason


def test_where_the_system_does_not_tell_nothing_is_detected():
    found = Machine(tells=False, neighbour=lambda call: 0.5).race(ours=1.0, theirs=2.0)
    assert (found.state, found.repeated) == (NOT_DETECTED, 0)


@pytest.mark.parametrize(
    ("used", "clause"),
    [
        (Usage(wall=1.0, own=1.0, busy=1.0, stolen=0.0, waited=0.0), None),
        (Usage(wall=1.0, own=0.9, busy=1.0, stolen=0.0, waited=0.1), "waited 10%"),
        (Usage(wall=1.0, own=1.0, busy=1.5, stolen=0.0, waited=0.0), "0.5 cores"),
        (Usage(wall=1.0, own=1.0, busy=1.0, stolen=0.2, waited=0.0), "stolen"),
        (Usage(wall=0.05, own=0.05, busy=0.06, stolen=0.01, waited=0.0), None),  # a tick here or there proves nothing
        (NO_USAGE, None),
    ],
)
def test_what_counts_as_a_disturbance(used, clause):
    found = disturbance(used, threads=1, cores=2)
    assert found is None if clause is None else clause in found


def test_usage_grows_here_or_is_not_told():
    from benchmarks.surroundings import usage_now

    before = usage_now()
    sum(range(100_000))
    after = usage_now()
    assert (before is None) == (after is None)
    if before is not None:
        used = after - before
        assert used.wall > 0
        assert used.own >= 0


# ---- roofline ----------------------------------------------------------------------------------------------------

LIMITS = Ceilings(threads=2, arithmetic=100e9, reading={"L2": 50e9, MEMORY: 10e9})


def test_the_slower_of_arithmetic_and_reading_bounds():
    assert LIMITS.least_seconds(100e9, 1e9, MEMORY) == (1.0, "arithmetic")
    assert LIMITS.least_seconds(1e9, 10e9, MEMORY) == (1.0, "reading from memory")
    assert LIMITS.least_seconds(1e9, 10e9, "L2") == (0.2, "reading from L2")


def test_data_lie_in_the_first_cache_that_holds_them(monkeypatch):
    monkeypatch.setattr(machine, "caches", lambda: {"L1": 2**15, "L2": 2**20, "L3": 2**25})
    assert ceilings.place_of(2**10, 1) == "L2"
    assert ceilings.place_of(2**20, 1) == "L3"
    assert ceilings.place_of(2**20, 2) == "L2"  # each core brings an L2 of its own
    assert ceilings.place_of(2**25, 2) == MEMORY


# ---- reports -----------------------------------------------------------------------------------------------------


def invented_report() -> report.Report:
    """Two rows: one quiet, which meets a target, misses another and lacks an opponent; one disturbed."""
    first = Machine().race(ours=1.0, NumPy=2.0, theirs=0.5)
    second = Machine(neighbour=lambda call: 0.5).race(ours=1.0, NumPy=2.0)
    plan, other = Plan("linear", "8 rows", lambda settings: None), Plan("linear", "64 rows", lambda settings: None)
    made = Work(
        [],
        operations=50e9,
        data=1e9,
        place=MEMORY,
        targets={"NumPy": 1.5, "theirs": 1.0, "torch": 1.0},
        absent={"torch": "not installed"},
        errors={OURS: 0.25, "NumPy": 0.5},
        notes=["a remark"],
    )
    results = [work.result_of(plan, made, first, LIMITS), work.result_of(other, Work([]), second, LIMITS)]
    return report.Report({"processor": "invented", "versions": {"numpy": "2"}}, [LIMITS], results, ["quick"])


def test_result_carries_share_rate_and_verdicts():
    result = invented_report().results[0]
    assert (result.share, result.bound) == (0.5, "arithmetic")
    assert (result.rate, result.unit) == (50.0, "GFLOP/s")
    assert [verdict.met for verdict in result.verdicts] == [True, False, None]
    assert "short of 1 by 50%" in str(result.verdicts[1])


def test_markdown_hides_nothing():
    text = report.markdown(invented_report())
    for expected in (
        "2.00 (2.00–2.00)", "short of 1 by 50%", "not installed", "disturbed: our threads waited", "samples repeated",
        "50% of arithmetic", "a remark", "invented", "1 of 3 targets met, 1 not measured",
        "| linear: 8 rows | 0.25 | 0.5 |",
    ):  # fmt: skip
        assert expected in text, expected


def test_a_wrong_answer_is_not_praised_for_its_speed():
    made = invented_report()
    made.results[0] = dataclasses.replace(made.results[0], errors={OURS: float("nan")})
    assert "wrong" in report.verdict(made.results[0])
    assert "WRONG" in report.tally(made)


def test_everything_is_saved(tmp_path):
    files = report.save(invented_report(), tmp_path)
    assert {path.name for path in files} >= {"benchmarks.json", "benchmarks.md", "ratios.png", "roofline.png"}
    assert all(path.stat().st_size for path in files)
    saved = json.loads((tmp_path / "benchmarks.json").read_text())
    assert saved["results"][0]["comparison"]["timings"][1]["ratio"] == pytest.approx(2.0)
    assert [one["met"] for one in saved["results"][0]["verdicts"]] == [True, False, None]


def test_numbers_that_json_lacks_become_null(tmp_path):
    made = invented_report()
    made.results[0] = dataclasses.replace(made.results[0], errors={OURS: float("inf")})
    report.save(made, tmp_path)
    assert json.loads((tmp_path / "benchmarks.json").read_text())["results"][0]["errors"] == {OURS: None}


def test_terminal_tables_show_every_row():
    from rich.console import Console

    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    made = invented_report()
    report.show_group(console, "linear", made.results)
    report.show_errors(console, made)
    text = console.export_text()
    assert "8 rows" in text
    assert "64 rows" in text
    assert "short by 50%" in text


# ---- the work itself ---------------------------------------------------------------------------------------------

QUICK = Settings(ONE_CALL, ONE_CALL, rotate=2**16, small=True)


def test_titles_are_unique():
    from benchmarks.command import chosen

    titles = [plan.title for plan in chosen((), quick=True)]
    assert len(set(titles)) == len(titles)
    assert [plan.group for plan in chosen(("ROPE",), quick=True)] == ["rope", "rope"]


def test_work_without_torch_says_so(monkeypatch):
    monkeypatch.setattr(machine, "imported_if_installed", lambda name: None)
    made = operators.rms_norm((3, 40), QUICK)
    assert made.absent["torch f32"] == "not installed"
    assert all(error <= 1 for error in made.errors.values())


WORK = {
    "linear, many rows": lambda: operators.many_rows((64, 48), 8, QUICK),
    "linear, one row": lambda: operators.one_row((64, 96), "bfloat16", QUICK),
    "int8, groups": lambda: operators.one_row_quantised((64, 96), "int8, groups of 32", QUICK),
    "int8, rows": lambda: operators.one_row_quantised((64, 96), "int8, a scale per row", QUICK),
    "int4": lambda: operators.one_row_quantised((64, 96), "int4, groups of 32", QUICK),
    "matmul": lambda: operators.matmul(40, QUICK),
    "attention, one query": lambda: operators.attention_decode(50, "bfloat16", QUICK),
    "attention, all queries": lambda: operators.attention_prefill(40, QUICK),
    "rope": lambda: operators.rope(3, QUICK),
    "swiglu": lambda: operators.swiglu(3, QUICK),
    "softmax": lambda: operators.softmax((3, 50), QUICK),
    "layer_norm": lambda: operators.layer_norm(3, QUICK),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_contestants_compute_what_the_contract_says(name, monkeypatch):
    """A contestant that computes something else would make its ratio worthless."""
    monkeypatch.setattr(machine, "imported_if_installed", lambda name: None)
    made = WORK[name]()
    assert set(made.errors) >= {"ours", "NumPy"}
    assert all(error <= 1 for error in made.errors.values()), made.errors


@pytest.mark.slow
def test_random_model_speaks_and_forgets(tmp_path):
    """Decoding starts from the same place every time, or later samples would have more to do than earlier ones."""
    config = random_model.SMALL | {"hidden_size": 32, "intermediate_size": 48, "vocab_size": 100, "head_dim": 16}
    folder = random_model.checkpoint(tmp_path / "model", config)
    model = rivals.Ours(folder, prompt=5)
    first = model.decode(3)
    assert len(first) == 3
    assert model.decode(3) == first
    assert np.isfinite(model.prefill(rivals.prompt_ids(7, 100))).all()
    assert model.decode(3) == first


@pytest.mark.slow
def test_the_command_runs(tmp_path):
    """Also that it starts itself again when the environment holds a library back."""
    environment = os.environ | {"OPENBLAS_CORETYPE": "Haswell", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "rms_norm: 1 x", "--threads", "1"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "starting again without OPENBLAS_CORETYPE" in done.stdout
    assert "quick run" in done.stdout
    results = json.loads((tmp_path / "benchmarks.json").read_text())["results"]
    assert [one["name"] for one in results] == ["1 x 1024"]
    assert results[0]["errors"]["ours"] <= 1


# ---- beside other processes --------------------------------------------------------------------------------------


def test_the_fair_share_divides_each_core_among_what_runs_on_it():
    shares = {(busy, cores): beside.fair_share(busy, cores) for busy, cores in ((0, 2), (1, 2), (2, 2), (4, 2), (2, 1))}
    assert shares == {(0, 2): 1, (1, 2): 3 / 4, (2, 2): 1 / 2, (4, 2): 1 / 3, (2, 1): 1 / 3}


def test_busy_processes_run_when_wanted_and_leave_nothing_behind(monkeypatch):
    monkeypatch.setattr(beside, "_SETTLE", 0.0)
    busy = beside.BusyProcesses(2)
    assert busy.processes == []
    busy.run(True)
    running = busy.processes
    busy.run(True)
    assert busy.processes == running
    assert [one.poll() for one in running] == [None, None]
    busy.run(False)
    assert busy.processes == []
    assert None not in [one.poll() for one in running]


def test_a_row_beside_a_busy_process_tells_what_is_kept(monkeypatch):
    """Each contestant is there twice; what the busy process uses is no disturbance."""
    monkeypatch.setattr(beside, "_SETTLE", 0.0)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    made = beside.linear((64, 48), 3, 1, QUICK)
    try:
        assert [one.name for one in made.contestants] == ["ours", "NumPy", "ours, quiet", "NumPy, quiet"]
        assert made.targets == {"ours, quiet": 0.5 * 0.75}
        assert all(error <= 1 for error in made.errors.values()), made.errors
        invented = Machine()
        costs = {"ours": 2.0, "NumPy": 10.0, "ours, quiet": 1.0, "NumPy, quiet": 3.0}
        contestants = [invented.contestant(name, cost) for name, cost in costs.items()]
        found = compare(contestants, OURS, ONE_CALL, invented.around(), Patience(0))
        assert made.remarks(found) == [
            "ours keeps 50% of its quiet speed, 67% of the fair share",
            "NumPy keeps 30% of its quiet speed, 40% of the fair share",
        ]
    finally:
        made.close()
