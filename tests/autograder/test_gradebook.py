"""The gradebook in another database than the default: the same content, and every command reads it."""

import sys

import pytest

from autograder import tasks
from autograder.gradebook import url as gradebook_url
from autograder.tasks import GradingError

from . import postgresql
from .course import (
    LAB,
    autograder,
    configure,
    content,
    export,
    grade,
    grade_by_hand,
    nbgrader,
    run,
    some_of_the_class,
)

graded = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


@pytest.fixture(scope="module")
def database():
    missing = postgresql.why_not()
    if missing:
        pytest.skip(f"not run: {missing}")
    with postgresql.server() as url:
        yield url


@graded
@pytest.mark.slow
def test_postgresql_holds_what_sqlite_holds(database, tmp_path):
    tasks.make_if_stale()
    submitted = some_of_the_class(tmp_path / "submitted", "1268")
    build, in_sqlite = tmp_path / "build", tmp_path / "sqlite"
    run(grade(submitted, build, "--db", database))
    (in_sqlite / "grading").mkdir(parents=True)
    (in_sqlite / "grading" / "secret").write_bytes((build / "grading" / "secret").read_bytes())
    run(grade(submitted, in_sqlite))
    assert content(database) == content(gradebook_url.default(in_sqlite))
    assert export(build) == export(in_sqlite)
    assert not (build / "gradebook.db").exists()

    # What a person enters in formgrader is in every report, without --db given again.
    grade_by_hand(database, "student-1", "softmax-mean", 1.5)
    assert '"student-1","07_softmax","graded"' in export(build)
    assert '"student-1","07_softmax","needs manual grading"' in export(in_sqlite)
    assert '"student-1","07_softmax","graded"' in export(in_sqlite, "--db", database)
    run(autograder(build, "feedback"))
    page = (build / "feedback" / "student-1" / LAB / f"{LAB}.html").read_text()
    assert "1.5" in page and "graded by hand" in page
    assert "student-1" in run(autograder(build, "report"))

    # Once more into the same database: nothing doubles, and what was entered stays.
    before = content(database)
    run(grade(submitted, build))
    assert content(database) == before

    configure(tmp_path, database)
    table = tmp_path / "nbgrader.csv"
    nbgrader(tmp_path, "export", f"--to={table}")
    assert len(table.read_text().splitlines()) == 5
    nbgrader(tmp_path, "generate_feedback", LAB, "--CourseDirectory.feedback_directory=nbgrader_feedback")
    assert (tmp_path / "nbgrader_feedback" / "student-1" / LAB / f"{LAB}.html").is_file()


def test_the_url_is_remembered_for_its_owner_only(tmp_path):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert gradebook_url.of(tmp_path) == gradebook_url.default(tmp_path)
    gradebook_url.remember(tmp_path, gradebook_url.of(tmp_path, other))
    assert gradebook_url.of(tmp_path) == other == gradebook_url.remembered(tmp_path)
    assert (tmp_path / "grading" / "gradebook_url").stat().st_mode & 0o777 == 0o600
    gradebook_url.remember(tmp_path, gradebook_url.default(tmp_path))
    assert gradebook_url.of(tmp_path) == gradebook_url.default(tmp_path)


def test_a_relative_file_is_the_same_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gradebook_url.of(tmp_path / "build", "sqlite:///mine.db") == f"sqlite:///{tmp_path / 'mine.db'}"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "no address of a database"),
        ("postgres://host/name", "no address of a database"),
        ("sqlite:////nowhere/at/all.db", "does not answer"),
        ("postgresql+asyncpg://someone:secret@127.0.0.1:1/name", "needs the package asyncpg"),
    ],
)
def test_a_database_that_is_not_there_is_named_before_anything_is_graded(url, told, tmp_path):
    with pytest.raises(GradingError, match=told) as problem:
        gradebook_url.of(tmp_path, url)
    assert "secret" not in str(problem.value)
