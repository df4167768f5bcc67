"""What is judged in a lab: read off the lab's own test cells, so that no second list has to be kept.

    check("softmax")                              cases drawn with the public seed
    check("softmax", seed=40417)                  hidden cases; the judge draws its own, the number does not matter
    explain("softmax").require(vectorised=True)   facts about the compiled kernel
    count_traffic("linear", prompt).require(misses=250)   counted memory traffic, on these inputs
    count_gpu_traffic("matmul", square).require(loads_of_each_input=5)   the same of a CUDA kernel
    held_out_loss("best_scale").require(at_most=0.28)   of a whole model that computes with what the answer gives

A test belongs to the last task cell before it that asks for the same operator or exercise. What is none of these stands
in SPECIAL; a test that the judge does not know is graded by hand.
"""

import ast
import json
from dataclasses import dataclass

from autograder.course import KERNELS, RELEASED, ROOT, SOURCES, WITH_SOLUTIONS, GradingError, lab_names
from autograder.findings import bound_by, imports_of
from llaisys_mini import exercises

CASES, FACTS, TRAFFIC, GPU_TRAFFIC = "cases", "facts", "traffic", "GPU traffic"
HELD_OUT_LOSS = "held-out loss"
SHIPPED_MODEL, BY_HAND = "shipped model", "by hand"

SPECIAL = {("14_the_decoder_speaks", "shipped-model"): (SHIPPED_MODEL, "decoder_forward")}
"""(lab, grade id) -> what is judged, of which exercise."""


@dataclass(frozen=True)
class Task:
    """One thing that a learner writes: the cell `grade_id` is to define the kernel or answer `name` for `device`."""

    grade_id: str
    device: str
    name: str
    stub: str


@dataclass(frozen=True)
class Check:
    """kind: CASES, FACTS, ...; task: grade id of the task cell; require: what FACTS and TRAFFIC must fulfil.

    inputs: of both kinds of traffic, statements of the lab's own that set `inputs`."""

    kind: str
    task: str | None
    hidden: bool = False
    require: tuple[tuple[str | None, object], ...] = ()
    inputs: str = ""


@dataclass(frozen=True)
class Part:
    """A cell with points. Code: `checks` decide, all or nothing. Written: graded by hand; `stub` is the release."""

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


def make_if_stale() -> None:
    """Make the labs anew in build/, where a source is newer than what was made from it. labs/ stays as it is."""
    sources = [*SOURCES.glob("*.py"), *KERNELS.glob("*/*.py"), ROOT / "autograder" / "labs.py"]
    made = [folder / lab / f"{lab}.ipynb" for folder in (RELEASED, WITH_SOLUTIONS) for lab in lab_names()]
    newest = max((path.stat().st_mtime for path in sources), default=0)
    if any(not path.is_file() or path.stat().st_mtime < newest for path in made):
        from autograder.labs import make_labs

        make_labs(RELEASED, WITH_SOLUTIONS)


def plan_of(lab: str) -> Plan:
    """The plan of a lab. Raises GradingError if there is no such lab."""
    path, released = WITH_SOLUTIONS / lab / f"{lab}.ipynb", RELEASED / lab / f"{lab}.ipynb"
    if not path.is_file() or not released.is_file():
        raise GradingError(f"there is no lab {lab!r}; there are {', '.join(lab_names())}")
    texts = {cell["id"]: _text(cell) for cell in json.loads(released.read_text(encoding="utf-8"))["cells"]}
    tasks: list[Task] = []
    parts: list[Part] = []
    before: list[ast.stmt] = []  # what the cells before a test hold
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
                parts.append(Part(grade_id, points, _checks(lab, grade_id, _text(cell), tasks, before)))
        elif cell["cell_type"] == "code":
            before += _settings(_text(cell))
    return Plan(lab, tuple(tasks), tuple(parts), texts)


def _text(cell) -> str:
    return "".join(cell["source"])


def _settings(source: str) -> list[ast.stmt]:
    """The imports and assignments at the top of a cell: inputs of later test cells may be made of them."""
    return [s for s in ast.parse(source).body if isinstance(s, _SETTINGS)]


_SETTINGS = (ast.Import, ast.ImportFrom, ast.Assign)


def _checks(lab, grade_id, source, tasks, before) -> tuple[Check, ...]:
    if (lab, grade_id) in SPECIAL:
        kind, name = SPECIAL[lab, grade_id]
        return (Check(kind, _task(tasks, name, "python"), hidden=True),)
    asking = [statement for statement in ast.parse(source).body if not isinstance(statement, _SETTINGS)]
    checks = [_check(statement, tasks, before + _settings(source)) for statement in asking]
    return tuple(checks) or (Check(BY_HAND, None),)


def _check(statement, tasks, before) -> Check:
    """What a statement of a test cell asks for."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    require: tuple[tuple[str | None, object], ...] = ()
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "require":
        require = tuple((keyword.arg, ast.literal_eval(keyword.value)) for keyword in call.keywords)
        call = call.func.value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
        return Check(BY_HAND, None)
    kind = _KINDS.get(call.func.id)
    if kind is None or not isinstance(call.args[0], ast.Constant):
        return Check(BY_HAND, None)
    name = call.args[0].value
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    usual = "python" if name in exercises.names else "cuda" if kind == GPU_TRAFFIC else "cpu"
    task = _task(tasks, name, keywords.pop("device", usual))
    hidden = keywords.pop("seed", 0) != 0
    if task is None or keywords or len(call.args) > (2 if kind in (TRAFFIC, GPU_TRAFFIC) else 1):
        return Check(BY_HAND, task)
    return Check(kind, task, hidden, require, _inputs(call.args[1], before) if len(call.args) > 1 else "")


_KINDS = {"check": CASES, "explain": FACTS, "count_traffic": TRAFFIC, "count_gpu_traffic": GPU_TRAFFIC}
_KINDS["held_out_loss"] = HELD_OUT_LOSS


def _inputs(expression, before) -> str:
    """Statements that set `inputs` to this expression of a test cell: it, and what it needs of the lab's own cells."""
    wanted, found = _names(expression), [f"inputs = {ast.unparse(expression)}"]
    for statement in reversed(before):
        is_import = isinstance(statement, (ast.Import, ast.ImportFrom))
        if wanted & ({name for name, _ in imports_of(statement)} if is_import else bound_by(statement)):
            found.insert(0, ast.unparse(statement))
            wanted |= _names(statement)
    return "\n".join(found) + "\n"


def _names(node) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _task(tasks, name, device) -> str | None:
    return next((t.grade_id for t in reversed(tasks) if (t.name, t.device) == (name, device)), None)
