"""dead_code: calls whose results nobody reads are left out."""

from llaisys_mini.capture.graph import Graph


def dead_code(graph: Graph) -> Graph:
    """Without the calls that neither an output depends on, nor anything that outlives the step.

    Read from the end: a call is needed if one of its outputs is, or if it writes into state; then its inputs are needed
    too.
    """
    needed = set(graph.outputs)
    kept = []
    for call in reversed(graph.calls):
        if call.writes or not needed.isdisjoint(call.outputs):
            kept.append(call)
            needed.update(call.reads)
    return Graph(kept[::-1], graph.outputs)
