# %% [markdown]
# # 02 · Layers
#
# **Question:** one neuron draws one straight line. How do many of them draw any shape, and who finds their weights?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [01 From curves to neurons](01_neurons.ipynb) | the derivative, the chain rule, the product of matrices | 25 minutes | [02 layers](../labs/02_layers/02_layers.ipynb) | [06 Tensors](06_tensors.ipynb) |

# %%
import itertools
import time

import numpy as np
from ipywidgets import interact

from llaisys_mini import operators, plots
from llaisys_mini.inspect.timing import seconds

# %% [markdown]
# ## 1. Half-planes make polygons
#
# A *layer* is several neurons that look at the same inputs. With $M$ neurons and $K$ inputs its linear step is
#
# $$\underbrace{z}_{N\times M} = \underbrace{x}_{N\times K}\;\underbrace{W^{\mathsf T}}_{K\times M} + \underbrace{b}_{M}$$
#
# for $N$ points at once. Row $m$ of $W$ holds the weights of neuron $m$. This is the operator `linear` again.
#
# The non-linear step is now 1 ("yes") where $z \ge 0$ and 0 elsewhere: a yes is easier to count than a sign.
#
# A regular polygon is the overlap of half-planes, one for each side. So the first layer has a neuron for each side, and a
# second layer has one neuron that asks: do *all* of them say yes? Where they do is blue below.


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
        axis.plot(*np.stack([foot - along, foot + along]).T, color=plots.BLACK, linewidth=0.8)
    axis.set(title=f"{count} neuron" + "s" * (count > 1), ylabel="$x_2$" if count == 1 else "")
plots.show(
    fig,
    alt="Where all neurons of a layer say yes. One neuron: a half-plane. Two: a strip. Three: a "
    "triangle. Six: a hexagon.",
)

# %% [markdown]
# ## 2. Two regions, several colours
#
# A third layer can ask whether *any* of several polygons contains the point: *or* instead of *and*.
#
# For more than two answers the last layer gets one neuron for each class. Their $z$ are called *scores* or *logits*, and the
# answer is the class with the largest score. The output has become a vector.

# %%
both_shapes = ((3, (-0.9, 0.3), 0.5), (4, (0.9, -0.3), 0.7))  # sides, centre, radius


def insides(x):
    return np.concatenate([inside(x, *shape) for shape in both_shapes], axis=1)  # [N, 2]


def any_shape(x):
    weight, bias = np.ones((1, 2), np.float32), np.array([-0.5], np.float32)
    return step(operators.linear(insides(x), weight, bias))[:, 0]


def colour(x):
    weight = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32)  # one row for each class
    bias = np.array([0.5, 0, 0], dtype=np.float32)  # the background wins unless a shape says yes
    scores = operators.linear(insides(x), weight, bias)  # [N, 3]
    return scores.argmax(axis=1)


# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=6.4, height=3.1, sharey=True)
plots.draw_regions(axes[0], lambda x: 1 - any_shape(x), -2, 2)
axes[0].set_title("one output: two regions")
plots.draw_regions(axes[1], colour, -2, 2)
axes[1].set(title="three outputs: three colours", ylabel="")
for name, place in [("0", (-1.2, -1.6)), ("1", (-0.9, 0.3)), ("2", (0.9, -0.3))]:
    axes[1].text(*place, f"class {name}", ha="center")
plots.show(
    fig,
    alt="Left: a triangle and a square form one region. Right: triangle, square and background are "
    "three classes.",
)

# %% [markdown]
# ## 3. One hidden layer can draw any curve
#
# The layers between input and output are called *hidden*, and the whole a *multilayer perceptron* (MLP). Two steps, one up
# and one down, make a bar. Many bars side by side follow any continuous curve:


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
    axis.plot(x, bars(x, count), label="network", linewidth=1.3)
    axis.set(xlabel="x", title=f"{count + 1} hidden neurons")
axes[0].set_ylabel("y")
axes[0].legend(loc="upper left", fontsize=8.5)
plots.show(
    fig,
    alt="A smooth curve and its staircase approximation with 6, 21 and 81 hidden neurons: ever "
    "closer.",
)

# %% [markdown]
# Twice the neurons, half the error. Cybenko (1989) and Hornik (1991) proved that one hidden layer can come as close as
# we like to any continuous function on a bounded region. This is *universal approximation*.
#
# It does not say how many neurons are needed, or who finds their weights. Here we placed them by hand.

