"""accept_sampled: keep a guess of a smaller model so often that the text is drawn as the large model would draw it."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def accept_sampled(target, draft, guess, chance, other_chance):
    """The next id, where a draft model has guessed one.

    target, draft: the probabilities [V] that the model and the draft model give the next id. guess: the id that the
    draft model has drawn. chance, other_chance: random numbers in [0, 1).

    The guess is kept if chance < target[guess] / draft[guess]. Otherwise the id is drawn from what the draft model
    gives too little: max(0, target - draft), divided by its sum; in the order of ids the probabilities are added up,
    and the first id at which the sum exceeds other_chance is the one.
    Source: Leviathan et al. 2022 (arXiv:2211.17192), algorithm 1.
    """
    if chance * draft[guess] < target[guess]:
        return int(guess)
    rest = np.maximum(np.asarray(target, np.float64) - draft, 0)
    reached = np.cumsum(rest / rest.sum())
    return int(min(np.searchsorted(reached, other_chance, side="right"), np.flatnonzero(rest)[-1]))


@accept_sampled.use
def use(answer, target, draft, guess, chances):
    return {
        f"chance {chance:.3g}, other chance {other:.3g}": int(answer(target, draft, guess, chance, other))
        for chance, other in chances
    }


accept_sampled.leaves_alone("target", "draft")


@accept_sampled.cases
def cases(rng):
    def inputs(target, draft, guess, *chances):
        # Chances stay away from the borders between two ids, where rounding would decide.
        return dict(target=np.array(target), draft=np.array(draft), guess=guess, chances=list(chances))

    yield "the model finds the guess likelier", inputs([0.2, 0.7, 0.1], [0.4, 0.5, 0.1], 1, (0.0, 0.9), (0.99, 0.1))
    yield (
        "kept half of the time",
        inputs([0.2, 0.3, 0.5], [0.1, 0.6, 0.3], 1, (0.1, 0.5), (0.45, 0.5), (0.55, 0.2), (0.55, 0.5), (0.9, 0.9)),
    )
    yield "the model would never write it", inputs([0.5, 0.0, 0.5], [0.3, 0.4, 0.3], 1, (0.0, 0.2), (0.4, 0.8))
    yield "the model finds two ids likelier", inputs([0.45, 0.5, 0.05], [0.15, 0.3, 0.55], 1, (0.9, 0.2), (0.7, 0.2))
    yield "one id takes what is missing", inputs([0.1, 0.3, 0.6], [0.5, 0.3, 0.2], 0, (0.5, 0.01), (0.9, 0.99))
    yield "a guess that the draft model finds unlikely", inputs([0.04, 0.96], [0.05, 0.95], 0, (0.7, 0.5), (0.9, 0.5))
    target, draft = (np.exp(rng.normal(scale=2, size=12)) for _ in range(2))
    target, draft = target / target.sum(), draft / draft.sum()
    guess = int(np.argmax(draft - target))
    rest = np.maximum(target - draft, 0)
    borders = np.cumsum(rest / rest.sum())
    middles = [(borders[i] + (borders[i - 1] if i else 0)) / 2 for i in np.flatnonzero(rest > 0.01)]
    kept = target[guess] / draft[guess]
    yield "some probabilities", inputs(target, draft, guess, (kept / 2, 0.5), *((kept / 2 + 0.5, m) for m in middles))


@accept_sampled.mistake("the guess is always kept: the text is drawn as the draft model would draw it")
def always_kept(target, draft, guess, chance, other_chance):
    return int(guess)


@accept_sampled.mistake("the guess is kept only where the model finds it likelier than the draft model does")
def never_by_chance(target, draft, guess, chance, other_chance):
    kept = target[guess] >= draft[guess]
    return int(guess) if kept else accept_sampled.reference(target, draft, guess, np.inf, other_chance)


@accept_sampled.mistake("the ratio is turned round: draft over target")
def turned_round(target, draft, guess, chance, other_chance):
    if chance * target[guess] < draft[guess]:
        return int(guess)
    return accept_sampled.reference(target, draft, guess, np.inf, other_chance)


@accept_sampled.mistake("the guess is kept with the probability target[guess]; the draft model drew it already")
def drawn_twice(target, draft, guess, chance, other_chance):
    if chance < target[guess]:
        return int(guess)
    return accept_sampled.reference(target, draft, guess, np.inf, other_chance)


@accept_sampled.mistake(
    "a guess that is not kept is replaced by a draw from `target`: what the draft likes comes too often"
)
def from_target(target, draft, guess, chance, other_chance):
    if chance * draft[guess] < target[guess]:
        return int(guess)
    return int(min(np.searchsorted(np.cumsum(target), other_chance, side="right"), len(target) - 1))


@accept_sampled.mistake("what is left of the probabilities is not divided by its sum")
def not_normalised(target, draft, guess, chance, other_chance):
    if chance * draft[guess] < target[guess]:
        return int(guess)
    rest = np.maximum(target - draft, 0)
    return int(min(np.searchsorted(np.cumsum(rest), other_chance, side="right"), len(target) - 1))
