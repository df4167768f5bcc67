"""The same weights and the same batches give what torch and transformers give: gradients, losses over 200 steps, and
the trained folder as transformers reads it."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from llaisys_mini import load_model  # noqa: E402 - only where torch is installed
from llaisys_mini.models.config import ModelConfig  # noqa: E402
from llaisys_mini.training import decoder  # noqa: E402
from llaisys_mini.training.loop import Run, train  # noqa: E402
from llaisys_mini.training.recipe import Recipe  # noqa: E402
from tests.training.small import RECIPE, write_text  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = Recipe(
    steps=240, sequences=4, length=16, layers=2, width=24, heads=6, kv_heads=2, head_dim=8, inner=40, vocabulary=61,
    optimiser="adamw", rate=3e-3, warm_up=10, weight_decay=0.1,
)  # fmt: skip


class Batches:
    """A text to be learned: nine times of ten the token before says which one comes."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def batch(self, step: int) -> np.ndarray:
        rng = np.random.default_rng([7, step])
        ids = rng.integers(0, 61, size=(self.recipe.length + 1, self.recipe.sequences))
        for row in range(1, len(ids)):
            ids[row] = np.where(rng.random(ids.shape[1]) < 0.9, (5 * ids[row - 1] + 1) % 61, ids[row])
        return ids


def torch_model(settings: dict, weights: dict[str, np.ndarray]):
    config = transformers.Qwen3Config(
        **{key: value for key, value in settings.items() if key not in ("dtype", "architectures", "model_type")}
    )
    model = transformers.Qwen3ForCausalLM(config).float()
    put(model, weights)
    return model


def put(model, weights: dict[str, np.ndarray]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weights[name]))


def torch_loss(model, ids: np.ndarray):
    texts = torch.from_numpy(ids.T.copy())
    logits = model(input_ids=texts[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten())


def torch_optimiser(model, recipe: Recipe):
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95), eps=1e-8)


@pytest.mark.slow
def test_two_hundred_steps_and_gradients_on_the_way():
    settings = TINY.config(60)
    run = Run(TINY, ModelConfig.from_dict(settings), Batches(TINY))
    trained, compared = torch_model(settings, run.weights), torch_model(settings, run.weights)
    optimiser = torch_optimiser(trained, TINY)
    worst = 0.0
    for step in range(201):
        ids = run.tokens.batch(step)
        if step in (0, 50, 200):
            assert_same_gradients(compared, run, ids)
        run.take_step()
        for group in optimiser.param_groups:
            group["lr"] = TINY.rate * TINY.pace(step)
        optimiser.zero_grad()
        loss = torch_loss(trained, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), TINY.clip)
        optimiser.step()
        worst = max(worst, abs(loss.item() - run.losses[-1]))
    assert run.losses[-1] < run.losses[0] - 1, "nothing was learned, so nothing was compared"
    assert worst < 2e-3


def assert_same_gradients(model, run: Run, ids: np.ndarray) -> None:
    """From the weights of `run`, in both."""
    put(model, run.weights)
    model.zero_grad()
    torch_loss(model, ids).backward()
    _, gradients = decoder.loss_and_gradients(run.config, run.weights, ids)
    for name, parameter in model.named_parameters():
        expected = parameter.grad.numpy()
        assert np.linalg.norm(gradients[name] - expected) < 1e-5 * np.linalg.norm(expected), name


def test_transformers_reads_the_trained_folder(tmp_path):
    text, folder = write_text(tmp_path / "text.txt"), tmp_path / "model"
    train(text, folder, dataclasses.replace(RECIPE, steps=4))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours = load_model(folder)
    sentence = "the old cat"
    ids = tokenizer(sentence)["input_ids"]
    assert ids == list(ours.tokenizer.encode(sentence))
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0].numpy()
    np.testing.assert_allclose(ours.logits(np.array(ids)), expected, rtol=1e-3, atol=1e-4)
