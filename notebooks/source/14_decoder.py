# %% [markdown]
# # 14 · The decoder speaks
#
# **Question:** a model is a file with numbers. What happens between that file and the next word, and how fast can it be?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [13 The Qwen block](13_qwen_block.ipynb) | all lectures before this one | 25 minutes | [14 the decoder](../labs/14_the_decoder_speaks/14_the_decoder_speaks.ipynb) | [15 Quantisation](15_quantisation.ipynb) |

# %%
import json
import socket
import textwrap
import time

import huggingface_hub
import numba
import numpy as np

from llaisys_mini import (
    load_model,
    operators,
    paths,
    plots,
    profile_model,
    show_profiles,
    use_kernels,
)
from llaisys_mini.inspect.timing import seconds
from llaisys_mini.kernels.sets import student_set
from llaisys_mini.text.sampling import Sampler

# %% [markdown]
# ## 1. The file, byte by byte
#
# The small model of this course is a *checkpoint*: a folder in the form in which all Qwen models are published. `config.json` holds the sizes, `tokenizer.json`
# the merges, `model.safetensors` the weights. This last one has three parts (Hugging Face, 2022):
#
# | bytes | what |
# |---|---|
# | 8 | N, a whole number, lowest byte first |
# | N | the *header*: JSON with name, dtype, shape and offsets of each tensor |
# | the rest | the numbers of all tensors, one after the other |

# %%
folder = paths.shipped_model()
content = (folder / "model.safetensors").read_bytes()
print("the first 8 bytes:", list(content[:8]))
N = int.from_bytes(content[:8], "little")
print("so N =", N)
print(content[8:230].decode(), "...")

# %%
header = json.loads(content[8 : 8 + N])
header.pop("__metadata__", None)  # notes of the program that wrote the file
data = content[8 + N :]
print(f"{len(header)} tensors, {len(data):,d} bytes of numbers")
for name in list(header)[:4]:
    print(name, header[name])

# %% [markdown]
# `BF16` is bfloat16: the upper half of a float32 ([lecture 06](06_tensors.ipynb)). So we read 16 bits, append 16 zeros, and have a float32.
#
# > **Predict, then run.** Lecture 13 counted 1 837 696 weights. How large must the file be?


# %%
def read(name):
    """The tensor `name` as float32."""
    begin, end = header[name]["data_offsets"]
    halves = np.frombuffer(data[begin:end], dtype="<u2")  # 16 bits each
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(header[name]["shape"])


