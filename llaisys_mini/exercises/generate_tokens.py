"""generate_tokens: the loop that makes a text of a forward pass, one token at a time."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def generate_tokens(forward, choose, prompt, most, stop_ids):
    """Yields the ids that follow the list of ids `prompt`, each as soon as it is chosen, at most `most` of them.

    forward(ids): scores [V] of the token that follows the int64 array `ids`; it remembers all ids that it was given
    before. choose(scores): an id. An id in `stop_ids` ends the text and is not yielded.
    """
    new = list(prompt)
    for _ in range(most):
        token = choose(forward(np.array(new, np.int64)))
        if token in stop_ids:
            return
        yield token
        new = [token]


@generate_tokens.trace
def listen(answer, log, prompt, says, most, stop_ids, leaves_after):
    """says: the ids that will be chosen, one after the other. leaves_after: the reader stops after so many."""
    vocabulary = max([*prompt, *says, *stop_ids]) + 1
    turn = iter(says)
    passes = 0

    def scores_of_pass():
        return np.full(vocabulary, passes, np.float32)  # told apart by their numbers: what crosses a line is a copy

    def forward(ids):
        nonlocal passes
        is_array = isinstance(ids, np.ndarray) and ids.dtype == np.int64 and ids.ndim == 1
        log.note(f"forward pass over {[int(i) for i in ids]}" + ("" if is_array else ", which is no int64 array"))
        passes += 1
        return scores_of_pass()

    def choose(scores):
        log.note("choose" + ("" if np.array_equal(scores, scores_of_pass()) else ", but not from the last scores"))
        return next(turn, 0)

    for read, token in enumerate(answer(forward, choose, list(prompt), most, tuple(stop_ids)), start=1):
        log.note(f"the reader sees {int(token)}")
        if read == leaves_after:
            log.note("the reader leaves")
            return
    log.note("the text has ended")


@generate_tokens.cases
def cases(rng):
    def inputs(prompt, says, most, stop_ids=(2,), leaves_after=None):
        return dict(prompt=prompt, says=says, most=most, stop_ids=list(stop_ids), leaves_after=leaves_after)

    yield "three tokens", inputs([5, 6, 7], [8, 9, 10, 11], 3)
    yield "a stop token", inputs([5, 6], [8, 9, 2, 11, 12], 10)
    yield "a stop token at once", inputs([5], [2, 7], 4)
    yield "two stop tokens", inputs([5, 3], [8, 4, 9, 10], 8, stop_ids=(2, 4))
    yield "a stop token in the prompt", inputs([2, 5, 2], [8, 9], 2)
    yield "no token at all", inputs([5, 6], [8], 0)
    yield "the reader leaves early", inputs([5, 6], [8, 9, 10, 11, 12], 5, leaves_after=2)
    prompt, says = ([int(i) for i in rng.integers(3, 50, size=size)] for size in (4, 12))
    yield "some tokens", inputs(prompt, [*says, 2, 7], 20)


@generate_tokens.mistake(
    "the whole text goes through the forward pass for every token; the cache holds all but the newest one"
)
def whole_text(forward, choose, prompt, most, stop_ids):
    text = list(prompt)
    for _ in range(most):
        token = choose(forward(np.array(text, np.int64)))
        if token in stop_ids:
            return
        yield token
        text.append(token)


@generate_tokens.mistake("the tokens come in a list at the end; yield each one as soon as it is chosen")
def all_at_the_end(forward, choose, prompt, most, stop_ids):
    return list(generate_tokens.reference(forward, choose, prompt, most, stop_ids))


@generate_tokens.mistake("the stop token is yielded, and then the text ends")
def stop_shown(forward, choose, prompt, most, stop_ids):
    new = list(prompt)
    for _ in range(most):
        token = choose(forward(np.array(new, np.int64)))
        yield token
        if token in stop_ids:
            return
        new = [token]


@generate_tokens.mistake("stop tokens are not looked at: the text goes on to its full length")
def never_stops(forward, choose, prompt, most, stop_ids):
    return generate_tokens.reference(forward, choose, prompt, most, ())


@generate_tokens.mistake("the prompt goes in token by token; its tokens can share one forward pass")
def prompt_by_tokens(forward, choose, prompt, most, stop_ids):
    for token in prompt[:-1] if most else []:
        forward(np.array([token], np.int64))
    yield from generate_tokens.reference(forward, choose, prompt[-1:], most, stop_ids)


@generate_tokens.mistake("a forward pass is made for the last token too, whose scores nobody needs")
def one_pass_too_many(forward, choose, prompt, most, stop_ids):
    if most == 0:
        return
    scores = forward(np.array(prompt, np.int64))
    for _ in range(most):
        token = choose(scores)
        if token in stop_ids:
            return
        yield token
        scores = forward(np.array([token], np.int64))


@generate_tokens.mistake("the pass gets a list of ids; it takes an int64 array")
def lists(forward, choose, prompt, most, stop_ids):
    return generate_tokens.reference(lambda ids: forward(ids.tolist()), choose, prompt, most, stop_ids)


@generate_tokens.mistake("each token is yielded only after the next forward pass: the reader waits one pass too long")
def one_late(forward, choose, prompt, most, stop_ids):
    waiting = None
    new = list(prompt)
    for _ in range(most):
        token = choose(forward(np.array(new, np.int64)))
        if waiting is not None:
            yield waiting
        waiting = None if token in stop_ids else token
        if waiting is None:
            return
        new = [token]
    if waiting is not None:
        yield waiting
