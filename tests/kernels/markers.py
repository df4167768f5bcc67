"""What a learner has to write is marked in the course's kernels, so that a lab can leave it out."""

import inspect
from pathlib import Path

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def assert_marked(path: Path, function) -> None:
    """Some of the file at `path` is marked, and so is the body of `function`."""
    source = path.read_text()
    begins, ends = source.count(BEGIN), source.count(END)
    assert begins == ends >= 1, (
        f"{path.name}: what a learner has to write stands between {BEGIN} and {END}; found {begins} and {ends}"
    )
    body = inspect.getsource(function)
    assert BEGIN in body, f"{path.name}: the body of {function.__name__} itself stands between {BEGIN} and {END}"
