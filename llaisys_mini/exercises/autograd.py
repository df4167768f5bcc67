"""autograd: automatic differentiation in reverse mode, for the operations that a small network needs."""

import numpy as np

from llaisys_mini import operators
from llaisys_mini.exercise import exercise


@exercise
class autograd:
    """A variable of a computational graph: `value` (float32 array), `grad` (the gradient of the end of the graph with
    respect to it, zeros at first), `parents` (the variables it was computed from) and `back` (function from its own
    gradient to a tuple with the share of each parent; None where there are no parents).

    Methods that compute forwards return a new variable: a + b, a * b (element by element, same shapes), a.relu(),
    x.linear(weight, bias), logits.cross_entropy(labels) (the mean, a float). a.backward() fills in `grad` of all that
    `a` was computed from; shares of a variable that is used several times add up.
    """

    def __init__(self, value, parents=(), back=None):
        self.value = np.asarray(value, np.float32)
        self.grad = np.zeros_like(self.value)
        self.parents, self.back = parents, back

    def __add__(self, other):
        return type(self)(self.value + other.value, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        return type(self)(self.value * other.value, (self, other), lambda g: (g * other.value, g * self.value))

    def relu(self):
        return type(self)(
            operators.relu(self.value), (self,), lambda g: (operators.relu_backward(g, self.value),)
        )  # fmt: skip

    def linear(self, weight, bias):
        z = operators.linear(self.value, weight.value, bias.value)
        return type(self)(
            z, (self, weight, bias), lambda g: operators.linear_backward(g, self.value, weight.value)
        )  # fmt: skip

    def cross_entropy(self, labels):
        loss = operators.cross_entropy(self.value, labels).mean()
        gradient = operators.softmax_cross_entropy_backward(self.value, labels)
        return type(self)(loss, (self,), lambda g: (g * gradient,))

    def backward(self):
        order = _ordered(self)
        self.grad = np.ones_like(self.value)
        for variable in reversed(order):
            if variable.back is not None:
                for parent, share in zip(variable.parents, variable.back(variable.grad), strict=True):
                    parent.grad = parent.grad + share


def _ordered(end) -> list:
    """All that `end` was computed from, and itself last: each after its parents."""
    order, seen, pending = [], set(), [(end, False)]
    while pending:
        variable, parents_done = pending.pop()
        if parents_done:
            order.append(variable)
        elif id(variable) not in seen:
            seen.add(id(variable))
            pending += [(variable, True), *((parent, False) for parent in reversed(variable.parents))]
    return order


def _chain(v, labels):
    return v["a"] * v["b"] + v["c"]


def _twice(v, labels):
    return v["a"] * v["a"]


def _branches(v, labels):
    product = v["a"] * v["b"]
    return product * product + product * v["c"] + v["a"]


def _ladder(v, labels):
    step = v["a"]
    for _ in range(6):
        step = step + step * v["b"]
    return step


def _relu(v, labels):
    return (v["a"] * v["b"]).relu() + v["c"].relu()


def _layer(v, labels):
    return v["x"].linear(v["w1"], v["b1"])


def _network(v, labels):
    hidden = v["x"].linear(v["w1"], v["b1"]).relu()
    return hidden.linear(v["w2"], v["b2"]).cross_entropy(labels)


def _tied(v, labels):
    """The same weights in two layers."""
    hidden = v["x"].linear(v["w1"], v["b1"]).relu()
    return hidden.linear(v["w1"], v["b1"]).cross_entropy(labels)


PROGRAMS = {
    "a * b + c": _chain,
    "a * a": _twice,
    "p = a * b; p * p + p * c + a": _branches,
    "six times s = s + s * b": _ladder,
    "relu(a * b) + relu(c)": _relu,
    "linear": _layer,
    "linear, relu, linear, cross_entropy": _network,
    "two layers with the same weights": _tied,
}
"""A case names its program, since inputs are plain data."""


@autograd.cases
def cases(rng):
    def f32(*shape):
        return rng.normal(size=shape).astype(np.float32)

    def small(program, *names, shape=(3,)):
        return dict(program=program, arrays={name: f32(*shape) for name in names}, labels=None)

    def network(program, n, k, h, v):
        arrays = dict(x=f32(n, k), w1=f32(h, k), b1=f32(h))
        if program != "linear" and "same" not in program:
            arrays |= dict(w2=f32(v, h), b2=f32(v))
        return dict(program=program, arrays=arrays, labels=rng.integers(0, v, size=n))

    yield "a chain", small("a * b + c", "a", "b", "c")
    yield "used twice", small("a * a", "a", shape=(2, 3))
    yield "branches that meet", small("p = a * b; p * p + p * c + a", "a", "b", "c")
    yield "a ladder", small("six times s = s + s * b", "a", "b")
    yield "relu", small("relu(a * b) + relu(c)", "a", "b", "c", shape=(4, 5))
    yield "a layer", network("linear", 4, 3, 5, 2)
    yield "a network", network("linear, relu, linear, cross_entropy", 6, 3, 5, 4)
    yield "shared weights", network("two layers with the same weights", 5, 4, 4, 4)
    n, k, h, v = (int(i) for i in rng.integers(2, 12, size=4))
    yield "some sizes", network("linear, relu, linear, cross_entropy", n, k, h, v)


@autograd.use
def use(answer, program, arrays, labels):
    leaves = {name: answer(array.copy()) for name, array in arrays.items()}
    end = PROGRAMS[program](leaves, labels)
    shares = _what_is_wrong_with_shares(end) or "one for each parent"
    end.backward()
    found = {"the value": np.asarray(end.value), "shares that back gives": shares}
    return found | {f"grad of {name}": leaf.grad for name, leaf in leaves.items()}


def _what_is_wrong_with_shares(end) -> str | None:
    """In words, for the first variable whose `back` gives no tuple with a share for each parent."""
    pending, seen = [end], set()
    while pending:
        variable = pending.pop()
        if id(variable) in seen or not variable.parents:
            continue
        seen.add(id(variable))
        pending += variable.parents
        given = variable.back(np.ones_like(variable.value)) if variable.back else None
        if not isinstance(given, (tuple, list)):
            return f"{type(given).__name__} instead of a tuple, for a variable with {len(variable.parents)} parents"
        if len(given) != len(variable.parents):
            return f"{len(given)} shares for {len(variable.parents)} parents"
    return None


@autograd.mistake("a share replaces the gradient instead of being added to it: shares of a value used twice add up")
class overwrites(autograd.reference):
    def backward(self):
        order = _ordered(self)
        self.grad = np.ones_like(self.value)
        for variable in reversed(order):
            if variable.back is not None:
                for parent, share in zip(variable.parents, variable.back(variable.grad), strict=True):
                    parent.grad = share


@autograd.mistake(
    "a variable passes its gradient on before all shares have arrived: go back in the reverse of the order of computing"
)
class too_early(autograd.reference):
    def backward(self):
        self.grad = np.ones_like(self.value)
        pending, seen = [self], set()
        while pending:
            variable = pending.pop(0)
            if id(variable) in seen or variable.back is None:
                continue
            seen.add(id(variable))
            for parent, share in zip(variable.parents, variable.back(variable.grad), strict=True):
                parent.grad = parent.grad + share
                pending.append(parent)


@autograd.mistake("a variable used several times passes on its whole gradient each time it is reached")
class several_times(autograd.reference):
    def backward(self):
        self.grad = np.ones_like(self.value)
        _pass_on(self)


def _pass_on(variable):
    if variable.back is not None:
        for parent, share in zip(variable.parents, variable.back(variable.grad), strict=True):
            parent.grad = parent.grad + share
            _pass_on(parent)


@autograd.mistake("the gradient of the end itself is 0, so all are 0: begin with 1")
class begins_with_zero(autograd.reference):
    def backward(self):
        pass


@autograd.mistake("the factors of a product are swapped: towards a the local derivative is b")
class swapped_factors(autograd.reference):
    def __mul__(self, other):
        return type(self)(self.value * other.value, (self, other), lambda g: (g * self.value, g * other.value))


@autograd.mistake("relu passes the gradient everywhere: relu_backward is missing")
class relu_passes_all(autograd.reference):
    def relu(self):
        return type(self)(operators.relu(self.value), (self,), lambda g: (g,))


@autograd.mistake("the arguments of relu_backward are swapped: first the gradient, then the input of relu")
class relu_swapped(autograd.reference):
    def relu(self):
        return type(self)(operators.relu(self.value), (self,), lambda g: (operators.relu_backward(self.value, g),))


@autograd.mistake("the loss is the sum over the points, not their mean")
class summed_loss(autograd.reference):
    def cross_entropy(self, labels):
        loss = operators.cross_entropy(self.value, labels).sum()
        gradient = operators.softmax_cross_entropy_backward(self.value, labels)
        return type(self)(loss, (self,), lambda g: (g * gradient,))
