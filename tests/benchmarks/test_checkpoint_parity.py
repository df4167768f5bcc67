"""The comparison of a real checkpoint with transformers: it finds agreement, and it finds what is wrong."""

import numba
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks import checkpoint
from llaisys_mini.text.tokenizer import Tokenizer
from tests.models.published import DEEPSEEK_1_5B
from tests.models.test_published_parity import published_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published_folder(DEEPSEEK_1_5B, tmp_path_factory.mktemp("checkpoint"), "bfloat16")


def test_agreement_is_found(folder):
    rows = dict(checkpoint.agreement(folder))
    assert rows["token ids of texts, the same"] == "4 of 4"
    assert rows["token ids of chats, the same"] == "3 of 3"
    assert float(rows["logits, largest difference / their spread"]) < 1e-4
    assert rows["texts and chats that go on the same"] == "7 of 7"


def test_other_ids_and_logits_are_found(folder, monkeypatch):
    encode = Tokenizer.encode
    monkeypatch.setattr(Tokenizer, "encode", lambda self, text, **_: encode(self, text, add_special_tokens=False))
    monkeypatch.setattr("llaisys_mini.layers.mlp.MLP.__call__", lambda self, h: self.down(self.gate(h)))
    rows = dict(checkpoint.agreement(folder))
    assert rows["token ids of texts, the same"] == "0 of 4"
    assert rows["token ids of chats, the same"] == "3 of 3"
    assert float(rows["logits, largest difference / their spread"]) > 0.1
    assert rows["texts and chats that go on the same"] == "0 of 7"


def test_speed_and_memory_are_measured(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "DECODED", 2)
    found = checkpoint.measured(checkpoint.load("ours, as stored", folder, numba.get_num_threads()))
    assert found["prefill"] > 0 and found["decode"] > 0
    assert found["peak"] >= found["own"] > 10  # MiB; Python alone takes as much
