"""Checkpoints of any size with random weights, in the genuine format: a model's speed does not depend on what it says.

The same weights are written as safetensors, which ours and transformers read, and as GGUF, which llama.cpp reads. They
are kept between runs: writing them takes longer than measuring.
"""

import json
from pathlib import Path

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.models.shapes import QWEN3_06B, tensor_shapes
from llaisys_mini.weights.checkpoint import Checkpoint, save_safetensors

SMALL = QWEN3_06B | {"vocab_size": 4096, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
"""For a quick run: the same parts, a thousandth of the work."""


def checkpoint(folder: Path, config: dict) -> Path:
    """The folder with a bfloat16 checkpoint of this shape; written unless it is there already."""
    if (folder / "config.json").is_file() and json.loads((folder / "config.json").read_text()) == config:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    weights = {}
    for name, shape in tensor_shapes(config):
        values = rng.standard_normal(shape, np.float32)
        values *= np.float32(0.1 if "norm" in name else shape[-1] ** -0.5)
        if "norm" in name:
            values += 1
        weights[name] = values.astype(dtypes.bfloat16)
    save_safetensors(folder / "model.safetensors", weights, {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))  # last: it says that the weights are complete
    return folder


def parameters(config: dict) -> int:
    """Number of weights."""
    return sum(int(np.prod(shape)) for _, shape in tensor_shapes(config))


def gguf_file(folder: Path) -> Path:
    """The checkpoint in `folder` as a bfloat16 GGUF file beside it, without a vocabulary. Needs the package `gguf`."""
    import gguf

    path = folder / "model-bf16.gguf"
    if path.is_file() and path.stat().st_mtime > (folder / "config.json").stat().st_mtime:
        return path
    config = json.loads((folder / "config.json").read_text())
    unfinished = path.with_suffix(".unfinished")
    writer = gguf.GGUFWriter(unfinished, "qwen3")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_tokenizer_model("none")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    for name, tensor in Checkpoint.open(folder).items():
        array = tensor.numpy()
        if array.ndim == 1:  # norms stay float32, as llama.cpp's own converter leaves them
            data, kind = array.astype(np.float32), None
        else:
            data, kind = array.view(np.uint8), gguf.GGMLQuantizationType.BF16
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(path)
    return path
