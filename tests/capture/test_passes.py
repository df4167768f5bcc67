"""The passes over a recorded step, the loop that is found in it, and the source that is written for it."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llaisys_mini import exercises
from llaisys_mini.capture.graph import COMPUTED, CONSTANT, INPUT, STATE, Call, Graph, Value
from llaisys_mini.capture.loops import Loop, find_loop
from llaisys_mini.capture.passes.dead_code import dead_code
from llaisys_mini.capture.passes.fold_constants import fold_constants
from llaisys_mini.capture.passes.plan_buffers import ALIGNMENT, lifetimes, plan_buffers


def value(name, kind=COMPUTED, numbers=16):
    return Value(name, kind, (numbers,), np.dtype(np.float32))


def call(operator, inputs, outputs, writes=()):
    return Call(operator, tuple(inputs), tuple(outputs), tuple(writes))


def test_dead_code_keeps_what_an_output_needs_and_what_outlives_the_step():
    x, pages = value("x", INPUT), value("pages", STATE)
    a, b, c, d = (value(name) for name in "abcd")
    needed, store = call("needed", [x], [a]), call("store", [a, pages], [], [pages])
    unread, last = call("unread", [b], [c]), call("last", [a], [d])
    only_for_unread = call("only_for_unread", [a, 2.0], [b])
    kept = dead_code(Graph([needed, only_for_unread, unread, store, last], [d]))
    assert kept.calls == [needed, store, last] and kept.outputs == [d]


def test_fold_constants_follows_chains():
    x, weight = value("x", INPUT), value("weight", CONSTANT)
    a, b, c = (value(name) for name in "abc")
    calls = [call("turn", [weight], [a]), call("scale", [a, weight, 2.0], [b]), call("apply", [x, b], [c])]
    folded = fold_constants(Graph(calls, [c]))
    assert folded.calls == calls[2:] and (a.kind, b.kind, c.kind) == (CONSTANT, CONSTANT, COMPUTED)


def test_fold_constants_leaves_state_and_calls_without_arrays():
    pages, weight, a = value("pages", STATE), value("weight", CONSTANT), value("a")
    calls = [call("store", [weight, pages], [], [pages]), call("random", [3], [a])]
    assert fold_constants(Graph(calls, [a])).calls == calls


@st.composite
def graphs(draw):
    values, calls = [value("x", INPUT)], []
    for number in range(draw(st.integers(1, 12))):
        reads = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
        made = [value(f"v{number}.{i}", numbers=draw(st.integers(1, 90))) for i in range(draw(st.integers(1, 2)))]
        calls.append(call("op", reads, made))
        values += made
    outputs = draw(st.lists(st.sampled_from(values[1:]), min_size=1, max_size=2, unique=True))
    return Graph(calls, outputs)


@given(graphs())
def test_arrays_that_live_together_lie_apart(graph):
    lives, plan = lifetimes(graph), plan_buffers(graph)
    assert set(plan.offsets) == set(graph.computed)
    for one in lives:
        assert plan.offsets[one] % ALIGNMENT == 0 and plan.offsets[one] + one.nbytes <= plan.nbytes
        for other in lives:
            if one is not other and lives[one][0] <= lives[other][1] and lives[other][0] <= lives[one][1]:
                before = plan.offsets[one] + one.nbytes <= plan.offsets[other]
                after = plan.offsets[other] + other.nbytes <= plan.offsets[one]
                assert before or after
    assert plan.nbytes <= sum(-(-v.nbytes // ALIGNMENT) * ALIGNMENT for v in lives)


@given(graphs())
def test_buffers_lie_where_the_exercise_puts_them(graph):
    """The pass and the answer of lab 18 are one algorithm: on recorded calls here, on plain numbers there."""
    lives, plan = lifetimes(graph), plan_buffers(graph)
    largest_first = sorted(lives, key=lambda value: -value.nbytes)
    spans = [(*lives[value], -(-value.nbytes // ALIGNMENT) * ALIGNMENT) for value in largest_first]
    assert exercises.get("plan_buffers").reference(spans) == [plan.offsets[value] for value in largest_first]


def test_a_chain_needs_two_buffers():
    values = [value("x", INPUT), *(value(f"v{i}", numbers=64) for i in range(9))]
    calls = [call("op", [a], [b]) for a, b in pairwise(values)]
    assert plan_buffers(Graph(calls, [values[-1]])).nbytes == 2 * 256


def test_loops():
    assert find_loop("eABCABCABCh") == Loop(1, 3, 3)
    assert find_loop("abcdef") is None
    assert find_loop("aaaa") == Loop(0, 1, 4)
    assert find_loop("eBCABCABCABCAh") == Loop(1, 3, 4)  # the first layer begins otherwise
    assert find_loop("xyzxyABCDABCDABCDABCD") == Loop(5, 4, 4)
    assert find_loop([]) is None


def test_bytes_moved():
    x, a, b = value("x", INPUT), value("a"), value("b")
    assert Graph([call("op", [x], [a]), call("op", [a, x], [b])], [b]).bytes_moved == 5 * 64
