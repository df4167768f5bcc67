"""adamw: one step of AdamW for one array of weights, in place."""

import numpy as np

from llaisys_mini.contract import F32, Written
from llaisys_mini.operator import operator


@operator
def adamw(
    gradient: F32["..."],
    rate: float,
    decay: float,
    b1: float,
    b2: float,
    eps: float,
    step: int,
    weight: Written[F32["..."]],
    mean: Written[F32["..."]],
    square: Written[F32["..."]],
) -> None:
    """Change weights by their gradient. mean and square are the running means of the gradient and of its square.

        mean   = b1 * mean + (1 - b1) * gradient
        square = b2 * square + (1 - b2) * gradient^2
        weight = weight - rate * decay * weight - rate * (mean / (1 - b1^step)) / (sqrt(square / (1 - b2^step)) + eps)

    step: its number, from 1; at step 1 both means hold zeros. The weight that decays is the one before the step.
    Source: Loshchilov & Hutter 2017 (arXiv:1711.05101), algorithm 2; the rate scales the decay too, as in libraries.
    """
    mean, square = running_means(gradient, b1, b2, mean, square)
    return weight - rate * decay * weight - rate * direction(mean, square, b1, b2, eps, step), mean, square


def running_means(gradient, b1, b2, mean, square):
    return b1 * mean + (1 - b1) * gradient, b2 * square + (1 - b2) * gradient**2


def direction(mean, square, b1, b2, eps, step):
    """Where the step goes: of size 1 or so in every number."""
    return mean / (1 - b1**step) / (np.sqrt(square / (1 - b2**step)) + eps)


