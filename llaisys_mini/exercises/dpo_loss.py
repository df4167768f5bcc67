"""dpo_loss: learn from pairs of texts which of two people prefer, without a reward model."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    """Each [N] float64, the log probability of a whole text: by the model that learns, of the text that was preferred
    (chosen) and of the other one (rejected), and of the same two by the model as it was before.

    z = beta ((chosen - reference_chosen) - (rejected - reference_rejected))

    Returns (loss, gradient): the mean of -log sigmoid(z) = log(1 + exp(-z)), and its gradient with respect to `chosen`
    [N].
    Source: Rafailov et al. 2023 (arXiv:2305.18290), equation 7.
    """
    return _loss(beta * ((chosen - reference_chosen) - (rejected - reference_rejected)), beta)


def _loss(z, beta):
    loss = np.maximum(-z, 0) + np.log1p(np.exp(-np.abs(z)))
    sigmoid_of_minus = np.exp(np.minimum(-z, 0) - np.log1p(np.exp(-np.abs(z))))
    return loss.mean(), -beta * sigmoid_of_minus / len(z)


@dpo_loss.use
def use(answer, **inputs):
    loss, gradient = answer(**inputs)
    return {"loss": loss, "gradient": gradient}


dpo_loss.leaves_alone("chosen", "rejected", "reference_chosen", "reference_rejected")


@dpo_loss.cases
def cases(rng):
    def inputs(count, moved=2.0, beta=0.1):
        before = -40 + 10 * rng.normal(size=(2, count))
        after = before + moved * rng.normal(size=(2, count))
        return dict(
            chosen=after[0], rejected=after[1], reference_chosen=before[0], reference_rejected=before[1], beta=beta
        )

    yield "the first step: log 2", inputs(3, moved=0.0)
    yield "one pair", inputs(1)
    yield "several pairs", inputs(6)
    yield "another beta", inputs(4, beta=0.5)
    far = inputs(4)
    yield "far right and far wrong", far | dict(chosen=far["reference_chosen"] + np.array([9e3, -9e3, 4e4, -4e4]))
    yield "some pairs", inputs(int(rng.integers(2, 20)), moved=10.0)


def _mistaken(z_of, loss_of=_loss):
    def mistaken(chosen, rejected, reference_chosen, reference_rejected, beta):
        return loss_of(z_of(chosen - reference_chosen, rejected - reference_rejected, beta), beta)

    return mistaken


def _right(a, b, beta):
    return beta * (a - b)


dpo_loss.mistake("the model that learns is its own reference: the loss stays at log 2 = 0.6931 and says nothing")(
    _mistaken(lambda a, b, beta: 0 * a)
)
dpo_loss.mistake("chosen and rejected are swapped")(_mistaken(lambda a, b, beta: beta * (b - a)))
dpo_loss.mistake("beta is missing in the gradient")(_mistaken(_right, lambda z, beta: (_loss(z, 1)[0], _loss(z, 1)[1])))
dpo_loss.mistake("the sign of the gradient is wrong: a loss falls when what was preferred becomes likelier")(
    _mistaken(_right, lambda z, beta: (_loss(z, beta)[0], -_loss(z, beta)[1]))
)
dpo_loss.mistake("the sum over the pairs is returned, not the mean")(
    _mistaken(_right, lambda z, beta: tuple(len(z) * part for part in _loss(z, beta)))
)
dpo_loss.mistake("only the preferred text is looked at, so that both may become likelier")(
    _mistaken(lambda a, b, beta: beta * a)
)


@dpo_loss.mistake("the reference is left out: a text that was likely before seems to be preferred")
def no_reference(chosen, rejected, reference_chosen, reference_rejected, beta):
    return _loss(beta * (chosen - rejected), beta)


@dpo_loss.mistake("beta is not used")
def no_beta(chosen, rejected, reference_chosen, reference_rejected, beta):
    return _loss((chosen - reference_chosen) - (rejected - reference_rejected), 1.0)


@dpo_loss.mistake("exp overflows: the log of a sigmoid has to be computed without the sigmoid")
def overflows(chosen, rejected, reference_chosen, reference_rejected, beta):
    with np.errstate(all="ignore"):
        sigmoid = 1 / (1 + np.exp(-beta * ((chosen - reference_chosen) - (rejected - reference_rejected))))
        return float(-np.log(sigmoid).mean()), -beta * (1 - sigmoid) / len(chosen)
