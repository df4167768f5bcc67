"""The operators of the course. Every file beside this one is an operator of the same name; no list names them.

from llaisys_mini import operators
operators.softmax(x)
"""

from typing import TYPE_CHECKING

from llaisys_mini.contract import OPERATORS
from llaisys_mini.operator import Operator

names = OPERATORS.names

for _name in names:
    globals()[_name] = OPERATORS.get(_name)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Operator: ...


def get(name: str) -> Operator:
    """The operator called `name`. Raises KernelError with the nearest names if there is none."""
    found = OPERATORS.get(name)
    assert isinstance(found, Operator)  # as every file of this folder holds
    return found
