# %% [markdown]
# # Lab 19: training a language model
#
# A language model is trained by the same three things as the neuron of lab 01: a loss, its gradient, a step. What is new are the sizes, and
# that text has to be laid out first. You write the layout, the two backward operators that labs before this one left out, the step of the optimiser as a
# kernel, and the loop around them. At the end your kernels train a decoder.
#
# | part | minutes | |
# |---|---|---|
# | 1 packing | 25 | required |
# | 2 the backward pass of RMSNorm | 25 | required |
# | 3 the backward pass of attention | 45 | required |
# | 4 AdamW as a kernel | 20 | required |
# | 5 the loop | 30 | required |
# | 6 your kernels train a decoder | 5 | to look at |
# | 7 the best size for a budget | 20 | extra: nothing later needs it |
# | 8 in your own words | 5 | required |

# %%
import numpy as np

from llaisys_mini import check, exercises, paths, use_kernels

# %% [markdown]
# ## 1. Packing
#
# A step reads rows of one length, but documents have many lengths. Padding them all to the longest wastes most of the row. So several
# documents share a row, and nothing may leak from one to the next: no attention, no position, no target.
#
# `pack(documents, length)` gets a list of lists of token ids, each of 1 to `length` ids. The longest document goes first (of equally long ones
# the earlier), each into the **first** row that has room, else into a new row; this is called first-fit-decreasing. It returns four int64
# arrays `[R, length]`:
#
# | array | what it holds | in the padding |
# |---|---|---|
# | `ids` | the tokens | 0 |
# | `targets` | the next token of the same document; -1 where there is none | -1 |
# | `positions` | counted from 0 in each document | 0 |
# | `texts` | the document's place in `documents` | -1 |
#
# With `length` 6 and the documents `[7, 8]`, `[1, 2, 3, 4]`, `[5, 6, 9]`: the second is the longest and begins row 0. The third finds no room and
# begins row 1. The first fits behind the second.
#
# | | row 0 | row 1 |
# |---|---|---|
# | `ids` | 1 2 3 4 7 8 | 5 6 9 0 0 0 |
# | `targets` | 2 3 4 -1 8 -1 | 6 9 -1 -1 -1 -1 |
# | `positions` | 0 1 2 3 0 1 | 0 1 2 0 0 0 |
# | `texts` | 1 1 1 1 0 0 | 2 2 2 -1 -1 -1 |

# %% task="python/pack"

# %% [markdown]
# <details><summary>Hint 1: two steps</summary>
#
# First decide only which documents share a row. Nothing of the arrays is needed for that. What do you have to know of a row to tell whether a
# document fits?
#
# </details>
# <details><summary>Hint 2: the order</summary>
#
# `sorted` keeps the order of what is equal. So which key puts the longest first and leaves equally long ones as they are? (`reverse=True`
# keeps that order too.)
#
# </details>
# <details><summary>Hint 3: writing a document</summary>
#
# With `start` and `end = start + len(document)`: `ids[r, start:end] = document`. The targets have one number less; fill the arrays with
# what stands in the padding beforehand, and the last target needs no line of its own.
#
# </details>

# %% test="pack-public" points=3
check("pack")

# %% test="pack-hidden" points=2
# Other documents, when it is graded.
### BEGIN HIDDEN TESTS
check("pack", seed=41901)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The backward pass of RMSNorm
#
# In lab 05 you wrote the forward pass, in lab 03 the backward pass of a linear layer. A norm is between them in difficulty: each output depends on
# **every** input of its row, through the root. For each row $n$, with $r[n] = 1/\sqrt{\text{mean}_j\, x[n, j]^2 + \text{eps}}$:
#
# | step | shape | |
# |---|---|---|
# | $h[n, e] = x[n, e]\, r[n]$ | [N, E] | the normalised row |
# | $g[n, e] = \text{grad\_out}[n, e]\; \text{weight}[e]$ | [N, E] | the gradient that arrives at $h$ |
# | $\text{grad\_x}[n, e] = r[n]\,\big(g[n, e] - h[n, e]\; \text{mean}_j\, g[n, j]\, h[n, j]\big)$ | [N, E] | |
# | $\text{grad\_weight}[e] = \sum_n \text{grad\_out}[n, e]\, h[n, e]$ | [E] | all rows share the weight |
#
# With numbers: one row `x = [1, 7]`, weight `[1, 1]`, eps 0, `grad_out = [1, 0]`. The mean square is 25, so $r = 0.2$, $h = [0.2, 1.4]$,
# $g = [1, 0]$, and the mean of $g h$ is 0.1. So `grad_x` is $0.2 \cdot [1 - 0.02,\; 0 - 0.14] = [0.196, -0.028]$, and `grad_weight` is $[0.2, 0]$.
#
# Try it: $1 \cdot 0.196 + 7 \cdot (-0.028) = 0$. Can you say why the gradient of a norm is always perpendicular to its input?

