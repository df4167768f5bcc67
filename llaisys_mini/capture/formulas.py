"""formulas: a recorded step written out as plain lists, one array per call, for lab and lecture 18.

The decoder calls operators that compute two things at once. Here each is written as its formula says it, so that there
is something left to fuse:

    add_rms_norm    t = add(x, r), h = rms_norm(t, w)
    swiglu          s = silu(g), m = multiply(s, u)
"""

from dataclasses import dataclass

import numpy as np

from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.cache.paged_pass import PagedPass, Rows
from llaisys_mini.capture.graph import CONSTANT, STATE, Call, Graph, Value
from llaisys_mini.capture.record import Recorder
from llaisys_mini.kernels.runtime import observe_calls
from llaisys_mini.models.decoder import Decoder

PlainCall = tuple[str, str, list[str]]
"""(the array that it computes, the operator, the arrays that it reads)."""


@dataclass
class Step:
    """calls: in order; outputs: the names that are asked for; constants: names of the weights; sizes: bytes of every
    array by name."""

    calls: list[PlainCall]
    outputs: list[str]
    constants: list[str]
    sizes: dict[str, int]


def record_step(decoder: Decoder, texts: int = 1) -> Graph:
    """The operator calls of one step in which each of so many texts gets its second token."""
    c = decoder.config
    cache = PagedCache(c.layers, c.kv_heads, c.head_dim, c.max_positions, pages=max(2, texts))
    stored = [PagedText() for _ in range(texts)]
    for text in stored:
        cache.reserve(text, 2)
    rows, ids = [Rows(text, 1) for text in stored], np.zeros(texts, np.int64)
    decoder.forward(ids, PagedPass(cache, rows), last_only=True)  # so that every kernel is compiled
    step = PagedPass(cache, rows, by_operators=True)
    step.begin(ids)
    recorder = Recorder(step.inputs(), cache.memory())
    with observe_calls(recorder):
        logits = decoder.forward(ids, step, last_only=True)
    return recorder.graph(logits.numpy())


def formulas(graph: Graph) -> Step:
    """The graph as plain lists. Arrays are called v0, v1, ... in the order in which they are computed."""
    names: dict[Value, str] = {}
    step = Step([], [], [], {})

    def read(value: Value) -> str:
        if value not in names:
            names[value] = value.name
            step.sizes[value.name] = value.nbytes
            if value.kind == CONSTANT:
                step.constants.append(value.name)
        return names[value]

    def make(operator: str, inputs: list[str], value: Value) -> str:
        name = f"v{len(step.calls)}"
        step.calls.append((name, operator, inputs))
        step.sizes[name] = 0 if value.kind == STATE else value.nbytes
        if value.kind != STATE:
            names[value] = name
        return name

    for call in graph.calls:
        inputs = [read(value) for value in call.reads]
        if call.operator == "add_rms_norm":
            total = make("add", inputs[:2], call.outputs[0])
            make("rms_norm", [total, inputs[2]], call.outputs[1])
        elif call.operator == "swiglu":
            gated = make("silu", inputs[:1], call.outputs[0])
            make("multiply", [gated, inputs[1]], call.outputs[0])
        else:
            make(call.operator, inputs, _made(call))
    step.outputs = [names[value] for value in graph.outputs]
    return step


def _made(call: Call) -> Value:
    return call.outputs[0] if call.outputs else call.writes[0]
