# %% [markdown]
# # Lab 14: the decoder speaks
#
# A folder with a file of weights goes in, and text comes out, word by word. You write everything between them: reading the
# file, the cache, the forward pass, the choice of a token, and the loop. Below all of it your own kernels compute. At the end
# you measure how fast, and which operator takes the time.
#
# | part | minutes | |
# |---|---|---|
# | 1 the file | 20 | required |
# | 2 the weights of a layer | 10 | required |
# | 3 a cache with room | 20 | required |
# | 4 the forward pass | 25 | required |
# | 5 choosing a token | 30 | required |
# | 6 the loop | 15 | required |
# | 7, 8 it speaks; whose kernels, and how fast | 20 | to run |
# | 9 in your own words | 10 | required |
# | 10 argmax on a GPU | 20 | extra: nothing later needs it |
#
# For parts and labs that you leave out the course's own answers step in, so the model speaks in any case.

# %%
from pathlib import Path
from time import perf_counter

import numpy as np

from llaisys_mini import Tensor, check, exercises, load_model, profile_tokens, show_profiles, use_kernels
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.paths import shipped_model
from llaisys_mini.text.tokenizer import Tokenizer, TextStream

FILE = np.asarray(np.memmap(shipped_model() / "model.safetensors", np.uint8, mode="c"))
print(f"{FILE.size:,d} bytes, which begin with {FILE[:8].tolist()}")

# %% [markdown]
# ## 1. The file
#
# `np.memmap` reads nothing yet. It tells the operating system that this array *is* the file: a page of it is fetched from the disk
# when somebody looks at it. So a model of many gigabytes opens at once, if nothing copies it.
#
# A safetensors file has three parts:
#
# | bytes | what |
# |---|---|
# | 8 | N, a whole number, lowest byte first |
# | N | the header: JSON text |
# | the rest | the numbers of all tensors |
#
# The header is one object. Each name maps to `{"dtype": "BF16", "shape": [2048, 128], "data_offsets": [begin, end]}`. The offsets count
# bytes from the **end of the header**. One more entry, `__metadata__`, may be there and is no tensor.
#
# Write `map_weights(file)`: a dictionary from names to arrays, with the dtype and the shape of the header. `file` is a uint8 array as above.
# Required: no number is copied; each array lies over the file's own bytes.
#
# With numbers: of the file `[34, 0, 0, 0, 0, 0, 0, 0, 123, ...]` the header has 34 bytes, 8 to 41. A tensor with the offsets `[0, 16]` has the
# bytes 42 to 57 of the file.

# %% task="python/map_weights"

# %% [markdown]
# <details><summary>Hint 1: bytes that mean a number or a text</summary>
#
# `file[:8].tobytes()` gives Python bytes. What makes an `int` of bytes, and how is it told which byte comes first? `json.loads` takes
# bytes as they are.
#
# </details>
# <details><summary>Hint 2: the same bytes, another dtype</summary>
#
# A slice of an array is a view: nothing moves. Which method of an array reads the same memory as another dtype? `astype` does not: it
# makes new numbers.
#
# </details>
# <details><summary>Hint 3: in which order</summary>
#
# First cut away the header, so that the offsets fit. Then for each tensor: slice, view, reshape.
#
# </details>

# %% test="file-public" points=3
check("map_weights")

# %% test="file-hidden" points=1
# Other tensors, when it is graded.
### BEGIN HIDDEN TESTS
check("map_weights", seed=41404)
### END HIDDEN TESTS

# %% [markdown]
# The tensors of the first layer of the shipped model, and those that belong to no layer:

# %%
arrays = exercises.get("map_weights")(FILE)
for name, array in arrays.items():
    if ".layers.0." in name or ".layers." not in name:
        print(f"{name:55} {array.dtype} {array.shape}")

# %% [markdown]
# ## 2. The weights of a layer
#
# Write `layer_weights(take, index)`: a dictionary of the arrays of layer `index`. `take(name)` gives the array of that name, or None where the
# file has none.
#
# | entry | what |
# |---|---|
# | input_norm | norm in front of attention |
# | query, key, value, output | the four projections of attention |
# | query_bias, key_bias, value_bias | in Qwen2 and Qwen2.5 only: the same names with `bias` for `weight` |
# | query_norm, key_norm | norms of each head, in Qwen3 only |
# | post_norm | norm in front of the MLP |
# | gate, up, down | the three projections of the MLP |
#
# For example `layer_weights(take, 2)["up"]` is `take("model.layers.2.mlp.up_proj.weight")`. All fourteen entries are always there; of the
# shipped model, a Qwen3, three are None.

