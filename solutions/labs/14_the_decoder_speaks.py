# %% [markdown]
# # Lab 14: the decoder speaks
#
# The input is a folder with a file of weights, the output is text. You write everything in between: reading the file, the cache, the
# forward pass, the choice of a token, and the loop. The operators in it use your own kernels. At the end you measure how fast your
# decoder is, and which operator takes most of the time.
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
# For parts and labs that you leave out, the course's own solutions are used, so the model writes in any case.

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
# `np.memmap` reads nothing yet. It tells the operating system that this array *is* the file: a page of it is read from the disk when it is
# first accessed. So a model of many gigabytes opens immediately, as long as nothing copies it.
#
# A safetensors file has three parts:
#
# | bytes | what |
# |---|---|
# | 8 | N, an unsigned integer, lowest byte first (little-endian) |
# | N | the header: JSON text |
# | the rest | the numbers of all tensors |
#
# The header is one object. Each name maps to `{"dtype": "BF16", "shape": [2048, 128], "data_offsets": [begin, end]}`. The offsets count
# bytes from the **end of the header**. There may be one more entry, `__metadata__`, which is not a tensor.
#
# Write `map_weights(file)`, which returns a dictionary from names to arrays, with the dtype and the shape given in the header. `file` is a
# uint8 array as above. Required: nothing is copied; each array is a view of the file's own bytes.
#
# With numbers: the file `[34, 0, 0, 0, 0, 0, 0, 0, 123, ...]` has a header of 34 bytes, 8 to 41. A tensor with the offsets `[0, 16]` has the
# bytes 42 to 57 of the file.

# %% task="python/map_weights"

# %% [markdown]
# <details><summary>Hint 1: from bytes to a number or a text</summary>
#
# `file[:8].tobytes()` gives Python bytes. Which method converts bytes to an `int`, and how do you tell it which byte comes first?
# `json.loads` accepts bytes.
#
# </details>
# <details><summary>Hint 2: the same bytes, another dtype</summary>
#
# A slice of an array is a view: nothing is copied. Which method of an array interprets the same memory as another dtype? `astype` does not: it
# computes new numbers.
#
# </details>
# <details><summary>Hint 3: in which order</summary>
#
# First take the part of the file after the header, so that the offsets are right. Then for each tensor: slice, view, reshape.
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
# The next cell lists the tensors of the first layer of the shipped model, and those that belong to no layer:

# %%
arrays = exercises.get("map_weights")(FILE)
for name, array in arrays.items():
    if ".layers.0." in name or ".layers." not in name:
        print(f"{name:55} {array.dtype} {array.shape}")

# %% [markdown]
# ## 2. The weights of a layer
#
# Write `layer_weights(take, index)`: a dictionary of the arrays of layer `index`. `take(name)` gives the array of that name, or None if the
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
# The names in the file are printed above, by the last cell of section 1. What do the names of a layer begin with?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write a dictionary from our names to those of the file, without the common beginning, and go through it in one line.
#
# </details>
# <details><summary>Hint 3</summary>
#
# If all layers are the same, or shifted by one, check where `index` is put into the name. You need not handle missing arrays: `take` gives None.
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
# ## 3. A cache that grows
#
# In lab 12 `decode_step` wrote into given buffers `[capacity, K, D]`. Here you make the buffers. The length of the text is not known in
# advance. `np.concatenate` would copy everything for each new token: n rows for the n-th token, about n²/2 in all.
#
# Write a class:
#
# | method | what |
# |---|---|
# | `append(layer, key, value)` | stores `key` and `value` `[L, K, D]` of L new tokens after those that this layer already has; returns `(keys, values)` of all its S tokens, `[S, K, D]` each |
# | `length()` | how many tokens are stored in **every** layer |
#
# A forward pass calls `append` for layer 0, then 1, and so on. During a pass the lower layers have more tokens than the higher ones.
#
# Required, and checked: the returned arrays are views of a buffer, not copies. In 300 steps the keys of a layer move to another place in
# memory at most 10 times. A buffer has room for at most twice as many tokens as it holds, or for at most 64.
#
# | tokens stored | room | when a token is appended | tokens stored then |
# |---|---|---|---|
# | 16 | 16 | a new buffer with room for 32; 16 rows are copied | 17 |
# | 17 | 32 | nothing is copied | 18 |
#
# Before you write: with doubling, how many rows are copied in all until there are 1024 tokens? And with `np.concatenate`?

# %% task="python/kv_cache"