# %% task="cpu/rms_norm_backward" id="rms_norm_backward-cpu"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("rms_norm_backward", device="cpu")
@njit(cache=True)
def rms_norm_backward(grad_out, x, weight, eps, grad_x, grad_weight):
    ### BEGIN SOLUTION
    rows, width = x.shape
    for e in range(width):
        grad_weight[e] = np.float32(0)
    for n in range(rows):
        squares = np.float32(0)
        for e in range(width):
            squares += x[n, e] * x[n, e]
        r = np.float32(1 / math.sqrt(squares / width + eps))
        along = np.float32(0)
        for e in range(width):
            along += grad_out[n, e] * weight[e] * (x[n, e] * r)
        along /= np.float32(width)
        for e in range(width):
            h = x[n, e] * r
            grad_x[n, e] = r * (grad_out[n, e] * weight[e] - h * along)
            grad_weight[e] += grad_out[n, e] * h
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: how many passes over a row?</summary>
#
# `grad_x[n, 0]` needs the mean of $g h$ over the whole row, and that needs $r$, which needs the whole row. So what has to be complete before
# what can begin?
#
# </details>
# <details><summary>Hint 2: an output that is a sum</summary>
#
# Outputs are not zero when your kernel is called. Which of the two is added to, and when must it be set to zero?
#
# </details>
# <details><summary>Hint 3: the three loops</summary>
#
# Over the columns of a row: one adds up `x[n, e] * x[n, e]`; the second `grad_out[n, e] * weight[e] * x[n, e] * r`; the third writes
# `grad_x[n, e]` and adds to `grad_weight[e]`.
#
# </details>

# %% test="norm-public" points=4
check("rms_norm_backward")

# %% test="norm-hidden" points=2
# Other rows, when it is graded.
### BEGIN HIDDEN TESTS
check("rms_norm_backward", seed=41902)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. The backward pass of attention
#
# `q`, `grad_out` and `grad_q` are `[L, H, D]`; `k`, `v`, `grad_k` and `grad_v` are `[S, K, D]`. Everything about masks and heads is as in lab 12: query row
# $l$ sees the keys $s < S - L + l + 1$, and head $h$ reads key head $c = h\,//\,(H/K)$. Backwards, for one row and head:
#
# | step | shape | from the forward pass |
# |---|---|---|
# | $P[s]$ | [S] | the weights: softmax of $\text{scale}\; q \cdot k[s]$, **computed again** |
# | $\text{grad\_P}[s] = \sum_d \text{grad\_out}[d]\; v[s, d]$ | [S] | out was $\sum_s P[s]\, v[s]$ |
# | $\text{grad\_score}[s] = P[s]\,\big(\text{grad\_P}[s] - \sum_t P[t]\,\text{grad\_P}[t]\big)$ | [S] | the derivative of softmax |
# | $\text{grad\_q}[d] = \text{scale} \sum_s \text{grad\_score}[s]\; k[s, d]$ | [D] | |
# | $\text{grad\_k}[s, d]\; {+}{=}\; \text{scale}\;\text{grad\_score}[s]\; q[d]$ | [S, D] | many rows and heads use a key |
# | $\text{grad\_v}[s, d]\; {+}{=}\; P[s]\;\text{grad\_out}[d]$ | [S, D] | |
#
# Why are the weights computed again? To keep them from the forward pass takes $L \cdot S$ numbers for each head. To compute them again takes a row of $S$.
#
# With numbers: two visible keys, $D = 1$, scale 1, $q = 0$, so both weights are ½. $k = [1, 3]$, $v = [2, 6]$, $\text{grad\_out} = 1$. Then grad_P is
# $[2, 6]$, its weighted mean 4, grad_score is ½ · [-2, 2] = [-1, 1]. So grad_q = $-1 \cdot 1 + 1 \cdot 3 = 2$, grad_k = $[0, 0]$ since $q = 0$, and
# grad_v = [½, ½]. The loss falls if $q$ falls: then less weight goes to the second key, whose value is larger.

