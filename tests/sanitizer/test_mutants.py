"""Every mutant is found by the sanitizer, by its kind; the kernels they were made from are clean in every order."""

import pytest

from llaisys_mini.sanitizer import ORDERS, SanitizerError
from tests.cuda.mutants.catalogue import MUTANTS, WRONG
from tests.cuda.mutants.running import NAMES, launch, sanitized, source_of


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("program", NAMES)
def test_correct_kernels_are_clean(program, order):
    outcome = sanitized(source_of(program), f"<{program}>", order)
    assert not outcome.messages
    assert outcome.is_right


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.program}: {mutant.name}")
def test_mutants_are_found(mutant, order):
    outcome = sanitized(mutant.applied(source_of(mutant.program)), f"<{mutant.program}: {mutant.name}>", order)
    if mutant.kind == WRONG:
        assert not outcome.is_right
    else:
        assert mutant.kind in (*outcome.kinds, *outcome.remarks), outcome.messages


def test_launching_by_name():
    assert launch("add")
    assert not launch("add: last block missing")
    with pytest.raises(SanitizerError, match="out-of-bounds access"):
        launch("add: guard dropped")


def test_there_are_enough_of_them():
    assert len(MUTANTS) >= 60
    assert {mutant.program for mutant in MUTANTS} == set(NAMES)
