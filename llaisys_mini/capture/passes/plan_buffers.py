"""plan_buffers: arrays that are not needed at the same time share memory."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass

from llaisys_mini.capture.graph import COMPUTED, Graph, Value

ALIGNMENT = 64
"""Bytes. Every array begins at a multiple of it: a cache line, and the widest vector."""


@dataclass(frozen=True)
class BufferPlan:
    """offsets: where each computed array lies, in bytes; nbytes: of the memory that holds them all."""

    offsets: Mapping[Value, int]
    nbytes: int


def lifetimes(graph: Graph) -> dict[Value, tuple[int, int]]:
    """For each computed array the numbers of the call that makes it and of the last call that reads it.

    Outputs live to the end of the step.
    """
    lives: dict[Value, tuple[int, int]] = {}
    for number, call in enumerate(graph.calls):
        for value in call.outputs:
            lives[value] = (number, number)
        for value in call.reads:
            if value.kind == COMPUTED:
                lives[value] = (lives[value][0], number)
    for value in graph.outputs:
        lives[value] = (lives[value][0], len(graph.calls))
    return lives


def plan_buffers(graph: Graph, elsewhere: frozenset[Value] = frozenset()) -> BufferPlan:
    """A place in one block of memory for each computed array, except those of `elsewhere`.

    Greedy: the largest arrays choose first, each the lowest place that is free while it lives. A call's outputs live
    together with its inputs, so it never writes over what it reads.

    Source: Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference" (arXiv:2001.03288),
    greedy by size.
    """
    lives = lifetimes(graph)
    placed: list[tuple[int, int, tuple[int, int]]] = []  # (first byte, byte after the last, life), ascending
    offsets: dict[Value, int] = {}
    for value in sorted((v for v in lives if v not in elsewhere), key=lambda v: -v.nbytes):
        born, dies = lives[value]
        size = -(-value.nbytes // ALIGNMENT) * ALIGNMENT
        offset = 0
        for first, last, (other_born, other_dies) in placed:
            meet = born <= other_dies and other_born <= dies
            if meet and first < offset + size and offset < last:
                offset = last
        offsets[value] = offset
        insort(placed, (offset, offset + size, (born, dies)))
    return BufferPlan(offsets, max((last for _, last, _ in placed), default=0))
