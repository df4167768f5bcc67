# %% [markdown]
# # Lab 01: one neuron
#
# A neuron multiplies each of its inputs with a weight, adds up, adds a bias, and decides.
# You choose weights by hand, write the sum and the decision as kernels, and let the neuron find its weights itself.

# %%
import matplotlib.pyplot as plt
import numpy as np

from llaisys_mini import check, explain, operators

# %% [markdown]
# ## 1. Weights by hand
#
# A neuron with two inputs says *yes* where $w_0 x_0 + w_1 x_1 + b \ge 0$. The decision boundary is a straight line.
#
# Example: $w_0 = 1$, $w_1 = 0$, $b = -0.5$ asks whether $x_0$ is at least one half:
#
# | $x_0$ | $x_1$ | $w_0 x_0 + w_1 x_1 + b$ | answer |
# |---|---|---|---|
# | 0 | 0 | -0.5 | no |
# | 0 | 1 | -0.5 | no |
# | 1 | 0 | 0.5 | yes |
# | 1 | 1 | 0.5 | yes |
#
# Find weights for three neurons, on inputs that are 0 or 1. Return them as
# `{"and": (w0, w1, b), "or": (w0, w1, b), "first only": (w0, w1, b)}`.
#
# - **and**: yes only when both inputs are 1
# - **or**: yes when at least one is 1
# - **first only**: yes only when $x_0$ is 1 and $x_1$ is 0

# %% task="python/neuron_by_hand"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Draw the four corners on paper, and a line between those that say yes and those that say no.
#
# </details>
# <details><summary>Hint 2</summary>
#
# With $w_0 = w_1 = 1$ the sum is 0, 1 or 2. Which bias lets only 2 through?
#
# </details>
# <details><summary>Hint 3</summary>
#
# A weight may be negative: for *first only* the second input has to count against it. The bias lies halfway between the
# sums that must pass and those that must not.
#
# </details>

# %% test="by-hand" points=2
check("neuron_by_hand")

# %% [markdown]
# ## 2. Many neurons at once: linear
#
# `x` is `[N, K]`: N points with K inputs each. `weight` is `[M, K]`: M neurons, each with K weights. `bias` is `[M]`, or
# None. `out` is `[N, M]`.
#
# $$\text{out}[n, m] = \sum_k x[n, k] \cdot \text{weight}[m, k] + \text{bias}[m]$$
#
# One point, two neurons: `x = [[1, 2]]`, `weight = [[3, 4], [5, -6]]`, `bias = [0.5, 0]` gives `[[11.5, -7]]`:
# $1 \cdot 3 + 2 \cdot 4 + 0.5$ and $1 \cdot 5 - 2 \cdot 6 + 0$.
#
# `bias` may be None. `if bias is not None:` works inside a kernel.
# Weights of real models are stored in 16 bits. `widen(weight[m, k])` reads every storage format; without it your kernel reads
# float32, which is enough for this lab.

# %% task="cpu/linear"
import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen


### BEGIN SOLUTION
@njit(fastmath=True, cache=True)
def dot(x, weight):
    total = np.float32(0)
    for k in range(x.size):
        total += x[k] * widen(weight[k])
    return total


### END SOLUTION
@kernel("linear", device="cpu")
@njit(cache=True)
def linear(x, weight, bias, out):
    ### BEGIN SOLUTION
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = dot(x[n], weight[m])
            if bias is not None:
                total += widen(bias[m])
            out[n, m] = total
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Three loops: over n, over m, and over k for the sum.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Keep the sum in a variable of its own, `total = np.float32(0)`, and store it once at the end.
#
# </details>
# <details><summary>Hint 3</summary>
#
# After the loop over k: `if bias is not None:` add `widen(bias[m])` to the total. Then `out[n, m] = total`.
#
# </details>

# %% test="linear-public" points=3
check("linear")

# %% test="linear-hidden" points=2
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("linear", seed=40101)
### END HIDDEN TESTS

# %% [markdown]
# A sum in float32 depends on its order, so the compiler keeps yours: one addition after the other. `fastmath=True` in the
# `@njit` of the function with the sum allows another order. Then eight products are added per instruction. One point.

