"""What a number or an array of a kernel may be, as far as its source tells; index_values.py finds out which it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Array:
    """An array by the names of its dimensions; None for a length without one.

    is_own: made by the kernel. has_indices: an argument that holds ids or positions. dims of an argument in another
    form, such as x.reshape(-1), are of no interest.
    """

    dims: tuple[str | None, ...]
    is_own: bool = True
    has_indices: bool = False


@dataclass(frozen=True)
class Length:
    """A number that is the length of a dimension; a constant is the length of one that is called by its digits."""

    dim: str


@dataclass(frozen=True)
class Index:
    """A number from 0 to the length of a dimension, exclusive."""

    dim: str


@dataclass(frozen=True)
class Number:
    """A number that is made of lengths and indices. bits: how large it may be in the cases, 2**bits at most."""

    bits: int = 12


Value = Array | Length | Index | Number | None  # None: anything
NUMBERS = (Length, Index, Number)


LONGEST = {"V": 17, "...": 16, "L": 10, "S": 10, "H": 5, "D": 9}
"""How long these dimensions are in the cases of all operators, in bits; all others have 12."""


def bits_of(value: Value) -> int:
    """How large a number may be in the cases, in bits."""
    if isinstance(value, Number):
        return value.bits
    dim = value.dim if isinstance(value, (Length, Index)) else ""
    return int(dim).bit_length() if dim.isdigit() else LONGEST.get(dim, 12)


def largest(values: list[Value]) -> Number | None:
    """A number that is one of these, if all are numbers."""
    return Number(max(map(bits_of, values))) if all(isinstance(value, NUMBERS) for value in values) else None
