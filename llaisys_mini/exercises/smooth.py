"""smooth: a part of the size of the inputs is moved into the weights."""

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.quantisation import smooth as package


@exercise
def smooth(largest_inputs, weight, alpha):
    """s [K]: input k is divided by s[k], and column k of the weight multiplied by it, so that both can be rounded.

    largest_inputs [K]: the largest |input k|; weight [M, K]; alpha: how much of the inputs' size goes.
    s[k] = largest_inputs[k]^alpha / (largest |weight| of column k)^(1 - alpha), and 1 where either of the two is 0.
    Source: Xiao et al. 2022 (arXiv:2211.10438), equation 4.
    """
    return package.smooth(largest_inputs, weight, alpha)


smooth.stands_in_package(package, "smooth")
smooth.leaves_alone("largest_inputs", "weight")


@smooth.use
def use(answer, largest_inputs, weight, alpha):
    return {"s": answer(largest_inputs, weight, alpha)}


@smooth.cases
def cases(rng):
    def inputs(m, k, alpha, outliers=()):
        largest = np.exp(rng.normal(size=k)).astype(np.float32)
        largest[list(outliers)] *= 32
        return dict(largest_inputs=largest, weight=rng.normal(scale=0.1, size=(m, k)).astype(np.float32), alpha=alpha)

    yield (
        "two inputs, one output",
        dict(largest_inputs=np.array([64.0, 1.0], np.float32), weight=np.array([[0.25, -0.25]], np.float32), alpha=0.5),
    )
    yield "half of it", inputs(12, 16, 0.5, [3, 9])
    yield "most of it", inputs(5, 20, 0.85, [0])
    yield "all of it", inputs(7, 8, 1.0, [2])
    yield "nothing of it", inputs(7, 8, 0.0, [2])
    dead = inputs(6, 9, 0.5, [1])
    dead["largest_inputs"][[4, 7]] = 0
    yield "inputs that are always 0", dead
    empty = inputs(6, 9, 0.5, [1])
    empty["weight"][:, [0, 5]] = 0
    yield "columns of zeros", empty
    yield "some sizes", inputs(*(int(i) for i in rng.integers(2, 30, size=2)), float(rng.uniform(0.3, 0.9)))


def _columns(weight):
    return np.abs(np.asarray(weight, np.float64)).max(axis=0)


def _safely(largest, columns, formula):
    nothing = (largest == 0) | (columns == 0)
    return np.where(nothing, 1.0, formula(np.where(nothing, 1.0, largest), np.where(nothing, 1.0, columns)))


@smooth.mistake("s is turned round: the inputs have to be divided by it, so large inputs need a large s")
def turned_round(largest_inputs, weight, alpha):
    return 1 / smooth.reference(largest_inputs, weight, alpha)


@smooth.mistake("an input or a column that is always 0 gives 0 or infinity: s has to be 1 there")
def nothing_special(largest_inputs, weight, alpha):
    with np.errstate(divide="ignore"):
        return np.asarray(largest_inputs, np.float64) ** alpha / _columns(weight) ** (1 - alpha)


@smooth.mistake("only the inputs count: the weights' part is left out")
def only_inputs(largest_inputs, weight, alpha):
    return _safely(np.asarray(largest_inputs, np.float64), _columns(weight), lambda a, w: a**alpha)


@smooth.mistake("alpha and 1 - alpha are swapped")
def swapped(largest_inputs, weight, alpha):
    return smooth.reference(largest_inputs, weight, 1 - alpha)


@smooth.mistake("the weights' part is multiplied, not divided by")
def multiplied(largest_inputs, weight, alpha):
    return _safely(np.asarray(largest_inputs, np.float64), _columns(weight), lambda a, w: a**alpha * w ** (1 - alpha))


@smooth.mistake("the largest weight of a column is taken without its sign: max(w) in place of max |w|")
def without_absolute(largest_inputs, weight, alpha):
    columns = np.abs(np.asarray(weight, np.float64).max(axis=0))
    return _safely(np.asarray(largest_inputs, np.float64), columns, lambda a, w: a**alpha / w ** (1 - alpha))


@smooth.mistake("the mean of |weight| is taken in place of the largest")
def mean_of_weights(largest_inputs, weight, alpha):
    columns = np.abs(np.asarray(weight, np.float64)).mean(axis=0)
    return _safely(np.asarray(largest_inputs, np.float64), columns, lambda a, w: a**alpha / w ** (1 - alpha))


@smooth.mistake("the largest weight of the whole matrix is used for every column")
def one_for_all(largest_inputs, weight, alpha):
    columns = _columns(weight)
    return _safely(
        np.asarray(largest_inputs, np.float64), columns, lambda a, w: a**alpha / columns.max() ** (1 - alpha)
    )