# %% task="cpu/attention_backward" id="attention_backward-cpu"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("attention_backward", device="cpu")
@njit(cache=True)
def attention_backward(grad_out, q, k, v, scale, grad_q, grad_k, grad_v):
    ### BEGIN SOLUTION
    length, heads, width = q.shape
    keys, key_heads, _ = k.shape
    scale = np.float32(scale)
    weights, grads = np.empty(keys, np.float32), np.empty(keys, np.float32)
    for s in range(keys):
        for c in range(key_heads):
            for d in range(width):
                grad_k[s, c, d] = np.float32(0)
                grad_v[s, c, d] = np.float32(0)
    for row in range(length):
        last = keys - length + row + 1
        for head in range(heads):
            c = head // (heads // key_heads)
            top = np.float32(-np.inf)
            for s in range(last):
                score = np.float32(0)
                for d in range(width):
                    score += q[row, head, d] * k[s, c, d]
                weights[s] = score * scale
                top = max(top, weights[s])
            total = np.float32(0)
            for s in range(last):
                weights[s] = math.exp(weights[s] - top)
                total += weights[s]
            mean = np.float32(0)
            for s in range(last):
                weights[s] /= total
                grads[s] = np.float32(0)
                for d in range(width):
                    grads[s] += grad_out[row, head, d] * v[s, c, d]
                mean += weights[s] * grads[s]
            for d in range(width):
                grad_q[row, head, d] = np.float32(0)
            for s in range(last):
                of_score = scale * weights[s] * (grads[s] - mean)
                for d in range(width):
                    grad_q[row, head, d] += of_score * k[s, c, d]
                    grad_k[s, c, d] += of_score * q[row, head, d]
                    grad_v[s, c, d] += weights[s] * grad_out[row, head, d]
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: begin with what you have</summary>
#
# The first half is your kernel of lab 12 up to the weights. Copy it. Which of its loops is not needed here?
#
# </details>
# <details><summary>Hint 2: what is set, what is added to</summary>
#
# `grad_q[row, head]` belongs to one row and head: it is complete when they are. `grad_k` and `grad_v` get something from every row that sees the
# key, and from every head of the group. Where do they have to be set to zero?
#
# </details>
# <details><summary>Hint 3: the loops over s</summary>
#
# Five: scores and their largest; exponentials and their sum; `grads[s]` (a loop over d) and the weighted mean; then, with
# `of_score = scale * weights[s] * (grads[s] - mean)`, one that adds to all three gradients. (That `scale` stands in `of_score` saves two places.)
#
# </details>

# %% test="attention-public" points=6
check("attention_backward")

# %% test="attention-hidden" points=4
# Other lengths and heads, when it is graded.
### BEGIN HIDDEN TESTS
check("attention_backward", seed=41903)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. AdamW as a kernel
#
# Lab 04 wrote the step of AdamW in NumPy. There each operation passes over whole arrays and makes a new one. Here it is a kernel, in float32: it
# reads four arrays once, and writes three of them **in place**. This operator has no output: it changes its arguments.
#
# All arrays come with one dimension. `step` counts from 1.
#
# | | |
# |---|---|
# | `mean[i]` | `b1 * mean[i] + (1 - b1) * gradient[i]` |
# | `square[i]` | `b2 * square[i] + (1 - b2) * gradient[i]²` |
# | `weight[i]` | `weight[i] - rate * decay * weight[i] - rate * (mean[i] / (1 - b1**step)) / (sqrt(square[i] / (1 - b2**step)) + eps)` |
#
# In the last line stand the new `mean` and `square`, and the old `weight`. At step 1 with a gradient of 0.5 and no decay: mean 0.05, square 0.0125 (b2 = 0.95);
# corrected 0.5 and 0.25, so the weight falls by `rate * 0.5 / 0.5 = rate`.
#
# Why float32 here, where lab 04 had float64? A model's weights, means and squares are most of the memory of its training: three arrays of its size.

# %% task="cpu/adamw" id="adamw-cpu"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel


@kernel("adamw", device="cpu")
@njit(cache=True)
def adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    ### BEGIN SOLUTION
    first, second = 1 - b1**step, 1 - b2**step
    for i in range(weight.size):
        mean[i] = b1 * mean[i] + (1 - b1) * gradient[i]
        square[i] = b2 * square[i] + (1 - b2) * gradient[i] * gradient[i]
        direction = mean[i] / first / (math.sqrt(square[i] / second) + eps)
        weight[i] -= rate * decay * weight[i] + rate * direction
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# In which order have the three lines to stand in the loop? What would the weights see if they came first?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `1 - b1**step` is the same for all numbers. Where is it computed?
#
# </details>
# <details><summary>Hint 3</summary>
#
# One loop, three assignments. `math.sqrt` takes one number. `eps` is added after the root.
#
# </details>

# %% test="adamw-public" points=3
check("adamw")

# %% test="adamw-hidden" points=2
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("adamw", seed=41904)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. The loop
#
# What is left is the order of things. `train_steps(weights, steps, loss_and_gradients, rate, warm_up, decay, longest)` trains a model.
#
# - `weights`: a dictionary of float64 arrays; they are left alone, and the trained ones are returned.
# - `steps`: for each step a list of **parts** `(ids, targets)`: as much as fits into memory at once. Targets of -1 do not count.
# - `loss_and_gradients(weights, ids, targets)` returns `(loss, count, gradients)` of one part: the **sum** of the losses of its `count` targets, and the
#   gradients of that sum by name.
#
# For the steps $t = 0, 1, \dots, T - 1$:
#
# 1. **Mean.** Loss and gradients are means over all counted targets of all parts of the step.
# 2. **Clip.** $\ell = \sqrt{\sum g^2}$ over all numbers of all gradients. If $\ell$ is larger than `longest`, all are multiplied by `longest` / $\ell$.
# 3. **Pace.** $\min\big((t + 1)/\text{warm\_up},\; (T - t)/\max(1, T - \text{warm\_up}),\; 1\big)$ times `rate`.
# 4. **Update.** `adamw_step` of lab 04 for each array, as step $t + 1$. Matrices decay, arrays of one dimension do not.
#
# It returns `(weights, losses)`, the losses of the steps before their updates.
#
# With numbers: a part has 90 targets and losses that sum to 180, another 10 targets and 60. The loss of the step is $240/100 = 2.4$. And the mean of the two means,
# $(2 + 6)/2 = 4$? That would give each of the 10 targets nine times the weight of one of the 90. Programs that many people use have had this error.

# %% task="python/train_steps"

# %% [markdown]
# <details><summary>Hint 1: what is kept from step to step</summary>
#
# `adamw_step(w, g, mean, square, step, rate, decay)` returns `(w, mean, square)`. Which of these have to be there when the next step begins, and what
# are they before the first?
#
# </details>
# <details><summary>Hint 2: divide once</summary>
#
# Add up losses, counts and gradients over the parts, and divide when all are there. Then comes the clipping: of the mean gradients, all together.
#
# </details>
# <details><summary>Hint 3: the skeleton</summary>
#
# `for t, parts in enumerate(steps):` a loop over the parts that adds up; the length; the pace; a loop over `weights.items()` with
# `decay if array.ndim == 2 else 0.0`. Begin with `weights = dict(weights)`, and put new arrays into it.
#
# </details>

# %% test="loop-public" points=5
check("train_steps")

# %% test="loop-hidden" points=3
# Another training, when it is graded.
### BEGIN HIDDEN TESTS
check("train_steps", seed=41905)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Your kernels train a decoder
#
# `llaisys_mini.training` is the course's training: the tape of lab 03 over the operators. It calls `rms_norm_backward`, `attention_backward` and `adamw`; from now on these are yours, if they
# passed. The text is small, 24 stories, so that it takes moments. First a few steps with the course's kernels, then the same with yours.

# %%
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training.loop import Run
from llaisys_mini.training.recipe import Recipe
from llaisys_mini.training.text import Tokens, make_tokenizer, read_documents

stories = read_documents(paths.held_out_text())
shape = dict(width=48, heads=4, head_dim=16, inner=96, vocabulary=400)
recipe = Recipe(steps=60, sequences=8, length=64, optimiser="adamw", rate=0.01, warm_up=10, **shape)
tokenizer = make_tokenizer(stories, recipe.vocabulary)
tokens = Tokens(stories, tokenizer, recipe)


