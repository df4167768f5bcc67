"""Every published form that can be read, as a table of Forms."""

from dataclasses import replace
from functools import partial

import numpy as np

from tests.weights.published.packers import BF16, Form, awq, gptq, naive_quantized, pack_quantized


def gptq_form(bits, group, version=1, g_idx=True, kept="int4", config=None, **draw):
    settings = dict(quant_method="gptq", bits=bits, group_size=group or -1, desc_act=draw.get("order", False))
    settings["sym"] = draw.get("middle", True)
    if version == 2:
        settings["checkpoint_format"] = "gptq_v2"
    pack = partial(gptq, bits=bits, version=version, g_idx=g_idx)
    return Form(settings | (config or {}), bits, group, pack, draw, kept)


def awq_form(group, kept="int8", **draw):
    settings = dict(quant_method="awq", bits=4, group_size=group or -1, version="gemm", zero_point=True)
    return Form(settings, 4, group, awq, dict(middle=False) | draw, kept)


def scheme(bits, group, symmetric=True, layout="pack-quantized", **changes):
    """A `config_groups` of compressed-tensors with one group, as llm-compressor writes it."""
    weights = dict(
        num_bits=bits, type="int", symmetric=symmetric, strategy="group" if group else "channel", group_size=group,
        dynamic=False, actorder=None, block_structure=None, observer="minmax", observer_kwargs={},
    )  # fmt: skip
    weights |= changes
    group_0 = dict(weights=weights, input_activations=None, output_activations=None, targets=["Linear"], format=layout)
    return {"group_0": group_0}


def compressed_form(bits, group, layout="pack-quantized", symmetric=True, kept="int4", **draw):
    settings = dict(
        quant_method="compressed-tensors", format=layout, quantization_status="compressed", ignore=["lm_head"],
        config_groups=scheme(bits, group, symmetric, layout), kv_cache_scheme=None, global_compression_ratio=None,
    )  # fmt: skip
    pack = pack_quantized if layout == "pack-quantized" else naive_quantized
    draw = dict(middle=symmetric, dtype=BF16) | draw
    return Form(settings, bits, group, partial(pack, bits=bits, symmetric=symmetric), draw, kept)


def early(codes):
    """Zero points of a byte each, and groups in any order, as the first versions of compressed-tensors wrote them."""
    return pack_quantized(codes, 4) | {
        "weight_zero_point": (codes.zero - 8).astype(np.int8),
        "weight_g_idx": codes.group_of.astype(np.int32),
    }


def one_scale(codes):
    return naive_quantized(codes, 8) | {"weight_scale": codes.scale[:1, 0]}


FORMS = {
    "gptq, 4 bits, groups of 32": gptq_form(4, 32),
    "gptq, 4 bits, one scale per row, no g_idx": gptq_form(4, None, g_idx=False),
    "gptq, 4 bits, groups of 16": gptq_form(4, 16, kept="int8"),
    "gptq, 4 bits, zero points": gptq_form(4, 32, kept="int8", middle=False, lowest_zero=1),
    "gptq, 4 bits, zero points, v2": gptq_form(4, 32, version=2, kept="int8", middle=False),
    "gptq, 4 bits, v2, bfloat16": gptq_form(4, 32, version=2, dtype=BF16),
    "gptq, 4 bits, act-order": gptq_form(4, 32, kept="float32", order=True),
    "gptq, 4 bits, act-order, zero points": gptq_form(4, 32, version=2, kept="float32", order=True, middle=False),
    "gptq, 8 bits, groups of 32": gptq_form(8, 32, kept="int8"),
    "gptq, 8 bits, one scale per row": gptq_form(8, None, kept="int8", dtype=np.float32),
    "gptq, 8 bits, zero points near": gptq_form(8, 32, kept="int8", middle=False, lowest_zero=1, spread=100),
    "gptq, 8 bits, zero points far": gptq_form(8, 32, version=2, kept="float32", middle=False),
    "awq, groups of 32": awq_form(32),
    "awq, one scale per row": awq_form(None),
    "awq, every zero point 8": awq_form(32, kept="int4", middle=True),
    "pack-quantized, 4 bits, groups of 32": compressed_form(4, 32),
    "pack-quantized, 4 bits, channel": compressed_form(4, None),
    "pack-quantized, 4 bits, zero points": compressed_form(4, 32, symmetric=False, kept="int8"),
    "pack-quantized, 8 bits, groups of 16": compressed_form(8, 16, kept="int8"),
    "pack-quantized, 8 bits, channel": compressed_form(8, None, kept="int8"),
    "pack-quantized, 8 bits, zero points": compressed_form(8, None, symmetric=False, kept="float32"),
    "naive-quantized, 8 bits, channel": compressed_form(8, None, "naive-quantized", kept="int8"),
    "int-quantized, 8 bits, groups of 32": compressed_form(8, 32, "int-quantized", kept="int8"),
    "naive-quantized, 8 bits, zero points": compressed_form(
        8, 32, "naive-quantized", symmetric=False, kept="int8", spread=90
    ),
    "pack-quantized, early": replace(
        compressed_form(4, 32, symmetric=False, kept="float32", order=True), pack=early
    ),
    "naive-quantized, one scale": Form(
        compressed_form(8, None, "naive-quantized").config
        | {"config_groups": scheme(8, None, layout="naive-quantized", strategy="tensor")},
        8, None, one_scale, dict(one_scale=True), "int8",
    ),
}  # fmt: skip
