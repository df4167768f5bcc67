"""Projections of one row as one call: the same bits from fewer calls, on devices that record launches."""

from collections import Counter

import numpy as np
import pytest

from llaisys_mini import load_model, observe_calls
from llaisys_mini.devices import use_device
from llaisys_mini.devices.sanitized import Sanitized
from llaisys_mini.engine.speculation import weight_bytes
from llaisys_mini.models.projections import with_projections
from llaisys_mini.models.quantise import quantise
from tests.models.random_models import make_checkpoint

WIDE = dict(
    hidden_size=64,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    vocab_size=64,
)
ROWS = [np.array([3, 1, 4]), np.array([5]), np.array([9])]


@pytest.fixture(autouse=True)
def on_the_sanitizer():
    with use_device(Sanitized()):
        yield


def logits_and_calls(model, decoder):
    """Of a prompt and two tokens; the calls of a token, by operator."""
    cache, logits, calls = model.cache(), [], Counter()
    for ids in ROWS:
        calls.clear()
        with observe_calls(lambda operator, arguments, results: calls.update([operator.name])):
            logits.append(decoder.forward(ids, cache).numpy())
    return np.concatenate(logits), calls


@pytest.mark.parametrize("changes", [{}, dict(model_type="qwen2")], ids=["Qwen3", "Qwen2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "int4"])
def test_the_same_bits_from_fewer_calls(tmp_path, changes, dtype):
    folder = make_checkpoint(tmp_path / "model", **WIDE, **changes)
    if dtype.startswith("int"):
        quantise(str(folder), tmp_path / dtype, dtype)
        folder, dtype = tmp_path / dtype, "auto"
    model = load_model(folder, device="cuda", dtype=dtype)
    fused, calls = logits_and_calls(model, model.decoder)
    apart = with_projections(model.decoder, lambda name, layer: layer)
    wanted, calls_apart = logits_and_calls(model, apart)
    np.testing.assert_array_equal(fused.view(np.uint32), wanted.view(np.uint32))
    product = next(name for name in calls_apart if name.startswith("linear"))
    layers = len(apart.layers)
    assert calls_apart - calls == Counter({product: 3 * layers, "rope": layers})
    assert not calls - calls_apart


def test_the_parts_lie_in_the_memory_of_the_whole(tmp_path):
    model = load_model(make_checkpoint(tmp_path, **WIDE), device="cuda")
    block = model.decoder.layers[0]
    whole, parts = block.attention.query_key_value, [block.attention.query, block.attention.key, block.attention.value]
    assert all(part.weight.storage is whole.weight.storage for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.weight.numpy() for part in parts]), whole.weight.numpy())
    apart = with_projections(model.decoder, lambda name, layer: layer)
    assert weight_bytes(model.decoder) == weight_bytes(apart)  # none is counted twice


def test_widths_at_which_a_part_would_begin_anywhere_stay_apart(tmp_path):
    model = load_model(make_checkpoint(tmp_path, **WIDE | dict(head_dim=20, intermediate_size=72)), device="cuda")
    block = model.decoder.layers[0]
    assert block.attention.query_key_value is None and block.mlp.gate_up is None


def test_on_the_host_they_stay_apart(tmp_path):
    block = load_model(make_checkpoint(tmp_path, **WIDE)).decoder.layers[0]
    assert block.attention.query_key_value is None and block.mlp.gate_up is None
