"""Mistakes that are derived: hundreds of wrong versions of a reference, made from the contract alone.

Those that an operator's file lists come first. What is derived is a hint under the same conditions (recognise.py): it
has to explain everything that came out wrong.

    changes, formulas    the formula with one thing changed
    arguments            called with another argument
    results              with sums that miss something, or something done to what comes out
    shared               what these are made from
"""

from functools import cache
from itertools import chain, islice

from llaisys_mini.checks.derived.arguments import of_arguments
from llaisys_mini.checks.derived.formulas import of_docstring, of_reference
from llaisys_mini.checks.derived.results import of_results
from llaisys_mini.contract import Contract
from llaisys_mini.task import Mistake

_MOST = 600


@cache
def derived_mistakes(operator: Contract) -> tuple[Mistake, ...]:
    """Wrong versions of the operator's reference, each with its sentence; made when they are first needed."""
    pairs = chain.from_iterable(make(operator) for make in (of_docstring, of_arguments, of_results, of_reference))
    return tuple(Mistake(f"derived_{n}", *pair) for n, pair in enumerate(islice(pairs, _MOST)))
