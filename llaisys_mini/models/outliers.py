"""The same model with planted outliers: a few channels whose activations are many times as large as all others.

Large language models have such channels, small ones do not, and they are what makes quantising activations hard
(Dettmers et al., LLM.int8(), 2022). Here they are planted: a norm multiplies some channels by FACTOR, and the weights
that read them are divided by it. FACTOR is a power of two, so every product keeps all its bits, and the model says the
same.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

from llaisys_mini.errors import CheckpointError
from llaisys_mini.files import whole_folder
from llaisys_mini.paths import shipped_model
from llaisys_mini.weights.checkpoint import SINGLE_FILE, Checkpoint, save_safetensors

FACTOR = 32
CHANNELS = (5, 77)  # of the shipped model's 128; any others would do

_READERS = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}  # the last norm is left alone: its reader, the head, is also the embedding


def plant_outliers(source: Path, out: Path, channels: tuple[int, ...] = CHANNELS) -> None:
    """Write the checkpoint `source` with outliers as the new folder `out`.

    Raises CheckpointError if a weight loses bits or a channel is not there, OSError if `out` cannot be written.
    """
    checkpoint = Checkpoint.open(source)
    factors = {}
    for name in checkpoint:
        layer, _, norm = name.removesuffix(".weight").rpartition(".")
        for reader in _READERS.get(norm, ()):
            factors[f"{layer}.{reader}.weight"] = 1 / FACTOR
        if norm in _READERS:
            factors[name] = FACTOR
    with whole_folder(out) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors*"))
        tensors = {name: _multiplied(checkpoint, name, factors.get(name, 1), channels) for name in checkpoint}
        save_safetensors(folder / SINGLE_FILE, tensors, {"format": "pt"})


def _multiplied(checkpoint: Checkpoint, name: str, factor: float, channels: tuple[int, ...]) -> np.ndarray:
    """The weight [M, K] of a reader or [K] of a norm, with some of the K channels times `factor`."""
    array = checkpoint[name].numpy().copy()
    if factor != 1:
        if max(channels) >= array.shape[-1]:
            raise CheckpointError(f"tensor {name!r} has {array.shape[-1]} channels, so none is number {max(channels)}")
        before = array[..., channels].copy()
        array[..., channels] = before * array.dtype.type(factor)
        if not np.array_equal(array[..., channels] / array.dtype.type(factor), before):
            raise CheckpointError(f"tensor {name!r} of {array.dtype} cannot be multiplied by {factor} without loss")
    return array


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m llaisys_mini.models.outliers", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="the new folder")
    parser.add_argument(
        "--source", type=Path, default=shipped_model(), help="a checkpoint; the shipped model if none is named"
    )
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} is there already; name a new folder")
    try:
        plant_outliers(options.source, options.out)
    except (CheckpointError, OSError) as error:
        parser.exit(1, f"{error}\n")