# %% task="python/layer_weights"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The names of the file stand above, under the cell of section 1. What do they all begin with?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A dictionary from our names to theirs, without the common beginning, and one line that goes through it.
#
# </details>
# <details><summary>Hint 3</summary>
#
# If every layer came out alike, or one too far, look at where `index` enters the name. A missing array is not your concern: `take` gives None.
#
# </details>

# %% test="weights-public" points=2
check("layer_weights")

# %% test="weights-hidden" points=1
# Other layers, when it is graded.
### BEGIN HIDDEN TESTS
check("layer_weights", seed=41101)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A cache with room
#
# In lab 12 `decode_step` wrote into buffers `[capacity, K, D]` that somebody had made. Here you make them. How long a text will be, nobody
# knows. `np.concatenate` would copy everything for each new token: for the n-th token n rows, altogether about n²/2.
#
# Write a class:
#
# | method | what |
# |---|---|
# | `append(layer, key, value)` | `key` and `value` `[L, K, D]` of L new tokens go behind what this layer holds; returns `(keys, values)` of all its S tokens, `[S, K, D]` each |
# | `length()` | how many tokens **every** layer holds |
#
# A forward pass calls `append` for layer 0, then 1, and so on: for a while the lower layers hold more than the higher ones.
#
# Required, and counted: what comes back is a view of a buffer, not a copy. In 300 steps the keys of a layer move to other memory at most 10
# times. A buffer has room for at most twice the tokens that it holds, or for 64.
#
# | tokens held | room | a token comes | |
# |---|---|---|---|
# | 16 | 16 | room for 32, 16 rows are copied | 17 held |
# | 17 | 32 | nothing is copied | 18 held |
#
# Before you write: with doubling, how many rows are copied altogether on the way to 1024 tokens? And with `np.concatenate`?

# %% task="python/kv_cache"

# %% [markdown]
# <details><summary>Hint 1: what to store</summary>
#
# For each layer two buffers and a number. Why is one number for all layers not enough?
#
# </details>
# <details><summary>Hint 2: a prompt may not fit even after doubling</summary>
#
# 16 are held, there is room for 16, and 40 come. How large must the new buffer be at least?
#
# </details>
# <details><summary>Hint 3: the length in the middle of a pass</summary>
#
# Layer 0 has 6 tokens, the last layer still 5. Which of them does every layer hold?
#
# </details>

# %% test="cache-public" points=3
check("kv_cache")

# %% test="cache-hidden" points=1
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("kv_cache", seed=41405)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The forward pass
#
# `decoder_forward(ids, weights, config, cache)` returns the scores of the token that follows: `[V]`.
#
# - `ids`: int64 `[L]`, the new tokens: a prompt, or one token.
# - `weights`: `embeddings` `[V, E]`, `layers` (a list of dictionaries as above), `final_norm` `[E]`, `head` `[V, E]`.
# - `config`: `heads`, `kv_heads`, `head_dim`, `eps`, `theta`.
# - `cache`: as above. It holds the earlier tokens.
#
# From lab 13 come `heads(x, positions, layer, config)`, which gives `(query, key, value)`, and `mlp(x, norm, gate, up, down, eps)`, which gives
# the new x. They are yours if they passed. `qwen_attention` of lab 13 knew no earlier tokens, so the lines between query, key, value and
# the stream are written anew, with the cache among them:
#
# ```
# ids -- embedding --> x                                                      [L, E]
# for each layer:      query, key, value of x                                 heads
#                      key, value --> cache --> keys, values of all S tokens
#                      x + output of the attention of query over them
#                      x + what the MLP adds                                  mlp
# last row of x -- rms_norm (final_norm) -- linear (head) --> scores          [V]
# ```
#
# Shapes for 3 new tokens after 5 earlier ones: positions `[5, 6, 7]`, x `[3, E]`, query `[3, H, D]`, key `[3, K, D]`, keys `[8, K, D]`.

# %% task="python/decoder_forward"

