"""The contracts themselves: the cases reject every known mistake, accept every correct variant, and are read well."""

import inspect

import numpy as np
import pytest

from llaisys_mini import operators, task
from llaisys_mini.checks.compare import compare, mistaken_outputs, recognised
from llaisys_mini.task import Mistake
from tests.operators.answered import answered
from tests.operators.variants import VARIANTS

SEEDS = (0, 1, 2, 12345)  # 0 is public; the others stand for the autograder's private ones

all_operators = pytest.mark.parametrize("operator", [operators.get(name) for name in operators.names], ids=repr)
all_mistakes = pytest.mark.parametrize(
    ("operator", "mistake"),
    [
        pytest.param(operators.get(name), mistake, id=f"{name}-{mistake.name}")
        for name in operators.names
        for mistake in operators.get(name).mistakes
    ],
)
all_variants = pytest.mark.parametrize(
    ("operator", "variant"),
    [
        pytest.param(operators.get(name), variant, id=variant.__name__)
        for name in operators.names
        for variant in VARIANTS[name]
    ],
)


@all_operators
def test_has_mistakes_cases_and_docs(operator):
    assert len(operator.mistakes) >= 4
    assert len({mistake.sentence for mistake in operator.mistakes}) == len(operator.mistakes)
    assert len(operator.make_cases(storages=("float32",))) >= 6
    assert "out" in operator.__doc__ or "=" in operator.__doc__
    # check says: this is what comes out when ...
    assert not [m.sentence for m in operator.mistakes if m.sentence.startswith("this is") or m.sentence.endswith(".")]


@all_operators
def test_same_seed_same_cases_and_other_seed_other_cases(operator):
    def numbers(seed):
        cases = operator.make_cases(seed)
        return [v for case in cases for v in case.inputs.values() if isinstance(v, np.ndarray)]

    assert all(np.array_equal(a, b) for a, b in zip(numbers(7), numbers(7), strict=True))
    first, second = numbers(7), numbers(8)
    assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@all_operators
def test_the_reference_rounded_to_float32_passes(operator):
    for case in operator.make_cases(seed=3):
        rounded = [
            value.astype(case.inputs[name].dtype if name in operator.written else spec.allowed[0])
            for value, (name, spec) in zip(operator.expected(case.inputs), operator.results.items(), strict=True)
        ]
        assert compare(operator, case.inputs, rounded) == [], case.name


@all_mistakes
def test_every_mistake_is_rejected_with_every_seed(operator, mistake):
    for seed in SEEDS:
        assert rejected(operator.name, mistake, seed), (
            f"seed {seed}: no case of {operator.name} notices that {mistake.sentence}"
        )


def rejected(name, mistake, seed):
    """Whether a case drawn with this seed notices the mistake."""
    operator = answered(name)
    given = (case.inputs for case in operator.drawn(seed))
    return any(compare(operator, inputs, mistaken_outputs(operator, mistake, inputs)) for inputs in given)


@all_mistakes
def test_every_mistake_is_recognised(operator, mistake):
    known = answered(operator.name)
    runs = [(case.inputs, mistaken_outputs(known, mistake, case.inputs)) for case in known.drawn(0)]
    assert recognised(known, runs) == mistake.sentence


@all_variants
def test_every_correct_variant_is_accepted_with_every_seed(operator, variant):
    known = answered(operator.name)
    for seed in SEEDS:
        for case in known.drawn(seed):
            outputs = mistaken_outputs(known, Mistake("", "", variant), case.inputs)
            differences = compare(known, case.inputs, outputs)
            assert differences == [], (
                f"seed {seed}, {case.name}: worst error {max(d.error.max() for d in differences)} x tolerance"
            )


@all_operators
def test_one_changed_element_is_found(operator):
    """Sensitivity: in every case, moving any one output by a thousandth of its size (and more than the tolerance)
    is noticed."""
    rng = np.random.default_rng(0)
    for case in operator.make_cases(0, storages=("float32",)):
        expected = operator.expected(case.inputs)
        for position, (value, allowed) in enumerate(zip(expected, operator.tolerance(case.inputs), strict=True)):
            outputs = [np.array(v) for v in expected]
            index = tuple(rng.integers(0, n) for n in value.shape)
            outputs[position][index] += max(1e-3 * abs(value[index]), 2 * allowed[index], 1e-30 + (allowed[index] == 0))
            assert compare(operator, case.inputs, outputs), case.name


def test_no_list_names_the_operators():
    """Adding an operator means adding its files: the package finds them by itself."""
    assert "pkgutil" in inspect.getsource(task)
    assert len(operators.names) >= 19
