# %% [markdown]
# # 19 · Training a language model
#
# **Question:** given a text and a budget of computation, how is a language model trained, and how good will it be?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [18 From a list of calls to one](18_one_call.ipynb) | gradients (03), AdamW and batches (04), cross-entropy (03), the Qwen block (13) | 25 minutes | [19 training](../labs/19_training/19_training.ipynb) | [20 After training](20_after_training.ipynb) |

# %%
import dataclasses
import itertools
import json

import ml_dtypes
import numba
import numpy as np

from llaisys_mini import load_model, observe_calls, operators, paths, plots
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training import decoder
from llaisys_mini.training.loop import Run
from llaisys_mini.training.recipe import Recipe
from llaisys_mini.training.text import Tokens, make_tokenizer, read_documents

numba.set_num_threads(1)  # the models here are small
stories = read_documents(paths.held_out_text())
model = load_model("mini")

# %% [markdown]
# ## 1. What a loss says
#
# The loss of a language model is the cross-entropy of [lecture 03](03_losses_and_backpropagation.ipynb): the mean of $-\ln p$, where $p$ is the probability that the model gave the token
# that really came. Its unit is the *nat*. A loss of 1.2 says that on (geometric) average $p = e^{-1.2} = 0.30$: the model is as unsure as if it had to choose among
# $e^{1.2} = 3.3$ equally likely tokens. That number is the perplexity of [lecture 07](07_softmax.ipynb).
#
# What do others reach on a story? One that knows nothing, one that knows how often each token occurs, one that also knows the token
# before (lecture 11), and the shipped model:

# %%
tokenizer = model.tokenizer
texts = [np.array(tokenizer.encode(story)) for story in stories]
seen, story = np.concatenate(texts[:-1]), texts[-1]  # guessers count in the first 23 stories
V = model.config.vocab_size
single = np.bincount(seen, minlength=V) + 1.0  # + 1: nothing is impossible
pairs = np.zeros((V, V))
np.add.at(pairs, (seen[:-1], seen[1:]), 1)
single /= single.sum()
after = (pairs + 2 * single) / (pairs.sum(axis=1, keepdims=True) + 2)  # [V, V]

logits = model.logits(story[:-1])  # [L, V]
losses = {
    "knows nothing": np.full(len(story) - 1, np.log(V)),
    "knows frequencies": -np.log(single[story[1:]]),
    "knows the token before": -np.log(after[story[:-1], story[1:]]),
    "the shipped model": operators.cross_entropy(logits, story[1:].astype(np.int64)),
}
for name, each in losses.items():
    each = np.asarray(each)
    print(
        f"{name:23} {each.mean():5.2f} nats, as unsure as among {np.exp(each.mean()):7.1f} tokens"
    )

# %% [markdown]
# Losses per token can be compared only between models with the same tokenizer: with another one a token holds more or less text. Losses per byte can always be compared. And a loss is
# a mean of very unequal numbers:

# %% jupyter={"source_hidden": true}
mini_losses = np.asarray(losses["the shipped model"])[:48]
words = [tokenizer.decode([int(i)]).replace("\n", "⏎") for i in story[1:49]]
fig, axis = plots.figure(width=9.4, height=2.7)
axis.bar(range(48), mini_losses, color=plots.BLUE)
axis.set_xticks(range(48), words, rotation=90, fontsize=8)
axis.set(ylabel="loss (nats)", xlim=(-0.7, 47.7))
plots.show(
    fig,
    alt="The loss of each of the first 48 tokens of a story. Most are near zero; a few, where a name or a thing is "
    "chosen, are several nats high.",
)

# %% [markdown]
# Most tokens follow from those before. The rest are choices: which name, which thing. No model can predict these, so the loss cannot fall below a floor, the
# *entropy* of the text.

# %% [markdown]
# ## 2. The text: cleaning and mixing
#
# A model learns what its text repeats. So duplicates are removed first, also those that differ in a few words (*deduplication*). Compare the sets of all runs of 5 words: what share do
# two documents have in common (Broder, 1997)? The text here: 20 stories, an exact copy, a copy with four changes, and a line that repeats itself.

# %%
raw = [*stories[:20], stories[3], stories[5].replace("the", "a", 4), "click here " * 40]


def pieces(document, length=5):
    words = document.split()
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


