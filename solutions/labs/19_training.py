# %% [markdown]
# # Lab 19: training a language model
#
# A language model is trained with the same three things as the neuron of lab 01: a loss, its gradient, and a step. New are the sizes, and that
# the text must first be arranged in rows. You write this arrangement, two backward operators that earlier labs left out, the step of the
# optimiser as a kernel, and the loop around them. At the end your kernels train a decoder.
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
# A training step reads rows of equal length, but documents have different lengths. Padding all of them to the longest wastes most of each row.
# So several documents share a row, and must not influence each other: attention, positions and targets stay within a document.
#
# `pack(documents, length)` gets a list of lists of token ids, each of 1 to `length` ids. Place the documents in the order of their length, the
# longest first (of equally long ones the earlier first), each into the **first** row with enough room, or into a new row if there is none. This
# is called first-fit-decreasing. Return four int64 arrays `[R, length]`:
#
# | array | content | in the padding |
# |---|---|---|
# | `ids` | the tokens | 0 |
# | `targets` | the next token of the same document; -1 where there is none | -1 |
# | `positions` | counted from 0 in each document | 0 |
# | `texts` | the document's index in `documents` | -1 |
#
# With `length` 6 and the documents `[7, 8]`, `[1, 2, 3, 4]`, `[5, 6, 9]`: the second is the longest and begins row 0. The third does not fit
# there and begins row 1. The first fits into row 0, after the second.
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
# First decide only which documents share a row. You do not need the arrays for this. What must you know about a row to decide whether a
# document fits?
#
# </details>
# <details><summary>Hint 2: the order</summary>
#
# `sorted` keeps the order of equal elements. So which key puts the longest first and leaves equally long ones in their order?
# (`reverse=True` keeps that order too.)
#
# </details>
# <details><summary>Hint 3: writing a document</summary>
#
# With `start` and `end = start + len(document)`: `ids[r, start:end] = document`. There is one target fewer than ids. If you first fill the
# arrays with the values of the padding, the last target needs no line of its own.
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
# In lab 05 you wrote the forward pass of this norm, in lab 03 the backward pass of a linear layer. The backward pass of a norm is harder,
# since each output depends on **every** input of its row, through the root. For each row $n$, with $r[n] = 1/\sqrt{\text{mean}_j\, x[n, j]^2 + \text{eps}}$:
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
# Note that $1 \cdot 0.196 + 7 \cdot (-0.028) = 0$. Why is the gradient of this norm always perpendicular to its input, if eps is 0?

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
# `grad_x[n, 0]` depends on the mean of $g h$ over the whole row, and this depends on $r$, which depends on the whole row. So what must be
# complete before what can begin?
#
# </details>
# <details><summary>Hint 2: an output that is a sum</summary>
#
# The outputs are not zero when your kernel is called. To which of the two do you add, and when must you set it to zero?
#
# </details>
# <details><summary>Hint 3: the three loops</summary>
#
# Over the columns of a row: the first loop adds up `x[n, e] * x[n, e]`; the second adds up `grad_out[n, e] * weight[e] * x[n, e] * r`; the
# third writes `grad_x[n, e]` and adds to `grad_weight[e]`.
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
# `q`, `grad_out` and `grad_q` are `[L, H, D]`; `k`, `v`, `grad_k` and `grad_v` are `[S, K, D]`. Masks and heads are as in lab 12: query row
# $l$ sees the keys $s < S - L + l + 1$, and head $h$ uses key head $c = h\,//\,(H/K)$. The backward pass, for one row and head:
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
# Why are the weights computed again? Keeping them from the forward pass would take $L \cdot S$ numbers for each head. Computing them again takes
# only one row of $S$ numbers at a time.
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
# The first half is your kernel of lab 12, as far as the weights. Copy it. Which of its loops is not needed here?
#
# </details>
# <details><summary>Hint 2: what is set, what is added to</summary>
#
# `grad_q[row, head]` gets contributions from one row and head only. `grad_k` and `grad_v` get contributions from every row that sees the
# key, and from every head of the group. Where must they be set to zero?
#
# </details>
# <details><summary>Hint 3: the loops over s</summary>
#
# For each row and head there are four: scores and their maximum; exponentials and their sum; `grads[s]` (a loop over d) and the weighted mean; and, with
# `of_score = scale * weights[s] * (grads[s] - mean)`, one that adds to all three gradients. (With `scale` in `of_score`, you need it only
# once.)
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
# In lab 04 you wrote the step of AdamW in NumPy. There each operation goes over whole arrays and makes a new one. Here you write a kernel, in
# float32: it reads four arrays once, and writes three of them **in place**. This operator has no output; it changes its arguments.
#
# All arrays have one dimension. `step` counts from 1.
#
# | element | new value |
# |---|---|
# | `mean[i]` | `b1 * mean[i] + (1 - b1) * gradient[i]` |
# | `square[i]` | `b2 * square[i] + (1 - b2) * gradient[i]²` |
# | `weight[i]` | `weight[i] - rate * decay * weight[i] - rate * (mean[i] / (1 - b1**step)) / (sqrt(square[i] / (1 - b2**step)) + eps)` |
#
# The last line uses the new `mean` and `square`, and the old `weight`. At step 1 with a gradient of 0.5 and no decay (b1 = 0.9, b2 = 0.95): mean
# 0.05, square 0.0125. Corrected they are 0.5 and 0.25, so the weight is reduced by `rate * 0.5 / 0.5 = rate`.
#
# Why float32 here, when lab 04 used float64? Weights, means and squares take much of the memory of training: three arrays as large as the model.

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
# In which order must the three lines be in the loop? Which mean and square would the weight use if its line came first?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `1 - b1**step` is the same for all elements. Where should it be computed?
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
# Now write the training loop. `train_steps(weights, steps, loss_and_gradients, rate, warm_up, decay, longest)` trains a model.
#
# - `weights`: a dictionary of float64 arrays. They must not be changed; the trained ones are returned.
# - `steps`: for each step a list of **parts** `(ids, targets)`, each of which fits into memory. Targets of -1 do not count.
# - `loss_and_gradients(weights, ids, targets)` returns `(loss, count, gradients)` of one part: the **sum** of the losses of its `count` targets, and the
#   gradients of that sum by name.
#
# For the steps $t = 0, 1, \dots, T - 1$:
#
# 1. **Mean.** Loss and gradients are means over all counted targets of all parts of the step.
# 2. **Clip.** Compute the length $\ell = \sqrt{\sum g^2}$ over all numbers of all gradients. If $\ell$ is larger than `longest`, multiply all
#    gradients by `longest` / $\ell$.
# 3. **Learning rate.** $\min\big((t + 1)/\text{warm\_up},\; (T - t)/\max(1, T - \text{warm\_up}),\; 1\big)$ times `rate`.
# 4. **Update.** `adamw_step` of lab 04 for each array, as step $t + 1$. Matrices decay, arrays of one dimension do not.
#
# Return `(weights, losses)`, where `losses` has the loss of each step before its update.
#
# With numbers: one part has 90 targets and losses that sum to 180, another has 10 targets and 60. The loss of the step is $240/100 = 2.4$. The mean
# of the two means, $(2 + 6)/2 = 4$, would be wrong: it gives each of the 10 targets nine times the weight of one of the 90. Widely used programs
# have had this error.

