"""What a checkpoint's config.json asks for, checked key by key, as plain numbers that the decoder can use.

The decoder is written once, so everything in which the families differ is decided here: where biases are, whether
query and key are normalised, how positions turn into angles, how far each layer looks back.
A key that would change the model's numbers and is not supported is refused by its name. Ignoring it would load a
model that speaks nonsense. Keys that only concern training, speed or saving are not read.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from llaisys_mini.errors import ConfigError

FAMILIES = ("qwen2", "qwen3")
"""Supported values of config.json's `model_type`. Qwen2.5 and DeepSeek-R1-Distill-Qwen say "qwen2"."""

_MAX_INT = 2**31 - 1
_MAX_LAYERS = 10_000  # far above any real model; stops a broken file from asking for gigabytes of per-layer values
_MAX_HEAD_DIM = 65_536

_ONLY_DENSE = "mixture-of-experts models are not supported; choose a dense Qwen2, Qwen2.5 or Qwen3 checkpoint"
_ONLY_TEXT = "models that see or hear are not supported; choose a text-only checkpoint"
_ONLY_FLOAT = (
    "quantised checkpoints of other programs are not supported; choose one whose weights are float32, float16 or "
    "bfloat16, and quantise it with `llaisys-mini quantize`"
)
_ONLY_CAUSAL = "only decoders that look back and predict the next token are supported"

# Keys that change the model's numbers: the values under which they change nothing, and why all others are refused.
_REFUSED_KEYS: dict[str, tuple[tuple[Any, ...], str]] = {
    "num_experts": ((None, 0), _ONLY_DENSE),
    "num_local_experts": ((None, 0), _ONLY_DENSE),
    "n_routed_experts": ((None, 0), _ONLY_DENSE),
    "num_experts_per_tok": ((None, 0), _ONLY_DENSE),
    "moe_intermediate_size": ((None, 0), _ONLY_DENSE),
    "vision_config": ((None,), _ONLY_TEXT),
    "audio_config": ((None,), _ONLY_TEXT),
    "text_config": ((None,), _ONLY_TEXT),
    "thinker_config": ((None,), _ONLY_TEXT),
    "use_mrope": ((None, False), _ONLY_TEXT),
    "compression_config": ((None,), _ONLY_FLOAT),
    "partial_rotary_factor": ((None, 1), "rotating only a part of each head is not supported"),
    "is_causal": ((None, True), _ONLY_CAUSAL),
    "is_encoder_decoder": ((None, False), _ONLY_CAUSAL),
    "auto_map": ((None, {}), "the model brings its own Python code, which this package never runs"),
    "mlp_bias": ((None, False), "biases in the feed-forward block are not supported"),
}

_ROPE_KEYS = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
_YARN_KEYS = {
    "factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "mscale",
    "mscale_all_dim",
    "truncate",
}
_KEYS_OF_ROPE_TYPE = {"default": _ROPE_KEYS, "linear": _ROPE_KEYS | {"factor"}, "yarn": _ROPE_KEYS | _YARN_KEYS}

_GENERATION_NUMBERS = ("temperature", "top_p", "min_p", "repetition_penalty")


@dataclass(frozen=True, eq=False)
class Rope:
    """How a position becomes angles (RoFormer, arXiv 2104.09864).

    theta: base of the geometric series of frequencies (`rope_theta`).
    scaling: how the context was stretched: None, "linear" or "yarn".
    inverse_frequencies: float32 [head_dim / 2], radians per position; the angle of pair i at position p is
        `p * inverse_frequencies[i]`.
    attention_factor: cos and sin are multiplied by it (YaRN; 1.0 otherwise).
    """

    theta: float
    scaling: str | None
    inverse_frequencies: np.ndarray
    attention_factor: float

    @property
    def is_plain(self) -> bool:
        """Whether the context was not stretched: the series `theta ** (-2 i / head_dim)` itself."""
        return self.scaling is None


@dataclass(frozen=True)
class Quantization:
    """How the projections' weights are stored: whole numbers, each group of a row with a scale (`quantization`).

    bits: 8 (operator linear_int8) or 4 (linear_int4).
    group_size: neighbours that share a scale; None for one scale per row.
    """

    METHOD: ClassVar[str] = "llaisys_mini"  # `quant_method` in config.json: tells our files from those of others
    bits: int
    group_size: int | None

    def to_dict(self) -> dict[str, Any]:
        """The value of config.json's `quantization_config`."""
        return {"quant_method": self.METHOD, "bits": self.bits, "group_size": self.group_size}


