"""`submit("07_softmax")`: run the lab from the beginning in a fresh Python, say what would be scored, hand it in.

The file goes to `submitted/<name>/<lab>/<lab>.ipynb`, nbgrader's layout, with a timestamp beside it. A lab that is not
finished may be handed in too, and handed in again.
"""

import atexit
import datetime
import getpass
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from llaisys_mini import paths
from llaisys_mini.console import console, in_notebook
from llaisys_mini.course.labs import Lab, LabError, find_lab, read_cells
from llaisys_mini.files import nearest_folder, write_atomically

SECONDS_PER_CELL = 120
SECONDS_TO_START = 180  # a fresh Python and its imports, on a busy machine with a slow disk
MOST_BYTES = 20 << 20  # of a notebook that is handed in
MOST_CELLS = 1000
"""The autograder reads no more than these."""
_SUBMITTING = "LLAISYS_MINI_SUBMITTING"
_PLACES_OF_ITS_OWN = (
    paths.STUDENT_VARIABLE,
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
)
"""Of the clean run: it has no kernels, settings or start-up files of the learner's, and needs no home to write to."""
_SAY_WHO = 'give it as submit(..., name="ada"), in a terminal as --name ada'


def submit(lab: str, name: str | None = None) -> Path | None:
    """Validate the lab ("07_softmax") and write the submission. name: the student's, by default the login name.

    Returns the file written; None inside the run that validates. Raises LabError for a lab that cannot be found, read
    or run, and for a notebook whose last changes are not saved.
    """
    if os.environ.get(_SUBMITTING):  # this is the clean run of the same notebook
        return None
    found = find_lab(lab)
    name = _folder_name(name or _login_name())
    _require_saved(found)
    target = found.path.parents[2] / "submitted" / name / found.name
    there = nearest_folder(target)
    if not os.access(there, os.W_OK):
        raise LabError(f"{there} cannot be written, so nothing can be handed in there")
    printer = console()
    content = _as_taken(found, printer)
    printer.print(_score_table(found, _run_clean(found)))
    now = datetime.datetime.now(datetime.UTC)
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_atomically(target / f"{found.name}.ipynb", content)
        write_atomically(target / "timestamp.txt", now.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
    except OSError as problem:
        raise LabError(f"{target} cannot be written ({problem.strerror}); nothing was handed in") from problem
    printer.print(f"handed in for {name}: {target / f'{found.name}.ipynb'}", highlight=False, soft_wrap=True)
    return target / f"{found.name}.ipynb"


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container that runs as a user who is in no list of users
        raise LabError(f"this user has no login name (id {os.getuid()}): {_SAY_WHO}") from None


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]*", name):
        raise LabError(f"the name {name!r} must be letters, digits and . _ @ -, as in your course account: {_SAY_WHO}")
    return name


def _as_taken(lab: Lab, printer) -> bytes:
    """The notebook as the autograder takes it: without its outputs, if they make it too large."""
    content = lab.path.read_bytes()
    if len(content) > MOST_BYTES:
        notebook = json.loads(content)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": None}
        content = (json.dumps(notebook, indent=1) + "\n").encode()
        printer.print(f"the outputs are not handed in: with them the file is larger than {MOST_BYTES >> 20} MB")
    if len(content) > MOST_BYTES:
        raise LabError(
            f"{lab.path} is larger than {MOST_BYTES >> 20} MB even without outputs; are there large pictures?"
        )
    if (count := len(read_cells(lab.path))) > MOST_CELLS:
        raise LabError(f"{lab.path} has {count} cells; hand in at most {MOST_CELLS}: delete what you do not need")
    return content


def _require_saved(lab: Lab) -> None:
    """In a notebook: the last version of each kernel that was run must be in the file."""
    if not in_notebook():
        return
    from IPython import get_ipython

    saved = {cell["source"].strip() for cell in read_cells(lab.path)}
    ran: dict[str, str] = {}
    for source in get_ipython().history_manager.input_hist_raw:
        for heading in re.findall(r"^@(?:kernel|answer)\(.*\)", source, re.MULTILINE):
            ran[heading] = source.strip()
    asked = {heading for source in saved for heading in re.findall(r"^@(?:kernel|answer)\(.*\)", source, re.MULTILINE)}
    unsaved = [heading for heading, source in ran.items() if heading in asked and source not in saved]
    if unsaved:
        raise LabError(
            f"the cell with {unsaved[0]} has changes that are not in the file: save (Ctrl+S), then run this again"
        )


