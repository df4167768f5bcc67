# %% [markdown]
# # Lab 14: the decoder speaks
#
# Everything comes together: you read the weights of a model, compute the forward pass, choose tokens, and listen.
# Your own operators answer wherever they passed. For labs that you have left out the course's kernels step in, so you can do
# this one in any case.

# %%
import numpy as np

from llaisys_mini import check, exercises, operators, show_progress
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.paths import shipped_model
from llaisys_mini.text.tokenizer import Tokenizer

# %% [markdown]
# ## 1. The weights
#
# A checkpoint is a file of named arrays. Here are the names and shapes of the first layer of the shipped model, a genuine
# Qwen3 checkpoint:
# %%
from llaisys_mini.weights.checkpoint import Checkpoint

checkpoint = Checkpoint.open(shipped_model())
model_config = ModelConfig.from_folder(shipped_model())
tokenizer = Tokenizer.open_if_present(shipped_model())


def take(name):
    """The array called `name` in the checkpoint, as float32."""
    shape = tuple(checkpoint.stored[name].shape)
    return checkpoint.take(name, shape).astype("float32").numpy()


for name in checkpoint.stored:
    if ".layers.0." in name or ".layers." not in name:
        print(f"{name:55} {tuple(checkpoint.stored[name].shape)}")

# %% [markdown]
# Write `layer_weights(take, index)`: a dictionary of the arrays of one layer. `take(name)` gives the array of that name. The
# entries:
#
# | entry | what |
# |---|---|
# | input_norm | norm in front of attention |
# | query, key, value, output | the four projections of attention |
# | query_norm, key_norm | norms of each head |
# | post_norm | norm in front of the MLP |
# | gate, up, down | the three projections of the MLP |
#
# For example `layer_weights(take, 2)["up"]` is `take("model.layers.2.mlp.up_proj.weight")`.

# %% task="python/layer_weights"

# %% test="weights-public" points=2
check("layer_weights")

# %% test="weights-hidden" points=1
# Other layers, when it is graded.
### BEGIN HIDDEN TESTS
check("layer_weights", seed=41101)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The forward pass
#
# `decoder_forward(ids, weights, config, cache)` returns the scores of the token that follows: `[V]`.
#
# - `ids`: int64 `[L]`, the new tokens.
# - `weights`: `embeddings` `[V, E]`, `layers` (a list of dictionaries as above), `final_norm` `[E]`, `head` `[V, E]`.
# - `config`: `heads`, `kv_heads`, `head_dim`, `eps`, `theta`.
# - `cache`: a list with one entry per layer: None at first, then the `(keys, values)` of all tokens so far. Fill it.
#
# The two halves of a block are those of lab 13: `attention_half(x, positions, layer, config, past)` returns
# `(x, (keys, values))`, and `mlp_half(x, norm, gate, up, down, eps)` returns `x`. They are yours if they passed.
#
# Steps: embedding; positions of the new tokens; the two halves of each layer; `rms_norm` of the **last** row with `final_norm`;
# `linear` with `head`.
#
# The positions continue where the cache ends: after a prompt of 5 tokens, `cache[0][0]` has the shape `[5, K, D]`, and the next token
# stands at position 5.

# %% task="python/decoder_forward"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `start = 0 if cache[0] is None else len(cache[0][0])`, and the positions are `np.arange(start, start + len(ids))`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In the loop over layers the attention half returns two things: the new x, and what belongs into `cache[i]`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# After the loop: `operators.rms_norm(x[-1:], ...)` keeps two dimensions, `[1, E]`. `operators.linear` of that with the head is
# `[1, V]`; return its only row.
#
# </details>

# %% test="forward-public" points=4
check("decoder_forward")