# %% [markdown]
# <details><summary>Hint 1: what to store</summary>
#
# For each layer, two buffers and the number of tokens. Why is one number for all layers not enough?
#
# </details>
# <details><summary>Hint 2: a prompt may not fit even after doubling</summary>
#
# 16 tokens are stored, there is room for 16, and 40 are appended. How large must the new buffer be at least?
#
# </details>
# <details><summary>Hint 3: the length in the middle of a pass</summary>
#
# Layer 0 has 6 tokens, the last layer still 5. How many tokens does every layer have?
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
# `decoder_forward(ids, weights, config, cache)` returns the scores of the next token: `[V]`.
#
# - `ids`: int64 `[L]`, the new tokens: a prompt, or one token.
# - `weights`: `embeddings` `[V, E]`, `layers` (a list of dictionaries as above), `final_norm` `[E]`, `head` `[V, E]`.
# - `config`: `heads`, `kv_heads`, `head_dim`, `eps`, `theta`.
# - `cache`: as above. It contains the earlier tokens.
#
# From lab 13 you can use `heads(x, positions, layer, config)`, which returns `(query, key, value)`, and
# `mlp(x, norm, gate, up, down, eps)`, which returns the new x. They are your functions if these have passed their check. `qwen_attention`
# of lab 13 could not handle earlier tokens, so write this part again, with the cache:
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
# Which object knows how many tokens there are already? When must you ask it: before the loop over layers, or in it?
#
# </details>
# <details><summary>Hint 2: what is rotated already</summary>
#
# `heads` rotates the new keys. The keys in the cache were rotated when they were new.
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
# The next cell opens a whole folder. The weights of small models are converted to float32, since kernels of early labs may read nothing else.
# Those of large models stay as they are in the file, with 16 bits per number, and are not copied.


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
# Is it right? The package computes the same scores with its own decoder. You get two points if yours agree on the shipped model.

# %% test="shipped-model" points=2
ids = np.array(shipped_tokenizer.encode("Lily had a red ball. One day"), np.int64)
theirs = load_model("mini").logits(ids)[-1]
mine = decoder_forward(ids, shipped, sizes, KVCache(shipped_config.layers, sizes["kv_heads"], sizes["head_dim"]))
difference = np.abs(mine - theirs).max()
assert difference < 1e-3 * np.abs(theirs).max(), f"the scores differ by up to {difference:.3g}"

# %% [markdown]
# ## 5. Choosing a token
#
# **Argmax** is the last kernel that your decoder needs. `x` is `[N, V]`. There are two outputs for each row's largest element: `index` `[N]`,
# int64, and `value` `[N]`, float32. If several elements are equal, take the lowest index.
#
# `x = [[3, 7, 7], [-2, -1, -5]]` gives `index = [1, 1]` and `value = [7, -1]`.

# %% task="cpu/argmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# With which value do you begin a row, if all of its numbers may be negative?
#
# </details>
# <details><summary>Hint 2</summary>
#
# If two numbers are equal, which comparison keeps the first one, `>` or `>=`?
#
# </details>
# <details><summary>Hint 3</summary>
#
# It is enough to keep an index `best`: the largest number so far is `x[n, best]`. Store the outputs after the loop.
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
# - Otherwise divide the scores by the temperature. If `top_k` is not 0, set all but the `top_k` largest to -inf. Apply softmax. Add up the
#   probabilities in the order of ids, and return the first id at which the sum **exceeds** `chance`, a random number in [0, 1).
#
# Use `operators.argmax(scores)`, which gives index and value, and `operators.softmax(scores)`. Both also accept a single row, `[V]`.
#
# With numbers: scores `[1, 3, 2]`, temperature 1, top_k 2. The probabilities are `[0, 0.7311, 0.2689]`. A chance of 0.5 chooses id 1,
# a chance of 0.8 chooses id 2.
#
# A Qwen model has 151 936 ids, and a Python loop over them is slow. `np.cumsum` computes all sums at once, and `np.searchsorted` finds the
# place.

# %% task="python/sample_token"

# %% [markdown]
# <details><summary>Hint 1: the smallest score that stays</summary>
#
# `np.partition(scores, -k)[-k]` is the k-th largest. What if `top_k` is larger than the number of scores?
#
# </details>
# <details><summary>Hint 2: float32 and float64</summary>
#
# `operators.softmax` takes float32: where must you convert? A sum of 151 936 numbers in float32 may end at 0.9999: which dtype should it
# have?
#
# </details>
# <details><summary>Hint 3: exceeds</summary>
#
# For sums `[0.2, 0.5, 1.0]` and a chance of 0.5, the result is id 2, since 0.5 does not exceed 0.5. Which `side` of `np.searchsorted` does
# that? Also, because of rounding the last sum may be slightly below the chance.
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
# - `forward(ids)` is one pass over the new ids, an int64 array; it returns the scores of the next token. Its cache contains the earlier
#   tokens.
# - `choose(scores)` returns an id.
# - `prompt` is a list of ids. At most `most` new ones are generated. An id in `stop_ids` ends the text and is not yielded.
#
# | | calls | yielded |
# |---|---|---|
# | prompt `[5, 6, 7]` | `forward([5, 6, 7])`, `choose` returns 8 | 8 |
# | | `forward([8])`, `choose` returns 9 | 9 |
# | 2 is a stop token | `forward([9])`, `choose` returns 2 | nothing; the text has ended |
#
# Required: each id is yielded as soon as it is chosen; each pass gets only the ids that are not in the cache yet; there is no pass whose
# scores are not used.

