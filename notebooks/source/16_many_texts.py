# %% [markdown]
# # 16 · Many texts at once
#
# **Question:** a service writes for many people at the same time. Why can sixteen texts cost little more than one, and what has to be organised for it?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [15 Quantisation](15_quantisation.ipynb) | attention and the KV cache (12), prefill and decode (14) | 25 minutes | [16 many texts](../labs/16_many_texts/16_many_texts.ipynb) | [17 A service](17_service.ipynb) |

# %%
from functools import partial

import numba
import numpy as np

from llaisys_mini import Tensor, load_model, operators, paths, plots
from llaisys_mini.engine.speculation import DraftModel, NGrams
from llaisys_mini.inspect.timing import seconds
from llaisys_mini.text.sampling import SamplingParams

numba.set_num_threads(1)  # so that the clock of this thread sees all of the work
model = load_model("mini")
tokenizer = model.tokenizer
new_engine = partial(model.engine, capture=False)  # calls one operator after the other

# %% [markdown]
# ## 1. Sixteen texts, one after the other or together
#
# Sixteen children want a story. `model.engine()` is the course's engine: it takes requests, and each `step` is one forward pass. With `max_texts=1` it finishes
# one text before it begins the next. With 16, each pass carries a row of every text that is being written.
#
# Here it runs call by call, as the decoder of lecture 14 does: `capture=False`. By default it replays recorded passes (lecture 18): the same bits and counts in less
# time.
#
# > **Predict, then run.** Each story gets 50 tokens, and the first of them comes out of the pass that reads the prompt. How many passes do 16 stories take one
# > after the other, and how many together?

# %%
NAMES = "Lily Tom Anna Ben Sue Max Mia Sam Dot Leo Ann Jack Rosa Tim Ella Finn".split()
beginnings = [f"Once upon a time, there was a child named {name}." for name in NAMES]
prompts = [tokenizer.encode(text) for text in beginnings]


def greedy(tokens):
    return SamplingParams(temperature=0.0, max_new_tokens=tokens)


def write(prompts, tokens=50, **options):
    """The engine and its requests, when all texts are written."""
    engine = new_engine(**options)
    requests = [engine.add(prompt, greedy(tokens), stop_ids=()) for prompt in prompts]
    while engine.is_busy:
        engine.step()
    return engine, requests


for texts in (1, 16):
    engine, requests = write(prompts, max_texts=texts)
    print(f"{texts:2d} at a time: {engine.counts.steps} passes, {engine.counts.rows} rows")

# %% [markdown]
# > **The common guess**, that 16 prompts take 16 passes in any case, forgets that one pass can hold rows of several prompts.
#
# The number of rows is the same, that of passes a sixteenth. What does that save?

# %%
taken = {
    texts: seconds(lambda n=texts: write(prompts, max_texts=n), repeats=2) for texts in (1, 16)
}
for texts, each in taken.items():
    print(f"{texts:2d} at a time: {16 * 50 / each:5.0f} tokens per second")
print(f"together {taken[1] / taken[16]:.1f} times as fast")

# %% [markdown]
# (Processor time of one thread, call by call. Lecture 18 measures how much of this gain replayed passes leave.)

# %% [markdown]
# ## 2. Why a pass over many rows is cheap
#
# A pass reads every weight once, however many rows it has. Per row and weight it does one multiplication and one addition. So with $R$ rows, a weight of 4
# bytes serves $2R$ operations. This is the intensity of [lecture 09](09_matmul_cpu.ipynb), $I = 2R/4$ FLOP per byte, and it grows with the rows.
#
# Take one matrix of the size that a larger model has. (`freeze` promises that it does not change; the kernel then arranges it once.) Its product with one row is
# bound by memory: the processor waits for weights. More rows cost little until arithmetic becomes the limit.
#
# > **Predict, then run.** How many times as long does the product of this matrix with 16 rows take as with one row?

# %%
rng = np.random.default_rng(0)
W = Tensor.from_numpy(rng.normal(size=(3072, 4096)).astype(np.float32)).freeze()  # [N, K]
counts = [1, 2, 4, 8, 16, 32, 64]
product = []
for rows in counts:
    x = Tensor.from_numpy(rng.normal(size=(rows, 4096)).astype(np.float32))
    product.append(1000 * seconds(operators.linear, x, W, repeats=7))
    print(f"{rows:2d} rows: {product[-1]:6.2f} ms, {product[-1] / product[0]:5.2f} times one row")

