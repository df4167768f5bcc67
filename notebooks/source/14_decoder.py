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

import huggingface_hub
import numba
import numpy as np
from ipywidgets import interact

from llaisys_mini import (
    load_model,
    observe_calls,
    operators,
    paths,
    plots,
    use_kernels,
    verify_calls,
)
from llaisys_mini.inspect.timing import seconds
from llaisys_mini.kernels.sets import student_set
from llaisys_mini.text.sampling import Sampler

# %% [markdown]
# ## 1. The file, byte by byte
#
# The small model of this course is a folder in the form in which all Qwen models are published: `config.json` with the sizes, `tokenizer.json` with
# the merges, `model.safetensors` with the weights. The last one has three parts (Hugging Face, 2022):
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
# Nothing in the file is a program, so loading it can run no foreign code. And since the offsets are known, a program need not read the file at all:
# it *maps* it into memory, and the system fetches the pages that are touched. The package's `load_model` does that for large models.

# %% [markdown]
# ## 2. The whole forward pass
#
# Everything is known: embedding (11), RMSNorm (05), linear (01, 09), RoPE (11), attention (12), SwiGLU and the stream (13). At the end one more norm, and the
# output layer, also called *head*: the dot product with each row of the embedding table gives a score for each of the $V$ tokens, the *logits*:
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
# Some twenty lines, and the same logits as the package. Take the likeliest token, append it, start again: the model speaks. (This is *greedy* decoding.)

# %%
text = list(ids)
for _ in range(40):
    text.append(int(forward(np.array(text))[-1].argmax()))
print(tokenizer.decode(text))

# %% [markdown]
# ## 3. What the model thinks on the way
#
# Behind each block the stream is a vector of $E$ numbers for each token. What if we stop there and go straight to the head? This is the *logit lens*
# (nostalgebraist, 2020): the model's guess so far. In `forward` we would have to keep $x$ behind each block; `observe_calls` sees it too, as the result of
# every second `add_rms_norm` (lecture 13).
#
# > **Predict, then run.** The text ends with "Dot had a". In the end the model will name the colour of some thing. Behind which of the 8 blocks is that visible?

# %%
streams = []


def keep_stream(operator, arguments, results):
    if operator.name in ("embedding", "add_rms_norm"):
        streams.append(np.array(results[0]))


with observe_calls(keep_stream):
    model.logits(ids)
streams = streams[::2]  # behind the embedding and behind each of the 8 blocks, each [L, E]
table = weights["model.embed_tokens.weight"]
lens = [operators.softmax(operators.linear(normed(x, "model.norm"), table)) for x in streams]
for block, p in enumerate(lens):
    best = np.argsort(-p[-1])[:4]
    guesses = "  ".join(f"{tokenizer.decode([int(token)])!r} {p[-1, token]:.0%}" for token in best)
    print("embedding" if block == 0 else f"block {block - 1}  ", guesses)

# %% jupyter={"source_hidden": true}
shown = list(range(5, len(ids)))
fig, axis = plots.figure(width=9.2, height=3.5)
certainty = np.array([[p[place].max() for place in shown] for p in lens])
image = axis.imshow(certainty, vmin=0, vmax=1, aspect="auto")
for row, p in enumerate(lens):
    for column, place in enumerate(shown):
        word = tokenizer.decode([int(p[place].argmax())]).strip() or "¶"
        colour = plots.ink_on(image, certainty[row, column])
        axis.text(column, row, word, ha="center", va="center", fontsize=8, color=colour)
axis.set(
    xticks=range(len(shown)),
    yticks=range(len(lens)),
    xlabel="read so far, up to this token",
    ylabel="guess behind",
)
axis.set_xticklabels([tokenizer.decode([int(ids[place])]).strip() for place in shown], fontsize=8.5)
axis.set_yticklabels(
    ["embedding", *(f"block {block}" for block in range(len(lens) - 1))], fontsize=8.5
)
fig.colorbar(image, ax=axis, label="probability of the guess", pad=0.01)
plots.show(
    fig,
    alt="For each token of the text and each block the best guess for the next token. Behind the embedding "
    "the guess repeats the token itself; the last blocks guess what really fits.",
)

# %% [markdown]
# > **The common guess**, that the answer takes shape evenly from block to block, does not hold: the middle blocks name words
# > that often follow, and only the last ones name colours.
#
# Without any block the head gives each token back: input and output table are the same. The middle blocks go through words that often follow; the colour comes
# with the last ones. The lens shows what the head *would* say, which the model itself never asks for before the end.

