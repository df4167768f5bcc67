"""What tests of the judge share: one warm worker in the strongest sandbox, which runs the same request once."""

import json

import pytest

from autograder import sandbox, tasks
from autograder.judge import submission as judge
from autograder.reading.notebook import Reading, cells_of
from autograder.sandbox.limits import Limits

from .remembering import RememberingWorker

SECRET = b"a secret of the tests"


@pytest.fixture(scope="session")
def worker():
    """In the strongest sandbox; for the whole run, so that a solution is run once for all tests of its lab."""
    tasks.make_if_stale()
    with RememberingWorker(sandbox.candidates()[0], Limits(wall=300, cpu=100)) as worker:  # all ends long before
        yield worker


@pytest.fixture(scope="session")
def judged(worker):
    """judged(lab, sources, by=worker): the verdict on the solution lab with the cells of `sources` replaced."""

    def verdict(lab, sources=None, plan=None, by=worker):
        notebook = json.loads((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_text())
        for cell in notebook["cells"]:
            cell["source"] = (sources or {}).get(cell["id"], cell["source"])
        reading = Reading(cells_of(json.dumps(notebook).encode()))
        return judge.judge(plan or tasks.plan_of(lab), "a student", reading, by, SECRET)

    return verdict