kept = []
for document in raw:
    own = pieces(document)
    if len(own) < 0.5 * len(document.split()):
        print("repeats itself:", document[:30])
    elif alike := [n for n, other in enumerate(kept) if len(own & pieces(other)) > 0.5 * len(own)]:
        print("like document", alike[0], "of those kept:", document[:30])
    else:
        kept.append(document)
print(len(raw), "documents,", len(kept), "kept")

# %% [markdown]
# The same test keeps copies of held-out text out of the training text.
#
# Next comes the mixture. Sources have very different sizes. If they are drawn by size, a small good source is hardly seen; if all are drawn equally, it is read again and again. Between
# these, source $i$ of $n_i$ tokens is drawn with probability $p_i \propto n_i^{\tau}$. Suppose 100 million tokens are read in all:

# %%
sources = {"web": 900e6, "books": 90e6, "exercises": 10e6}  # tokens
for tau in (1.0, 0.5, 0.0):
    p = np.array(list(sources.values())) ** tau
    p /= p.sum()
    read = [f"{name} {s:4.0%}, {s * 100e6 / n:5.2f} times" for (name, n), s in zip(sources.items(), p, strict=True)]  # fmt: skip
    print(f"tau {tau}:", "; ".join(read))

# %% [markdown]
# ## 3. Rows of one length: packing and masks
#
# A training step reads rows of one length, but documents have many. Our stories are all about equally long, so here each is cut at a random place, to have lengths as different as those
# of web pages.
#
# > **Predict, then run.** If each document gets a row as long as the longest one, is a tenth, a quarter or more than a third of the places empty?

# %%
rng = np.random.default_rng(19)
sizes = np.array([rng.integers(10, len(text)) for text in texts])
print(f"tokens of a document: {sizes.min()} to {sizes.max()}, mean {sizes.mean():.0f}")
print(f"a row each: {1 - sizes.sum() / (len(sizes) * sizes.max()):.0%} of the places are empty")
length, rows = 256, []
for size in sorted(sizes, reverse=True):  # first-fit-decreasing, as in the lab
    row = next((row for row in rows if sum(row) + size <= length), None)
    if row is None:
        rows.append(row := [])
    row.append(size)
print(
    f"packed into {len(rows)} rows of {length}: {1 - sizes.sum() / (len(rows) * length):.0%} are empty"
)

# %% [markdown]
# > **The common guess**, a tenth or a quarter, forgets that every row is as long as the *longest* document; if lengths are spread evenly, nearly half is empty.
#
# Several documents share a row. For each of them to be computed as if it stood alone, three things are needed: attention only within the document, positions that
# begin at 0 in each, and no target at its last token.

# %% jupyter={"source_hidden": true}
row = np.repeat([0, 1, 2, -1], [7, 5, 3, 1])  # document of each place, -1: padding
place = np.arange(16)
seen_by = (row[:, None] == row[None, :]) & (place[None, :] <= place[:, None]) & (row[:, None] >= 0)
last = np.append(row[1:] != row[:-1], True)
fig, axes = plots.figure(1, 2, width=8.6, height=3.0, gridspec_kw={"width_ratios": [1, 1.5]})
axes[0].imshow(np.where(seen_by, row[:, None] + 1, 0), cmap="Blues", vmax=4)
axes[0].set(
    xlabel="key",
    ylabel="query",
    title="who sees whom",
    xticks=[0, 5, 10, 15],
    yticks=[0, 5, 10, 15],
)
positions = np.concatenate([np.arange(n) for n in (7, 5, 3, 1)])
for p in place:
    axes[1].bar(p, 1, color=(plots.BLUE, plots.ORANGE, plots.GREEN, "none")[row[p]], edgecolor=plots.GREY, width=1)  # fmt: skip
    axes[1].text(p, 0.65, positions[p] if row[p] >= 0 else "", ha="center", fontsize=9)
    axes[1].text(p, 0.25, "–" if last[p] or row[p] < 0 else "✓", ha="center", fontsize=9)
axes[1].set(
    yticks=[0.3, 0.7],
    yticklabels=["has a target", "position"],
    xlabel="place in the row",
    xlim=(-0.6, 15.6),
)
plots.show(
    fig,
    alt="Left: which key each query of a packed row sees: three triangles along the diagonal, one for each document. "
    "Right: the row with positions that begin at 0 in each document; the last token of each and the padding have no target.",
)

