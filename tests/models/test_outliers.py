"""The model with planted outliers computes the same numbers as the one it was made from."""

import numpy as np
import pytest

from llaisys_mini import load_model, paths
from llaisys_mini.errors import CheckpointError
from llaisys_mini.models.outliers import CHANNELS, FACTOR, plant_outliers
from llaisys_mini.weights.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "mini-outliers"
    plant_outliers(paths.shipped_model(), out)
    return out


def test_the_logits_are_the_same(planted):
    before, after = load_model(paths.shipped_model()), load_model(planted)
    ids = before.tokenizer.encode("Once upon a time, a small pig named Leo")
    np.testing.assert_array_equal(after.logits(ids), before.logits(ids))


def test_only_the_chosen_channels_changed(planted):
    before, after = Checkpoint.open(paths.shipped_model()), Checkpoint.open(planted)
    assert set(before) == set(after)
    name = "model.layers.0.input_layernorm.weight"
    ratio = after[name].numpy().astype(np.float32) / before[name].numpy().astype(np.float32)
    assert np.flatnonzero(ratio != 1).tolist() == list(CHANNELS)
    assert set(ratio[list(CHANNELS)]) == {FACTOR}


def test_a_channel_that_is_not_there_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(CheckpointError, match="channels"):
        plant_outliers(paths.shipped_model(), tmp_path / "out", channels=(1000,))
    assert list(tmp_path.iterdir()) == []
