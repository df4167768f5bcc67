"""softmax_cross_entropy_backward: the gradient that starts the backward pass of a classifier."""

import numpy as np

from llaisys_mini.contract import F32, I64
from llaisys_mini.operator import operator
from llaisys_mini.operators.cross_entropy import targets_in_range
from llaisys_mini.operators.softmax import rounding as softmax_rounding
from llaisys_mini.operators.softmax import softmax


@operator
def softmax_cross_entropy_backward(logits: F32["N V"], targets: I64["N"]) -> F32["N V"]:
    """Gradient of the mean cross-entropy over the rows with respect to the logits.

    out[n, v] = (softmax(logits[n])[v] - (1 if v == targets[n] else 0)) / N
    """
    return (softmax.reference(logits) - one_hot(logits, targets)) / len(targets)


def one_hot(logits, targets):
    """[N, V]: one at each row's target, else zero."""
    return (np.arange(logits.shape[1]) == targets[:, None]).astype(logits.dtype)


@softmax_cross_entropy_backward.rounding
def rounding(logits, targets):
    gradient = np.abs(softmax_cross_entropy_backward.reference(logits, targets))
    return (softmax_rounding(logits) + one_hot(logits, targets)) / len(targets) + 4 * gradient


softmax_cross_entropy_backward.value_rule(targets_in_range)


@softmax_cross_entropy_backward.cases
def cases(rng):
    def inputs(n, v, scale=1.0, shift=0.0):
        return dict(logits=shift + scale * rng.normal(size=(n, v)), targets=rng.integers(0, v, size=n))

    yield "one row", inputs(1, 10)
    yield "several rows", inputs(7, 33)
    yield "two classes", inputs(9, 2)
    yield "large logits", inputs(5, 20, scale=60, shift=100)
    yield "certain and wrong", dict(logits=50 * np.eye(6), targets=(np.arange(6) + 1) % 6)
    wide = inputs(2, 3000, scale=3)
    wide["targets"] = np.array([2999, 300])
    yield "as wide as a vocabulary", wide
    yield "many rows", inputs(300, 3)
    yield "some sizes", inputs(*rng.integers(2, 100, size=2), scale=3)


@softmax_cross_entropy_backward.mistake("the gradient is not divided by the number of rows: the loss is their mean")
def not_averaged(logits, targets):
    return softmax_cross_entropy_backward.reference(logits, targets) * len(targets)


@softmax_cross_entropy_backward.mistake("the target's one is not subtracted: this is the softmax alone")
def no_target(logits, targets):
    return softmax.reference(logits) / len(targets)


@softmax_cross_entropy_backward.mistake("the sign is wrong: it must be softmax - target")
def wrong_sign(logits, targets):
    return -softmax_cross_entropy_backward.reference(logits, targets)


@softmax_cross_entropy_backward.mistake("it is divided by the number of classes instead of rows")
def divided_by_classes(logits, targets):
    return softmax_cross_entropy_backward.reference(logits, targets) * len(targets) / logits.shape[1]


@softmax_cross_entropy_backward.mistake("the maximum is not subtracted, so exp overflows to inf for large logits")
def unsafe(logits, targets):
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=1, keepdims=True) - one_hot(logits, targets)) / len(targets)


@softmax_cross_entropy_backward.mistake("1 is subtracted after the division by the number of rows")
def target_not_averaged(logits, targets):
    return softmax.reference(logits) / len(targets) - one_hot(logits, targets)


@softmax_cross_entropy_backward.mistake("the target of the first row is used for every row")
def first_target_only(logits, targets):
    return softmax_cross_entropy_backward.reference(logits, np.full_like(targets, targets[0]))


@softmax_cross_entropy_backward.mistake("the logits stand where their softmax should")
def logits_not_softmax(logits, targets):
    return (logits - one_hot(logits, targets)) / len(targets)