# %% [markdown]
# > **The common guess**, 16 times the work and so 16 times as long, forgets what one row waits for: the weights, and these are fetched once.
#
# And the whole small model? Its 7 MB of weights fit into the cache of many processors, so there is less waiting to save. But each pass also takes the time of some
# hundred calls of operators, however many rows it has.

# %% jupyter={"source_hidden": true}
passes = []
for texts in counts:
    engine = new_engine(max_texts=texts)
    for number in range(texts):
        engine.add(prompts[number % 16], greedy(400), stop_ids=())
    for _ in range(3):  # read the prompts
        engine.step()
    passes.append(1000 * seconds(engine.step, repeats=9))

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3.1)
for name, marker, taken in (("one matrix", "o-", product), ("a pass of the model", "s--", passes)):
    axes[0].loglog(counts, np.array(taken) / taken[0], marker, label=name)
    axes[1].loglog(counts, np.array(counts) * taken[0] / np.array(taken), marker, label=name)
for axis in axes:
    axis.loglog(counts, counts, ":", color=plots.GREY, label="in proportion to the rows")
    axis.set(xlabel="rows R", xticks=counts)
    axis.set_xticklabels(counts)
    axis.set_yticks([1, 2, 4, 8, 16, 32, 64])
    axis.yaxis.set_major_formatter("{x:g}")
    axis.minorticks_off()
    axis.grid()
axes[0].set(ylabel="time, as a multiple of one row")
axes[1].set(ylabel="rows per second, as a multiple")
axes[0].legend(fontsize=8.5)
plots.show(
    fig,
    alt="Left: time against rows, for one large matrix and for a pass of the small model; both stay far "
    "below the dotted line of proportion. Right: rows per second, which rise and then level off.",
)
print(
    "a pass over 16 rows, call by call, takes", f"{passes[4] / passes[0]:.1f} times one over 1 row"
)

# %% [markdown]
# One row has a loop of its own, a dot product with each row of the matrix. From two rows on, a tile of results is kept in registers (lecture 09). From there on the
# time grows far more slowly than the rows.

# %% [markdown]
# ## 3. Texts come and go: continuous batching
#
# Texts do not begin and end together. If a fixed batch runs until its longest text has ended, the places of the others stand empty. An engine decides
# anew **before every pass**: texts that have ended leave, waiting ones come in. This is *continuous batching* (Yu et al., 2022, say *iteration-level scheduling*). We count, for 24 texts of very different lengths, 8 at a time.

# %%
lengths = rng.integers(4, 80, size=24)  # tokens of each text
batches = [lengths[i : i + 8] for i in range(0, 24, 8)]
fixed = sum(batch.max() for batch in batches)
print(f"fixed batches: {fixed} passes of 8 places, {1 - lengths.sum() / (8 * fixed):.0%} empty")

engine = new_engine(max_texts=8)
for number, length in enumerate(lengths):
    engine.add(prompts[number % 16], greedy(int(length)), stop_ids=())
rows_of = []  # per step: request number -> rows
while engine.is_busy:
    engine.step()
    rows_of.append({request.number: rows for request, rows, _ in engine.last_step})
steps = len(rows_of)
print(f"continuous:    {steps} passes of 8 places, {1 - lengths.sum() / (8 * steps):.0%} empty")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(2, 1, width=9, height=4.4, sharex=True)
place_of, free = {}, list(range(8))[::-1]
start = 0
for batch in batches:
    for place, length in enumerate(batch):
        axes[0].barh(place, length, left=start, color=plots.BLUE, edgecolor="white")
        axes[0].barh(
            place, batch.max() - length, left=start + length, color="none",
            edgecolor=plots.GREY, hatch="///", linewidth=0,
        )  # fmt: skip
    start += batch.max()
for step, rows in enumerate(rows_of):
    for number in set(place_of) - set(rows):
        free.append(place_of.pop(number))
    for number, count in rows.items():
        if number not in place_of:
            place_of[number] = free.pop()
        first = count > 1
        axes[1].barh(
            place_of[number], 1, left=step, color=plots.ORANGE if first else plots.BLUE, linewidth=0
        )
