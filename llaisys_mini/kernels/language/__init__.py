"""The language of graded kernels: what a cell may hold so that the judge compiles and runs it.

    read(source, "softmax", "cpu").findings    -> (Finding(line=7, reason="..."), ...), empty where it may be graded
    read(source, "softmax", "cpu").module      -> the module that the judge compiles

A cell is parsed, never run. It may hold imports of named modules, constants, and functions under known decorators with
literal options; what the kernel does not use is left out. Everything is permitted by name or by kind, and what is not
named is not permitted: so nothing in a cell can reach the Python around it. The judge compiles the module that is
written from the tree, not the student's text. `check` runs any cell, and says what would not be graded.

parsing        text to tree, within bounds
module         what the names at the top of a cell stand for
vocabulary     the names that may be used
bodies         statements and expressions of functions, with scopes
heads          decorators and default arguments
constants      the values of constants, evaluated here
reading        all of them, from the kernel to what it uses
writing        the module that is compiled

The course's own kernels need more in some places (helpers from other files, `when=`, `prepare=`, overloads, the address
of an array): they are not graded.
"""

from dataclasses import dataclass

from llaisys_mini.kernels.language.findings import Finding, NotPermitted
from llaisys_mini.kernels.language.parsing import parse
from llaisys_mini.kernels.language.reading import Reader
from llaisys_mini.kernels.language.writing import write

__all__ = ["Finding", "Graded", "read"]


@dataclass(frozen=True)
class Graded:
    """findings: what keeps the cell from being graded, by line; module: what is compiled, "" if there are findings."""

    findings: tuple[Finding, ...]
    module: str = ""


def read(source: str, operator: str, device: str) -> Graded:
    """Read the cell with the kernel of `operator` for "cpu" or "cuda". Never raises for what the cell holds."""
    try:
        reader = Reader(parse(source), operator, device)
        needed = reader.read()
        if not reader.findings:
            return Graded((), write(needed))
        return Graded(tuple(sorted(reader.findings)))
    except NotPermitted as problem:
        return Graded((problem.finding,))
    except RecursionError:
        return Graded((Finding(1, "it is nested too deeply: write it in several statements"),))
