"""fold_constants: what depends on weights alone is computed once."""

from llaisys_mini.exercise import exercise
from llaisys_mini.exercises.dead_code import as_text, random_step


@exercise
def fold_constants(calls, constants):
    """The calls that are the same in every step, and the others.

    calls: as in dead_code. constants: the names of arrays that never change, such as weights.
    A call that reads only constants computes a constant; this may make further calls constant. A call that reads
    nothing (it draws random numbers, say) is none, nor is one whose operator begins with "store".

    Returns (once, each): the calls to run once, and those to run in each step, both in their order.
    """
    known, once, each = set(constants), [], []
    for call in calls:
        name, operator, inputs = call
        if inputs and known.issuperset(inputs) and not operator.startswith("store"):
            known.add(name)
            once.append(call)
        else:
            each.append(call)
    return once, each


@fold_constants.use
def use(answer, calls, constants):
    result = answer(calls, constants)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        wrong = f"{type(result).__name__}, where two lists are asked for: once, each"
        return {"once": wrong, "in each step": wrong}
    once, each = result
    return {"once": as_text(once), "in each step": as_text(each)}


fold_constants.leaves_alone("calls", "constants")

LORA = [
    ("d", "matmul", ["up", "down"]),
    ("s", "scale", ["d"]),
    ("w", "add", ["w0", "s"]),
    ("y", "linear", ["x", "w"]),
]


@fold_constants.cases
def cases(rng):
    yield "nothing is constant", dict(calls=[("y", "linear", ["x", "w"])], constants=["w"])
    yield "one call", dict(calls=[("f", "frequencies", ["theta"]), ("y", "rope", ["x", "f"])], constants=["theta"])
    yield "a chain", dict(calls=LORA, constants=["up", "down", "w0"])
    yield "half of a chain", dict(calls=LORA, constants=["up", "down"])
    yield "no constants", dict(calls=LORA, constants=[])
    random = [("n", "random", []), ("y", "add", ["n", "w"]), ("z", "silu", ["w"])]
    yield "a call that reads nothing", dict(calls=random, constants=["w"])
    yield "a store of a constant", dict(calls=[("s", "store_pages", ["w"]), ("y", "silu", ["s"])], constants=["w"])
    step = random_step(rng, 60)
    yield "sixty calls", dict(calls=step["calls"], constants=["w", *(f"v{i}" for i in range(0, 60, 7))])


@fold_constants.mistake("only calls on the given constants are found: what they compute is constant too")
def not_followed(calls, constants):
    def is_constant(call):
        return call[2] and set(constants).issuperset(call[2]) and not call[1].startswith("store")

    return [c for c in calls if is_constant(c)], [c for c in calls if not is_constant(c)]


def _folded(is_constant):
    """The reference with another rule. is_constant(operator, inputs, known): whether a call is to run once."""

    def mistaken(calls, constants):
        known, once, each = set(constants), [], []
        for call in calls:
            name, operator, inputs = call
            if is_constant(operator, inputs, known):
                known.add(name)
                once.append(call)
            else:
                each.append(call)
        return once, each

    return mistaken


fold_constants.mistake("one constant input is not enough: all inputs have to be constant")(
    _folded(lambda operator, inputs, known: not known.isdisjoint(inputs) and not operator.startswith("store"))
)
fold_constants.mistake("a call that reads nothing counts as constant: all() of nothing is true")(
    _folded(lambda operator, inputs, known: known.issuperset(inputs) and not operator.startswith("store"))
)
fold_constants.mistake("a store is folded: it has to happen in every step")(
    _folded(lambda operator, inputs, known: inputs and known.issuperset(inputs))
)


@fold_constants.mistake("the two lists are exchanged: first the calls to run once")
def exchanged(calls, constants):
    return fold_constants.reference(calls, constants)[::-1]


@fold_constants.mistake("what a call of each step computes joins the constants too")
def all_join(calls, constants):
    known, once, each = set(constants), [], []
    for call in calls:
        constant = call[2] and known.issuperset(call[2]) and not call[1].startswith("store")
        known.add(call[0])
        (once if constant else each).append(call)
    return once, each
