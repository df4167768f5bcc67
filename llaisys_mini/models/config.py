"""What a checkpoint's config.json asks for, checked key by key, as plain numbers that the decoder can use.

The decoder is written once, so everything in which the families differ is decided here: where biases are, whether
query and key are normalised, how positions turn into angles, how far each layer looks back.
A key that would change the model's numbers and is not supported is refused by its name. Ignoring it would load a
model that writes nonsense. known_keys.py lists the keys, and which of them are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llaisys_mini.errors import ConfigError, warn_about_checkpoint
from llaisys_mini.models import known_keys
from llaisys_mini.models.keys import Keys, is_finite_number, read_json, shown
from llaisys_mini.models.quantisation_config import AnyQuantisation, quantisation_of
from llaisys_mini.models.rope import Rope, rope_of

FAMILIES = ("qwen2", "qwen3")
"""Supported values of config.json's `model_type`. Qwen2.5 and DeepSeek-R1-Distill-Qwen say "qwen2"."""

_MAX_LAYERS = 10_000  # far above any real model; stops a broken file from asking for gigabytes of per-layer values
_MAX_HEAD_DIM = 65_536

_OWN_CODE = ("AutoConfig", "AutoModel", "AutoModelForCausalLM")
"""Entries of `auto_map` that replace the decoder; others add a tokenizer or a classifier, which nothing here needs."""

_GENERATION_NUMBERS = ("temperature", "top_p", "min_p", "repetition_penalty")


