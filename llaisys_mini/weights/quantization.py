"""`llaisys-mini quantize`: a checkpoint whose projections take one byte, or half a byte, per weight.

    weight of a projection    [ w w w w ... w | w w w w ... w | ... ]       float, out x in
    cut into groups of 32     numbers q = round(w / scale), one scale per group, chosen by the largest |w| of the group
    stored                    <name>.weight  int8 [out, in], or uint8 [out, in / 2] for int4
                              <name>.scales  bfloat16 [out, in / 32]

The scale is rounded to bfloat16 first and q is computed with the rounded one, so its few digits cost nothing; its range
is that of float32. What is multiplied with these weights is said in operators/linear_int8.py and linear_int4.py.
Embeddings, norms and biases stay as they are. A head that is tied to the embeddings is cut loose: of the embeddings one
row is read per token, of the head every row, so the head gets quantised weights of its own. The folder is an ordinary
checkpoint that loads by memory map; `quantization_config` in its config.json says what was done.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from llaisys_mini import dtypes
from llaisys_mini.contract import SMALLEST_NORMAL
from llaisys_mini.errors import CheckpointError, ConfigError
from llaisys_mini.models.config import ModelConfig, Quantization
from llaisys_mini.operators.linear_int4 import packed
from llaisys_mini.weights.checkpoint import INDEX_FILE, SINGLE_FILE, Checkpoint, save_safetensors
from llaisys_mini.weights.hub import find_model

DTYPES = {"int8": Quantization(8, 32), "int4": Quantization(4, 32)}

_COPIED = ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "LICENSE"]
_SHARD = 2**30  # bytes of a file of weights, about: what is held in memory while writing
_BLOCK = 2**22  # weights rounded at a time

# Which number the weight of largest size in a group becomes. For int8 there is room enough for the obvious choice. With
# four bits it pays to try a few and keep the one with the smallest squared error: -9 clips the largest weight and is
# finer for all others, 7 and 8 put it on the shorter side of the range.
_STEPS = {8: (127.0,), 4: (-8.0, -9.0, -8.5, -7.5, 7.0, 8.0)}
_RANGE = {8: (-127, 127), 4: (-8, 7)}


def quantize(model: str | Path, out: str | Path, dtype: str, per_row: bool = False) -> tuple[int, int]:
    """Write the checkpoint `model` (anything that load_model takes) with quantised projections as the new folder `out`.

    dtype: "int8" or "int4". per_row: one scale per row instead of per group of 32; int8 only.
    The folder appears under its name once it is complete. Returns the bytes of all weights before and after.
    Raises CheckpointError if `out` exists or cannot be written, ConfigError if `model` cannot be quantised so.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    if per_row and dtype != "int8":
        raise ConfigError(f"one scale per row is too coarse for {dtype}; leave out --per-row, or use int8")
    out = Path(out).expanduser()
    if out.exists() or out.is_symlink():
        raise CheckpointError(f"{out} exists already; name a new folder, or remove that one first")
    source = find_model(model)
    if ModelConfig.from_folder(source).quantization is not None:
        raise ConfigError(f"{source} is quantised already; give the model it was made from")
    how = Quantization(8, None) if per_row else DTYPES[dtype]
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        unfinished.mkdir()
        sizes = _write(source, unfinished, how)
        os.rename(unfinished, out)
    except OSError as problem:
        raise CheckpointError(f"{out} cannot be written: {problem.strerror or problem}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return sizes


def round_weights(weight: np.ndarray, how: Quantization) -> tuple[np.ndarray, np.ndarray]:
    """Quantise weight [out, in] (float32, float16 or bfloat16; `in` a multiple of the group size).

    Returns what is stored: int8 [out, in] or uint8 [out, in / 2], and scales bfloat16 [out, groups].
    """
    rows, width = weight.shape
    group = how.group_size or width
    numbers, scales = np.empty((rows, width), np.int8), np.empty((rows, width // group), dtypes.bfloat16)
    step = max(1, _BLOCK // width)
    for first in range(0, rows, step):
        block = weight[first : first + step].astype(np.float32)
        of_block = _round_groups(block.reshape(-1, group), how.bits)
        numbers[first : first + step] = of_block[0].reshape(block.shape)
        scales[first : first + step] = of_block[1].reshape(len(block), -1)
    return (packed(numbers) if how.bits == 4 else numbers), scales


def _round_groups(values: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """values float32 [groups, size] -> whole numbers int8 of that shape, scales bfloat16 [groups]."""
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)
    best = np.full(largest.shape, np.inf, np.float32)
    numbers, scales = np.zeros(values.shape, np.int8), np.zeros(largest.shape, dtypes.bfloat16)
    for step in _STEPS[bits]:
        tried = (largest / np.float32(step)).astype(dtypes.bfloat16)
        scale = tried.astype(np.float32)
        usable = np.abs(scale) >= SMALLEST_NORMAL  # else every weight of the group is as good as zero
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=usable)
        rounded = np.rint(values * inverse).clip(*_RANGE[bits])
        # In units of the largest weight, so that the squares neither overflow nor vanish.
        error = np.square((rounded * scale - values) / np.where(usable, np.abs(largest), 1)).sum(axis=1, keepdims=True)
        better = error < best
        best = np.where(better, error, best)
        numbers = np.where(better, rounded.astype(np.int8), numbers)
        scales = np.where(better & usable, tried, scales)
    return numbers, scales[:, 0]


def _write(source: Path, folder: Path, how: Quantization) -> tuple[int, int]:
    """Everything that belongs into `folder`. Returns the bytes of all weights before and after."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = how.to_dict()
    is_tied = bool(config.get("tie_word_embeddings"))
    cuts_loose = is_tied and config["hidden_size"] % (how.group_size or 1) == 0
    config["tie_word_embeddings"] = is_tied and not cuts_loose
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in _COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    checkpoint = Checkpoint.open(source)
    names = list(checkpoint)
    if is_tied:
        names = [name for name in names if name != "lm_head.weight"]  # not used, see Decoder
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        pieces = (_converted(checkpoint, name, how, cuts_loose) for name in bar.track(names, description="quantising"))
        after = _write_shards(folder, pieces)
    return sum(entry.end - entry.begin for entry in checkpoint.stored.values()), after


def _converted(checkpoint: Checkpoint, name: str, how: Quantization, cuts_loose: bool) -> dict[str, np.ndarray]:
    """What is stored in the place of the tensor `name`; with `cuts_loose` the head comes with the embeddings."""
    array = checkpoint.take(name, checkpoint.stored[name].shape).numpy()
    if cuts_loose and name == "model.embed_tokens.weight":
        return {name: array} | _rounded("lm_head.weight", array, how)
    is_projection = name.endswith("_proj.weight") or name == "lm_head.weight"
    if not is_projection or array.shape[1] % (how.group_size or 1):
        return {name: array}
    return _rounded(name, array, how)


def _rounded(name: str, array: np.ndarray, how: Quantization) -> dict[str, np.ndarray]:
    if not np.isfinite(array).all():
        raise CheckpointError(f"tensor {name!r} holds numbers that are not finite; such a model cannot be quantised")
    stored, scales = round_weights(array, how)
    return {name: stored, f"{name.removesuffix('weight')}scales": scales}


def _write_shards(folder: Path, pieces: Iterator[dict[str, np.ndarray]]) -> int:
    """Write the tensors as one file, or as several with an index where they are large. Returns their bytes."""
    shards: list[list[str]] = []
    waiting: dict[str, np.ndarray] = {}
    total = 0

    def write_waiting():
        save_safetensors(folder / f"shard-{len(shards)}", waiting, {"format": "pt"})
        shards.append(list(waiting))
        waiting.clear()

    for piece in pieces:
        size = sum(array.nbytes for array in piece.values())
        if waiting and sum(array.nbytes for array in waiting.values()) + size > _SHARD:
            write_waiting()
        waiting.update(piece)
        total += size
    write_waiting()
    if len(shards) == 1:
        (folder / "shard-0").rename(folder / SINGLE_FILE)
        return total
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards):
        file = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"shard-{number}").rename(folder / file)
        weight_map |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return total
