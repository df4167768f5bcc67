"""The decoder on the tape computes what models/decoder.py computes, and its gradients are the loss's derivatives."""

import json

import numba
import numpy as np
import pytest

from llaisys_mini import load_model
from llaisys_mini.errors import ConfigError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training import decoder
from llaisys_mini.training.tape import Tape, Variable
from llaisys_mini.weights.checkpoint import save_safetensors
from tests.models.random_models import BASE

CONFIG = ModelConfig.from_dict(BASE | {"num_hidden_layers": 2})


def weights_and_ids(seed=0):
    weights = decoder.initial_weights(CONFIG, seed)
    rng = np.random.default_rng(seed)
    for array in weights.values():  # norms away from one, embeddings large enough to matter
        array += (0.2 if array.ndim == 1 else 0.1) * rng.standard_normal(array.shape, np.float32)
    return weights, rng.integers(0, CONFIG.vocab_size, size=(13, 4))


def loss_at(weights, ids) -> float:
    return decoder.loss(Tape(), CONFIG, {name: Variable(array) for name, array in weights.items()}, ids)


def test_logits_are_those_of_the_decoder_and_texts_of_a_batch_do_not_see_each_other(tmp_path):
    weights, ids = weights_and_ids()
    save_safetensors(tmp_path / "model.safetensors", weights, {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(BASE | {"num_hidden_layers": 2}))
    model = load_model(tmp_path)
    variables = {name: Variable(array) for name, array in weights.items()}
    found = decoder.logits(Tape(), CONFIG, variables, ids).value.reshape(*ids.shape, -1)
    for text in range(ids.shape[1]):
        np.testing.assert_allclose(found[:, text], model.logits(ids[:, text].copy()), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", decoder.shapes(CONFIG))
def test_each_gradient_is_the_loss_s_derivative(name):
    """Along the gradient itself, where the loss changes most, by a step that float32 can measure."""
    weights, ids = weights_and_ids()
    _, gradients = decoder.loss_and_gradients(CONFIG, weights, ids)
    gradient = gradients[name].astype(np.float64)
    length = np.linalg.norm(gradient)
    step = 1e-2
    slopes = []
    for size in (step, step / 2):
        there, back = (
            loss_at(weights | {name: (weights[name] + sign * size * gradient / length).astype(np.float32)}, ids)
            for sign in (1, -1)
        )
        slopes.append((there - back) / (2 * size))
    without_third_order = (4 * slopes[1] - slopes[0]) / 3
    assert without_third_order == pytest.approx(length, rel=2e-3, abs=2e-4)


def test_groups_of_texts_give_the_same_gradients():
    weights, ids = weights_and_ids()
    whole, gradients = decoder.loss_and_gradients(CONFIG, weights, ids)
    for parts in (2, 4):
        loss, summed = decoder.loss_and_gradients(CONFIG, weights, ids, parts)
        assert loss == pytest.approx(whole, rel=1e-6)
        for name, gradient in gradients.items():
            assert np.linalg.norm(summed[name] - gradient) < 1e-5 * np.linalg.norm(gradient), name


def test_the_number_of_threads_changes_no_bit():
    weights, ids = weights_and_ids()
    before, found = numba.get_num_threads(), set()
    for threads in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(threads)
        loss, gradients = decoder.loss_and_gradients(CONFIG, weights, ids)
        found.add((loss, b"".join(gradients[name].tobytes() for name in gradients)))
    numba.set_num_threads(before)
    assert len(found) == 1


def test_a_variable_keeps_arrays_as_they_were_given():
    variable, first, second = Variable(np.zeros(3, np.float32)), np.ones(3, np.float32), np.ones(3, np.float32)
    variable.add(first)
    variable.add(second)
    assert variable.gradient.tolist() == [2, 2, 2] and first.tolist() == second.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": False},
        {"attention_bias": True},
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0},
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_config_whose_formulas_are_others_is_refused(changes):
    with pytest.raises(ConfigError, match="Only Qwen3 with tied embeddings"):
        decoder.require_trainable(ModelConfig.from_dict(BASE | changes))
