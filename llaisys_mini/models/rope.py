"""How a position becomes angles: RoPE as a checkpoint's config.json asks for it, plain or for longer contexts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from llaisys_mini.errors import warn_about_checkpoint
from llaisys_mini.models import known_keys
from llaisys_mini.models.keys import MAX_INT, Keys, shown

_OF_ALL = frozenset({"rope_type", "type", "rope_theta", "partial_rotary_factor"})
_STRETCHED = _OF_ALL | {"factor", "original_max_position_embeddings"}
_READ = {
    "default": _OF_ALL,
    "linear": _STRETCHED,
    "dynamic": _STRETCHED,
    "llama3": _STRETCHED | {"low_freq_factor", "high_freq_factor"},
    "yarn": _STRETCHED | {"attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"},
}
"""For each supported RoPE type the settings that it has. Others are ignored with a warning, as transformers does; one
that was published is `attn_factor`, of DeepSeek-R1-0528-Qwen3-8B."""

_REFUSED = {
    "mrope_section": "positions of images are not supported",
    "short_factor": "factors for each pair (LongRoPE) are not supported",
    "long_factor": "factors for each pair (LongRoPE) are not supported",
}


@dataclass(frozen=True, eq=False)
class Rope:
    """How a position becomes angles (RoFormer, arXiv 2104.09864).

    theta: base of the geometric series of frequencies (`rope_theta`).
    scaling: how the context was stretched: None, "linear", "llama3" or "yarn".
    inverse_frequencies: float32 [head_dim / 2], radians per position; the angle of pair i at position p is
        `p * inverse_frequencies[i]`.
    attention_factor: cos and sin are multiplied by it (YaRN; 1.0 otherwise).
    stretched_to: how many positions YaRN stretches the original context to, where the settings name both.
    """

    theta: float
    scaling: str | None
    inverse_frequencies: np.ndarray
    attention_factor: float
    stretched_to: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the context was not stretched: the series `theta ** (-2 i / head_dim)` itself."""
        return self.scaling is None


def rope_of(keys: Keys, head_dim: int, max_positions: int) -> Rope:
    """RoPE from either layout: the new `rope_parameters`, or the old `rope_scaling` beside a top-level `rope_theta`.

    keys: config.json; head_dim: elements of a head; max_positions: of the model. Where both dicts are given
    `rope_scaling` wins, and a `rope_theta` inside the dict wins over the top-level one, as in transformers.
    Raises ConfigError for settings that are not supported.
    """
    name = "rope_parameters" if keys.get("rope_scaling") in (None, {}) else "rope_scaling"
    if isinstance(keys.get(name), Mapping) and any(isinstance(value, Mapping) for value in keys.get(name).values()):
        raise keys.error(name, "gives layers different RoPE settings, which is not supported")
    rope = Keys(keys.get(name) if name in keys else {}, f"{keys.where}: `{name}`")
    theta = (rope if "rope_theta" in rope else keys).number("rope_theta", above=1.0)

    kind = rope.get("rope_type") or rope.get("type") or "default"
    if not isinstance(kind, str) or kind not in _READ:
        raise rope.error("rope_type", f"is {shown(kind)}, but only {', '.join(_READ)} are supported")
    harmless, reason = known_keys.REFUSED["partial_rotary_factor"]
    if rope.get("partial_rotary_factor") not in harmless:
        raise rope.error("partial_rotary_factor", f"is {shown(rope.get('partial_rotary_factor'))}: {reason}")
    for key in rope.values:
        if key in rope and key in _REFUSED:
            raise rope.error(key, f"is {shown(rope.get(key))}: {_REFUSED[key]}")
        if key in rope and key not in _READ[kind]:
            warn_about_checkpoint(f"{rope.where}: `{key:.40}` is no setting of RoPE type {kind!r} and ignored.")

    plain = theta ** (-np.arange(0, head_dim, 2) / head_dim)  # radians per position, float64 [head_dim / 2]
    if kind == "default":
        return _frozen_rope(theta, None, plain, 1.0)
    if kind == "dynamic":
        # Frequencies change once a text is longer than `max_position_embeddings`, which is as far as ours go.
        _factor(rope)
        return _frozen_rope(theta, None, plain, 1.0)
    if kind == "linear":
        return _frozen_rope(theta, "linear", plain / _factor(rope), 1.0)
    if kind == "llama3":
        return _frozen_rope(theta, "llama3", _llama3(keys, rope, plain, max_positions), 1.0)
    return _yarn(keys, rope, theta, plain, max_positions)


def _original_positions(keys: Keys, rope: Keys, max_positions: int) -> int:
    """The context before it was stretched; a key outside the dict wins, as in transformers."""
    knows_original = keys if "original_max_position_embeddings" in keys else rope
    return knows_original.integer("original_max_position_embeddings", default=max_positions)


def _llama3(keys: Keys, rope: Keys, plain: np.ndarray, max_positions: int) -> np.ndarray:
    """The frequencies of Llama 3.1: pairs that turn less than `low_freq_factor` times within the original context are
    slowed by `factor`, those that turn more than `high_freq_factor` times are kept, those between are blended."""
    original, factor = _original_positions(keys, rope, max_positions), _factor(rope)
    low, high = rope.number("low_freq_factor"), rope.number("high_freq_factor")
    if high <= low:
        raise rope.error("high_freq_factor", f"is {high:g}, but must be above `low_freq_factor` {low:g}")
    turns = original * plain / (2 * math.pi)
    share_kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return plain / factor * (1.0 - share_kept) + plain * share_kept


def _yarn(keys: Keys, rope: Keys, theta: float, plain: np.ndarray, max_positions: int) -> Rope:
    """YaRN (arXiv 2309.00071, section 3): slow pairs are interpolated, fast ones kept, those between are blended.

    A pair is fast if it turns more than `beta_fast` times within the original context, slow if fewer than `beta_slow`.
    """
    original = _original_positions(keys, rope, max_positions)
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
    # Published settings leave `max_position_embeddings` as it was, for the reader to stretch.
    names_both = "factor" in rope and any("original_max_position_embeddings" in where for where in (keys, rope))
    stretched_to = int(min(factor * original, MAX_INT)) if names_both else None
    return _frozen_rope(theta, "yarn", stretched, attention_factor, stretched_to)


def _attention_scale(factor: float, mscale: float) -> float:
    """How much sharper attention must be in a context stretched by `factor` (YaRN, section 3.4)."""
    return 1.0 if factor <= 1.0 else 0.1 * mscale * math.log(factor) + 1.0


def _factor(rope: Keys) -> float:
    factor = rope.number("factor")
    if factor < 1.0:
        raise rope.error("factor", f"is {factor:g}, but a context can only be stretched: give 1 or more")
    return factor


def _implied_factor(rope: Keys, max_positions: int, original: int) -> float:
    if max_positions <= original:
        raise rope.error("factor", "is missing; give how many times longer the context became")
    return max_positions / original


def _frozen_rope(
    theta: float,
    scaling: str | None,
    inverse_frequencies: np.ndarray,
    attention_factor: float,
    stretched_to: int | None = None,
) -> Rope:
    rounded = inverse_frequencies.astype(np.float32)
    rounded.setflags(write=False)
    return Rope(theta, scaling, rounded, float(attention_factor), stretched_to)