for axis, title in zip(axes, ("fixed batches", "continuous"), strict=True):
    axis.set(title=title, ylabel="place", yticks=range(8))
axes[1].set(xlabel="forward pass")
plots.show(
    fig,
    alt="Eight places against passes. Above, fixed batches: each ends with its longest text, and hatched "
    "stretches stand empty. Below, continuous: a new text begins, marked by its prompt, wherever one "
    "has ended; only the end has gaps.",
)

# %% [markdown]
# Blue: a row of a text that is written. Orange: a prompt is read. Hatched: nothing.

# %% [markdown]
# ## 4. Where the keys lie: pages
#
# In [lecture 14](14_decoder.ipynb) the cache of a text was one array. Its final length is not known, so either each text
# reserves room for the longest, or it is copied when it grows. Kwon et al. (2023) did what operating systems do with memory: cut it into **pages** of equal
# size. A text has a list of its pages, the *page table*; they may lie anywhere.

# %%
engine = new_engine(max_texts=8)
waiting = [engine.add(prompts[n], greedy(int(lengths[n])), stop_ids=()) for n in range(12)]
for _ in range(30):
    engine.step()
running = engine.scheduler.running
size = engine.cache.pool.size
for request in running[:3]:
    print(f"text {request.number}: {request.stored.length:3d} positions in", request.stored.pages)
held = sum(len(request.stored.pages) for request in running)
used = sum(request.stored.length for request in running)
most = model.config.max_positions
print(f"{len(running)} texts, {used} positions used")
print(f"pages of {size}: room for {held * size}, {1 - used / (held * size):.0%} unused")
print(f"reserved for the longest text: room for {len(running) * most}, "
      f"{1 - used / (len(running) * most):.1%} unused")  # fmt: skip

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=1.9)
pool = engine.cache.pool
owner = {page: request for request in running for page in request.stored.pages}
order = {request.number: n for n, request in enumerate(running)}
for page in range(pool.touched):
    request = owner.get(page)
    if request is None:
        axis.bar(page, size, color="none", edgecolor=plots.GREY, linewidth=0.7)
        continue
    place = request.stored.pages.index(page)
    filled = min(size, request.stored.length - place * size)
    colour = plots.COLOURS[order[request.number] % len(plots.COLOURS)]
    axis.bar(page, size, color="none", edgecolor=colour, linewidth=0.7)
    axis.bar(page, filled, color=colour + "aa")
    axis.text(page, size + 0.5, request.number, ha="center", fontsize=8)
axis.set(
    xlabel="page", ylabel="positions filled", ylim=(0, size + 4), xlim=(-0.8, pool.touched - 0.2)
)
plots.show(
    fig,
    alt="The pages of the cache as bars, each filled as far as its text has come, with the number of the "
    "text above. The pages of one text do not lie side by side.",
)

# %% [markdown]
# Attention now follows the table: position $s$ lies in page `table[s // B]`, at place `s % B`. The operator `paged_attention` reads all texts of a pass in one
# call. Its keys come in the same order as in one array, so nothing changes, not even the last bit:

