"""Published quantised folders whose tensors do not fit: one sentence that names the tensor and the file."""

import json

import numpy as np
import pytest

from llaisys_mini import load_model
from llaisys_mini.errors import CheckpointError
from tests.weights.published.forms import FORMS, compressed_form, gptq_form
from tests.weights.published.packers import change_settings, change_tensors, write_folders

UP = "model.layers.1.mlp.up_proj"


def refusal(sentence, folder):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def dropped(part):
    return lambda tensors: tensors.pop(f"{UP}.{part}")


def replaced(part, change):
    return lambda tensors: tensors.update({f"{UP}.{part}": change(tensors[f"{UP}.{part}"])})


PLAIN, ZEROS = "gptq, 4 bits, groups of 32", "pack-quantized, 4 bits, zero points"
AWQ_PLAIN, PACKED_PLAIN, BYTES = (
    "awq, groups of 32", "pack-quantized, 4 bits, groups of 32", "naive-quantized, 8 bits, channel"
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (PLAIN, dropped("scales"), f"in .*/quantised has no tensor '{UP}.scales' .expected with shape .2, 96."),
        (PLAIN, dropped("qzeros"), f"in .*/quantised has no tensor '{UP}.qzeros'"),
        (PLAIN, dropped("qweight"), f"in .*/quantised has no tensor '{UP}.qweight'"),
        (
            PLAIN,
            replaced("scales", lambda a: a[:1].copy()),
            f"{UP}.scales' has shape .1, 96., but config.json asks for",
        ),
        (PLAIN, replaced("qweight", lambda a: a.astype(np.float32)), "is stored as F32, not as I32"),
        (PLAIN, replaced("scales", lambda a: a.astype(np.int32)), "is stored as I32, but only"),
        (PLAIN, replaced("qzeros", lambda a: a + 3), "model.safetensors: tensor .* holds zero points other than 8"),
        (PLAIN, replaced("g_idx", lambda a: a + 1), "runs from 1 to 2, but there are 2 groups"),
        (AWQ_PLAIN, dropped("qzeros"), f"in .*/quantised has no tensor '{UP}.qzeros'"),
        (AWQ_PLAIN, replaced("qweight", lambda a: a.T.copy()), "has shape .12, 64., but config.json asks for .64, 12."),
        (PACKED_PLAIN, dropped("weight_scale"), f"in .*/quantised has no tensor '{UP}.weight_scale'"),
        (PACKED_PLAIN, dropped("weight_shape"), f"in .*/quantised has no tensor '{UP}.weight_shape'"),
        (PACKED_PLAIN, dropped("weight_packed"), f"in .*/quantised has no tensor '{UP}.weight_packed'"),
        (PACKED_PLAIN, replaced("weight_shape", lambda a: a[::-1].copy()), "says .64, 96., but config.json asks for"),
        (ZEROS, dropped("weight_zero_point"), f"in .*/quantised has no tensor '{UP}.weight_zero_point'"),
        (BYTES, replaced("weight", lambda a: a.astype(np.float32)), "is stored as F32, not as I8"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, name, change, sentence):
    folder, _ = write_folders(tmp_path, FORMS[name])
    change_tensors(folder, change)
    refusal(sentence, folder)


def test_group_sizes_that_do_not_fit(tmp_path):
    folder, _ = write_folders(tmp_path, FORMS["gptq, 4 bits, groups of 32"])
    change_settings(folder, group_size=16)
    refusal(r"model\.safetensors: tensor '.*' has shape .*, but config\.json asks for", folder)
    change_settings(folder, group_size=48)
    refusal(r"model\.safetensors: 'model.layers.0.self_attn.q_proj' has rows of 64 weights, no mul", folder)
    change_settings(folder, bits=8, group_size=32)
    refusal(r"qweight' has shape \[8, 64\], but config\.json asks for \[16, 64\]", folder)


def test_sides_that_fill_no_word(tmp_path):
    folder, _ = write_folders(tmp_path, gptq_form(4, 32), lambda _: False, tie_word_embeddings=False)
    refusal("'lm_head' has a side of 61, but 8 numbers share a word", folder)


def test_embeddings_and_tied_heads_that_are_quantised(tmp_path):
    folder, _ = write_folders(tmp_path, FORMS["awq, groups of 32"])
    change_tensors(folder, lambda tensors: tensors.update({"lm_head.qweight": np.zeros((64, 8), np.int32)}))
    refusal("tied to a quantised output matrix", folder)
    change_tensors(
        folder, lambda tensors: tensors.update({"model.embed_tokens.qweight": tensors.pop("lm_head.qweight")})
    )
    refusal("embeddings of this AWQ checkpoint are quantised", folder)


@pytest.mark.parametrize("form", [gptq_form(4, 32), compressed_form(4, 32)])
def test_quantised_weights_that_the_config_does_not_explain(tmp_path, form):
    folder, _ = write_folders(tmp_path, form)
    config = json.loads((folder / "config.json").read_text())
    del config["quantization_config"]
    (folder / "config.json").write_text(json.dumps(config))
    refusal("q_proj' are quantised, but config.json has no `quantization_config`", folder)


def test_a_file_that_was_cut_short(tmp_path):
    folder, _ = write_folders(tmp_path, FORMS["gptq, 4 bits, groups of 32"])
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refusal(r"model\.safetensors is broken: tensor .* ends", folder)
