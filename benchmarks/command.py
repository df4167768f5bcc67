"""What `python -m benchmarks` does: choose the work, measure it with every number of threads, report as it goes."""

import time
from pathlib import Path

import click
from rich.console import Console

from benchmarks import ceilings, machine, measure, report, surroundings, work
from benchmarks.measure import Effort, Patience, Surroundings
from benchmarks.work import Plan, Result, Settings

RESULTS = Path(__file__).parent / "results"

_FULL_PATIENCE = 90.0  # seconds of repeating disturbed samples, in the whole run


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--threads", default=None, help="Numbers of threads, e.g. 1,2. Default: 1 and all cores.")
@click.option("--only", multiple=True, help="Only work whose title contains this word; may be given several times.")
@click.option(
    "--quick", is_flag=True, help="Small models and short samples: shows that everything runs, proves nothing."
)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="Folder for JSON, Markdown and pictures.")
@click.option("--list", "only_list", is_flag=True, help="List the work and stop.")
def main(threads: str | None, only: tuple[str, ...], quick: bool, out: Path, only_list: bool):
    """Measure every operator and whole models against NumPy, torch, transformers and llama.cpp.

    Takes about a quarter of an hour.
    """
    plans = chosen(only, quick)
    if only_list:
        click.echo("\n".join(plan.title for plan in plans))
        return
    if not plans:
        raise click.UsageError(f"no work has {' or '.join(map(repr, only))} in its title; --list shows all titles")
    console = Console(highlight=False, width=None if Console().is_terminal else 200)
    found = run(plans, thread_counts(threads), quick, out, console)
    if any(" failed: " in remark for remark in found.remarks):
        raise SystemExit(1)


def chosen(only: tuple[str, ...], quick: bool) -> list[Plan]:
    """The plans whose title contains one of the words in `only`, or all of them."""
    from benchmarks import beside, end_to_end, operators, training

    plans = [*operators.plans(), *beside.plans(), *end_to_end.plans(), *training.plans()]
    words = [word.lower() for word in only]
    return [plan for plan in plans if not words or any(word in plan.title.lower() for word in words)]


def thread_counts(text: str | None) -> list[int]:
    """Read "1,2"; by default one thread and all cores."""
    cores = machine.cores()
    if text is None:
        return sorted({1, cores})
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--threads {text}: give numbers separated by commas, such as 1,2") from None
    if not all(1 <= count <= cores for count in counts):
        raise click.UsageError(f"--threads {text}: this process may use 1 to {cores} cores")
    return sorted(set(counts))


def settings_of(quick: bool) -> Settings:
    """How thoroughly to measure: a quick run only shows that everything runs."""
    if quick:
        tiny = Effort(sample=0.004, rounds=3, seconds=1.0, tries=1)
        return Settings(tiny, tiny, rotate=2**22, small=True)
    # Half as much again as the cache holds: when a copy's turn comes, the others have pushed it out.
    rotate = min(int(1.5 * machine.last_level_cache()), machine.available_memory() // 12)
    return Settings(Effort(seconds=1.0), Effort(sample=0.0, rounds=3, seconds=8.0, tries=2), rotate)


def run(plans: list[Plan], threads: list[int], quick: bool, out: Path, console: Console) -> report.Report:
    """Measure `plans`, print each group when it is complete, and save everything after each."""
    settings = settings_of(quick)
    start = time.perf_counter()
    busy = neighbours()
    limits = {}
    for count in threads:
        machine.use_threads(count)
        with console.status(f"measuring what {count} threads can do at most"):
            limits[count] = ceilings.measure(count, 0.05 if quick else 0.7, 2**26 if quick else None)
    found = report.Report(machine.describe(), list(limits.values()))
    if quick:
        found.remarks.append("A quick run: tiny samples and small models. It shows that everything runs, not how fast.")
    if busy:
        found.remarks.append(f"When this run began, {busy}. Its ceilings may be too low; end the others and repeat.")
    _introduce(console, found)
    patience = Patience(1.0 if quick else _FULL_PATIENCE)
    try:
        for position, plan in enumerate(plans):
            with console.status(f"[{position + 1}/{len(plans)}] {plan.title}"):
                try:
                    found.results += measured(plan, settings, limits, patience)
                except Exception as problem:  # the other work must not be lost with it
                    failed = f"{plan.title} failed: {type(problem).__name__}: {problem}"
                    found.remarks.append(failed)
                    console.print(failed, style="bold")
            last_of_group = position + 1 == len(plans) or plans[position + 1].group != plan.group
            if last_of_group:
                for group, count, rows in found.groups():
                    if group == plan.group:
                        report.show_group(console, f"{group}, {count} thread{'s' * (count > 1)}", rows)
                report.save(found, out)
    except KeyboardInterrupt:
        found.remarks.append("Interrupted: the work after the last row was not measured.")
    if patience.left <= 0:
        found.remarks.append(
            "The machine was so busy that, from some row on, disturbed samples were no longer repeated."
        )
    found.machine = machine.describe()  # Numba's threading layer is known only now
    report.show_errors(console, found)
    files = report.save(found, out)
    minutes = (time.perf_counter() - start) / 60
    for remark in found.remarks:
        console.print(remark, style="bold")
    console.print(f"{report.tally(found)} {minutes:.1f} minutes.")
    console.print(f"saved: {', '.join(str(path) for path in files)}")
    return found


def measured(plan: Plan, settings: Settings, limits: dict, patience: Patience) -> list[Result]:
    """One plan with every number of threads. What it needs is made once and freed at the end."""
    made = plan.build(settings)
    effort = made.effort or settings.effort
    results = []
    try:
        for count, ceiling in limits.items():
            if made.once and count != max(limits):
                continue
            machine.use_threads(count)
            if made.on_threads is not None:
                made.on_threads(count)
            around = Surroundings(count, machine.cores(), usage=made.usage)
            comparison = measure.compare(made.contestants, work.OURS, effort, around, patience)
            results.append(work.result_of(plan, made, comparison, ceiling))
    finally:
        if made.close is not None:
            made.close()
    return results


def neighbours(seconds: float = 1.0) -> str | None:
    """What others do to this machine while we do nothing, as a clause, or None."""
    before = surroundings.usage_now()
    time.sleep(seconds)
    after = surroundings.usage_now()
    if before is None or after is None:
        return None
    return surroundings.disturbance(after - before, machine.cores(), machine.cores())


def _introduce(console: Console, found: report.Report) -> None:
    for name, value in found.machine.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        console.print(f"{name}: {text}")
    for line in report.ceiling_lines(found):
        console.print(f"at most, {line}")
    for remark in found.remarks:
        console.print(remark, style="bold")
    console.print(report.HOW_TO_READ, style="dim")
