"""train_digits: a network that reads digits it has never seen."""

import zlib

import numpy as np

from llaisys_mini.digits import digits
from llaisys_mini.exercise import exercise
from llaisys_mini.exercises.mlp_step import mlp_step

ASKED = 0.85
UNSEEN = 2000
WIDEST = 1024
"""Hidden neurons: more than this task needs, and few enough to judge at once."""


@exercise
def train_digits(images, labels, seed):
    """Train a network with one hidden layer (linear, relu, linear) to read digits, from these images alone.

    images [N, 81] float32, each 9 x 9 pixels; labels [N] int64; seed: for everything that is drawn at random.
    Returns (w1 [H, 81], b1 [H], w2 [10, H], b2 [10]), H at most 1024. At least 85 % of unseen digits have to be read
    right.
    """
    return _trained(images, labels, seed, moves=2)


def _trained(images, labels, seed, moves, hidden=128, steps=1500, rate=0.5, batch=50):
    rng = np.random.default_rng(seed)
    w1, b1 = rng.normal(scale=np.sqrt(2 / 81), size=(hidden, 81)), np.zeros(hidden)
    w2, b2 = rng.normal(scale=np.sqrt(2 / hidden), size=(10, hidden)), np.zeros(10)
    for _ in range(steps):
        chosen = rng.integers(0, len(images), batch)
        moved = np.roll(images[chosen].reshape(-1, 9, 9), rng.integers(-moves, moves + 1, 2), axis=(1, 2))
        _, w1, b1, w2, b2 = mlp_step.reference(moved.reshape(-1, 81), labels[chosen], w1, b1, w2, b2, rate)
    return w1, b1, w2, b2


@train_digits.cases
def cases(rng):
    seed = int(rng.integers(2**31))
    images, labels = digits(1000, seed=seed)
    yield "a thousand digits", dict(images=images, labels=labels, seed=seed % 1000)


train_digits.builds_on("mlp_step")


@train_digits.judged_by
def too_few(result, images, labels, seed):
    if not isinstance(result, (tuple, list)) or len(result) != 4:
        return "four arrays are asked for: (w1, b1, w2, b2)"
    w1, b1, w2, b2 = (np.asarray(a, dtype=np.float64) for a in result)
    hidden = len(b1)
    if (w1.shape, b1.shape, w2.shape, b2.shape) != ((hidden, 81), (hidden,), (10, hidden), (10,)):
        return (
            f"w1, b1, w2, b2 have the shapes {w1.shape}, {b1.shape}, {w2.shape}, {b2.shape}; see the table of the lab"
        )
    if hidden > WIDEST:
        return f"{hidden} hidden neurons; at most {WIDEST} are allowed"
    if not all(np.isfinite(a).all() for a in (w1, b1, w2, b2)):
        return "the weights are not finite: training diverged. Try a smaller learning rate"

    def right(x, y):
        return float(((np.maximum(x @ w1.T + b1, 0) @ w2.T + b2).argmax(axis=1) == y).mean())

    seen, unseen = right(images, labels), right(*digits(UNSEEN, seed=zlib.crc32(labels.tobytes())))
    if unseen >= ASKED:
        return None
    why = (
        "All hidden neurons have the same weights: those that begin equal get equal gradients. Begin at random."
        if hidden > 1 and np.ptp(w1, axis=0).max() <= 1e-6 * np.abs(w1).max()
        else "It learned its images by heart; what makes it see more than these?"
        if seen - unseen > 0.1
        else "It does not know those it was given either: train longer, wider, or with another rate."
    )
    return (
        f"{unseen:.1%} of {UNSEEN} unseen digits are read right, {ASKED:.0%} are asked for; "
        f"of those it was trained on {seen:.1%}. {why}"
    )


@train_digits.mistake("it sees the same thousand images again and again, and learns them by heart")
def by_heart(images, labels, seed):
    return _trained(images, labels, seed, moves=0, hidden=48, steps=600)


@train_digits.mistake("the first weights are returned: what the steps return is not kept")
def untrained(images, labels, seed):
    return _trained(images, labels, seed, moves=0, steps=0)


@train_digits.mistake("the images of a batch are drawn at random, but not the labels that belong to them")
def others_labels(images, labels, seed):
    return _trained(images, np.roll(labels, 1), seed, moves=0, hidden=48, steps=300)