# %% [markdown]
# <details><summary>Hint 1: positions</summary>
#
# Who knows how many tokens came before? When must it be asked: before the loop over layers, or in it?
#
# </details>
# <details><summary>Hint 2: what is rotated already</summary>
#
# `heads` rotates the new keys. The keys that come out of the cache were new once.
#
# </details>
# <details><summary>Hint 3: the end</summary>
#
# A kernel of `rms_norm` takes `[1, E]` as well as `[L, E]`: `x[-1:]` keeps two dimensions. If the check says a call of `linear` differs, look
# at its arguments first.
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
# Now open a whole folder. In small models the weights are converted to float32, since kernels of early labs may read nothing else; large ones
# stay as they are in the file, 16 bits a number, and are not copied.


# %%
def open_model(folder):
    """Weights, sizes for decoder_forward, config and tokenizer of a folder of Hugging Face's form."""
    arrays = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        arrays |= exercises.get("map_weights")(np.asarray(np.memmap(path, np.uint8, mode="c")))
    small = sum(array.size for array in arrays.values()) < 64_000_000

    def take(name):
        if name not in arrays:
            return None
        array = arrays[name].astype(np.float32) if small else arrays[name]
        # A frozen tensor promises that it does not change. Operators take it as an array.
        return Tensor.from_numpy(array).freeze()

    model = ModelConfig.from_folder(folder)
    embeddings = take("model.embed_tokens.weight")
    weights = dict(
        embeddings=embeddings,
        layers=[exercises.get("layer_weights")(take, index) for index in range(model.layers)],
        final_norm=take("model.norm.weight"),
        head=embeddings if model.tied_embeddings else take("lm_head.weight"),
    )
    config = dict(heads=model.heads, kv_heads=model.kv_heads, head_dim=model.head_dim)
    config |= dict(eps=model.rms_norm_eps, theta=model.rope.theta)
    return weights, config, model, Tokenizer.open_if_present(folder)


def new_cache(model):
    return exercises.get("kv_cache")(model.layers, model.kv_heads, model.head_dim)


shipped, sizes, shipped_config, shipped_tokenizer = open_model(shipped_model())

# %% [markdown]
# Is it right? The package computes the same scores in its own decoder. Two points if yours agree on the shipped model.

# %% test="shipped-model" points=2
ids = np.array(shipped_tokenizer.encode("Lily had a red ball. One day"), np.int64)
theirs = load_model("mini").logits(ids)[-1]
mine = decoder_forward(ids, shipped, sizes, KVCache(shipped_config.layers, sizes["kv_heads"], sizes["head_dim"]))
difference = np.abs(mine - theirs).max()
assert difference < 1e-3 * np.abs(theirs).max(), f"the scores differ by up to {difference:.3g}"

# %% [markdown]
# ## 5. Choosing a token
#
# **Argmax** is a kernel, the last one that your decoder lacks. `x` is `[N, V]`; two outputs: `index` `[N]`, int64, and `value` `[N]`, float32, of
# each row's largest element. Of several equal ones the lowest index wins.
#
# `x = [[3, 7, 7], [-2, -1, -5]]` gives `index = [1, 1]` and `value = [7, -1]`.

# %% task="cpu/argmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# With what do you begin a row, if all of its numbers may be negative?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two equal numbers: does `>` keep the first one, or `>=`?
#
# </details>
# <details><summary>Hint 3</summary>
#
# It is enough to remember an index: the best number so far is `x[n, best]`. When do you store it, in the loop or after it?
#
# </details>

# %% test="argmax-public" points=1
check("argmax")

# %% test="argmax-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("argmax", seed=40803)
### END HIDDEN TESTS

# %% [markdown]
# **Sampling.** `sample_token(scores, temperature, top_k, chance)` returns an id. `scores` is `[V]`.
#
# - Temperature 0: the id of the largest score.
# - Otherwise divide the scores by the temperature. If `top_k` is not 0, all but the `top_k` largest become -inf. Softmax. Add up the
#   probabilities in the order of ids. The first id at which the sum **exceeds** `chance` is chosen. `chance` is a random number in
#   [0, 1).
#
# Use `operators.argmax(scores)`, which gives index and value, and `operators.softmax(scores)`: with one row, `[V]`, both work as well.
#
# With numbers: scores `[1, 3, 2]`, temperature 1, top_k 2. The probabilities are `[0, 0.7311, 0.2689]`. A chance of 0.5 chooses id 1,
# a chance of 0.8 chooses id 2.
#
# A Qwen has 151 936 ids. A Python loop over them takes longer than the rest of the choice: `np.cumsum` and `np.searchsorted` add up and
# look for the place at once.

# %% task="python/sample_token"