weights = {name: read(name) for name in header}
print("first numbers of the embedding of token 0:", weights["model.embed_tokens.weight"][0, :4])
count = sum(w.size for w in weights.values())
print(f"8 + {N} + 2 · {count:,d} = {8 + N + 2 * count:,d} bytes; the file has {len(content):,d}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=1.7)
PARTS = {"embed": plots.BLUE, "self_attn": plots.VERMILION, "mlp": plots.ORANGE, "norm": plots.GREY}
for name, entry in header.items():
    begin, end = (offset / 1e6 for offset in entry["data_offsets"])
    part = next(part for part in PARTS if part in name)
    axis.barh(
        0, end - begin, left=begin, color=PARTS[part] + "88", edgecolor="white", linewidth=0.5
    )
for part, label in [
    ("embed", "embedding table"),
    ("self_attn", "attention"),
    ("mlp", "feed-forward"),
]:
    axis.barh(0, 0, color=PARTS[part] + "88", label=label)
axis.set(
    xlim=(0, len(data) / 1e6),
    yticks=[],
    xlabel="place in the file, behind the header [MB]",
    ylim=(-0.5, 0.9),
)
axis.legend(ncol=3, loc="upper left", fontsize=9)
plots.show(
    fig,
    alt="The tensors in the order of the file, as a strip: the embedding table, then for each layer the "
    "feed-forward and attention matrices. The norms are too small to be seen.",
)

# %% [markdown]
# > **The common guess**, four bytes for each weight, takes them for float32. The file keeps bfloat16, two bytes each, and
# > begins with a header that says where each tensor lies.
#
# Nothing in the file is a program, so loading it can run no foreign code. And since the offsets are known, a program need not read the whole
# file. `np.memmap` *maps* it into memory: an array whose pages the system fetches from the file when they are touched. So a model of many
# gigabytes opens at once. In the lab you read the file this way, without a copy.

# %% [markdown]
# ## 2. The whole forward pass
#
# All parts are known: embedding (11), RMSNorm (05), linear (01, 09), RoPE (11), attention (12), SwiGLU and the stream (13). At the end come one more norm and the
# output layer, also called *head*: here the dot product with each row of the embedding table gives a score for each of the $V$ tokens, the *logits*:
#
# $$\underbrace{\text{logits}}_{L\times V} = \underbrace{\operatorname{norm}(x)}_{L\times E}\; \underbrace{\text{table}^{\mathsf T}}_{E\times V}$$
#
# This is all of it:


# %%
def projection(x, name):
    return operators.linear(x, weights[f"{name}.weight"])


def normed(x, name):
    return operators.rms_norm(x, weights[f"{name}.weight"], 1e-6)


def forward(ids, D=32, theta=10_000.0, layers=8):
    """ids [L] -> logits [L, V]."""
    L, positions = len(ids), np.arange(len(ids))
    x = operators.embedding(ids, weights["model.embed_tokens.weight"])  # [L, E]
    for layer in range(layers):
        here = f"model.layers.{layer}"
        h = normed(x, f"{here}.input_layernorm")
        own = f"{here}.self_attn"
        q, k, v = (projection(h, f"{own}.{name}_proj").reshape(L, -1, D) for name in "qkv")
        q = operators.rope(normed(q, f"{own}.q_norm"), positions, theta)  # [L, H, D]
        k = operators.rope(normed(k, f"{own}.k_norm"), positions, theta)  # [L, K, D]
        mixed = operators.attention(q, k, v, D**-0.5).reshape(L, -1)  # [L, H·D]
        x = operators.add(x, projection(mixed, f"{own}.o_proj"))
        h = normed(x, f"{here}.post_attention_layernorm")
        gate = projection(h, f"{here}.mlp.gate_proj")  # [L, F]
        up = projection(h, f"{here}.mlp.up_proj")  # [L, F]
        x = operators.add(x, projection(operators.swiglu(gate, up), f"{here}.mlp.down_proj"))
    table = weights["model.embed_tokens.weight"]  # [V, E]
    return operators.linear(normed(x, "model.norm"), table)  # [L, V]


# %%
model = load_model("mini")
tokenizer = model.tokenizer
ids = np.array(tokenizer.encode("Once upon a time, there was a fox named Dot. Dot had a"))
mine, its = forward(ids), model.logits(ids)
print("logits", mine.shape, "- largest difference from the package:", np.abs(mine - its).max())

# %% [markdown]
# The logits are those of the package. To write, take the likeliest token, append it, and start again. This is *greedy decoding*.

# %%
text = list(ids)
for _ in range(40):
    text.append(int(forward(np.array(text))[-1].argmax()))
print(tokenizer.decode(text))

# %% [markdown]
# ## 3. Prefill and decode: the KV cache
#
# Our loop above computed the whole text again for every new token. With the KV cache of lecture 12 the text is read once, which is the *prefill*, and then each
# new token goes through alone: this is *decode*. `model.cache()` makes such a cache. First: are the logits the same?

# %%
cache = model.cache()
prefilled = model.logits(ids[:10], cache)  # [10, V]
continued = [model.logits(ids[i : i + 1], cache) for i in range(10, len(ids))]  # [1, V] each
together = np.concatenate([prefilled, *continued])
print("largest difference from the pass without cache:", np.abs(together - its).max())

# %% [markdown]
# > **Predict, then run.** How does the time for one more token grow with the length of the text, without the cache and with it?

# %%
numba.set_num_threads(1)  # so that the clock of this thread sees all of the work
story = np.array(tokenizer.encode(paths.held_out_text().read_text()))
lengths = [8, 16, 32, 64, 128, 256, 384, 500]


def one_more(length, cache):
    """Logits after token `length`, if the cache holds all before it."""
    cache.truncate(length)
    return model.logits(story[length : length + 1], cache)


filled = model.cache()
model.logits(story[:500], filled)
without_cache = [1000 * seconds(model.logits, story[: n + 1], repeats=3) for n in lengths]
with_cache = [1000 * seconds(one_more, n, filled, repeats=3) for n in lengths[::-1]][::-1]
print(f"token 500: {without_cache[-1]:.1f} ms without the cache, {with_cache[-1]:.2f} ms with it")

# %% jupyter={"source_hidden": true}
reading = [1000 * length / taken for length, taken in zip(lengths, without_cache, strict=True)]
fig, axes = plots.figure(1, 2, width=9, height=3.2)
axes[0].loglog(lengths, without_cache, "o-", label="without cache: all again")
axes[0].loglog(lengths, with_cache, "s--", label="with cache: one token")
axes[0].set(xlabel="tokens before", ylabel="time for one more token [ms]")
axes[1].loglog(lengths, reading, "o-", label="prefill: L tokens together")
axes[1].loglog(lengths, [1000 / taken for taken in with_cache], "s--", label="decode: one by one")
axes[1].set(xlabel="tokens L", ylabel="tokens per second")
axes[0].yaxis.set_major_formatter("{x:g}")
axes[1].set_yticks([300, 1000, 3000, 10_000])
axes[1].yaxis.set_major_formatter("{x:g}")
for axis in axes:
    axis.set_xticks([8, 32, 128, 500])
    axis.set_xticklabels([8, 32, 128, 500])
    axis.minorticks_off()
    axis.grid()
    axis.legend(fontsize=8.5, loc="upper left" if axis is axes[0] else "center right")
plots.show(
    fig,
    alt="Left: time for one more token against the tokens before it; without the cache it grows steeply, "
    "with it hardly. Right: tokens per second; prefill handles several times as many as decode.",
)

# %% [markdown]
# > **The common guess**, that one more token costs the same either way, forgets that without a cache the keys and values of all
# > earlier tokens are computed again for each new one.
#
# (Processor time of one thread of the machine that made this page. Yours will differ, and it varies from run to run.)
#
# - Without the cache the time for one token grows with the text. With it, hardly: only attention looks at all positions.
# - Prefill is faster per token than decode: each weight that is fetched, and each call from Python, serves $L$ tokens. For long texts
#   attention's n² makes it slower again.
#
# The cache costs memory instead, by the formula of lecture 12. Its final length is not known at the start. Two ways to store rows that keep coming:
#
# - `np.concatenate` for each token: all rows are copied to a new array.
# - a buffer with free room at its end. When it is full, one twice as large replaces it, and only then are rows copied.
#
# > **Predict, then run.** How many rows does each of them copy on the way to 1024 tokens?

# %%
concatenated = sum(range(1024))
room, doubled = 1, 0
for held in range(1024):
    if held == room:
        doubled += held
        room *= 2
print(f"concatenate copies {concatenated:,d} rows, doubling {doubled:,d}: under 1 a token")

# %% [markdown]
# > **The common guess**, that doubling saves half of the copies, forgets that each doubling puts off the next copy twice as long.
#
# The price: up to half of the buffer is empty.

# %% [markdown]
# ### One error, worked through
#
# With a cache, a pass must get only what the cache does not hold yet. Here the whole text goes in every time, as it was right without a cache:

# %%
text, cache = list(ids), model.cache()
for _ in range(12):
    text.append(int(model.logits(np.array(text), cache)[-1].argmax()))
print(tokenizer.decode(text[len(ids) :]))
print(f"the text has {len(text)} tokens, the cache {cache.length}")

# %% [markdown]
# No error is raised, and the text may even read well. But the cache holds the beginning twelve times, one after the other. So compare the two
# lengths. The last token is not stored yet, so the cache should hold one less than the text.

# %% [markdown]
# ## 4. Sampling: the same model, other voices
#
# The model gives probabilities; a rule chooses. Greedy decoding takes the best and so always tells the same story. *Sampling* draws at random, and a
# few rules leave out unlikely tokens:
#
# | rule | keeps | source |
# |---|---|---|
# | temperature T | all, with logits divided by T (lecture 07) | |
# | top-k | the k likeliest | Fan et al., 2018 |
# | top-p | the likeliest that together reach probability p | Holtzman et al., 2019 |
# | min-p | those at least that fraction as likely as the best | Nguyen et al., 2024 |

# %%
last = its[4]  # [V]: the logits after "Once upon a time,"
for rule in (dict(), dict(top_k=3), dict(top_p=0.9), dict(min_p=0.1)):
    p = Sampler(temperature=1.0, **rule).probabilities(last)  # [V]
    print(f"{rule!s:14s} {np.sum(p > 0):4d} of {len(p)} tokens can be drawn")

# %% jupyter={"source_hidden": true}
best = np.sort(Sampler(temperature=1.0).probabilities(last))[::-1]
fig, axis = plots.figure(width=8.6, height=3.3)
ranks = np.arange(1, 61)
for T, style in ((0.5, "-."), (1.0, "-"), (2.0, "--")):
    values = np.sort(Sampler(temperature=T).probabilities(last))[::-1]
    axis.loglog(ranks, values[:60], style, color=plots.BLACK if T == 1 else None, label=f"T = {T}")
cuts = {
    "top-k 3": (3, plots.BLUE),
    "top-p 0.9": (int(np.searchsorted(np.cumsum(best), 0.9)) + 1, plots.VERMILION),
    "min-p 0.1": (int(np.sum(best >= 0.1 * best[0])), plots.GREEN),
}
for height, (name, (kept, colour)) in zip((2e-5, 2e-6, 2e-7), cuts.items(), strict=True):
    axis.plot([1, kept + 0.4], [height, height], "|-", color=colour, linewidth=3)
    axis.text(1.05, 2 * height, f"{name} keeps {kept}", fontsize=9)
axis.set(xlabel="token, the likeliest first", ylabel="probability", ylim=(5e-8, 1))
axis.set_xticks([1, 2, 5, 10, 20, 60])
axis.set_xticklabels([1, 2, 5, 10, 20, 60])
axis.minorticks_off()
axis.legend(loc="lower left", bbox_to_anchor=(0.62, 0.6))
axis.grid()
plots.show(
    fig,
    alt="Probabilities of the 60 likeliest tokens after 'Once upon a time,', sorted, for three "
    "temperatures: five tokens share nearly all, then it falls by powers of ten; a higher temperature "
    "lifts the tail. Bars below show how many tokens top-k 3, top-p 0.9 and min-p 0.1 keep at T = 1.",
)

# %% [markdown]
# A high temperature makes the tail likelier. The other rules cut the tail off, and the tokens that are left share the probability.

# %% [markdown]
# The same beginning under four rules:

# %%
beginning = tokenizer.encode("Once upon a time")
for name, rule in {
    "greedy": dict(temperature=0.0),
    "T = 0.6, top-k 20, top-p 0.95": dict(temperature=0.6, top_k=20, top_p=0.95, seed=0),
    "T = 1.5": dict(temperature=1.5, top_k=0, top_p=1.0, seed=0),
    "T = 3": dict(temperature=3.0, top_k=0, top_p=1.0, seed=0),
}.items():
    new = list(model.generate(beginning, max_new_tokens=45, **rule))
    print(textwrap.fill(f"[{name}] {tokenizer.decode(beginning + new)}", 100), "\n")

# %% [markdown]
# To measure this, let the model read a text and take the cross-entropy (lecture 03): how surprised is it by each token? We do so with real
# stories from the held-out file, and with stories that the model itself has sampled.
#
# > **Predict, then run.** Up to which temperature are sampled stories about as surprising as real ones?


# %%
def surprise(texts):
    """Mean cross-entropy of the tokens after the beginning, in nats."""
    losses = []
    for text in texts:
        losses += list(operators.cross_entropy(model.logits(text[:-1]), np.array(text[1:]))[3:])
    return float(np.mean(losses))


documents = paths.held_out_text().read_text().split("<|endoftext|>")
real = [tokenizer.encode(document.strip())[:250] for document in documents]
real = [text for text in real if text[:4] == beginning]
print(f"{len(real)} real stories: {surprise(real):.3f} nats a token")

temperatures = [0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0]
surprises = []
for temperature in temperatures:
    rule = dict(max_new_tokens=246, temperature=temperature, top_k=0, top_p=1.0)
    texts = [beginning + list(model.generate(beginning, seed=seed, **rule)) for seed in range(10)]
    surprises.append(surprise(texts))
    print(f"T = {temperature}: {surprises[-1]:.3f} nats a token")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.4, height=2.9)
