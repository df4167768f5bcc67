"""majority: many tries at one question, and the answer that most of them agree on."""

from llaisys_mini.exercise import exercise


@exercise
def majority(answers):
    """answers: a list of numbers, one of each try; None where no answer could be read in the text.

    Returns the answer that was given most often, and of several such the one that was given first. None does not count;
    if there is nothing else, None is returned. Source: Wang et al. 2022 (arXiv:2203.11171), self-consistency.
    """
    given = [answer for answer in answers if answer is not None]
    return max(given, key=given.count) if given else None


majority.leaves_alone("answers")


@majority.cases
def cases(rng):
    yield "two of three", dict(answers=[12, 15, 12])
    yield "the first is alone", dict(answers=[7, 3, 3, 3, 9])
    yield "a tie", dict(answers=[8, 5, 8, 5, 1])
    yield "a tie, the smaller first", dict(answers=[4, 9, 4, 9, 6])
    yield "most gave no answer", dict(answers=[None, None, 31, None])
    yield "no answer at all", dict(answers=[None, None])
    yield "the answer 0", dict(answers=[0, 0, 5, None, None, None])
    yield "some answers", dict(answers=[int(number) for number in 100 + rng.integers(0, 6, size=31)])


@majority.mistake("texts without an answer are counted as if they agreed on one")
def none_counts(answers):
    return max(answers, key=answers.count)


@majority.mistake("of two answers that were given equally often the smaller one is taken, not the one given first")
def smaller_of_a_tie(answers):
    given = sorted(answer for answer in answers if answer is not None)
    return max(given, key=given.count) if given else None


@majority.mistake("of two answers that were given equally often the last one is taken, not the one given first")
def last_of_a_tie(answers):
    given = [answer for answer in answers if answer is not None]
    return max(reversed(given), key=given.count) if given else None


@majority.mistake("the first answer is taken, whatever the others say")
def first(answers):
    return next((answer for answer in answers if answer is not None), None)


@majority.mistake("0 is taken for no answer: `if answer` is false for it too")
def zero_is_nothing(answers):
    given = [answer for answer in answers if answer]
    return max(given, key=given.count) if given else None


@majority.mistake("answers are sorted and the middle one is taken: that is the median")
def median(answers):
    given = sorted(answer for answer in answers if answer is not None)
    return given[len(given) // 2] if given else None
