"""group_advantage: how much better a text did than the others to the same question."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
def group_advantage(rewards):
    """rewards [Q, S] float64: of S texts to each of Q questions. Returns advantages [Q, S].

    out[q, s] = (rewards[q, s] - mean of rewards[q]) / standard deviation of rewards[q]

    The standard deviation is that of the S numbers themselves: the root of the mean square distance from the mean. A
    row whose rewards are all equal tells nothing: its advantages are 0.
    Source: Shao et al. 2024 (arXiv:2402.03300), GRPO.
    """
    mean, deviation = rewards.mean(axis=1, keepdims=True), rewards.std(axis=1, keepdims=True)
    equal = rewards.max(axis=1, keepdims=True) == rewards.min(axis=1, keepdims=True)
    return np.where(equal, 0.0, (rewards - mean) / np.where(equal, 1.0, deviation))


group_advantage.leaves_alone("rewards")
group_advantage.accuracy = 1e-3  # many programs divide by the deviation plus 1e-4, and that is fine


@group_advantage.cases
def cases(rng):
    def right(*shares):
        """Rows of eight texts, so many of them right."""
        return dict(rewards=np.array([rng.permutation([1.0] * n + [0.0] * (8 - n)) for n in shares]))

    yield "one of eight is right", right(1)
    yield "three questions", right(1, 4, 6)
    yield "all wrong", right(0)
    yield "all right, all wrong, and neither", right(8, 0, 3)
    yield "equal rewards that binary numbers only come near", dict(rewards=np.array([[0.1] * 6, [0.1] * 5 + [0.9]]))
    yield "rewards of any size", dict(rewards=rng.normal(size=(3, 5)))
    yield "questions of different difficulty", dict(rewards=rng.normal(size=(4, 6)) + 5 * np.arange(4)[:, None])
    yield "two texts each", dict(rewards=rng.normal(size=(6, 1)) + [0.0, 1.0] * rng.uniform(0.5, 2, size=(6, 1)))


def _divided(rewards, mean, deviation):
    """As the reference has it, with another mean and deviation."""
    equal = rewards.max(axis=1, keepdims=True) == rewards.min(axis=1, keepdims=True)
    return np.where(equal, 0.0, (rewards - mean) / np.where(deviation == 0, 1.0, deviation))


@group_advantage.mistake(
    "equal rewards are not met: 0 is divided by 0, or rounding by rounding, and one NaN spoils all weights"
)
def divided_by_zero(rewards):
    mean, deviation = rewards.mean(axis=1, keepdims=True), rewards.std(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        return (rewards - mean) / deviation


@group_advantage.mistake("mean and deviation are taken over all questions; each question is its own group")
def over_all(rewards):
    return _divided(rewards, rewards.mean(), np.full((len(rewards), 1), rewards.std()))


@group_advantage.mistake("they are taken over the questions (axis 0) instead of over the texts to one question")
def over_questions(rewards):
    with np.errstate(all="ignore"):
        return np.nan_to_num((rewards - rewards.mean(axis=0)) / rewards.std(axis=0))


@group_advantage.mistake("the deviation divides by S - 1; asked for is that of the S numbers themselves")
def of_a_sample(rewards):
    return _divided(rewards, rewards.mean(axis=1, keepdims=True), rewards.std(axis=1, keepdims=True, ddof=1))


@group_advantage.mistake("the mean is subtracted, but nothing is divided by the standard deviation")
def not_divided(rewards):
    return rewards - rewards.mean(axis=1, keepdims=True)


@group_advantage.mistake("it is divided by the variance, not by its root")
def by_variance(rewards):
    return _divided(rewards, rewards.mean(axis=1, keepdims=True), rewards.var(axis=1, keepdims=True))


@group_advantage.mistake("the mean is not subtracted: texts that are worse than the others are made likelier too")
def no_mean(rewards):
    return _divided(rewards, 0.0, rewards.std(axis=1, keepdims=True))


@group_advantage.mistake("the sign is wrong: what is better than the others must be positive")
def wrong_sign(rewards):
    return -group_advantage.reference(rewards)
