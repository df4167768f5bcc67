# %% [markdown]
# # Lab 02: layers that learn
#
# Two layers of neurons with a non-linear activation function between them can learn nearly anything.
# You write two activation functions, the gradients that tell each weight which way to move, and the step that follows them.

# %%
import matplotlib.pyplot as plt
import numpy as np

from llaisys_mini import check, explain, operators
from llaisys_mini.lectures.datasets import digits, two_spirals

# %% [markdown]
# ## 1. Activation functions: relu and sigmoid
#
# Both work on each element alone. The kernel sees `x` and `out` flat, as `[size]`.
#
# $$\text{relu}(x) = \max(x, 0) \qquad \text{sigmoid}(x) = \frac{1}{1 + e^{-x}}$$
#
# | x | -2 | 0 | 1.5 |
# |---|---|---|---|
# | relu | 0 | 0 | 1.5 |
# | sigmoid | 0.1192 | 0.5 | 0.8176 |

# %% task="cpu/relu"

# %% test="relu-public" points=1
check("relu")

# %% test="relu-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("relu", seed=40201)
### END HIDDEN TESTS

# %% task="cpu/sigmoid"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# One loop over `range(x.size)` in each kernel. `math.exp` takes one number.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For -100 the exponential $e^{100}$ is infinite in float32. That is no harm as long as you divide 1 by it: 1 / inf is 0.
# The other form, $e^x / (1 + e^x)$, gives inf / inf for 100.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `np.float32(1) / (np.float32(1) + math.exp(-x[i]))`
#
# </details>

# %% test="sigmoid-public" points=1
check("sigmoid")

# %% test="sigmoid-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("sigmoid", seed=40202)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Backwards through relu
#
# `grad_out[i]` says how the loss changes when the output of relu changes at i. `out[i]` is to say how the loss changes when
# the *input* `x[i]` changes. Where relu let x through, the gradient passes; elsewhere it is 0, also where `x[i]` is exactly 0.
#
# | x | -2 | 0 | 1.5 |
# |---|---|---|---|
# | grad_out | 7 | 7 | 7 |
# | out | 0 | 0 | 7 |

# %% task="cpu/relu_backward"

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
# Forward: `out[n, m] = sum_k x[n, k] * weight[m, k] + bias[m]`. Given is `grad_out` `[N, M]`, the gradient of the loss with
# respect to `out`. Three outputs are asked for:
#
# $$\text{grad\_x}[n, k] = \sum_m \text{grad\_out}[n, m] \cdot \text{weight}[m, k]$$
# $$\text{grad\_weight}[m, k] = \sum_n \text{grad\_out}[n, m] \cdot x[n, k] \qquad
# \text{grad\_bias}[m] = \sum_n \text{grad\_out}[n, m]$$
#
# With numbers: `grad_out = [[1, 2]]`, `x = [[3, 4]]`, `weight = [[5, 6], [7, 8]]` give `grad_x = [[19, 22]]`
# ($1 \cdot 5 + 2 \cdot 7$ and $1 \cdot 6 + 2 \cdot 8$), `grad_weight = [[3, 4], [6, 8]]`, `grad_bias = [1, 2]`.

# %% task="cpu/linear_backward"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Three separate pieces, each with three loops (two for the bias). The output arrays hold anything at first: set before
# you add.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For `grad_x`: over n, over k, and a sum over m. For `grad_weight`: over m, over k, and a sum over n.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The inner line of the first piece is `total += grad_out[n, m] * weight[m, k]`, of the second
# `total += grad_out[n, m] * x[n, k]`.
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
# The kernel should allocate no array: one point. `grad_out[n, m] * x[n]` allocates one.

# %%
explain("linear_backward")

# %% test="linear-backward-compiled" points=1
explain("linear_backward").require(allocations=0)

# %% [markdown]
# ## 4. Is a gradient right? Ask the function itself
#
# Move one element of x a little up and a little down, and see what the function does:
#
# $$\text{gradient}[i] \approx \frac{f(x + \text{step at } i) - f(x - \text{step at } i)}{2 \cdot \text{step}}$$
#
# With numbers: $f(x) = x^2$ at 3 with step 0.1 gives (9.61 - 8.41) / 0.2 = 6. One side only would give 6.1.
#
# `function` takes an array and returns a number. `x` is float64 of any shape; `np.ndindex(x.shape)` runs over its indices.
# Return an array of the same shape. `x` must be the same afterwards.

# %% task="python/numerical_gradient"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Loop over `for index in np.ndindex(x.shape)`. `x[index]` reads and writes one element.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Remember the element first. Change it, call the function, change it again, call again, put it back.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Store `(above - below) / (2 * step)` in a `np.zeros_like(x)` at the same index.
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
# Now it can judge your `linear_backward`. Both columns should agree.

# %%
rng = np.random.default_rng(0)
x, weight, toward = (rng.normal(size=shape) for shape in ((4, 3), (2, 3), (4, 2)))


def loss_of_weight(weight):
    return float(((x @ weight.T) * toward).sum())


by_formula = operators.linear_backward(*(np.float32(a) for a in (toward, x, weight)))[1]
by_differences = numerical_gradient(loss_of_weight, weight, 1e-4)
for one, other in zip(by_formula.ravel(), by_differences.ravel()):
    print(f"{one:10.5f} {other:10.5f}")

