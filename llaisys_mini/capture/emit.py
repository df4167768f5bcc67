"""emit: the list of calls as the source of one Python function, for Numba to compile.

    def step(rows, pages, start, length, ids, positions, slots, result0, at):
        run(at[0, 0], (ids, over0(at[0, 2], (512, 128)), over1(at[0, 3], (rows, 128))))
        for call in range(1, 91, 15):
            run(at[call, 0], ...)
            run(at[call + 1, 0], ...)

Every kernel and every array is found in the table `at`: line c is call c, its first number the kernel's address, the
others the addresses of its arguments. So the source knows neither how many rows come nor where anything lies, and all
layers share the same few lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numba import types

from llaisys_mini.capture.graph import COMPUTED, CONSTANT, INPUT, Call, Graph, Value
from llaisys_mini.capture.loops import find_loop
from llaisys_mini.capture.record import CannotCapture, Operand

SIZES = ("rows", "pages", "start", "length")
"""Of the step: its rows, the pages of the cache, and where the only text of the step lies."""


@dataclass
class Source:
    """text: of the function, whose arguments are SIZES, the inputs, the results, and the table.
    kinds: the Numba types of the arrays that it makes, by the name of their maker."""

    inputs: list[str]
    text: str = ""
    kinds: dict[str, types.Array] = field(default_factory=dict)


def emit(graph: Graph, rows: int) -> Source:
    """The source for a graph that was recorded with so many rows. Raises CannotCapture."""
    results = {value: f"result{number}" for number, value in enumerate(graph.outputs)}
    inputs = list(dict.fromkeys(v.name for call in graph.calls for v in call.reads if v.kind == INPUT))
    made = Source(inputs)
    forms = [_Form(call, rows, results, made.kinds) for call in graph.calls]
    loop = find_loop([form.text for form in forms])
    lines = [f"def step({', '.join([*SIZES, *inputs, *results.values(), 'at'])}):"]
    before, after = (loop.first, loop.first + loop.period * loop.count) if loop else (len(forms), len(forms))
    lines += [f"    {forms[number].at(str(number))}" for number in range(before)]
    if loop:
        lines.append(f"    for call in range({loop.first}, {after}, {loop.period}):")
        for offset in range(loop.period):
            line = f"call + {offset}" if offset else "call"
            lines.append(f"        {forms[loop.first + offset].at(line)}")
    lines += [f"    {forms[number].at(str(number))}" for number in range(after, len(forms))]
    made.text = "\n".join(lines) + "\n"
    return made


class _Form:
    """The line of a call, in which the call's number is still open."""

    def __init__(self, call: Call, rows: int, results: Mapping[Value, str], kinds: dict[str, types.Array]):
        arguments = [
            self._argument(argument, column, rows, results, kinds)
            for column, argument in enumerate(call.how.arguments, 1)
        ]
        self.text = f"run(at[@, 0], ({', '.join(arguments)},))  # {call.operator}"

    def at(self, number: str) -> str:
        return self.text.replace("@", number)

    def _argument(
        self, argument: Any, column: int, rows: int, results: Mapping[Value, str], kinds: dict[str, types.Array]
    ) -> str:
        if not isinstance(argument, Operand):
            return repr(argument)
        value, first = argument.value, argument.shape[0]
        if value.kind == INPUT:
            return value.name
        if value in results and argument.shape == value.shape:
            return results[value]
        where = f"at[@, {column}]"
        if value.kind == CONSTANT:
            length = str(first)
        elif value.kind == COMPUTED:
            if first % rows or value in results:
                raise CannotCapture(f"an array of {first} rows does not follow the {rows} rows of the step")
            length = "rows" if first == rows else f"rows * {first // rows}"
        elif argument.is_part:
            length, step = "length", value.nbytes // (value.shape[0] * value.shape[1])
            where = f"{where} + start * {step}"
        else:
            length = "pages"
        shape = "".join(f", {length}" for length in argument.shape[1:]) or ","
        return f"{_maker(argument.kind, kinds)}({where}, ({length}{shape}))"


def _maker(kind: types.Array, kinds: dict[str, types.Array]) -> str:
    name = f"{kind.dtype}_{kind.ndim}d" + ("" if kind.mutable else "_read_only")
    if kinds.setdefault(name, kind) != kind:
        raise AssertionError(f"two types of array are called {name}")
    return name
