"""A slip in a lab's source is refused with its cell; nothing becomes an ordinary cell, or public, by mistake."""

import jupytext
import pytest

from autograder import labs
from autograder.course import GradingError
from autograder.lab_heads import require_sound

HIDDEN = '### BEGIN HIDDEN TESTS\ncheck("add", seed=1)\n### END HIDDEN TESTS'


def cell(source):
    return jupytext.reads(source, fmt="py:percent").cells[0]


@pytest.mark.parametrize("name", labs.lab_names())
def test_the_labs_are_sound(name):
    for there in jupytext.read(labs.SOURCES / f"{name}.py", fmt="py:percent").cells:
        require_sound(there, name)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('# %% task="cpu/nosuch"\n', r"there is no solutions/kernels/cpu/nosuch\.py to fill it from"),
        ('# %% task="add"\n', r"there is no solutions/kernels/add\.py to fill it from"),
        ('# %% test="a"\ncheck("add")', "needs points=, a whole number"),
        ('# %% test="a" points=two\ncheck("add")', "its head cannot be read"),
        ('# %% test="a" points=0\ncheck("add")', "needs points=, a whole number"),
        ('# %% [markdown] written="why"\n# Because.', "needs points=, a whole number"),
        ('# %% tests="a" points=2\ncheck("add")', "points, tests cannot stand there; the keys are task, test, written"),
        ('# %% task="cpu/add" points=2\n', "points cannot stand there"),
        ('# %% task="cpu/add" test="a"\n', "either task or test"),
        ('# %% written="why" points=2\nprint()', r"written= stands in a \[markdown\] cell"),
        ('# %% [markdown] test="a" points=2\n# check', r"written= stands in a \[markdown\] cell"),
        (f'# %% test="a" points=2\n{HIDDEN.replace("BEGIN HIDDEN", "BEGIN HIDEN")}', "hidden tests stand in a test"),
        (f'# %% test="a" points=2\n{HIDDEN.partition("### END")[0]}', "hidden tests stand in a test"),
        (f'# %% test="a" points=2\n{HIDDEN.replace("### BEGIN", "## BEGIN")}', "hidden tests stand in a test"),
        (f"# %%\n{HIDDEN}", "hidden tests stand in a test"),
    ],
)
def test_a_slip_is_refused_with_its_cell(source, told):
    with pytest.raises(GradingError, match=rf"solutions/labs/21_squared\.py: the cell .*{told}"):
        require_sound(cell(source), "21_squared")


def test_what_is_right_passes():
    for source in (
        f'# %% test="a" points=2\n{HIDDEN}',
        '# %% task="cpu/add" id="mine"\n',
        '# %% [markdown] after="07_softmax"\n# x',
    ):
        require_sound(cell(source), "21_squared")