# %% [markdown]
# ## 4. Slopes instead of steps
#
# To learn, a network must know in which direction to move each weight so that its error falls. The derivative of the error
# tells. But the derivative of a step is zero everywhere except at the jump, and tells nothing. So we use activation functions
# with slopes:
#
# | function | formula | slope |
# |---|---|---|
# | sigmoid | $\sigma(z) = 1/(1 + e^{-z})$ | $\sigma(z)\,(1 - \sigma(z))$ |
# | ReLU | $\max(z, 0)$ | 1 where $z > 0$, else 0 |
# | GELU | $z\,\Phi(z)$ | $\Phi(z) + z\,\varphi(z)$ |
# | SiLU | $z\,\sigma(z)$ | $\sigma(z)\,(1 + z\,(1 - \sigma(z)))$ |
#
# $\varphi$ is the density of the standard normal distribution and $\Phi$ its distribution function.
#
# > **Predict, then run.** How steep is the sigmoid where it is steepest? By the chain rule, the slope of ten sigmoids one
# > after another is the product of their slopes. How large can it be?

# %%
z = np.linspace(-5, 5, 400, dtype=np.float32)  # zero, where ReLU has a kink, is not among them
sigmoid = operators.sigmoid(z)
density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
slopes = {
    "sigmoid": sigmoid * (1 - sigmoid),
    "relu": (z > 0).astype(np.float32),
    "gelu": operators.gelu(z) / z + z * density,  # gelu(z) / z is Φ(z)
    "silu": sigmoid * (1 + z * (1 - sigmoid)),
}
for name, slope in slopes.items():
    print(f"{name:8s} largest slope {slope.max():.3f}")
print(f"ten sigmoids one after another: slope at most {slopes['sigmoid'].max() ** 10:.1e}")

# %% jupyter={"source_hidden": true}
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
# All derivatives together are called the *gradient*. One that shrinks with every layer is called *vanishing*. It is why deep
# networks left the sigmoid for ReLU (Glorot, Bordes and Bengio, 2011). GELU (Hendrycks and Gimpel, 2016) and SiLU
# (Elfwing et al., 2017) are smooth relatives; Qwen uses SiLU.

# %% [markdown]
# ## 5. Forward and backward, by hand
#
# A network with two inputs, two hidden neurons with ReLU, one output. One point $x = (1, 2)$ whose output should be 3.
#
# $$\underbrace{z_1}_{1\times2} = \underbrace{x}_{1\times2}\,\underbrace{W_1^{\mathsf T}}_{2\times2} + b_1,\qquad
# \underbrace{h}_{1\times2} = \max(z_1, 0),\qquad
# \underbrace{z_2}_{1\times1} = h\,\underbrace{W_2^{\mathsf T}}_{2\times1} + b_2,\qquad
# L = \tfrac12 (z_2 - 3)^2$$
#
# The *loss* $L$ says how wrong the answer is. These formulas form a *computational graph*, in which each value is computed from
# those before it. **Forward** goes through it from left to right:

# %%
x = np.array([[1, 2]], dtype=np.float32)  # [N, K] = [1, 2]
W1, b1 = np.array([[1, -1], [0.5, 1]], dtype=np.float32), np.array([0, -1], dtype=np.float32)
W2, b2 = np.array([[1, 2]], dtype=np.float32), np.array([-0.5], dtype=np.float32)


def loss_of(W1, b1, W2, b2):
    z1 = operators.linear(x, W1, b1)
    h = operators.relu(z1)
    z2 = operators.linear(h, W2, b2)
    return z1, h, z2, 0.5 * float((z2[0, 0] - 3) ** 2)


z1, h, z2, loss = loss_of(W1, b1, W2, b2)
print(f"z1 = {z1[0]}   h = {h[0]}   z2 = {z2[0]}   L = {loss}")