# %%
explain("linear")

# %% test="linear-compiled" points=1
explain("linear").require(vectorised_sums=True, allocations=0)

# %% [markdown]
# ## 3. The decision: sign
#
# `x` has any shape; the kernel sees it flat, as `[size]`. `out[i]` is 1 where `x[i]` is zero or above, and -1 below.
#
# | x | -2.5 | -0.1 | 0 | 3 |
# |---|---|---|---|---|
# | out | -1 | -1 | 1 | 1 |

# %% task="cpu/sign"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# One loop over `range(x.size)`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `x[i] >= 0` is true for 0 and for minus 0.
#
# </details>
# <details><summary>Hint 3</summary>
#
# An `if` with two assignments to `out[i]`, one of `np.float32(1)` and one of `np.float32(-1)`.
#
# </details>

# %% test="sign-public" points=1
check("sign")

# %% test="sign-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("sign", seed=40102)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The neuron learns
#
# The perceptron rule looks at one point at a time. Its label is 1 or -1.
#
# - The neuron is right: nothing changes.
# - The neuron is wrong: weights become `weights + label * x`, the bias becomes `bias + label`.
#
# `weights` and `x` are arrays `[K]`, `bias` and `label` are numbers. Return `(weights, bias)`; leave the given array alone.
#
# With numbers: `weights = [1, -3]`, `bias = 0`, `x = [1, 2]`, label 1. The sum is -5, so the neuron says -1 and is wrong.
# The new weights are `[2, -1]`, the new bias is 1. The sum for the same point is now 1: right.

# %% task="python/perceptron_update"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# First compute what the neuron says: 1 where `weights @ x + bias >= 0`, else -1.
#
# </details>
# <details><summary>Hint 2</summary>
#
# If it said the label, return what was given.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `weights += ...` changes the caller's array. `weights + label * x` makes a new one.
#
# </details>

# %% test="perceptron-public" points=2
check("perceptron_update")

# %% test="perceptron-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("perceptron_update", seed=40103)
### END HIDDEN TESTS

# %% [markdown]
# Your rule at work. Each pass (*epoch*) goes over 60 points; the line is the decision boundary after the pass in which no point was wrong.
# The answers in the figure come from your `linear` and your `sign`, once they passed.

# %%
rng = np.random.default_rng(1)
points = rng.normal(size=(60, 2)).astype(np.float32)
side = points @ np.array([1.0, -0.7]) + 0.4
points, side = points[np.abs(side) > 0.25], side[np.abs(side) > 0.25]
labels = np.where(side >= 0, 1, -1)

weights, bias = np.zeros(2, np.float32), 0.0
for passes in range(1, 101):
    wrong = 0
    for x, label in zip(points, labels):
        new_weights, new_bias = perceptron_update(weights, bias, x, int(label))
        wrong += new_bias != bias
        weights, bias = new_weights, new_bias
    if wrong == 0:
        break

weight_matrix = np.array([weights], np.float32)
said = operators.sign(operators.linear(points, weight_matrix, np.array([bias], np.float32)))[:, 0]
print(f"{passes} passes, {int((said != labels).sum())} of {len(points)} points wrong, weights {weights}, bias {bias}")
figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
for label, marker, colour in ((1, "o", "#0072B2"), (-1, "s", "#E69F00")):
    chosen = said == label
    axes.scatter(*points[chosen].T, marker=marker, color=colour, label=f"neuron says {label}")
across = np.array([-3.0, 3.0])
axes.plot(across, -(weights[0] * across + bias) / weights[1], color="#808080", label="decision boundary")
axes.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="$x_0$", ylabel="$x_1$")
axes.legend()
plt.show()

# %% [markdown]
# ## 5. In your own words
#
# No weights make this neuron answer *exclusive or*: yes when exactly one input is 1. Say why, with the four inequalities
# that such weights would have to fulfil.

# %% [markdown] written="xor" points=2
# The answers no, yes, yes, no ask for b < 0, w1 + b >= 0, w0 + b >= 0 and w0 + w1 + b < 0. Adding the second and third:
# w0 + w1 + 2b >= 0, so w0 + w1 + b >= -b > 0. That contradicts the fourth.