# %% [markdown]
# ## 4. Prefill and decode: the KV cache
#
# Our loop above computed the whole text again for every new token. With the KV cache of lecture 12 the text is read once, which is the *prefill*, and then each
# new token goes through alone: this is *decode*. The package's `model.cache()` is such a store. First: is it the same?

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
# - Without the cache the time for one token grows with the text. With it, almost not: only attention looks at all positions.
# - Prefill is faster per token than decode, because each weight that is fetched serves $L$ tokens (lecture 13). For long texts it becomes
#   slower again: the n² of attention.
#
# The cache costs memory instead, by the formula of lecture 12, for as many positions as it has room for. (The
# room doubles when it is full.)

# %%
config, room = model.config, filled.capacity
formula = 2 * config.layers * room * config.kv_heads * config.head_dim * 4
print(f"formula for {room} positions in float32: {formula:,d} bytes")
print(f"the filled cache:                    {filled.nbytes:,d} bytes")

# %% [markdown]
# ## 5. Sampling: the same model, other voices
#
# The model gives probabilities. Who chooses? Greedy decoding always takes the best and so always tells the same story. *Sampling* draws at random, and a
# few rules keep bad tokens out:
#
# | rule | keeps | source |
# |---|---|---|
# | temperature T | all, with logits divided by T (lecture 07) | |
# | top-k | the k likeliest | Fan et al., 2018 |
# | top-p | the likeliest that together reach probability p | Holtzman et al., 2019 |
# | min-p | those at least that fraction as likely as the best | Nguyen et al., 2024 |

# %%
last = its[4]  # [V]: the logits after "Once upon a time,"
RULES = {
    "T = 1": dict(temperature=1.0),
    "T = 2": dict(temperature=2.0),
    "T = 2, top-k 3": dict(temperature=2.0, top_k=3),
    "T = 1, top-p 0.9": dict(temperature=1.0, top_p=0.9),
    "T = 1, min-p 0.1": dict(temperature=1.0, min_p=0.1),
}
for name, rule in RULES.items():
    p = Sampler(**rule).probabilities(last)  # [V]
    best = np.sort(p)[-5:].sum()
    print(f"{name:17s} {np.sum(p > 0):4d} tokens possible; the 5 likeliest have {best:.1%}")


# %% jupyter={"source_hidden": true}
order = np.argsort(-last)[:16]
words = [tokenizer.decode([int(token)]).strip() or "¶" for token in order]


def draw_choice(axis, name, rule):
    p = Sampler(**rule).probabilities(last)[order]
    axis.bar(range(16), p, color=[plots.BLUE if value > 0 else plots.GREY for value in p])
    axis.plot(
        np.flatnonzero(p == 0), np.zeros(np.sum(p == 0)), "x", color=plots.VERMILION, markersize=4
    )
    axis.set(xticks=range(16), ylabel="probability", title=name, ylim=(0, 0.5))
    axis.set_xticklabels(words, rotation=90, fontsize=8)


fig, axes = plots.figure(2, 2, width=9.4, height=4.6)
shown = ("T = 1", "T = 2, top-k 3", "T = 1, top-p 0.9", "T = 1, min-p 0.1")
for axis, name in zip(axes.ravel(), shown, strict=True):
    draw_choice(axis, name, RULES[name])
plots.show(
    fig,
    alt="Probabilities of the 16 likeliest tokens after 'Once upon a time,' under four rules; crosses mark "
    "tokens that are struck out. At T = 1 five words share nearly all; top-k, top-p and min-p each cut "
    "the tail at another place.",
)