def train(steps):
    """The losses of so many steps, from the same first weights on the same text."""
    run = Run(recipe, ModelConfig.from_dict(recipe.config(recipe.vocabulary - 1)), tokens)
    for _ in range(steps):
        run.take_step()
    return np.array(run.losses)


with use_kernels("solutions"):
    expected = train(10)
for name in ("rms_norm_backward", "attention_backward", "adamw"):
    print(f"{name:20} answers from: {answering_kernel(name).kernel_set}")
losses = train(recipe.steps)
print(f"largest difference of the first ten losses: {np.abs(losses[:10] - expected).max():.1e}")
for step in (0, 10, 20, 40, 59):
    print(f"step {step:2d}: loss {losses[step]:.3f} nats per token; as likely as one of {np.exp(losses[step]):5.1f}")

# %% [markdown]
# The losses agree to rounding, so your gradients are those of the course. What a longer training makes of it:
# `make train`, or `llaisys-mini train` with a text of yours and `--kernels student`.

# %% [markdown]
# ## 7. Extra: the best size for a budget
#
# Someone gives you a budget of computation: $C$ FLOP. A large model reads little text for it, a small one much. Which size ends with the lowest loss?
# At each of several budgets models of several sizes were trained. Over the logarithm of the size, the losses of a budget lie nearly on a parabola, and the best size is
# at its lowest point.
#
# `isoflop_fit(budgets, parameters, losses)` gets float64 arrays `[R]`, one entry a run, in any order. For each budget fit a parabola in
# $\ln(\text{parameters})$ to the losses, by least squares (`np.polyfit`). Then fit a straight line to the logarithms of the best sizes over the logarithms of the budgets:
#
# $$N_\text{best}(C) = \text{factor} \cdot C^{\,\text{exponent}}$$
#
# Return `(best, exponent, factor)`, `best` with one number for each budget, from the smallest budget to the largest.
#
# With numbers: a parabola $a z^2 + b z + c$ is lowest at $z = -b/(2a)$. With $a = 0.1$ and $b = -2$ that is $z = 10$, and the size is $e^{10} = 22026$.

# %% task="python/isoflop_fit"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `np.unique(budgets)` gives each budget once, sorted. How do you select the runs of one?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `a, b, _ = np.polyfit(x, y, 2)`. What are x and y here, and in what unit does the lowest point come out?
#
# </details>
# <details><summary>Hint 3</summary>
#
# $\ln N = \ln(\text{factor}) + \text{exponent} \cdot \ln C$ is a straight line: `np.polyfit(..., 1)` gives exponent and $\ln(\text{factor})$.
#
# </details>

# %% test="isoflop-public" points=2
check("isoflop_fit")

# %% test="isoflop-hidden" points=1
# Other runs, when it is graded.
### BEGIN HIDDEN TESTS
check("isoflop_fit", seed=41906)
### END HIDDEN TESTS

# %%
# The course's own runs. The lecture draws them.
import json

found = json.loads((paths.course_root() / "data" / "scaling.json").read_text())["runs"]
runs = [run for run in found if not run["held_out"]]
columns = [np.array([float(run[name]) for run in runs]) for name in ("budget", "parameters", "loss")]
best, exponent, factor = exercises.get("isoflop_fit")(*columns)
for budget, size in zip(np.unique(columns[0]), best, strict=True):
    print(f"{budget:.1e} FLOP: best with {size:9,.0f} weights, which then read {budget / 6 / size:9,.0f} tokens")
print(f"best size = {factor:.3g} * C^{exponent:.2f}")

# %% [markdown]
# ## 8. In your own words
#
# A model of one billion weights is trained with AdamW in mixed precision, on one device with 24 GB. A step takes 32 rows. It does not fit: what the forward pass keeps for these rows alone
# takes 40 GB. How much memory is left for it, and which two changes make the step fit without changing what is learned? Say what each of them costs.

# %% [markdown] written="memory" points=2
# Weights, gradients and the optimiser take 16 bytes for each weight, 16 GB, so 8 GB are left. First, parts: 8 parts of 4 rows keep 5 GB at a time, and their gradients are added up and divided by
# the number of all targets. It costs little: the same arithmetic in smaller pieces. Second, recomputation: only the inputs of the blocks are kept, and each block is computed again when its
# gradient is due. It costs a third more arithmetic. (Sharing out the optimiser, as ZeRO does, needs further devices.)
