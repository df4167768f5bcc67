"""train_steps: the loop of a training, from gradients in parts to weights."""

import math

import numpy as np

from llaisys_mini.exercise import exercise
from llaisys_mini.exercises import adamw_step as adamw


@exercise
def train_steps(weights, steps, loss_and_gradients, rate, warm_up, decay, longest):
    """Train a model, one step for each entry of `steps`.

    weights: name -> float64 array. steps: for each step a list of parts (ids, targets): what does not fit into memory
    at once. loss_and_gradients(weights, ids, targets) returns (loss, count, gradients): the *sum* of the losses of a
    part over the `count` targets that are not -1, and the gradients of that sum by name. Parts differ in count.

    For step t = 0, 1, ...:

        loss, gradients   the means over all counted targets of all parts of the step
        clip              if all gradients together, as one vector, are longer than `longest`: scaled to that length
        pace              min((t + 1) / warm_up, (T - t) / max(1, T - warm_up), 1), T = len(steps)
        update            of every array, as exercise `adamw_step` has it (lab 04), with the rate rate * pace, the
                          number t + 1, and the decay for arrays of two dimensions; those of one do not decay

    Returns (weights, losses): the trained weights, and the loss of each step before its update. The arrays in `weights`
    are left alone.
    """
    return trained(weights, steps, loss_and_gradients, rate, warm_up, decay, longest)


def mean_over_targets(parts, weights, loss_and_gradients):
    """The mean loss over all targets of the parts, and its gradients."""
    total, targets = 0.0, 0
    sums = {name: np.zeros_like(array) for name, array in weights.items()}
    for ids, wanted in parts:
        loss, count, gradients = loss_and_gradients(weights, ids, wanted)
        total, targets = total + loss, targets + count
        for name in sums:
            sums[name] = sums[name] + gradients[name]
    return total / targets, {name: array / targets for name, array in sums.items()}


def clipped(gradients, longest):
    length = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
    return {name: gradient * min(1.0, longest / length) for name, gradient in gradients.items()}


def pace_of(t, steps, warm_up):
    return min((t + 1) / warm_up, (steps - t) / max(1, steps - warm_up), 1.0)


def is_matrix(array):
    return array.ndim == 2


def trained(
    weights, steps, loss_and_gradients, rate, warm_up, decay, longest,
    gather=mean_over_targets, clip=clipped, pace=pace_of, decays=is_matrix, first=1,
):  # fmt: skip
    """The loop; the last arguments are what mistakes replace."""
    weights = dict(weights)
    means = {name: (np.zeros_like(array), np.zeros_like(array)) for name, array in weights.items()}
    losses = []
    for t, parts in enumerate(steps):
        loss, gradients = gather(parts, weights, loss_and_gradients)
        gradients = clip(gradients, longest)
        losses.append(loss)
        for name, array in weights.items():
            now, own = rate * pace(t, len(steps), warm_up), decay if decays(array) else 0.0
            weights[name], *state = adamw.adamw_step.reference(
                array, gradients[name], *means[name], t + first, now, own
            )
            means[name] = tuple(state)
    return weights, np.array(losses)


train_steps.builds_on("adamw_step")


def bigram(weights, ids, targets):
    """A language model as small as can be: the logits of the next token from the embedding of one, scaled."""
    inputs = weights["embeddings"][ids] * weights["scale"]  # [N, E]
    logits = inputs @ weights["head"].T  # [N, V]
    logits = logits - logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    chances /= chances.sum(axis=1, keepdims=True)
    counted = targets >= 0
    rows = np.arange(len(ids))[counted]
    loss = -np.log(chances[rows, targets[counted]]).sum()
    of_logits = np.where(counted[:, None], chances, 0.0)
    of_logits[rows, targets[counted]] -= 1
    of_inputs = of_logits @ weights["head"]
    of_embeddings = np.zeros_like(weights["embeddings"])
    np.add.at(of_embeddings, ids, of_inputs * weights["scale"])
    of_scale = (of_inputs * weights["embeddings"][ids]).sum(axis=0)
    return loss, int(counted.sum()), dict(embeddings=of_embeddings, scale=of_scale, head=of_logits.T @ inputs)


@train_steps.use
def use(answer, weights, **inputs):
    before = {name: array.copy() for name, array in weights.items()}
    given = dict(weights)
    trained_weights, losses = answer(given, loss_and_gradients=bigram, **inputs)
    kept = all(np.array_equal(weights[name], before[name]) for name in before)
    return {
        "losses": np.asarray(losses),
        **{name: trained_weights[name] for name in before},
        "the given weights": "as they were" if kept else "changed by the answer",
    }


