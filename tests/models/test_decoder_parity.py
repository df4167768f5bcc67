"""Logits and greedy text equal those of the transformers library, for odd shapes and every feature of the config."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
import safetensors.torch  # noqa: E402

from llaisys_mini import load_model, paths  # noqa: E402 - only where torch is installed

COMMON = dict(
    vocab_size=61,
    hidden_size=24,
    intermediate_size=44,
    num_hidden_layers=3,
    max_position_embeddings=512,
    initializer_range=0.3,  # large weights, so that a small mistake shows
    rms_norm_eps=1e-6,
)

YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64)

LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)


def qwen2(heads, kv_heads, **changes):
    sizes = COMMON | dict(hidden_size=heads * 6, num_attention_heads=heads, num_key_value_heads=kv_heads)
    return transformers.Qwen2Config(**(sizes | changes))


def qwen3(heads, kv_heads, head_dim, **changes):
    sizes = COMMON | dict(num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim)
    return transformers.Qwen3Config(**(sizes | changes))


CONFIGS = {
    "qwen2, H/K = 1": qwen2(4, 4, tie_word_embeddings=True),
    "qwen2, H/K = 7, untied": qwen2(14, 2, tie_word_embeddings=False),
    "qwen2, vocab of 1537": qwen2(6, 2, vocab_size=1537),
    "qwen2, sliding window": qwen2(6, 2, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen2, yarn": qwen2(6, 2, rope_parameters=YARN),
    "qwen3, H/K = 3, head_dim != hidden/heads": qwen3(6, 2, 10),
    "qwen3, H/K = 1, untied": qwen3(2, 2, 32, tie_word_embeddings=False),
    "qwen3, H/K = 7, bias": qwen3(7, 1, 8, attention_bias=True),
    "qwen3, linear scaling": qwen3(4, 2, 8, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0)),
    "qwen3, llama3": qwen3(4, 2, 16, rope_parameters=LLAMA3),
    "qwen2, dynamic": qwen2(6, 2, rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=4.0)),
    "qwen3, yarn, other theta": qwen3(4, 2, 16, rope_parameters=YARN | dict(rope_theta=1e6)),
    "qwen3, sliding windows in some layers": qwen3(
        4,
        2,
        8,
        use_sliding_window=True,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
}


def reference_model(config, seed=0):
    torch.manual_seed(seed)
    kind = {"qwen2": transformers.Qwen2ForCausalLM, "qwen3": transformers.Qwen3ForCausalLM}[config.model_type]
    model = kind(config).eval()
    with torch.no_grad():  # biases and norms start at 0 and 1, where a mistake with them would not show
        for name, values in model.named_parameters():
            if "norm" in name or "bias" in name:
                values.add_(0.3 * torch.randn_like(values))
    return model


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor(np.array([ids]))).logits[0].float().numpy()


def greedy_of(model, ids, count):
    text = list(ids)
    with torch.no_grad():
        past, new = None, torch.tensor([text])
        for _ in range(count):
            out = model(input_ids=new, past_key_values=past, use_cache=True)
            past = out.past_key_values
            text.append(int(out.logits[0, -1].argmax()))
            new = torch.tensor([[text[-1]]])
    return text[len(ids) :]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_random_models(tmp_path, config):
    theirs = reference_model(config)
    theirs.save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    ids = np.random.default_rng(1).integers(0, config.vocab_size, size=90)
    expected = logits_of(theirs, ids)
    assert np.abs(ours.logits(ids) - expected).max() < 1e-4 * max(1.0, expected.std())
    generated = list(ours.generate(ids[:11], max_new_tokens=200))
    assert generated == greedy_of(theirs, ids[:11], 200)


@pytest.mark.filterwarnings("ignore::llaisys_mini.errors.CheckpointWarning")
@pytest.mark.parametrize("head", ["other", "equal", "nearly equal", "alone"])
def test_a_config_that_says_tied_and_a_head_in_the_file(tmp_path, head):
    config = qwen3(4, 2, 8, tie_word_embeddings=True)
    weights = {name: values.clone() for name, values in reference_model(config).state_dict().items()}
    embeddings = weights["model.embed_tokens.weight"]
    weights["lm_head.weight"] = {
        "other": torch.randn_like(embeddings),
        "equal": embeddings.clone(),
        "nearly equal": embeddings.index_fill(0, torch.tensor([60]), 0.25),  # the last row only
        "alone": weights.pop("model.embed_tokens.weight") if head == "alone" else None,
    }[head]
    config.save_pretrained(tmp_path)
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    theirs = type(reference_model(config)).from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = np.random.default_rng(1).integers(0, 61, size=30)
    assert np.abs(load_model(tmp_path).logits(ids) - logits_of(theirs, ids)).max() < 1e-4
    if head == "other":
        untied = logits_of(reference_model(config), ids)
        assert np.abs(untied - logits_of(theirs, ids)).max() > 1, "the head makes a difference"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_stored_in_16_bits_and_in_shards(tmp_path, dtype):
    theirs = reference_model(qwen3(6, 2, 10, tie_word_embeddings=False)).to(getattr(torch, dtype))
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    ids = np.random.default_rng(2).integers(0, 61, size=50)
    # The same numbers computed in float32. Loaded anew: .to(bfloat16) also rounded the RoPE frequencies.
    expected = logits_of(type(theirs).from_pretrained(tmp_path, dtype=torch.float32).eval(), ids)
    for storage in ("auto", "float32"):
        assert np.abs(load_model(tmp_path, storage).logits(ids) - expected).max() < 1e-4 * expected.std()


def test_the_shipped_model():
    folder = paths.shipped_model()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ours = load_model(folder)
    for prompt in ("Once upon a time", "There was a little fox named", "What is 3 + 4?"):
        ids = ours.tokenizer.encode(prompt)
        expected = logits_of(theirs, ids)
        assert np.abs(ours.logits(ids) - expected).max() < 1e-4
        generated = greedy_of(theirs, ids, 200)
        stops = [i for i, token in enumerate(generated) if token in ours.config.stop_ids]
        assert list(ours.generate(ids, max_new_tokens=200, temperature=0)) == generated[: stops[0] if stops else None]
        long = np.array(ids + generated)
        assert np.abs(ours.logits(long) - logits_of(theirs, long)).max() < 1e-4
