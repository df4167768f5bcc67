"""Multilayer perceptrons in NumPy, many runs side by side: what lectures 02 to 04 sweep seeds and learning rates with.

Lecture 02 uses `train` unopened, lecture 03 opens `gradients`, lecture 04 the optimisers. All arrays have a leading
dimension R, one entry for each run, so that a sweep of sixteen runs costs little more than one. Only for figures: the
course's operators have no such dimension.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

Parameters = list[np.ndarray]
"""W of layer 1 [R, outputs, inputs], its b [R, 1, outputs], W of layer 2, ... all float32."""


def random_parameters(sizes: Sequence[int], seeds: Sequence[int], gain: float = 2.0) -> Parameters:
    """One run per seed. Weights have variance gain / inputs (2: He et al. 2015, arXiv:1502.01852), biases are zero.

    sizes: inputs, hidden neurons of each layer, outputs. The same seed always gives the same weights.
    """
    parameters = []
    generators = [np.random.default_rng(seed) for seed in seeds]
    for inputs, outputs in itertools.pairwise(sizes):
        drawn = [rng.normal(scale=np.sqrt(gain / inputs), size=(outputs, inputs)) for rng in generators]
        parameters += [np.stack(drawn).astype(np.float32), np.zeros((len(seeds), 1, outputs), np.float32)]
    return parameters


def forward(parameters: Parameters, x: np.ndarray, masks: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """The inputs of all layers, then the logits [R, N, C]. x: [N, K], or [R, N, K].

    masks: factors for the hidden activations of each layer, as dropout has them.
    """
    activations = [x]
    last = len(parameters) // 2 - 1
    for layer in range(last + 1):
        z = activations[-1] @ parameters[2 * layer].swapaxes(-1, -2)
        z += parameters[2 * layer + 1]
        if layer < last:
            np.maximum(z, 0, out=z)
            if masks:
                z *= masks[layer]
        activations.append(z)
    return activations


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last dimension."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def losses(parameters: Parameters, x: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mean cross-entropy of each run [R], in nats. classes: [N]."""
    right = np.take_along_axis(probabilities(forward(parameters, x)[-1]), classes[None, :, None], axis=-1)
    return -np.log(np.maximum(right, 1e-30)).mean(axis=(1, 2))


def accuracies(parameters: Parameters, x: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The share of points that each run answers right [R]."""
    return (forward(parameters, x)[-1].argmax(axis=-1) == classes).mean(axis=1)


def gradients(
    parameters: Parameters, x: np.ndarray, classes: np.ndarray, masks: Sequence[np.ndarray] = ()
) -> Parameters:
    """Gradients of the mean cross-entropy, shaped as the parameters. classes: [N], or [R, N]."""
    activations = forward(parameters, x, masks)
    grad = probabilities(activations[-1])
    grad -= np.eye(grad.shape[-1], dtype=np.float32)[classes]
    grad /= np.float32(grad.shape[-2])
    grads: Parameters = []
    for layer in reversed(range(len(parameters) // 2)):
        inputs = activations[layer]
        grads = [grad.swapaxes(-1, -2) @ inputs, grad.sum(axis=-2, keepdims=True), *grads]
        if layer:
            grad = grad @ parameters[2 * layer]
            grad *= inputs > 0
            if masks:
                grad *= masks[layer - 1]
    return grads


class Adam:
    """Adam, and AdamW where decay is not 0 (arXiv:1412.6980, arXiv:1711.05101). rate: a number, or one per run."""

    def __init__(self, rate, decay: float = 0.0, beta1: float = 0.9, beta2: float = 0.999):
        self.rate = np.reshape(np.asarray(rate, np.float32), (-1, 1, 1))
        self.decay, self.beta1, self.beta2 = np.float32(decay), np.float32(beta1), np.float32(beta2)
        self.steps = 0
        self.state: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, parameters: Parameters, grads: Parameters) -> Parameters:
        if not self.state:
            self.state = [(np.zeros_like(g), np.zeros_like(g)) for g in grads]
        self.steps += 1
        correct1 = np.float32(1 - self.beta1**self.steps)
        correct2 = np.float32(1 - self.beta2**self.steps)
        new = []
        for w, g, (mean, square) in zip(parameters, grads, self.state, strict=True):
            mean += (1 - self.beta1) * (g - mean)
            square += (1 - self.beta2) * (g * g - square)
            step = mean / correct1 / (np.sqrt(square / correct2) + np.float32(1e-8))
            new.append(w - self.rate * (step + self.decay * w))
        return new


def train(
    parameters: Parameters,
    x: np.ndarray,
    classes: np.ndarray,
    optimiser: Callable[[Parameters, Parameters], Parameters],
    steps: int,
    *,
    batch: int | None = None,
    dropout: float = 0.0,
    seed: int = 0,
    watch: Callable[[int, Parameters], None] | None = None,
) -> Parameters:
    """The parameters after `steps` steps. batch: points per step, drawn with `seed`; None takes all of them.

    dropout: the share of hidden neurons that is silent in a step. watch: called with the number of finished steps and
    the parameters, after every step.
    """
    rng = np.random.default_rng(seed)
    for step in range(1, steps + 1):
        chosen = slice(None) if batch is None else rng.choice(len(x), batch, replace=False)
        masks = _masks(parameters, len(x[chosen]), dropout, rng) if dropout else ()
        parameters = optimiser(parameters, gradients(parameters, x[chosen], classes[chosen], masks))
        if watch:
            watch(step, parameters)
    return parameters


def _masks(parameters: Parameters, points: int, dropout: float, rng: np.random.Generator) -> list[np.ndarray]:
    """For each hidden layer 0 where a neuron is silent, else what makes up for the silent ones."""
    shapes = [(len(b), points, b.shape[-1]) for b in parameters[1:-1:2]]
    return [(rng.uniform(size=shape) >= dropout).astype(np.float32) / np.float32(1 - dropout) for shape in shapes]
