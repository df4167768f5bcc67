"""Published forms beside the transformers library: on the real weights, and as it reads the folder itself."""

import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from llaisys_mini import load_model  # noqa: E402 - only where torch is installed
from tests.weights.published.forms import FORMS  # noqa: E402
from tests.weights.published.packers import write_folders  # noqa: E402

IDS = np.random.default_rng(3).integers(0, 61, size=40)


def logits_of(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS[None])).logits[0].numpy()


def assert_close(ours, theirs):
    assert np.abs(ours - theirs).max() < 1e-4 * max(1.0, theirs.std())


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_logits_are_those_of_the_real_weights(tmp_path, form):
    quantised, plain = write_folders(tmp_path, form, tie_word_embeddings=False)
    assert_close(load_model(quantised).logits(IDS), logits_of(plain))


COMPRESSED = [
    name
    for name, form in FORMS.items()
    if form.config["quant_method"] == "compressed-tensors" and not name.endswith("early")
]


@pytest.mark.skipif(
    importlib.util.find_spec("compressed_tensors") is None, reason="compressed-tensors is not installed"
)
@pytest.mark.parametrize("name", COMPRESSED)
def test_transformers_reads_the_same_folder(tmp_path, name):
    quantised, _ = write_folders(tmp_path, FORMS[name], tie_word_embeddings=False)
    assert_close(load_model(quantised).logits(IDS), logits_of(quantised))