# %% task="python/train_steps"

# %% [markdown]
# <details><summary>Hint 1: what is kept from step to step</summary>
#
# `adamw_step(w, g, mean, square, step, rate, decay)` returns `(w, mean, square)`. Which of these are needed in the next step, and what are their
# values before the first?
#
# </details>
# <details><summary>Hint 2: divide once</summary>
#
# Add up losses, counts and gradients over the parts, and divide once at the end. Then clip the mean gradients, all together.
#
# </details>
# <details><summary>Hint 3: the skeleton</summary>
#
# `for t, parts in enumerate(steps):` a loop over the parts that adds up; the length; the learning rate; a loop over `weights.items()` with
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
# `llaisys_mini.training` is the course's training code: automatic differentiation as in lab 03, with the operators. It calls `rms_norm_backward`,
# `attention_backward` and `adamw`; from now on these are your kernels, if they have passed. The text is small, 24 stories, so it takes only a
# moment. The next cell trains a few steps with the course's kernels, then the same steps with yours.

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
# The losses agree up to rounding, so your gradients are those of the course. For a longer training, run `make train`, or `llaisys-mini train`
# with a text of yours and `--kernels student`, in a terminal.

# %% [markdown]
# ## 7. Extra: the best size for a budget
#
# You have a budget of $C$ FLOP of computation. With it, a large model can read only little text, a small one much. Which size ends with the
# lowest loss? For each of several budgets, models of several sizes were trained. Plotted over the logarithm of the size, the losses of one
# budget lie nearly on a parabola, and the best size is at its lowest point.
#
# `isoflop_fit(budgets, parameters, losses)` gets float64 arrays `[R]`, one entry per run, in any order. For each budget fit a parabola in
# $\ln(\text{parameters})$ to the losses, by least squares (`np.polyfit`). Then fit a straight line to the logarithms of the best sizes over the
# logarithms of the budgets:
#
# $$N_\text{best}(C) = \text{factor} \cdot C^{\,\text{exponent}}$$
#
# Return `(best, exponent, factor)`, where `best` has the best size for each budget, from the smallest budget to the largest.
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
# A model of one billion weights is trained with AdamW in mixed precision, on one device with 24 GB. A step has 32 rows. It does not fit into
# memory: the intermediate results that the forward pass keeps for these rows take 40 GB. How much memory is available for them? Which two
# changes make the step fit without changing what is learned? Say what each of them costs.

# %% [markdown] written="memory" points=2
# Weights, gradients and the optimiser take 16 bytes for each weight, 16 GB, so 8 GB are left. First, parts: 8 parts of 4 rows keep 5 GB at a time, and their gradients are added up and divided by
# the number of all targets. It costs little: the same arithmetic in smaller pieces. Second, recomputation: only the inputs of the blocks are kept, and each block is computed again when its
# gradient is due. It costs a third more arithmetic. (Sharing out the optimiser, as ZeRO does, needs further devices.)
