"""The operators of the course. Every file beside this one is an operator of the same name; no list names them.

from llaisys_mini import operators
operators.softmax(x)
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING

from llaisys_mini.contract import Operator
from llaisys_mini.errors import KernelError

names: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))

for _name in names:
    globals()[_name] = getattr(importlib.import_module(f"{__name__}.{_name}"), _name)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Operator: ...


def get(name: str) -> Operator:
    """The operator called `name`. Raises KernelError with the nearest names if there is none."""
    if name in names:
        return globals()[name]
    import difflib

    near = difflib.get_close_matches(name, names) or names
    raise KernelError(f"there is no operator {name!r}; did you mean {', '.join(near)}?")