@dataclass(frozen=True, eq=False)
class ModelConfig:
    """The shape of one decoder. Sizes count elements, positions count tokens.

    family: "qwen2" or "qwen3".
    layers, heads, kv_heads, head_dim: decoder blocks; query heads; key/value heads, each shared by
        `heads / kv_heads` query heads; width of one head.
    rms_norm_eps: added to the mean square under the root.
    tied_embeddings: the output projection is the embedding matrix; the file's own `lm_head`, if any, is not used.
    qkv_bias, output_bias: whether the query/key/value and the output projection of attention add a bias.
    qk_norm: whether every query and key head goes through RMSNorm before RoPE (Qwen3).
    max_positions: longest context the model was made for (`max_position_embeddings`).
    windows: per layer, how many of the latest positions attention sees, the current one included; None sees all.
    stop_ids: token ids that end a text. generation_config.json's list wins over config.json's.
    bos_id, pad_id: ids of the begin and padding tokens, or None.
    quantization: how the projections' weights are quantised, or None where they are not.
    generation: defaults for sampling, as far as generation_config.json names them: temperature, top_k, top_p, min_p,
        repetition_penalty (numbers) and do_sample (bool).
    """

    family: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rms_norm_eps: float
    tied_embeddings: bool
    qkv_bias: bool
    output_bias: bool
    qk_norm: bool
    max_positions: int
    rope: Rope
    windows: tuple[int | None, ...]
    stop_ids: frozenset[int]
    bos_id: int | None
    pad_id: int | None
    quantization: Quantization | None
    generation: dict[str, float | int | bool]

    @classmethod
    def from_folder(cls, folder: Path | str) -> "ModelConfig":
        """Read `config.json` and, if it is there, `generation_config.json` of a checkpoint folder.

        Raises ConfigError where a file is missing or broken, or asks for something that is not supported.
        """
        config, generation = Path(folder) / "config.json", Path(folder) / "generation_config.json"
        if not config.is_file():
            raise ConfigError(f"{config} does not exist. Give a folder with a Hugging Face checkpoint in it.")
        defaults = _read_json(generation) if generation.is_file() else {}
        return _build(_Keys(_read_json(config), str(config)), _Keys(defaults, str(generation)))

    @classmethod
    def from_dict(cls, raw: dict, generation: dict | None = None) -> "ModelConfig":
        """The same from the parsed contents of both files. Raises ConfigError."""
        return _build(_Keys(raw, "config.json"), _Keys(generation or {}, "generation_config.json"))


class _Keys:
    """A JSON object whose values are fetched with their type and range checked. null counts as absent."""

    def __init__(self, values: Mapping[str, Any], where: str):
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}: must hold a JSON object, not {_shown(values)}.")
        self.values = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def error(self, key: str, complaint: str) -> ConfigError:
        return ConfigError(f"{self.where}: `{key}` {complaint}.")

    def integer(self, key: str, *, least: int = 1, most: int = _MAX_INT, default: int | None = None) -> int:
        """An integer in least..most; `default` where the key is absent, or an error if there is none."""
        value = self._value(key, default, f"give an integer of at least {least}")
        if type(value) is not int or not least <= value <= most:
            raise self.error(key, f"is {_shown(value)}, but must be an integer from {least} to {most}")
        return value

    def number(self, key: str, *, above: float = 0.0, default: float | None = None) -> float:
        """A finite number greater than `above`; `default` where the key is absent, or an error if there is none."""
        value = self._value(key, default, f"give a number above {above:g}")
        if not _is_finite_number(value) or not value > above:
            raise self.error(key, f"is {_shown(value)}, but must be a finite number above {above:g}")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._value(key, default, "")
        if type(value) is not bool:
            raise self.error(key, f"is {_shown(value)}, but must be true or false")
        return value

    def token_ids(self, key: str, vocab_size: int) -> frozenset[int]:
        """One token id or a list of them; empty where the key is absent."""
        value = self.get(key)
        ids = [] if value is None else value if isinstance(value, list) else [value]
        for one in ids:
            if type(one) is not int or not 0 <= one < vocab_size:
                raise self.error(key, f"holds {_shown(one)}, but token ids run from 0 to {vocab_size - 1}")
        return frozenset(ids)

    def token_id(self, key: str, vocab_size: int) -> int | None:
        """One token id, or None where the key is absent."""
        if isinstance(self.get(key), list):
            raise self.error(key, f"is {_shown(self.get(key))}, but must be one token id")
        return next(iter(self.token_ids(key, vocab_size)), None)

    def _value(self, key: str, default: Any, remedy: str) -> Any:
        if key in self:
            return self.get(key)
        if default is None:
            raise self.error(key, f"is missing; {remedy}")
        return default


