"""Mistakes that are derived from a contract: what is made of a formula, and that only what is wrong is told."""

import numpy as np
import pytest

from llaisys_mini import operators
from llaisys_mini.checks.compare import recognised
from llaisys_mini.checks.derived import derived_mistakes

LISTED = {  # operator -> what one student computes, and a part of what is told
    "gelu": (lambda x: x * np.vectorize(np.exp)(x), None),
    "swiglu": (lambda gate, up: up * gate * gate / (1 + np.exp(-gate)), "`up * gate * gate / (1 + exp(-gate))`"),
    "layer_norm": (
        lambda x, weight, bias, eps: operators.layer_norm.reference(x, weight, -bias, eps),
        "bias has the wrong sign",
    ),
    "linear": (
        lambda x, weight, bias: x[:, -1:] @ weight[:, -1:].T + (0 if bias is None else bias),
        "only the last of the K counts",
    ),
    "cross_entropy": (lambda logits, targets: operators.cross_entropy.reference(logits, targets) / 2, "half as large"),
}


@pytest.mark.parametrize("name", LISTED)
def test_what_is_told_is_what_was_computed(name):
    operator, (computed, told) = operators.get(name), LISTED[name]
    runs = []
    for case in operator.make_cases(0, ("float32",)):
        with np.errstate(all="ignore"):
            result = computed(*operator.computed_in(np.dtype(np.float64), case.inputs))
        runs.append((case.inputs, [np.asarray(result, np.float32)]))
    sentence = recognised(operator, runs)
    assert sentence is None if told is None else told in sentence


@pytest.mark.parametrize("name", operators.names)
def test_every_operator_has_some_and_all_can_be_told(name):
    operator = operators.get(name)
    found = derived_mistakes(operator)
    assert len(found) >= 20
    assert all(mistake.sentence and "\n" not in mistake.sentence for mistake in found)
    case = max(operator.make_cases(0, ("float32",))[:6], key=lambda case: sum(map(np.size, case.inputs.values())))
    right = operator.expected(case.inputs)
    assert recognised(operator, [(case.inputs, [np.asarray(value, np.float32) for value in right])]) is None
    ran = 0
    for mistake in found:
        with np.errstate(all="ignore"):
            try:
                result = mistake.function(*operator.computed_in(np.dtype(np.float64), case.inputs))
            except Exception:  # such as one that is impossible for these shapes
                continue
        result = result if isinstance(result, tuple) else (result,)
        ran += len(result) == len(right)
    assert ran >= len(found) / 3
