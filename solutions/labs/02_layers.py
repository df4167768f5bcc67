# %% [markdown]
# # Lab 02: layers
#
# You choose the weights of small networks by hand, merge two linear layers into one, and write activation functions, which make
# such a merge impossible. About 75 minutes; all tasks count.

# %%
import numpy as np

from llaisys_mini import check, exercises, operators, plots

# %% [markdown]
# ## 1. Networks by hand
#
# A network has two inputs, one hidden layer of H neurons and one output. `w1` is `[H, 2]`, `b1` `[H]`, `w2` `[1, H]`, `b2` `[1]`:
# row m of `w1` holds the weights of hidden neuron m. You choose H. Write down three networks:
#
# | name | hidden layer | output | the network |
# |---|---|---|---|
# | xor | step | step | says yes if exactly one of two inputs, each 0 or 1, is 1 |
# | triangle | step | step | says yes inside the triangle with the corners (0, 0), (4, 0), (0, 4), no outside |
# | distance | relu | none | computes the distance $\lvert x_1 - x_2\rvert$ |
#
# The columns *hidden layer* and *output* name the activation function, which is applied to the weighted sum plus bias, $z$. `step` is 1
# where $z \ge 0$, else 0; `relu` is $\max(z, 0)$. An output of 1 means yes. Return a dictionary from these names to `(w1, b1, w2, b2)`,
# each as nested lists.
#
# Example, *both inputs are 1*, with two hidden neurons $x_1 \ge \tfrac12$ and $x_2 \ge \tfrac12$:
# `([[1, 0], [0, 1]], [-0.5, -0.5], [[1, 1]], [-1.5])`. For the inputs (1, 0) the hidden neurons give 1 and 0; the $z$ of the output
# is $1 + 0 - 1.5 = -0.5$, so the answer is no.

# %% task="python/layers_by_hand"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Draw each shape on paper. Which straight lines bound it, and on which side of each line is it?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The sloping side of the triangle is $x_1 + x_2 = 4$. Test your neuron with a point inside: is its $z$ positive?
# For the distance: what does $\max(x_1 - x_2, 0)$ give on either side of the diagonal, and what is missing?
#
# </details>
# <details><summary>Hint 3</summary>
#
# The output neuron counts the hidden neurons whose answer is yes. *All of n* and *at least one* differ only in its bias. XOR is *at
# least one* and *not both*.
#
# </details>

# %% test="by-hand-public" points=3
check("layers_by_hand")

# %% [markdown]
# A picture of your triangle and of your distance:

# %%
grid = np.stack(np.meshgrid(np.linspace(-2, 6, 160), np.linspace(-2, 6, 160)), axis=-1).reshape(-1, 2)


def hidden_layer(name):
    w1, b1, w2, b2 = map(np.array, layers_by_hand()[name])
    return grid @ w1.T + b1, w2, b2


