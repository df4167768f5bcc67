"""Diagrams of networks: the neurons of a multilayer perceptron, and a computational graph with its gradients.

fig, axis = plots.figure(width=6)
drawings.draw_mlp(axis, [2, 3, 1], ["input", "hidden", "output"])
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from llaisys_mini.lectures import plots


def draw_mlp(
    axis, sizes: Sequence[int], titles: Sequence[str], silent: Collection[tuple[int, int]] = (), labels: str = "xhzy"
) -> None:
    """Neurons as circles, one column for each layer, and a line for each weight.

    titles: one below each column. silent: (layer, neuron) pairs drawn without their weights, as dropout leaves them.
    labels: the letter of each column; where it is a blank, the circles stay empty.
    """
    radius, gap = 0.3, 2.2
    tallest = max(sizes)

    def place(layer: int, neuron: int) -> tuple[float, float]:
        return gap * layer, (sizes[layer] - 1) / 2 - neuron

    for layer in range(1, len(sizes)):
        for start in range(sizes[layer - 1]):
            for end in range(sizes[layer]):
                if (layer - 1, start) in silent or (layer, end) in silent:
                    continue
                ends = zip(place(layer - 1, start), place(layer, end), strict=True)
                axis.plot(*ends, color=plots.GREY, linewidth=0.9, zorder=1)
    for layer, size in enumerate(sizes):
        colour = plots.COLOURS[layer % 3] if layer else plots.GREY
        for neuron in range(size):
            asleep = (layer, neuron) in silent
            axis.add_patch(_circle(place(layer, neuron), radius, "none" if asleep else colour, colour))
            if labels[layer].strip() and not asleep:
                name = f"${labels[layer]}_{{{neuron + 1}}}$"
                axis.text(*place(layer, neuron), name, ha="center", va="center", color="white", zorder=3)
        axis.text(gap * layer, -tallest / 2 - 0.25, titles[layer], ha="center", va="top")
    axis.set(xlim=(-0.9, gap * (len(sizes) - 1) + 0.9), ylim=(-tallest / 2 - 1.3, tallest / 2 + 0.1), aspect="equal")
    axis.axis("off")


def _circle(centre, radius, inside, edge):
    from matplotlib.patches import Circle

    return Circle(centre, radius, facecolor=inside, edgecolor=edge, linewidth=1.4, zorder=2)


@dataclass(frozen=True)
class Node:
    """A value of a computational graph: where it stands, how it is named, and what it and its gradient are."""

    x: float
    y: float
    name: str
    value: str = ""
    gradient: str = ""


def draw_graph(axis, nodes: dict[str, Node], edges: Sequence[tuple[str, str, str]]) -> None:
    """A computational graph: boxes with the value above (blue) and the gradient below (red), arrows both ways.

    edges: (from, to, local derivative), keys of `nodes`; the arrow back carries the local derivative.
    """
    for start, end, local in edges:
        a, b = nodes[start], nodes[end]
        _arrow(axis, (a.x, a.y), (b.x, b.y), plots.BLUE, forwards=True)
        _arrow(axis, (b.x, b.y), (a.x, a.y), plots.VERMILION, forwards=False)
        length = math.hypot(b.x - a.x, b.y - a.y)
        right = (b.y - a.y) / length, (a.x - b.x) / length  # of the way forwards, where the arrow back runs
        place = (a.x + b.x) / 2 + 0.32 * right[0], (a.y + b.y) / 2 + 0.32 * right[1]
        side = "center" if a.y == b.y else "right" if right[0] < 0 else "left"
        axis.text(*place, local, ha=side, va="center", color=plots.VERMILION, fontsize=9.5, zorder=4)
    for node in nodes.values():
        box = dict(boxstyle="round,pad=0.35", facecolor="none", edgecolor=plots.GREY, linewidth=1.3)
        axis.text(node.x, node.y, node.name, ha="center", va="center", fontsize=12, bbox=box, zorder=3)
        axis.text(node.x, node.y + 0.36, node.value, ha="center", va="bottom", color=plots.BLUE, fontsize=10)
        axis.text(node.x, node.y - 0.36, node.gradient, ha="center", va="top", color=plots.VERMILION, fontsize=10)
    across, up = [n.x for n in nodes.values()], [n.y for n in nodes.values()]
    axis.set(xlim=(min(across) - 0.7, max(across) + 0.7), ylim=(min(up) - 0.9, max(up) + 0.8), aspect="equal")
    axis.axis("off")


def _arrow(axis, start, end, colour, *, forwards: bool) -> None:
    """From box to box, a little to the left of its direction, so that both directions can be seen."""
    length = math.dist(start, end)
    along = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    aside = -along[1] * 0.10, along[0] * 0.10
    inset = 0.42 if start[1] == end[1] else 0.6  # above and below a box stand numbers
    tail = start[0] + inset * along[0] + aside[0], start[1] + inset * along[1] + aside[1]
    head = end[0] - inset * along[0] + aside[0], end[1] - inset * along[1] + aside[1]
    style = dict(
        arrowstyle="->", color=colour, linewidth=1.3, linestyle="-" if forwards else "--", shrinkA=0, shrinkB=0
    )
    axis.annotate("", head, tail, arrowprops=style)
