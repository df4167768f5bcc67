"""The copies check: copies in disguise are found, nobody else is accused, and its work grows with the class alone."""

import ast
import contextlib
import csv
import json
import random
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder import example_class, labs, tasks
from autograder.__main__ import main
from autograder.copies import of_class, told
from autograder.copies.alike import alike
from autograder.copies.normal import MOST_NODES, pieces_of
from autograder.copies.of_class import CODE, TEXT
from autograder.copies.words import runs_of
from autograder.gradebook import report
from autograder.reading.submission import Submission

from .course import LAB
from .disguise import disguised

OPERATORS = Path(__file__).parents[1] / "operators"
IMPORTS = "import math\nimport numpy as np\nfrom numba import njit, prange\n\n"


def independent() -> dict[str, dict[str, str]]:
    """Operator -> name -> source: right kernels that were written by themselves, each in another way."""
    found: dict[str, dict[str, str]] = {}
    kernels = ast.parse((OPERATORS / "student_kernels.py").read_text(encoding="utf-8")).body
    for function in kernels:
        for mark in getattr(function, "decorator_list", ()):
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "right":
                function.decorator_list = []
                found.setdefault(mark.args[0].value, {})[function.name] = IMPORTS + ast.unparse(function)
    for function in ast.parse((OPERATORS / "variants.py").read_text(encoding="utf-8")).body:
        operator = max((o for o in found if getattr(function, "name", "").startswith(f"{o}_")), key=len, default=None)
        if operator:
            found[operator][f"variant {function.name}"] = IMPORTS + ast.unparse(function)
    for path in sorted((tasks.KERNELS).glob("*/*.py")):
        operator = path.stem.removesuffix("_expert")
        if operator in found:
            found[operator][str(path.relative_to(tasks.KERNELS))] = path.read_text(encoding="utf-8")
    return found


INDEPENDENT = independent()


@cache
def weighed(source: str) -> dict[bytes, int]:
    return {piece.digest: piece.size for piece in pieces_of(source)}


def accused(sources: list[str]) -> set[tuple[int, int]]:
    """Who of a class with these answers to one task is told of, by number."""
    return {(p.first, p.second) for p in alike([weighed(s) for s in sources], CODE.share, CODE.weight)}


def statements(source: str) -> int:
    kinds = ast.Assign, ast.AugAssign, ast.For, ast.While, ast.If, ast.Return, ast.FunctionDef
    return sum(isinstance(node, kinds) for node in ast.walk(ast.parse(source)))


def test_nine_of_ten_copies_in_disguise_are_found_and_nobody_else():
    """In the class of all who wrote the operator in another way, one copies. Lab-sized: twelve statements or more."""
    sized = [(o, n) for o, those in INDEPENDENT.items() for n, s in those.items() if statements(s) >= 12]
    assert len(sized) > 50
    found = Counter()
    for number in range(200):
        operator, name = sized[number % len(sized)]
        others = list(INDEPENDENT[operator])
        told_of = accused([*INDEPENDENT[operator].values(), disguised(INDEPENDENT[operator][name], number)])
        found[(others.index(name), len(others)) in told_of] += 1
        assert not {pair for pair in told_of if len(others) not in pair}, (operator, name)
    assert found[True] >= 180, found


@pytest.mark.parametrize("operator", sorted(INDEPENDENT))
def test_who_writes_in_another_way_is_not_accused(operator):
    class_ = list(INDEPENDENT[operator].values())
    assert not accused(class_)
    for two in combinations(class_, 2):  # nor where there is no class to compare with
        assert not accused(list(two))


def test_of_an_answer_without_room_for_differences_nothing_is_said():
    relu = INDEPENDENT["relu"]["relu_branch"]
    assert not accused([relu, relu])


@pytest.mark.parametrize("seed", range(20))
def test_a_disguise_is_another_program_that_computes_the_same(seed):
    source = """
def f(n, k):
    total = 0
    best = k
    for i in range(n):
        total += i * k
        best = max(best, i - k)
        if i > k:
            total = total + 1
    return total * 2 + best
"""
    other = disguised(source, seed)
    assert other != source
    results = []
    for text in (source, other):
        space: dict = {}
        exec(text, space)
        function = next(value for value in space.values() if getattr(value, "__code__", None))
        results.append([function(n, k) for n in range(6) for k in range(4)])
    assert results[0] == results[1]


