"""The labs that the grader reads. No test writes `labs/`: a stale one would be mended before the test that names it."""

import pytest

from autograder import labs


@pytest.fixture(scope="session")
def made_labs(tmp_path_factory):
    """The labs with solutions in build/labs, newer than their sources, so that grading makes nothing anew."""
    released = tmp_path_factory.mktemp("released")
    for name in labs.make_labs(released, labs.WITH_SOLUTIONS):
        notebook = f"{name}/{name}.ipynb"
        if (released / notebook).read_bytes() != (labs.RELEASE / notebook).read_bytes():
            pytest.fail(f"labs/{notebook} is not what its source makes: run `make labs`")
