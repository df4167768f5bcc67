"""What learners, lectures, labs and other programs rely on does not change by accident."""

import ast
import difflib

import pytest

from tests import public_surface
from tests.public_surface import PUBLIC, ROOT, described


def test_the_public_surface_is_the_one_written_down():
    text = public_surface.FILE.read_text(encoding="utf-8")
    written, present = text.splitlines(), public_surface.surface(text).splitlines()
    changed = list(
        difflib.unified_diff(written, present, public_surface.FILE.name, "the present code", lineterm="", n=1)
    )
    if changed:
        pytest.fail(
            "\n".join(
                [
                    "The public surface has changed. If that was an accident, undo it. If it is wanted:",
                    "    python -m tests.public_surface       # accept it",
                    "and say in CHANGELOG.md what it means for those who use it.",
                    *changed,
                ]
            ),
            pytrace=False,
        )


def test_a_new_operator_is_no_change_but_a_changed_or_lost_one_is():
    text = public_surface.FILE.read_text(encoding="utf-8")
    (line,) = [one for one in text.splitlines(keepends=True) if one.startswith("    softmax(")]
    assert public_surface.surface(text.replace(line, "")) == text.replace(line, "")
    assert public_surface.surface(text.replace(line, line.replace("x:", "y:"))) == text
    lost = text.replace(line, line + "    squashed_relu(x: F32['...']) -> F32['...']\n")
    assert public_surface.surface(lost) == text


def test_every_name_that_the_package_offers_is_listed_once():
    import llaisys_mini

    heads = [line for line in public_surface.of_package("llaisys_mini") if line[0] != " "]
    listed = [head.removeprefix("class ").partition("(")[0].strip() for head in heads]
    assert listed == sorted(llaisys_mini.__all__)
    for name in llaisys_mini.__all__:
        assert getattr(llaisys_mini, name) is not None


def test_lectures_labs_and_kernels_use_public_modules_only():
    course = [
        *ROOT.glob("notebooks/source/[0-9]*.py"),
        *ROOT.glob("solutions/labs/*.py"),
        *ROOT.glob("solutions/kernels/*/*.py"),
    ]
    assert course
    allowed = {"llaisys_mini", *(f"llaisys_mini.{name}" for name in PUBLIC)}
    packages = {f"llaisys_mini.{name.rpartition('.')[0]}" for name in PUBLIC if "." in name}
    for path in course:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llaisys_mini"):
                if node.module in allowed:
                    continue
                modules = {f"{node.module}.{alias.name}" for alias in node.names}
                is_public = node.module.startswith(("llaisys_mini.operators.", "llaisys_mini.exercises."))
                is_public = is_public or (node.module in packages and modules <= allowed)
                assert is_public, f"{path.name} imports from {node.module}, which is not in PUBLIC"


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f(x: int, *, y=2) -> str: ...", ["f(x: int, *, y=2) -> str"]),
        ("def _f(): ...", []),
        ("from math import pi", []),
        ("A, b = 1, 2", ["A", "b"]),
        ("_hidden: int = 3", []),
        ("@intrinsic\ndef load(typing_context, array, offset): ...", ["load(array, offset)"]),
        (
            "class C(Base):\n    x: int = 0\n    _y: int\n    def __init__(self, a):\n        self.a, self._b = a, 0\n"
            "    def m(self, n=1): ...\n    def _p(self): ...\n    @property\n    def q(self) -> int: ...\n"
            "    @classmethod\n    def o(cls, f): ...",
            [
                "class C(Base)", "    x: int = 0", "    __init__(a)", "    a", "    m(n=1)", "    q: int (property)",
                "    o(f) (class method)",
            ],
        ),
    ],
)  # fmt: skip
def test_what_counts_as_public(source, lines):
    assert [line for statement in ast.parse(source).body for line in described(statement)] == lines