def _build(keys: _Keys, generation: _Keys) -> ModelConfig:
    family = _family(keys)
    _refuse_unsupported(keys, family)
    vocab_size = keys.integer("vocab_size")
    hidden_size = keys.integer("hidden_size")
    layers = keys.integer("num_hidden_layers", most=_MAX_LAYERS)
    heads, kv_heads, head_dim = _heads(keys, family, hidden_size)
    max_positions = keys.integer("max_position_embeddings")
    # Qwen2 always has a bias on query, key and value. Qwen3 has none, or one on all four with `attention_bias`.
    attention_bias = keys.flag("attention_bias", default=family == "qwen2")
    if family == "qwen2" and not attention_bias:
        raise keys.error("attention_bias", "is false, but Qwen2 always adds a bias to query, key and value; remove it")
    says_when_to_stop = generation if "eos_token_id" in generation else keys
    return ModelConfig(
        family=family,
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=keys.integer("intermediate_size"),
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        rms_norm_eps=keys.number("rms_norm_eps"),
        tied_embeddings=keys.flag("tie_word_embeddings", default=False),
        qkv_bias=attention_bias,
        output_bias=attention_bias and family == "qwen3",
        qk_norm=family == "qwen3",
        max_positions=max_positions,
        rope=_rope(keys, head_dim, max_positions),
        windows=_windows(keys, layers),
        stop_ids=says_when_to_stop.token_ids("eos_token_id", vocab_size),
        bos_id=keys.token_id("bos_token_id", vocab_size),
        pad_id=keys.token_id("pad_token_id", vocab_size),
        quantization=_quantization(keys),
        generation=_generation_defaults(generation),
    )


def _family(keys: _Keys) -> str:
    family = keys.get("model_type")
    if family in FAMILIES:
        return family
    if family is None:
        raise keys.error("model_type", 'is missing; give "qwen2" or "qwen3"')
    reason = "only qwen2 (Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen) and qwen3 checkpoints can be read"
    if isinstance(family, str) and family.startswith("qwen"):
        if "moe" in family:
            reason = _ONLY_DENSE
        elif any(part in family for part in ("vl", "audio", "omni")):
            reason = _ONLY_TEXT
    raise keys.error("model_type", f"is {_shown(family)}: {reason}")