# %% [markdown]
# ## 5. One step of learning
#
# The network: `linear` (weights `w1`, `b1`), `relu`, `linear` (weights `w2`, `b2`), and the cross-entropy against `labels`.
#
# | array | shape |
# |---|---|
# | x | [N, K] |
# | w1, b1 | [H, K], [H] |
# | w2, b2 | [V, H], [V] |
# | labels | [N], int64 |
#
# Return `(loss, w1, b1, w2, b2)`: the mean loss *before* the step, and each parameter minus `rate` times its gradient.
# Leave the given arrays alone.
#
# Everything you need is an operator: `operators.linear(x, w1, b1)`, `operators.relu`,
# `operators.cross_entropy(logits, labels)` (one loss per row), `operators.softmax_cross_entropy_backward(logits, labels)`
# (gradient of the mean loss), `operators.linear_backward(grad_out, x, weight)`, `operators.relu_backward(grad_out, x)`.
# Operators that you have written and that passed are your own.
#
# The smallest example: N = K = H = 1, V = 2, x = 1, w1 = 2, b1 = 0, w2 = [[0], [0]], b2 = [0, 0], label 0. The hidden value
# is 2, both logits are 0, the loss is $\log 2 = 0.6931$. The gradient of the logits is [-0.5, 0.5]. So the gradient of w2 is
# [[-1], [1]], and with rate 0.1 the new w2 is [[0.1], [-0.1]].

# %% task="python/mlp_step"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Forwards: keep the input of relu (`before`), its output (`hidden`), and the logits. Backwards you need all three.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Backwards: gradient of the logits; through the second linear, which gives the gradients of hidden, w2 and b2; through relu;
# through the first linear, which gives those of x (not needed), w1 and b1.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The second linear got `hidden` and `w2`, so its backward is
# `grad_hidden, grad_w2, grad_b2 = operators.linear_backward(grad_logits, hidden, w2)`. Compute all gradients before you
# move any weight. `w1 - rate * grad_w1` makes a new array.
#
# </details>

# %% test="step-public" points=3
check("mlp_step")

# %% test="step-hidden" points=1
# Other sizes, when it is graded.
### BEGIN HIDDEN TESTS
check("mlp_step", seed=40206)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. It learns
#
# Two spirals: no straight line tells them apart. The picture shows what the network answers at every point.


# %%
def new_network(inputs, hidden, outputs, seed=0):
    rng = np.random.default_rng(seed)
    w1 = rng.normal(size=(hidden, inputs)) * np.sqrt(2 / inputs)
    w2 = rng.normal(size=(outputs, hidden)) * np.sqrt(2 / hidden)
    return [np.float32(a) for a in (w1, np.zeros(hidden), w2, np.zeros(outputs))]


def answers(x, w1, b1, w2, b2):
    return operators.linear(operators.relu(operators.linear(x, w1, b1)), w2, b2).argmax(axis=1)


points, labels = two_spirals(400)
network, losses = new_network(2, 64, 2), []
for _ in range(1500):
    loss, *network = mlp_step(points, labels, *network, np.float32(0.3))
    losses.append(loss)
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, {(answers(points, *network) == labels).mean():.1%} right")

grid = np.stack(np.meshgrid(*[np.linspace(-3.5, 3.5, 120)] * 2), axis=-1).reshape(-1, 2).astype(np.float32)
figure, axes = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
axes.scatter(*grid.T, c=np.where(answers(grid, *network), "#FBE3B5", "#B5D7EE"), s=6, marker="s")
for label, colour, marker in ((0, "#0072B2", "o"), (1, "#B36B00", "s")):
    axes.scatter(*points[labels == label].T, color=colour, marker=marker, s=10, label=f"spiral {label}")
axes.set(xlabel="$x_0$", ylabel="$x_1$", title="what the network answers")
axes.legend(loc="upper right")
plt.show()

# %% [markdown]
# The same step learns to read digits of 9 x 9 pixels. The images to test on were not learned from.

# %%
images, labels = digits(1000, seed=1)
unseen, truth = digits(500, seed=2)
network = new_network(81, 48, 10)
for _ in range(300):
    loss, *network = mlp_step(images, labels, *network, np.float32(0.5))
said = answers(unseen, *network)
print(f"{(said == truth).mean():.1%} of 500 unseen digits right")
figure, all_axes = plt.subplots(1, 8, figsize=(8, 1.5), layout="constrained")
for axes, image, answer_, right in zip(all_axes, unseen, said, truth):
    axes.imshow(image.reshape(9, 9), cmap="gray")
    axes.set_title(f"{answer_}" if answer_ == right else f"{answer_} ({right})")
    axes.axis("off")
plt.show()

# %% [markdown]
# ## 7. In your own words
#
# Suppose relu is left out between the two layers. Training runs, the loss goes down a little and stays there. Why can this network
# not learn the spirals, however many hidden neurons it has?

# %% [markdown] written="no-relu" points=2
# Two linear layers in a row are one linear layer: w2 (w1 x + b1) + b2 = (w2 w1) x + (w2 b1 + b2). The boundary between two
# classes is then a straight line, whatever the weights are, and no straight line separates two spirals.
