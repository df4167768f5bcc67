"""What config.json may say of quantised weights, and what is refused by its name."""

import pytest

from llaisys_mini.errors import ConfigError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.weights.published import AWQ as AWQWeights
from tests.models.random_models import BASE
from tests.weights.published.forms import FORMS, scheme

GPTQ, AWQ, PACKED = (
    FORMS[name].config
    for name in ("gptq, 4 bits, groups of 32", "awq, groups of 32", "pack-quantized, 4 bits, groups of 32")
)


def with_group(**changes):
    """PACKED, its scheme changed."""
    return PACKED | {"config_groups": {"group_0": PACKED["config_groups"]["group_0"] | changes}}


def with_weights(**changes):
    return PACKED | {"config_groups": scheme(4, 32, **changes)}


FP8 = dict(num_bits=8, type="float", strategy="tensor", dynamic=False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            'bitsandbytes.* only the `quant_method` "llaisys_mini"',
        ),
        ({"quant_method": "fp8"}, "is .*fp8.*, but only the `quant_method`"),
        ({"quant_method": ["gptq"]}, "but only the `quant_method`"),
        ({"bits": 4}, "but only the `quant_method`"),
        ("int8", 'is "int8", but only the `quant_method`'),
        (GPTQ | {"bits": 3}, "`bits` is 3, but only 4 and 8"),
        (GPTQ | {"bits": "4"}, '`bits` is "4", but must be an integer'),
        (GPTQ | {"group_size": 0}, "`group_size` is 0"),
        (GPTQ | {"group_size": None}, "`group_size` is missing"),
        (GPTQ | {"checkpoint_format": "marlin"}, '`checkpoint_format` is "marlin", but only "gptq" and "gptq_v2"'),
        (GPTQ | {"format": "gptq_p"}, '`format` is "gptq_p"'),
        (GPTQ | {"is_marlin_format": True}, "`is_marlin_format` is true"),
        (GPTQ | {"pack_dtype": "int16"}, '`pack_dtype` is "int16", but only "int32"'),
        (GPTQ | {"sym": "yes"}, '`sym` is "yes", but must be true or false'),
        (GPTQ | {"dynamic": {"+:.*down_proj": {"bits": 8}}}, "`dynamic` is .*: bits or groups that differ"),
        (GPTQ | {"adapter": {"rank": 8}}, "`adapter` is .*, which is not supported"),
        (GPTQ | {"rotation": "hadamard"}, '`rotation` is "hadamard"'),
        (AWQ | {"bits": 8}, "`bits` is 8, but AWQ weights have 4"),
        (AWQ | {"version": "gemv"}, '`version` is "gemv", but only "gemm"'),
        (AWQ | {"backend": "llm-awq"}, '`backend` is "llm-awq"'),
        (AWQ | {"zero_point": False}, "`zero_point` is false"),
        (PACKED | {"kv_cache_scheme": FP8}, "`kv_cache_scheme` is .*, which is not supported"),
        (PACKED | {"transform_config": {"config_groups": {"u": {}}}}, "`transform_config` is "),
        (PACKED | {"sparsity_config": {"format": "sparse-24-bitmask"}}, "`sparsity_config` is .*: sparse weights"),
        (PACKED | {"quantization_status": "frozen"}, '`quantization_status` is "frozen", but only "compressed"'),
        (with_group(format=None) | {"format": "marlin-24"}, '`format` is "marlin-24", but only "pack-quantized" and'),
        (with_group(format=None) | {"format": None}, "`format` is missing"),
        (PACKED | {"config_groups": {"W4A16": ["Linear"]}}, "`W4A16`: must hold a JSON object"),
        (PACKED | {"config_groups": {}}, "`config_groups` is {}"),
        (
            PACKED | {"config_groups": scheme(4, 32) | {"b": scheme(8, 32)["group_0"]}},
            "has 2 groups that are quantised",
        ),
        (with_group(input_activations=FP8), "`group_0`: `input_activations` is .*: only weights may be quantised"),
        (with_group(output_activations=FP8), "`output_activations` is .*: only weights may be quantised"),
        (with_group(weights=None), "`weights`: must hold a JSON object"),
        (with_group(format="nvfp4-pack-quantized"), '`group_0`: `format` is "nvfp4-pack-quantized"'),
        (with_weights(type="float"), '`weights`: `type` is "float", but only "int"'),
        (with_weights(num_bits=2), "`num_bits` is 2, but only 4 and 8"),
        (with_weights(strategy="block"), '`strategy` is "block", but only "group" and "channel" and "tensor"'),
        (with_weights(dynamic=True), "`dynamic` is true, but weights must be quantised beforehand"),
    ],
)
def test_settings_that_are_not_supported(settings, sentence):
    with pytest.raises(ConfigError, match="config.json: `quantization_config`.*" + sentence) as caught:
        ModelConfig.from_dict(BASE | {"quantization_config": settings})
    assert "\n" not in str(caught.value)


def quantisation(settings):
    return ModelConfig.from_dict(BASE | {"quantization_config": settings}).quantisation


def test_keys_of_other_programs_that_change_no_number():
    plain = quantisation(GPTQ)
    about_finding = dict(damp_percent=0.01, static_groups=False, true_sequential=True, model_seqlen=2048, batch_size=1)
    nothing = dict(dynamic={}, adapter=None, is_marlin_format=False, pack_dtype="int32", format="gptq", meta={})
    left_out = dict(dynamic={"-:.*down_proj": {}}, modules_in_block_to_quantize=[["self_attn.q_proj"]], lm_head=False)
    for more in (about_finding, nothing, left_out, {"checkpoint_format": "GPTQ"}):
        assert quantisation(GPTQ | more) == plain
    assert quantisation(AWQ | dict(version="GEMM", modules_to_not_convert=["lm_head"])) == quantisation(AWQ)
    harmless = dict(
        ignore=["lm_head", "re:.*o_proj"], global_compression_ratio=1.5, sparsity_config={"format": "dense"}
    )
    assert quantisation(PACKED | harmless) == quantisation(PACKED)


def test_where_two_keys_say_the_same():
    early = {"quant_method": "awq", "w_bit": 4, "q_group_size": 64, "version": "gemm"}
    assert quantisation(early) == AWQWeights(64)
    assert quantisation(GPTQ | {"format": "gptq_v2"}).zeros_minus_one is False
    both = {"config_groups": scheme(4, 32) | {"group_1": scheme(4, 32)["group_0"] | {"targets": ["re:.*mlp.*"]}}}
    assert quantisation(PACKED | both) == quantisation(PACKED)
    named = {"format": "mixed-precision", **{"config_groups": with_group(format="pack-quantized")["config_groups"]}}
    assert quantisation(PACKED | named) == quantisation(PACKED)
    early_name = BASE | {"compression_config": PACKED}
    assert ModelConfig.from_dict(early_name).quantisation == quantisation(PACKED)
