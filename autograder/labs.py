"""`python -m autograder.labs` makes the labs from `solutions/labs/*.py`, the only place where a lab is written.

    solutions/labs/07_softmax.py         text source, one file per lab
    build/labs/07_softmax/*.ipynb        nbgrader's source notebook: with solutions and hidden tests
    labs/07_softmax/07_softmax.ipynb     nbgrader's release notebook: what students get

A source is a notebook in jupytext's percent form. These keys in a cell's head stand for nbgrader's metadata:

    # %% task="cpu/softmax"                 the learner writes this. An empty cell is filled from
                                            solutions/kernels/cpu/softmax.py, so no kernel stands twice
    # %% test="softmax-public" points=3     locked; scores all its points or none
    # %% [markdown] written="why" points=2  graded by hand; the cell holds a model answer

Labs are done by number. One that is done later names, in the head of its first cell, the lab that it follows:

    # %% [markdown] after="07_softmax"

The same source always gives the same bytes: cell ids come from grade ids and from the text.
"""

import argparse
import ast
import hashlib
import io
import re
import shutil
import sys
import zipfile
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from nbgrader.utils import is_grade

from autograder.course import KERNELS, RELEASE, ROOT, SOURCES, WITH_SOLUTIONS, GradingError, lab_names
from autograder.lab_heads import require_sound
from llaisys_mini.course.labs import rank
from llaisys_mini.files import write_atomically

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


# ---- the source notebook -----------------------------------------------------------------------------------------


def source_notebook(name: str) -> NotebookNode:
    """The lab with solutions and hidden tests, and nbgrader's metadata written out."""
    text = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent")
    for cell in text.cells:
        require_sound(cell, name)
    cells = [_graded(cell) for cell in text.cells]
    points = sum(cell.metadata.nbgrader.points for cell in cells if is_grade(cell))
    cells = [new_markdown_cell(_navigation(name, points)), *cells, *_ending(name)]
    _give_ids(cells)
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.nbformat_minor = 5
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
    }
    if after := _after(name):
        notebook.metadata["llaisys_mini"] = {"after": after}
    return nbformat.from_dict(notebook)


def _graded(cell: NotebookNode) -> NotebookNode:
    """The cell with its short keys replaced by nbgrader's metadata."""
    keys = dict(cell.metadata)
    task, test, written = keys.get("task"), keys.get("test"), keys.get("written")
    if task:
        source = cell.source.strip() or kernel_cell(task)
        made = new_code_cell(source)
        device, _, operator = task.partition("/")
        grade_id = keys.get("id", f"{operator}-{device}")
        made.metadata = {"llaisys_mini": {"task": task}, "nbgrader": _nbgrader(grade_id, solution=True)}
    elif test:
        made = new_code_cell(cell.source)
        made.metadata = {"nbgrader": _nbgrader(test, points=keys["points"], locked=True)}
    elif written:
        made = new_markdown_cell(cell.source)
        made.metadata = {"nbgrader": _nbgrader(written, points=keys["points"], solution=True)}
    elif cell.cell_type == "markdown":
        made = new_markdown_cell(cell.source)
    else:
        made = new_code_cell(cell.source)
    return made


