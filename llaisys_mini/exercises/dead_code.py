"""dead_code: the calls of a step that somebody needs."""

from llaisys_mini.exercise import exercise


@exercise
def dead_code(calls, outputs):
    """The calls that the outputs depend on, in their order.

    calls: a list of (name, operator, inputs): the array that the call computes, the operator, and the list of the
    arrays that it reads. Each array is computed before it is read; one that no call computes is given. outputs: the
    names that are asked of the step.
    An operator whose name begins with "store" writes into memory that outlives the step: it is needed in any case.
    """
    needed, kept = set(outputs), []
    for name, operator, inputs in reversed(calls):
        if name in needed or operator.startswith("store"):
            kept.append((name, operator, inputs))
            needed.update(inputs)
    return kept[::-1]


@dead_code.use
def use(answer, calls, outputs):
    return as_text(answer(calls, outputs))


dead_code.leaves_alone("calls")


def as_text(calls):
    """Each call as one line, as a learner would read it."""
    if not isinstance(calls, list):
        return f"{type(calls).__name__}, where a list of calls is asked for"
    return [f"{call[0]} = {call[1]}({', '.join(call[2])})" if len(call) == 3 else str(call) for call in calls]


@dead_code.cases
def cases(rng):
    block = [
        ("h", "rms_norm", ["x", "w1"]),
        ("q", "linear", ["h", "wq"]),
        ("k", "linear", ["h", "wk"]),
        ("s", "store_pages", ["k", "pages"]),
        ("a", "attention", ["q", "pages"]),
        ("y", "linear", ["a", "wo"]),
    ]
    yield "everything is needed", dict(calls=block, outputs=["y"])
    yield "a call that nobody reads", dict(calls=[*block[:2], ("t", "gelu", ["h"]), *block[2:]], outputs=["y"])
    chain = [("a", "silu", ["x"]), ("b", "silu", ["a"]), ("c", "silu", ["b"]), ("y", "add", ["x", "x"])]
    yield "a chain that nobody reads", dict(calls=chain, outputs=["y"])
    both = [("a", "silu", ["x"]), ("b", "gelu", ["x"]), ("y", "add", ["a", "b"])]
    yield "all inputs of a call are needed", dict(calls=both, outputs=["y"])
    yield "two outputs", dict(calls=chain, outputs=["b", "y"])
    yield "the output stands in the middle", dict(calls=block, outputs=["q"])
    yield "a call that is needed by a store only", dict(calls=block[:4], outputs=["h"])
    yield "no output is computed: only what is stored counts", dict(calls=block, outputs=["x"])
    yield "an output that is given", dict(calls=chain[:3], outputs=["x"])
    yield "a hundred calls", dict(**random_step(rng, 100))


def random_step(rng, count):
    """A step of `count` calls whose inputs are drawn."""
    names, calls = ["x", "w"], []
    for number in range(count):
        inputs = [
            names[int(i)] for i in rng.integers(max(0, len(names) - 12), len(names), size=int(rng.integers(1, 3)))
        ]
        operator = ["linear", "add", "silu", "rms_norm", "softmax", "store_pages"][int(rng.integers(0, 11)) % 6]
        calls.append((f"v{number}", operator, inputs))
        names.append(f"v{number}")
    return dict(calls=calls, outputs=[names[-1], names[-9]])


@dead_code.mistake(
    "only calls that nobody reads at all are left out: a chain of them has to go too, so look from the end"
)
def unread_only(calls, outputs):
    read = {name for _, _, inputs in calls for name in inputs}
    return [c for c in calls if c[0] in read or c[0] in outputs or c[1].startswith("store")]


@dead_code.mistake(
    'a store is left out because nobody reads it: what begins with "store" writes into memory that stays'
)
def stores_dropped(calls, outputs):
    needed, kept = set(outputs), []
    for name, operator, inputs in reversed(calls):
        if name in needed:
            kept.append((name, operator, inputs))
            needed.update(inputs)
    return kept[::-1]


@dead_code.mistake("the calls come out in reversed order")
def reversed_order(calls, outputs):
    return dead_code.reference(calls, outputs)[::-1]


@dead_code.mistake("what a store reads is left out: a store needs its inputs like any other call")
def stores_need_nothing(calls, outputs):
    needed, kept = set(outputs), []
    for name, operator, inputs in reversed(calls):
        if name in needed:
            kept.append((name, operator, inputs))
            needed.update(inputs)
        elif operator.startswith("store"):
            kept.append((name, operator, inputs))
    return kept[::-1]


@dead_code.mistake(
    "it reads from the front: whether a call is needed is known only once all later calls were looked at"
)
def from_the_front(calls, outputs):
    needed, kept = set(outputs), []
    for name, operator, inputs in calls:
        if name in needed or operator.startswith("store"):
            kept.append((name, operator, inputs))
            needed.update(inputs)
    return kept


@dead_code.mistake("only the first input of a call is looked at: all of them are needed")
def first_input_only(calls, outputs):
    needed, kept = set(outputs), []
    for name, operator, inputs in reversed(calls):
        if name in needed or operator.startswith("store"):
            kept.append((name, operator, inputs))
            needed.add(inputs[0])
    return kept[::-1]


@dead_code.mistake("the outputs are forgotten: they are needed before any call was looked at")
def outputs_forgotten(calls, outputs):
    return dead_code.reference(calls, [])
