"""best_of_n: many tries at one question, and a judge that gives each a score."""

import math

from llaisys_mini.exercise import exercise


@exercise
def best_of_n(answers, scores, together):
    """answers: a list of numbers, one of each try; None where none could be read. scores: a float for each; NaN where
    the judge failed. Tries without an answer or without a score do not count.

    together False: returns the answer of the try with the highest score. together True: the scores of tries with the
    same answer are added up, and the answer with the highest sum is returned. Of several the one that was given first;
    None if no try counts. Source: Cobbe et al. 2021 (arXiv:2110.14168); added up: Li et al. 2022 (arXiv:2206.02336).
    """
    sums: dict[int, float] = {}
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None and not math.isnan(score):
            if together:
                sums[answer] = sums.get(answer, 0.0) + score
            else:
                sums[answer] = max(sums.get(answer, -math.inf), score)
    return max(sums, key=sums.__getitem__, default=None)


best_of_n.leaves_alone("answers", "scores")


@best_of_n.use
def use(answer, answers, scores):
    return {
        "together False": answer(list(answers), list(scores), False),
        "together True": answer(list(answers), list(scores), True),
    }


@best_of_n.cases
def cases(rng):
    nan = math.nan
    yield "one is best", dict(answers=[10, 12, 11], scores=[0.2, 0.9, 0.5])
    yield "two that agree outweigh one", dict(answers=[7, 9, 7, 8], scores=[0.5, 0.8, 0.6, 0.1])
    yield "a tie", dict(answers=[5, 3, 4], scores=[0.75, 0.5, 0.75])
    yield "a judge that failed", dict(answers=[1, 2, 3, 2], scores=[0.5, nan, 0.25, 0.125])
    yield "the judge failed at first", dict(answers=[6, 4, 5], scores=[nan, 0.5, 0.25])
    yield "no answer got the best score", dict(answers=[None, 20, 21], scores=[0.9, 0.5, 0.25])
    yield "scores below 0", dict(answers=[30, 31, 31], scores=[-1.5, -1.0, -1.0])
    yield "nothing counts", dict(answers=[None, 2], scores=[0.5, nan])
    yield (
        "some tries",
        dict(answers=[int(a) for a in rng.integers(0, 5, size=16)], scores=[float(s) for s in rng.random(16)]),
    )


@best_of_n.mistake("`together` is not used: the best single try is always taken")
def always_single(answers, scores, together):
    return best_of_n.reference(answers, scores, False)


@best_of_n.mistake("`together` is not used: the scores are always added up")
def always_added(answers, scores, together):
    return best_of_n.reference(answers, scores, True)


@best_of_n.mistake("every comparison with NaN is false: a judge that failed decides which try is taken")
def nan_decides(answers, scores, together):
    if together:
        return best_of_n.reference(answers, scores, True)
    tries = [number for number, answer in enumerate(answers) if answer is not None]
    return answers[max(tries, key=lambda number: scores[number])] if tries else None


@best_of_n.mistake("the lowest score is taken")
def lowest(answers, scores, together):
    return best_of_n.reference(answers, [-score for score in scores], together)


@best_of_n.mistake("a text without an answer is returned because its score is the best")
def none_wins(answers, scores, together):
    named = ["nothing" if answer is None else answer for answer in answers]
    found = best_of_n.reference(named, scores, together)
    return None if found == "nothing" else found


@best_of_n.mistake("the scores of the same answer are averaged, not added up")
def averaged(answers, scores, together):
    if not together:
        return best_of_n.reference(answers, scores, False)
    counted = [a for a, s in zip(answers, scores, strict=True) if a is not None and not math.isnan(s)]
    shares = [score / max(1, counted.count(answer)) for answer, score in zip(answers, scores, strict=True)]
    return best_of_n.reference(answers, shares, True)


@best_of_n.mistake("the scores are looked at only to break a tie: most tries decide")
def voted(answers, scores, together):
    return best_of_n.reference(answers, [1 + 1e-6 * score for score in scores], True)