# %% [markdown]
# Check it on paper: $z_1 = (1\cdot1 - 1\cdot2 + 0,\; 0.5\cdot1 + 1\cdot2 - 1)$, and so on.
#
# **Backward** goes from right to left. Let $g_z$ be the derivative of $L$ with respect to $z$. By the chain rule:
#
# | | rule | here |
# |---|---|---|
# | loss | $g_{z_2} = z_2 - 3$ | $0 \cdot 1 + 1.5 \cdot 2 - 0.5 - 3 = -0.5$ |
# | weights of layer 2 | $g_{W_2} = g_{z_2}^{\mathsf T}\, h,\quad g_{b_2} = g_{z_2}$ | $-0.5 \cdot (0, 1.5)$ |
# | hidden activations | $g_h = g_{z_2} W_2$ | $-0.5 \cdot (1, 2)$ |
# | ReLU | $g_{z_1} = g_h$ where $z_1 > 0$, else 0 | $(0, -1)$ |
# | weights of layer 1 | $g_{W_1} = g_{z_1}^{\mathsf T}\, x,\quad g_{b_1} = g_{z_1}$ | second row: $-1 \cdot (1, 2)$ |
#
# The first hidden neuron did not fire: its activation is 0, so it had no part in the error and gets no gradient.
#
# The rules of a layer and of ReLU are operators of the course:

# %%
g_z2 = z2 - 3
g_h, g_W2, g_b2 = operators.linear_backward(g_z2, h, W2)
g_z1 = operators.relu_backward(g_h, z1)
_, g_W1, g_b1 = operators.linear_backward(g_z1, x, W1)
print("g_W2 =", g_W2.tolist(), " g_b2 =", g_b2.tolist())
print("g_W1 =", g_W1.tolist(), " g_b1 =", g_b1.tolist())

# %% [markdown]
# Is that right? Nudge each weight by a little and look at how much the loss changes. This is a *finite difference*:

# %%
nudge = 1e-3
measured = np.zeros_like(W1)
for m, k in np.ndindex(W1.shape):
    more, less = W1.copy(), W1.copy()
    more[m, k] += nudge
    less[m, k] -= nudge
    change = loss_of(more, b1, W2, b2)[-1] - loss_of(less, b1, W2, b2)[-1]
    measured[m, k] = change / (2 * nudge)
print("g_W1 measured:", measured.round(3).tolist())

# %% [markdown]
# This way of computing all derivatives in one sweep is *backpropagation* (Rumelhart, Hinton and Williams, 1986).
#
# Now for any number of layers. Forward must keep what backward needs: each layer's input, and the slope of its non-linear
# step. With ReLU, $h = z \cdot \text{slope}$ with a slope of 0 or 1. `parameters` is the list $W_1, b_1, W_2, b_2, \dots$


# %%
def relu_slope(z):
    return (z > 0).astype(np.float32)


def forward(parameters, x, kept=None, slope_of=relu_slope):
    """x [N, K] -> scores [N, C]. What backward needs is appended to `kept`."""
    for layer in range(0, len(parameters), 2):
        z = operators.linear(x, parameters[layer], parameters[layer + 1])
        is_last = layer + 2 == len(parameters)
        slope = np.ones_like(z) if is_last else slope_of(z)
        if kept is not None:
            kept.append((x, slope))
        x = z * slope
    return x


