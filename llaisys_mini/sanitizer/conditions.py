"""Stores that stand under a check of what they overwrite: `if level[j] == -1: level[j] = depth + 1`.

Threads that race in such a store do no harm as long as all store the same value: each sees either that it is to be
stored, or that it has been. The check itself then reads what another thread may be storing, which is a race in form
only; so is a check of the same array around it that the store can neither make true nor make false.
"""

import ast
from dataclasses import dataclass

from llaisys_mini.sanitizer.machine import Site


@dataclass(frozen=True)
class Check:
    """A read in a condition. equals: the text of what it is compared with by `==`, else empty."""

    site: Site
    equals: str


def checks_in(test: ast.expr, sites: list[Site]) -> list[Check]:
    """The reads of a condition, whose `sites` are given."""
    compared = {}
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            for one, other in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
                compared[one.lineno, one.col_offset] = ast.unparse(other)
    return [Check(site, compared.get((site.line, site.column), "")) for site in sites if site.verb == "reads"]


def checks_of(store: Site, checks: list[Check], value: ast.expr | None) -> tuple[int, ...]:
    """The numbers of the reads in the conditions around a store that other threads' stores here do not disturb."""
    own = [check for check in checks if check.site.text == store.text]
    before = {check.equals for check in own if check.equals}
    after = ast.unparse(value) if value is not None else ""
    around = [
        check
        for check in checks
        if before and _array(check.site) == _array(store) and check.equals and check.equals not in before | {after}
    ]
    return tuple(check.site.number for check in own + around)


def _array(site: Site) -> str:
    return site.text.partition("[")[0]
