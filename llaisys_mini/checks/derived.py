"""All mistakes that are derived from an operator's reference, in the order in which they are tried."""

from functools import cache

from llaisys_mini.checks.argument_variants import argument_variants
from llaisys_mini.checks.formula_variants import docstring_variants, formula_variants
from llaisys_mini.contract import Contract
from llaisys_mini.task import Mistake


@cache
def derived_mistakes(operator: Contract) -> tuple[Mistake, ...]:
    """Wrong versions of the reference, hundreds of them; made when a kernel is wrong and nothing that is known fits."""
    return (*docstring_variants(operator), *argument_variants(operator), *formula_variants(operator))