# %%
def backward(parameters, kept, grad):
    """Gradients of all parameters, given that of the scores."""
    grads = []
    for layer in reversed(range(0, len(parameters), 2)):
        x, slope = kept[layer // 2]
        grad, grad_weight, grad_bias = operators.linear_backward(grad * slope, x, parameters[layer])
        grads = [grad_weight, grad_bias, *grads]
    return grads


kept = []
scores = forward([W1, b1, W2, b2], x, kept)
print("the same numbers:", [g.tolist() for g in backward([W1, b1, W2, b2], kept, scores - 3)])

# %% [markdown]
# **Training** runs forward, keeps everything, runs backward and changes the weights. **Inference** uses a finished network:
# forward only, and each layer's activations can be discarded once the next layer is computed. What that means for a network
# with 8 layers of 256 neurons and 64 points at once:

# %%
rng = np.random.default_rng(0)


def random_parameters(sizes, rng):
    """Weights of variance 2 / K, which keeps the magnitude of ReLU's outputs (He et al., 2015)."""
    parameters = []
    for inputs, outputs in itertools.pairwise(sizes):
        weight = rng.normal(scale=np.sqrt(2 / inputs), size=(outputs, inputs))
        parameters += [weight.astype(np.float32), np.zeros(outputs, np.float32)]
    return parameters


# %%
deep, batch = random_parameters([256] * 9, rng), rng.normal(size=(64, 256)).astype(np.float32)
kept = []
forward(deep, batch, kept)
kept_bytes = sum(x.nbytes + slope.nbytes for x, slope in kept)
print(f"training keeps  {kept_bytes / 1e6:.2f} MB")
print(f"inference keeps {2 * batch.nbytes / 1e6:.2f} MB: input and output of one layer")


# %%
def forward_and_backward():
    kept = []
    scores = forward(deep, batch, kept)
    backward(deep, kept, scores)


wall = time.perf_counter  # the kernels may use several threads
training = seconds(forward_and_backward, clock=wall)
inference = seconds(forward, deep, batch, clock=wall)
print(f"training:  {1000 * training:.1f} ms for forward and backward")
print(f"inference: {1000 * inference:.1f} ms")

# %% [markdown]
# Backward takes two products of matrices where forward takes one: for the gradient of the input and for that of the weights.
# So training costs at least three times as much as inference; here more, because the course's `linear_backward` is a plain loop.

# %% [markdown]
# ## 6. Downhill: SGD, Adam, AdamW
#
# The gradient $g$ points uphill, so we step against it. Let $w$ be all weights and $\eta$ the *learning rate*, a hyperparameter:
#
# - **SGD**, stochastic gradient descent: $\;w \leftarrow w - \eta\, g$. It is stochastic where $g$ comes from a few points drawn
#   at random, a *batch*. Here we use all points in every step, so each step is an epoch.
# - **Adam** (Kingma and Ba, 2014) keeps running means for each weight, the *momentum*
#   $m \leftarrow \beta_1 m + (1 - \beta_1)\, g$ and the mean square $v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$, and
#   divides: $\;w \leftarrow w - \eta\, m / (\sqrt v + \epsilon)$. Steep and flat directions then move equally fast. The tiny
#   $\epsilon$ only prevents a division by zero.
# - **AdamW** (Loshchilov and Hutter, 2017) also shrinks the weights in each step:
#   $\;w \leftarrow w - \eta\,(m / (\sqrt v + \epsilon) + \lambda w)$. This is *weight decay*; section 8 says what for.


# %%
class SGD:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, parameters, grads):
        return [w - self.rate * g for w, g in zip(parameters, grads, strict=True)]


class Adam:
    """AdamW if decay is not zero."""

    def __init__(self, rate, decay=0.0, beta1=0.9, beta2=0.999):
        self.rate, self.decay, self.beta1, self.beta2 = rate, decay, beta1, beta2
        self.steps, self.m, self.v = 0, None, None

    def __call__(self, parameters, grads):
        if self.m is None:
            self.m, self.v = [0 * g for g in grads], [0 * g for g in grads]
        self.steps += 1
        b1, b2 = self.beta1, self.beta2
        self.m = [b1 * m + (1 - b1) * g for m, g in zip(self.m, grads, strict=True)]
        self.v = [b2 * v + (1 - b2) * g * g for v, g in zip(self.v, grads, strict=True)]
        # Running means start at zero, so the first ones are too small by these factors.
        correct_m, correct_v = 1 - b1**self.steps, 1 - b2**self.steps
        new = []
        for w, m, v in zip(parameters, self.m, self.v, strict=True):
            direction = m / correct_m / (np.sqrt(v / correct_v) + 1e-8)
            new.append(w - np.float32(self.rate) * (direction + self.decay * w))
        return new


# %% [markdown]
# All three on the same surface, a valley a hundred times steeper across than along. The smallest loss is at $(3, 2)$:
#
# $$L(w) = \tfrac12\left(20\,(w_1 - 3)^2 + 0.2\,(w_2 - 2)^2\right)$$
#
# > **Predict, then run.** SGD takes 60 steps with $\eta$ = 0.02, 0.09 and 0.101. Which arrives?

# %%
steepness, lowest = np.array([20, 0.2]), np.array([3, 2])


def loss_at(w):
    return 0.5 * np.sum(steepness * (w - lowest) ** 2, axis=-1)


def path(optimiser, steps=60, start=(-1.0, -2.0)):
    track = [np.array(start)]
    for _ in range(steps):
        grad = steepness * (track[-1] - lowest)
        track += optimiser([track[-1]], [grad])
    return np.array(track)  # [steps + 1, 2]


runs = {f"SGD, rate {rate}": path(SGD(rate)) for rate in (0.02, 0.09, 0.101)}
runs["Adam, rate 0.3"] = path(Adam(0.3))
for name, track in runs.items():
    print(f"{name}: ends at {track[-1].round(2)}, loss {loss_at(track[-1]):.3g}")