@adamw.rounding
def rounding(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    # A kernel may round b1 and b2 to float32 first: 1 - b is then off by as much as b, and so is 1 - b^step, by
    # step * b^step. The terms of the mean may cancel, those of the square cannot.
    after, squares = running_means(gradient, b1, b2, mean, square)
    of_mean = 4 * b1 * np.abs(mean) + (4 * (1 - b1) + b1) * np.abs(gradient)
    of_square = 4 * b2 * square + (6 * (1 - b2) + b2) * gradient**2
    corrections = step * b1**step / (1 - b1**step) + 0.5 * step * b2**step / (1 - b2**step)
    root = np.sqrt(squares / (1 - b2**step)) + eps
    relative = 8 + corrections + 0.5 * of_square / np.maximum(squares, 1e-300)
    of_step = (of_mean + np.abs(after) * relative) / (1 - b1**step) / root
    return 4 * np.abs(weight) * (1 + rate * decay) + rate * of_step, of_mean, of_square


@adamw.value_rule
def steps_count_from_one(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    return f"step counts from 1, but is {step}" if step < 1 else None


@adamw.cases
def cases(rng):
    def inputs(shape, step, rate=0.01, decay=0.1, size=1.0, b1=0.9, b2=0.95, eps=1e-8):
        begun = step > 1
        return dict(
            gradient=size * rng.normal(size=shape),
            rate=rate,
            decay=decay,
            b1=b1,
            b2=b2,
            eps=eps,
            step=step,
            weight=rng.normal(size=shape),
            mean=begun * size * rng.normal(size=shape),
            square=begun * (0.5 + rng.uniform(size=shape)) * size**2,
        )

    yield "the first step", inputs((1, 6), 1)
    yield "a later step", inputs((3, 7), 5)
    yield "no decay", inputs((4, 4), 3, decay=0.0)
    yield "decay alone: the gradient is 0", inputs((2, 5), 1, rate=0.1, decay=0.5) | dict(gradient=np.zeros((2, 5)))
    yield "one number", inputs((1,), 2)
    yield "three dimensions", inputs((2, 3, 5), 4)
    yield "large gradients", inputs((3, 5), 20, size=1000.0)
    yield "gradients so small that eps decides", inputs((3, 5), 1, size=1e-8, rate=0.3)
    yield "a large eps", inputs((3, 5), 2, eps=0.5, rate=0.3)
    yield "other running means", inputs((5, 3), 7, b1=0.8, b2=0.99, rate=0.1)
    yield "step 3000: no correction is left", inputs((2, 9), 3000, rate=0.2)
    yield "enough for threads", inputs((130, 300), 2, rate=0.1)
    rows, width = rng.integers(1, 60, size=2)
    yield "some sizes", inputs((rows, width), int(rng.integers(2, 50)), rate=0.2, b2=0.97)


def with_step(changed):
    """The reference where the weights come from a function of the means after the step."""

    def mistaken(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
        mean, square = running_means(gradient, b1, b2, mean, square)
        return changed(weight, mean, square, rate, decay, b1, b2, eps, step), mean, square

    return mistaken


adamw.mistake("the means are not corrected for having started at 0: divide by 1 - b1^step and 1 - b2^step")(
    with_step(lambda w, m, v, rate, decay, b1, b2, eps, step: w - rate * decay * w - rate * m / (np.sqrt(v) + eps))
)
adamw.mistake("the root of the mean square is missing")(
    with_step(
        lambda w, m, v, rate, decay, b1, b2, eps, step: (
            w - rate * decay * w - rate * m / (1 - b1**step) / (v / (1 - b2**step) + eps)
        )
    )
)
adamw.mistake("eps is added under the root; it belongs outside")(
    with_step(
        lambda w, m, v, rate, decay, b1, b2, eps, step: (
            w - rate * decay * w - rate * m / (1 - b1**step) / np.sqrt(v / (1 - b2**step) + eps)
        )
    )
)
adamw.mistake("the decay is left out")(with_step(lambda w, m, v, rate, decay, *rest: w - rate * direction(m, v, *rest)))
adamw.mistake("the decay is not multiplied by the rate")(
    with_step(lambda w, m, v, rate, decay, *rest: w - decay * w - rate * direction(m, v, *rest))
)
adamw.mistake("the weights grow instead of decay")(
    with_step(lambda w, m, v, rate, decay, *rest: w + rate * decay * w - rate * direction(m, v, *rest))
)
adamw.mistake("it steps uphill: rate times the direction has to be subtracted")(
    with_step(lambda w, m, v, rate, decay, *rest: w - rate * decay * w + rate * direction(m, v, *rest))
)
adamw.mistake("the weights are corrected as if this were the step before: step counts from 1")(
    with_step(
        lambda w, m, v, rate, decay, b1, b2, eps, step: (
            w - rate * decay * w - rate * direction(m, v, b1, b2, eps, step + 1)
        )
    )
)


@adamw.mistake("the decay is added to the gradient: that is Adam with L2, which divides the decay by the root too")
def coupled(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    return adamw.reference(gradient + decay * weight, rate, 0.0, b1, b2, eps, step, weight, mean, square)


@adamw.mistake("the corrected means are stored: the correction is for this step alone, keep the means as they are")
def corrected_stored(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    weight, mean, square = adamw.reference(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return weight, mean / (1 - np.float32(b1) ** step), square / (1 - np.float32(b2) ** step)


@adamw.mistake("the step goes by the means before it: bring them up to date first")
def stale(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    _, *means = adamw.reference(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return weight - rate * decay * weight - rate * direction(mean, square, b1, b2, eps, step), *means


@adamw.mistake("the means are not stored: the next step begins with the old ones")
def means_not_stored(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    changed, _, _ = adamw.reference(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return changed, mean, square


@adamw.mistake("b1 and b2 are exchanged")
def exchanged(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    return adamw.reference(gradient, rate, decay, b2, b1, eps, step, weight, mean, square)


@adamw.mistake("the square is the gradient's own, not its running mean")
def no_memory(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    return adamw.reference(gradient, rate, decay, b1, b2, eps, step, weight, mean, 0 * square)
