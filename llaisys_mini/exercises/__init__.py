"""The exercises of the labs that are no operators. Every file beside this one is an exercise of the same name."""

import importlib
import pkgutil

from llaisys_mini.errors import KernelError
from llaisys_mini.exercise import Exercise

names: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def get(name: str) -> Exercise:
    """The exercise called `name`. Raises KernelError if there is none."""
    if name not in names:
        raise KernelError(f"there is no exercise {name!r}; there are {', '.join(names)}")
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)