def _refuse_unsupported(keys: _Keys, family: str) -> None:
    for key, (harmless, reason) in _REFUSED_KEYS.items():
        if keys.get(key) not in harmless:
            raise keys.error(key, f"is {_shown(keys.get(key))}: {reason}")
    activation = keys.get("hidden_act")
    if activation not in (None, "silu"):
        raise keys.error("hidden_act", f'is {_shown(activation)}, but only "silu" is supported')
    wanted = {"qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[family]
    architectures = keys.get("architectures")
    if architectures is not None and architectures != [wanted]:
        raise keys.error("architectures", f'is {_shown(architectures)}, but only ["{wanted}"] is supported')


def _quantization(keys: _Keys) -> Quantization | None:
    """Ours are read; every other program's are refused, since the same bits mean something else to each."""
    name = "quantization_config"
    if name not in keys:
        return None
    settings = keys.get(name)
    if not isinstance(settings, Mapping) or settings.get("quant_method") != Quantization.METHOD:
        raise keys.error(name, f"is {_shown(settings)}: {_ONLY_FLOAT}")
    ours = _Keys(settings, f"{keys.where}: `{name}`")
    bits = ours.integer("bits")
    if bits not in (4, 8):
        raise ours.error("bits", f"is {bits}, but only 4 and 8 are supported")
    group_size = ours.integer("group_size") if "group_size" in ours else None
    if bits == 4 and group_size != 32:
        raise ours.error("group_size", f"is {_shown(group_size)}, but 4 bits come in groups of 32")
    return Quantization(bits, group_size)


def _heads(keys: _Keys, family: str, hidden_size: int) -> tuple[int, int, int]:
    heads = keys.integer("num_attention_heads")
    # null says "as many as query heads"; an absent key is refused, since libraries disagree on its default.
    one_each = heads if "num_key_value_heads" in keys.values else None
    kv_heads = keys.integer("num_key_value_heads", default=one_each)
    if heads % kv_heads:
        raise keys.error("num_attention_heads", f"is {heads}, which is no multiple of `num_key_value_heads` {kv_heads}")
    if family == "qwen2" and "head_dim" not in keys and hidden_size % heads:
        raise keys.error("hidden_size", f"is {hidden_size}, which is no multiple of `num_attention_heads` {heads}")
    head_dim = keys.integer("head_dim", default=128 if family == "qwen3" else hidden_size // heads, most=_MAX_HEAD_DIM)
    if head_dim % 2:
        raise keys.error("head_dim", f"is {head_dim}, but RoPE rotates pairs and needs an even number")
    return heads, kv_heads, head_dim


def _windows(keys: _Keys, layers: int) -> tuple[int | None, ...]:
    """Per layer the sliding window or None. `sliding_window` counts only if `use_sliding_window` is true."""
    window = None
    if keys.flag("use_sliding_window", default=False):
        window = keys.integer("sliding_window")
    kinds = keys.get("layer_types")
    if kinds is None:
        if window is None:
            return (None,) * layers
        full = keys.integer("max_window_layers", least=0)
        return tuple(None if layer < full else window for layer in range(layers))
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise keys.error("layer_types", f"must be a list with one entry for each of the {layers} layers")
    for kind in kinds:
        if kind not in ("full_attention", "sliding_attention"):
            complaint = f'holds {_shown(kind)}; only "full_attention" and "sliding_attention" are supported'
            raise keys.error("layer_types", complaint)
    if window is None and "sliding_attention" in kinds:
        raise keys.error("layer_types", 'holds "sliding_attention", but `use_sliding_window` is not true; correct one')
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)


def _rope(keys: _Keys, head_dim: int, max_positions: int) -> Rope:
    """RoPE from either layout: the new `rope_parameters`, or the old `rope_scaling` beside a top-level `rope_theta`.

    Where both dicts are given `rope_scaling` wins, and a `rope_theta` inside the dict wins over the top-level one,
    as in transformers.
    """
    name = "rope_parameters" if keys.get("rope_scaling") in (None, {}) else "rope_scaling"
    if isinstance(keys.get(name), Mapping) and any(isinstance(value, Mapping) for value in keys.get(name).values()):
        raise keys.error(name, "gives layers different RoPE settings, which is not supported")
    rope = _Keys(keys.get(name) if name in keys else {}, f"{keys.where}: `{name}`")
    theta = (rope if "rope_theta" in rope else keys).number("rope_theta", above=1.0)

    kind = rope.get("rope_type") or rope.get("type") or "default"
    if not isinstance(kind, str) or kind not in _KEYS_OF_ROPE_TYPE:
        raise rope.error("rope_type", f'is {_shown(kind)}, but only "default", "linear" and "yarn" are supported')
    harmless, reason = _REFUSED_KEYS["partial_rotary_factor"]
    if rope.get("partial_rotary_factor") not in harmless:
        raise rope.error("partial_rotary_factor", f"is {_shown(rope.get('partial_rotary_factor'))}: {reason}")
    for key in rope.values:
        if key in rope and key not in _KEYS_OF_ROPE_TYPE[kind]:
            raise rope.error(key, f'is not a setting of RoPE type "{kind}" that is supported; remove it')

    plain = theta ** (-np.arange(0, head_dim, 2) / head_dim)  # radians per position, float64 [head_dim / 2]
    if kind == "default":
        return _frozen_rope(theta, None, plain, 1.0)
    if kind == "linear":
        return _frozen_rope(theta, "linear", plain / _factor(rope), 1.0)
    return _yarn(keys, rope, theta, plain, max_positions)


def _yarn(keys: _Keys, rope: _Keys, theta: float, plain: np.ndarray, max_positions: int) -> Rope:
    """YaRN (arXiv 2309.00071, section 3): slow pairs are interpolated, fast ones kept, those between are blended.

    A pair is fast if it turns more than `beta_fast` times within the original context, slow if fewer than `beta_slow`.
    """
    knows_original = keys if "original_max_position_embeddings" in keys else rope
    original = knows_original.integer("original_max_position_embeddings", default=max_positions)
    factor = _factor(rope) if "factor" in rope else _implied_factor(rope, max_positions, original)
    beta_fast = rope.number("beta_fast", default=32.0)
    beta_slow = rope.number("beta_slow", default=1.0)
    if beta_fast < beta_slow:
        raise rope.error("beta_fast", f"is {beta_fast:g}, which is below `beta_slow` {beta_slow:g}; swap them")

    head_dim = 2 * len(plain)

    def pair_that_turns(times: float) -> float:
        """The (fractional) index of the pair that makes so many full turns within the original context."""
        return head_dim * math.log(original / (times * 2 * math.pi)) / (2 * math.log(theta))

    first, last = pair_that_turns(beta_fast), pair_that_turns(beta_slow)
    if rope.flag("truncate", default=True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, head_dim - 1)
    if first == last:
        last += 0.001  # keeps the ramp's slope finite
    share_interpolated = np.clip((np.arange(len(plain)) - first) / (last - first), 0.0, 1.0)
    stretched = plain / factor * share_interpolated + plain * (1.0 - share_interpolated)

    if "attention_factor" in rope:
        attention_factor = rope.number("attention_factor")
    elif rope.get("mscale") and rope.get("mscale_all_dim"):
        numerator = _attention_scale(factor, rope.number("mscale"))
        attention_factor = numerator / _attention_scale(factor, rope.number("mscale_all_dim"))
    else:
        attention_factor = _attention_scale(factor, 1.0)
    return _frozen_rope(theta, "yarn", stretched, attention_factor)


def _attention_scale(factor: float, mscale: float) -> float:
    """How much sharper attention must be in a context stretched by `factor` (YaRN, section 3.4)."""
    return 1.0 if factor <= 1.0 else 0.1 * mscale * math.log(factor) + 1.0


def _factor(rope: _Keys) -> float:
    factor = rope.number("factor")
    if factor < 1.0:
        raise rope.error("factor", f"is {factor:g}, but a context can only be stretched: give 1 or more")
    return factor


def _implied_factor(rope: _Keys, max_positions: int, original: int) -> float:
    if max_positions <= original:
        raise rope.error("factor", "is missing; give how many times longer the context became")
    return max_positions / original


def _frozen_rope(theta: float, scaling: str | None, inverse_frequencies: np.ndarray, attention_factor: float) -> Rope:
    rounded = inverse_frequencies.astype(np.float32)
    rounded.setflags(write=False)
    return Rope(theta, scaling, rounded, float(attention_factor))


def _generation_defaults(generation: _Keys) -> dict[str, float | int | bool]:
    defaults: dict[str, float | int | bool] = {}
    for key in _GENERATION_NUMBERS:
        if key in generation:
            value = generation.get(key)
            if not _is_finite_number(value) or value < 0:
                raise generation.error(key, f"is {_shown(value)}, but must be a number of at least 0")
            defaults[key] = float(value)
    if "top_k" in generation:
        defaults["top_k"] = generation.integer("top_k", least=0)
    if "do_sample" in generation:
        defaults["do_sample"] = generation.flag("do_sample", default=False)
    return defaults


def _is_finite_number(value: Any) -> bool:
    # The comparison instead of math.isfinite: an integer too large for a float must not raise.
    return type(value) in (int, float) and abs(value) <= 1e308


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise ConfigError(f"{path} is not valid JSON ({problem}). Download it again or correct it.") from None
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}.") from None


def _shown(value: Any) -> str:
    """A value for an error message, short whatever it is."""
    text = repr(value) if isinstance(value, (dict, list)) else json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