# %% jupyter={"source_hidden": true}
def draw_paths(axis, paths):
    w1, w2 = np.meshgrid(np.linspace(-2, 8, 120), np.linspace(-3, 4.5, 120))
    losses = loss_at(np.stack([w1, w2], axis=-1))
    axis.contour(
        w1, w2, losses, levels=[0.1, 1, 3, 10, 30, 100, 200], colors="#BBBBBB", linewidths=1
    )
    for (name, track), marker, colour in zip(
        paths.items(), plots.MARKERS, plots.COLOURS, strict=False
    ):
        axis.plot(*track.T, marker + "-", color=colour, markersize=3, linewidth=1, label=name)
    axis.plot(*lowest, "*", color=plots.BLACK, markersize=13)
    axis.set(xlabel="$w_1$", ylabel="$w_2$", xlim=(-2, 8), ylim=(-3, 4.5))
    axis.legend(loc="upper left", fontsize=8.5, frameon=True)


fig, axes = plots.figure(1, 2, width=9, height=3.4)
draw_paths(axes[0], {"SGD, η = 0.09": path(SGD(0.09)), "SGD, η = 0.02": path(SGD(0.02))})
axes[0].set_title("SGD: too slow along, or zigzag across")
draw_paths(
    axes[1],
    {"Adam, η = 0.3": path(Adam(0.3)), "AdamW, η = 0.3, λ = 0.2": path(Adam(0.3, decay=0.2))},
)
axes[1].set_title("Adam and AdamW: the same pace in both directions")
plots.show(
    fig,
    alt="Paths on a narrow valley. SGD with a small rate falls into the valley and creeps along "
    "it; with a large rate it zigzags. Adam goes straight to the lowest point, a little past "
    "it and back; AdamW ends nearer to the origin.",
)

# %% [markdown]
# Grey contour lines join points of equal loss. With $\eta$ = 0.101 SGD explodes. Across the valley each step multiplies the
# distance by $1 - 20\eta$, and beyond $\eta = 2/20 = 0.1$ that factor is below $-1$. So the steepest direction limits $\eta$,
# and the flattest then takes for ever. Adam has no such trouble. AdamW ends nearer to the origin, where its decay pulls.


# %%
@interact(rate=(0.005, 0.105, 0.005), adam_rate=(0.05, 1.0, 0.05))
def draw_chosen_paths(rate=0.05, adam_rate=0.3):
    fig, axis = plots.figure(width=6, height=3.6)
    draw_paths(axis, {"SGD": path(SGD(rate)), "Adam": path(Adam(adam_rate))})
    plots.show(fig, alt=f"Paths of SGD with rate {rate} and of Adam with rate {adam_rate}.")


# %% [markdown]
# ## 7. Wide or deep: the spiral
#
# Two spirals are wound into each other. The target is $(1, 0)$ for one and $(0, 1)$ for the other (*one-hot*: a single 1, at
# the right class), and the loss is half the squared distance between scores and target, averaged over the points. Its
# gradient for the scores is $(\text{scores} - \text{target}) / N$.


# %% jupyter={"source_hidden": true}
def spirals(count, rng, turns=2.5):
    """Points [count, 2] and their classes [count], 0 or 1."""
    classes = rng.integers(0, 2, count)
    length = np.sqrt(rng.uniform(0.02, 1, count))  # along the arm
    angle = 2 * np.pi * turns * length + np.pi * classes
    points = 3 * length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + rng.normal(scale=0.05, size=points.shape)).astype(np.float32), classes


# %%
rng = np.random.default_rng(0)
points, classes = spirals(600, rng)  # [600, 2], [600]
new_points, new_classes = spirals(1000, rng)


def train(parameters, optimiser, x, classes, steps, slope_of=relu_slope, watch=None):
    targets = np.eye(2, dtype=np.float32)[classes]  # [N, 2]
    for step_number in range(steps):
        kept = []
        scores = forward(parameters, x, kept, slope_of)
        grads = backward(parameters, kept, (scores - targets) / np.float32(len(x)))
        parameters = optimiser(parameters, grads)
        if watch:
            watch(step_number, parameters)
    return parameters


