# %% [markdown]
# # 02 · Layers
#
# **Question:** one neuron draws one straight line. How do many of them draw any shape, and what does a second layer add?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [01 From curves to neurons](01_neurons.ipynb) | the product of matrices, the derivative | 21 minutes | [02 layers](../labs/02_layers/02_layers.ipynb) | [03 Losses and backpropagation](03_losses_and_backpropagation.ipynb) |

# %%
import numpy as np

from llaisys_mini import operators, plots
from llaisys_mini.lectures import drawings, networks, widgets
from llaisys_mini.lectures.datasets import two_spirals

# %% [markdown]
# ## 1. A layer
#
# A *layer* is several neurons that look at the same inputs. With $M$ neurons, $K$ inputs and $N$ points at once its linear
# step is the operator `linear` of lecture 01:
#
# $$\underbrace{z}_{N\times M} = \underbrace{x}_{N\times K}\;\underbrace{W^{\mathsf T}}_{K\times M} + \underbrace{b}_{M}$$
#
# Row $m$ of $W$ holds the weights of neuron $m$. Then comes the activation function, on each element alone. The outputs of
# one layer are the inputs of the next. The layers between input and output are called *hidden*, and the whole a *multilayer
# perceptron* (MLP).

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=5.5, height=3)
drawings.draw_mlp(
    axis, [2, 4, 3], ["input\n[N, 2]", "hidden layer\n[N, 4]", "output layer\n[N, 3]"], labels="xhz"
)
plots.show(
    fig,
    alt="A multilayer perceptron: two inputs, a hidden layer of four neurons and an output layer of three. "
    "Every neuron is joined to every neuron of the layer before.",
)

# %% [markdown]
# Each line is one weight. This network has $4\cdot2 + 4$ numbers in its hidden layer and $3\cdot4 + 3$ in its output layer: 27
# parameters.
#
# <details><summary>Pencil 1: how many parameters has an MLP with 784 inputs, one hidden layer of 100 and 10 outputs?</summary>
#
# $100\cdot784 + 100 + 10\cdot100 + 10 = 79\,510$.
#
# </details>

# %% [markdown]
# ## 2. Without an activation function nothing is gained
#
# > **Predict, then run.** Two linear layers in a row, 2 inputs, 50 hidden neurons, 1 output, and no activation function
# > between them: 201 parameters. How many parameters would a single layer need to compute the same?

# %%
rng = np.random.default_rng(0)
W1, b1 = rng.normal(size=(50, 2)).astype(np.float32), rng.normal(size=50).astype(np.float32)
W2, b2 = rng.normal(size=(1, 50)).astype(np.float32), rng.normal(size=1).astype(np.float32)
x = rng.normal(size=(1000, 2)).astype(np.float32)

two_layers = operators.linear(operators.linear(x, W1, b1), W2, b2)
one_layer = operators.linear(x, W2 @ W1, W2 @ b1 + b2)
print(f"largest difference: {np.abs(two_layers - one_layer).max():.1e}")
print(f"weights of the single layer: {(W2 @ W1)[0]}, bias {(W2 @ b1 + b2)[0]:.3f}")

# %% [markdown]
# > **The common guess**, 201 or at least 50, counts parameters: those that are only multiplied with each other add no new
# > functions.
#
# Three. Linear after linear is linear: $(x W_1^{\mathsf T} + b_1) W_2^{\mathsf T} + b_2 = x (W_2 W_1)^{\mathsf T} + (W_2 b_1 + b_2)$.
# The boundary is one straight line, whatever the 201 numbers are. So between two layers there must be an activation function that is not linear.

# %% [markdown]
# ## 3. Half-planes make polygons
#
# Let the activation function be a step for now: 1 ("yes") where $z \ge 0$ and 0 elsewhere. A regular polygon is the intersection of
# half-planes, one for each side. So the hidden layer has a neuron for each side, and one output neuron asks: do *all* of them
# say yes? Its weights are 1 and its bias is $\tfrac12 - \text{number of sides}$, so that $z \ge 0$ only if no yes is missing.


