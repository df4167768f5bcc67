"""`python -m autograder`: the instructor's commands."""

import csv
import importlib
import io
import os
import sys
from pathlib import Path

import click
from rich.console import Console

from autograder import tasks
from autograder.course import ROOT, GradingError, be_at_home_somewhere, lab_names, told_of
from autograder.gradebook import url as gradebook_url
from autograder.options import BUILD, SUBMITTED, in_build, with_gradebook
from autograder.plain import plain
from autograder.remove import remove
from llaisys_mini.errors import UserError
from llaisys_mini.files import write_atomically


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Release labs, grade a class safely, and report.

    nbgrader's own commands work on the same folders and gradebook: cd autograder && nbgrader <command>

    Judged: kernels for the CPU (float32), kernels for CUDA (under the sanitizer: no GPU is needed), and exercises in
    Python. Written answers are graded by hand.
    """


@main.command()
@click.option("--to", "target", type=click.Path(path_type=Path), default=BUILD / "labs.zip", show_default=True)
def release(target):
    """Make the labs and pack them for students, with the lectures they link to: no solutions, no hidden cases."""
    from autograder import labs

    names = labs.make_labs()
    labs.pack(names, target)
    Console().print(f"{len(names)} labs in {target}", highlight=False)


@main.command()
@click.argument("submissions", type=click.Path(path_type=Path), default=SUBMITTED)
@click.option("--lab", help="This lab only, such as 07_softmax.")
@click.option("--student", help="This student only.")
@click.option("--jobs", type=click.IntRange(1), default=None, help="Workers side by side; by default one per core.")
@click.option("--scheduler", help="Address of a Dask scheduler (tcp://host:8786) whose workers grade instead.")
@with_gradebook
@click.option("--timeout", type=click.FloatRange(1), default=30, show_default=True, help="Seconds for each task.")
@click.option("--memory", type=click.IntRange(256), default=2048, show_default=True, help="MB for each task.")
@click.option("--resume", is_flag=True, help="Continue after an interruption; what was graded is kept.")
@click.option("--allow-unsandboxed", is_flag=True, help="Grade with resource limits alone where nothing better works.")
@in_build
def grade(submissions, lab, student, jobs, scheduler, url, timeout, memory, resume, allow_unsandboxed, build):
    """Grade SUBMISSIONS, a folder of <student>/<lab>/<lab>.ipynb; by default submitted/.

    Unpacked bulk downloads of Moodle and Canvas are read as they are. Ends with 3 if something was handed in that could
    not be graded; the report and the export name it.
    """
    from autograder.lock import only_grader
    from autograder.reading import collected
    from autograder.sandbox.limits import Limits

    console = Console(stderr=True)
    tasks.make_if_stale()
    found = collected.collect(submissions, lab, student)
    limits = Limits(wall=timeout, cpu=timeout, memory=memory << 20)
    with only_grader(build, console):
        url = gradebook_url.of(build, url)
        verdicts: list = []
        sandbox = "none was needed"
        if found.submissions:
            ways = jobs, scheduler, resume, allow_unsandboxed
            verdicts, sandbox = _judged(found.submissions, build, limits, *ways, console)
        with console.status("writing the gradebook"):
            from autograder import journal
            from autograder.gradebook import book as gradebook
            from autograder.gradebook import report

            folders = {(s.student, s.lab): s.folder for s in found.submissions}
            for changed in gradebook.write(verdicts, url, build, folders):
                console.print(changed, highlight=False, markup=False)
            gradebook_url.remember(build, url)
            journal.log_errors(build, verdicts)
            left = found.left if lab is None and student is None else _joined(report.load_left(build), found.left)
            page = report.write_all(verdicts, build, sandbox, url, left)
    printer = Console()
    printer.print(report.terminal_table(verdicts))
    printer.print(f"report: {page}", highlight=False, soft_wrap=True, markup=False)
    if status := _told_of_the_rest(verdicts, found.left, build):
        sys.exit(status)


def _judged(submissions, build, limits, jobs, scheduler, resume, allow_unsandboxed, console) -> tuple[list, str]:
    """The verdicts, and the sandbox that they were reached in."""
    from autograder.worker import probe

    # Worker and judge each import Numba: side by side.
    worker, sandbox = probe.strongest_worker(limits, lambda: importlib.import_module("autograder.runner"))
    from autograder import runner

    with worker:
        console.print(f"sandbox: {sandbox}", highlight=False)
        if sandbox.reduced and len({s.student for s in submissions}) > 1 and not allow_unsandboxed:
            raise GradingError(
                "no sandbox works here, only resource limits: install bubblewrap, or use Linux 5.13 or newer. "
                "To grade a class all the same: --allow-unsandboxed"
            )

        def judging(rest, secret):
            if scheduler:
                from autograder import cluster

                return cluster.judge_many(rest, secret, limits, scheduler, allow_unsandboxed)
            from numba.core.config import NUMBA_DEFAULT_NUM_THREADS  # the cores that are ours, on every system

            return runner.judge_many(rest, secret, worker, jobs or NUMBA_DEFAULT_NUM_THREADS)

        return runner.grade_class(submissions, build, limits, resume, judging, console), str(sandbox)


def _joined(earlier: list, later: list) -> list:
    """What earlier runs could not grade, and what this run of a part of the class could not."""
    return list({place.place: place for place in [*earlier, *later]}.values())


def _told_of_the_rest(verdicts, left, build: Path) -> int:
    """Say on the terminal what could not be graded; the exit status that goes with it."""
    from autograder import journal
    from autograder.judge.verdicts import FAILED

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    failed = [verdict for verdict in verdicts if verdict.state == FAILED]
    for verdict in failed[:10]:
        console.print(f"error while grading {verdict.student}, {verdict.lab}: {verdict.reason}")
    for place in left[:10]:
        console.print(f"not graded: {place}")
    if len(failed) > 10 or len(left) > 10:
        console.print(f"{len(failed)} errors while grading, {len(left)} not graded: the report names all")
    if any(verdict.trace for verdict in failed):
        console.print(f"tracebacks: {journal.errors_log(build)}")
    return 3 if failed or left else 0


@main.command()
@with_gradebook
@in_build
def feedback(url, build):
    """Write the students' feedback pages anew, manual grades included."""
    from autograder.gradebook import report

    verdicts, sandbox = report.load(build)
    report.add_manual_grades(verdicts, gradebook_url.of(build, url))
    pages = [report.write_feedback(verdict, build) for verdict in verdicts]
    Console().print(f"{len(pages)} pages in {build / 'feedback'} (sandbox: {sandbox})", highlight=False, markup=False)


