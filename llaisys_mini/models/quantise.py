"""`llaisys-mini quantise`: a checkpoint whose projections take one byte, or half a byte, per weight.

How a weight is rounded is said in weights/quantisation.py. Embeddings, norms and biases stay as they are. A head that
is tied to the embeddings is untied: of the embeddings one row is read per token, of the head every row, so the head
gets quantised weights of its own. Which matrices a tied checkpoint may hold is said in models/loading.py.
The folder is an ordinary checkpoint that loads by memory map; `quantization_config` in its config.json says what was
done.

`method` says how the numbers of the blocks' projections are found: "rtn" rounds each to the nearest, "gptq" and "awq"
look at the inputs that they get on calibration texts (models/calibrated.py). The form of the folder is the same. The
head is rounded to the nearest by all of them.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from llaisys_mini.errors import CheckpointError, ConfigError
from llaisys_mini.files import whole_folder
from llaisys_mini.models.calibrated import METHODS, Arrays, quantised_blocks
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.loading import EMBEDDINGS, HEAD, load_decoder
from llaisys_mini.text.tokenizer_files import FILES
from llaisys_mini.weights.checkpoint import INDEX_FILE, SINGLE_FILE, Checkpoint, save_safetensors
from llaisys_mini.weights.hub import find_model
from llaisys_mini.weights.quantisation import DTYPES, Quantisation, round_weights

_COPIED = ["generation_config.json", *FILES, "LICENSE"]
_LEAST_TOKENS = 128
_SHARD = 2**30  # bytes of a file of weights, about: what is held in memory while writing


def quantise(
    model: str | Path,
    out: str | Path,
    dtype: str,
    per_row: bool = False,
    method: str = "rtn",
    texts: Sequence[Sequence[int]] = (),
) -> tuple[int, int]:
    """Write the checkpoint `model` (anything that load_model takes) with quantised projections as the new folder `out`.

    dtype: "int8" or "int4". per_row: one scale per row instead of per group of 32; int8 only.
    method: "rtn", "gptq" or "awq"; the latter two calibrate on `texts`, token ids.
    The folder appears under its name once it is complete. Returns the bytes of all weights before and after.
    Raises CheckpointError if `out` exists or cannot be written, ConfigError if `model` cannot be quantised so.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    if per_row and dtype != "int8":
        raise ConfigError(f"one scale per row is too coarse for {dtype}; leave out --per-row, or use int8")
    if method not in ("rtn", *METHODS):
        raise ConfigError(f"method {method!r} is not one of rtn, {', '.join(METHODS)}")
    tokens = sum(map(len, texts))
    if method in METHODS and tokens < _LEAST_TOKENS:
        raise ConfigError(
            f"{method} looks at the inputs of each projection, and {tokens} tokens to calibrate on are too few; give "
            f"at least {_LEAST_TOKENS}"
        )
    out = Path(out).expanduser()
    if out.exists() or out.is_symlink():
        raise CheckpointError(f"{out} exists already; name a new folder, or remove that one first")
    source = find_model(model, examine=ModelConfig.from_folder)
    if ModelConfig.from_folder(source).quantisation is not None:
        raise ConfigError(f"{source} is quantised already; give the model it was made from")
    how = Quantisation(8, None) if per_row else DTYPES[dtype]
    try:
        with whole_folder(out) as folder:
            return _write(source, folder, how, method, texts)
    except OSError as problem:
        raise CheckpointError(f"{out} cannot be written: {problem.strerror or problem}") from None


def _write(source: Path, folder: Path, how: Quantisation, method: str, texts) -> tuple[int, int]:
    """Everything that belongs into `folder`. Returns the bytes of all weights before and after."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = how.to_dict() | {"method": method}
    checkpoint = Checkpoint.open(source)
    matrices = [name for name in (EMBEDDINGS, HEAD) if name in checkpoint]
    tied = matrices[0] if config.get("tie_word_embeddings") and len(matrices) == 1 else None
    unties = tied is not None and config["hidden_size"] % (how.group_size or 1) == 0
    config["tie_word_embeddings"] = tied is not None and not unties
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in _COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        found = _calibrated(source, checkpoint, how, method, texts, bar) if method in METHODS else {}
        names = bar.track(list(checkpoint), description="writing" if found else "quantising")
        after = _write_shards(folder, (_converted(checkpoint, name, how, name == tied, found) for name in names))
    return sum(entry.end - entry.begin for entry in checkpoint.stored.values()), after


def _calibrated(source: Path, checkpoint: Checkpoint, how: Quantisation, method: str, texts, bar: Progress) -> Arrays:
    """What `method` stores in the place of the tensors that it changes."""
    for name in checkpoint:
        _require_finite(name, checkpoint[name].numpy())
    decoder = load_decoder(ModelConfig.from_folder(source), checkpoint)
    found: Arrays = {}
    blocks = quantised_blocks(decoder, texts, how, method)
    for arrays in bar.track(blocks, total=len(decoder.layers), description=f"{method}, block by block"):
        found |= arrays
    return found


def _converted(
    checkpoint: Checkpoint, name: str, how: Quantisation, is_tied: bool, found: Arrays
) -> dict[str, np.ndarray]:
    """What is stored in the place of the tensor `name`. is_tied: it serves as embeddings and as head. found: what was
    computed already."""
    if name in found:
        names = (name, f"{name.removesuffix('weight')}scales")
        return {part: found[part] for part in names if part in found}
    array = checkpoint.take(name, checkpoint.stored[name].shape).numpy()
    stays = array.shape[-1] % (how.group_size or 1) != 0
    if is_tied:
        return {EMBEDDINGS: array} | ({} if stays else _rounded(HEAD, array, how))
    if stays or not (name.endswith("_proj.weight") or name == HEAD):
        return {name: array}
    return _rounded(name, array, how)


def _rounded(name: str, array: np.ndarray, how: Quantisation) -> dict[str, np.ndarray]:
    _require_finite(name, array)
    stored, scales = round_weights(array, how)
    return {name: stored, f"{name.removesuffix('weight')}scales": scales}


def _require_finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise CheckpointError(f"tensor {name!r} holds numbers that are not finite; such a model cannot be quantised")


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