# %% task="python/generate_tokens"

# %% [markdown]
# <details><summary>Hint 1: one loop for both</summary>
#
# Reading the prompt and generating differ in one thing only: which ids are new. Keep these in a variable.
#
# </details>
# <details><summary>Hint 2: a pass too many</summary>
#
# Suppose `most` is 1. How many passes may there be? Must the pass come before the `yield` in the loop, or after it?
#
# </details>
# <details><summary>Hint 3</summary>
#
# In each iteration: pass, choose, test for a stop token, `yield`, and set the new ids. A `return` ends a generator, even inside a loop.
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
# `FOLDER` is the shipped model. Any folder with a Qwen2, Qwen2.5 or Qwen3 model in Hugging Face's format works too, see section 8.

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
# The story ends where the model chose its stop token. The same beginning again, now with random choices:

# %%
for seed in range(2):
    speak("Once upon a time", temperature=0.8, top_k=20, seed=seed)

# %% [markdown]
# A chat is text too. The model's tokenizer adds special tokens that mark who speaks. Between `<think>` and `</think>` the model first writes
# the steps to its answer; our model has learned this for sums:

# %%
speak(tokenizer.render_chat([{"role": "user", "content": "What is 347 + 285?"}]))

# %% [markdown]
# ## 8. Whose kernels, and how fast?
#
# The next cell lists the operators that your decoder calls, and whose kernel is used for each:

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
# And how fast is it? The next cell runs your decoder with three sets of kernels: the NumPy reference, your own, and the course's fastest. In
# which operator do they differ most?


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
# **A real Qwen model.** Format, names and formulas are those of published models, so your decoder can run one.
#
# | | what to expect for Qwen2.5-0.5B-Instruct |
# |---|---|
# | download | 1 GB: `pip install -U huggingface_hub`, then `hf download Qwen/Qwen2.5-0.5B-Instruct --local-dir qwen` |
# | memory | 1 GB for the pages of the file, once all have been read, and 0.3 GB for Python and a short text; with the course's fastest kernels another 0.8 GB, since they make a rearranged copy of the weights |
# | speed | for each token all weights are read: 1 GB. At 10 GB/s that is 10 tokens per second at best. We measured 5.7 with all labs solved, and 8.2 with the fastest kernels, on one core of a server |
#
# Set `FOLDER = "qwen"` and `LONGEST = 60` in section 7 and run the cells from there on. Those of your kernels that can read weights of 16 bits
# (with `widen`) are used; otherwise the course's are used, and the list above says so.
#
# The package's own decoder uses your kernels as well. In a terminal:
#
# ```
# llaisys-mini generate "Once upon a time" --kernels student --stats
# ```

# %% [markdown]
# ## 9. In your own words
#
# Your decoder takes about as long for the 100th token as for the 10th, although it attends to ten times as many positions. What takes
# most of the time, then? Use the profile of section 8. What would change for a text of 100 000 tokens?

# %% [markdown] written="where-time-goes" points=2
# Each token passes through all weights once: every matrix is read from memory for one row of x. That cost is the same for each token
# and far above reading a cache of 100 positions; in the profile it is the part of linear. In a small model the Python between the calls
# counts too. At 100 000 positions the keys and values are larger than the weights of a small model, and reading the cache dominates: time
# per token then grows with the length of the text.

# %% [markdown]
# ## 10. Extra: argmax on a GPU
#
# Launch one block of 256 threads per row. Each thread finds the largest of its columns. Then the threads combine their results, as for the
# sum in lab 08, but with pairs of value and index. Keep the pair with the larger value; if the values are equal, the one with the lower
# index.

# %% task="cuda/argmax"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A reduction by shuffles needs an operation that combines two elements into one. What are the elements here, and which one is kept?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A thread without columns begins with `-inf` and an index larger than every real one, such as the number of columns. A row may
# consist of -inf only, so a thread must take its first column in any case.
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