figure, (left, right) = plots.figure(1, 2, width=8, height=3.6)
z, w2, b2 = hidden_layer("triangle")
said = ((z >= 0) @ w2.T + b2 >= 0).reshape(160, 160)
left.contourf(
    np.linspace(-2, 6, 160), np.linspace(-2, 6, 160), said, levels=[-0.5, 0.5, 1.5], colors=["#FBE3B5", "#B5D7EE"]
)
left.set(title="triangle: blue is yes", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
z, w2, b2 = hidden_layer("distance")
surface = right.contourf(
    np.linspace(-2, 6, 160), np.linspace(-2, 6, 160), (np.maximum(z, 0) @ w2.T + b2).reshape(160, 160), cmap="YlGnBu"
)
figure.colorbar(surface, label="output")
right.set(title="distance", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
plots.show(
    figure,
    alt="Left: where your network says yes, beside where it says no. Right: its output for the distance, by colour.",
)

# %% [markdown]
# ## 2. Two linear layers are one
#
# Without an activation function between them, two layers compute $(x\,W_1^{\mathsf T} + b_1)\,W_2^{\mathsf T} + b_2$. Return the
# `(weight, bias)` of the single layer that computes the same. `w1` `[H, K]`, `b1` `[H]`, `w2` `[M, H]`, `b2` `[M]`; `weight` is `[M, K]`, `bias` `[M]`.
#
# With numbers, K = H = M = 1: $w_1 = 2$, $b_1 = 3$, $w_2 = 5$, $b_2 = 1$ gives $5\,(2x + 3) + 1 = 10x + 16$, so `([[10]], [16])`.

# %% task="python/merge_layers"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Expand the brackets. Which terms contain x, and which do not?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write the shapes below the two matrices. In which order must they be multiplied, so that the result is `[M, K]`?
#
# </details>
# <details><summary>Hint 3</summary>
#
# The bias of the first layer goes through the second layer as an input would.
#
# </details>

# %% test="merge-public" points=2
check("merge_layers")

# %% test="merge-hidden" points=1
# Other sizes and numbers, when it is graded.
### BEGIN HIDDEN TESTS
check("merge_layers", seed=40207)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Activation functions: relu and sigmoid
#
# Both are applied to each element separately. The kernel gets `x` and `out` as arrays of one dimension, `[size]`, and writes each `out[i]`.
#
# $$\text{relu}(x) = \max(x, 0) \qquad \text{sigmoid}(x) = \frac{1}{1 + e^{-x}}$$
#
# | x | -2 | 0 | 1.5 |
# |---|---|---|---|
# | relu | 0 | 0 | 1.5 |
# | sigmoid | 0.1192 | 0.5 | 0.8176 |

# %% task="cpu/relu"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# How many elements does `x` have? Must your loop visit all of them?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In a kernel, `max` takes two numbers. Nothing is returned: the results are stored in `out`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# One loop over `range(x.size)` with one line in it.
#
# </details>

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
# What is $e^{100}$ in float32? And what do 1 / inf and inf / inf give?
#
# </details>
# <details><summary>Hint 2</summary>
#
# There are two ways to write sigmoid: $1 / (1 + e^{-x})$ and $e^x / (1 + e^x)$. Try both for -100 and 100 on paper.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `math.exp` takes one number. Constants in float32 are written `np.float32(1)`.
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
# ## 4. What relu adds
#
# The next cell draws the output of networks with random weights, one input, and 1 to 50 hidden neurons with your relu. Without relu
# each curve would be a straight line, as section 2 showed.

# %%
line = np.linspace(-3, 3, 601, dtype=np.float32)[:, None]  # [N, 1]
figure, axes = plots.figure(width=6.5, height=3.2)
for hidden, style in ((1, "-"), (3, "--"), (50, "-.")):
    rng = np.random.default_rng(4)
    w1, b1 = rng.normal(size=(hidden, 1)).astype(np.float32), rng.normal(size=hidden).astype(np.float32)
    w2 = (rng.normal(size=(1, hidden)) / np.sqrt(hidden)).astype(np.float32)
    curve = operators.linear(operators.relu(operators.linear(line, w1, b1)), w2, np.zeros(1, np.float32))[:, 0]
    bends = np.count_nonzero(np.abs(b1 / w1[:, 0]) < 3)  # neuron h bends where its z is 0: at x = -b1 / w1
    axes.plot(line, curve, style, label=f"{hidden} hidden neurons")
    weight, bias = exercises.get("merge_layers")(w1, b1, w2, np.zeros(1, np.float32))
    print(
        f"{hidden} hidden neurons: {bends} bends between -3 and 3; without relu: {weight[0, 0]:.2f} x + {bias[0]:.2f}"
    )
axes.set(xlabel="x", ylabel="output")
axes.legend()
plots.show(
    figure,
    alt="The outputs of networks with 1, 3 and 50 hidden neurons over their input: straight pieces, more with more neurons.",
)

# %% [markdown]
# ## 5. In your own words
#
# The triangle needs three hidden neurons with a step. A square ring (the points inside a large square, but not inside a small one in its
# middle) can be recognised with eight hidden neurons in one layer and two further layers. What does each neuron of the second and third
# layer decide? Why is a single output neuron with weights of 1 directly after the eight not enough, although it was for the triangle?

# %% [markdown] written="ring" points=2
# Second layer: "are all four of the large square's half-planes yes?" and "are all four of the small one's yes?" Third:
# "the first and not the second", weights 1 and -1, bias -0.5. With weights of 1 the output only counts how many of the eight say yes.
# In the small square all eight do; in the ring seven or, beyond a corner of the small square, six do. Outside the large square, beyond the
# middle of one side, three of the large and three of the small do: six again. No threshold on the count tells these six apart, and the hole
# with its eight lies above the ring.
