"""sample_token: choosing the next token."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise


@exercise
def sample_token(scores, temperature, top_k, chance):
    """The id of the next token, from its scores [V].

    temperature 0: the id with the largest score. Otherwise only the top_k largest scores count (0: all). They are
    divided by the temperature and become probabilities by softmax. In the order of ids the probabilities are added up;
    the first id at which the sum exceeds `chance`, a random number in [0, 1), is chosen.
    """
    if temperature == 0:
        return int(np.argmax(scores))
    scores = np.asarray(scores, np.float64) / temperature
    if top_k:
        scores = np.where(scores >= np.sort(scores)[-min(top_k, len(scores))], scores, -np.inf)
    reached = np.cumsum(ops.softmax.reference(scores))
    return int(min(np.searchsorted(reached, chance, side="right"), len(scores) - 1))


@sample_token.cases
def cases(rng):
    scores = np.array([1.0, 3.0, 2.0, -1.0], np.float32)
    yield "temperature 0", dict(scores=scores, temperature=0, top_k=0, chances=[0.0, 0.9])
    # Chances stay away from the borders between two ids, where rounding would decide.
    yield "temperature 1", dict(scores=scores, temperature=1.0, top_k=0, chances=[0.05, 0.3, 0.7, 0.85, 0.999])
    yield "hot: nearly even", dict(scores=scores, temperature=20.0, top_k=0, chances=[0.1, 0.3, 0.6, 0.9])
    yield "cold: nearly the largest", dict(scores=scores, temperature=0.1, top_k=0, chances=[0.01, 0.5, 0.99])
    yield "the two largest", dict(scores=scores, temperature=1.0, top_k=2, chances=[0.01, 0.5, 0.7, 0.8, 0.99])
    below_zero = np.array([-1, -3, -2, -8], np.float32)
    yield "the two largest below zero", dict(scores=below_zero, temperature=1.0, top_k=2, chances=[0.01, 0.5, 0.7, 0.8])
    yield "only the largest", dict(scores=scores, temperature=5.0, top_k=1, chances=[0.0, 0.01, 0.5, 0.99])
    yield "top_k larger than the vocabulary", dict(scores=scores, temperature=2.0, top_k=50, chances=[0.1, 0.5, 0.95])
    yield "large scores", dict(scores=200 * scores, temperature=100.0, top_k=0, chances=[0.05, 0.5, 0.9])
    wide = rng.normal(size=50).astype(np.float32)
    borders = np.cumsum(ops.softmax.reference(wide.astype(np.float64) / 0.7))
    ids = rng.choice(50, size=6, replace=False)
    middles = [float((borders[i] + (borders[i - 1] if i else 0)) / 2) for i in ids]
    yield "some scores", dict(scores=wide, temperature=0.7, top_k=0, chances=middles)


@sample_token.use
def use(answer, scores, temperature, top_k, chances):
    return {f"chance {chance:.4g}": int(answer(scores, temperature, top_k, chance)) for chance in chances}


sample_token.leaves_alone("scores")


@sample_token.mistake("the scores are multiplied by the temperature instead of divided")
def multiplied(scores, temperature, top_k, chance):
    return sample_token.reference(scores, temperature and 1 / temperature, top_k, chance)


@sample_token.mistake("top_k is not used")
def no_top_k(scores, temperature, top_k, chance):
    return sample_token.reference(scores, temperature, 0, chance)


@sample_token.mistake("the largest score always wins, whatever the temperature")
def greedy(scores, temperature, top_k, chance):
    return int(np.argmax(scores))


@sample_token.mistake("the probabilities are divided by the temperature after softmax")
def after_softmax(scores, temperature, top_k, chance):
    if temperature == 0:
        return int(np.argmax(scores))
    chances = ops.softmax.reference(scores.astype(np.float64)) / temperature
    return int(min(np.searchsorted(np.cumsum(chances), chance, side="right"), len(scores) - 1))


@sample_token.mistake("top_k keeps one score too few: the smallest of those that stay goes too")
def one_too_few(scores, temperature, top_k, chance):
    if temperature == 0 or not 0 < top_k < len(scores):
        return sample_token.reference(scores, temperature, top_k, chance)
    least = np.sort(scores)[-top_k]
    with np.errstate(invalid="ignore"):  # of one score none stays
        return sample_token.reference(np.where(scores > least, scores, -np.inf), temperature, 0, chance)


@sample_token.mistake("an id is chosen where the sum reaches the chance; it has to exceed it")
def reached_is_enough(scores, temperature, top_k, chance):
    return sample_token.reference(scores, temperature, top_k, np.nextafter(chance, -1))


@sample_token.mistake("what top_k leaves out gets the score 0 instead of -inf, and can still be chosen")
def zero_instead(scores, temperature, top_k, chance):
    if temperature == 0 or not top_k:
        return sample_token.reference(scores, temperature, top_k, chance)
    least = np.sort(scores)[-min(top_k, len(scores))]
    return sample_token.reference(np.where(scores >= least, scores, 0), temperature, 0, chance)


@sample_token.mistake("the probabilities are added up from the likeliest down, not in the order of ids")
def sorted_first(scores, temperature, top_k, chance):
    order = np.argsort(-scores)
    return int(order[sample_token.reference(scores[order], temperature, top_k, chance)])
