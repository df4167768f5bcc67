"""The project's frame: what is declared in one file holds in the others, and an installed package can generate."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_EXTRAS = {"notebooks", "grading", "test"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TARGETS = "generate chat lab labs notebooks grade bench bench-grade gpu site test test-quick clean".split()


def requirements(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != PROJECT["name"]]


def effective_lines(path: Path) -> list[str]:
    lines = (line.split("#", 1)[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def pins(python: str) -> dict[str, Version]:
    """What constraints.txt pins on Linux for one version of Python."""
    pinned = {}
    for constraint in map(Requirement, effective_lines(ROOT / "constraints.txt")):
        if constraint.marker and not constraint.marker.evaluate({"python_version": python, "sys_platform": "linux"}):
            continue
        name = canonicalize_name(constraint.name)
        assert name not in pinned, f"{name} is pinned twice"
        (clause,) = constraint.specifier
        assert clause.operator == "==", f"{constraint} is not a pin"
        assert not constraint.extras, f"{constraint}: constraints cannot have extras"
        pinned[name] = Version(clause.version)
    return pinned


# ---- constraints.txt ---------------------------------------------------------------------------------------------


def test_constraints_name_no_address_and_no_hash():
    for line in effective_lines(ROOT / "constraints.txt"):
        assert not re.search(r"://|@|^-|--hash", line), line


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_within_its_range(python):
    pinned = pins(python)
    for requirement in requirements(*EXTRAS):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is in pyproject.toml but not in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{requirement} does not allow the pinned {pinned[name]}"


def test_numpy_stays_below_the_version_that_breaks_cuda_kernels():
    (numpy,) = (requirement for requirement in requirements() if requirement.name == "numpy")
    assert not numpy.specifier.contains("2.5.0")
    assert numpy.specifier.contains("2.4.6")


def test_dev_includes_every_other_extra():
    (dev,) = map(Requirement, EXTRAS["dev"])
    assert dev.extras == set(EXTRAS) - {"dev", "llama"}  # llama.cpp is compiled from source for many minutes


# ---- environment.yml ---------------------------------------------------------------------------------------------


def test_environment_gives_every_dependency_within_the_same_bounds():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    (pip_lines,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    python, *conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    by_name = {canonicalize_name(entry.name): entry for entry in map(Requirement, conda)}

    assert "-c constraints.txt" in pip_lines
    (project,) = (line.removeprefix("-e ") for line in pip_lines if line.startswith("-e "))
    match = re.fullmatch(r"\.\[([\w,]+)\]", project)
    assert match, f"{project} is not this folder with extras"
    assert set(match[1].split(",")) == CONDA_EXTRAS
    assert {"pip", "make"} <= set(by_name)

    # pip brings all of them; what conda brings as well must be what pip would accept.
    for requirement in requirements(*CONDA_EXTRAS):
        entry = by_name.get(canonicalize_name(requirement.name))
        assert entry is None or entry.specifier == requirement.specifier, f"conda: {entry}, pyproject: {requirement}"

    # What Binder's builder looks for; of a range it makes nothing.
    assert re.fullmatch(r"python=(3\.\d+)", python)[1] in PYTHONS
    assert PROJECT["requires-python"] == ">=3.11"


# ---- the wheel ---------------------------------------------------------------------------------------------------


def build(kind: str, root: Path, folder: Path) -> set[str]:
    """Names in the wheel of `root`. Kind: build_wheel or build_editable."""
    call = f"import hatchling.build as b, sys; b.{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", call, str(folder)], cwd=root, check=True, stdin=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture
def used_checkout(tmp_path):
    """A copy of what a wheel is built from, after a learner has worked in it."""
    root = tmp_path / "check out"
    for name in ("llaisys_mini", "solutions/kernels", "data/models", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    for name in ("cpu/rope.py", "cuda/rope.py", "cpu/__pycache__/rope.cpython-311.pyc", ".verdicts.json"):
        file = root / "llaisys_mini" / "student" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    return root


def test_wheel_carries_kernels_and_model_but_nothing_of_the_learner(used_checkout, tmp_path):
    carried = [
        path.relative_to(used_checkout).as_posix()
        for top in ("solutions/kernels", "data/models")
        for path in (used_checkout / top).rglob("*")
        if path.is_file()
    ]
    assert any(name.startswith("solutions/kernels/cpu/") for name in carried)
    assert any(name.endswith(".safetensors") for name in carried)

    names = build("build_wheel", used_checkout, tmp_path)
    assert {f"llaisys_mini/_course/{name}" for name in carried} <= names
    assert "llaisys_mini/operators/rope.py" in names
    assert not any(name.startswith("tests/") or "__pycache__" in name for name in names)
    learner = {name for name in names if name.startswith("llaisys_mini/student/")}
    assert all(name.endswith("/__init__.py") for name in learner), learner


def test_editable_install_copies_nothing(used_checkout, tmp_path):
    names = build("build_editable", used_checkout, tmp_path)
    assert not any(name.startswith("llaisys_mini/") for name in names), names
    assert any(name.endswith(".pth") for name in names)


# ---- the Makefile ------------------------------------------------------------------------------------------------


def make(*arguments: str) -> subprocess.CompletedProcess:
    own = ("ARGS", "MODEL", "PYTHON", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_make_alone_lists_every_target_on_one_screen():
    answer = make()
    assert answer.returncode == 0, answer.stderr
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S", answer.stdout, re.MULTILINE), target
    lines = answer.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100


# ---- the safety of this test run -----------------------------------------------------------------------------------


def test_tests_see_an_empty_student_folder_outside_the_repository():
    folder = Path(os.environ["LLAISYS_MINI_STUDENT_DIR"]).resolve()
    assert not folder.is_relative_to(ROOT)
