"""fold_constants: what depends on constants alone was computed while recording, and is not computed again."""

from llaisys_mini.capture.graph import CONSTANT, Graph


def fold_constants(graph: Graph) -> Graph:
    """Without the calls whose arrays are all constants: what they computed, their outputs' `array`, is constant too."""
    kept = []
    for call in graph.calls:
        if call.reads and not call.writes and all(value.kind == CONSTANT for value in call.reads):
            for value in call.outputs:
                value.kind = CONSTANT
        else:
            kept.append(call)
    return Graph(kept, graph.outputs)
