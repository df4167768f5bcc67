"""grpo_update: learning from rewards, on a model so small that every probability stands in a table."""

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.exercises.clipped_loss import clipped_loss
from llaisys_mini.exercises.group_advantage import group_advantage


@exercise
def grpo_update(logits, samples, rewards, rate, clip, updates):
    """The model is a table: logits [Q, A] float64 of A answers to each of Q questions. S answers to each question were
    drawn from its softmax: samples [Q, S] int64, with rewards [Q, S].

    Does `updates` steps of gradient descent with this learning rate on the clipped loss of these samples, each of which
    is a text of one token. The old log probabilities are those before the first step. Returns the new logits; the given
    ones are left alone.
    """
    return _updated(logits, samples, group_advantage.reference(rewards), rate, clip, updates)


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _updated(logits, samples, advantages, rate, clip, updates, *, old_moves=False, counted_once=False, softmax=True):
    logits = np.array(logits, np.float64)
    rows = np.arange(len(logits))[:, None]
    ones, old = np.ones((samples.size, 1)), None
    for _ in range(updates):
        now = log_softmax(logits)
        chosen = now[rows, samples].reshape(-1, 1)
        old = chosen if old is None or old_moves else old
        _, slope = clipped_loss.reference(chosen, old, advantages.reshape(-1), ones, clip)
        slope = slope.reshape(samples.shape)
        gradient = -slope.sum(axis=1, keepdims=True) * np.exp(now) if softmax else np.zeros_like(logits)
        if counted_once:
            gradient[rows, samples] += slope
        else:
            np.add.at(gradient, (rows, samples), slope)
        logits -= rate * gradient
    return logits


@grpo_update.use
def use(answer, logits, samples, rewards, rate, updates, clip=0.2, steps=0, seed=0):
    if not steps:
        return answer(logits, samples, rewards, rate, clip, updates)
    return _training(answer, logits, rate, clip, updates, steps, seed)


def _training(answer, logits, rate, clip, updates, steps, seed):
    """Learn what a - b is, from rewards alone: question 10 a + b, answers -9 to 9. The chance of a right answer."""
    rng = np.random.default_rng(seed)
    right = np.subtract.outer(np.arange(10), np.arange(10)).reshape(-1) + 9
    chances = {}
    for step in range(steps + 1):
        probabilities = np.exp(log_softmax(logits))
        if step % (steps // 3) == 0:
            chances[f"chance of a right answer after {step} calls"] = probabilities[np.arange(100), right].mean()
        draws = rng.random((100, 8))
        samples = (draws[:, :, None] > probabilities.cumsum(axis=1)[:, None, :-1]).sum(axis=2)
        rewards = (samples == right[:, None]).astype(np.float64)
        logits = np.array(answer(logits.copy(), samples, rewards, rate, clip, updates), np.float64)
    return chances


grpo_update.builds_on("group_advantage", "clipped_loss")
grpo_update.leaves_alone("logits", "samples", "rewards")


@grpo_update.cases
def cases(rng):
    def inputs(questions, answers, samples, rate=5.0, updates=1, clip=0.2):
        return dict(
            logits=rng.normal(size=(questions, answers)),
            samples=rng.integers(0, answers, size=(questions, samples)),
            rewards=rng.integers(0, 2, size=(questions, samples)).astype(np.float64),
            rate=rate, clip=clip, updates=updates,
        )  # fmt: skip

    one = inputs(1, 4, 4)
    yield "one question", one | dict(samples=np.array([[0, 1, 2, 3]]), rewards=np.array([[1.0, 0, 0, 0]]))
    yield (
        "the same answer drawn twice",
        one | dict(samples=np.array([[2, 2, 0, 1]]), rewards=np.array([[1.0, 1, 0, 0]])),
    )
    yield "nothing right: the table stays", one | dict(rewards=np.zeros((1, 4)))
    yield "several questions", inputs(6, 5, 8)
    yield "two updates", inputs(3, 4, 6, updates=2, rate=2.0)
    far = inputs(2, 3, 4, updates=4, rate=8.0)
    yield (
        "so far that it is clipped",
        far | dict(samples=np.array([[0, 1, 2, 1], [2, 0, 0, 1]]), rewards=np.array([[1.0, 0, 0, 0], [0, 1, 1, 0]])),
    )
    seed = int(rng.integers(2**31))
    table = 0.5 * np.random.default_rng(seed).normal(size=(100, 19))
    nothing = dict(samples=np.zeros((100, 8), np.int64), rewards=np.zeros((100, 8)))  # drawn on the way
    yield "a training", dict(logits=table, **nothing, rate=150.0, updates=2, steps=60, seed=seed)


def _mistaken(advantages_of=group_advantage.reference, **changes):
    def mistaken(logits, samples, rewards, rate, clip, updates):
        return _updated(logits, samples, advantages_of(rewards), rate, clip, updates, **changes)

    return mistaken


grpo_update.mistake("the answer that was drawn is moved alone: the others share one probability with it, see softmax")(
    _mistaken(softmax=False)
)
grpo_update.mistake("an answer that was drawn twice counts once: `gradient[rows, samples] +=` adds once to a place")(
    _mistaken(counted_once=True)
)
grpo_update.mistake("the old log probabilities are taken anew in each update, so the ratio is always 1")(
    _mistaken(old_moves=True)
)
grpo_update.mistake("the rewards take the place of the advantages")(_mistaken(lambda rewards: rewards))
grpo_update.mistake("the step goes uphill: the gradient of a loss has to be subtracted")(
    _mistaken(lambda rewards: -group_advantage.reference(rewards))
)


@grpo_update.mistake("only one update is done, however many are asked for")
def one_update(logits, samples, rewards, rate, clip, updates):
    return grpo_update.reference(logits, samples, rewards, rate, clip, 1)