@main.command("report")
@with_gradebook
@in_build
def report_command(url, build):
    """The instructor's page and table for what was graded, manual grades included."""
    from autograder.gradebook import report

    verdicts, sandbox = report.load(build)
    report.add_manual_grades(verdicts, gradebook_url.of(build, url))
    page = report.write_page(verdicts, build, sandbox)
    Console().print(report.terminal_table(verdicts))
    Console().print(f"report: {page}", highlight=False, soft_wrap=True, markup=False)


@main.command()
@click.option("--to", "target", type=click.Path(path_type=Path), help="A file; by default standard output.")
@click.option("--lms", type=click.Choice(["plain", "moodle", "canvas"]), default="plain", show_default=True)
@click.option("--lab", help="This lab only. With --lms moodle: that assignment's worksheet, with Moodle's numbers.")
@click.option("--questions", is_flag=True, help="A row for each question instead of one for each submission.")
@click.option("--late", "late_file", type=click.Path(path_type=Path), help="Deadlines and extensions: a late.toml.")
@with_gradebook
@in_build
def export(target, lms, lab, questions, late_file, url, build):
    """Grades as CSV, with the state of every submission."""
    from autograder.gradebook import export as exported
    from autograder.gradebook import late, report

    deadlines = late.read(late_file) if late_file else None

    verdicts, _ = report.load(build)
    report.add_manual_grades(verdicts, gradebook_url.of(build, url))
    for doubt in deadlines.doubts(verdicts, lab) if deadlines is not None else ():
        Console(stderr=True).print(f"{late_file}: {doubt}", highlight=False, markup=False, soft_wrap=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    if questions:
        writer.writerows(exported.questions([v for v in verdicts if lab in (None, v.lab)]))
    else:
        writer.writerows(exported.rows(verdicts, lms, report.load_left(build), lab, deadlines))
    if target:
        write_atomically(target, text.getvalue())
    else:
        sys.stdout.write(text.getvalue())


@main.command()
@click.argument("submissions", type=click.Path(path_type=Path), default=SUBMITTED)
@click.option("--lab", help="This lab only, such as 07_softmax.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="The CSV; by default copies.csv in build/.")
@in_build
def copies(submissions, lab, target, build):
    """Answers in SUBMISSIONS that are alike beyond chance, as a hint to look at both.

    Names, comments, layout and order do not count, nor what the lab itself holds; what many of the class share counts
    little, and of short answers nothing is said. No code of a student's is run. `report` then shows the pairs too.
    """
    from autograder.copies import of_class, told
    from autograder.reading import collected

    tasks.make_if_stale()
    found = collected.collect(submissions, lab)
    pairs, left = of_class.compare(found.submissions)
    left += [str(place) for place in found.left]
    told.tell(pairs, left, len(found.submissions), told.keep(pairs, left, build, target))


@main.command()
@click.argument("submissions", type=click.Path(path_type=Path), default=SUBMITTED)
@in_build
def formgrader(submissions, build):
    """Open nbgrader's formgrader in the browser: read written answers, give their points."""
    folder = ROOT / "autograder"  # nbgrader reads nbgrader_config.py of the working folder
    folders = {"SUBMITTED": submissions, "BUILD": build}
    relative = {name: os.path.relpath(path, ROOT) for name, path in folders.items()}
    if any(path.startswith("..") for path in relative.values()):
        raise GradingError(f"formgrader sees only what lies in {ROOT}: put submissions and --build there")
    options = [f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/formgrader/gradebook"]
    if os.geteuid() == 0:  # as in most containers
        options.append("--allow-root")
    environment = os.environ | {f"LLAISYS_MINI_{name}": path for name, path in relative.items()}
    os.chdir(folder)
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *options], environment)


main.add_command(remove)


@main.command()
def doctor():
    """Which sandbox this machine gives, and what is missing for a stronger one."""
    from autograder import sandbox
    from autograder.sandbox.limits import Limits
    from autograder.worker import probe
    from autograder.worker.pool import Worker

    console = Console(highlight=False)
    tasks.make_if_stale()
    candidates = sandbox.candidates()
    for level in sandbox.LEVELS:
        if level not in candidates:
            console.print(f"{level}: not here")
            continue
        with Worker(level, Limits()) as worker:
            found = probe.holes(worker)
        console.print(f"{level} ({sandbox.describe(level)}): " + ("holds" if not found else "; ".join(found)))
    for lab in lab_names():
        plan = tasks.plan_of(lab)
        by_hand = [p.grade_id for p in plan.parts if any(c.kind == tasks.BY_HAND for c in p.checks)]
        if by_hand:
            console.print(f"{lab}: graded by hand: {', '.join(by_hand)}")


def run() -> None:
    be_at_home_somewhere()
    try:
        main(standalone_mode=False)
    except UserError as problem:
        print(plain(problem), file=sys.stderr)
        sys.exit(2)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("stopped. Continue with --resume", file=sys.stderr)
        sys.exit(130)
    except OSError as problem:
        print(plain(told_of(problem)), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
