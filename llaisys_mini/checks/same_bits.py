"""Does a row have the same bits whether it is computed alone or with others?

Where it does, a text that a server computes together with other texts reads as if it had been computed alone, token for
token. The course's kernels on the CPU keep to that; it is no case of any contract, for a sum may be added in any order.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.operator import Operator

COMPANIES = (1, 2, 5, 8)
"""How many rows are computed together, to be compared with the same rows among all."""

MANY = 150_000
"""Numbers in the largest argument or result of the largest case: enough that kernels start threads."""


def keeps_bits(kernel: Kernel, seed: int = 0) -> bool | None:
    """Whether each row of the kernel's result has the same bits in any company, as far as a few inputs show.

    None for an operator without rows: one whose results do not belong to the rows of an input one by one, as gradients
    of a weight or of a mean do not. For attention the rows are queries; a query alone is given the keys that it sees.

    The inputs are the operator's cases drawn with `seed`, and the rows of one of them drawn again and again. Raises
    what the kernel raises.
    """
    operator = operators.get(kernel.operator)
    row = _dimension_of_rows(operator)
    if row is None or not _stands_alone(operator, row, seed):
        return None
    return all(_keeps_bits_on(kernel, operator, row, inputs) for inputs in _inputs(operator, row, seed))


def _dimension_of_rows(operator: Operator) -> str | None:
    """The name of the dimension that counts rows, of every output and of an input at least."""
    first = {spec.dims[0] for spec in operator.outputs.values()}
    shared = first & {spec.dims[0] for spec in operator.arrays.values()}
    return shared.pop() if len(first) == 1 and shared else None


def _stands_alone(operator: Operator, row: str, seed: int) -> bool:
    """Whether by the contract a row's result depends on that row only; a mean over all rows makes it another."""
    for inputs in (_flat(operator, case.inputs) for case in operator.make_cases(seed, operator.storages[:1])):
        together = operator.expected(inputs)
        if len(together[0]) > 1:
            alone = operator.expected(_rows_of(operator, row, inputs, 0, 1))
            if not all(np.allclose(a, b[:1]) for a, b in zip(alone, together, strict=True)):
                return False
    return True


def _of_rows(operator: Operator, row: str) -> list[str]:
    """The arguments that have a row for each row of the result."""
    return [name for name, spec in operator.arrays.items() if spec.dims[0] == row]


def _inputs(operator: Operator, row: str, seed: int) -> Iterator[dict[str, Any]]:
    cases = [_flat(operator, case.inputs) for case in operator.make_cases(seed)]
    yield from cases
    if _sees_the_keys_before(operator):  # its queries are the last of the keys: none can be added
        return
    for storage in operator.storages:
        made = [_flat(operator, case.inputs) for case in operator.make_cases(seed, (storage,))]
        case = max(made, key=lambda inputs: max(map(np.size, inputs.values())))
        names = _of_rows(operator, row)
        rows = len(case[names[0]])
        widths = [np.size(case[name]) // rows for name in names] + [out.size // rows for out in operator.expected(case)]
        chosen = np.random.default_rng(seed).integers(0, rows, size=MANY // max(widths) + 1)
        yield case | {name: case[name][chosen] for name in names}


def _flat(operator: Operator, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs with leading dimensions merged into one, as a kernel sees them."""
    return {
        name: value.reshape(-1, *value.shape[value.ndim + 1 - len(spec.dims) :])
        if isinstance(value, np.ndarray) and (spec := operator.arrays[name]).any_leading
        else value
        for name, value in inputs.items()
    }


def _sees_the_keys_before(operator: Operator) -> bool:
    """Whether it is an attention: its rows are the queries L, the last of the S positions."""
    return {"L", "S"} <= {spec.dims[0] for spec in operator.arrays.values()}


def _keeps_bits_on(kernel: Kernel, operator: Operator, row: str, inputs: dict[str, Any]) -> bool:
    together = empty_outputs(operator, inputs)
    operator.run_with(kernel, inputs, together)
    rows = len(together[0])
    for count in COMPANIES:
        for first in sorted({0, (rows - count) // 2, rows - count}):
            if count < rows and first >= 0:
                few = [np.empty_like(out[:count]) for out in together]
                operator.run_with(kernel, _rows_of(operator, row, inputs, first, first + count), few)
                if any(a.tobytes() != b[first : first + count].tobytes() for a, b in zip(few, together, strict=True)):
                    return False
    return True


def _rows_of(operator: Operator, row: str, inputs: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    """The inputs of the rows `first` to `last` (exclusive) alone."""
    few = inputs | {name: inputs[name][first:last] for name in _of_rows(operator, row)}
    if _sees_the_keys_before(operator):
        after = len(inputs["q"]) - last
        keys = [name for name, spec in operator.arrays.items() if spec.dims[0] == "S"]
        few |= {name: inputs[name][: len(inputs[name]) - after] for name in keys}
    return few