# %% [markdown]
# <details><summary>Hint 1: the smallest score that stays</summary>
#
# `np.partition(scores, -k)[-k]` is the k-th largest. What if `top_k` is larger than the number of scores?
#
# </details>
# <details><summary>Hint 2: float32 and float64</summary>
#
# `operators.softmax` takes float32: where do you convert? And a sum of 151 936 numbers in float32 may end at 0.9999: of which dtype should it
# be?
#
# </details>
# <details><summary>Hint 3: exceeds</summary>
#
# For sums `[0.2, 0.5, 1.0]` and a chance of 0.5 id 2 is chosen, since 0.5 does not exceed 0.5. Which `side` of `np.searchsorted` does that? And
# rounding may leave the last sum just below the chance.
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
# ## 6. The loop
#
# `generate_tokens(forward, choose, prompt, most, stop_ids)` is a *generator*: it `yield`s the ids that follow, one by one.
#
# - `forward(ids)` is one pass over the new ids, an int64 array; it gives the scores of the token that follows. What came before is in
#   its cache.
# - `choose(scores)` gives an id.
# - `prompt` is a list of ids. At most `most` new ones follow. An id in `stop_ids` ends the text and is not yielded.
#
# | | passes | what the reader sees |
# |---|---|---|
# | prompt `[5, 6, 7]` | `forward([5, 6, 7])`, choose: 8 | 8 |
# | | `forward([8])`, choose: 9 | 9 |
# | 2 is a stop token | `forward([9])`, choose: 2 | the text has ended |
#
# Required: each id is yielded as soon as it was chosen; each pass gets only what the cache does not hold yet; no pass whose scores nobody
# needs.

# %% task="python/generate_tokens"

# %% [markdown]
# <details><summary>Hint 1: one loop for both</summary>
#
# Reading the prompt and writing on differ in one thing only: which ids are new. A variable can hold them.
#
# </details>
# <details><summary>Hint 2: a pass too many</summary>
#
# Say `most` is 1. How many passes may there be? Where in the loop must the pass stand, before the `yield` or behind it?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Per round: pass, choose, look for a stop token, `yield`, and set what is new. A `return` ends a generator, also in the middle of a loop.
#
# </details>

# %% test="loop-public" points=3
check("generate_tokens")

# %% test="loop-hidden" points=1
# Other texts, when it is graded.
### BEGIN HIDDEN TESTS
check("generate_tokens", seed=41406)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. It speaks
#
# `FOLDER` is the shipped model. Any folder with a Qwen2, Qwen2.5 or Qwen3 of Hugging Face's form will do, see section 8.

# %%
FOLDER = shipped_model()
LONGEST = 300  # most tokens of a text; a real Qwen writes few a second: take 60

weights, config, model, tokenizer = open_model(FOLDER)


def speak(prompt, most=LONGEST, temperature=0.0, top_k=0, seed=0):
    """Write on, and print each piece as soon as it is there. A character may span several tokens: TextStream waits."""
    cache, chance, pieces = new_cache(model), np.random.default_rng(seed).random, TextStream(tokenizer)
    new_ids = exercises.get("generate_tokens")(
        lambda ids: exercises.get("decoder_forward")(ids, weights, config, cache),
        lambda scores: exercises.get("sample_token")(scores, temperature, top_k, chance()),
        tokenizer.encode(prompt),
        most,
        model.stop_ids,
    )
    print(prompt, end="")
    count, start = 0, perf_counter()
    for count, token in enumerate(new_ids, start=1):
        print(pieces.feed(token), end="", flush=True)
    print(pieces.finish())
    seconds = perf_counter() - start
    print(f"[{count} tokens in {seconds:.1f} s, {count / seconds:.1f} a second]\n")


speak("Once upon a time")

# %% [markdown]
# The story ends where the model chose its stop token. The same beginning, with some chance:

# %%
for seed in range(2):
    speak("Once upon a time", temperature=0.8, top_k=20, seed=seed)

# %% [markdown]
# A chat is text too. The tokenizer of the model writes the special tokens that mark who speaks. Between `<think>` and `</think>` the model writes down
# its steps first; ours has learned that for sums:

# %%
speak(tokenizer.render_chat([{"role": "user", "content": "What is 347 + 285?"}]))

# %% [markdown]
# ## 8. Whose kernels, and how fast?
#
# Every operator call of your decoder, and who answered:

