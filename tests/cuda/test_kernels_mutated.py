"""The course's own CUDA kernels with one line broken at a time, by rule and not by hand: the check notices each."""

import linecache
import re
import types

import pytest

from llaisys_mini import operators
from llaisys_mini.checks.run import run_cases
from llaisys_mini.kernels.sets import solutions_set
from llaisys_mini.sanitizer import SanitizerError

EQUIVALENT = {  # (operator, text of the line): a mutant that computes the same without a fault
    ("argmax", "if other > best or (other == best and other_position < position):"),  # no position occurs twice
    ("argmax", "if values[warp] > best or (values[warp] == best and indices[warp] < position):"),
}


def _mutants():
    """(operator, line number, text, mutated line): every barrier dropped, every `<` made `<=`."""
    for name in operators.names:
        for number, line in enumerate(solutions_set().path(name, "cuda").read_text().splitlines(keepends=True)):
            text = line.strip()
            if "cuda.syncthreads()" in line:
                yield name, number, text, line.replace("cuda.syncthreads()", "pass")
            elif re.match(r"(if|elif|.* if) .* < ", text) and not text.startswith(('"', "#")):
                if (name, text) not in EQUIVALENT:
                    yield name, number, text, line.replace(" < ", " <= ", 1)


def _kernel(name, number, mutated):
    lines = solutions_set().path(name, "cuda").read_text().splitlines(keepends=True)
    source = "".join([*lines[:number], mutated, *lines[number + 1 :]])
    filename = f"<{name}, line {number + 1} broken>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType(filename)
    module.__package__ = solutions_set().get(name, "cuda").function.__module__.rpartition(".")[0]  # it may have helpers
    exec(compile(source, filename, "exec"), module.__dict__)
    return module.__kernels__[name, "cuda"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number", "text", "mutated"), list(_mutants()), ids=lambda value: str(value)[:60])
def test_one_line_broken(name, number, text, mutated):
    operator = operators.get(name)
    results = run_cases(_kernel(name, number, mutated), operator.make_cases(0))
    failed = next((result for result in results if not result.passed), None)
    assert failed is not None
    assert isinstance(failed.exception, SanitizerError), "named with its line, not only by wrong numbers"