# %% [markdown]
# ### One error, worked through
#
# If a batch does not fit into memory, it is taken in parts, and gradients are added up (*gradient accumulation*). Parts of a packed batch have different numbers of
# targets. The error: to take the mean loss of each part and then the mean of these means.

# %%
counts, part_losses = np.array([900, 100]), np.array([2.0, 6.0])  # targets; mean loss of each part
print("mean over all targets:", (counts * part_losses).sum() / counts.sum())
print("mean of the means:    ", part_losses.mean())
print("so a target of part 2 weighs as much as", counts[0] / counts[1], "targets of part 1")

# %% [markdown]
# The loss curve looks fine, and the model learns, a little worse. Only a comparison with the same batch in one part shows it.

# %% [markdown]
# ## 4. What a step costs
#
# A linear layer does one multiplication and one addition with each weight and token: 2 FLOP. Backwards there are two products of the same size, for the input and for the weight: 4 FLOP.
# So a step over $D$ tokens with $N$ weights costs about
#
# $$C = 6\,N\,D .$$
#
# Let us count what one step of our training really does, operator call by operator call (the folded cell defines `cost`).

# %%
recipe = Recipe(
    steps=60, sequences=8, length=64, width=48, heads=4, head_dim=16, inner=96, vocabulary=400,
    optimiser="adamw", rate=0.01, warm_up=10,
)  # fmt: skip
own = make_tokenizer(stories, recipe.vocabulary)


def begin(**changed):
    """A training that has not begun, of this recipe with some entries changed."""
    chosen = dataclasses.replace(recipe, **changed)
    config = ModelConfig.from_dict(chosen.config(chosen.vocabulary - 1))
    return Run(chosen, config, Tokens(stories, own, chosen))


# %% jupyter={"source_hidden": true}
def cost(run):
    """FLOP of products and of attention in a step, and bytes of all results until the loss is there."""
    flop = {"products": 0, "attention": 0}
    stored, forward = 0, True

    def note(operator, arguments, results):
        nonlocal stored, forward
        forward = forward and "backward" not in operator.name
        stored += forward * sum(np.asarray(result).nbytes for result in results)
        times = (
            2.5 if operator.name.endswith("backward") else 1
        )  # of attention: five products, not two
        if operator.name in ("linear", "linear_backward"):
            x, weight = [a for a in arguments if a is not None][-2:]
            flop["products"] += 2 * weight.size * len(x) * (2 if "backward" in operator.name else 1)
        if operator.name.startswith("attention"):
            q, k = [a for a in arguments if np.ndim(a) == 3][-3:-1]
            flop["attention"] += times * 2 * q.size * len(k)  # half of 4: the causal mask

    with observe_calls(note):
        decoder.loss_and_gradients(run.config, run.weights, run.tokens.batch(0))
    return flop, stored


# %%
for length, sequences in ((32, 16), (128, 4)):
    run = begin(length=length, sequences=sequences)
    flop, stored = cost(run)
    N = sum(weight.size for weight in run.weights.values())
    print(f"rows of {length:3d}: products {flop['products'] / (6 * N * 512):.2f} of 6ND, attention "
          f"{flop['attention'] / (6 * N * 512):.2f}; {4 * N / 1e6:.1f} MB of weights, {stored / 1e6:.0f} MB of results")  # fmt: skip

# %% [markdown]
# The rule fits. Attention comes on top and grows with the length of the rows.
#
# > **Predict, then run.** A model has 8 billion weights of 2 bytes: 16 GB. How much memory does its training with AdamW need before a single token is read?

# %%
BILLION = 1e9
parts = {
    "weights, bfloat16": 2, "gradients, bfloat16": 2, "weights again, float32": 4, "mean": 4, "square": 4,
}  # fmt: skip
for name, each in parts.items():
    print(f"{name:23} {8 * BILLION * each / 1e9:4.0f} GB")
print(f"{'together':23} {8 * BILLION * sum(parts.values()) / 1e9:4.0f} GB")

# %% [markdown]
# > **The common guess**, twice the weights, for the gradients, forgets the optimiser: three numbers of 4 bytes for each weight.
#
# And the results of the forward pass come on top: the backward pass needs them. *Recomputation* (Chen et al., 2016) keeps only the input of each block and computes the block again
# when its gradient is due. The price is a second forward pass: $8ND$ in place of $6ND$, a third more.

