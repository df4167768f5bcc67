"""`remove`: a student who was graded by mistake is gone from all that grading made, and nobody and nothing else is."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder import tasks
from autograder.__main__ import main
from autograder.copies import told
from autograder.copies.of_class import Copy
from autograder.gradebook import book, report
from autograder.gradebook import url as gradebook_url
from autograder.journal import Journal, journal_of
from autograder.judge.submission import PASSED, PartVerdict, Verdict
from autograder.reading.people import Left
from autograder.tasks import GradingError

from .course import content, export, grade_by_hand

SOFTMAX, PRACTICE = "07_softmax", "00_practice"
CLASS = [("Ada", SOFTMAX), ("Ada", PRACTICE), ("spring", SOFTMAX), ("spring", PRACTICE), ("Zoë", SOFTMAX)]


def verdict(student: str, lab: str) -> Verdict:
    parts = {p.grade_id: PartVerdict(p.points, p.points, PASSED, "right") for p in tasks.plan_of(lab).parts}
    return Verdict(student, lab, parts=parts)


@pytest.fixture
def build(graded, tmp_path) -> Path:
    """A build folder in which a class was graded, and beside it what was handed in."""
    return Path(shutil.copytree(graded, tmp_path, dirs_exist_ok=True)) / "build"


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    tasks.make_if_stale()
    graded = tmp_path_factory.mktemp("graded")
    build = graded / "build"
    url = gradebook_url.default(build)
    verdicts = [verdict(*each) for each in CLASS]
    verdicts[2].trace = "a traceback"
    book.write(verdicts, url, build)
    grade_by_hand(url, "spring", "softmax-mean", 1.5)
    left = [Left("spring/x", "a link", "spring"), Left("stray.ipynb", "it lies in no student's folder")]
    report.write_all(verdicts, build, "none", url, left)
    journal = Journal(journal_of(build), resume=False)
    for each in verdicts:
        journal.add(f"key of {each.student} {each.lab}", each)
    journal.close()
    pairs = [Copy(SOFTMAX, "t", names, 1, 9, ()) for names in (("Ada", "spring"), ("Ada", "Zoë"))]
    told.keep(pairs, [], build)
    handed_in = graded / "submitted" / "spring" / SOFTMAX / f"{SOFTMAX}.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_text("{}")
    return graded


def remove(build: Path, *arguments: str, answer: str | None = None):
    return CliRunner().invoke(main, ["remove", *arguments, "--build", str(build)], input=answer)


def everything(build: Path) -> str:
    """All text that grading keeps, but for the lock and the file with the points that were given by hand."""
    paths = [
        p
        for p in build.rglob("*")
        if p.is_file() and p.suffix != ".db" and p.name not in ("removed_grades.jsonl", "lock")
    ]
    texts = [f"{path.relative_to(build)}\n{path.read_text(encoding='utf-8')}" for path in sorted(paths)]
    return "\n".join([*texts, content(gradebook_url.default(build))])


def test_a_student_is_gone_from_everything_but_what_was_handed_in(build):
    before, others = export(build), report.load(build)[0]
    assert everything(build).count("spring") > 10
    done = remove(build, "spring", answer="y\n")
    assert done.exit_code == 0, done.output
    assert "00_practice: graded" in done.output and "1 grade given by hand" in done.output
    assert str(build / "autograded" / "spring") in done.output and "left alone" in done.output
    assert "spring" not in everything(build)
    assert export(build) == "".join(line for line in before.splitlines(keepends=True) if "spring" not in line)
    assert report.load(build)[0] == [v for v in others if v.student != "spring"]
    assert "stray.ipynb" in export(build) and "Zoë" in (build / "copies.csv").read_text(encoding="utf-8")
    assert (build.parent / "submitted" / "spring" / SOFTMAX / f"{SOFTMAX}.ipynb").read_text() == "{}"
    (kept,) = map(json.loads, (build / "grading" / "removed_grades.jsonl").read_text().splitlines())
    assert kept == {"lab": SOFTMAX, "cell": "softmax-mean", "student": "spring", "points": 1.5}
    for command in ("report", "feedback"):
        assert CliRunner().invoke(main, [command, "--build", str(build)]).exit_code == 0
    assert "spring" not in everything(build)


def test_one_lab_of_a_student(build):
    assert remove(build, "spring", "--lab", SOFTMAX, "--yes").exit_code == 0
    assert {(v.student, v.lab) for v in report.load(build)[0]} == {*CLASS} - {("spring", SOFTMAX)}
    assert not (build / "autograded" / "spring" / SOFTMAX).exists()
    assert (build / "feedback" / "spring" / PRACTICE).is_dir()
    assert f"{PRACTICE} spring" in content(gradebook_url.default(build))
    assert f"{SOFTMAX} spring" not in content(gradebook_url.default(build))
    assert len(report.load_left(build)) == 2  # nobody knows of which lab these are
    assert remove(build, "spring", "--lab", PRACTICE, "--yes").exit_code == 0
    assert not (build / "autograded" / "spring").exists()
    assert "spring" not in content(gradebook_url.default(build))


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_nothing_goes_unless_it_is_agreed_to(build, answer):
    before = everything(build)
    done = remove(build, "spring", answer=answer)
    assert isinstance(done.exception, GradingError) and "nothing was removed" in str(done.exception)
    assert "autograded" in done.output and everything(build) == before
    assert not (build / "grading" / "removed_grades.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sprnig"], "nobody called sprnig was graded; near: spring"),
        (["ada"], "nobody called ada was graded; near: Ada"),
        (["lov"], "nobody called lov was graded, of 3 students"),
        (["../spring"], "nobody called ../spring was graded; near: spring"),
        (["Zoë", "--lab", PRACTICE], "Zoë was not graded in 00_practice, only in 07_softmax"),
        (["Zoë", "--lab", "7"], "there is no lab 7; the labs are 00_practice, "),
    ],
)
def test_unknown_names_are_refused_with_those_that_are_near(build, arguments, message):
    before = everything(build)
    done = remove(build, *arguments, "--yes")
    assert isinstance(done.exception, GradingError) and message in str(done.exception)
    assert everything(build) == before


def test_where_nothing_is_graded_nothing_is_made(tmp_path):
    done = remove(tmp_path / "build", "spring", "--yes")
    assert "nothing is graded yet" in str(done.exception) and not (tmp_path / "build").exists()


def test_a_link_in_the_place_of_a_folder_goes_and_what_it_points_to_stays(build, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    place = build / "feedback" / "spring"
    place.rename(tmp_path / "away")
    place.symlink_to(tmp_path / "precious")
    assert remove(build, "spring", "--yes").exit_code == 0
    assert not place.is_symlink() and (tmp_path / "precious" / "file").exists()


def test_a_removal_that_was_interrupted_is_ended_by_the_next(build, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(report, "forget", lambda *_: 1 / 0)
        assert isinstance(remove(build, "spring", "--yes").exception, ZeroDivisionError)
    assert remove(build, "spring", "--yes").exit_code == 0
    assert "spring" not in everything(build)
    assert isinstance(remove(build, "spring", "--yes").exception, GradingError)


def test_the_last_student_can_be_removed(build):
    for student in ("Ada", "spring", "Zoë"):
        assert remove(build, student, "--yes").exit_code == 0
    assert report.load(build)[0] == [] and len(export(build).splitlines()) == 2