@dataclass(frozen=True, eq=False)
class ModelConfig:
    """The shape of one decoder. Sizes count elements, positions count tokens.

    family: "qwen2" or "qwen3".
    layers, heads, kv_heads, head_dim: decoder blocks; query heads; key/value heads, each shared by
        `heads / kv_heads` query heads; width of one head.
    rms_norm_eps: added to the mean square under the root.
    tied_embeddings: the output projection is the embedding matrix, unless the file has an `lm_head` of its own.
    qkv_bias, output_bias: whether the query/key/value and the output projection of attention add a bias.
    qk_norm: whether every query and key head goes through RMSNorm before RoPE (Qwen3).
    max_positions: longest context: `max_position_embeddings`, or what YaRN stretches the original context to.
    windows: per layer, how many of the latest positions attention sees, the current one included; None sees all.
    stop_ids: token ids that end a text. generation_config.json's list wins over config.json's.
    bos_id, pad_id: ids of the begin and padding tokens, or None. Ids outside the vocabulary, which some files have in
        the place of none, are left out here and in `stop_ids`: no text can hold them.
    quantisation: how the projections' weights are quantised, or None where they are not.
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
    quantisation: AnyQuantisation | None
    generation: dict[str, float | int | bool]

    @classmethod
    def from_folder(cls, folder: Path | str) -> "ModelConfig":
        """Read `config.json` and, if it is there, `generation_config.json` of a checkpoint folder.

        Raises ConfigError where a file is missing or broken, or asks for something that is not supported.
        """
        config, generation = Path(folder) / "config.json", Path(folder) / "generation_config.json"
        if not config.is_file():
            raise ConfigError(f"{config} does not exist. Give a folder with a Hugging Face checkpoint in it.")
        defaults = read_json(generation) if generation.is_file() else {}
        return _build(Keys(read_json(config), str(config)), Keys(defaults, str(generation)))

    @classmethod
    def from_dict(cls, raw: dict, generation: dict | None = None) -> "ModelConfig":
        """The same from the parsed contents of both files. Raises ConfigError."""
        return _build(Keys(raw, "config.json"), Keys(generation or {}, "generation_config.json"))


def _build(keys: Keys, generation: Keys) -> ModelConfig:
    family = _family(keys)
    _refuse_unsupported(keys, family)
    _warn_about_unknown(keys)
    vocab_size = keys.integer("vocab_size")
    hidden_size = keys.integer("hidden_size")
    layers = keys.integer("num_hidden_layers", most=_MAX_LAYERS)
    heads, kv_heads, head_dim = _heads(keys, family, hidden_size)
    max_positions = keys.integer("max_position_embeddings")
    rope = rope_of(keys, head_dim, max_positions)
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
        max_positions=max(max_positions, rope.stretched_to or 0),
        rope=rope,
        windows=_windows(keys, layers),
        stop_ids=says_when_to_stop.token_ids("eos_token_id", vocab_size),
        bos_id=keys.token_id("bos_token_id", vocab_size),
        pad_id=keys.token_id("pad_token_id", vocab_size),
        quantisation=quantisation_of(keys),
        generation=_generation_defaults(generation),
    )


def _family(keys: Keys) -> str:
    family = keys.get("model_type")
    if family in FAMILIES:
        return family
    if family is None:
        raise keys.error("model_type", 'is missing; give "qwen2" or "qwen3"')
    reason = "only qwen2 (Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen) and qwen3 checkpoints can be read"
    if isinstance(family, str) and family.startswith("qwen"):
        if "moe" in family:
            reason = known_keys.ONLY_DENSE
        elif any(part in family for part in ("vl", "audio", "omni")):
            reason = known_keys.ONLY_TEXT
    raise keys.error("model_type", f"is {shown(family)}: {reason}")


def _refuse_unsupported(keys: Keys, family: str) -> None:
    for key, (harmless, reason) in known_keys.REFUSED.items():
        if keys.get(key) not in harmless:
            raise keys.error(key, f"is {shown(keys.get(key))}: {reason}")
    if keys.get("hidden_act") not in (None, "silu", "swish"):  # two names of one function
        raise keys.error("hidden_act", f'is {shown(keys.get("hidden_act"))}, but only "silu" is supported')
    wanted = {"qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[family]
    architectures = keys.get("architectures")
    if architectures not in (None, [], [wanted]):
        raise keys.error("architectures", f'is {shown(architectures)}, but only ["{wanted}"] is supported')
    own_code = keys.get("auto_map")
    if own_code is not None and not isinstance(own_code, Mapping):
        raise keys.error("auto_map", f"is {shown(own_code)}, but must be a JSON object")
    if any(name in _OWN_CODE for name in own_code or ()):
        raise keys.error(
            "auto_map", f"is {shown(own_code)}: the model brings its own Python code, which this package never runs"
        )


def _warn_about_unknown(keys: Keys) -> None:
    known = known_keys.READ | known_keys.WITHOUT_EFFECT | known_keys.REFUSED.keys()
    unknown = [key for key in keys.values if key not in known and key in keys]
    if unknown:
        names = ", ".join(f"`{key:.40}`" for key in unknown[:8]) + (", ..." if len(unknown) > 8 else "")
        are = "are" if len(unknown) > 1 else "is"
        warn_about_checkpoint(f"{keys.where}: {names} {are} not known here and ignored.")


def _heads(keys: Keys, family: str, hidden_size: int) -> tuple[int, int, int]:
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


def _windows(keys: Keys, layers: int) -> tuple[int | None, ...]:
    """Per layer the sliding window or None. `sliding_window` counts only if `use_sliding_window` is true; null says
    that there is none."""
    window = None
    if keys.flag("use_sliding_window", default=False) and keys.values.get("sliding_window", "absent") is not None:
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
            complaint = f'holds {shown(kind)}; only "full_attention" and "sliding_attention" are supported'
            raise keys.error("layer_types", complaint)
    if window is None and "sliding_attention" in kinds:
        complaint = 'holds "sliding_attention", but `use_sliding_window` or `sliding_window` says that no layer slides'
        raise keys.error("layer_types", f"{complaint}; correct one")
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)


def _generation_defaults(generation: Keys) -> dict[str, float | int | bool]:
    defaults: dict[str, float | int | bool] = {}
    for key in _GENERATION_NUMBERS:
        if key in generation:
            value = generation.get(key)
            if not is_finite_number(value) or value < 0:
                raise generation.error(key, f"is {shown(value)}, but must be a number of at least 0")
            defaults[key] = float(value)
    if "top_k" in generation:
        defaults["top_k"] = generation.integer("top_k", least=0)
    for key, harmless in known_keys.GENERATION_IGNORED.items():
        if generation.get(key) not in harmless:
            complaint = f"`{key}` is {shown(generation.get(key))}, which is not supported and ignored"
            warn_about_checkpoint(f"{generation.where}: {complaint}.")
    if "do_sample" in generation:
        defaults["do_sample"] = generation.flag("do_sample", default=False)
    return defaults