# %% [markdown]
# ## 5. Sixteen bits
#
# Why are the weights kept a second time, in float32? bfloat16 has 8 significant bits ([lecture 06](06_tensors.ipynb)). That is enough for products. But a step often changes a weight by a
# thousandth of itself or less.
#
# > **Predict, then run.** A weight is 1.0. We add 0.001 to it 1,000 times. What is it at the end, in float32 and in bfloat16?

# %%
weights = {"float32": np.float32(1), "bfloat16": ml_dtypes.bfloat16(1)}
for _ in range(1000):
    weights = {name: type(w)(w + type(w)(0.001)) for name, w in weights.items()}
print({name: float(w) for name, w in weights.items()})
print("the next number after 1 in bfloat16:", 1 + float(ml_dtypes.finfo(ml_dtypes.bfloat16).eps))

# %% [markdown]
# > **The common guess**, a little less than 2, forgets that each sum is rounded at once: 1.001 lies nearer to 1 than to the next number.
#
# So products are computed in 16 bits and weights are kept in 32: *mixed precision* (Micikevicius et al., 2017).

# %% [markdown]
# ## 6. Many processes
#
# *Data parallelism*: each of $P$ processes holds the whole model and reads its part of the batch. If all parts have equally many targets, the mean of their gradients is the gradient of the batch. Here are four
# parts, one after the other:

# %%
run = begin()
ids = run.tokens.batch(0)  # [L + 1, B]
_, whole = decoder.loss_and_gradients(run.config, run.weights, ids)
shares = [decoder.loss_and_gradients(run.config, run.weights, np.ascontiguousarray(part))[1]
          for part in np.split(ids, 4, axis=1)]  # fmt: skip
far = max(np.abs(whole[n] - sum(share[n] for share in shares) / 4).max() for n in whole)
print(
    f"largest difference: {far:.1e}, of gradients up to {max(np.abs(g).max() for g in whole.values()):.1e}"
)

# %% [markdown]
# With `pip install 'llaisys_mini[mpi]'`, `llaisys-mini train TEXT --out FOLDER --processes 4` does it with four processes. To form the mean in a ring (*all-reduce*), each process sends about
# twice as many numbers as there are gradients, however many processes there are.
#
# Every process then holds the same 16 bytes for each weight. *ZeRO* (Rajbhandari et al., 2020) divides them among the processes: in stage 1 the optimiser's 12 bytes, in stage 2 the
# gradients as well, in stage 3 the weights as well, which are fetched when a layer needs them.

# %%
P = 8
for stage, each in (
    ("each has all", 16),
    ("ZeRO 1", 4 + 12 / P),
    ("ZeRO 2", 2 + 14 / P),
    ("ZeRO 3", 16 / P),
):
    print(f"{stage:13} {8 * each:6.1f} GB on each of {P} devices, for 8 billion weights")

# %% [markdown]
# ## 7. The learning rate
#
# Sixty steps of AdamW on the stories, with six rates. Each run has the schedule of `Recipe`: up in a straight line for 10 steps, then down to zero.

# %%
rates = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]
reached, curves = [], []
for rate in rates:
    run = begin(rate=rate)
    for _ in range(run.recipe.steps):
        run.take_step()
    curves.append(run.losses)
    reached.append(np.mean(run.losses[-10:]))

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3)
axes[0].semilogx(rates, reached, "o-")
axes[0].set(xlabel="highest learning rate", ylabel="mean loss of the last ten steps (nats)")
for number, style in ((0, ":"), (3, "-"), (5, "--")):
    axes[1].plot(curves[number], style, label=f"rate {rates[number]:g}")
axes[1].set(xlabel="step", ylabel="loss of the batch (nats)")
axes[1].legend()
plots.show(
    fig,
    alt="Left: the loss at the end against the learning rate on a logarithmic axis: small rates have not got far, and "
    "beyond the best it rises again. Right: the losses of three of the runs.",
)
best_rate = rates[int(np.argmin(reached))]
print(f"best of the six: {best_rate:g}")

# %% [markdown]
# With too small a rate the loss hardly falls in sixty steps; with too large a one it falls fast and then stays higher. *Warm-up* is for the first steps, when AdamW's means come from few
# gradients; the way down to zero averages out the noise of the batches. *Gradient clipping*, an upper limit for the length of the whole gradient, protects against unusual batches.

