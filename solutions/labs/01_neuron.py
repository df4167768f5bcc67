# %% [markdown]
# # Lab 01: one neuron
#
# A neuron multiplies each of its inputs by a weight, adds the products and a bias, and decides by the sign of the sum.
# You choose weights by hand, write the sum and the decision as kernels, let the neuron learn its weights, and fit a curve by gradient
# descent. About 100 minutes; all tasks count.

# %%
import numpy as np

from llaisys_mini import check, explain, operators, plots

# %% [markdown]
# ## 1. Weights by hand
#
# A neuron with two inputs says *yes* where $w_1 x_1 + w_2 x_2 + b \ge 0$. The decision boundary is a straight line.
#
# Example: $w_1 = 1$, $w_2 = 0$, $b = -0.5$ asks whether $x_1$ is at least one half:
#
# | $x_1$ | $x_2$ | $w_1 x_1 + w_2 x_2 + b$ | answer |
# |---|---|---|---|
# | 0 | 0 | -0.5 | no |
# | 0 | 1 | -0.5 | no |
# | 1 | 0 | 0.5 | yes |
# | 1 | 1 | 0.5 | yes |
#
# Find weights for three neurons, on inputs that are 0 or 1. Return them as
# `{"and": (w1, w2, b), "or": (w1, w2, b), "first only": (w1, w2, b)}`.
#
# - **and**: yes only when both inputs are 1
# - **or**: yes when at least one is 1
# - **first only**: yes only when $x_1$ is 1 and $x_2$ is 0

# %% task="python/neuron_by_hand"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Draw the four corners on paper, and a line between those that say yes and those that say no.
#
# </details>
# <details><summary>Hint 2</summary>
#
# With $w_1 = w_2 = 1$ the sum is 0, 1 or 2. Which bias lets only 2 through?
#
# </details>
# <details><summary>Hint 3</summary>
#
# A weight may be negative: for *first only* the second input must reduce the sum. Choose the bias so that the boundary lies halfway
# between the inputs with the answer yes and those with the answer no.
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
# `if bias is not None:` works inside a kernel.
# Weights of real models are often stored in 16 bits. `widen(weight[m, k])` converts a weight of any storage format to float32.
# Without it your kernel can read float32 only, which is enough for this lab.

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
# Which indices does `out[n, m]` have, and over which index is the sum? How many loops are that?
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
# You get one point if the kernel allocates no array. `explain` shows what the compiler made of your kernel; later lectures explain its other lines.

# %%
explain("linear")

# %% test="linear-compiled" points=1
explain("linear").require(allocations=0)

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
# What should the result be for 0, and for minus 0?
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
# - If the neuron is right, nothing changes.
# - If the neuron is wrong, the weights become `weights + label * x`, and the bias becomes `bias + label`.
#
# `weights` and `x` are arrays `[K]`, `bias` and `label` are numbers. Return `(weights, bias)`; do not change the given array.
#
# With numbers: `weights = [1, -3]`, `bias = 0`, `x = [1, 2]`, label 1. The sum is -5, so the neuron says -1 and is wrong.
# The new weights are `[2, -1]`, the new bias is 1. The sum for the same point is now 1: right.

# %% task="python/perceptron_update"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What is the neuron's answer for a point exactly on its boundary? Compare with section 3.
#
# </details>
# <details><summary>Hint 2</summary>
#
# If the neuron's answer is the label, return the given weights and bias.
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
# The next cell trains with your rule. Each pass (*epoch*) goes over all points; the line is the decision boundary after the first
# pass without a wrong point. The answers in the figure are computed by your `linear` and your `sign`, once they have passed.

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
figure, axes = plots.figure(width=4, height=4)
for label, marker, colour in ((1, "o", plots.BLUE), (-1, "s", plots.ORANGE)):
    chosen = said == label
    axes.scatter(*points[chosen].T, marker=marker, color=colour, label=f"neuron says {label}")
across = np.array([-3.0, 3.0])
axes.plot(across, -(weights[0] * across + bias) / weights[1], color=plots.GREY, label="decision boundary")
axes.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="$x_1$", ylabel="$x_2$")
axes.legend()
plots.show(
    figure, alt="The points, marked by what the neuron says of them, and its decision boundary between the two classes."
)

# %% [markdown]
# ## 5. Regression by gradient descent
#
# Approximate $N$ measurements $h$ `[N]` by $A c$, with a known matrix $A$ `[N, K]` and unknown coefficients $c$ `[K]`. Begin at $c = 0$,
# and take `steps` steps against the gradient of the mean squared error:
#
# $$c \leftarrow c - \text{rate}\cdot\tfrac2N\,A^{\mathsf T}(A c - h)$$
#
# With numbers: A = [[2]], h = [6], rate 0.1, one step: the residual is -6, the gradient $2 \cdot 2 \cdot (-6) = -24$, so c becomes [2.4].
# Return c; do not change A and h.

# %% task="python/least_squares_descent"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What are the shapes of `A @ c - h` and of `A.T @ (A @ c - h)`? Which of them can be subtracted from c?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Go through the example by hand with your code. Is c right if `steps` is 0?
#
# </details>
# <details><summary>Hint 3</summary>
#
# N is the number of measurements, `len(h)`.
#
# </details>

# %% test="descent-public" points=2
check("least_squares_descent")

# %% test="descent-hidden" points=1
# Other numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("least_squares_descent", seed=40104)
### END HIDDEN TESTS

# %% [markdown]
# The next cell fits the thrown ball of the lecture twice. First, time is counted from the throw; then it is counted from the middle of
# the flight, with half of the flight as the unit. A parabola in one of these times is a parabola in the other. With the same data and
# the same rate, which fit has converged after 300 steps?

# %%
rng = np.random.default_rng(2)
seconds = np.linspace(0.1, 1.4, 12)
heights = 1.5 + 7 * seconds - 9.81 / 2 * seconds**2 + rng.normal(scale=0.05, size=12)
figure, axes = plots.figure(width=6, height=3.2)
for time, name, style in ((seconds, "from the throw", "-"), ((seconds - 0.75) / 0.65, "from the middle", "--")):
    A = np.stack([np.ones(12), time, time**2], axis=1)
    losses = []
    for steps in range(0, 301, 10):
        c = least_squares_descent(A, heights, 0.3, steps)
        losses.append(np.mean((A @ c - heights) ** 2))
    axes.semilogy(range(0, 301, 10), losses, style, label=f"time {name}")
best = np.mean((A @ np.linalg.lstsq(A, heights)[0] - heights) ** 2)
axes.axhline(best, color=plots.GREY, linewidth=1, label="least squares")
axes.set(xlabel="step", ylabel="mean squared error [m²]")
axes.legend()
plots.show(
    figure,
    alt="The error against the step for both ways to count time, and the error of least squares as a level line.",
)

# %% [markdown]
# ## 6. In your own words
#
# A perceptron has found $w = (3, 2)$, $b = -6$ for points whose $x_2$ was measured in metres. A colleague has the same points, with $x_2$ in
# centimetres. Which weights give the same answers for these? And would the perceptron rule, started at zero, need about as many updates to
# find them? Look at what one update adds to each weight.

# %% [markdown] written="units" points=2
# w = (3, 0.02), b = -6: z is the same. The rule adds y times x, so x2, a hundred times larger, moves its weight by a hundred times as much as before,
# although that weight should become a hundred times smaller. The steps are far too large for it, and b and w1 hardly move beside it: as a rule it takes many
# more updates: tried on eight sets of about 54 points, 49 to 11,097 instead of 1 to 12. So inputs are brought to a similar scale first.