GIVEN = "from numba import prange\nimport numpy as np\ni = j = n = m = a = b = c = x = y = 0\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("total += x[i] * y[i]", "summe = b[j] * a[j] + summe"),
        ("out[r, c] = a - b + 1", "out[r][c] = 1 + (a - b)  # same"),
        ("for i in range(0, n):\n    f(i, n + 2)", "for k in prange(m):\n    f(k, 2 + m)"),
        ("if a < b + 2 * c:\n    x[0] = 1", "if c * 2 + b > a:\n    x[0] = 1.0"),
        ("p, q = x[i] + 1, y[i] + 2", "q = y[i] + 2\np: float = 1 + x[i]"),
        ("z = np.exp(x[i] - m[i])", "from numpy import exp as e\nz = e(x[i] - m[i])"),
    ],
)
def test_what_says_the_same_has_the_same_pieces(one, other):
    one, other = GIVEN + one, GIVEN + other
    assert weighed(one).keys() == weighed(other).keys() != set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = a * 2 + b", "x = a * 3 + b"),
        ("x = a - b * c", "x = b * c - a"),
        ("x = math.exp(a) * b", "x = math.log(a) * b"),
    ],
)
def test_constants_order_of_differences_and_functions_are_kept(one, other):
    one, other = ("import math\na = b = c = 0\n" + text for text in (one, other))
    assert weighed(one).keys() != weighed(other).keys()


def test_what_many_share_counts_little():
    kernel = weighed(INDEPENDENT["attention"]["attention_online"])
    other = [{bytes([n]): 300} for n in range(20)]
    two = alike([kernel, kernel, *other], 0.5, 1)
    many = alike([*[kernel] * 20, *other[:2]], 0.5, 1)
    assert len(two) == 1 and (not many or max(p.weight for p in many) < two[0].weight / 3)


def test_what_the_task_leads_to_counts_half():
    kernel = weighed(INDEPENDENT["attention"]["attention_online"])
    (two,) = alike([kernel, kernel], 0.5, 1)
    (led,) = alike([kernel, kernel], 0.5, 1, frozenset(kernel))
    assert led.weight == two.weight / 2 and led.share == two.share == 1
    by_hand = weighed((tasks.KERNELS / "python" / "layers_by_hand.py").read_text(encoding="utf-8"))  # one right answer
    others = [{bytes([n]): 300} for n in range(20)]
    assert alike([by_hand, by_hand, *others], CODE.share, CODE.weight)
    assert not alike([by_hand, by_hand, *others], CODE.share, CODE.weight, frozenset(by_hand))


def test_the_work_grows_with_the_class_and_not_with_its_square(monkeypatch):
    """Counted are the pairs that are looked at, in classes in which everything is shared by some."""
    from autograder.copies import alike as module

    looked = Counter()
    pairs = module._pairs

    def counted(those):
        for pair in pairs(those):
            looked[size] += 1
            yield pair

    monkeypatch.setattr(module, "_pairs", counted)
    rng = random.Random(0)
    for size in (200, 400):
        works = [{rng.randrange(size * groups): 5 for groups in (1, 2, 10) for _ in range(20)} for _ in range(size)]
        works += [{f"all {n}": 5 for n in range(40)} for _ in range(size)]
        alike(works, 0.9, 100)
    assert looked[400] < 2.5 * looked[200]


def test_what_cannot_be_compared_is_refused_in_a_sentence():
    for source in ("def f(:", "x = [" + "1," * MOST_NODES + "]", "\0"):
        with pytest.raises(ValueError, match="it "):
            pieces_of(source)
    for deep in ("x = a" + ".b" * 3000, "x = " + "-" * 50_000 + "1", "if 1:\n " + "(" * 150 + ")" * 150):
        with contextlib.suppress(ValueError):  # how deep a tree may be, the version of Python decides
            assert pieces_of(deep) is not None


LONG = (
    "Subtracting the largest score of the row keeps every exponent at or below zero, so no power can overflow, and as "
    "numerator and denominator both lose the same factor, the quotient that we want is left exactly as it was before."
)


def test_written_answers_are_compared_by_runs_of_words():
    def runs(text):
        return {piece.digest: 1 for piece in runs_of(text)}

    own = "The maximum goes out of the exponent, or exp becomes inf in float32 when scores are above 88 and we get NaN."
    copied = LONG.replace("Subtracting", "Taking off").replace("exactly", "just").upper() + "\n\nThat is all."
    found = alike([runs(LONG), runs(own), runs(copied)], TEXT.share, TEXT.weight)
    assert [(p.first, p.second) for p in found] == [(0, 2)]
    assert len(runs("为了避免溢出我们先减去最大值")) == 10


# ---- a class of notebooks ------------------------------------------------------------------------------------------


def hand_in(folder: Path, student: str, text: str) -> Submission:
    place = folder / student / LAB
    place.mkdir(parents=True)
    (place / f"{LAB}.ipynb").write_text(text, encoding="utf-8")
    return Submission(student, LAB, place)


