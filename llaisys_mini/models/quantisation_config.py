"""`quantization_config` of a checkpoint's config.json: by which program and how its weights were quantised.

Read are our own form, GPTQ, AWQ and compressed-tensors. As in config.py, a key that would change the numbers and is not
supported is refused by its name; keys that only say how the weights were found are not read. Which projections are
quantised is seen from their tensors, so lists of modules that were left out are not read either.
"""

from collections.abc import Callable, Mapping
from typing import Any

from llaisys_mini.models.keys import Keys, shown
from llaisys_mini.weights.published import AWQ, GPTQ, CompressedTensors, Published
from llaisys_mini.weights.quantisation import Quantisation

AnyQuantisation = Quantisation | Published


def quantisation_of(keys: Keys) -> AnyQuantisation | None:
    """How config.json (`keys`) says that the weights are quantised; None where they are not. Raises ConfigError."""
    name = "quantization_config" if "quantization_config" in keys else "compression_config"  # an early name
    if name not in keys:
        return None
    settings = keys.get(name)
    method = settings.get("quant_method") if isinstance(settings, Mapping) else None
    reader = _READERS.get(method) if isinstance(method, str) else None
    if reader is None:
        known = ", ".join(f'"{known}"' for known in _READERS)
        raise keys.error(
            name,
            f"is {shown(settings)}, but only the `quant_method` {known} can be read; choose one of these, or a "
            "checkpoint that is not quantised",
        )
    return reader(Keys(settings, f"{keys.where}: `{name}`"))


def _ours(keys: Keys) -> Quantisation:
    bits = _bits(keys, "bits")
    group_size = keys.integer("group_size") if "group_size" in keys else None
    if bits == 4 and group_size != 32:
        raise keys.error("group_size", f"is {shown(group_size)}, but 4 bits come in groups of 32")
    return Quantisation(bits, group_size)


def _gptq(keys: Keys) -> GPTQ:
    form = _one_of(keys, "checkpoint_format" if "checkpoint_format" in keys else "format", "gptq", "gptq_v2")
    _refuse_unless_absent(keys, "adapter", "rotation", "activation")
    _one_of(keys, "pack_dtype", "int32")
    if keys.get("is_marlin_format"):
        raise keys.error("is_marlin_format", "is true: weights in the order of Marlin's kernel are not supported")
    dynamic = keys.get("dynamic") or {}
    if not isinstance(dynamic, Mapping) or not all(str(pattern).startswith("-:") for pattern in dynamic):
        complaint = "is {}: bits or groups that differ from module to module are not supported"
        raise keys.error("dynamic", complaint.format(shown(dynamic)))
    return GPTQ(
        bits=_bits(keys, "bits"),
        group_size=_group_size(keys, "group_size"),
        symmetric=keys.flag("sym", default=True),
        zeros_minus_one=form != "gptq_v2",
        whole_words="gptqmodel" in str(keys.get("meta")).lower(),
    )


def _awq(keys: Keys) -> AWQ:
    if keys.get("backend") == "llm-awq":
        raise keys.error("backend", 'is "llm-awq", whose order of weights is not supported; only "gemm" is')
    _one_of(keys, "version" if "version" in keys else "format", "gemm")
    bits = "w_bit" if "w_bit" in keys else "bits"
    if keys.integer(bits) != 4:
        raise keys.error(bits, f"is {keys.get(bits)}, but AWQ weights have 4")
    if not keys.flag("zero_point", default=True):
        raise keys.error("zero_point", "is false, but only AWQ weights with zero points are supported")
    return AWQ(_group_size(keys, "q_group_size" if "q_group_size" in keys else "group_size"))


def _compressed_tensors(keys: Keys) -> CompressedTensors:
    _refuse_unless_absent(keys, "kv_cache_scheme", "transform_config")
    sparsity = keys.get("sparsity_config")
    if sparsity and not (isinstance(sparsity, Mapping) and sparsity.get("format") in (None, "dense")):
        raise keys.error("sparsity_config", f"is {shown(sparsity)}: sparse weights are not supported")
    _one_of(keys, "quantization_status", "compressed")
    groups = keys.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise keys.error("config_groups", f"is {shown(groups)}, but must say how weights are quantised")
    schemes = {_scheme(keys, Keys(group, f"{keys.where}: `{name}`")) for name, group in groups.items()}
    if len(schemes) > 1:
        complaint = f"has {len(groups)} groups that are quantised in different ways, which is not supported"
        raise keys.error("config_groups", complaint)
    return schemes.pop()


def _scheme(keys: Keys, group: Keys) -> CompressedTensors:
    """One of `config_groups`."""
    for key in ("input_activations", "output_activations"):
        if key in group:
            raise group.error(key, f"is {shown(group.get(key))}: only weights may be quantised, not activations")
    holder = group if "format" in group else keys
    form = _one_of(holder, "format", "pack-quantized", "int-quantized", "naive-quantized")
    if form is None:
        raise holder.error("format", "is missing")
    weights = Keys(group.get("weights"), f"{group.where}: `weights`")
    _one_of(weights, "type", "int")
    if weights.get("dynamic"):
        raise weights.error("dynamic", f"is {shown(weights.get('dynamic'))}, but weights must be quantised beforehand")
    strategy = _one_of(weights, "strategy", "group", "channel", "tensor")
    if strategy is None:
        raise weights.error("strategy", 'is missing; give "group", "channel" or "tensor"')
    return CompressedTensors(
        bits=_bits(weights, "num_bits"),
        group_size=weights.integer("group_size") if strategy == "group" else None,
        symmetric=weights.flag("symmetric", default=True),
        packed=form == "pack-quantized",
        one_scale=strategy == "tensor",
    )


_READERS: dict[str, Callable[[Keys], AnyQuantisation]] = {
    Quantisation.METHOD: _ours,
    "gptq": _gptq,
    "awq": _awq,
    "compressed-tensors": _compressed_tensors,
}


def _bits(keys: Keys, key: str) -> int:
    bits = keys.integer(key)
    if bits not in (4, 8):
        raise keys.error(key, f"is {bits}, but only 4 and 8 are supported")
    return bits


def _group_size(keys: Keys, key: str) -> int | None:
    """Neighbours that share a scale; -1 in the file means all of a row: None."""
    return None if keys.get(key) == -1 else keys.integer(key)


def _one_of(keys: Keys, key: str, *supported: str) -> str | None:
    """The value of `key`, or None where it is absent."""
    value: Any = keys.get(key)
    written = value.lower() if isinstance(value, str) else value
    if written is not None and written not in supported:
        names = " and ".join(f'"{name}"' for name in supported)
        raise keys.error(key, f"is {shown(value)}, but only {names} can be read")
    return written


def _refuse_unless_absent(keys: Keys, *names: str) -> None:
    for name in names:
        if keys.get(name):
            raise keys.error(name, f"is {shown(keys.get(name))}, which is not supported")