# %% test="forward-hidden" points=2
# Other sizes and other prompts, when it is graded.
### BEGIN HIDDEN TESTS
check("decoder_forward", seed=41102)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Choosing a token
#
# `sample_token(scores, temperature, top_k, chance)` returns an id. `scores` is `[V]`.
#
# - Temperature 0: the id of the largest score.
# - Otherwise divide the scores by the temperature. If `top_k` is not 0, all but the `top_k` largest become -inf. Softmax. Add up the
#   probabilities in the order of ids. The first id at which the sum **exceeds** `chance` is chosen. `chance` is a random number in
#   [0, 1).
#
# With numbers: scores `[1, 3, 2]`, temperature 1, top_k 2. The probabilities are `[0, 0.7311, 0.2689]`. A chance of 0.5 chooses id 1,
# a chance of 0.8 chooses id 2.

# %% task="python/sample_token"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `np.sort(scores)[-top_k]` is the smallest score that stays. `top_k` may be larger than the number of scores.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `operators.softmax` takes float32: `.astype(np.float32)`. It gives 0 for -inf.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Loop with `enumerate` over the probabilities and keep a running sum. After the loop return the last id: rounding may leave the
# sum just below 1.
#
# </details>

# %% test="sample-public" points=2
check("sample_token")

# %% test="sample-hidden" points=1
# Other scores, when it is graded.
### BEGIN HIDDEN TESTS
check("sample_token", seed=41103)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. It speaks
#
# The whole model, in the functions that you have written.

# %%
embeddings = take("model.embed_tokens.weight")
weights = dict(
    embeddings=embeddings,
    layers=[layer_weights(take, index) for index in range(model_config.layers)],
    final_norm=take("model.norm.weight"),
    head=embeddings if model_config.tied_embeddings else take("lm_head.weight"),
)
config = dict(
    heads=model_config.heads,
    kv_heads=model_config.kv_heads,
    head_dim=model_config.head_dim,
    eps=model_config.rms_norm_eps,
    theta=model_config.rope.theta,
)


def speak(prompt, tokens=60, temperature=0.0, top_k=0, seed=0):
    rng = np.random.default_rng(seed)
    cache = [None] * model_config.layers
    text = tokenizer.encode(prompt)
    new = text
    for _ in range(tokens):
        scores = decoder_forward(np.array(new, np.int64), weights, config, cache)
        chosen = sample_token(scores, temperature, top_k, rng.random())
        if chosen in model_config.stop_ids:
            break
        text, new = [*text, chosen], [chosen]
    return tokenizer.decode(text)


print(speak("Once upon a time"))

# %% [markdown]
# The same beginning, with some chance:

# %%
for seed in range(3):
    print(speak("Once upon a time", temperature=0.8, top_k=20, seed=seed), end="\n\n")

# %% [markdown]
# Is it right? The package computes the same scores in its own decoder. Two points if yours agree on the shipped model.

# %% test="shipped-model" points=2
from llaisys_mini import load_model

ids = np.array(tokenizer.encode("Lily had a red ball. One day"), np.int64)
theirs = load_model("mini").logits(ids)[-1]
mine = decoder_forward(ids, weights, config, [None] * model_config.layers)
difference = np.abs(mine - theirs).max()
assert difference < 1e-3 * np.abs(theirs).max(), f"the scores differ by up to {difference:.3g}"

# %% [markdown]
# ## 5. Who computes?
#
# Which kernels answered, yours or the course's:

# %%
from collections import Counter

from llaisys_mini.kernels.choice import answering_kernel

for name in ("embedding", "rms_norm", "linear", "rope", "attention", "swiglu", "add", "softmax"):
    print(f"{name:10} {answering_kernel(name).kernel_set}")

# %% [markdown]
# With a network, a real Qwen runs on the same kernels, in a terminal:
#
# ```
# llaisys-mini chat --model Qwen/Qwen3-0.6B
# ```
#
# Its weights have 16 bits. A kernel of yours answers there if it reads them, with `widen`.

# %% [markdown]
# ## 6. In your own words
#
# Your decoder needs for the 100th token about as long as for the 10th, although it attends to ten times as many positions. Where does
# the time go, then? What would change for a text of 100 000 tokens?

# %% [markdown] written="where-time-goes" points=2
# Each token passes through all weights once: every matrix is read from memory for one row of x. That cost is the same for each token
# and far above reading a cache of 100 positions. At 100 000 positions the keys and values are larger than the weights of a small model,
# and reading the cache dominates: time per token then grows with the length of the text.
