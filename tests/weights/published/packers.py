"""Writes GPTQ, AWQ and compressed-tensors folders, number by number, as the published forms say: slow, easy to check.

Nothing here is shared with what reads them. A packed projection comes with the real weight that it stands for.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np

from llaisys_mini.weights.checkpoint import Checkpoint, save_safetensors
from tests.models.random_models import make_checkpoint

BF16 = ml_dtypes.bfloat16
SIZES = dict(
    hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16
)


@dataclass
class Codes:
    """What a random projection [M, K] is made of: weight[m, k] = (code[m, k] - zero[m, g]) * scale[m, g]."""

    code: np.ndarray
    zero: np.ndarray
    scale: np.ndarray
    group_of: np.ndarray

    @classmethod
    def draw(cls, rng, shape, bits, group, *, middle=True, spread=None, lowest_zero=0, order=False,
             one_scale=False, dtype=np.float16):  # fmt: skip
        """middle: every zero point is 2^(bits - 1); else they are drawn from lowest_zero on. spread: how far codes are
        from their zero points, at most. order: groups are not neighbours. one_scale: the same for all."""
        rows, width = shape
        group = group or width
        top = 2**bits - 1
        zero = np.full((rows, width // group), 2 ** (bits - 1))
        if not middle:
            zero = rng.integers(lowest_zero, top + 1, size=zero.shape)
        group_of = np.arange(width) // group
        if order:
            group_of = rng.permutation(group_of)
        code = rng.integers(0, top + 1, size=shape)
        if spread is not None:
            here = zero[:, group_of]
            code = np.clip(here + rng.integers(-spread, spread + 1, size=shape), 0, top)
        scale = (rng.uniform(0.5, 2, size=zero.shape) / (2**bits * np.sqrt(width / 8))).astype(dtype)
        if one_scale:
            scale[:] = scale[0, 0]
        return cls(code, zero, scale, group_of)

    @property
    def weight(self) -> np.ndarray:
        """float32 [M, K]; exact, since neither factor has more than 11 significant bits."""
        numbers = (self.code - self.zero[:, self.group_of]).astype(np.float32)
        return numbers * self.scale.astype(np.float32)[:, self.group_of]


# ---- words of 32 bits ------------------------------------------------------------------------------------------------


def word(numbers, bits) -> int:
    """The numbers in a word, the first in the lowest bits."""
    total = 0
    for place, number in enumerate(numbers):
        assert 0 <= number < 2**bits
        total |= int(number) << (bits * place)
    return total


def words_along_rows(numbers, bits, order=None) -> np.ndarray:
    """numbers [R, C] -> int32 [R, ceil(C * bits / 32)]; `order` says which of its neighbours a word holds first."""
    per_word = 32 // bits
    packed = []
    for row in numbers.tolist():
        row = row + [0] * (-len(row) % per_word)
        parts = [row[first : first + per_word] for first in range(0, len(row), per_word)]
        packed.append([word([part[i] for i in order] if order else part, bits) for part in parts])
    return np.array(packed, np.uint32).view(np.int32)


def words_along_columns(numbers, bits) -> np.ndarray:
    """numbers [R, C] -> int32 [ceil(R * bits / 32), C]."""
    return np.ascontiguousarray(words_along_rows(numbers.T, bits).T)


# ---- the forms: a projection's tensors, by the last part of their names ----------------------------------------------


def gptq(codes: Codes, bits, version=1, g_idx=True) -> dict[str, np.ndarray]:
    zeros = codes.zero.T - (1 if version == 1 else 0)  # [G, M]
    tensors = {
        "qweight": words_along_columns(codes.code.T, bits),
        "qzeros": words_along_rows(zeros, bits),
        "scales": np.ascontiguousarray(codes.scale.T),
    }
    return tensors | ({"g_idx": codes.group_of.astype(np.int32)} if g_idx else {})


def awq(codes: Codes) -> dict[str, np.ndarray]:
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    return {
        "qweight": words_along_rows(codes.code.T, 4, order),
        "qzeros": words_along_rows(codes.zero.T, 4, order),
        "scales": np.ascontiguousarray(codes.scale.T),
    }


def pack_quantized(codes: Codes, bits, symmetric=True) -> dict[str, np.ndarray]:
    tensors = {
        "weight_packed": words_along_rows(codes.code, bits),
        "weight_shape": np.array(codes.code.shape),
        "weight_scale": codes.scale,
    }
    return tensors if symmetric else tensors | {"weight_zero_point": words_along_columns(codes.zero, bits)}


def naive_quantized(codes: Codes, bits=8, symmetric=True) -> dict[str, np.ndarray]:
    middle = 2 ** (bits - 1)
    tensors = {"weight": (codes.code - middle).astype(np.int8), "weight_scale": codes.scale}
    return tensors if symmetric else tensors | {"weight_zero_point": (codes.zero - middle).astype(np.int8)}


# ---- folders ---------------------------------------------------------------------------------------------------------


@dataclass
class Form:
    """One way to quantise: what config.json says of it, how codes are drawn (bits, group, options of Codes.draw) and
    packed."""

    config: dict
    bits: int
    group: int | None
    pack: Callable[[Codes], dict[str, np.ndarray]]
    draw: dict = field(default_factory=dict)
    kept: str = "int4"  # what our decoder makes of a projection


def write_folders(
    folder: Path, form: Form, leave_out: Callable[[str], bool] = lambda name: name == "lm_head", seed=0, **changes
) -> tuple[Path, Path]:
    """Two checkpoints of the same model: quantised, but for the projections that leave_out names; and float32."""
    quantised = make_checkpoint(folder / "quantised", dtype=BF16, **SIZES | changes)
    config = json.loads((quantised / "config.json").read_text())
    tensors = {name: tensor.numpy() for name, tensor in Checkpoint.open(quantised).items()}
    real = {name: array.astype(np.float32) for name, array in tensors.items()}
    rng = np.random.default_rng(seed)
    for name in list(tensors):
        base = name.removesuffix(".weight")
        if not (base.endswith("_proj") or base == "lm_head") or name.endswith(".bias") or leave_out(base):
            continue
        codes = Codes.draw(rng, tensors[name].shape, form.bits, form.group, **form.draw)
        real[name] = codes.weight
        del tensors[name]
        tensors |= {f"{base}.{part}": array for part, array in form.pack(codes).items()}
    save_safetensors(quantised / "model.safetensors", tensors, {"format": "pt"})
    (quantised / "config.json").write_text(json.dumps(config | {"quantization_config": form.config}))
    plain = folder / "plain"
    plain.mkdir()
    (plain / "config.json").write_text(json.dumps(config))
    save_safetensors(plain / "model.safetensors", real, {"format": "pt"})
    return quantised, plain


def change_tensors(folder, change):
    """Rewrite the folder's weights; change(tensors) edits a dict of arrays."""
    tensors = {name: tensor.numpy().copy() for name, tensor in Checkpoint.open(folder).items()}
    change(tensors)
    save_safetensors(folder / "model.safetensors", tensors, {"format": "pt"})


def change_settings(folder, **changes):
    """Change keys of config.json's quantization_config."""
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] |= changes
    (folder / "config.json").write_text(json.dumps(config))
