"""decoder_forward: from token ids to the scores of the next token."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise
from llaisys_mini.exercises import qwen_heads as heads_of
from llaisys_mini.exercises import qwen_mlp as mlp_half


@exercise
def decoder_forward(ids, weights, config, cache):
    """Scores of the token that follows `ids`: float32 [V].

    ids: int64 [L], the new tokens. weights: embeddings [V, E], layers (a list of dictionaries, see layer_weights),
    final_norm [E], head [V, E]. config: heads, kv_heads, head_dim, eps, theta. cache: holds the keys and values of
    earlier tokens, see kv_cache; it grows by the tokens in `ids`.
    """
    return forward(ids, weights, config, cache)


def forward(ids, weights, config, cache, remember=None, first=None, with_norm=True):
    """The reference, and with other options well-known wrong ways. remember(layer, key, value) gives the keys and
    values that attention reads; first: position of the first new token."""
    remember = remember or cache.append
    start = cache.length() if first is None else first
    positions = np.arange(start, start + len(ids))
    x = ops.embedding.exact(ids, np.asarray(weights["embeddings"], np.float64))
    for number, layer in enumerate(weights["layers"]):
        query, key, value = heads_of.qwen_heads.reference(x, positions, layer, config)
        keys, values = remember(number, key, value)
        keys, values = np.asarray(keys, np.float64), np.asarray(values, np.float64)
        mixed = ops.attention.exact(query, keys, values, config["head_dim"] ** -0.5).reshape(len(ids), -1)
        x = ops.add.exact(x, ops.linear.exact(mixed, np.asarray(layer["output"], np.float64)))
        mlp = (layer[name] for name in ("post_norm", "gate", "up", "down"))
        x = mlp_half.qwen_mlp.reference(x, *mlp, config["eps"])
    last = x[-1:]
    if with_norm:
        last = ops.rms_norm.exact(last, np.asarray(weights["final_norm"], np.float64), config["eps"])
    return ops.linear.exact(last, np.asarray(weights["head"], np.float64))[0]


decoder_forward.builds_on("qwen_heads", "qwen_mlp")


@decoder_forward.cases
def cases(rng):
    def inputs(*pieces, layers=2, width=8, heads=4, kv_heads=2, head_dim=4, words=20, theta=1e4, qwen2=False):
        def layer():
            mlp = mlp_half.parameters(rng, width, 2 * width)
            norm = {"post_norm": mlp.pop("norm")}
            return heads_of.parameters(rng, width, heads, kv_heads, head_dim, qwen2) | mlp | norm

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
    yield "as in Qwen2", inputs(4, 1, 1, qwen2=True)
    sizes = (int(i) for i in rng.integers(1, 6, size=3))
    yield "some sizes", inputs(*sizes, layers=3, heads=6, kv_heads=3, head_dim=6, width=10)


class Pieces:
    """The cache that cases are run with: it keeps what each call brought, and puts it together each time."""

    def __init__(self, layers):
        self.held = [([], []) for _ in range(layers)]

    def append(self, layer, key, value):
        for pieces, new in zip(self.held[layer], (key, value), strict=True):
            pieces.append(np.array(new, np.float32))
        return tuple(np.concatenate(pieces) for pieces in self.held[layer])

    def length(self):
        return sum(map(len, self.held[-1][0]))


@decoder_forward.adapter
def with_a_cache(answer):
    """The cache is an object of this file, so it stays where the answer runs."""

    def write(pieces, weights, config):
        cache = Pieces(len(weights["layers"]))
        results = {}
        for number, ids in enumerate(pieces, start=1):
            results[f"scores after call {number}"] = answer(ids, weights, config, cache)
        for number, (keys, _) in enumerate(cache.held):
            results[f"tokens of layer {number} in the cache"] = sum(map(len, keys))
        return results

    return write


@decoder_forward.use
def use(write, pieces, weights, config):
    return write(pieces, weights, config)


@decoder_forward.mistake("the scores are those after the first token, not after the last")
def first_token(ids, weights, config, cache):
    scores = forward(ids[:1], weights, config, cache)
    if len(ids) > 1:
        forward(ids[1:], weights, config, cache)
    return scores


@decoder_forward.mistake("positions begin at 0 in every call, although the cache holds earlier tokens")
def from_zero(ids, weights, config, cache):
    return forward(ids, weights, config, cache, first=0)


@decoder_forward.mistake("the final norm is missing")
def no_final_norm(ids, weights, config, cache):
    return forward(ids, weights, config, cache, with_norm=False)


@decoder_forward.mistake("attention reads the new keys and values only: what cache.append returns is not used")
def new_only(ids, weights, config, cache):
    def remember(layer, key, value):
        cache.append(layer, key, value)
        return key, value

    return forward(ids, weights, config, cache, remember)


@decoder_forward.mistake("cache.append is not called, so the next call knows nothing of these tokens")
def nothing_stored(ids, weights, config, cache):
    return forward(ids, weights, config, cache, lambda layer, key, value: (key, value))


@decoder_forward.mistake("the keys from the cache are rotated once more; they were rotated before they were stored")
def rotated_again(ids, weights, config, cache):
    def remember(layer, key, value):
        keys, values = cache.append(layer, key, value)
        return ops.rope.reference(np.asarray(keys, np.float64), np.arange(len(keys)), config["theta"]), values

    return forward(ids, weights, config, cache, remember)


@decoder_forward.mistake("all layers use the weights of the first")
def first_layer_everywhere(ids, weights, config, cache):
    same = weights | {"layers": [weights["layers"][0]] * len(weights["layers"])}
    return forward(ids, same, config, cache)


@decoder_forward.mistake("all layers append to layer 0 of the cache")
def one_layer_of_the_cache(ids, weights, config, cache):
    return forward(ids, weights, config, cache, lambda layer, key, value: cache.append(0, key, value))


@decoder_forward.mistake("the scores are made with the embeddings instead of the head")
def embeddings_as_head(ids, weights, config, cache):
    return forward(ids, weights | {"head": weights["embeddings"]}, config, cache)