# %% [markdown]
# ## 8. How good will it be? A scaling law
#
# Kaplan et al. (2020) found that the loss falls as a power of the size of the model, of the text and of the computation, over many orders of magnitude. Hoffmann et al. (2022) write it as
#
# $$L(N, D) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}} ,$$
#
# with the entropy $E$ of the text, a part that more weights $N$ remove, and a part that more tokens $D$ remove. Does it hold for our small models?
# `python -m training.scaling` trained some on stories, in rows of 16 tokens: at four budgets $C = 6ND$ four sizes each, and two more with 1.3 and 2.5 times the largest budget, which are left out of the fit.

# %%
runs = json.loads((paths.course_root() / "data" / "scaling.json").read_text())["runs"]
NAMES = ("budget", "parameters", "tokens", "loss")


def columns(held_out):
    """C, N, D and L of the runs that are fitted to, or of those that are predicted."""
    chosen = [run for run in runs if run["held_out"] == held_out]
    return np.array([[float(run[name]) for name in NAMES] for run in chosen]).T


C, N, D, L = columns(held_out=False)
print(
    f"{len(L)} runs, {N.min():,.0f} to {N.max():,.0f} weights, {D.min():,.0f} to {D.max():,.0f} tokens"
)

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7.4, height=3.6)
for number, budget in enumerate(np.unique(C)):
    at = budget == C
    colour = plots.COLOURS[number]
    axis.semilogx(N[at], L[at], plots.MARKERS[number], color=colour, label=f"{budget:.3g} FLOP")
    parabola = np.polyfit(np.log(N[at]), L[at], 2)
    line = np.linspace(np.log(N[at].min()), np.log(N[at].max()))
    axis.plot(np.exp(line), np.polyval(parabola, line), color=colour, linewidth=1)
axis.set(xlabel="weights N", ylabel="loss on held-out text (nats)")
axis.legend(fontsize=9)
plots.show(
    fig,
    alt="Loss against the number of weights, a curve for each of four budgets. A larger budget lies lower, and its lowest point "
    "lies at a larger model.",
)

# %% [markdown]
# At each budget, a model that is too small cannot learn all that it reads, and one that is too large has read too little. In the lab you compute where the lowest points lie.
#
# Now we fit the law. For given $\alpha$ and $\beta$ it is linear in $E$, $A$ and $B$, so least squares finds these ([lecture 01](01_neurons.ipynb)), and the exponents are tried out on a
# grid. Errors are taken relative to the loss.


# %%
def fit(N, D, L):
    """The law as a function, with the smallest relative squared error; none of its five numbers is negative."""
    least = np.inf
    exponents = np.arange(0.05, 1.51, 0.05)
    for alpha, beta in itertools.product(exponents, exponents):
        terms = np.stack([np.ones_like(N), (N / 1e4) ** -alpha, (D / 1e5) ** -beta], axis=1)
        parts = np.linalg.lstsq(terms / L[:, None], np.ones_like(L), rcond=None)[0]
        error = ((terms @ parts / L - 1) ** 2).sum()
        if parts.min() >= 0 and error < least:
            least, (E, A, B), a, b = error, parts, alpha, beta
    print(f"L = {E:.2f} + {A:.2f} (N / 10,000)^-{a:.2f} + {B:.2f} (D / 100,000)^-{b:.2f}")
    return lambda N, D: E + A * (N / 1e4) ** -a + B * (D / 1e5) ** -b


law = fit(N, D, L)
print(f"largest error on the {len(L)} runs: {np.abs(law(N, D) / L - 1).max():.1%}")

# %% [markdown]
# > **Predict, then run.** The two runs that were left out have 1.3 and 2.5 times the largest budget. By about how much will the law miss each: 1 %, 3 %, 10 %?

