"""Published forms beside the transformers library: on the real weights, and as it reads the folder itself."""

import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from llaisys_mini import load_model  # noqa: E402 - only where torch is installed
from tests.weights.published.forms import FORMS  # noqa: E402
from tests.weights.published.packers import Codes, write_folders  # noqa: E402

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


needs_library = pytest.mark.skipif(
    importlib.util.find_spec("compressed_tensors") is None, reason="compressed-tensors is not installed"
)
COMPRESSED = [name for name, form in FORMS.items() if "-quantized" in name and not name.endswith("early")]


@needs_library
@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_tensors_writes_the_same_numbers(name):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationScheme

    form = FORMS[name]
    codes = Codes.draw(np.random.default_rng(0), (24, 96), form.bits, form.group, **form.draw)
    ours = form.pack(codes)
    given = {
        "weight": torch.tensor(codes.weight),
        "weight_scale": torch.tensor(ours["weight_scale"].astype(np.float32)),
        "weight_zero_point": torch.tensor((codes.zero - 2 ** (form.bits - 1)).astype(np.int8)),
    }
    group = form.config["config_groups"]["group_0"]
    compressor = BaseCompressor.get_value_from_registry(group["format"])
    theirs = compressor.compress(given, QuantizationScheme.model_validate(group))
    assert theirs.keys() == ours.keys()
    for part, values in theirs.items():
        np.testing.assert_array_equal(ours[part].astype(np.float64), values.double().numpy(), err_msg=part)


# The zero points of pack-quantized are not among what transformers 5.23 can load.
@needs_library
@pytest.mark.parametrize("name", [name for name in COMPRESSED if not ("pack-" in name and "zero" in name)])
def test_transformers_reads_the_same_folder(tmp_path, name):
    quantised, _ = write_folders(tmp_path, FORMS[name], tie_word_embeddings=False)
    assert_close(load_model(quantised).logits(IDS), logits_of(quantised))
