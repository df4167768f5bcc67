"""Execute the lectures: every `NN_name.py` of this folder (jupytext percent) becomes `../NN_name.ipynb`.

    python -m notebooks.source.build                  those whose source differs from their notebook
    python -m notebooks.source.build 01 03            these two, changed or not
    python -m notebooks.source.build --all --jobs 2   all of them, two at a time (timings inside suffer)

Where the text alone differs, nothing is executed, unless the lecture is named.
A notebook is written as a whole once all of its cells have run, so an error leaves the old one in place. What would
change from run to run without meaning is taken out: a rebuild of unchanged sources differs in measured times alone.
"""

import copy
import hashlib
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from traitlets.config import Config

from llaisys_mini.files import write_atomically
from llaisys_mini.paths import STUDENT_VARIABLE
from notebooks.source import predictions

SOURCES = Path(__file__).resolve().parent
FOLDER = SOURCES.parent
"""Of the executed notebooks: what students see. They run in it."""
SECONDS_PER_CELL = 300
SLIDER_PLACEHOLDER = "<em>Run this cell to get its sliders.</em>"
# Sliders need somebody who answers them. Under load a kernel and nbclient at times wait for each other there, so here a
# function under @interact runs once, as it is, unseen.
WITHOUT_SLIDERS = f"""
import ipywidgets
def interact(**knobs):
    def once(function):
        from IPython.display import display
        from IPython.utils.capture import capture_output
        with capture_output():
            function()
        display({{"text/html": "{SLIDER_PLACEHOLDER}"}}, raw=True)
        return function
    return once
ipywidgets.interact = interact
del ipywidgets, interact
"""


def lectures() -> list[Path]:
    """The text sources, in order."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def notebook_of(source: Path) -> Path:
    return FOLDER / f"{source.stem}.ipynb"


def is_stale(source: Path) -> bool:
    """Whether the notebook is missing, its cells are not those of the source, or answers are not folded."""
    if not notebook_of(source).exists():
        return True
    there = nbformat.read(notebook_of(source), as_version=4)
    folded = copy.deepcopy(there)
    predictions.fold_outputs(folded)
    return there != folded or _cells(read(source)) != _cells(there)


def reword(source: Path) -> bool:
    """Bring text and metadata of a notebook up to date without executing it; False, and nothing done, where code or
    the order of code cells differs."""
    if not notebook_of(source).exists():
        return False
    new, old = read(source), nbformat.read(notebook_of(source), as_version=4)
    code, answered = ([c for c in n.cells if c.cell_type == "code"] for n in (new, old))
    if [cell.source for cell in code] != [cell.source for cell in answered]:
        return False
    for cell, before in zip(code, answered, strict=True):
        cell.outputs = [
            output for output in before.outputs if not predictions.is_invitation(output)
        ]
    predictions.fold_outputs(new)
    _write(new, source)
    return True


def _cells(notebook) -> list[tuple]:
    return [
        (cell.cell_type, cell.source, predictions.without_folds(cell.metadata))
        for cell in notebook.cells
    ]


def read(source: Path):
    """The notebook in a text source, without outputs, with metadata and ids that depend on its content alone."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "name": "python3",
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
            },
            "language_info": {
                "name": "python",
                "file_extension": ".py",
                "mimetype": "text/x-python",
            },
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    predictions.fold_guesses(notebook)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return notebook


def execute(source: Path, after_cell=lambda: None, compiled: str | None = None):
    """The notebook of `source` with outputs. Raises CellExecutionError. after_cell: called after each code cell.

    The learner's kernels are out of its reach: what the notebook shows must not depend on them.
    So are kernels compiled before: it runs as from a fresh clone. compiled: a folder of such kernels to use anyway.
    """
    notebook = read(source)
    with tempfile.TemporaryDirectory() as folder:
        # Sockets in a folder of its own: no ports to collide with those of another kernel.
        sockets = Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            config=sockets,
            extra_arguments=[f"--InteractiveShellApp.exec_lines={WITHOUT_SLIDERS}"],
            resources={"metadata": {"path": str(FOLDER)}},
            coalesce_streams=True,
            record_timing=False,
            on_cell_executed=lambda **_: after_cell(),
        )
        own = {
            STUDENT_VARIABLE: f"{folder}/student",
            "NUMBA_CACHE_DIR": compiled or f"{folder}/compiled",
        }
        client.execute(env={**os.environ, **own, "PYTHONHASHSEED": "0"})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_settled(output, folder) for output in cell.outputs]
    predictions.fold_outputs(notebook)
    notebook.metadata.language_info = read(
        source
    ).metadata.language_info  # the kernel's own names its version
    return notebook


def _settled(output, folder: str):
    """`output` without what varies: run numbers, the places of this checkout and of the temporary `folder`."""
    if "execution_count" in output:
        output.execution_count = None
    if "text" in output:
        output.text = _without_places(output.text, folder)
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = _without_places(content, folder)
    return output


def _without_places(text: str, folder: str) -> str:
    text = text.replace(f"{folder}/student", "llaisys_mini/student").replace(
        f"{folder}/compiled", "compiled"
    )
    return text.replace(f"{FOLDER.parent}/", "")


def build(source: Path, after_cell=lambda: None) -> float:
    """Execute `source` and write its notebook. Returns the seconds it took."""
    start = time.perf_counter()
    notebook = execute(source, after_cell)
    _write(notebook, source)
    return time.perf_counter() - start


def _write(notebook, source: Path) -> None:
    write_atomically(notebook_of(source), nbformat.writes(notebook) + "\n")


@click.command(help=__doc__.split("\n\n")[0])
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Execute all lectures, changed or not.")
@click.option("--jobs", default=1, show_default=True, help="Lectures executed at a time.")
def main(names: tuple[str, ...], everything: bool, jobs: int) -> None:
    unknown = [
        name for name in names if not any(source.stem.startswith(name) for source in lectures())
    ]
    if unknown:
        raise click.UsageError(
            f"no lecture begins with {unknown[0]!r}; there are: " + ", ".join(_stems(lectures()))
        )
    named = [source for source in lectures() if any(source.stem.startswith(name) for name in names)]
    chosen = named or [source for source in lectures() if everything or is_stale(source)]
    console = Console(highlight=False)
    if not named and not everything:
        reworded = [source for source in chosen if reword(source)]
        for source in reworded:
            console.print(f"{source.stem}: the text changed; nothing was executed")
        chosen = [source for source in chosen if source not in reworded]
        if reworded and not chosen:
            return
    if not chosen:
        console.print("every notebook is up to date")
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    with bar, ThreadPoolExecutor(jobs) as pool:
        failed = [
            name for name in pool.map(lambda source: _build_with_bar(source, bar), chosen) if name
        ]
    if failed:
        console.print(f"failed: {', '.join(failed)}")
        sys.exit(1)


def _stems(sources: list[Path]) -> list[str]:
    return [source.stem for source in sources]


def _build_with_bar(source: Path, bar: Progress) -> str | None:
    """Build one lecture; its name if a cell failed."""
    task = bar.add_task(
        source.stem, total=sum(cell.cell_type == "code" for cell in read(source).cells)
    )
    try:
        seconds = build(source, lambda: bar.advance(task))
    except CellExecutionError as error:
        bar.console.print(
            f"{source.name}: a cell failed, so {notebook_of(source).name} is left as it was",
            style="red",
        )
        bar.console.print(Text.from_ansi(str(error)))
        return source.stem
    bar.console.print(
        f"{source.stem}: {seconds:.1f} s, {notebook_of(source).stat().st_size / 1000:.0f} kB"
    )
    return None


if __name__ == "__main__":
    main()