# %%
@interact(temperature=(0.1, 3, 0.1), top_k=(0, 16), top_p=(0.1, 1, 0.05), min_p=(0.0, 1, 0.05))
def draw_chosen_rule(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    fig, axis = plots.figure(width=8, height=2.8)
    rule = dict(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    draw_choice(axis, f"T = {temperature}, top-k {top_k}, top-p {top_p}, min-p {min_p}", rule)
    plots.show(fig, alt="Probabilities of the 16 likeliest tokens under the chosen rule.")


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
# Can we measure what we read there? Let the model read a text and take the cross-entropy (lecture 07): how surprised is it by each token? We do so with real
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
# probabilities makes them happen as often. At T = 1 there are a few slips more, and hotter text soon falls apart into fragments of words. Colder text
# is hardly less surprising here, since where our stories leave a choice (which name, which colour?) all choices are about equally likely. In the text of
# people they are not: Holtzman et al. (2019) found that cold text of large models is far less surprising than human text, and call it bland and repetitive.
# A little below 1 trades variety for fewer slips. The makers of a model name their choice in `generation_config.json`, ours and those of Qwen3-0.6B the
# same one:

# %%
print(model.config.generation)

# %% [markdown]
# ## 6. A conversation
#
# A chat is also only text. A *template* writes who says what, with special tokens, and the model continues. `<think>` is where it writes down its
# steps first; ours learned it for sums.

# %%
prompt = tokenizer.render_chat([{"role": "user", "content": "What is 347 + 285?"}])
print(
    prompt + tokenizer.decode(list(model.generate(tokenizer.encode(prompt), 120, temperature=0.0)))
)

# %% [markdown]
# ## 7. Your kernels, one by one
#
# Which kernel answers an operator can be chosen. We begin with NumPy's `reference` for everything, and swap in kernels one after the other: yours where you have
# written one, else the course's. After each swap the logits must be the same but for rounding, and the time for a token may fall.

# %%
order_of_swaps = ("linear", "attention", "rms_norm", "rope", "swiglu", "add_rms_norm", "embedding")
chosen, times = {}, []
for name in ("reference", *order_of_swaps):
    if name != "reference":
        chosen[name] = "student" if student_set().has(name, "cpu") else "solutions"
    with use_kernels("reference", **chosen):
        off = np.abs(model.logits(ids) - its).max()
        times.append(1000 * seconds(one_more, 100, filled, repeats=20))
    source = chosen.get(name, "")
    print(f"{name:12s} {source:9s} {times[-1]:5.2f} ms a token, logits differ by {off:.0e}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7.4, height=2.8)
labels = ["reference", *(f"+ {name}" for name in order_of_swaps)]
axis.barh(range(len(times)), times, color=[plots.GREY] + [plots.BLUE] * len(order_of_swaps))
for row, taken in enumerate(times):
    axis.text(taken, row, f" {taken:.2f}", va="center", fontsize=9)
axis.set(yticks=range(len(times)), xlabel="time for one token [ms]")
axis.set_yticklabels(labels)
axis.invert_yaxis()
plots.show(
    fig,
    alt="Time for one token after each swap from the NumPy reference to compiled kernels, as bars. It falls, "
    "most of all with the first swap.",
)

# %% [markdown]
# If a swapped kernel were wrong, which one? `verify_calls` compares every operator call of a running model with the reference, and names the first that differs:

# %%
with verify_calls(model) as report:
    model.logits(ids)
print(report)

# %% [markdown]
# In the terminal: `llaisys-mini progress` shows which operators you have written, `llaisys-mini generate --kernels student` speaks with them.

# %% [markdown]
# ## 8. A real Qwen
#
# The decoder of this course reads Qwen2, Qwen2.5, Qwen3 and DeepSeek-R1-Distill-Qwen checkpoints. The next cell lets Qwen3-0.6B speak, if its files are on this
# machine. They are large (lecture 13: 1.2 GB of weights), so it downloads them only if you say so.

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
# ## The answer
#
# - The file is a list of names and offsets, then raw numbers. The forward pass is some twenty lines: embedding, blocks that add to a stream, a norm, and a dot
#   product with every token's vector.
# - Speaking is prefill once, then decode, token by token, with the KV cache. In large models decode waits for memory.
# - The model gives probabilities, the sampler takes a token. Up to temperature 1 our stories are as surprising as real ones; hotter ones fall apart.
# - Every operator on the way can be a kernel of yours.
#
# ## Sources
#
# - Hugging Face (2022), [The safetensors format](https://huggingface.co/docs/safetensors).
# - nostalgebraist (2020), [Interpreting GPT: the logit lens](https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens).
# - R. Pope et al. (2022), [Efficiently scaling transformer inference](https://arxiv.org/abs/2211.05102): prefill and decode.
# - A. Fan, M. Lewis, Y. Dauphin (2018), [Hierarchical neural story generation](https://arxiv.org/abs/1805.04833): top-k;
#   A. Holtzman et al. (2019), [The curious case of neural text degeneration](https://arxiv.org/abs/1904.09751): top-p;
#   M. Nguyen et al. (2024), [Turning up the heat](https://arxiv.org/abs/2407.01082): min-p.
# - Qwen team (2025), [Qwen3 technical report](https://arxiv.org/abs/2505.09388) and
#   [generation_config.json of Qwen3-0.6B](https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/generation_config.json).
#
# ## Go on
#
# In [lab 14 the decoder](../labs/14_the_decoder_speaks/14_the_decoder_speaks.ipynb) you put the decoder together from your own kernels, and it speaks. Then swap in a real Qwen.
# [15 Quantisation](15_quantisation.ipynb) keeps its weights in few bits.