@train_steps.cases
def cases(rng):
    def inputs(steps, parts, width=4, words=12, rate=0.05, warm_up=3, decay=0.1, longest=1.0):
        """Texts in which a word mostly follows the one before it in the list. parts: tokens of each part of a step."""

        def part(size):
            ids = rng.integers(0, words, size=size)
            targets = np.where(rng.random(size) < 0.8, (ids + 1) % words, rng.integers(0, words, size=size))
            targets[rng.random(size) < 0.25] = -1
            targets[0] = (ids[0] + 1) % words  # one counts at least
            return ids, targets

        weights = dict(
            embeddings=rng.normal(size=(words, width)),
            scale=1 + 0.3 * rng.normal(size=width),
            head=0.5 * rng.normal(size=(words, width)),
        )
        made = [[part(size) for size in parts] for _ in range(steps)]
        return dict(weights=weights, steps=made, rate=rate, warm_up=warm_up, decay=decay, longest=longest)

    yield "one step", inputs(1, [10], warm_up=1)
    yield "two steps, in warm-up", inputs(2, [12], warm_up=4)
    yield "no clipping", inputs(6, [16], longest=1e9)
    yield "strong clipping", inputs(6, [16], longest=0.01)
    yield "decay alone counts", inputs(4, [8], rate=0.2, decay=0.9, longest=1e-12)
    yield "parts of different sizes", inputs(5, [20, 3, 7], rate=0.1)
    yield "a run of 200 steps", inputs(200, [24, 9], rate=0.03, warm_up=20)
    sizes = [int(n) for n in rng.integers(2, 20, size=3)]
    yield "some run", inputs(int(rng.integers(5, 30)), sizes, warm_up=int(rng.integers(2, 5)), rate=0.08)


def _mistaken(**replaced):
    def mistaken(weights, steps, loss_and_gradients, rate, warm_up, decay, longest):
        return trained(weights, steps, loss_and_gradients, rate, warm_up, decay, longest, **replaced)

    return mistaken


def mean_of_means(parts, weights, loss_and_gradients):
    found = [mean_over_targets([part], weights, loss_and_gradients) for part in parts]
    loss = sum(loss for loss, _ in found) / len(parts)
    return loss, {name: sum(gradients[name] for _, gradients in found) / len(parts) for name in weights}


def sum_over_targets(parts, weights, loss_and_gradients):
    loss, gradients = mean_over_targets(parts, weights, loss_and_gradients)
    count = sum(int((targets >= 0).sum()) for _, targets in parts)
    return loss, {name: count * gradient for name, gradient in gradients.items()}


def over_every_place(parts, weights, loss_and_gradients):
    loss, gradients = mean_over_targets(parts, weights, loss_and_gradients)
    share = sum(int((targets >= 0).sum()) for _, targets in parts) / sum(len(targets) for _, targets in parts)
    return loss * share, {name: share * gradient for name, gradient in gradients.items()}


def last_part(parts, weights, loss_and_gradients):
    return mean_over_targets(parts[-1:], weights, loss_and_gradients)


train_steps.mistake("the mean of the parts' means is taken: a part of few targets then weighs as much as one of many")(
    _mistaken(gather=mean_of_means)
)
train_steps.mistake("the gradients are those of the sum: they are not divided by the number of targets")(
    _mistaken(gather=sum_over_targets)
)
train_steps.mistake("it divides by all places; targets of -1 do not count")(_mistaken(gather=over_every_place))
train_steps.mistake("only the last part of a step is kept: gradients have to be added up")(_mistaken(gather=last_part))
train_steps.mistake("there is no clipping")(_mistaken(clip=lambda gradients, longest: gradients))
train_steps.mistake("every array is clipped by itself; all together, as one vector, may be `longest` long")(
    _mistaken(clip=lambda gradients, longest: {n: clipped({n: g}, longest)[n] for n, g in gradients.items()})
)
train_steps.mistake("gradients are always scaled to `longest`, also those that are shorter")(
    _mistaken(
        clip=lambda gradients, longest: {
            n: g * longest / math.sqrt(sum(float((o**2).sum()) for o in gradients.values()))
            for n, g in gradients.items()
        }
    )
)
train_steps.mistake("the rate is always the full one: warm-up and descent are missing")(_mistaken(pace=lambda *_: 1.0))
train_steps.mistake("the rate begins at zero: step 0 has 1 / warm_up of it")(
    _mistaken(pace=lambda t, steps, warm_up: min(t / warm_up, (steps - t) / max(1, steps - warm_up), 1.0))
)
train_steps.mistake("the rate stays at its highest after the warm-up")(
    _mistaken(pace=lambda t, steps, warm_up: min((t + 1) / warm_up, 1.0))
)
train_steps.mistake("arrays of one dimension decay too")(_mistaken(decays=lambda array: True))
train_steps.mistake("nothing decays")(_mistaken(decays=lambda array: False))
train_steps.mistake("AdamW is told that each step is the second or later: its number begins with 1")(_mistaken(first=2))


@train_steps.mistake("the given arrays are changed in place; the caller still needs them")
def in_place(weights, steps, loss_and_gradients, rate, warm_up, decay, longest):
    found, losses = train_steps.reference(weights, steps, loss_and_gradients, rate, warm_up, decay, longest)
    for name, array in weights.items():
        array[...] = found[name]
    return found, losses
