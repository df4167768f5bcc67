"""What is judged in a lab: read off the lab's own test cells, so that no second list has to be kept.

    check("softmax")                              cases drawn with the public seed
    check("softmax", seed=40417)                  hidden cases; the judge draws its own, the number does not matter
    explain("softmax").require(vectorised=True)   facts about the compiled kernel
    count_traffic("matmul").require(misses=800)   counted memory traffic

A test belongs to the last task cell before it that asks for the same operator or exercise. What is none of these stands
in SPECIAL; a test that the judge does not know is left to a person.
"""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from llaisys_mini import exercises
from llaisys_mini.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
WITH_SOLUTIONS = ROOT / "build" / "labs"
RELEASED = ROOT / "labs"

CASES, FACTS, TRAFFIC, SHIPPED_MODEL, BY_HAND = "cases", "facts", "traffic", "shipped model", "by hand"

SPECIAL = {("11_the_decoder_speaks", "shipped-model"): (SHIPPED_MODEL, "decoder_forward")}
"""(lab, grade id) -> what is judged, of which exercise."""

JUDGED_DEVICES = ("cpu", "python")
"""Kernels for other devices are left to a person: the worker cannot run them."""


class GradingError(UserError):
    """The autograder cannot do what was asked; the message says what to do."""


@dataclass(frozen=True)
class Task:
    """One thing that a learner writes: the cell `grade_id` is to define the kernel or answer `name` for `device`."""

    grade_id: str
    device: str
    name: str
    stub: str


@dataclass(frozen=True)
class Check:
    """kind: CASES, FACTS, ...; task: grade id of the task cell; require: what FACTS and TRAFFIC must fulfil."""

    kind: str
    task: str | None
    hidden: bool = False
    require: tuple[tuple[str | None, object], ...] = ()


@dataclass(frozen=True)
class Part:
    """A cell with points. Code: `checks` decide, all or nothing. Written: a person reads it; `stub` is what was
    released."""

    grade_id: str
    points: float
    checks: tuple[Check, ...] = ()
    written: bool = False
    stub: str = ""


@dataclass(frozen=True)
class Plan:
    """What is judged in one lab. texts: the released sources of all cells by cell id."""

    lab: str
    tasks: tuple[Task, ...]
    parts: tuple[Part, ...]
    texts: dict[str, str]

    @property
    def points(self) -> float:
        return sum(part.points for part in self.parts)

    def checks_of(self, task: Task) -> list[Check]:
        return [check for part in self.parts for check in part.checks if check.task == task.grade_id]


def lab_names() -> list[str]:
    """The labs of the course in order."""
    return sorted(path.name for path in RELEASED.glob("[0-9][0-9]_*") if (path / f"{path.name}.ipynb").is_file())


def make_if_stale() -> None:
    """Make the labs anew where a source is newer than what was made from it."""
    sources = [*(ROOT / "solutions" / "labs").glob("*.py"), *(ROOT / "solutions" / "kernels").glob("*/*.py")]
    made = [WITH_SOLUTIONS / path.stem / f"{path.stem}.ipynb" for path in (ROOT / "solutions" / "labs").glob("*.py")]
    newest = max((path.stat().st_mtime for path in sources), default=0)
    if any(not path.is_file() or path.stat().st_mtime < newest for path in made):
        from autograder import labs

        labs.make_labs()


def plan_of(lab: str) -> Plan:
    """The plan of a lab. Raises GradingError if there is no such lab."""
    path, released = WITH_SOLUTIONS / lab / f"{lab}.ipynb", RELEASED / lab / f"{lab}.ipynb"
    if not path.is_file() or not released.is_file():
        raise GradingError(f"there is no lab {lab!r}; there are {', '.join(lab_names())}")
    texts = {cell["id"]: _text(cell) for cell in json.loads(released.read_text(encoding="utf-8"))["cells"]}
    tasks, parts = [], []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        metadata = cell["metadata"].get("nbgrader", {})
        asked = cell["metadata"].get("llaisys_mini", {}).get("task")
        if asked:
            device, _, name = asked.partition("/")
            tasks.append(Task(metadata["grade_id"], device, name, texts[cell["id"]]))
        elif metadata.get("grade"):
            grade_id, points = metadata["grade_id"], float(metadata["points"])
            if cell["cell_type"] == "markdown":
                parts.append(Part(grade_id, points, written=True, stub=texts[cell["id"]]))
            else:
                parts.append(Part(grade_id, points, _checks(lab, grade_id, _text(cell), tasks)))
    return Plan(lab, tuple(tasks), tuple(parts), texts)


def _text(cell) -> str:
    return "".join(cell["source"])


def _checks(lab, grade_id, source, tasks) -> tuple[Check, ...]:
    if (lab, grade_id) in SPECIAL:
        kind, name = SPECIAL[lab, grade_id]
        return (Check(kind, _task(tasks, name, "python"), hidden=True),)
    checks = [_check(statement, tasks) for statement in ast.parse(source).body]
    return tuple(checks) or (Check(BY_HAND, None),)


def _check(statement, tasks) -> Check:
    """What a statement of a test cell asks for."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    require: tuple[tuple[str | None, object], ...] = ()
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "require":
        require = tuple((keyword.arg, ast.literal_eval(keyword.value)) for keyword in call.keywords)
        call = call.func.value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
        return Check(BY_HAND, None)
    kind = {"check": CASES, "explain": FACTS, "count_traffic": TRAFFIC}.get(call.func.id)
    if not isinstance(call.args[0], ast.Constant):
        return Check(BY_HAND, None)
    name = call.args[0].value
    if kind is None:  # not among what the judge knows; it may still tell which task it is about
        return Check(BY_HAND, _task(tasks, name, "cuda") if "gpu" in call.func.id else None)
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    device = "python" if name in exercises.names else keywords.pop("device", "cpu")
    hidden = keywords.pop("seed", 0) != 0
    task = _task(tasks, name, device)
    if task is None or keywords or device not in JUDGED_DEVICES:
        return Check(BY_HAND, task)
    return Check(kind, task, hidden, require)


def _task(tasks, name, device) -> str | None:
    return next((t.grade_id for t in reversed(tasks) if (t.name, t.device) == (name, device)), None)
