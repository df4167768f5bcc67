"""decoder_forward: from token ids to the scores of the next token."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise
from llaisys_mini.exercises import qwen_attention as attention_half
from llaisys_mini.exercises import qwen_mlp as mlp_half


@exercise
def decoder_forward(ids, weights, config, cache):
    """Scores of the token that follows `ids`: float32 [V].

    ids: int64 [L]. weights: embeddings [V, E], layers (a list of dictionaries, see layer_weights), final_norm [E],
    head [V, E]. config: heads, kv_heads, head_dim, eps, theta. cache: a list with, for each layer, None or the
    (keys, values) of the tokens so far; it is filled for the tokens in `ids`.
    """
    x = ops.embedding.exact(ids, np.asarray(weights["embeddings"], np.float64))
    start = 0 if cache[0] is None else len(cache[0][0])
    positions = np.arange(start, start + len(ids))
    for i, layer in enumerate(weights["layers"]):
        x, cache[i] = attention_half.qwen_attention.reference(x, positions, layer, config, cache[i])
        names = ("post_norm", "gate", "up", "down")
        x = mlp_half.qwen_mlp.reference(x, *(layer[name] for name in names), config["eps"])
    last = ops.rms_norm.exact(x[-1:], np.asarray(weights["final_norm"], np.float64), config["eps"])
    return ops.linear.exact(last, np.asarray(weights["head"], np.float64))[0]


decoder_forward.builds_on("qwen_attention", "qwen_mlp")


@decoder_forward.cases
def cases(rng):
    def inputs(*pieces, layers=2, width=8, heads=4, kv_heads=2, head_dim=4, words=20, theta=1e4):
        def layer():
            mlp = mlp_half.parameters(rng, width, 2 * width)
            norm = {"post_norm": mlp.pop("norm")}
            return attention_half.parameters(rng, width, heads, kv_heads, head_dim) | mlp | norm

        weights = dict(
            embeddings=rng.normal(size=(words, width)).astype(np.float32),
            layers=[layer() for _ in range(layers)],
            final_norm=(1 + 0.3 * rng.normal(size=width)).astype(np.float32),
            head=rng.normal(size=(words, width)).astype(np.float32),
        )
        config = dict(heads=heads, kv_heads=kv_heads, head_dim=head_dim, eps=1e-6, theta=theta)
        return dict(pieces=[rng.integers(0, words, size=size) for size in pieces], weights=weights, config=config)

    yield "one token", inputs(1)
    yield "a prompt", inputs(6)
    yield "a prompt, then a token", inputs(5, 1)
    yield "token after token", inputs(1, 1, 1, 1)
    yield "a prompt, then three tokens at once", inputs(4, 3)
    yield "another theta, one layer", inputs(5, 2, layers=1, theta=50.0)
    yield (
        "some sizes",
        inputs(*(int(i) for i in rng.integers(1, 6, size=3)), layers=3, heads=6, kv_heads=3, head_dim=6, width=10),
    )


@decoder_forward.use
def use(answer, pieces, weights, config):
    cache = [None] * len(weights["layers"])
    results = {}
    for number, ids in enumerate(pieces, start=1):
        scores = answer(ids, weights, config, cache)
        results[f"scores after call {number}"] = scores
    results["tokens in the cache"] = [-1 if past is None else len(past[0]) for past in cache]
    return results


@decoder_forward.mistake("the scores are those after the first token, not after the last")
def first_token(ids, weights, config, cache):
    scores = decoder_forward.reference(ids[:1], weights, config, cache)
    if len(ids) > 1:
        decoder_forward.reference(ids[1:], weights, config, cache)
    return scores


@decoder_forward.mistake("positions begin at 0 in every call, although the cache holds earlier tokens")
def from_zero(ids, weights, config, cache):
    x = np.asarray(weights["embeddings"], np.float64)[ids]
    for i, layer in enumerate(weights["layers"]):
        x, cache[i] = attention_half.qwen_attention.reference(x, np.arange(len(ids)), layer, config, cache[i])
        x = mlp_half.qwen_mlp.reference(x, *(layer[n] for n in ("post_norm", "gate", "up", "down")), config["eps"])
    last = ops.rms_norm.reference(x[-1:], np.asarray(weights["final_norm"], np.float64), config["eps"])
    return (last @ np.asarray(weights["head"], np.float64).T)[0]


@decoder_forward.mistake("the final norm is missing")
def no_final_norm(ids, weights, config, cache):
    x = ops.embedding.exact(ids, np.asarray(weights["embeddings"], np.float64))
    start = 0 if cache[0] is None else len(cache[0][0])
    for i, layer in enumerate(weights["layers"]):
        positions = np.arange(start, start + len(ids))
        x, cache[i] = attention_half.qwen_attention.reference(x, positions, layer, config, cache[i])
        x = mlp_half.qwen_mlp.reference(x, *(layer[n] for n in ("post_norm", "gate", "up", "down")), config["eps"])
    return weights["head"] @ x[-1]


@decoder_forward.mistake("the cache is not kept: each call knows its own tokens only")
def no_cache(ids, weights, config, cache):
    return decoder_forward.reference(ids, weights, config, [None] * len(cache))


@decoder_forward.mistake("all layers use the weights of the first")
def first_layer_everywhere(ids, weights, config, cache):
    same = weights | {"layers": [weights["layers"][0]] * len(weights["layers"])}
    return decoder_forward.reference(ids, same, config, cache)


@decoder_forward.mistake("the scores are made with the embeddings instead of the head")
def embeddings_as_head(ids, weights, config, cache):
    return decoder_forward.reference(ids, weights | {"head": weights["embeddings"]}, config, cache)
