"""neuron_by_hand: weights found with pencil and paper."""

from llaisys_mini.exercise import exercise


@exercise
def neuron_by_hand():
    """Weights and bias (w1, w2, b) of three neurons that decide as asked: {"and": ..., "or": ..., "first only": ...}.
    A neuron says yes where w1 * x1 + w2 * x2 + b >= 0."""
    return {"and": (1, 1, -1.5), "or": (1, 1, -0.5), "first only": (1, -1, -0.5)}


ANSWERS = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "first only": [0, 0, 1, 0]}


@neuron_by_hand.cases
def cases(rng):
    for name in ANSWERS:
        yield f"{name}: the four corners", dict(name=name, points=[(0, 0), (0, 1), (1, 0), (1, 1)])


@neuron_by_hand.use
def use(answer, name, points):
    w1, w2, b = map(float, answer()[name])
    return {f"answer for {x1}, {x2}": "yes" if w1 * x1 + w2 * x2 + b >= 0 else "no" for x1, x2 in points}


@neuron_by_hand.mistake("every weight and the bias are zero: 0 >= 0 says yes everywhere")
def all_zero():
    return dict.fromkeys(ANSWERS, (0, 0, 0))


@neuron_by_hand.mistake("the bias is missing or has the wrong sign, so the neurons say yes where they should not yet")
def bias_turned():
    return {name: (w1, w2, -b) for name, (w1, w2, b) in neuron_by_hand.reference().items()}


@neuron_by_hand.mistake("the weights and the bias all have the wrong sign: yes and no are swapped")
def all_turned():
    return {name: (-w1, -w2, -b) for name, (w1, w2, b) in neuron_by_hand.reference().items()}
