"""fuse: two calls become one, and the array between them is never stored."""

from llaisys_mini.exercise import exercise
from llaisys_mini.exercises.dead_code import as_text


@exercise
def fuse(calls, outputs, patterns):
    """Fuse pairs of calls. calls, outputs: as in dead_code.

    patterns: {(first, second): fused}. A call of operator `second` is fused with the call of operator `first` that
    computes its **first** input, if nobody else reads that array and it is no output of the step. The fused call takes
    the second one's place and name; its operator is `fused`, and its inputs are those of the first call, then the other
    inputs of the second.
    Calls are looked at in their order, and a fused call may be the first of a later pair.
    """
    readers = [name for _, _, inputs in calls for name in inputs] + list(outputs)
    made, kept = {}, []
    for name, operator, inputs in calls:
        before = made.get(inputs[0]) if inputs else None
        if before is not None and (before[1], operator) in patterns and readers.count(inputs[0]) == 1:
            kept.remove(before)
            operator, inputs = patterns[before[1], operator], [*before[2], *inputs[1:]]
        made[name] = (name, operator, inputs)
        kept.append(made[name])
    return kept


@fuse.use
def use(answer, calls, outputs, patterns):
    return as_text(answer(calls, outputs, patterns))


fuse.leaves_alone("calls")

PATTERNS = {
    ("silu", "multiply"): "swiglu",
    ("add", "rms_norm"): "add_rms_norm",
    ("linear", "add"): "linear_with_bias",
    ("linear_with_bias", "silu"): "linear_silu",
}


@fuse.cases
def cases(rng):
    def inputs(calls, outputs):
        return dict(calls=calls, outputs=outputs, patterns=PATTERNS)

    mlp = [
        ("g", "linear", ["h", "wg"]),
        ("u", "linear", ["h", "wu"]),
        ("s", "silu", ["g"]),
        ("m", "multiply", ["s", "u"]),
        ("y", "linear", ["m", "wd"]),
    ]
    yield "silu and multiply", inputs(mlp, ["y"])
    yield "nothing fits", inputs(mlp[:3], ["s", "u"])
    yield "the array between is an output too", inputs(mlp, ["y", "s"])
    residual = [("t", "add", ["x", "r"]), ("h", "rms_norm", ["t", "w"]), ("y", "linear", ["h", "wq"])]
    yield "add and rms_norm", inputs(residual, ["y"])
    yield "the sum is read again later", inputs([*residual, ("z", "add", ["t", "y"])], ["z"])
    yield "the second reads it twice", inputs([("s", "silu", ["x"]), ("y", "multiply", ["s", "s"])], ["y"])
    yield "it is the second input", inputs([("s", "silu", ["x"]), ("y", "multiply", ["u", "s"])], ["y"])
    three = [("a", "linear", ["x", "w"]), ("b", "add", ["a", "bias"]), ("y", "silu", ["b"])]
    yield "three become one", inputs(three, ["y"])
    apart = [("a", "linear", ["x", "w"]), ("c", "softmax", ["x"]), ("b", "add", ["a", "c"]), ("y", "silu", ["b"])]
    yield "another call stands between them", inputs(apart, ["y"])
    yield "both inputs of the pair are given", inputs([("y", "multiply", ["s", "u"])], ["y"])
    layers = []
    for number in range(int(rng.integers(3, 6))):
        end = f"{number}"
        layers += [(a + end, operator, [i + end if len(i) == 1 else i for i in read]) for a, operator, read in mlp]
    yield "several layers", inputs(layers, [layers[-1][0]])


def _fused(may_fuse=lambda name, readers: readers.count(name) == 1, place=None, read=lambda a, b: [*a, *b[1:]]):
    def mistaken(calls, outputs, patterns):
        readers = [name for _, _, inputs in calls for name in inputs] + list(outputs)
        made, kept = {}, []
        for name, operator, inputs in calls:
            before = made.get(inputs[0]) if inputs else None
            position = len(kept)
            if before is not None and (before[1], operator) in patterns and may_fuse(inputs[0], readers):
                if place is not None:
                    position = kept.index(before)
                kept.remove(before)
                operator, inputs = patterns[before[1], operator], read(before[2], inputs)
            made[name] = (name, operator, inputs)
            kept.insert(position, made[name])
        return kept

    return mistaken


fuse.mistake("an array is fused away that somebody else still reads: count its readers first")(
    _fused(may_fuse=lambda name, readers: True)
)
fuse.mistake("the fused call stands where the first one stood: its other inputs may not be computed yet")(
    _fused(place="first")
)
fuse.mistake("the inputs are in the wrong order: those of the first call come first")(
    _fused(read=lambda first, second: [*second[1:], *first])
)
fuse.mistake("the array between the two is still among the inputs")(
    _fused(read=lambda first, second: [*first, *second])
)


@fuse.mistake("an output of the step is fused away: whoever asked for it counts as a reader")
def outputs_forgotten(calls, outputs, patterns):
    return fuse.reference(calls, [], patterns)


@fuse.mistake("a fused call is not looked at again: it may be the first of a later pair")
def once_only(calls, outputs, patterns):
    fused = set(patterns.values())
    return fuse.reference(calls, outputs, {pair: name for pair, name in patterns.items() if pair[0] not in fused})


@fuse.mistake("any input counts: only the first input of the second call is fused")
def any_input(calls, outputs, patterns):
    readers = [name for _, _, inputs in calls for name in inputs] + list(outputs)
    made, kept = {}, []
    for name, operator, inputs in calls:
        for between in inputs:
            before = made.get(between)
            if before is not None and (before[1], operator) in patterns and readers.count(between) == 1:
                kept.remove(before)
                operator, inputs = patterns[before[1], operator], [*before[2], *(i for i in inputs if i != between)]
                break
        made[name] = (name, operator, inputs)
        kept.append(made[name])
    return kept


@fuse.mistake("only neighbours in the list are fused: the first call may stand anywhere before the second")
def neighbours(calls, outputs, patterns):
    kept = []
    for call in calls:
        pair = fuse.reference([*kept[-1:], call], outputs, patterns)
        readers = [name for _, _, inputs in calls for name in inputs]
        if kept and len(pair) == 1 and readers.count(kept[-1][0]) == 1:
            kept[-1:] = pair
        else:
            kept.append(call)
    return kept


def _in_a_dictionary(first_stays=False, named_by_first=False):
    def mistaken(calls, outputs, patterns):
        readers = [name for _, _, inputs in calls for name in inputs] + list(outputs)
        made = {}
        for name, operator, inputs in calls:
            first, before, read = made.get(inputs[0], ("", "", []))
            if (before, operator) in patterns and readers.count(first) == 1:
                if not first_stays:
                    del made[first]
                name = first if named_by_first else name
                operator, inputs = patterns[before, operator], [*read, *inputs[1:]]
            made[name] = (name, operator, inputs)
        return list(made.values())

    return mistaken


fuse.mistake("the first call is still in the list, beside the fused one")(_in_a_dictionary(first_stays=True))
fuse.mistake("the fused call has the first one's name: those that read the second one's array do not find it")(
    _in_a_dictionary(named_by_first=True)
)