def accuracy(parameters, x, classes):
    return np.mean(forward(parameters, x).argmax(axis=1) == classes)


# %% [markdown]
# Three networks with about 400 numbers each:
#
# - **wide**: the two inputs, one hidden layer of 80;
# - **many features**: seven inputs made by hand ($x_1, x_2, x_1^2, x_2^2, x_1 x_2, \sin x_1, \sin x_2$), one hidden layer of 40;
# - **deep**: the two inputs, three hidden layers of 12.
#
# > **Predict, then run.** Which of the three learns the spirals?


# %%
def raw(x):
    return x


def seven(x):
    x1, x2 = x.T
    return np.stack([x1, x2, x1**2, x2**2, x1 * x2, np.sin(x1), np.sin(x2)], axis=1)


networks = {
    "wide": (raw, [2, 80, 2]),
    "many features": (seven, [7, 40, 2]),
    "deep": (raw, [2, 12, 12, 12, 2]),
}
trained = {}
for name, (features, sizes) in networks.items():
    parameters = random_parameters(sizes, np.random.default_rng(0))
    parameters = train(parameters, Adam(0.01), features(points), classes, steps=1500)
    trained[name] = parameters
    count = sum(w.size for w in parameters)
    right = accuracy(parameters, features(new_points), new_classes)
    print(f"{name:14s} {count} numbers, {right:.1%} of the new points right")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.3, sharey=True)
for axis, (name, (features, _)) in zip(axes, networks.items(), strict=True):
    plots.draw_regions(
        axis,
        lambda x, name=name, features=features: forward(trained[name], features(x)).argmax(axis=1),
        -3.2,
        3.2,
    )
    plots.draw_points(axis, points, classes, size=9)
    axis.set(title=name, ylabel="$x_2$" if name == "wide" else "")
plots.show(
    fig,
    alt="Regions learned for two interwoven spirals. The wide network sees only ragged sectors. "
    "The network with many features follows both arms smoothly, and the deep one follows them "
    "with corners.",
)

# %% [markdown]
# A layer of ReLUs folds the plane. A second layer folds what is already folded, so the number of pieces can grow with every
# layer as a product (Montúfar et al., 2014). Hand-made features help too, if the right ones are known.

# %% [markdown]
# ## 8. Learning the points, or learning the rule
#
# Networks overfit as polynomials do (lecture 01). Here are 60 points in two half-moons; eight labels are wrong on purpose. A
# network with two hidden layers of 64 has enough weights to memorise even those.


# %% jupyter={"source_hidden": true}
def moons(count, rng, wrong_labels=0):
    classes = rng.integers(0, 2, count)
    angle = np.pi * rng.uniform(size=count)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    points = np.where(classes[:, None] == 0, upper, -upper)
    points += rng.normal(scale=0.15, size=(count, 2))
    classes[:wrong_labels] = 1 - classes[:wrong_labels]
    return points.astype(np.float32), classes


# %%
rng = np.random.default_rng(5)
seen, seen_classes = moons(60, rng, wrong_labels=8)
held_out, held_out_classes = moons(300, rng)

# %% [markdown]
# Three remedies:
#
# - **Weight decay** (a *regularisation*): pull all weights towards zero, so that the boundary cannot bend sharply.
# - **Dropout** (Srivastava et al., 2014): in each training step set the activations of a random part of the hidden neurons to
#   zero, and scale up the rest to make up for them. No neuron can then rely on one other neuron. At inference all of them are
#   used.
# - **Early stopping**: watch the points held out, and keep the weights of the step at which they were answered best.


# %%
def dropped(rate, rng):
    """The slopes of ReLU with dropout: a share `rate` of the hidden neurons does not fire."""

    def slope(z):
        fires = (rng.uniform(size=z.shape) >= rate).astype(np.float32)
        return relu_slope(z) * fires / np.float32(1 - rate)

    return slope


def run(decay=0.0, slope_of=relu_slope, steps=1000):
    """Final parameters, and (step, parameters, accuracy on seen, on held out) every 20 steps."""
    log = []

    def watch(step, parameters):
        if step % 20 == 19:
            on_seen = accuracy(parameters, seen, seen_classes)
            on_held_out = accuracy(parameters, held_out, held_out_classes)
            log.append((step + 1, parameters, on_seen, on_held_out))

    parameters = random_parameters([2, 64, 64, 2], np.random.default_rng(1))
    return train(parameters, Adam(0.01, decay), seen, seen_classes, steps, slope_of, watch), log


