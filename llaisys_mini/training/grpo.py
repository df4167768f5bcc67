"""GRPO: a model writes several answers to each question, a verifier says which are right, and the answers that did
better than the others to the same question become likelier.

    questions   sums or differences, drawn anew in each step
    texts       `samples` for each, written by the engine with the weights as they are
    rewards     1 or 0, by the verifier
    advantages  exercises/group_advantage.py; questions with equal rewards teach nothing and are left out
    updates     exercises/clipped_loss.py on the tape, then AdamW

The two exercises answer here: the learner's own where they passed. There is no reference model and no penalty for going
away from it; what else became of the model is measured before and after, on text that has nothing to do with sums.

Source: Shao et al. 2024 (arXiv:2402.03300). Without the penalty, and with the mean over all tokens: Yu et al. 2025
(arXiv:2503.14476).
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from llaisys_mini import exercises
from llaisys_mini.errors import TrainingError
from llaisys_mini.training import optimisers, sums
from llaisys_mini.training.policy import Batch, Policy, Text

_MEASURED, _LEARNED = 1, 2  # streams of random numbers


@dataclass(frozen=True)
class GrpoRecipe:
    """steps: each over `samples` texts to each of `questions` questions, with so many `updates`.
    digits, second_digits, sign: of the two numbers of a question. rate: of AdamW. clip: how far an update may go, see
    clipped_loss. longest_gradient: to which gradients are clipped. longest: tokens of a text. measured, tries:
    questions that measure the model before and after, and texts to each.
    """

    steps: int = 50
    questions: int = 12
    samples: int = 8
    updates: int = 2
    digits: int = 2
    second_digits: int = 1
    sign: str = "+"
    rate: float = 6e-5
    clip: float = 0.2
    longest_gradient: float = 1.0
    longest: int = 24
    measured: int = 50
    tries: int = 16
    seed: int = 1

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise TrainingError("at least two texts to each question are needed: each is compared with the others")
        if min(self.digits, self.second_digits) < 1:
            raise TrainingError("numbers have at least one digit")
        if self.sign not in ("+", "-"):
            raise TrainingError(f"the sign must be + or -, not {self.sign!r}")

    @property
    def numbers(self) -> tuple[int, int]:
        """How many digits the two numbers of a question have."""
        return self.digits, self.second_digits

    def as_dict(self) -> dict:
        """All settings by name, as they are written to JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Step:
    """reward: the mean of all texts. mixed: questions whose rewards were not all equal. loss: of the first update, and
    `last_loss` of the last one; length: of the gradients of the first. NaN where nothing could be learned."""

    reward: float
    mixed: int
    loss: float = math.nan
    last_loss: float = math.nan
    length: float = math.nan


class Run:
    """A training between two steps."""

    def __init__(self, recipe: GrpoRecipe, policy: Policy):
        self.recipe, self.policy = recipe, policy
        self.steps: list[Step] = []
        self._updates = 0
        self._adamw = optimisers.AdamW(policy.weights, policy.weights, decay=0.0)

    def take_step(self) -> Step:
        """Write, verify, learn. Raises TrainingError if loss or gradients are no finite numbers; the weights are as
        before then."""
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, _LEARNED, len(self.steps)])
        asked = [sums.draw(rng, recipe.numbers, recipe.sign) for _ in range(recipe.questions)]
        groups, rewards = self._tried(asked, recipe.samples, rng)
        mixed = rewards.min(axis=1) != rewards.max(axis=1)
        step = Step(float(rewards.mean()), int(mixed.sum()))
        if mixed.any():
            advantages = exercises.get("group_advantage")(rewards[mixed])
            texts = [text for group, learned in zip(groups, mixed, strict=True) if learned for text in group]
            step = self._learn(step, texts, np.asarray(advantages).reshape(-1))
        self.steps.append(step)
        return step

    def _learn(self, step: Step, texts: list[Text], advantages: np.ndarray) -> Step:
        batch, old = Batch.of(texts), None
        losses, lengths = [], []
        for _ in range(self.recipe.updates):
            logprobs = self.policy.logprobs(batch)
            old = logprobs.values if old is None else old  # before the first update the weights are those that wrote
            loss, gradient = exercises.get("clipped_loss")(
                logprobs.values, old, advantages, batch.mask, self.recipe.clip
            )
            gradients = logprobs.backward(np.asarray(gradient))
            length = optimisers.clip(gradients, self.recipe.longest_gradient)
            if not math.isfinite(loss + length):
                raise TrainingError(
                    f"the {'gradient' if math.isfinite(loss) else 'loss'} of step {len(self.steps) + 1} is no finite "
                    "number: the learning rate is too high, or group_advantage or clipped_loss is wrong"
                )
            self._updates += 1
            self._adamw.step(gradients, self.recipe.rate, self._updates)
            losses.append(float(loss))
            lengths.append(length)
        return Step(step.reward, step.mixed, losses[0], losses[-1], lengths[0])

    def measure(self, sign: str) -> list[int]:
        """How many of the tries at each measured question with this sign are right."""
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, _MEASURED, ord(sign)])
        asked = [sums.draw(rng, recipe.numbers, sign, held_out=True) for _ in range(recipe.measured)]
        _, rewards = self._tried(asked, recipe.tries, rng)
        return [int(count) for count in rewards.sum(axis=1)]

    def _tried(
        self, asked: list[sums.Sum], samples: int, rng: np.random.Generator
    ) -> tuple[list[list[Text]], np.ndarray]:
        """So many texts to each question, and their rewards [questions, samples]."""
        prompts = [self.policy.prompt(each.question) for each in asked]
        groups = self.policy.write(prompts, samples, rng, self.recipe.longest)
        rewards = [[each.reward(text.said) for text in group] for each, group in zip(asked, groups, strict=True)]
        return groups, np.array(rewards)
