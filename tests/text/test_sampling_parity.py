"""The final distribution against the logits processors of the transformers library, in its order."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from transformers import (  # noqa: E402
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from llaisys_mini.text.sampling import Sampler  # noqa: E402

SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.3},
    {"temperature": 0.6, "top_k": 20},
    {"temperature": 0.8, "top_p": 0.9},
    {"temperature": 2.0, "top_p": 0.99},
    {"temperature": 1.0, "min_p": 0.05},
    {"temperature": 0.6, "top_k": 20, "top_p": 0.95},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.3},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "repetition_penalty": 0.8, "top_p": 0.5},
]


def theirs(logits: np.ndarray, previous: list[int], temperature, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0):
    ids, scores = torch.tensor([previous]), torch.tensor(logits)[None]
    steps = [
        (repetition_penalty != 1.0, lambda: RepetitionPenaltyLogitsProcessor(repetition_penalty)),
        (temperature != 1.0, lambda: TemperatureLogitsWarper(temperature)),
        (top_k > 0, lambda: TopKLogitsWarper(top_k)),
        (top_p < 1.0, lambda: TopPLogitsWarper(top_p)),
        (min_p > 0.0, lambda: MinPLogitsWarper(min_p)),
    ]
    for wanted, make in steps:
        if wanted:
            scores = make()(ids, scores)
    return torch.softmax(scores[0].double(), dim=-1).numpy()


@pytest.mark.parametrize("vocab", [7, 1536, 20_000])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_final_distribution(setting, vocab):
    rng = np.random.default_rng(vocab)
    for _ in range(3):
        logits = (3 * rng.standard_normal(vocab)).astype(np.float32)
        previous = rng.integers(0, vocab, 12).tolist()
        expected = theirs(logits, previous, **setting)
        got = Sampler(**setting).probabilities(logits, previous)
        np.testing.assert_array_equal(got > 0, expected > 0)
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-12)


def test_top_k_keeps_ties_as_they_do():
    logits = np.array([3.0, 2.0, 2.0, 2.0, 1.0], np.float32)
    setting = {"temperature": 1.0, "top_k": 2}
    np.testing.assert_allclose(Sampler(**setting).probabilities(logits), theirs(logits, [0], **setting), rtol=1e-6)
