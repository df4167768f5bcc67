"""speculate: write a text with guesses that the model looks at several at a time."""

from llaisys_mini.exercise import exercise


@exercise
def speculate(text, count, guess, model):
    """Write `count` ids behind `text`, the same as one by one, in fewer passes of the model where guesses are right.

    guess(text): ids that may come next, any number of them. model(text, wanted): one pass; for each of the last
    `wanted` ids of `text` the id that the model puts behind it.

    Each pass looks at the text and at what was guessed behind it, and asks for one id behind the text and one behind
    each guess. Guesses count up to the first one that the model would not have written; the model's own id comes behind
    them. No more is guessed than there is room for: a pass with g guesses writes up to g + 1 ids.

    Returns the list of the `count` new ids.
    Source: Leviathan et al. 2022 (arXiv:2211.17192), where the likeliest id is always taken.
    """
    new = []
    while len(new) < count:
        guessed = guess(text + new)[: count - len(new) - 1]
        said = model(text + new + guessed, len(guessed) + 1)
        right = 0
        while right < len(guessed) and guessed[right] == said[right]:
            right += 1
        new += said[: right + 1]
    return new


@speculate.trace
def use(answer, log, text, count, story, guesses):
    """story: what the model writes, the ids of `text` included. guesses: how many ids are guessed at each place of the
    story, and how many of these are right. Every pass of the model is an event."""

    def guess(so_far):
        many, right = guesses[len(so_far) % len(guesses)]
        true = story[len(so_far) : len(so_far) + right]
        return true + [_WRONG + len(so_far) + n for n in range(many - len(true))]

    def model(so_far, wanted):
        said = [_next(story, so_far[: len(so_far) - wanted + 1 + n]) for n in range(wanted)]
        log.note(f"a pass over {len(so_far)} ids, the last {wanted} of them {list(so_far[-wanted:])}", said)
        return said

    log.ask("the new ids", answer, list(text), count, guess, model)


_WRONG = 900


def _next(story, so_far):
    """What the model writes behind a text: the story as long as it is the story, else something that depends on it."""
    if list(so_far) == story[: len(so_far)] and len(so_far) < len(story):
        return story[len(so_far)]
    return 500 + sum(so_far) % 97


@speculate.cases
def cases(rng):
    def inputs(guesses, count=8, prompt=3):
        story = rng.integers(0, 100, size=prompt + count + 12).tolist()
        return dict(text=story[:prompt], count=count, story=story, guesses=guesses)

    yield "nothing is guessed", inputs([(0, 0)])
    yield "every guess is right", inputs([(3, 3)])
    yield "every guess is wrong", inputs([(2, 0)])
    yield "the first of three is right", inputs([(3, 1)], count=7)
    yield "more is guessed than there is room for", inputs([(9, 9)], count=5)
    yield "one id", inputs([(4, 4)], count=1)
    yield "two ids, guessed wrongly", inputs([(4, 0)], count=2)
    yield "now and then", inputs([(0, 0), (3, 2), (1, 1), (4, 0)], count=12)
    yield "right, wrong, and right again is wrong", inputs([(5, 2)], count=11, prompt=1)
    pairs = [(int(many), int(rng.integers(0, many + 1))) for many in rng.integers(0, 6, size=5)]
    yield "any guesses", inputs([*pairs, (3, 1)], count=20)


@speculate.mistake("guesses are written down whether the model agrees or not: the text changes")
def unchecked(text, count, guess, model):
    new = []
    while len(new) < count:
        guessed = guess(text + new)[: count - len(new) - 1]
        new += guessed + model(text + new + guessed, len(guessed) + 1)[-1:]
    return new


@speculate.mistake("a guess behind a wrong one is kept: the model has read it behind a text that is not there")
def behind_a_wrong_one(text, count, guess, model):
    new = []
    while len(new) < count:
        guessed = guess(text + new)[: count - len(new) - 1]
        said = model(text + new + guessed, len(guessed) + 1)
        new += said if guessed else said[:1]
    return new


@speculate.mistake("the id that the model puts behind the right guesses is thrown away: it was free")
def nothing_free(text, count, guess, model):
    new = []
    while len(new) < count:
        guessed = guess(text + new)[: count - len(new) - 1]
        said = model(text + new + guessed, len(guessed) + 1)
        right = 0
        while right < len(guessed) and guessed[right] == said[right]:
            right += 1
        new += said[: max(1, right)]
    return new


@speculate.mistake("each guess is looked at in a pass of its own: nothing is saved")
def one_by_one(text, count, guess, model):
    new = []
    while len(new) < count:
        new += model(text + new, 1)
    return new


@speculate.mistake("guesses are compared with the id that comes behind them, and not with the one in their place")
def off_by_one(text, count, guess, model):
    new = []
    while len(new) < count:
        guessed = guess(text + new)[: count - len(new) - 1]
        said = model(text + new + guessed, len(guessed) + 1)
        right = 0
        while right < len(guessed) and guessed[right] == said[right + 1]:
            right += 1
        new += said[: right + 1]
    return new


@speculate.mistake("more is guessed than there is room for: rows are computed for ids that nobody wants")
def beyond_the_end(text, count, guess, model):
    new = []
    while len(new) < count:
        guessed = guess(text + new)
        said = model(text + new + guessed, len(guessed) + 1)
        right = 0
        while right < len(guessed) and guessed[right] == said[right]:
            right += 1
        new += said[: right + 1]
    return new[:count]
