"""An instructor's way: hand out the labs, grade what comes back, go on with nbgrader's own tools on the same folder."""

import base64
import csv
import getpass
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from autograder import labs, tasks
from autograder.gradebook import url as gradebook_url

from .adversarial import the_class
from .course import LAB, configure, content, export, grade, here, nbgrader, run, some_of_the_class

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]


# ---- what students get -------------------------------------------------------------------------------------------


def test_the_zip_holds_the_labs_and_nothing_to_copy_from(tmp_path):
    run([sys.executable, "-m", "autograder", "release", "--to", str(tmp_path / "labs.zip")])
    with zipfile.ZipFile(tmp_path / "labs.zip") as archive:
        archive.extractall(tmp_path / "student")
    files = sorted(str(p.relative_to(tmp_path / "student")) for p in (tmp_path / "student").rglob("*") if p.is_file())
    handed_out = [f"labs/{name}/{name}.ipynb" for name in labs.lab_names()]
    lectures = sorted((tasks.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert files == handed_out + [f"notebooks/{lecture.name}" for lecture in lectures]
    everything = "".join((tmp_path / "student" / name).read_text(encoding="utf-8") for name in handed_out)
    assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN|MARK)", everything)
    for name in labs.lab_names():
        released = (tmp_path / "student" / "labs" / name / f"{name}.ipynb").read_text(encoding="utf-8")
        code = ["".join(c["source"]) for c in json.loads(released)["cells"] if c["cell_type"] == "code"]
        cells = labs.source_notebook(name).cells
        hidden = [c.source for c in cells if "### BEGIN HIDDEN TESTS" in c.source]
        assert hidden and not [test for test in hidden if _hidden_lines(test) & set(_lines(code))]
        answers = [c for c in cells if c.metadata.get("nbgrader", {}).get("solution")]
        assert answers
        for answer in answers:
            assert answer.source not in released and answer.source not in code
        assert all(not c.get("outputs") for c in json.loads(released)["cells"])


def _lines(cells: list[str]) -> list[str]:
    return [line.strip() for cell in cells for line in cell.splitlines()]


def _hidden_lines(test: str) -> set[str]:
    """The lines of a test cell that students do not get; imports may stand elsewhere too."""
    inside = test.split("### BEGIN HIDDEN TESTS")[1].split("### END HIDDEN TESTS")[0]
    return {line for line in _lines([inside]) if line and not line.startswith(("import ", "from "))}


ATTACK = "why <script>attacks()</script> <img src=x onerror=attacks()> [so](javascript:attacks())"


# ---- nbgrader's own tools ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course folder after `grade`: what nbgrader_config.py names, under a root of its own."""
    tasks.make_if_stale()
    root = tmp_path_factory.mktemp("course")
    submitted = some_of_the_class(root / "submitted", "128")
    next(one for one in the_class() if one.student == "prepares").write(submitted / "prepares" / LAB)
    attacked = json.loads((submitted / "student-2" / LAB / f"{LAB}.ipynb").read_text(encoding="utf-8"))
    next(cell for cell in attacked["cells"] if cell["id"] == "softmax-mean")["source"] = ATTACK
    (submitted / "eve" / LAB).mkdir(parents=True)
    (submitted / "eve" / LAB / f"{LAB}.ipynb").write_text(json.dumps(attacked), encoding="utf-8")
    shutil.copytree(tasks.RELEASED, root / "labs")
    shutil.copytree(tasks.WITH_SOLUTIONS, root / "build" / "labs")
    run(grade(submitted, root / "build"))
    configure(root, url_of(root))
    return root


def url_of(root: Path) -> str:
    return gradebook_url.default(root / "build")


def test_nbgrader_exports_and_writes_feedback(course, tmp_path):
    nbgrader(course, "export", f"--to={tmp_path / 'grades.csv'}")
    with open(tmp_path / "grades.csv", newline="") as file:
        theirs = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    ours = {row["student"]: float(row["points"]) for row in csv.DictReader(export(course / "build").splitlines())}
    assert theirs == ours
    nbgrader(course, "generate_feedback", LAB, "--CourseDirectory.feedback_directory=theirs")
    assert "softmax" in (course / "theirs" / "student-1" / LAB / f"{LAB}.html").read_text()


def test_nbgrader_autograde_asks_the_judge_and_agrees(course):
    before = content(url_of(course))
    assert "prepares softmax-public (0.0, None, None, False)" in before  # refused: outside the language
    nbgrader(course, "autograde", LAB, "--student=[ps]*[12s]", "--CourseDirectory.autograded_directory=theirs_graded")
    assert content(url_of(course)) == before
    for student in ("student-1", "student-2", "prepares"):
        assert (course / "theirs_graded" / student / LAB / f"{LAB}.ipynb").is_file()


def test_the_exchange_hands_out_and_collects(course, tmp_path):
    exchange, home = tmp_path / "exchange", tmp_path / "home"
    exchange.mkdir()
    exchange.chmod(0o777)  # as the exchange asks for
    home.mkdir()
    way = [f"--Exchange.root={exchange}", f"--Exchange.cache={tmp_path / 'cache'}"]
    students_way = [*way, "--course=llaisys_mini"]

    nbgrader(course, "release_assignment", LAB, *way)
    nbgrader(home, "fetch_assignment", LAB, *students_way)
    fetched = home / LAB / f"{LAB}.ipynb"
    assert fetched.read_bytes() == (tasks.RELEASED / LAB / f"{LAB}.ipynb").read_bytes()
    fetched.write_bytes((tasks.ROOT / "data" / "class" / "student-3" / LAB / f"{LAB}.ipynb").read_bytes())
    nbgrader(home, "submit", LAB, *students_way)
    nbgrader(course, "collect", LAB, *way)

    name = getpass.getuser()
    assert (course / "submitted" / name / LAB / "timestamp.txt").is_file()
    here(grade(course / "submitted", course / "build", "--student", name))
    graded = {row["student"]: row for row in csv.DictReader(export(course / "build").splitlines())}
    assert graded[name]["state"] == "graded" and float(graded[name]["points"]) == 10
    nbgrader(course, "release_feedback", LAB, f"--student={name}", *way)
    nbgrader(home, "fetch_feedback", LAB, *students_way)
    pages = list((home / LAB / "feedback").rglob("*.html"))
    assert len(pages) == 1 and "hidden case" not in pages[0].read_text() and "10" in pages[0].read_text()


# ---- formgrader --------------------------------------------------------------------------------------------------


class Formgrader:
    """JupyterLab with formgrader on the course folder `root`, without a browser."""

    def __init__(self, root: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/formgrader"
        options = ["--no-browser", "--allow-root", "--IdentityProvider.token=t", f"--port={port}"]
        options += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=root,
            env=os.environ | {"JUPYTER_CONFIG_PATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self):
        end = time.monotonic() + 240
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.get("/api/status")
                return self
            except OSError:
                time.sleep(0.3)
        self.process.kill()
        raise AssertionError(self.process.communicate()[0])

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=120)

    def get(self, path: str) -> str:
        return self._ask(urllib.request.Request(f"{self.address}{path}"))

    def get_beside(self, path: str) -> str:
        """Something else that the same server has."""
        return self._ask(urllib.request.Request(self.address.removesuffix("/formgrader") + path))

    def policy(self, path: str) -> str:
        """The content policy that a page is served with."""
        request = urllib.request.Request(f"{self.address}{path}", headers={"Authorization": "token t"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.headers["Content-Security-Policy"]

    def put(self, path: str, data: dict) -> str:
        return self._ask(urllib.request.Request(f"{self.address}{path}", json.dumps(data).encode(), method="PUT"))

    def _ask(self, request) -> str:
        request.add_header("Authorization", "token t")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()


def test_formgrader_shows_the_class_and_takes_a_grade(course):
    with Formgrader(course) as formgrader:
        labs_there = {one["name"]: one for one in json.loads(formgrader.get("/api/assignments"))}
        assert labs_there[LAB]["num_submissions"] >= 4
        students = {one["student"]: one for one in json.loads(formgrader.get(f"/api/submissions/{LAB}"))}
        assert students["student-1"]["autograded"] and students["student-1"]["needs_manual_grade"]
        assert students["student-2"]["score"] == 0
        notebooks = json.loads(formgrader.get(f"/api/submitted_notebooks/{LAB}/{LAB}"))
        mine = next(one for one in notebooks if one["student"] == "student-1")
        assert "merge_softmax" in formgrader.get(f"/submissions/{mine['id']}/")
        eve = next(one for one in notebooks if one["student"] == "eve")
        page, policy = (ask(f"/submissions/{eve['id']}/") for ask in (formgrader.get, formgrader.policy))
        assert "attacks()" in page  # as text
        assert not re.search(r"<script>attacks|<img src=.?x|href=.javascript", page)
        own = re.findall(r"<script type=.text/javascript.>(.*?)</script>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in own]
        assert own and all(f"'sha256-{digest}'" in policy for digest in digests)
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        script = re.search(r'src="(/[^"]*MathJax\.js\?[^"]*)"', page)
        assert script and "MathJax" in formgrader.get_beside(script[1])
        assert not re.search(r"<(?:script|link)[^>]*(?:src|href)=.(?:https?:)?//", page)
        grades = json.loads(formgrader.get(f"/api/grades?submission_id={mine['id']}"))
        written = next(one for one in grades if one["needs_manual_grade"])
        formgrader.put(f"/api/grade/{written['id']}", {"manual_score": 1.5, "extra_credit": None})
    graded = {row["student"]: row for row in csv.DictReader(export(course / "build").splitlines())}
    assert graded["student-1"]["state"] == "graded"
    assert float(graded["student-1"]["points open"]) == 0
