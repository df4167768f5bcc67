"""clipped_loss: make texts with an advantage likelier, but not by much at a time."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def clipped_loss(logprobs, old_logprobs, advantages, mask, clip):
    """logprobs, old_logprobs [N, T] float64: of each token of N texts, by the weights as they are, and as they were
    when the texts were written. advantages [N]: of each text. mask [N, T]: 1 at the tokens that were written, 0
    elsewhere, where the log probabilities may be anything, even NaN.

    r = exp(logprobs - old_logprobs), A the text's advantage, and over all tokens with mask 1

    loss = - mean of min(r A, min(max(r, 1 - clip), 1 + clip) A)

    Returns (loss, gradient of the loss with respect to logprobs [N, T]).
    Source: Schulman et al. 2017 (arXiv:1707.06347), equation 7; the mean over all tokens: Yu et al. 2025
    (arXiv:2503.14476).
    """
    _, plain, clipped, kept = _parts(logprobs, old_logprobs, advantages, mask, clip)
    count = kept.sum()
    loss = -np.where(kept, np.minimum(plain, clipped), 0.0).sum() / count
    return loss, -np.where(kept & (plain <= clipped), plain, 0.0) / count


def _parts(logprobs, old_logprobs, advantages, mask, clip):
    kept = np.asarray(mask) > 0
    ratio = np.exp(np.where(kept, logprobs, 0.0) - np.where(kept, old_logprobs, 0.0))
    advantage = np.asarray(advantages)[:, None]
    return ratio, ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage, kept


@clipped_loss.use
def use(answer, **inputs):
    loss, gradient = answer(**inputs)
    return {"loss": round(float(loss), 9), "gradient": gradient}  # it may be 0 up to rounding


clipped_loss.leaves_alone("logprobs", "old_logprobs", "advantages", "mask")


@clipped_loss.cases
def cases(rng):
    def inputs(ratios, advantages, mask=None, clip=0.2):
        ratios = np.array(ratios, np.float64)
        old = np.log(rng.uniform(0.1, 0.6, size=ratios.shape))
        kept = np.ones(ratios.shape) if mask is None else np.array(mask, np.float64)
        hidden = kept == 0
        new = np.where(hidden, np.nan, old + np.log(ratios))
        return dict(
            logprobs=new, old_logprobs=np.where(hidden, 3.0, old), advantages=np.array(advantages, np.float64),
            mask=kept, clip=clip,
        )  # fmt: skip

    ones = np.ones((4, 3))
    yield "the first update: loss 0, and yet a gradient", inputs(ones, [1.0, -1.0, 1.0, -1.0])
    yield "one token", inputs([[1.1]], [0.7])
    yield "better and already much likelier", inputs([[1.5], [1.1]], [1.0, 1.0])
    yield "better and much less likely", inputs([[0.5], [0.9]], [1.0, 1.0])
    yield "worse and already much less likely", inputs([[0.5], [0.9]], [-1.0, -1.0])
    yield "worse and much likelier", inputs([[1.5], [1.1]], [-1.0, -1.0])
    yield "texts of different length", inputs(
        [[1.1, 0.9, 1.05, 1.0], [0.95, 1.1, 1, 1], [1.05, 1, 1, 1]], [1.0, -0.5, 2.0],
        [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]],
    )  # fmt: skip
    yield "prompts are not learned", inputs([[1, 1, 1.1], [1, 1, 0.7]], [1.0, -1.0], [[0, 0, 1], [0, 1, 1]])
    yield "advantages of 0", inputs([[1.5, 0.5], [1.1, 1.0]], [0.0, 1.0])
    yield "another clip", inputs([[1.25, 1.35, 0.65, 0.75]] * 2, [1.0, -1.0], clip=0.3)
    mask = np.arange(7) < rng.integers(1, 8, size=(6, 1))
    yield "some texts", inputs(np.exp(0.4 * rng.normal(size=(6, 7))), rng.normal(size=6), mask)


def _with(loss_of, slope_of):
    """Another loss and gradient of each token, averaged as asked for. Both are functions of (r, A, rA, clipped)."""

    def mistaken(logprobs, old_logprobs, advantages, mask, clip):
        ratio, plain, clipped, kept = _parts(logprobs, old_logprobs, advantages, mask, clip)
        advantage = np.broadcast_to(np.asarray(advantages)[:, None], ratio.shape)
        loss = np.where(kept, loss_of(ratio, advantage, plain, clipped), 0.0).sum() / kept.sum()
        return loss, np.where(kept, slope_of(ratio, advantage, plain, clipped), 0.0) / kept.sum()

    return mistaken


def _right_loss(ratio, advantage, plain, clipped):
    return -np.minimum(plain, clipped)


def _right_slope(ratio, advantage, plain, clipped):
    return np.where(plain <= clipped, -plain, 0.0)


clipped_loss.mistake("the larger of the two is taken; the smaller one is the careful choice")(
    _with(lambda r, a, p, c: -np.maximum(p, c), lambda r, a, p, c: np.where(p >= c, -p, 0.0))
)
clipped_loss.mistake("nothing is clipped: an update may go as far as it likes")(
    _with(lambda r, a, p, c: -p, lambda r, a, p, c: -p)
)
clipped_loss.mistake("the ratio is always clipped: a text that went the wrong way is not brought back")(
    _with(lambda r, a, p, c: -c, lambda r, a, p, c: np.where(p == c, -p, 0.0))
)
clipped_loss.mistake("the gradient is 0 wherever the ratio is outside; it must pass where r A is the smaller one")(
    _with(_right_loss, lambda r, a, p, c: np.where(p == c, -p, 0.0))
)
clipped_loss.mistake("the gradient passes everywhere, also where the clipped one is the smaller")(
    _with(_right_loss, lambda r, a, p, c: -p)
)
clipped_loss.mistake("the sign is wrong: this makes what did well less likely")(
    _with(lambda *x: -_right_loss(*x), lambda *x: -_right_slope(*x))
)
clipped_loss.mistake("the gradient has the wrong sign: a loss is made smaller")(
    _with(_right_loss, lambda *x: -_right_slope(*x))
)
clipped_loss.mistake("the ratio is missing in the gradient: the derivative of exp is exp itself")(
    _with(_right_loss, lambda r, a, p, c: np.where(p <= c, -a, 0.0))
)
clipped_loss.mistake("no gradient passes within the range, where both are equal: it has to be <= and not <")(
    _with(_right_loss, lambda r, a, p, c: np.where(p < c, -p, 0.0))
)
clipped_loss.mistake("the loss of each token stands in the place of its derivative, which is 0 where it is clipped")(
    _with(_right_loss, _right_loss)
)
clipped_loss.mistake("the gradient is 0 where the loss is 0")(
    lambda *given, **named: _no_gradient_at_zero(*given, **named)
)


def _no_gradient_at_zero(logprobs, old_logprobs, advantages, mask, clip):
    loss, gradient = clipped_loss.reference(logprobs, old_logprobs, advantages, mask, clip)
    return loss, gradient * (abs(loss) > 1e-12)


@clipped_loss.mistake("what the mask hides is multiplied by 0 and not left out: NaN times 0 is NaN")
def multiplied(logprobs, old_logprobs, advantages, mask, clip):
    ratio = np.exp(logprobs - old_logprobs)
    plain = ratio * advantages[:, None]
    clipped = np.clip(ratio, 1 - clip, 1 + clip) * advantages[:, None]
    loss = -(np.minimum(plain, clipped) * mask).sum() / mask.sum()
    return loss, -(plain * (plain <= clipped)) * mask / mask.sum()


@clipped_loss.mistake("the mean is taken over all N x T places, the hidden ones too")
def over_all_places(logprobs, old_logprobs, advantages, mask, clip):
    loss, gradient = clipped_loss.reference(logprobs, old_logprobs, advantages, mask, clip)
    share = (np.asarray(mask) > 0).mean()
    return loss * share, gradient * share


@clipped_loss.mistake("the mean of each text is averaged, so that a token of a short text counts for more")
def by_text(logprobs, old_logprobs, advantages, mask, clip):
    _, plain, clipped, kept = _parts(logprobs, old_logprobs, advantages, mask, clip)
    counts = len(kept) * kept.sum(axis=1, keepdims=True)
    loss = -(np.where(kept, np.minimum(plain, clipped), 0.0) / counts).sum()
    return loss, -np.where(kept & (plain <= clipped), plain, 0.0) / counts


@clipped_loss.mistake("the sum is not divided by the number of tokens")
def summed(logprobs, old_logprobs, advantages, mask, clip):
    loss, gradient = clipped_loss.reference(logprobs, old_logprobs, advantages, mask, clip)
    count = (np.asarray(mask) > 0).sum()
    return loss * count, gradient * count


@clipped_loss.mistake("the ratio is turned round: it must be new over old")
def turned_round(logprobs, old_logprobs, advantages, mask, clip):
    return clipped_loss.reference(old_logprobs, logprobs, advantages, mask, clip)