# %%
written = (
    "map_weights",
    "layer_weights",
    "kv_cache",
    "qwen_heads",
    "qwen_mlp",
    "decoder_forward",
    "sample_token",
    "generate_tokens",
)
yours = [name for name in written if "student" in exercises.get(name).answering().__module__]
print(
    f"{len(yours)} of {len(written)} parts are yours; the course answers for",
    sorted(set(written) - set(yours)) or "none",
)
kind = weights["layers"][0]["query"].dtype.name  # of the numbers in weights; all others are float32
read_weights = ("embedding", "rms_norm", "linear")
for name in (*read_weights, "rope", "attention", "swiglu", "add", "softmax", "argmax"):
    storage = kind if name in read_weights else "float32"
    print(f"{name:10} {answering_kernel(name, storage=storage).kernel_set}")


# %% [markdown]
# And how fast? The same decoder, yours, on three sets of kernels: the NumPy reference, your own, and the course's fastest. Which one gains most, and
# in which operator?


# %%
def write(ids, count):
    """A text of `count` new ids, for profile_tokens."""
    cache = new_cache(model)
    forward, loop = exercises.get("decoder_forward"), exercises.get("generate_tokens")
    return loop(
        lambda new: forward(new, weights, config, cache),
        lambda scores: exercises.get("sample_token")(scores, 0, 0, 0.0),
        list(map(int, ids)),
        count,
        (),
    )


profiles = {}
for label, kernels in (("reference", "reference"), ("yours", "student"), ("expert", "expert")):
    if label == "reference" and kind != "float32":
        continue  # of a large model it takes minutes for a token
    with use_kernels(kernels):
        profiles[label] = profile_tokens(f"your decoder, kernels: {label}", write, 64, 12, layers=model.layers, runs=1)
show_profiles(profiles)
print(profiles["yours"])

# %% [markdown]
# **A real Qwen.** All of this is genuine: the format, the names, the formulas. So your decoder reads a published model.
#
# | | what to expect for Qwen2.5-0.5B-Instruct |
# |---|---|
# | download | 1 GB: `pip install -U huggingface_hub`, then `hf download Qwen/Qwen2.5-0.5B-Instruct --local-dir qwen` |
# | memory | 1 GB for the pages of the file, once all were touched, and 0.3 GB for Python and a short text; with the course's fastest kernels another 0.8 GB, since they arrange the weights anew |
# | speed | each token passes through all weights: 1 GB. At 10 GB/s that is 10 tokens per second at best. We measured 5.7 with all labs solved, and 8.2 with the fastest kernels, on one core of a server |
#
# Set `FOLDER = "qwen"` and `LONGEST = 60` in section 7 and run the cells from there on. Kernels of yours that read weights of 16 bits (`widen`)
# answer; for others the course's step in, and the list above says so.
#
# The package's own decoder uses your kernels as well. In a terminal:
#
# ```
# llaisys-mini generate "Once upon a time" --kernels student --stats
# ```

# %% [markdown]
# ## 9. In your own words
#
# Your decoder needs for the 100th token about as long as for the 10th, although it attends to ten times as many positions. Where does
# the time go, then? Use the profile of section 8. What would change for a text of 100 000 tokens?

# %% [markdown] written="where-time-goes" points=2
# Each token passes through all weights once: every matrix is read from memory for one row of x. That cost is the same for each token
# and far above reading a cache of 100 positions; in the profile it is the part of linear. In a small model the Python between the calls
# counts too. At 100 000 positions the keys and values are larger than the weights of a small model, and reading the cache dominates: time
# per token then grows with the length of the text.

# %% [markdown]
# ## 10. Extra: argmax on a GPU
#
# One block of 256 threads per row. Each thread finds the largest of its columns; then the threads compare, as in the sum of lab 08, but with
# pairs of value and index. The larger value wins; of equal values the lower index.

# %% task="cuda/argmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A reduction by shuffles needs an operation on two partners that gives one. What are the partners here, and what is kept?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A thread without columns starts with `-inf` and an index that loses against every real one, such as the number of columns. A row may
# hold nothing but -inf: a thread takes its first column in any case.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The first thread of each warp stores value and index in two shared arrays. After the barrier thread 0 compares those eight pairs and stores
# the result.
#
# </details>

# %% test="argmax-gpu-public" points=2
check("argmax", device="cuda")

# %% test="argmax-gpu-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("argmax", device="cuda", seed=40807)
### END HIDDEN TESTS
