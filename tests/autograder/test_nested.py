"""A class that lies one folder too deep is read student by student, and one student's folders as one student's."""

import pytest

from autograder import tasks
from autograder.gradebook import export
from autograder.reading import nested
from autograder.reading.collected import collect

from .test_collected import ADA, ATTENTION, SOFTMAX, found, notebook, put


@pytest.fixture(scope="module", autouse=True)
def made_labs():
    tasks.make_if_stale()


ADA_AND_BOB = {(name, lab) for name in ("ada", "bob") for lab in (SOFTMAX, ATTENTION)}
LMS = {"moodle": "{}_1{}_assignsubmission_file_/x.ipynb", "canvas": "{}_3{}_900_softmax.ipynb"}
TOO_DEEP = {
    "a folder around": [f"spring/{lab}/{name}/{lab}.ipynb" for name, lab in ADA_AND_BOB],
    "nbgrader's order": [f"spring/{name}/{lab}/{lab}.ipynb" for name, lab in ADA_AND_BOB],
    "two folders around": [f"2026/spring/{lab}/{name}/{lab}.ipynb" for name, lab in ADA_AND_BOB],
    "a folder in the lab's": [f"{lab}/collected/{name}/{lab}.ipynb" for name, lab in ADA_AND_BOB],
    "a folder around each": [f"{lab}-2026/{lab}/{name}/x.ipynb" for name, lab in ADA_AND_BOB],
    "no lab's folder": [f"spring/{name}/{lab}.ipynb" for name, lab in ADA_AND_BOB],
    "groups": [f"spring/{lab}/{'AB'[name == 'bob']}/{name}/x.ipynb" for name, lab in ADA_AND_BOB]
    + [f"spring/{lab}/{group}/{group}/x.ipynb" for group in "AB" for lab in (SOFTMAX, ATTENTION)],
    "Moodle's names": [f"spring/{SOFTMAX}/{LMS['moodle'].format(name, n)}" for n, name in enumerate(["ada", "bob"])],
    "Canvas's names": [f"spring/{SOFTMAX}/{LMS['canvas'].format(name, n)}" for n, name in enumerate(["ada", "bob"])],
}


@pytest.mark.parametrize("layout", TOO_DEEP)
def test_every_student_of_a_class_that_lies_too_deep_is_graded(layout, tmp_path):
    files = {path: notebook(ATTENTION if ATTENTION in path else SOFTMAX) for path in TOO_DEEP[layout]}
    there = found(put(tmp_path, files))
    wanted = {(name, lab) for name, lab in ADA_AND_BOB if lab == SOFTMAX or "'s names" not in layout}
    wanted |= {(group, lab) for group in "AB" for lab in (SOFTMAX, ATTENTION) if layout == "groups"}
    assert set(there) == wanted and all(there.values())
    assert not collect(tmp_path).left


@pytest.mark.parametrize(
    "inner", ["07_softmax/{}/x.ipynb", "{}/07_softmax/x.ipynb", "07_softmax/deeper/{}/x.ipynb", "{}/07_softmax.ipynb"]
)
def test_beside_a_student_it_is_read_as_one_students_and_named(inner, tmp_path):
    """As one who hands in two attempts does. If it was a class after all, the message says what to do."""
    put(tmp_path, {f"spring/{inner.format(name)}": notebook() for name in ("first", "second")})
    put(tmp_path, {"ada/07_softmax/07_softmax.ipynb": notebook()})
    there = collect(tmp_path)
    assert {(s.student, s.lab) for s in there.submissions} == {ADA, ("spring", SOFTMAX)}
    (told,) = [place for place in there.left if "first, second in it were read as one student's work" in place.reason]
    assert told.place == told.student == "spring" and "grade this folder by itself" in told.reason
    assert any("first, second" in str(row) for row in export.rows([], left=there.left))
    assert set(found(tmp_path / "spring")) == {("first", SOFTMAX), ("second", SOFTMAX)}
    assert [s.student for s in collect(tmp_path, student="ada").submissions] == ["ada"]
    assert not collect(tmp_path, student="ada").left


@pytest.mark.parametrize("name", LMS.values(), ids=LMS)
def test_a_class_below_a_folder_and_a_lab_is_no_student(name, tmp_path):
    """Read as one student's, it would lose all submissions but one."""
    files = [name.format(student, number) for number, student in enumerate(["Ada", "Bob"])]
    put(tmp_path / "spring" / SOFTMAX, dict.fromkeys(files, notebook()))
    put(tmp_path / "ada" / SOFTMAX, {"x.ipynb": notebook()})
    there = collect(tmp_path)
    assert [s.student for s in there.submissions] == ["ada"]
    assert "spring/07_softmax: it is a download of a class; move it one folder up" in map(str, there.left)
    assert set(found(tmp_path / "spring")) == {("Ada", SOFTMAX), ("Bob", SOFTMAX)}
    mine = put(tmp_path / "students" / "ada" / SOFTMAX, {"lab_07_1_softmax.ipynb": notebook()})
    assert set(found(mine.parents[1])) == {ADA}  # one such name is a name like any other


@pytest.mark.parametrize(
    "files",
    [
        ["07_softmax/labs/x.ipynb", "12_attention/labs/x.ipynb"],
        ["07_softmax/x.ipynb", "07_softmax/old/x.ipynb", "07_softmax/older/x.ipynb"],
        ["week 1/07_softmax/x.ipynb", "week 2/12_attention/x.ipynb"],
        ["07_softmax/07_softmax/x.ipynb", "07_softmax/07_softmax (1)/x.ipynb"],
        ["07_softmax/x.ipynb", "12_attention/x.ipynb", "pictures/x.png"],
    ],
)
def test_one_students_folders_stay_one_students(files, tmp_path):
    put(tmp_path / "ada", {path: notebook(ATTENTION if ATTENTION in path else SOFTMAX) for path in files})
    there = collect(tmp_path)
    assert {s.student for s in there.submissions} == {"ada"} and not there.left


def test_very_many_folders_are_not_all_looked_into(tmp_path):
    for a in range(20):
        for b in range(20):
            (tmp_path / "ada" / str(a) / str(b) / "x" / "y" / "z" / "07_softmax").mkdir(parents=True)
    look = nested._Look(left=50)
    look.people(tmp_path / "ada", None, 0)
    assert sum(map(bool, look.known.values())) == 50