# %%
def step(z):
    return (z >= 0).astype(np.float32)


def sides(count, center, radius):
    """Neurons that say 1 inside each side of a polygon: weight [count, 2], bias [count]."""
    angle = 2 * np.pi * np.arange(count) / count
    outward = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (-outward).astype(np.float32), (radius + outward @ center).astype(np.float32)


def inside(x, count, center=(0, 0), radius=1):
    """x [N, 2] -> [N, 1]: 1 inside the polygon."""
    hidden = step(operators.linear(x, *sides(count, center, radius)))  # [N, count]
    all_of_them = np.ones((1, count), np.float32), np.array([0.5 - count], np.float32)
    return step(operators.linear(hidden, *all_of_them))


# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 4, width=9, height=2.7, sharey=True)
for axis, count in zip(axes, (1, 2, 3, 6), strict=True):
    plots.draw_regions(axis, lambda x, count=count: 1 - inside(x, count)[:, 0], -2, 2)
    weight, bias = sides(count, (0, 0), 1)
    for (w1, w2), b in zip(weight, bias, strict=True):
        foot, along = -b * np.array([w1, w2]), 5 * np.array([-w2, w1])
        axis.plot(*np.stack([foot - along, foot + along]).T, color=plots.GREY, linewidth=1)
    axis.set(title=f"{count} neuron" + "s" * (count > 1), ylabel="$x_2$" if count == 1 else "")
plots.show(
    fig,
    alt="Where all neurons of a layer say yes. One neuron: a half-plane. Two: a strip. Three: a "
    "triangle. Six: a hexagon.",
)

# %% [markdown]
# Blue: the output is 1. A third layer can ask whether *any* of several polygons contains the point: *or* instead of *and*.
#
# For more than two answers the last layer gets one neuron for each class, without an activation function. Their $z$ are called
# *logits* (or scores), and the answer is the class with the largest logit. The output has become a vector.

# %%
both_shapes = ((3, (-0.9, 0.3), 0.5), (4, (0.9, -0.3), 0.7))  # sides, centre, radius


def insides(x):
    return np.concatenate([inside(x, *shape) for shape in both_shapes], axis=1)  # [N, 2]


def any_shape(x):
    weight, bias = np.ones((1, 2), np.float32), np.array([-0.5], np.float32)
    return step(operators.linear(insides(x), weight, bias))[:, 0]


def colour(x):
    weight = np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)  # one row for each class
    bias = np.array([0, 0, 0.5], dtype=np.float32)  # class 2, the background, wins over two zeros
    return operators.linear(insides(x), weight, bias).argmax(axis=1)  # logits [N, 3]


# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=6.4, height=3.1, sharey=True)
plots.draw_regions(axes[0], lambda x: 1 - any_shape(x), -2, 2)
axes[0].set_title("one output: two regions")
plots.draw_regions(axes[1], colour, -2, 2)
axes[1].set(title="three outputs: three classes", ylabel="")
for name, place in [("0", (-0.9, 0.3)), ("1", (0.9, -0.3)), ("2", (-1.2, -1.6))]:
    axes[1].text(*place, f"class {name}", ha="center")
plots.show(
    fig,
    alt="Left: a triangle and a square form one region. Right: triangle, square and background are "
    "three classes with three colours.",
)

# %% [markdown]
# ### An error to learn from
#
# A strip has two sides, so its weight matrix is 2 × 2. Here somebody stored it with one *column* for each neuron. The strip
# should be tilted. Nothing complains:

# %%
one_row_each = np.array([[-0.9, -0.5], [0.9, 0.5]], np.float32)  # [M, K] = [2, 2]
one_column_each = np.array([[-0.9, 0.9], [-0.5, 0.5]], np.float32)
point, bias = np.array([[1.5, -2.0]], np.float32), np.ones(2, np.float32)
for name, weight in (("rows", one_row_each), ("columns", one_column_each)):
    print(f"{name:8s} z = {operators.linear(point, weight, bias)[0]}")

