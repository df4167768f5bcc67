"""isoflop_fit: which size of model is best for a budget of compute, and how it grows with the budget."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def isoflop_fit(budgets, parameters, losses):
    """From the runs of several budgets to a law for the best size.

    budgets, parameters, losses: float64 [R], of each run: the FLOP that it took, its number of weights, its loss. At
    least three different sizes at each of at least two budgets, in any order.

    At each budget a parabola in ln(parameters) is fitted to the losses by least squares; where it is lowest lies the
    best size. Through the points (ln budget, ln best size) goes a straight line, by least squares again:

        best(budget) = factor * budget^exponent

    Returns (best, exponent, factor); best: [B], the best size of each budget, from the smallest budget to the largest.
    Source: Hoffmann et al. 2022 (arXiv:2203.15556), approach 2.
    """
    found = np.unique(budgets)
    best = np.array([lowest(np.log(parameters[budgets == c]), losses[budgets == c]) for c in found])
    exponent, start = np.polyfit(np.log(found), np.log(best), 1)
    return best, exponent, np.exp(start)


def lowest(sizes, losses, degree=2):
    """exp of where the parabola through (sizes, losses) has its lowest point."""
    a, b, _ = np.polyfit(sizes, losses, degree)
    return np.exp(-b / (2 * a))


@isoflop_fit.use
def use(answer, budgets, parameters, losses):
    return dict(zip(("best", "exponent", "factor"), answer(budgets, parameters, losses), strict=True))


isoflop_fit.leaves_alone("budgets", "parameters", "losses")


@isoflop_fit.cases
def cases(rng):
    def inputs(budgets, sizes, exponent=0.5, factor=0.02, noise=0.0, shuffled=False):
        c = np.repeat(np.asarray(budgets, np.float64), sizes)
        best = factor * c**exponent
        steps = np.tile(np.linspace(-1.3, 1.6, sizes), len(budgets)) + 0.2 * rng.normal(size=len(c))
        loss = 0.8 + 300 * c**-0.25 + 0.15 * steps**2 + noise * rng.normal(size=len(c))
        order = rng.permutation(len(c)) if shuffled else np.arange(len(c))
        return dict(budgets=c[order], parameters=(best * np.exp(steps))[order], losses=loss[order])

    yield "two budgets, three sizes each", inputs((1e10, 1e11), 3)
    yield "four budgets, five sizes", inputs((1e10, 3e10, 9e10, 2.7e11), 5)
    yield "runs in any order", inputs((1e10, 4e10, 1.6e11), 4, shuffled=True)
    yield "losses that scatter", inputs((2e10, 5e10, 1.3e11, 3e11), 6, noise=0.01)
    yield "another law", inputs((1e18, 1e19, 1e20), 5, exponent=0.46, factor=0.6)
    budgets = np.exp(np.sort(rng.uniform(20, 40, size=4)))
    exponent = float(rng.uniform(0.3, 0.7))
    yield "some budgets", inputs(budgets, 5, exponent=exponent, factor=1e5 * budgets[0] ** -exponent, noise=0.005)


@isoflop_fit.mistake(
    "the size with the lowest loss that was tried is taken; the parabola's lowest point lies between two"
)
def tried_only(budgets, parameters, losses):
    found = np.unique(budgets)
    best = np.array([parameters[budgets == c][np.argmin(losses[budgets == c])] for c in found])
    return _law(found, best)


@isoflop_fit.mistake("the parabola is fitted in the number of weights, not in its logarithm")
def in_parameters(budgets, parameters, losses):
    found = np.unique(budgets)
    best = []
    for c in found:
        n = parameters[budgets == c]
        best.append(n.mean() * np.log(lowest(n / n.mean(), losses[budgets == c])))
    return _law(found, np.abs(np.array(best)))


@isoflop_fit.mistake("the best sizes are left as logarithms: undo them with exp")
def logarithms(budgets, parameters, losses):
    best, _, _ = isoflop_fit.reference(budgets, parameters, losses)
    return _law(np.unique(budgets), np.log(best))


@isoflop_fit.mistake("factor is ln(factor): undo the logarithm with exp")
def factor_as_logarithm(budgets, parameters, losses):
    best, exponent, factor = isoflop_fit.reference(budgets, parameters, losses)
    return best, exponent, np.log(factor)


@isoflop_fit.mistake("the line goes through the sizes themselves; it is straight in both logarithms")
def line_through_sizes(budgets, parameters, losses):
    best, _, _ = isoflop_fit.reference(budgets, parameters, losses)
    slope, start = np.polyfit(np.unique(budgets), best, 1)
    return best, slope, start


@isoflop_fit.mistake("one parabola is fitted to the runs of all budgets together")
def all_together(budgets, parameters, losses):
    best = lowest(np.log(parameters), losses)
    return _law(np.unique(budgets), np.full(len(np.unique(budgets)), best))


@isoflop_fit.mistake("the axes are exchanged: this is the budget for a best size")
def exchanged(budgets, parameters, losses):
    best, _, _ = isoflop_fit.reference(budgets, parameters, losses)
    exponent, start = np.polyfit(np.log(best), np.log(np.unique(budgets)), 1)
    return best, exponent, np.exp(start)


def _law(budgets, best):
    exponent, start = np.polyfit(np.log(budgets), np.log(best), 1)
    return best, exponent, np.exp(start)