# %%
B, length, heads, width = 16, 50, 4, 32
k, v = rng.normal(size=(2, length, 2, width)).astype(np.float32)  # [S, K, D]
q = rng.normal(size=(1, heads, width)).astype(np.float32)  # [1, H, D]
table = rng.permutation(9)[:4].astype(np.int32)  # four of nine pages, anywhere
slots = (table[np.arange(length) // B] * B + np.arange(length) % B).astype(np.int32)
key_pages, value_pages = np.zeros((2, 9, B, 2, width), np.float32)  # [P, B, K, D]
operators.store_pages(k, v, slots, key_pages, value_pages)
starts = np.array([0, 1], np.int32)  # text 0 has row 0
lengths_now = np.array([length], np.int32)
paged = operators.paged_attention(
    q, key_pages, value_pages, table[None], lengths_now, starts, width**-0.5, length
)
plain = operators.attention(q, k, v, width**-0.5)
print("pages", table.tolist(), "- equal to the last bit:", np.array_equal(paged, plain))

# %% [markdown]
# ## 5. A common beginning is read once
#
# Many requests begin alike: the same instructions, or the whole conversation so far. Pages make sharing easy: two tables name the same page. It must be full, so
# that no text writes into it any more. This is a *prefix cache*. To find a page, each full one gets a **key** (not attention's): a hash of the key of the page before it and of its own ids.

# %%
instructions = " ".join(beginnings[:6])  # what every request begins with
requests_text = [f"{instructions} {name} had a" for name in NAMES[:8]]
long_prompts = [tokenizer.encode(text) for text in requests_text]
print("ids of the first three prompts:", [len(p) for p in long_prompts[:3]])
for at_once in (8, 1):
    engine, _ = write(long_prompts, 10, max_texts=at_once, pages=128)
    print(f"{at_once} at a time: {engine.counts.rows} rows, {engine.scheduler.shared} ids shared")

# %% [markdown]
# With 8 at a time, the first prompts are read in the same step, before any page is full; the others share. One after the other, only the first prompt is read whole.
#
# > **Predict, then run.** A prompt has exactly 32 ids, and both of its pages are stored. How many rows must be computed?

# %%
exact = long_prompts[0][:32]
engine, _ = write([exact], 1)
for _ in range(2):
    before = engine.counts.rows
    again = engine.add(exact, greedy(1), stop_ids=())
    while engine.is_busy:
        engine.step()
    print(f"shared {again.shared} of {len(exact)} ids, {engine.counts.rows - before} rows computed")

# %% [markdown]
# > **The common guess**, that nothing has to be computed, forgets that keys and values are stored, but no logits: the next token is chosen from those of the last id.
#
# So at least one row has to be computed, and as pages are shared whole, it is a page of 16. An engine that forgets this fails at a prompt of whole pages.

# %% [markdown]
# ### One error, worked through
#
# Why does a key contain the key before it? Suppose it did not: a page were known by its own ids alone. The second prompt below begins with 16 ids that stand in
# the *middle* of the first.

# %%
import hashlib

import llaisys_mini.cache.paged as paged_cache


def unchained_keys(ids, size, known=()):
    """The error: the key of a page is a hash of its own ids only."""
    pages = [np.array(ids[i : i + size], np.int64) for i in range(0, len(ids) // size * size, size)]
    return [hashlib.blake2b(page.tobytes(), digest_size=16).digest() for page in pages]


def second_after_first(first, second):
    engine = new_engine()
    for prompt in (first, second):
        request = engine.add(prompt, greedy(12), stop_ids=())
        while engine.is_busy:
            engine.step()
    return request


first = long_prompts[0][:40]
second = first[16:36]  # begins with the second page of the first prompt
right = second_after_first(first, second)
chained, paged_cache.page_keys = paged_cache.page_keys, unchained_keys
wrong = second_after_first(first, second)
paged_cache.page_keys = chained
for name, request in (("chained", right), ("own ids only", wrong)):
    print(
        f"{name:13s} shared {request.shared:2d} ids; goes on:",
        repr(tokenizer.decode(request.written)),
    )

# %% [markdown]
# The wrong key finds a page that was computed for positions 16 to 31, behind another beginning. No error is raised, and the text may even look right. The
# check of `prefix_match` in the lab has this case.

# %% [markdown]
# ## 6. A long prompt comes in
#
# Eight texts are being written. Someone sends a prompt of 600 tokens. If the next pass reads it whole, the eight readers wait for it. Agrawal et al. (2023) cut
# the prompt into chunks: a step has a **budget** of rows; texts that are written come first, and the prompt gets what is left.

# %%
story = tokenizer.encode(paths.held_out_text().read_text())
gaps = {}
for budget in (16, 64, 1024):
    engine = new_engine(max_rows=budget, pages=256)
    readers = [engine.add(prompts[n], greedy(90), stop_ids=()) for n in range(8)]
    rows_of_step = []
    while engine.is_busy:
        if len(rows_of_step) == 20:
            late = engine.add(story[:600], greedy(5), stop_ids=())
        engine.step()
        rows_of_step.append(sum(rows for _, rows, _ in engine.last_step))
        if len(rows_of_step) > 20 and late.tokens and budget not in gaps:
            gaps[budget] = (len(rows_of_step) - 20, rows_of_step)
    print(f"budget {budget:4d}: first token of the new text after {gaps[budget][0]:2d} steps; "
          f"largest step while the others are written: {max(rows_of_step[10:])} rows")  # fmt: skip

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=8.4, height=2.9)
for (budget, (_, rows)), marker in zip(gaps.items(), "os^", strict=True):
    axis.semilogy(rows[12:70], marker + "-", markersize=3.5, label=f"budget {budget}")
axis.axvline(8, color=plots.GREY, linestyle=":")
axis.text(8.3, 400, "a prompt of 600 comes", fontsize=9)
axis.set(xlabel="step", ylabel="rows of the step", yticks=[8, 16, 64, 600])
axis.yaxis.set_major_formatter("{x:g}")
axis.minorticks_off()
axis.grid()
axis.legend(fontsize=9)
plots.show(
    fig,
    alt="Rows of each step for three budgets. With 1024 one step jumps to about 600 rows; with 64 ten "
    "steps have 64 rows; with 16 the steps stay at 16 for a long time.",
)

# %% [markdown]
# The longest gap that a reader sees is the longest step, and the budget limits it. The price: the new text's first token comes later.

# %% [markdown]
# ## 7. When the pages run out
#
# A text is let in when there are pages for all it has so far. But texts grow. When a running text needs a page and none is left, the **youngest** makes room
# (*preemption*): its pages are given up, it waits at the front of the queue, and is read again later. The oldest always goes on, so every text ends.

# %%
plenty, in_peace = write(prompts, 60, pages=200)
tight, squeezed = write(prompts, 60, pages=24)
for name, engine in (("200 pages", plenty), ("24 pages", tight)):
    print(f"{name:9s}: {engine.counts.steps} steps, {engine.counts.rows} rows, "
          f"made room {engine.scheduler.preemptions} times")  # fmt: skip
same = sum(a.written == b.written for a, b in zip(in_peace, squeezed, strict=True))
print(f"{same} of 16 texts are the same")
print("how often each had to make room:", [request.preemptions for request in squeezed])

# %% [markdown]
# The texts are the same, to the last token. This course's engine promises that (*batch invariance*): the kernels add up in an
# order that does not depend on the other rows. Many engines do not, and then "temperature 0" may give other texts under load.

# %% [markdown]
# ## 8. Guessing ahead
#
# One text alone gains nothing from the rows of others. But rows can be filled with **guesses**: guess the next 4 tokens, compute all in one pass, and keep those
# that the model would have chosen anyway: *speculative decoding* (Leviathan et al., 2022). The text does not change. The guesses come from:
#
# - *n-grams* (Saxena, 2023): what followed these tokens earlier in the text. It costs nothing.
# - a *draft model*: the course ships one with 2 layers in place of 8, trained to imitate.

# %%
draft = load_model(paths.shipped_model().parent / "mini-draft")
question = [{"role": "user", "content": "What is 347 + 285?"}]
chat = tokenizer.encode(tokenizer.render_chat(question), add_special_tokens=False)
kinds = {"stories": prompts[:4], "a sum": [chat]}
for kind, texts in kinds.items():
    _, alone = write(texts, 100, max_texts=1)
    for guesser in (NGrams(), DraftModel(draft.decoder, capture=False)):
        engine, requests = write(texts, 100, max_texts=1, guesser=guesser)
        count = engine.counts
        same = all(a.written == b.written for a, b in zip(alone, requests, strict=True))
        print(f"{kind:8s} {type(guesser).__name__:10s} {count.written / count.steps:.2f} tokens a pass, "
              f"{count.right / count.guessed:4.0%} of guesses right, same text: {same}")  # fmt: skip

# %% [markdown]
# Does it pay? Count per token the bytes of weights that both models read, and the multiplications, one for each weight and row.
#
# > **Predict, then run.** The draft model has 36 % of the weights, and makes a pass for each guess. Four tokens come out of one pass of the large model. By which
# > factor do the bytes per token fall?


# %%
def weights_of(decoder_of):
    folder = paths.shipped_model().parent / decoder_of
    return (folder / "model.safetensors").stat().st_size / 2  # 2 bytes each in the file


LARGE, SMALL = weights_of("mini"), weights_of("mini-draft")
print(f"draft: {SMALL / LARGE:.0%} of the weights")
for texts in (1, 16):
    for name in ("no guesses", "n-grams", "draft model"):
        drafts = DraftModel(draft.decoder, pages=200, capture=False)
        guesser = {"n-grams": NGrams(), "draft model": drafts}.get(name)
        engine, _ = write(prompts[:texts], 100, guesser=guesser, pages=200)
        small_passes = guesser.passes if guesser else 0
        read = 4 * (engine.counts.steps * LARGE + small_passes * SMALL) / engine.counts.written
        small_rows = engine.counts.guessed + engine.counts.written if small_passes else 0
        work = (engine.counts.rows * LARGE + small_rows * SMALL) / engine.counts.written
        print(f"{texts:2d} at once, {name:11s}: {read / 1e6:5.2f} MB of weights and "
              f"{work / 1e6:5.2f} million multiplications per token")  # fmt: skip

# %% [markdown]
# > **The common guess**, that the bytes fall to a quarter, forgets the passes of the draft model, nearly one for each guess.
#
# - In a large model one text alone waits for bytes (section 2). The draft model saves a good part of them; n-grams save next to nothing where a story does not repeat
#   itself, and cost little.
# - With 16 texts all share the bytes already, and little is left to be saved. But guessing adds work: wrong guesses are rows too, and so are those of the draft
#   model. Where arithmetic is the limit it makes things slower.
#
# So by these counts speculation pays where few texts are written. From how many rows on arithmetic is the limit follows from the machine's two speeds (lecture 09).

# %% [markdown]
# ## 9. With a pencil
#
# **1.** A model has 0.6 billion weights of 2 bytes, the memory moves 20 GB per second, and the processor does 400 billion multiplications with additions per
# second. Up to how many rows does a pass take as long as one row?
#
# <details><summary>Answer</summary>
#
# Reading takes $1.2\,\text{GB} / 20\,\text{GB/s} = 60\,\text{ms}$. A row takes $0.6 \cdot 10^9 / 400 \cdot 10^9\,\text{s} = 1.5\,\text{ms}$ of arithmetic. Both
# are equal at 40 rows. Up to there more rows cost nothing; above, the time grows in proportion.
#
# </details>
#
# **2.** Pages have 16 positions. Three requests begin with the same 40 ids, each goes on with 10 ids of its own, and all are answered one after the other. How many
# rows are computed for the prompts with prefix sharing, how many without?
#
# <details><summary>Answer</summary>
#
# Each prompt has 50 ids. Of the 40 common ids two full pages can be shared, 32 ids; the third page holds 8 common ids and 8 of the first request's own, so its key
# differs. With sharing $50 + 18 + 18 = 86$ rows, without 150.
#
# </details>

# %% [markdown]
# ## The answer
#
# - A pass reads all weights once, for the rows of all texts, so 16 texts take as many passes as one.
# - Before every pass the engine decides anew: rows of texts that are written first, then chunks of prompts, within a budget. The budget limits the gaps.
# - Keys and values lie in pages; a text has a table of them. Full pages are found by chained keys and shared. When pages run out, the youngest makes room.
# - Guesses fill rows that would be empty. The text stays the same; by counted bytes they pay where few texts are written.
#
# ## Sources
#
# - G.-I. Yu et al. (2022), [Orca: a distributed serving system for transformer-based generative models](https://www.usenix.org/conference/osdi22/presentation/yu):
#   continuous batching.
# - W. Kwon et al. (2023), [Efficient memory management for large language model serving with PagedAttention](https://arxiv.org/abs/2309.06180).
# - A. Agrawal et al. (2023), [SARATHI: efficient LLM inference by piggybacking decodes with chunked prefills](https://arxiv.org/abs/2308.16369).
# - Y. Leviathan, M. Kalman, Y. Matias (2022), [Fast inference from transformers via speculative decoding](https://arxiv.org/abs/2211.17192);
#   A. Saxena (2023), [Prompt lookup decoding](https://github.com/apoorvumang/prompt-lookup-decoding).
#
# ## Go on
#
# In [lab 16 many texts](../labs/16_many_texts/16_many_texts.ipynb) you write the pool of pages, attention over pages and the scheduler. Then
# [17 A service](17_service.ipynb) puts the engine behind an address that others can call.
