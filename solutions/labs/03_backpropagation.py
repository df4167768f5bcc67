# %% [markdown]
# # Lab 03: backpropagation
#
# You write a slow method that can check any gradient, the gradients of two operators as kernels, and automatic differentiation in
# about 60 lines, which uses them. About 120 minutes; all tasks count.

# %%
import numpy as np

from llaisys_mini import check, explain, operators, plots
from llaisys_mini.lectures.datasets import two_spirals

# %% [markdown]
# ## 1. The numerical gradient
#
# To check a gradient, change one element of x a little up and a little down, and compare the values of the function:
#
# $$\text{gradient}[i] \approx \frac{f(x + \text{step at } i) - f(x - \text{step at } i)}{2 \cdot \text{step}}$$
#
# With numbers: $f(x) = x^2$ at 3 with step 0.1 gives (9.61 - 8.41) / 0.2 = 6. With a step to one side only, the result would be 6.1.
#
# `function` takes an array and returns a number. `x` is float64 of any shape; `np.ndindex(x.shape)` runs over its indices.
# Return an array of the same shape. Afterwards `x` must have exactly its old values, to the last bit.

# %% task="python/numerical_gradient"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# How many times must `function` be called for an array of 12 elements?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In floating-point numbers 0.1 + 0.2 - 0.2 is not 0.1. How do you restore an element exactly?
#
# </details>
# <details><summary>Hint 3</summary>
#
# For each index: save the element; set it to the larger value and call; set it to the smaller value and call; restore it.
#
# </details>

# %% test="numerical-public" points=1
check("numerical_gradient")

# %% test="numerical-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("numerical_gradient", seed=40205)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Backwards through relu
#
# `grad_out[i]` is the derivative of the loss with respect to output i of relu. Compute `out[i]`, the derivative with respect to the
# *input* `x[i]`. Where `x[i]` is positive, relu returns it unchanged, and the gradient passes unchanged too. Elsewhere it is 0, also
# where `x[i]` is exactly 0.
#
# | x | -2 | 0 | 1.5 |
# |---|---|---|---|
# | grad_out | 7 | 7 | 7 |
# | out | 0 | 0 | 7 |

# %% task="cpu/relu_backward"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What is the slope of relu at -2, and at 1.5? What does the chain rule do with it?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Which of the two arrays decides whether the gradient passes, and which one passes?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Every `out[i]` must be written, also those that are 0.
#
# </details>

# %% test="relu-backward-public" points=1
check("relu_backward")

# %% test="relu-backward-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("relu_backward", seed=40203)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Backwards through linear
#
# Forward: `out[n, m] = sum_k x[n, k] * weight[m, k] + bias[m]`. You are given `grad_out` `[N, M]`, the gradient of the loss with
# respect to `out`. Compute three outputs:
#
# $$\text{grad\_x}[n, k] = \sum_m \text{grad\_out}[n, m] \cdot \text{weight}[m, k]$$
# $$\text{grad\_weight}[m, k] = \sum_n \text{grad\_out}[n, m] \cdot x[n, k] \qquad
# \text{grad\_bias}[m] = \sum_n \text{grad\_out}[n, m]$$
#
# With numbers: `grad_out = [[1, 2]]`, `x = [[3, 4]]`, `weight = [[5, 6], [7, 8]]` give `grad_x = [[19, 22]]`
# ($1 \cdot 5 + 2 \cdot 7$ and $1 \cdot 6 + 2 \cdot 8$), `grad_weight = [[3, 4], [6, 8]]`, `grad_bias = [1, 2]`.
#
# The output arrays are not initialised (the check fills them with NaN). Set an element to 0 before you add to it.

# %% task="cpu/linear_backward"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# For each of the three outputs: which indices does it have, and over which index is the sum?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write three separate parts. For `grad_x`: loops over n and over k, and in them a sum over m.
#
# </details>
# <details><summary>Hint 3</summary>
#
# For each output element, set a variable `total = np.float32(0)`, add to it in the loop, and store it once at the end.
#
# </details>

# %% test="linear-backward-public" points=3
check("linear_backward")

# %% test="linear-backward-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear_backward", seed=40204)
### END HIDDEN TESTS

# %% [markdown]
# You get one point if the kernel allocates no array. `grad_out[n, m] * x[n]` allocates one.

# %%
explain("linear_backward")

# %% test="linear-backward-compiled" points=1
explain("linear_backward").require(allocations=0)

