"""What students hand in, in any layout: it is read, or named. Nothing is lost in silence, nothing stops the reader."""

import io
import json
import os
import random
import zipfile
from pathlib import Path

import pytest

from autograder import tasks
from autograder.course import GradingError
from autograder.gradebook import export
from autograder.reading.belonging import lab_named
from autograder.reading.collected import collect
from autograder.reading.files import Unreadable, candidates, notebooks_in
from autograder.reading.notebook import MOST_TEXT, cells_of
from autograder.reading.people import Left
from autograder.reading.submission import files_of, read_submission

SOFTMAX, ATTENTION = "07_softmax", "12_attention"
EMPTY = b'{"cells": [], "nbformat": 4}'
SOLVED, PRACTICE = b"the solved lab", b"another solved lab"  # which are made when a test runs


@pytest.fixture(scope="module", autouse=True)
def labs():
    tasks.make_if_stale()


def notebook(lab: str = SOFTMAX, change=lambda cells: None) -> bytes:
    made = json.loads((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
    change(made["cells"])
    return json.dumps(made).encode()


def zipped(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    return zipped(**files)


def real(content: bytes) -> bytes:
    return notebook(SOFTMAX if content is SOLVED else "00_practice") if content in (SOLVED, PRACTICE) else content


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(real(content))
    return folder


def found(folder: Path) -> dict[tuple[str, str], int]:
    """(student, lab) -> number of cells read; 0 if unreadable."""
    result = {}
    for s in collect(folder).submissions:
        try:
            result[s.student, s.lab] = len(read_submission(s.folder, s.lab, s.files).cells)
        except Unreadable:
            result[s.student, s.lab] = 0
    return result


ADA = ("ada", SOFTMAX)
LAYOUTS = {
    "nbgrader": ({"ada/07_softmax/07_softmax.ipynb": 1}, {ADA}),
    "other capitals": ({"ada/07_Softmax/07_Softmax.ipynb": 1}, {ADA}),
    "a blank": ({"ada/07 softmax/07 softmax.ipynb": 1}, {ADA}),
    "its number alone": ({"emil/lab07/mine.ipynb": 1}, {("emil", SOFTMAX)}),
    "its title alone": ({"ada/Softmax/mine.ipynb": 1}, {ADA}),
    "no lab's folder": ({"bob/07_softmax.ipynb": 1}, {("bob", SOFTMAX)}),
    "no lab's folder, another name": ({"bob/homework.ipynb": 1}, {("bob", SOFTMAX)}),
    "one folder more": ({"ada/course/07_softmax/07_softmax.ipynb": 1}, {ADA}),
    "one folder more within": ({"ada/07_softmax/labs/07_softmax.ipynb": 1}, {ADA}),
    "an ending of a browser": ({"ada/07_softmax/07_softmax.ipynb.txt": 1}, {ADA}),
    "an old number": ({"ada/04_softmax/04_softmax.ipynb": 1}, {ADA}),
    "labs, and students in them": ({"07_softmax/ada/a.ipynb": 1, "07_softmax/bob/b.ipynb": 1}, {ADA, ("bob", SOFTMAX)}),
    "Moodle's folders": (
        {"Ada Lovelace_17_assignsubmission_file_/x.ipynb": 1, "Zoë_18_assignsubmission_file_/07_softmax.ipynb": 1},
        {("Ada Lovelace", SOFTMAX), ("Zoë", SOFTMAX)},
    ),
    "Moodle without folders": ({"Ada Lovelace_17_assignsubmission_file_x.ipynb": 1}, {("Ada Lovelace", SOFTMAX)}),
    "Moodle's download in a folder": (
        {f"softmax-7-120/{name}_{i}_assignsubmission_file_/x.ipynb": 1 for i, name in enumerate(["Ada", "Bob"])},
        {("Ada", SOFTMAX), ("Bob", SOFTMAX)},
    ),
    "Canvas": (
        {"lovelaceada_31_900_softmax.ipynb": 1, "bob_LATE_32_901_softmax-2.ipynb": 1},
        {("lovelaceada", SOFTMAX), ("bob", SOFTMAX)},
    ),
    "the class in a folder": (
        {f"class/{name}/07_softmax/07_softmax.ipynb": 1 for name in ("ada", "bob", "eve")},
        {(name, SOFTMAX) for name in ("ada", "bob", "eve")},
    ),
    "numbers for students": ({"12/07_softmax/07_softmax.ipynb": 1}, {("12", SOFTMAX)}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read(layout, tmp_path):
    files, expected = LAYOUTS[layout]
    there = found(put(tmp_path, dict.fromkeys(files, notebook())))
    assert set(there) == expected and all(there.values())
    assert not collect(tmp_path).left


def test_two_labs_in_one_zip_are_two_submissions(tmp_path):
    both = zip_of({"labs/a.ipynb": notebook(), "labs/b.ipynb": notebook(ATTENTION)})
    put(tmp_path, {"ada/all.zip": both, "bob/07_softmax/all.zip": both})
    there = found(tmp_path)
    assert set(there) == {ADA, ("ada", ATTENTION), ("bob", SOFTMAX)} and all(there.values())


@pytest.mark.parametrize(
    "others",
    [
        {"07_softmax/.ipynb_checkpoints/07_softmax-checkpoint.ipynb": EMPTY},
        {"__MACOSX/._x.ipynb": b"\0\5\26\7"},
        {"00_empty.ipynb": EMPTY},
        {"00_practice.ipynb": PRACTICE},
        {"Untitled.ipynb": b'{"cells": [{"cell_type": "code", "source": "1 + 1"}]}'},
        {"a_damaged.ipynb": b"{"},
    ],
)
def test_of_several_notebooks_the_labs_own_is_read(others, tmp_path):
    files = {name: real(content) for name, content in {**others, "my softmax.ipynb": SOLVED}.items()}
    put(tmp_path, {"ada/07_softmax/all.zip": zip_of(files)})
    put(tmp_path / "bob" / SOFTMAX, files)
    there = found(tmp_path)
    assert there[ADA] == there["bob", SOFTMAX] == len(cells_of(notebook()))


@pytest.mark.parametrize("content", [EMPTY, PRACTICE, b'{"cells": [{"cell_type": "code", "source": "x"}]}'])
def test_a_notebook_with_none_of_the_labs_cells_is_unreadable(content, tmp_path):
    put(tmp_path, {"ada/07_softmax/07_softmax.ipynb": content})
    with pytest.raises(Unreadable, match="no cell of lab 07_softmax"):
        read_submission(tmp_path / "ada" / SOFTMAX, SOFTMAX)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"stray.ipynb": SOLVED}, "stray.ipynb"),
        ({"ada/notes.txt": b"x"}, "ada"),
        ({"lovelaceada_31_900_notes.txt": b"x"}, "lovelaceada"),
        ({"Ada Lovelace_123_assignsubmission_file_/notes.pdf": b"x"}, "Ada Lovelace"),
        ({"lovelaceada_31_900_softmax.ipynb": SOLVED, "liBo_32_900_softmax.pages": b"x"}, "liBo"),
        ({"ada/Untitled.ipynb": EMPTY}, "ada/Untitled.ipynb"),
        ({"ada/broken.zip": b"PK\3\4 no zip"}, "ada/broken.zip"),
        ({"ada/07_softmax/07_softmax.ipynb": SOLVED, "ada/Softmax/a.ipynb": SOLVED}, "ada/Softmax"),
        ({"ada/07_softmax/07_softmax.ipynb": SOLVED, "ada/old.ipynb": SOLVED}, "ada/old.ipynb"),
        ({"ada/a/b/c/d/e/f/g.ipynb": SOLVED}, "ada/.../e"),
        ({"07_softmax/07_softmax.ipynb": SOLVED}, "07_softmax.ipynb"),
    ],
)
def test_what_cannot_be_graded_is_named(files, named, tmp_path):
    left = collect(put(tmp_path, files)).left
    assert [place.place for place in left] == [named]
    (row,) = [row for row in export.rows([], left=left) if named in row[-1]]
    assert row[2] == "not graded"


def test_a_file_beside_a_notebook_is_not_missed(tmp_path):
    found = collect(put(tmp_path, {"liBo_32_900_softmax.ipynb": SOLVED, "liBo_32_901_remarks.txt": b"x"}))
    assert ([one.student for one in found.submissions], found.left) == (["liBo"], [])


def test_links_are_named_and_not_followed(tmp_path):
    put(tmp_path / "elsewhere", {"07_softmax.ipynb": notebook()})
    put(tmp_path / "submitted", {"ada/07_softmax/07_softmax.ipynb": notebook()})
    for place in ("eve", "ada/12_attention", "ada/more", "bob/x"):
        (tmp_path / "submitted" / place).parent.mkdir(exist_ok=True)
        (tmp_path / "submitted" / place).symlink_to(tmp_path / "elsewhere")
    there = collect(tmp_path / "submitted")
    assert {place.place for place in there.left} == {"eve", "ada/more", "bob/x"}
    assert {(s.student, s.lab) for s in there.submissions} == {ADA, ("ada", ATTENTION)}


def test_numbers_of_the_lms_tell_two_of_a_name_apart(tmp_path):
    two = {f"Ada_{n}_assignsubmission_file_/softmax.ipynb": notebook() for n in (4, 5)}
    assert {s.student for s in collect(put(tmp_path / "two", two)).submissions} == {"Ada 4", "Ada 5"}
    # Moodle numbers anew for each assignment: one student, two labs
    one = {
        "Ada_4_assignsubmission_file_/a.ipynb": notebook(),
        "Ada_9_assignsubmission_file_/a.ipynb": notebook(ATTENTION),
    }
    there = collect(put(tmp_path / "one", one)).submissions
    assert [(s.student, s.lab, s.lms_id) for s in there] == [("Ada", SOFTMAX, "4"), ("Ada", ATTENTION, "9")]


@pytest.mark.parametrize(
    "raw", [b"Jos\xe9", b"\xff\xfe", b"a\nb", b"\x1b[31mred", b"<img src=x onerror=alert(1)>", b"=1+1", b"[red]x"]
)
def test_names_in_any_encoding(raw, tmp_path):
    place = os.path.join(os.fsencode(tmp_path), raw, SOFTMAX.encode())
    os.makedirs(place)
    Path(os.fsdecode(place), f"{SOFTMAX}.ipynb").write_bytes(notebook())
    (one,) = collect(tmp_path).submissions
    assert one.student.encode() and one.student.isprintable() and not set(one.student) & set('<>"&/')
    assert read_submission(one.folder, one.lab, one.files).cells and files_of(one)


def test_names_that_differ_in_their_encoding_stay_two_students(tmp_path):
    for raw in ("José".encode(), "José".encode("latin-1")):
        folder = os.path.join(os.fsencode(tmp_path), raw)
        os.makedirs(folder)
        Path(os.fsdecode(folder), "x.ipynb").write_bytes(notebook())
    assert len({s.student for s in collect(tmp_path).submissions}) == 2


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    put(tmp_path, {"ada/07_softmax/07_softmax.ipynb": notebook(), "bob/07_softmax/07_softmax.ipynb": notebook()})
    scandir = os.scandir

    def refuse(path):  # root may read everything, so the system's refusal is acted
        if os.fspath(path).endswith("bob") or os.fspath(path).endswith(f"ada/{SOFTMAX}"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    there = collect(tmp_path)
    assert there.left == [Left("bob", "the folder cannot be read: Permission denied", "bob")]
    with pytest.raises(Unreadable, match="Permission denied"):
        read_submission(there.submissions[0].folder, SOFTMAX)


def test_nothing_at_all_is_said(tmp_path):
    with pytest.raises(GradingError, match="holds no submission"):
        collect(tmp_path)
    with pytest.raises(GradingError, match="is not a folder"):
        collect(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "lab"),
    [
        ("07_softmax", SOFTMAX),
        ("07_Softmax.ipynb", SOFTMAX),
        ("Lab 7 - Softmax", SOFTMAX),
        ("lab07", SOFTMAX),
        ("softmax (2).ipynb", SOFTMAX),
        ("softmax copy.ipynb", SOFTMAX),
        ("assignment_07.zip", SOFTMAX),
        ("09_softmax", None),
        ("softmax_and_attention", None),
        ("", None),
        ("___", None),
        ("𝟎𝟕 softmax", SOFTMAX),
    ],
)
def test_names_of_labs(name, lab):
    assert lab_named(name) == lab


# ---- damaged files -----------------------------------------------------------------------------------------------


def read_whatever(path: Path) -> None:
    """Read a file as the grader does; only Unreadable may come out."""
    try:
        for _, content in notebooks_in(path):
            if not isinstance(content, Unreadable):
                try:
                    for cell in cells_of(content):
                        assert cell.source.encode() is not None and cell.grade_id.encode() is not None
                        _ = cell.points, cell.kind.encode(), cell.id.encode()
                except Unreadable as problem:
                    assert str(problem)
    except Unreadable as problem:
        assert str(problem)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with a few bits flipped, bytes cut out, doubled or overwritten."""
    text = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(text)), rng.choice([1, 2, 30, 400])
        kind = rng.randrange(5)
        if kind == 0:
            text[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del text[at : at + size]
        elif kind == 2:
            text[at:at] = text[at : at + size]
        elif kind == 3:
            text[at : at + size] = rng.randbytes(size)
        else:
            text[at:at] = rng.choice(
                [b"\\ud83d", b"\0", b"[" * 300, b'{"a":' * 50, b"1e999", b"NaN", b"-" * 40, b"null"]
            )
        if not text:
            return b""
    return bytes(text)


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.long)])
def test_damaged_files_never_stop_the_reader(count, tmp_path):
    rng = random.Random(1)
    whole = notebook()
    old = json.dumps({"worksheets": [{"cells": json.loads(whole)["cells"]}], "nbformat": 3}).encode()
    seeds = [whole, old, zip_of({"a.ipynb": whole, "b/c.ipynb": EMPTY}), whole.decode().encode("utf-16"), EMPTY]
    for number in range(count):
        seed = seeds[number % len(seeds)]
        path = tmp_path / ("x.zip" if seed[:2] == b"PK" else "x.ipynb")
        path.write_bytes(damaged(seed, rng))
        read_whatever(path)


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.long)])
def test_notebooks_of_any_json_never_stop_the_reader(count):
    rng = random.Random(2)

    def value(depth=0):
        kind = rng.randrange(9 if depth < 5 else 6)
        plain = [None, True, 10**400, 1.5, float("nan"), "\ud83d\x00\u2028x\x1b[31m", "softmax-cpu"]
        if kind < 6:
            return rng.choice(plain)
        if kind == 6:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        keys = [
            "cells",
            "source",
            "input",
            "cell_type",
            "id",
            "metadata",
            "nbgrader",
            "grade_id",
            "points",
            "worksheets",
        ]
        return {rng.choice(keys): value(depth + 1) for _ in range(rng.randrange(5))}

    for _ in range(count):
        made = rng.choice([value(), {"cells": [value() for _ in range(3)]}, {"worksheets": [{"cells": value()}]}])
        try:
            cells = cells_of(json.dumps(made).encode())
        except Unreadable as problem:
            assert str(problem).encode()
            continue
        for cell in cells:
            json.dumps([cell.source, cell.kind, cell.id, cell.mark]).encode()
            assert (cell.source + cell.kind + cell.id + cell.grade_id).encode() is not None
            cell.is_as_released()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (json.dumps({"cells": [{"cell_type": "code", "source": "x"}] * 3000}).encode(), "3000 cells"),
        (json.dumps({"cells": [{"cell_type": "code", "source": "x" * 300_000}]}).encode(), "too much text"),
        (
            json.dumps({"cells": [{"cell_type": "code", "source": "x" * (MOST_TEXT // 90)}] * 100}).encode(),
            "too much text",
        ),
        (b"[" * 600_000, "too many parts"),
        (b"[" * 100_000, "damaged"),
        (b'{"cells": ' + b'{"a":' * 90_000, "damaged"),
        (b"", "empty"),
        (b"\0" * 1000, "empty"),
        (b'{"cells": {"a": 1}}', "no cells"),
        (b"[1, 2]", "no cells"),
        (b'{"cells": [' + b"1" * 5000 + b"]}", "damaged"),
    ],
)
def test_what_is_too_large_or_no_notebook_is_refused_with_a_sentence(data, told):
    with pytest.raises(Unreadable, match=told):
        cells_of(data)


def test_texts_come_out_plain():
    sources = ["a\ud83db", "x = 1\r\ny = 2\r", "# harmless\u2028import sys", "a\x0cb\x85c\x00", ["1\n", 3, None, "2"]]
    cells = cells_of(json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources]}).encode())
    assert [cell.source for cell in cells] == [
        "a\ufffdb",
        "x = 1\ny = 2\n",
        "# harmless import sys",
        "a b c\ufffd",
        "1\n2",
    ]
    for cell in cells:
        assert cell.source.splitlines() == cell.source.removesuffix("\n").split("\n")


def test_a_kernels_cell_that_became_text_is_code_again(tmp_path):
    def to_text(cells):
        next(cell for cell in cells if cell["id"] == "softmax-cpu")["cell_type"] = "markdown"

    put(tmp_path, {"x/07_softmax.ipynb": notebook(change=to_text)})
    reading = read_submission(tmp_path / "x", SOFTMAX)
    assert next(cell for cell in reading.cells if cell.id == "softmax-cpu").kind == "code"
    assert any("had become text" in note for note in reading.notes)


def test_a_heap_of_folders_and_files_is_bounded(tmp_path):
    for first in range(30):
        for second in range(30):
            (tmp_path / str(first) / str(second)).mkdir(parents=True)
    for number in range(300):
        (tmp_path / f"{number}.ipynb").write_bytes(b"{}")
    assert len(candidates(tmp_path, SOFTMAX, [])) <= 200


def test_a_zip_bomb_is_refused(tmp_path):
    (tmp_path / "bomb.zip").write_bytes(zip_of({f"{n}.ipynb": b" " * (25 << 20) for n in range(3)}))
    assert all(isinstance(content, Unreadable) for _, content in notebooks_in(tmp_path / "bomb.zip"))