# %%
plain, log = run()
best = max(log, key=lambda entry: entry[3])
candidates = {
    "nothing": plain,
    "weight decay, λ = 3": run(decay=3.0)[0],
    "dropout, half of them": run(slope_of=dropped(0.5, np.random.default_rng(2)))[0],
    f"stopped after {best[0]} steps": best[1],
}
for name, parameters in candidates.items():
    on_seen = accuracy(parameters, seen, seen_classes)
    on_held_out = accuracy(parameters, held_out, held_out_classes)
    print(f"{name:24s} {on_seen:.0%} of the points seen right, {on_held_out:.1%} of those held out")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(2, 3, width=9, height=5.6)
steps, _, on_seen, on_held_out = zip(*log, strict=True)
axes[0, 0].plot(steps, on_seen, label="seen")
axes[0, 0].plot(steps, on_held_out, "--", label="held out")
axes[0, 0].axvline(best[0], color=plots.GREY, linewidth=1)
axes[0, 0].set(xlabel="training step", ylabel="accuracy", title="no regularisation")
axes[0, 0].legend()
plots.draw_points(axes[0, 1], held_out, held_out_classes, size=8)
axes[0, 1].set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
axes[0, 1].set_title("300 points held out")
for axis, (name, parameters) in zip([axes[0, 2], *axes[1]], candidates.items(), strict=True):
    plots.draw_regions(
        axis, lambda x, parameters=parameters: forward(parameters, x).argmax(axis=1), -2, 2
    )
    plots.draw_points(axis, seen, seen_classes, size=14)
    axis.set_title(name)
plots.show(
    fig,
    alt="Without regularisation the accuracy rises to one on the points seen and falls on those held "
    "out; the region has islands around wrong labels. Weight decay, dropout and early stopping "
    "each give a smoother boundary near the true one.",
)

# %% [markdown]
# Early stopping looked at the held-out points, so they no longer count as unseen. In practice there are three sets: one to
# train, one to choose (*validation*), one to judge (*test*).

# %% [markdown]
# ## The answer
#
# - A layer is many neurons over the same inputs. Layers of half-planes make polygons, unions and colours; one wide hidden
#   layer can follow any curve, and depth does with few neurons what width needs many for.
# - The weights are found by going downhill: forward gives the loss, backward gives its slope for every weight, and SGD, Adam or
#   AdamW take the step. Weight decay, dropout and early stopping keep a network from memorising its points.
# - Inference is the forward pass alone. That is what the rest of the course makes fast.
#
# ## Sources
#
# - G. Cybenko (1989), [Approximation by superpositions of a sigmoidal function](https://doi.org/10.1007/BF02551274);
#   K. Hornik (1991), [Approximation capabilities of multilayer feedforward networks](https://doi.org/10.1016/0893-6080(91)90009-T).
# - D. Rumelhart, G. Hinton, R. Williams (1986), [Learning representations by back-propagating errors](https://doi.org/10.1038/323533a0).
# - X. Glorot, A. Bordes, Y. Bengio (2011), [Deep sparse rectifier neural networks](https://proceedings.mlr.press/v15/glorot11a.html).
# - K. He et al. (2015), [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852).
# - D. Hendrycks, K. Gimpel (2016), [Gaussian error linear units](https://arxiv.org/abs/1606.08415);
#   S. Elfwing et al. (2017), [Sigmoid-weighted linear units for neural network function approximation](https://arxiv.org/abs/1702.03118).
# - D. Kingma, J. Ba (2014), [Adam: a method for stochastic optimization](https://arxiv.org/abs/1412.6980);
#   I. Loshchilov, F. Hutter (2017), [Decoupled weight decay regularization](https://arxiv.org/abs/1711.05101).
# - G. Montúfar et al. (2014), [On the number of linear regions of deep neural networks](https://arxiv.org/abs/1402.1869).
# - N. Srivastava et al. (2014), [Dropout: a simple way to prevent neural networks from overfitting](https://jmlr.org/papers/v15/srivastava14a.html).
#
# ## Go on
#
# In [lab 02 layers](../labs/02_layers/02_layers.ipynb) you write these operators forward and backward, and train a network with
# them. Then: [06 Tensors](06_tensors.ipynb); there are no lectures 03 and 04 yet.
