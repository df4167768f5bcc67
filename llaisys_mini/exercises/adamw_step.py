"""adamw_step: one step of AdamW for one array of weights."""

import numpy as np

from llaisys_mini.exercise import exercise

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@exercise
def adamw_step(w, g, mean, square, step, rate, decay):
    """One step of AdamW. w, g, mean, square: float64 arrays of one shape; step counts from 1; rate, decay: numbers.

        mean   = 0.9   * mean   + 0.1   * g
        square = 0.999 * square + 0.001 * g**2
        w      = w - rate * (mean / (1 - 0.9**step) / (sqrt(square / (1 - 0.999**step)) + 1e-8) + decay * w)

    Returns (w, mean, square). The given arrays are left alone.
    Source: Loshchilov & Hutter 2017, arXiv:1711.05101, algorithm 2; the rate scales the decay too, as in libraries.
    """
    mean = BETA1 * mean + (1 - BETA1) * g
    square = BETA2 * square + (1 - BETA2) * g**2
    return w - rate * (_direction(mean, square, step) + decay * w), mean, square


def _direction(mean, square, step):
    return mean / (1 - BETA1**step) / (np.sqrt(square / (1 - BETA2**step)) + EPSILON)


@adamw_step.cases
def cases(rng):
    def inputs(shape, step, rate=0.01, decay=0.0, size=1.0):
        begun = step > 1
        w, g = rng.normal(size=shape), size * rng.normal(size=shape)
        mean, square = begun * size * rng.normal(size=shape), begun * (0.5 + rng.uniform(size=shape)) * size**2
        return dict(w=w, g=g, mean=mean, square=square, step=step, rate=rate, decay=decay)

    yield "the first step", inputs(4, 1)
    yield "a later step", inputs(4, 7)
    yield "with decay", inputs(5, 3, rate=0.1, decay=0.5)
    yield "decay alone: the gradient is 0", {**inputs(3, 1, decay=0.2), "g": np.zeros(3)}
    yield "a matrix, large gradients", inputs((3, 4), 20, size=1000.0)
    yield "tiny gradients", inputs((2, 3), 1, size=1e-7)
    yield "some numbers", inputs(int(rng.integers(2, 30)), int(rng.integers(2, 200)), rate=0.3, decay=0.1)


@adamw_step.use
def use(answer, **inputs):
    return dict(zip(("w", "mean", "square"), answer(**inputs), strict=True))


adamw_step.leaves_alone("w", "g", "mean", "square")


def _with(direction=_direction, decayed=lambda w, rate, decay: rate * decay * w):
    def mistaken(w, g, mean, square, step, rate, decay):
        _, mean, square = adamw_step.reference(w, g, mean, square, step, rate, decay)
        return w - rate * direction(mean, square, step) - decayed(w, rate, decay), mean, square

    return mistaken


adamw_step.mistake("the means are not corrected for having started at 0: divide by 1 - 0.9**step and 1 - 0.999**step")(
    _with(lambda mean, square, step: mean / (np.sqrt(square) + EPSILON))
)
adamw_step.mistake("the root of the mean square is missing")(
    _with(lambda mean, square, step: mean / (1 - BETA1**step) / (square / (1 - BETA2**step) + EPSILON))
)
adamw_step.mistake("1e-8 is added under the root; it belongs outside")(
    _with(lambda mean, square, step: mean / (1 - BETA1**step) / np.sqrt(square / (1 - BETA2**step) + EPSILON))
)
adamw_step.mistake("the decay is left out")(_with(decayed=lambda w, rate, decay: 0))
adamw_step.mistake("the decay is not multiplied by the rate")(_with(decayed=lambda w, rate, decay: decay * w))
adamw_step.mistake("the weights grow instead of decay: decay * w is subtracted, not added")(
    _with(decayed=lambda w, rate, decay: -rate * decay * w)
)
adamw_step.mistake("it steps uphill: rate times the direction has to be subtracted")(
    _with(lambda *state: -_direction(*state))
)


@adamw_step.mistake("the decay is taken of the weights after the step; both parts use the weights from before it")
def decay_of_the_new(w, g, mean, square, step, rate, decay):
    moved, mean, square = adamw_step.reference(w, g, mean, square, step, rate, 0.0)
    return moved - rate * decay * moved, mean, square


@adamw_step.mistake("the decay is added to the gradient: that is Adam with L2, which divides the decay by the root too")
def coupled(w, g, mean, square, step, rate, decay):
    return adamw_step.reference(w, g + decay * w, mean, square, step, rate, 0.0)


@adamw_step.mistake(
    "the corrected means are returned: the correction is for this step alone, keep the means as they are"
)
def corrected_returned(w, g, mean, square, step, rate, decay):
    w, mean, square = adamw_step.reference(w, g, mean, square, step, rate, decay)
    return w, mean / (1 - BETA1**step), square / (1 - BETA2**step)


@adamw_step.mistake("the arrays for mean and square are changed in place; return new ones")
def in_place(w, g, mean, square, step, rate, decay):
    w, new_mean, new_square = adamw_step.reference(w, g, mean, square, step, rate, decay)
    mean[...], square[...] = new_mean, new_square
    return w, mean, square
