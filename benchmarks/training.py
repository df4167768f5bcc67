"""A training step, loss and all gradients, against torch's on the same weights and batch, on the CPU.

torch runs the Qwen3 of the transformers library, with torch's attention kernel. The optimiser is left out: it is the
smaller part, and each library may take any.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Contestant
from benchmarks.work import NOT_INSTALLED, OURS, TORCH, Plan, Settings, Work
from llaisys_mini import use_kernels
from llaisys_mini.kernels.sets import EXPERT
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training import decoder
from llaisys_mini.training.recipe import Recipe


def plans() -> Iterator[Plan]:
    yield Plan("training", "loss and gradients, the recipe of `make train`", step)


def step(settings: Settings) -> Work:
    recipe = Recipe(sequences=2, length=32) if settings.small else Recipe()
    raw = recipe.config(0)
    config = ModelConfig.from_dict(raw)
    weights = decoder.initial_weights(config, recipe.seed)
    ids = np.random.default_rng(0).integers(0, recipe.vocabulary, (recipe.length + 1, recipe.sequences))
    ours = Contestant(OURS, lambda: decoder.loss_and_gradients(config, weights, ids), lambda: use_kernels(EXPERT))
    tokens = recipe.sequences * recipe.length
    work = Work([ours], amount=tokens, unit="tokens/s", effort=settings.long_effort, targets={TORCH: 1.0})
    theirs = _torch_step(raw, weights, ids)
    if theirs is None:
        work.absent[TORCH] = NOT_INSTALLED
    else:
        work.contestants.append(Contestant(TORCH, theirs))
    return work


def _torch_step(raw: dict, weights: decoder.Weights, ids: np.ndarray):
    """A call for torch, None where it is not installed. Raises ValueError if its loss is another than ours."""
    try:
        import torch
        import transformers
    except ImportError:
        return None
    settings = {key: value for key, value in raw.items() if key not in ("dtype", "architectures", "model_type")}
    model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**settings)).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weights[name]))
    texts = torch.from_numpy(ids.T.copy())

    def call() -> float:
        model.zero_grad()
        logits = model(input_ids=texts[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten())
        loss.backward()
        return loss.item()

    expected, _ = decoder.loss_and_gradients(ModelConfig.from_dict(raw), weights, ids)
    found = call()
    if abs(found - expected) > 1e-4 * expected:
        raise ValueError(f"the losses differ: ours is {expected:.6f}, torch's {found:.6f}")
    return call
