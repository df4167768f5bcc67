"""Every plausible wrong kernel is rejected by the cases of every seed: wrong_kernels.py, wrong_kernels_later.py."""

import numpy as np
import pytest

from llaisys_mini.checks.compare import compare, mistaken_outputs
from llaisys_mini.course.labs import find_labs
from llaisys_mini.task import Mistake
from tests.operators import wrong_kernels, wrong_kernels_later
from tests.operators.answered import answered

SEEDS = (0, 1, 40417)
WRONG = wrong_kernels.WRONG | wrong_kernels_later.WRONG


@pytest.mark.parametrize(
    ("name", "wrong"), [pytest.param(n, f, id=f.__name__) for n, functions in WRONG.items() for f in functions]
)
def test_rejected_with_every_seed(name, wrong):
    for seed in SEEDS:
        assert rejected(name, wrong, seed), f"seed {seed}: no case of {name} notices {wrong.__name__}"


def rejected(name, wrong, seed):
    """Whether a case drawn with this seed notices the wrong kernel."""
    operator = answered(name)
    for case in operator.drawn(seed):
        with np.errstate(all="ignore"):
            try:
                outputs = mistaken_outputs(operator, Mistake("", "", wrong), case.inputs)
                if any(compare(operator, case.inputs, outputs)):
                    return True
            except (IndexError, ValueError):  # this wrong kernel would read or write out of bounds here
                continue
    return False


def test_every_operator_of_the_labs_has_ten():
    taught = {what for lab in find_labs() for device, what in lab.tasks if device != "python"}
    assert {name: len(WRONG.get(name, ())) for name in taught if len(WRONG.get(name, ())) < 10} == {}