# %%
budgets, n, d, measured = columns(held_out=True)
predicted = law(n, d)
for each in zip(budgets / C.max(), predicted, measured, predicted / measured - 1, strict=True):
    print("{:.1f} times the budget: predicted {:.3f}, measured {:.3f}, {:+.1%}".format(*each))

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=5.6, height=3.4)
axis.loglog(law(N, D), L, "o", label="fitted")
axis.loglog(predicted, measured, "s", color=plots.VERMILION, label="predicted")
ends = [measured.min() * 0.93, L.max() * 1.05]
axis.loglog(ends, ends, ":", color=plots.GREY)
axis.set(xlabel="loss by the law (nats)", ylabel="loss measured (nats)")
axis.xaxis.set_major_formatter("{x:g}")
axis.yaxis.set_major_formatter("{x:g}")
axis.xaxis.set_minor_formatter("{x:.2g}")
axis.yaxis.set_minor_formatter("{x:.2g}")
axis.legend()
plots.show(
    fig,
    alt="Measured loss against the loss by the law, on logarithmic axes. The fitted points lie along the diagonal, the two predicted ones a little below it, the further one more so.",
)

# %% [markdown]
# > **The common guess**, that a law which fits so well must hold further out too, forgets that only the range of the fitted runs was tested: beyond it the error grows with the distance.
#
# Both errors have the same sign: the models did better than the law. The fitted runs show it, too: from budget to budget, each about 2.5 times the one before, the loss of the best size falls by a growing share.

# %%
lowest = np.array([L[budget == C].min() for budget in np.unique(C)])
print("lowest losses:", lowest.round(2), "falls:", (1 - lowest[1:] / lowest[:-1]).round(3))

# %% [markdown]
# By the law this share would shrink. A likely reason is the text: stories made of templates hold a limited number of things to learn, where natural text has a long tail of rare ones. And a law is a
# fit to one text and one recipe: with rows of 64 tokens instead of 16, one fitted in the same way missed the farther run by 27 %. Before you trust a law with a budget, let it predict a run that is as far away as the one you plan.

# %% [markdown]
# ## 9. With a pencil
#
# **1.** A model of 0.6 billion weights is to read 12 billion tokens, on a device that does $10^{14}$ FLOP per second, 40 % of the time. How long does it take?
#
# <details><summary>Answer</summary>
#
# $6 \cdot 0.6 \cdot 10^9 \cdot 12 \cdot 10^9 = 4.3 \cdot 10^{19}$ FLOP. At $0.4 \cdot 10^{14}$ FLOP per second that is 1.08 million seconds: 12.5 days. With recomputation a third more.
#
# </details>
#
# **2.** Two models predict the same text of 1,000 bytes. One cuts it into 250 tokens and has a loss of 1.2 nats a token, the other into 400 tokens with 0.8. Which predicts it better?
#
# <details><summary>Answer</summary>
#
# The text as a whole costs $250 \cdot 1.2 = 300$ nats with the first, $400 \cdot 0.8 = 320$ with the second. The first is better, by 0.30 against 0.32 nats a byte, though its loss a token is higher.
#
# </details>

# %% [markdown]
# ## The answer
#
# - Clean the text, mix its sources, pack it into rows in which no document sees another.
# - A step costs $6ND$ FLOP, and 16 bytes for each weight before the first token. Products take 16 bits, weights and the optimiser 32. Many processes average gradients, and may divide the 16 bytes among them.
# - The rate rises, then falls to zero; the best one is found by trying small runs.
# - A law fitted to small runs predicts roughly what a somewhat larger one will reach, and which size suits a budget. A loss of 1.2 is a choice among 3.3 tokens.
#
# ## Sources
#
# - A. Z. Broder (1997), [On the resemblance and containment of documents](https://doi.org/10.1109/SEQUEN.1997.666900).
# - M. M. Krell et al. (2021), [Efficient sequence packing without cross-contamination](https://arxiv.org/abs/2107.02027).
# - P. Micikevicius et al. (2017), [Mixed precision training](https://arxiv.org/abs/1710.03740).
# - T. Chen et al. (2016), [Training deep nets with sublinear memory cost](https://arxiv.org/abs/1604.06174).
# - S. Rajbhandari et al. (2020), [ZeRO: memory optimizations toward training trillion parameter models](https://arxiv.org/abs/1910.02054).
# - J. Kaplan et al. (2020), [Scaling laws for neural language models](https://arxiv.org/abs/2001.08361).
# - J. Hoffmann et al. (2022), [Training compute-optimal large language models](https://arxiv.org/abs/2203.15556).
#
# ## Go on
#
# In [lab 19 training](../labs/19_training/19_training.ipynb) you write the packing, the backward pass of attention and of RMSNorm, AdamW as a kernel, and the loop. `make train` makes a story model from
# nothing. What comes after it is the subject of [20 After training](20_after_training.ipynb).