def _run_clean(lab: Lab) -> list[dict]:
    """The cells after running all of them in a fresh Python that knows no earlier kernel of the learner."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
    except ImportError as problem:
        raise LabError(f"{problem.name} is missing; `make lab` installs it") from problem

    notebook = nbformat.read(lab.path, as_version=4)
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    with _scratch() as scratch, _progress(f"running {lab.name} from the beginning", total) as advance:
        client = NotebookClient(
            notebook,
            km=_this_python(scratch),
            timeout=SECONDS_PER_CELL,
            startup_timeout=SECONDS_TO_START,
            allow_errors=True,
            resources={"metadata": {"path": str(lab.path.parent)}},
            on_cell_executed=lambda **_: advance(),
        )
        places = {name: str(scratch / name) for name in _PLACES_OF_ITS_OWN}
        environment = os.environ | places | {"MPLBACKEND": "Agg", _SUBMITTING: "1"}
        try:
            # What it warns of is nothing a learner can fix. Without cleanup_kc a manager that is handed in goes on.
            client.execute(env=environment, stderr=subprocess.DEVNULL, cleanup_kc=True)
        except CellTimeoutError:
            raise LabError(
                f"{lab.name}: a cell ran for more than {SECONDS_PER_CELL} s; nothing was handed in"
            ) from None
        except DeadKernelError:
            raise LabError(f"{lab.name}: a cell ended the Python process; nothing was handed in") from None
        except (RuntimeError, OSError) as problem:  # what Jupyter raises where the process does not come up
            atexit.unregister(client._cleanup_kernel)  # nbclient leaves it there, and it fails
            raise LabError(
                f"{lab.name}: a fresh Python could not be started ({problem}); nothing was handed in"
            ) from problem
    return notebook.cells


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for this run alone, removed at its end."""
    try:
        folder = tempfile.mkdtemp(prefix="llaisys_mini-submit-")
    except OSError as problem:
        raise LabError(
            f"no folder for temporary files can be written ({problem.strerror}): set TMPDIR to one that can"
        ) from problem
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _this_python(scratch: Path) -> Any:
    """Starts the Python that this runs in, whatever kernel the notebook names: that may be one of another machine, and
    a kernel installed under the usual name may be another Python."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    try:
        import ipykernel  # noqa: F401 - without it no specification is found
    except ImportError as problem:
        raise LabError(f"{problem.name} is missing; `make lab` installs it") from problem
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # only that of this Python
        connection_file=str(scratch / "connection.json"),
    )


@contextmanager
def _progress(text: str, total: int):
    """Gives a function to call after each cell. In a notebook a line of text: a bar there is a widget, which shows an
    error when the saved notebook is opened again."""
    if not in_notebook():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, transient=True) as progress:
            bar = progress.add_task(text, total=total)
            yield lambda: progress.advance(bar)
        return
    from IPython.display import clear_output

    done = itertools.count()

    def advance():
        print(f"\r{text}: {next(done)} of {total} cells", end="", flush=True)

    advance()
    try:
        yield advance
    finally:
        clear_output()


def _score_table(lab: Lab, cells) -> Table:
    table = Table(title=f"{lab.name}: what would be scored", title_justify="left", box=None, pad_edge=False)
    table.add_column("part", overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("", overflow="fold")
    reached = later = 0
    for cell in cells:
        graded = cell.metadata.get("nbgrader", {})
        if not graded.get("grade"):
            continue
        points = graded["points"]
        if cell.cell_type == "markdown":
            empty = cell.source.strip() in ("", "*Your answer here.*")
            verdict = "[yellow]no answer yet[/yellow]" if empty else "graded by hand"
            later += points
        elif all(line.strip() == "" or line.lstrip().startswith("#") for line in cell.source.splitlines()):
            verdict = "hidden cases: decided when it is graded"
            later += points
        else:
            error = _error(cell)
            reached += 0 if error else points
            verdict = "[green]passes[/green]" if error is None else f"[red]{_reason(error, cells)}[/red]"
        table.add_row(graded["grade_id"], str(points), verdict)
    table.add_section()
    table.add_row("sure", str(reached), f"{later} more are decided when it is graded")
    return table


def _error(cell):
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def _reason(error, cells) -> str:
    """One line: why a part fails. Where its kernel is missing, what happened to the cell that was to save it."""
    from rich.markup import escape

    absent = re.match(r"(.*: run the cell with (@(?:kernel|answer)\(.*\)) first), or write it to ", error.evalue)
    if absent is None:
        return escape(error.evalue.splitlines()[0] if error.evalue else error.ename)
    saving = [cell for cell in cells if cell.cell_type == "code" and absent[2] in cell.source]
    if not saving:
        return escape(f"no cell of the notebook has {absent[2]}")
    cause = _error(saving[0])
    if cause is None:  # the cell stands below the check
        return escape(absent[1])
    return escape(f"the cell with {absent[2]} ends with {cause.ename}: {cause.evalue}".splitlines()[0])
