"""cross_entropy: how surprised the model is by the right answer."""

import numpy as np

from llaisys_mini.contract import F32, I64
from llaisys_mini.operator import operator


@operator
def cross_entropy(logits: F32["N V"], targets: I64["N"]) -> F32["N"]:
    """Negative log probability of each row's target, in nats; the mean of it is the usual training loss.

    out[n] = log(sum_v exp(logits[n, v])) - logits[n, targets[n]]
    """
    top = logits.max(axis=1)
    log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return log_sum - logits[np.arange(len(targets)), targets]


@cross_entropy.rounding
def rounding(logits, targets):
    magnitude = np.abs(logits).max(axis=1)  # both terms may be this large while their difference is small
    return 8 * magnitude + 4 * logits.shape[1] + 8


@cross_entropy.value_rule
def targets_in_range(logits, targets):
    if targets.min() < 0 or targets.max() >= logits.shape[1]:
        return f"targets must lie in 0..{logits.shape[1] - 1}, but run from {targets.min()} to {targets.max()}"


@cross_entropy.cases
def cases(rng):
    def inputs(n, v, scale=1.0, shift=0.0):
        return dict(logits=shift + scale * rng.normal(size=(n, v)), targets=rng.integers(0, v, size=n))

    yield "one row", inputs(1, 10)
    yield "several rows", inputs(7, 33)
    yield "one class", inputs(3, 1)
    yield "large logits", inputs(5, 20, scale=60, shift=100)
    yield "very negative logits", inputs(5, 20, scale=10, shift=-400)
    sure = 40 * np.eye(6)
    yield "certain and right", dict(logits=sure, targets=np.arange(6))
    yield "certain and wrong", dict(logits=5 * sure, targets=(np.arange(6) + 1) % 6)
    wide = inputs(2, 33000, scale=3)  # targets beyond 15 bits
    wide["targets"] = np.array([32900, 300])
    yield "as wide as a vocabulary", wide
    yield "many rows", inputs(300, 3)
    yield "some sizes", inputs(*rng.integers(2, 200, size=2), scale=3)


@cross_entropy.mistake("the maximum is not subtracted, so exp overflows to inf for large logits")
def unsafe(logits, targets):
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets]


@cross_entropy.mistake("log is taken of a probability that has rounded to zero: the loss becomes inf")
def log_of_softmax(logits, targets):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return -np.log((exponentials / exponentials.sum(axis=1, keepdims=True))[np.arange(len(targets)), targets])


@cross_entropy.mistake("the minus sign is missing")
def wrong_sign(logits, targets):
    return -cross_entropy.reference(logits, targets)


@cross_entropy.mistake("the loss is in bits (log2), not in nats")
def in_bits(logits, targets):
    return cross_entropy.reference(logits, targets) / np.log(2).astype(logits.dtype)


@cross_entropy.mistake("each row holds the mean over all rows instead of its own loss")
def mean_everywhere(logits, targets):
    loss = cross_entropy.reference(logits, targets)
    return np.full_like(loss, loss.mean())


@cross_entropy.mistake("the maximum is subtracted inside the sum but not added back")
def maximum_not_added_back(logits, targets):
    return cross_entropy.reference(logits, targets) - logits.max(axis=1)


@cross_entropy.mistake("the sum is not set back to 0 for each row: it carries on from the row before")
def sum_carried_on(logits, targets):
    top = logits.max(axis=1)
    sums = np.cumsum(np.exp(logits - top[:, None]).sum(axis=1))
    return np.log(sums) + top - logits[np.arange(len(targets)), targets]


@cross_entropy.mistake("the logarithm of the sum has base 2; it must be the natural one")
def log_two(logits, targets):
    top = logits.max(axis=1)
    return np.log2(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(len(targets)), targets]


@cross_entropy.mistake("the targets are not read: the largest logit is taken as the target")
def largest_is_target(logits, targets):
    return cross_entropy.reference(logits, logits.argmax(axis=1))


@cross_entropy.mistake("targets are counted from 1: the class before is taken")
def targets_from_one(logits, targets):
    return cross_entropy.reference(logits, targets - 1)


@cross_entropy.mistake("every row is compared with the target of the first row")
def first_target(logits, targets):
    return cross_entropy.reference(logits, np.full_like(targets, targets[0]))