axis.semilogy(temperatures, surprises, "o-", label="sampled stories")
axis.axhline(surprise(real), color=plots.VERMILION, linestyle="--", label="real stories")
axis.set(xlabel="temperature T", ylabel="surprise [nats a token]", yticks=[0.1, 0.3, 1, 3, 10])
axis.yaxis.set_major_formatter("{x:g}")
axis.minorticks_off()
axis.legend()
axis.grid()
plots.show(
    fig,
    alt="Surprise of sampled stories against the temperature: close to the line of real stories up to "
    "temperature one, then rising steeply.",
)

# %% [markdown]
# > **The common guess**, that any temperature above 0 makes text more surprising than real text, forgets that real stories,
# > too, hold choices that nobody can foresee.
#
# Up to T = 1 sampled stories are about as surprising as real ones: the model has learned how often things happen, and drawing with these
# probabilities makes them happen as often. Above 1 the text soon falls apart into fragments of words. At low temperatures it
# is hardly less surprising here, since where our stories leave a choice (which name, which colour?) all choices are about equally likely. In human
# text they are not: Holtzman et al. (2019) found that the likeliest text of a large model is far less surprising than human text, bland and repetitive.
# A temperature a little below 1 gives up variety for fewer mistakes. The makers of a model name their choice in `generation_config.json`; ours and that
# of Qwen3-0.6B have the same:

# %%
print(model.config.generation)

# %% [markdown]
# ## 5. Your kernels, one by one
#
# Which kernel answers an operator can be chosen. We begin with NumPy's `reference` for everything, and swap in kernels one after the other: yours where you have
# written one, else the course's.
#
# > **Predict, then run.** Is most of the gain there when `linear` alone is swapped?

# %%
ORDER = ("linear", "attention", "rms_norm", "rope", "swiglu", "add_rms_norm", "embedding")
chosen, profiles = {}, {}
for name in ("reference", *ORDER):
    if name != "reference":
        chosen[name] = "student" if student_set().has(name, "cpu") else "solutions"
    with use_kernels("reference", **chosen):
        off = np.abs(model.logits(ids) - its).max()
        profiles[name] = profile_model("mini", 64, 24, clock=time.thread_time)
    rate = profiles[name].decode.tokens_per_second
    print(f"{name:12s} {chosen.get(name, ''):9s} {rate:5.0f} tokens/s, logits differ by {off:.0e}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7.4, height=2.8)
labels = ["reference", *(f"+ {name}" for name in ORDER)]
rates = [profile.decode.tokens_per_second for profile in profiles.values()]
axis.barh(range(len(rates)), rates, color=[plots.GREY] + [plots.BLUE] * len(ORDER))
for row, rate in enumerate(rates):
    axis.text(rate, row, f" {rate:.0f}", va="center", fontsize=9)
axis.set(yticks=range(len(rates)), xlabel="tokens per second, decode", xlim=(0, 1.12 * max(rates)))
axis.set_yticklabels(labels)
axis.invert_yaxis()
plots.show(
    fig,
    alt="Tokens per second after each swap from the NumPy reference to compiled kernels, as bars with "
    "their numbers. Each bar contains the swaps above it.",
)

# %% [markdown]
# > **The common guess**, that `linear` is nearly all of it, holds for large models. It forgets that one token of a small model needs
# > many small calls, each of which NumPy makes in several steps.
#
# Where the time went before and after, by operator, as in lecture 09:

# %%
show_profiles({"reference": profiles["reference"], "kernels": profiles["embedding"]})

# %% [markdown]
# What is left in decode is largely Python between the calls. Qwen3-0.6B makes 3.5 times as many calls, with matrices at least 64 times as large; there `linear` takes
# most of the time ([lecture 09](09_matmul_cpu.ipynb)). (Processor time of one thread, as above.)

# %% [markdown]
# ## 6. A real Qwen
#
# A published Qwen3 has the same files, names and formulas; only the sizes differ. What it needs of a machine follows from its weights (lecture 13):

# %%
WEIGHTS, CACHED = 596_049_920, 2 * 28 * 8 * 128 * 4  # of Qwen3-0.6B; bytes of the cache for a token
print(f"disk and memory: {2 * WEIGHTS / 1e9:.1f} GB in bfloat16, and {CACHED / 1e3:.0f} kB a token")
for memory in (10, 50):
    print(
        f"memory with {memory} GB/s: at most {memory * 1e9 / (2 * WEIGHTS):.0f} tokens per second"
    )

# %% [markdown]
# So expect a few to a few dozen tokens each second. In the lab *your* decoder reads such a folder. The
# next cell runs the package's, if the files are on this machine; it downloads them only if you say so.

# %%
NAME, DOWNLOAD = "Qwen/Qwen3-0.6B", False


def has_network():
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError:
        return False
    return True


is_here = isinstance(huggingface_hub.try_to_load_from_cache(NAME, "model.safetensors"), str)
if is_here or (DOWNLOAD and has_network()):
    qwen = load_model(NAME)
    prompt = qwen.tokenizer.encode("The capital of France is")
    print(
        qwen.tokenizer.decode([*prompt, *qwen.generate(prompt, max_new_tokens=12, temperature=0.0)])
    )
elif has_network():
    print("not run: set DOWNLOAD = True in this cell to fetch the model")
else:
    print("not run: no network")

# %% [markdown]
# The same in a terminal, which shows the words as they come: `make chat MODEL=Qwen/Qwen3-0.6B`.

# %% [markdown]
# ## 7. With a pencil
#
# **1.** A safetensors file begins with the bytes 88, 1, 0, 0, 0, 0, 0, 0. A tensor has the shape [4, 8], dtype BF16 and begins at offset 256. Which bytes of the file
# are its own?
#
# <details><summary>Answer</summary>
#
# $N = 88 + 256 = 344$. The numbers begin at byte $8 + 344 = 352$, the tensor at $352 + 256 = 608$. It has $4 \cdot 8 \cdot 2 = 64$ bytes: 608 to 671.
#
# </details>
#
# **2.** A prompt of 100 tokens, 50 new ones. How many rows go through the blocks with a cache, and how many if each pass reads the whole text?
#
# <details><summary>Answer</summary>
#
# With a cache 100 rows for the prompt, which give the first new token, and one for each of the other 49: 149. Without, $100 + 101 + \dots + 149 = 6225$.
#
# </details>

# %% [markdown]
# ## The answer
#
# - The file is a list of names and offsets, then raw numbers. The forward pass is some twenty lines: embedding, blocks that add to a stream, a norm, and a dot
#   product with every token's vector.
# - Generation is one prefill, then decode, token by token, with a KV cache in buffers that double. In large models decode waits for memory.
# - The model gives probabilities, the sampler draws a token. Up to temperature 1 our stories are about as surprising as real ones; above it they fall apart.
# - Every operator on the way can be a kernel of yours.
#
# ## Sources
#
# - Hugging Face (2022), [The safetensors format](https://huggingface.co/docs/safetensors).
# - R. Pope et al. (2022), [Efficiently scaling transformer inference](https://arxiv.org/abs/2211.05102): prefill and decode.
# - A. Fan, M. Lewis, Y. Dauphin (2018), [Hierarchical neural story generation](https://arxiv.org/abs/1805.04833): top-k;
#   A. Holtzman et al. (2019), [The curious case of neural text degeneration](https://arxiv.org/abs/1904.09751): top-p;
#   M. Nguyen et al. (2024), [Turning up the heat](https://arxiv.org/abs/2407.01082): min-p.
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [generation_config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/generation_config.json).
#
# ## Go on
#
# In [lab 14 the decoder](../labs/14_the_decoder_speaks/14_the_decoder_speaks.ipynb) you read the file, write cache, forward pass and loop, and it speaks with your kernels.
# [15 Quantisation](15_quantisation.ipynb) keeps its weights in few bits.