def _nbgrader(grade_id: str, points: int | None = None, solution: bool = False, locked: bool = False) -> dict:
    metadata = {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return metadata if points is None else metadata | {"points": points}


def kernel_cell(task: str) -> str:
    """The text of a kernel file as a cell: without its docstring, which tells how the solution works."""
    source = (KERNELS / f"{task}.py").read_text(encoding="utf-8")
    first = ast.parse(source).body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        source = "\n".join(source.splitlines()[first.end_lineno :])
    return source.strip()


def _navigation(name: str, points: int) -> str:
    """The line on top: links to the previous lab, the lecture and the next lab, and the lab's points."""
    names = sorted(lab_names(), key=lambda lab: rank(lab, _after(lab)))
    here = names.index(name)
    parts = []
    if here > 0:
        parts.append(f"[&larr; lab {_title(names[here - 1])}](../{names[here - 1]}/{names[here - 1]}.ipynb)")
    for lecture in sorted((ROOT / "notebooks").glob(f"{name[:2]}_*.ipynb")):
        parts.append(f"[lecture](../../notebooks/{lecture.name})")
    if here + 1 < len(names):
        parts.append(f"[lab {_title(names[here + 1])} &rarr;](../{names[here + 1]}/{names[here + 1]}.ipynb)")
    return " &nbsp;|&nbsp; ".join([*parts, f"{points} points"])


def _after(name: str) -> str | None:
    """The lab that this one follows, where that is not what its number says."""
    with (SOURCES / f"{name}.py").open(encoding="utf-8") as source:
        head = source.readline()
    return jupytext.reads(head, fmt="py:percent").cells[0].metadata.get("after")


def _title(name: str) -> str:
    number, _, words = name.partition("_")
    return f"{number} {words.replace('_', ' ')}"


def _ending(name: str) -> list[NotebookNode]:
    return [
        new_markdown_cell(
            "## Hand in\n\n"
            "Save the notebook (Ctrl+S), then run the cell. It runs your notebook from the beginning in a fresh "
            "Python, says what would be scored, and puts the file where the autograder collects it. "
            f"In a terminal: `llaisys-mini submit {name}`."
        ),
        new_code_cell(f'from llaisys_mini import show_progress, submit\n\nsubmit("{name}")\nshow_progress()'),
    ]


def _give_ids(cells: list[NotebookNode]) -> None:
    """Ids that stay the same when other cells come and go: the grade id, else a digest of the text."""
    taken: set[str] = set()
    for cell in cells:
        graded = cell.metadata.get("nbgrader", {}).get("grade_id")
        wanted = graded or f"{cell.cell_type}-{hashlib.sha256(cell.source.encode()).hexdigest()[:8]}"
        if graded and wanted in taken:
            raise GradingError(f"two cells have the id {wanted!r}; nbgrader needs different ones")
        count = sum(other.rpartition("--")[0] == wanted or other == wanted for other in taken)
        wanted = f"{wanted}--{count + 1}" if count else wanted
        taken.add(wanted)
        cell.id = wanted


# ---- the release notebook ----------------------------------------------------------------------------------------


class ClearToStubs(ClearSolutions):
    """nbgrader's ClearSolutions with our stubs.

    An indented solution becomes a line that raises and names what to write; one at top level (helpers) disappears,
    and so do the options of @njit, which are the learner's to choose.
    """

    def _replace_solution_region(self, cell: NotebookNode, language: str) -> bool:
        if BEGIN not in cell.source:
            if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source = "*Your answer here.*"
                return True
            return False
        what = cell.metadata.get("llaisys_mini", {}).get("task", "your code").rpartition("/")[2]
        cell.source = stub(cell.source, what)
        return True


def stub(source: str, what: str) -> str:
    """`source` with everything between the solution marks replaced. what: the name in "write <what> here".

    Raises ValueError for marks that do not pair up.
    """
    lines, inside, method = [], False, what
    for line in source.splitlines():
        if BEGIN in line or END in line:
            if (BEGIN in line) == inside:
                raise ValueError(f"{what}: BEGIN and END SOLUTION do not pair up")
            inside = not inside
            indent = line[: len(line) - len(line.lstrip())]
            if inside and indent:
                lines.append(f'{indent}raise NotImplementedError("write {method} here")')
        elif not inside:
            definition = re.match(r"\s*def (\w+)", line)
            method = definition[1] if definition else method
            lines.append(re.sub(r"@njit(\(.*\))?", "@njit(cache=True)", line))
    if inside:
        raise ValueError(f"{what}: BEGIN SOLUTION without an end")
    text = re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines))
    return re.sub(r"(\n[^\s@][^\n]*)\n\n(?=@|def |class )", r"\1\n\n\n", text).strip()


_STEPS = (
    LockCells,
    ClearToStubs,
    ClearOutput,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ComputeChecksums,
    CheckCellMetadata,
)
"""What nbgrader's GenerateAssignment does, but for the gradebook, which releasing does not need."""


def release_notebook(name: str) -> NotebookNode:
    """The lab as students get it."""
    notebook, resources = source_notebook(name), {"unique_key": name}
    for step in _STEPS:
        notebook, resources = step().preprocess(notebook, resources)
    return notebook


def text_of(notebook: NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def make_labs(release: Path = RELEASE, with_solutions: Path = WITH_SOLUTIONS) -> list[str]:
    """Write all labs, and remove what no source makes any more. Returns the names.

    Raises GradingError, and writes nothing, if a lab in the folder `release` was run.
    """
    names = lab_names()
    run = [path for path in sorted(release.glob("[0-9][0-9]_*/*.ipynb")) if _was_run(path)]
    if run:
        raise GradingError(
            f"{run[0]} was run, so it may hold work that the new labs would overwrite. "
            "Move it away, or drop what was done there: git checkout labs"
        )
    made = {name: (text_of(source_notebook(name)), text_of(release_notebook(name))) for name in names}
    for folder in (release, with_solutions):
        for old in folder.glob("[0-9][0-9]_*"):
            if old.name not in names:
                shutil.rmtree(old)
    for name, (source, released) in made.items():
        write_atomically(with_solutions / name / f"{name}.ipynb", source)
        write_atomically(release / name / f"{name}.ipynb", released)
    return names


def pack(names: list[str], target: Path) -> None:
    """Write a zip for students: these labs as they are released, and the lectures they link to. The same files always
    make the same zip."""
    files = [RELEASE / name / f"{name}.ipynb" for name in names]
    files += sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            item = zipfile.ZipInfo(file.relative_to(ROOT).as_posix(), (2026, 1, 1, 0, 0, 0))
            item.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(item, file.read_bytes())
    write_atomically(target, data.getvalue())


def _was_run(path: Path) -> bool:
    try:
        return any(cell.get("execution_count") for cell in nbformat.read(path, as_version=4).cells)
    except (OSError, ValueError):
        return True


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        print(f"labs/: {', '.join(make_labs())}", file=sys.stderr)
    except GradingError as problem:
        sys.exit(str(problem))