try:  # the same with three neurons
    operators.linear(point, np.ones((2, 3), np.float32), np.ones(3, np.float32))
except ValueError as problem:
    print("three columns:", problem)

# %% [markdown]
# A square matrix hides that it is transposed: the shapes fit, but the numbers are wrong. So test code with sizes that all
# differ. Then the mistake shows as a wrong *shape*, and the operator reports it.

# %% [markdown]
# ## 4. One hidden layer can follow any curve
#
# Two steps, one up and one down, make a bar. Many narrow bars side by side follow any continuous curve:


# %%
def curve(x):
    return np.sin(3 * x) + 0.5 * x


def bars(x, count):
    """x [N] -> [N]: the curve as `count` bars on [-2, 2), by count + 1 hidden neurons."""
    edges = np.linspace(-2, 2, count + 1)
    heights = curve((edges[:-1] + edges[1:]) / 2)
    hidden = step(x[:, None] - edges)  # [N, count + 1]: weight 1, bias -edge
    jumps = np.diff(heights, prepend=0, append=0)  # [count + 1]: the weights of the output neuron
    return hidden @ jumps


x = np.linspace(-2, 1.999, 4000)
for count in (10, 20, 40, 80, 160):
    error = np.abs(bars(x, count) - curve(x)).max()
    print(f"{count + 1:4d} hidden neurons: largest error {error:.3f}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=2.5, sharey=True)
for axis, count in zip(axes, (5, 20, 80), strict=True):
    axis.plot(x, curve(x), color=plots.VERMILION, label="curve")
    axis.plot(x, bars(x, count), "--", color=plots.BLUE, label="network", linewidth=1.3)
    axis.set(xlabel="x", title=f"{count + 1} hidden neurons")
axes[0].set_ylabel("y")
axes[0].legend(loc="upper left", fontsize=8.5)
plots.show(
    fig,
    alt="A smooth curve and its staircase approximation with 6, 21 and 81 hidden neurons: ever "
    "closer.",
)

# %% [markdown]
# With twice as many bars the error is about half as large. Cybenko (1989) and Hornik (1991) proved that on a closed and bounded set one hidden
# layer comes as close as we like to any continuous function, with activation functions such as the sigmoid of the next section. Leshno et al.
# (1993) extended this to all that are not polynomials. This is *universal approximation*. The theorem does not say how many neurons are
# needed, or how to find their weights. Here we chose them by hand.

# %% [markdown]
# ## 5. Activation functions with slopes
#
# To *learn*, a network has to know in which direction to move each weight so that its error falls. The derivative tells it. But
# the derivative of a step is zero everywhere except at the jump, where it does not exist. So networks use other functions:
#
# | function | formula | slope |
# |---|---|---|
# | sigmoid | $\sigma(z) = 1/(1 + e^{-z})$ | $\sigma(z)\,(1 - \sigma(z))$ |
# | ReLU | $\max(z, 0)$ | 1 where $z > 0$, else 0 |
# | GELU | $z\,\Phi(z)$ | $\Phi(z) + z\,\varphi(z)$ |
# | SiLU | $z\,\sigma(z)$ | $\sigma(z)\,(1 + z\,(1 - \sigma(z)))$ |
#
# $\varphi$ is the density of the standard normal distribution, $\Phi$ its distribution function. GELU (Hendrycks and
# Gimpel, 2016) and SiLU (Elfwing et al., 2017) are smooth relatives of ReLU; Qwen uses SiLU.

# %% jupyter={"source_hidden": true}
z = np.linspace(-5, 5, 400, dtype=np.float32)  # zero, where ReLU has a kink, is not among them
sigmoid = operators.sigmoid(z)
density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
slopes = {
    "sigmoid": sigmoid * (1 - sigmoid),
    "relu": (z > 0).astype(np.float32),
    "gelu": operators.gelu(z) / z + z * density,  # gelu(z) / z is Φ(z)
    "silu": sigmoid * (1 + z * (1 - sigmoid)),
}
fig, axes = plots.figure(1, 2, width=8.6, height=2.9)
for (name, slope), dashes in zip(slopes.items(), ("-", "--", "-.", ":"), strict=True):
    axes[0].plot(z, operators.get(name)(z), dashes, label=name)
    axes[1].plot(z, slope, dashes, label=name)
axes[0].set(xlabel="z", ylabel="value", title="function", ylim=(-0.6, 3.5))
axes[1].set(xlabel="z", ylabel="slope", title="its slope")
axes[0].legend()
for axis in axes:
    axis.grid()
plots.show(
    fig,
    alt="Sigmoid, ReLU, GELU and SiLU beside their slopes. The slope of the sigmoid never exceeds "
    "a quarter; that of ReLU jumps from zero to one; GELU and SiLU are smooth versions of ReLU "
    "whose slope overshoots one slightly.",
)

# %% [markdown]
# ## 6. Layers fold
#
# Two ReLU neurons make an absolute value: $|x| = \max(x, 0) + \max(-x, 0)$. That folds the number line at 0: $x$ and $-x$ land on
# the same place, and all later layers treat them alike. Fold again, and four places coincide.
#
# > **Predict, then run.** Each layer folds once, with two neurons: layer $\ell$ computes $x \leftarrow |x| - 2^{-\ell}$, beginning on $[-1, 1]$. Into
# > how many straight pieces do ten such layers break the line? How many can one hidden layer of the same 20 neurons make?


# %%
def fold(x, layers):
    for layer in range(1, layers + 1):
        x = np.maximum(x, 0) + np.maximum(-x, 0) - 0.5**layer
    return x


def pieces(values):
    """Straight pieces of a curve on an even grid whose corners lie on grid points."""
    slope = np.sign(np.diff(values))  # every slope here is +1 or -1
    return 1 + np.count_nonzero(np.diff(slope))


line = np.linspace(-1, 1, 2**12 + 1)
for layers in (1, 2, 3, 10):
    shallow = 2 * layers + 1
    print(
        f"{layers:2d} layers of 2: {pieces(fold(line, layers)):4d} pieces; 1 of {2 * layers}: at most {shallow}"
    )

# %% [markdown]
# > **The common guess**, that 20 neurons make about 20 pieces however they are arranged, forgets that a neuron of a later
# > layer bends all folded sheets at once.
#
# One hidden layer bends the line once per neuron, so pieces are *added*: at most neurons + 1. Each fold *doubles* the number of pieces:
# $2^{10} = 1024$ (Montúfar et al., 2014, give bounds for general networks).
#
# Fold the line yourself. A last neuron draws one boundary across the folded line: how often does its answer change along the input with one
# layer, and with each further layer?

# %%
widgets.show("folding_layers")

# %% [markdown]
# (With one layer it changes twice, and each further layer doubles that.) In the plane the same happens along lines. Below, layer 1 folds along
# both axes, and layer 2 folds what is left along its two middle lines. Of the three marked points two coincide after layer 1, all three
# after layer 2. The fourth picture goes back: where in the original plane does *one* neuron after layer 2 draw its boundary?


# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 4, width=9.4, height=2.7)
ticks, run = np.linspace(-1, 1, 9), np.linspace(-1, 1, 200)
for axis, layers in zip(axes[:3], range(3), strict=True):
    for tick in ticks:
        for order in (0, 1):
            path = np.stack([np.full_like(run, tick), run][:: 1 - 2 * order], axis=1)
            folded = fold(path, layers)
            axis.plot(*folded.T, color=plots.COLOURS[order], linewidth=1, alpha=0.6)
    corner = fold(np.array([[-0.75, 0.8], [0.75, 0.8], [0.25, 0.2]]), layers)
    for place, marker in zip(corner, plots.MARKERS, strict=False):
        axis.plot(*place, marker, color=plots.GREEN, markersize=8)
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    axis.set_title(("the plane", "after layer 1", "after layer 2")[layers])
plots.draw_regions(axes[3], lambda x: (fold(x, 2) @ np.array([1, 1]) > -0.05).astype(int), -1, 1)
axes[3].set_title("one boundary, unfolded")
plots.show(
    fig,
    alt="A grid on the plane, folded onto a quarter by the first layer and onto a sixteenth by the second. "
    "Three marked points come to lie close together or on top of each other. Unfolded, the one "
    "straight boundary of a last neuron becomes four diamonds.",
)

# %% [markdown]
# <details><summary>Pencil 2: write |x₁ − 1| with two ReLU neurons. What are their weights and biases?</summary>
#
# $\max(x_1 - 1, 0) + \max(1 - x_1, 0)$: weights $(1, 0)$ and $(-1, 0)$, biases $-1$ and $1$; the next layer adds both with weight 1.
#
# </details>

# %% [markdown]
# ## 7. Wide or deep: the spiral
#
# Does depth win in practice? Two spirals are wound into each other. Two networks have about the same number of parameters:
# *wide*, one hidden layer of 80, and *deep*, three hidden layers of 12.
#
# `networks.train` finds the weights from 600 points in 1,000 steps. How it does so is the subject of the next two lectures. For now: it
# begins with random weights drawn with a *seed*, and the *learning rate* says how far each step goes. Neither belongs to the
# question, so we try five seeds with each of four rates, and count right answers on 1,000 new points.

# %%
points, classes = two_spirals(600, seed=0, noise=0.05, turns=2.5)  # [600, 2], [600]
new_points, new_classes = two_spirals(1000, seed=1, noise=0.05, turns=2.5)
seeds = range(5)


def sweep(sizes, rates, features=lambda x: x, steps=1000):
    """Accuracy on new points [rates, seeds]; all the runs are trained side by side."""
    parameters = networks.random_parameters(sizes, [*seeds] * len(rates))
    optimiser = networks.Adam(np.repeat(rates, len(seeds)))
    parameters = networks.train(parameters, features(points), classes, optimiser, steps)
    right = networks.accuracies(parameters, features(new_points), new_classes)
    return right.reshape(len(rates), len(seeds)), parameters


# %% [markdown]
# > **Predict, then run.** Which of the two learns the spirals?

# %%
rates = (0.003, 0.01, 0.03, 0.1)
shapes = {"wide": [2, 80, 2], "deep": [2, 12, 12, 12, 2]}
swept = {name: sweep(sizes, rates) for name, sizes in shapes.items()}
print("right answers on new points: worst, median and best of five seeds")
for name, (right, parameters) in swept.items():
    print(f"{name}, {sum(w[0].size for w in parameters)} parameters")
    for rate, row in zip(rates, right, strict=True):
        print(f"   rate {rate:5.3f}:  {row.min():.1%}  {np.median(row):.1%}  {row.max():.1%}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9.4, height=3.1)
for (name, (right, _)), marker, nudge in zip(swept.items(), "os", (0.93, 1.07), strict=True):
    axes[0].plot(rates, np.median(right, axis=1), marker + "-", label=f"{name}: median")
    colour = axes[0].lines[-1].get_color()
    for rate, row in zip(rates, right, strict=True):
        axes[0].plot([rate * nudge] * len(row), row, marker, color=colour, markersize=3, alpha=0.5)
axes[0].set(xscale="log", xlabel="learning rate", ylabel="right on new points", ylim=(0.45, 1.02))
axes[0].grid()
axes[0].legend(loc="lower center", fontsize=8.5)
for axis, (name, (right, parameters)) in zip(axes[1:], swept.items(), strict=True):
    best = [w[right.argmax()][None] for w in parameters]
    plots.draw_regions(
        axis, lambda x, best=best: networks.forward(best, x)[-1][0].argmax(axis=1), -3.2, 3.2
    )
    plots.draw_points(axis, points, classes, size=6)
    axis.set_title(f"{name}, its best run: {right.max():.1%}")
plots.show(
    fig,
    alt="Left: accuracy against learning rate. The wide network rises from about 55 % at small rates to 99 % "
    "at 0.1; the deep one has about 99 % at small rates and falls far below at 0.1. Middle and right: "
    "the best run of each follows both arms of the spiral.",
)

# %% [markdown]
# > **The common guess**, that the deep one wins because it can make more pieces, forgets the learning rate: what a network can
# > compute and what training finds are two questions.
#
# Both do, but each at its own learning rates; at a wrong rate either fails. Somebody who tried only 0.01 would have reported
# that depth wins, somebody who tried only 0.1 the opposite. A comparison of networks means something only if each was
# given its best settings and several seeds.

# %% [markdown]
# ## 8. Better inputs
#
# Inputs that are computed from the given ones, here by formulas that we choose, are called *features*. Seven of them for the spiral:
# $x_1,\ x_2,\ x_1^2,\ x_2^2,\ x_1x_2,\ \sin x_1,\ \sin x_2$. A small network, one hidden layer of 8, gets fewer and fewer of them. For
# each set: the better of two learning rates, by the median of five seeds.

# %%
all_features = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1²": lambda x1, x2: x1**2,
    "x2²": lambda x1, x2: x2**2,
    "x1 x2": lambda x1, x2: x1 * x2,
    "sin x1": lambda x1, x2: np.sin(x1),
    "sin x2": lambda x1, x2: np.sin(x2),
}


def best_of_sweep(names, hidden, rates=(0.03, 0.1)):
    def features(x):
        return np.stack([all_features[name](*x.T) for name in names], axis=1)

    right, _ = sweep([len(names), hidden, 2], rates, features)
    return right[np.median(right, axis=1).argmax()]  # [seeds], at the best rate


for count in (7, 6, 4, 3, 2):
    names = list(all_features)[:count]  # change this list: which feature can go?
    row = best_of_sweep(names, hidden=8)
    print(
        f"8 neurons, {', '.join(names)}: {np.median(row):.1%}  ({row.min():.1%} to {row.max():.1%})"
    )
row = best_of_sweep(["x1", "x2"], hidden=40)
print(f"40 neurons, x1, x2: {np.median(row):.1%}  ({row.min():.1%} to {row.max():.1%})")

# %% [markdown]
# With all seven features 8 neurons are enough; with the two coordinates alone they are not. Features save neurons *if
# somebody knows the right ones*. Forty neurons do without them: a hidden layer computes features of its own.

# %% [markdown]
# ## The answer
#
# - A layer is many neurons over the same inputs. Without an activation function between them, two layers compute no more than one.
# - A hidden layer of step neurons draws half-planes, a second layer joins them to polygons, a third joins polygons to regions. One logit per
#   class chooses among several classes. One hidden layer can approximate any continuous function on a closed and bounded set.
# - A later layer bends everything at once, so the number of pieces can double with each layer. What a network learns depends on learning rate
#   and seed at least as much as on its shape.
# - Here we set weights by hand, or let `train` find them. How that works is the subject of the next two lectures.
#
# ## Sources
#
# - G. Cybenko (1989), [Approximation by superpositions of a sigmoidal function](https://doi.org/10.1007/BF02551274);
#   K. Hornik (1991), [Approximation capabilities of multilayer feedforward networks](https://doi.org/10.1016/0893-6080(91)90009-T).
# - M. Leshno et al. (1993),
#   [Multilayer feedforward networks with a nonpolynomial activation function can approximate any function](https://doi.org/10.1016/S0893-6080(05)80131-5).
# - D. Hendrycks, K. Gimpel (2016), [Gaussian error linear units](https://arxiv.org/abs/1606.08415);
#   S. Elfwing et al. (2017), [Sigmoid-weighted linear units for neural network function approximation](https://arxiv.org/abs/1702.03118).
# - G. Montúfar et al. (2014), [On the number of linear regions of deep neural networks](https://arxiv.org/abs/1402.1869).
#
# ## Go on
#
# In [lab 02 layers](../labs/02_layers/02_layers.ipynb) you write two activation functions as kernels and set the weights of
# networks by hand. Then: [03 Losses and backpropagation](03_losses_and_backpropagation.ipynb).