def answered(kernel: str | None, written: str | None) -> str:
    def change(cells):
        if kernel:
            cells["softmax-cpu"]["source"] = kernel
        if written:
            cells["softmax-mean"]["source"] = written

    return example_class.submission((), change)


HEAD = "import math\nimport numpy as np\nfrom numba import njit, prange\nfrom llaisys_mini import kernel\n\n\n"


def softmax_by(name: str, seed: int | None = None) -> str:
    """A cell with one of the right kernels, as it is or in disguise."""
    function = INDEPENDENT["softmax"][name].removeprefix(IMPORTS)
    text = function if seed is None else disguised(function, seed)
    place = text.index("def ")
    text = text[:place] + '@kernel("softmax", device="cpu")\n@njit(cache=True)\n' + text[place:]
    return HEAD + text


@pytest.fixture
def class_of_five(tmp_path):
    tasks.make_if_stale()
    folder = tmp_path / "submitted"
    hand_in(folder, "ada", answered(softmax_by("softmax_four_lanes_exp2"), LONG))
    hand_in(folder, "=bob", answered(softmax_by("softmax_four_lanes_exp2", 5), LONG.replace("row", "line")))
    hand_in(folder, "cy", answered(softmax_by("softmax_online"), None))
    hand_in(folder, "dee", answered(None, "exp overflows."))
    hand_in(folder, "eve", "{")
    return folder


def test_copies_tells_pairs_with_places_and_names_what_it_cannot_read(class_of_five, tmp_path):
    done = CliRunner().invoke(main, ["copies", str(class_of_five), "--build", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "2 pairs, of 5 submissions" in done.output and told.HINT in done.output
    assert "not compared: eve" in done.output
    pairs, left = told.load(tmp_path)
    assert {(pair.task, pair.students) for pair in pairs} == {
        ("softmax-cpu", ("=bob", "ada")),
        ("softmax-mean", ("=bob", "ada")),
    }
    assert len(left) == 1
    cell = softmax_by("softmax_four_lanes_exp2", 5).split("\n")
    kernel = next(pair for pair in pairs if pair.task == "softmax-cpu")
    assert kernel.passages
    for passage in kernel.passages:
        assert cell[passage.first[0] - 1].strip() == passage.text
    with (tmp_path / "copies.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 3 and rows[1][2] == "'=bob"


def test_the_report_shows_the_pairs_as_a_hint(class_of_five, tmp_path):
    found = of_class.compare([Submission(name, LAB, class_of_five / name / LAB) for name in ("=bob", "ada", "cy")])
    told.keep(*found, tmp_path)
    page = report.write_page([], tmp_path, "none").read_text(encoding="utf-8")
    assert "Answers that are alike" in page and "no proof" in page and "softmax-cpu" in page
    (tmp_path / "grading" / "copies.json").unlink()
    assert "Answers that are alike" not in report.write_page([], tmp_path, "none").read_text(encoding="utf-8")


def test_in_the_example_class_only_two_are_told_of():
    """Most of its kernels are the course's own: what most of a class has, says nothing of two of them. One written
    answer, the course's own, is there twice, word for word."""
    tasks.make_if_stale()
    folder = tasks.ROOT / "data" / "class"
    pairs, left = of_class.compare([Submission(place.name, LAB, place / LAB) for place in sorted(folder.iterdir())])
    assert [sentence.split(",")[0] for sentence in left] == ["student-8"]
    assert {pair.task for pair in pairs} == {"softmax-mean"}
    among = "student-1", "student-9", of_class.SOLUTION
    assert {pair.students for pair in pairs} == set(combinations(among, 2))


def test_a_copy_of_the_courses_own_answer_is_told_of_where_it_is_long(tmp_path):
    """With another name in it, in a lab that is else as it was released. Of an answer of ten lines nothing is said."""
    tasks.make_if_stale()
    lab = "12_attention"
    released = json.loads((labs.RELEASE / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
    solved = json.loads((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
    answers = {cell["id"]: "".join(cell["source"]) for cell in solved["cells"]}
    for cell in released["cells"]:
        if cell["id"] in ("attention-query-blocks-cuda", "merge_attention-python", "cache-size"):
            cell["source"] = answers[cell["id"]].replace("best", "top")
    (tmp_path / f"{lab}.ipynb").write_text(json.dumps(released), encoding="utf-8")
    pairs, left = of_class.compare([Submission("ada", lab, tmp_path)])
    assert not left
    assert {(pair.task, pair.students) for pair in pairs} == {
        (task, ("ada", of_class.SOLUTION)) for task in ("attention-query-blocks-cuda", "cache-size")
    }