# %% [markdown]
# ## 4. Automatic differentiation
#
# A `Variable` holds a value and remembers what it was computed from. The forward computation builds this graph; `backward()` goes
# through it in the opposite direction. Each variable has:
#
# | attribute | what |
# |---|---|
# | `value` | float32 array |
# | `grad` | the gradient of the result with respect to this variable; at first zeros of the same shape |
# | `parents` | tuple of the variables it was computed from |
# | `back` | a function that takes this variable's gradient, and returns a tuple with one *share* for each parent, in their order: what this use of the parent contributes to its gradient; None if there are no parents |
#
# `__init__` and `__add__` are given. For a sum the local derivatives are 1, so the share of each parent is the gradient itself. Write:
#
# - `a * b`: element by element.
# - `a.relu()`, `x.linear(weight, bias)`: with `operators.relu`, `operators.linear` forwards and your backward operators in `back`.
#   (`weight` and `bias` are variables too: there are three parents.)
# - `logits.cross_entropy(labels)`: the mean of the losses that `operators.cross_entropy(logits, labels)` gives, one per row;
#   `operators.softmax_cross_entropy_backward(logits, labels)` is the gradient of that mean. `labels` is an array, not a variable.
# - `a.backward()`: set the gradient of `a` to 1 and fill in `grad` of everything that `a` was computed from.
#
# With numbers: a = 3, b = 2, `c = a * b + a`. Then `c.value` is 9, and after `c.backward()`: `a.grad` is 3 (2 from the product, 1 from the
# sum), `b.grad` is 3.

# %% task="python/autograd"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `p = a * b; q = p * p + p`. In which order must p, q and the parts of q pass on their gradients? What happens if p does so when only one
# of its shares has been added?
#
# </details>
# <details><summary>Hint 2</summary>
#
# First make a list in which every variable comes after all its parents: visit the parents, then append the variable, and skip variables
# that were visited before. Then go through the list from its end.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Shares are *added* to a parent's `grad`. If `check` fails only on *used twice*, look there; if only on *branches that meet*, look at the order.
#
# </details>

# %% test="autograd-public" points=4
check("autograd")

# %% test="autograd-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("autograd", seed=40301)
### END HIDDEN TESTS

# %% [markdown]
# The numerical gradient checks the whole network at once. Both columns should agree to three or four digits.

# %%
rng = np.random.default_rng(0)
x, w1, b1 = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (4, 3), (4,)))
w2, b2, labels = np.float32(rng.normal(size=(2, 4))), np.zeros(2, np.float32), np.array([0, 1, 1, 0, 1])


def network_loss(weight):
    first = Variable(weight)
    hidden = Variable(x).linear(first, Variable(b1)).relu()
    loss = hidden.linear(Variable(w2), Variable(b2)).cross_entropy(labels)
    return loss, first


loss, first = network_loss(w1)
loss.backward()
measured = numerical_gradient(lambda weight: float(network_loss(weight)[0].value), w1.astype(np.float64), 1e-2)
for one, other in zip(first.grad.ravel()[:6], measured.ravel()):
    print(f"{one:9.5f} {other:9.5f}")

# %% [markdown]
# ## 5. Training a network
#
# A network made of your variables learns to tell two spirals apart. Each step builds the graph, computes the gradients, and changes every
# parameter in the direction opposite to its gradient.

# %%
points, labels = two_spirals(400)
rng = np.random.default_rng(0)
parameters = [
    Variable(rng.normal(size=(64, 2)) * np.sqrt(2 / 2)),
    Variable(np.zeros(64)),
    Variable(rng.normal(size=(2, 64)) * np.sqrt(2 / 64)),
    Variable(np.zeros(2)),
]


def logits_of(points):
    w1, b1, w2, b2 = parameters
    return Variable(points).linear(w1, b1).relu().linear(w2, b2)


losses = []
for _ in range(1500):
    loss = logits_of(points).cross_entropy(labels)
    loss.backward()
    losses.append(float(loss.value))
    for parameter in parameters:
        parameter.value = parameter.value - np.float32(0.3) * parameter.grad
        parameter.grad = np.zeros_like(parameter.value)
said = logits_of(points).value.argmax(axis=1)
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, {(said == labels).mean():.1%} right")

figure, (left, right) = plots.figure(1, 2, width=8, height=3.8)
left.semilogy(losses)
left.set(xlabel="step", ylabel="cross-entropy", title="loss")
left.grid()
plots.draw_regions(right, lambda points: logits_of(points).value.argmax(axis=1), -3.5, 3.5, steps=120)
plots.draw_points(right, points, labels, size=10, names=("spiral 0", "spiral 1"))
right.set(title="what the network answers")
right.legend(loc="upper right")
plots.show(
    figure,
    alt="Left: the loss over the steps. Right: the points of both spirals, over the regions that the network gives to each.",
)

# %% [markdown]
# ## 6. In your own words
#
# The loop above sets `parameter.grad` back to zeros after each step. Leave that line out and run the cell again. What do you see, and
# why? Which direction does a step take then, instead of that of the gradient?

# %% [markdown] written="zero-grad" points=2
# backward adds shares to grad, so without zeroing, grad holds the sum of the gradients of all steps so far. The step follows that sum:
# a momentum that never decays. The loss falls fast at first, but the weights keep moving long after the slope has turned: they grow about a
# hundredfold, and the loss jumps up and down instead of settling.
