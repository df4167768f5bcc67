# %% [markdown]
# # 01 · From curves to neurons
#
# **Question:** some rules we can write down as a formula. How can a machine find a rule that was never written down?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [00 Start here](00_start_here.ipynb) | Python, NumPy arrays, the dot product | 20 minutes | [01 neuron](../labs/01_neuron/01_neuron.ipynb) | [02 Layers](02_layers.ipynb) |

# %%
import math

import numpy as np
from ipywidgets import interact

from llaisys_mini import operators, plots

# %% [markdown]
# ## 1. The formula is known
#
# A ball is thrown upwards. We measure its height $h$ at 12 times $t$. Each measurement is off by a few centimetres.
# (The measurements are simulated, so we know the truth: the ball leaves at 1.5 m with 7 m/s.)

# %%
rng = np.random.default_rng(1)
t = np.linspace(0.1, 1.4, 12)
h = 1.5 + 7 * t - 9.81 / 2 * t**2 + rng.normal(scale=0.05, size=t.size)

# %% [markdown]
# Physics gives the form of the rule:
#
# $$h(t) = h_0 + v\,t - \tfrac12 g\,t^2$$
#
# Only three numbers are missing: $h_0$, $v$ and $g$. Each measurement is one equation for them.
# Written as one product of a matrix and a vector, with 12 rows and 3 columns:
#
# $$\underbrace{A}_{12\times 3}\;\underbrace{c}_{3} \approx \underbrace{h}_{12},
# \qquad A = \begin{pmatrix}1 & t_1 & t_1^2\\ \vdots & \vdots & \vdots\\ 1 & t_{12} & t_{12}^2\end{pmatrix},
# \qquad c = \begin{pmatrix}h_0\\ v\\ -g/2\end{pmatrix}$$
#
# Twelve equations for three unknowns have no exact solution, because the measurements are noisy.
# So we take the $c$ whose errors $A c - h$ have the smallest sum of squares. This is *least squares* (Legendre, 1805).
# Fitting a function to measured numbers is called *regression*.

# %%
A = np.stack([np.ones_like(t), t, t**2], axis=1)
c, *_ = np.linalg.lstsq(A, h)
print(f"A has shape {A.shape}")
print(f"h0 = {c[0]:.2f} m,  v = {c[1]:.2f} m/s,  g = {-2 * c[2]:.2f} m/s²")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=5.5)
fine = np.linspace(0, 1.5, 100)
axis.plot(fine, c[0] + c[1] * fine + c[2] * fine**2, label="fitted formula")
axis.plot(t, h, "o", color=plots.VERMILION, label="measurements")
axis.set(xlabel="time t [s]", ylabel="height h [m]", title="Three numbers were fitted")
axis.legend()
plots.show(
    fig,
    alt="Twelve measured heights of a thrown ball, and a parabola that passes through all of them "
    "closely.",
)

# %% [markdown]
# Three numbers came out, and each of them means something. That worked because the formula was known.

# %% [markdown]
# ## 2. The formula is not known
#
# Now 16 points of which we know nothing: no physics, only pairs $(x, y)$. A polynomial is a flexible guess. With degree $d$
# it has $d + 1$ numbers to fit, its *parameters*. The degree itself is a *hyperparameter*: it is chosen before anything is
# fitted.
#
# $$y(x) = c_0 + c_1 x + c_2 x^2 + \dots + c_d x^d$$

# %%
rng = np.random.default_rng(5)


def unknown_process(x):
    return np.sin(3 * x) + 0.5 * x + rng.normal(scale=0.2, size=x.shape)


x = np.linspace(-2, 2, 16)
y = unknown_process(x)
new_x = rng.uniform(-2, 2, size=200)
new_y = unknown_process(new_x)


def error(polynomial, x, y):
    """Root of the mean squared error."""
    return np.sqrt(np.mean((polynomial(x) - y) ** 2))


# %% [markdown]
# `x, y` are for fitting. `new_x, new_y` come from the same process, but the fit never sees them.
#
# > **Predict, then run.** We fit polynomials of degree 0, 1, 2, ... up to 15.
# > Which degree has the smallest error on the 16 points it was fitted to? Which on the new points?

# %%
degrees = range(16)
fits = [np.polynomial.Polynomial.fit(x, y, degree) for degree in degrees]
error_seen = [error(fit, x, y) for fit in fits]
error_new = [error(fit, new_x, new_y) for fit in fits]

for degree in (1, 3, 7, 10, 15):
    old, new = error_seen[degree], error_new[degree]
    print(f"degree {degree:2d}: error {old:.4f} on the points seen, {new:.4f} on new ones")
print("smallest on the points seen: degree", np.argmin(error_seen))
print("smallest on the new points:  degree", np.argmin(error_new))


# %% jupyter={"source_hidden": true}
def draw_fit(axis, degree):
    fine = np.linspace(-2, 2, 400)
    axis.plot(new_x, new_y, ".", color=plots.GREY, markersize=3, label="new points")
    axis.plot(x, y, "o", color=plots.VERMILION, label="points seen")
    axis.plot(fine, fits[degree](fine), label="polynomial")
    axis.set(xlabel="x", ylim=(-3, 3), title=f"degree {degree}")


fig, axes = plots.figure(1, 3, width=9, height=2.9, sharey=True)
for axis, degree in zip(axes, (1, 7, 15), strict=True):
    draw_fit(axis, degree)
axes[0].set(ylabel="y", title="degree 1: underfitting")
axes[1].set(title="degree 7")
axes[2].set(title="degree 15: overfitting")
axes[0].legend(loc="upper left", fontsize=8.5, borderaxespad=0)
plots.show(
    fig,
    alt="Three fits to the same 16 points. Degree 1 is a line that misses the waves. Degree 7 "
    "follows them. Degree 15 hits every point and swings far away between them.",
)

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7)
axis.semilogy(degrees[:-1], error_seen[:-1], "o-", label="points seen")
axis.semilogy(degrees, error_new, "s-", label="new points")
axis.set(
    xlabel="degree of the polynomial", ylabel="error (root mean square)", xticks=range(0, 16, 3)
)
axis.grid(axis="y")
axis.legend(loc="lower left")
plots.show(
    fig,
    alt="Error against degree. On the points seen it falls with every degree. "
    "On new points it falls up to degree 7 or so, then rises steeply.",
)

# %% [markdown]
# More numbers always fit the points seen better. With 16 numbers for 16 points the error is zero up to rounding, which a
# logarithmic axis cannot show: the blue curve ends at degree 14.
# The new points tell another story:
#
# - **Underfitting**: too few numbers. The error is large everywhere.
# - **Overfitting**: too many. The curve learns the noise of the 16 points and fails between them.
#
# So a model is judged on data that it was not fitted to. We hold some data back for that: a *held-out* or *test* set.


# %%
@interact(degree=(0, 15))
def draw_chosen_fit(degree=4):
    fig, axis = plots.figure(width=5.5)
    draw_fit(axis, degree)
    plots.show(fig, alt=f"The polynomial of degree {degree} and the points.")


# %% [markdown]
# ## 3. Where this stops
#
# Many questions have more than one input, and their answer is a choice, not a number on a curve: *classification* in place of
# regression. *Is this picture a seven?* A small picture has 28 × 28 = 784 grey values, so 784 inputs.
#
# > **Predict, then run.** A polynomial of degree 3 in one variable has 4 coefficients.
# > How many has a polynomial of degree 3 in 784 variables?

# %%
for inputs in (1, 2, 10, 784):
    print(f"{inputs:4d} inputs, degree 3: {math.comb(inputs + 3, 3):12,d} coefficients")

# %% [markdown]
# A polynomial of degree $d$ in $K$ variables has $\binom{K+d}{d}$ coefficients: one for every product of up to $d$ inputs.
# For pictures that is hopeless, and nothing says that products of pixels are what matters.
#
# We need a building block that stays small when there are many inputs, and that answers with a choice.

# %% [markdown]
# ## 4. A neuron: a linear step, then a non-linear step
#
# 1. **Linear step.** Multiply each input by a *weight*, add everything up, add a *bias*:
#    $\quad z = w_1 x_1 + w_2 x_2 + \dots + w_K x_K + b$
# 2. **Non-linear step.** Keep only the sign: $\quad y = \operatorname{sgn}(z)$, which is $+1$ where $z \ge 0$ and $-1$ elsewhere.
#    The function of this step is called the *activation function*.
#
# $K$ inputs need $K + 1$ numbers. For 784 pixels that is 785, not 81 million.
#
# McCulloch and Pitts (1943) described such a unit as a model of a nerve cell; Rosenblatt (1958) made it learn.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7.5, height=2.4)
axis.set(xlim=(-0.6, 10), ylim=(-0.3, 4.3))
axis.axis("off")
arrow = dict(arrowstyle="->", color="#555555", linewidth=1.4)
for row, (name, weight) in enumerate([("$b$", None), ("$x_2$", "$w_2$"), ("$x_1$", "$w_1$")]):
    height = 0.5 + 1.5 * row
    axis.text(0, height, name, ha="center", va="center", fontsize=14)
    axis.annotate("", (3.42, 2 + 0.25 * (row - 1)), (0.4, height), arrowprops=arrow)
    if weight:
        axis.text(
            1.6, 2.25 + 1.05 * (row - 1), f"× {weight}", ha="center", fontsize=12, color=plots.BLUE
        )
box = dict(boxstyle="round,pad=0.6", facecolor="white", linewidth=1.6)
axis.text(4, 2, "add up", ha="center", va="center", bbox={**box, "edgecolor": plots.BLUE})
axis.annotate("", (6.62, 2), (4.57, 2), arrowprops=arrow)
axis.text(5.55, 2.2, "$z$", ha="center", fontsize=14)
axis.text(7, 2, "sgn", ha="center", va="center", bbox={**box, "edgecolor": plots.VERMILION})
axis.annotate("", (9.1, 2), (7.4, 2), arrowprops=arrow)
axis.text(9.4, 2, "$y$", ha="center", va="center", fontsize=14)
axis.text(4, 0.5, "linear step", ha="center", color=plots.BLUE)
axis.text(7, 0.5, "non-linear step", ha="center", color=plots.VERMILION)
plots.show(
    fig,
    alt="A neuron: two weighted inputs and a bias are added up to z; the sign of z is the answer "
    "y.",
)

# %% [markdown]
# The linear step of many points at once is one operator of this course, `linear`:
#
# $$\underbrace{z}_{N\times M} = \underbrace{x}_{N\times K}\;\underbrace{W^{\mathsf T}}_{K\times M} + \underbrace{b}_{M}$$
#
# | argument | shape | meaning |
# |---|---|---|
# | `x` | [N, K] | N points with K inputs each |
# | `weight` | [M, K] | W: M neurons with K weights each; here M = 1 |
# | `bias` | [M] | b: one per neuron |
# | result | [N, M] | z of every point for every neuron |
#
# All numbers are 32-bit floats (`float32`), as in the models that this course ends with.

# %%
points = np.array([[2, 1], [0, 3], [-1, -1], [1, -2]], dtype=np.float32)  # [N, K] = [4, 2]
weight = np.array([[1, 2]], dtype=np.float32)  # [M, K] = [1, 2]
bias = np.array([-1], dtype=np.float32)  # [M]


def sgn(z):
    return np.where(z >= 0, 1, -1)


z = operators.linear(points, weight, bias)  # [N, M] = [4, 1]
for (x1, x2), value in zip(points, z[:, 0], strict=True):
    print(f"1 · {x1:2.0f} + 2 · {x2:2.0f} - 1 = {value:2.0f}   sgn: {sgn(value):2d}")

# %% [markdown]
# ## 5. The decision boundary
#
# With two inputs each point lies in the plane. The neuron answers $+1$ on one side and $-1$ on the other.
# Where $z$ is exactly zero runs the *decision boundary*:
#
# $$w_1 x_1 + w_2 x_2 + b = 0$$
#
# This is a straight line. Here are eight labelled points and three neurons.

# %%
plus = [[1.5, 2.0], [2.5, 0.5], [0.5, 2.5], [2.0, -0.8]]
minus = [[-1.0, 0.5], [-2.0, -1.0], [0.2, -1.5], [-1.5, 1.8]]
points = np.array(plus + minus, dtype=np.float32)  # [8, 2]
labels = np.repeat([1, -1], 4)


def neuron(x, w1, w2, b):
    """x [N, 2] -> answers [N], each +1 or -1."""
    weight, bias = np.array([[w1, w2]], np.float32), np.array([b], np.float32)
    return sgn(operators.linear(x, weight, bias))[:, 0]


# %% jupyter={"source_hidden": true}
def draw_neuron(axis, points, labels, w1, w2, b, reach=3.2):
    """Regions and boundary of a neuron, its weight vector, the points; rings around wrong ones."""
    plots.draw_regions(axis, lambda x: (1 - neuron(x, w1, w2, b)) // 2, -reach, reach)
    plots.draw_points(axis, points, (1 - labels) // 2, size=34)
    wrong = points[neuron(points, w1, w2, b) != labels]
    axis.scatter(
        *wrong.T, s=1500 / len(points) + 70, facecolor="none", edgecolor=plots.BLACK, linewidth=1.3
    )
    if w1 or w2:
        direction = np.array([w1, w2]) / np.hypot(w1, w2)
        foot = -b / np.hypot(w1, w2) * direction
        along = 10 * np.array([-direction[1], direction[0]])
        axis.plot(*np.stack([foot - along, foot + along]).T, color=plots.BLACK, linewidth=1.3)
        arrow = dict(arrowstyle="-|>", linewidth=1.8, color=plots.BLACK, shrinkA=0)
        axis.annotate("", foot + 0.28 * reach * direction, foot, arrowprops=arrow)
    axis.set_title(f"$w$ = ({w1:.3g}, {w2:.3g}), $b$ = {b:.3g}\n{len(wrong)} wrong", fontsize=10)


fig, axes = plots.figure(1, 3, width=9, height=3.4)
for axis, (w1, w2, b) in zip(axes, [(1, 0, 0), (0.9, 0.6, 0), (0.9, 0.6, -0.9)], strict=True):
    draw_neuron(axis, points, labels, w1, w2, b)
plots.show(
    fig,
    alt="Three neurons on the same eight points. The first has a vertical boundary and gets one "
    "point wrong. The second, turned, and the third, turned and moved away from the origin, "
    "get none wrong.",
)

# %% [markdown]
# Circles are labelled $+1$, squares $-1$. Blue background: the neuron answers $+1$. A ring marks a wrong answer.
# The arrow has the direction of the weight vector $w = (w_1, w_2)$.
#
# What does each of the three numbers do? We start from $w = (1, 1)$, $b = -1$ and change one at a time:

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.2, sharey=True)
start, line = {"$w_1$": 1, "$w_2$": 1, "$b$": -1}, np.array([-3, 3])
changes = {"$w_1$": (0.3, 1, 3), "$w_2$": (0.3, 1, 3), "$b$": (-2, -1, 1)}
for axis, (name, values) in zip(axes, changes.items(), strict=True):
    for value, dashes in zip(values, ("--", "-", "-."), strict=True):
        w1, w2, b = {**start, name: value}.values()
        axis.plot(line, -(w1 * line + b) / w2, dashes, label=f"{name} = {value}")
    axis.set(
        xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xlabel="$x_1$", title=f"only {name} changes"
    )
    axis.grid()
    axis.legend(loc="upper right" if name == "$b$" else "lower left", fontsize=8.5)
for axis, point in zip(axes[:2], [(0, 1), (1, 0)], strict=True):
    axis.plot(*point, "o", color=plots.BLACK, markersize=6)
axes[0].set_ylabel("$x_2$")
plots.show(
    fig,
    alt="Boundaries when one number changes. With the first weight they turn about a point on the "
    "second axis, with the second weight about a point on the first axis; with the bias they "
    "move without turning.",
)

# %% [markdown]
# - **One weight turns the boundary** about a point of the other input's axis. With $x_1 = 0$ the equation of the boundary does not
#   contain $w_1$, so the point $(0, -b/w_2)$ stays where it is. The larger $w_1$, the steeper the boundary.
# - **$w$ stands at a right angle to the boundary** and points to the $+1$ side. Why: if $p$ and $q$ both lie on the boundary, then
#   $w\cdot p + b = 0$ and $w\cdot q + b = 0$. Subtract: $w\cdot(p - q) = 0$.
# - **$b$ moves the boundary** without turning it. Its distance from the origin is $|b| / \lVert w\rVert$.
#
# > **Predict, then run.** We double $w_1$, $w_2$ and $b$, all three. What happens to the boundary?

# %%
grid = plots.plane(-3, 3)
once = neuron(grid, 0.9, 0.6, -0.9)
twice = neuron(grid, 1.8, 1.2, -1.8)
print(f"{np.sum(once != twice)} of {len(grid)} points of the plane changed their answer")
before, after = 0.9 / np.hypot(0.9, 0.6), 1.8 / np.hypot(1.8, 1.2)
print(f"distance from the origin: {before:.3f} before, {after:.3f} after")

# %% [markdown]
# Nothing happens: $z$ doubles everywhere, but its sign stays. Only the ratios of the three numbers decide the boundary.
# Turn the knobs and find a boundary with no point wrong:


# %%
@interact(w1=(-2.0, 2.0, 0.1), w2=(-2.0, 2.0, 0.1), b=(-3.0, 3.0, 0.1))
def draw_chosen_neuron(w1=-0.5, w2=1.0, b=0.0):
    fig, axis = plots.figure(width=4.4, height=4.4)
    draw_neuron(axis, points, labels, w1, w2, b)
    plots.show(fig, alt=f"The boundary for w = ({w1}, {w2}), b = {b}.")


# %% [markdown]
# ## 6. Learning: the perceptron rule
#
# By hand this is a game for eight points and two inputs. Rosenblatt's rule plays it for any number.
# Start with zeros. Go through the points. Whenever the answer for a point $x$ with label $y$ is wrong:
#
# $$w \leftarrow w + y\,x, \qquad b \leftarrow b + y$$
#
# Why does that help? After the step, $z$ for the same point is $(w + yx)\cdot x + b + y = z + y\,(\lVert x\rVert^2 + 1)$.
# So $z$ has moved towards the side where it should be. Another point may now be wrong, so we go round again. One round over
# all points is an *epoch*.

# %%
rng = np.random.default_rng(4)
n = 25
plus = rng.normal((1.2, 1.0), 0.75, (n, 2))
minus = rng.normal((-1.0, -0.9), 0.75, (n, 2))
cloud = np.concatenate([plus, minus]).astype(np.float32)  # [50, 2]
cloud_labels = np.repeat([1, -1], n)
order = rng.permutation(2 * n)
cloud, cloud_labels = cloud[order], cloud_labels[order]


# %%
def perceptron(points, labels, passes):
    """Returns (w, b) after every update, and the number of wrong answers in every pass."""
    w, b = np.zeros(points.shape[1]), 0.0
    states, wrong_per_pass = [(w, b)], []
    for _ in range(passes):
        wrong = 0
        for x, y in zip(points, labels, strict=True):
            if sgn(w @ x + b) != y:
                w, b = w + y * x, b + y
                states.append((w, b))
                wrong += 1
        wrong_per_pass.append(wrong)
    return states, wrong_per_pass


# %%
states, wrong_per_pass = perceptron(cloud, cloud_labels, passes=8)
print("wrong answers in each pass over the 50 points:", wrong_per_pass)
print(f"{len(states) - 1} updates; w = {np.round(states[-1][0], 2)}, b = {states[-1][1]:.0f}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.4)
for axis, update in zip(axes, (1, len(states) // 2, len(states) - 1), strict=True):
    (w1, w2), b = states[update]
    draw_neuron(axis, cloud, cloud_labels, w1, w2, b, reach=3.5)
    axis.set_title(
        f"after update {update}\n{np.sum(neuron(cloud, w1, w2, b) != cloud_labels)} wrong",
        fontsize=10,
    )
plots.show(
    fig,
    alt="The boundary of the perceptron after its first update, halfway, and after the last: "
    "it turns and moves until all 50 points are on their side.",
)

# %% [markdown]
# The rule stopped by itself: a pass without a mistake changes nothing.
#
# It always stops if some line separates the points at all (Novikoff, 1962). Append a 1 to every point: now points have three
# numbers, $b$ is simply the third weight, and the boundary is a plane through the origin. Let $R$ be the distance of the
# farthest point from the origin, and $\gamma$ the distance of the nearest point from some plane that separates the classes.
# Then the rule makes at most $(R/\gamma)^2$ updates. We check this with the plane it found:

# %%
with_one = np.concatenate([cloud, np.ones((len(cloud), 1))], axis=1)  # [N, 3]
found = np.append(*states[-1])  # [3]
R = np.linalg.norm(with_one, axis=1).max()
gamma = np.min(cloud_labels * (with_one @ found)) / np.linalg.norm(found)
print(f"R = {R:.2f}, gamma = {gamma:.3f}")
print(f"at most {(R / gamma) ** 2:.0f} updates; it took {len(states) - 1}")

# %% [markdown]
# ## 7. What one neuron cannot do
#
# Four points, and the label says whether *exactly one* of the two inputs is 1. Logicians call this XOR, exclusive or.
#
# | $x_1$ | $x_2$ | label |
# |---|---|---|
# | 0 | 0 | −1 |
# | 0 | 1 | +1 |
# | 1 | 0 | +1 |
# | 1 | 1 | −1 |

# %%
xor_points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
xor_labels = np.array([-1, 1, 1, -1])
states, wrong_per_pass = perceptron(xor_points, xor_labels, passes=12)
print("wrong answers in each pass over the 4 points:", wrong_per_pass)
print("the last eight states:")
for w, b in states[-8:]:
    print("  w = ({:2.0f}, {:2.0f}), b = {:2.0f}".format(*(w + 0.0), b))  # + 0.0 turns -0 into 0

# %% [markdown]
# It runs in circles, and would for ever. Is the rule too weak, or is there no such boundary? We try many, all of
# $w_1, w_2, b \in \{-2, -1.9, \dots, 2\}$, and count how many of the four points each gets right:

# %%
values = np.linspace(-2, 2, 41)
w1, w2, b = np.meshgrid(values, values, values)  # each [41, 41, 41]
right = sum(
    (sgn(w1 * x1 + w2 * x2 + b) == y).astype(int)
    for (x1, x2), y in zip(xor_points, xor_labels, strict=True)
)
for count in range(5):
    print(f"{count} points right: {np.sum(right == count):6,d} of {right.size:,d} neurons")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.4)
for axis, (w1, w2, b) in zip(axes, [(1, 1, -0.5), (-1, -1, 1.5), (1, -1, -0.5)], strict=True):
    draw_neuron(axis, xor_points, xor_labels, w1, w2, b, reach=1.8)
plots.show(
    fig,
    alt="Three boundaries on the four XOR points. Each has at least one point on the wrong side.",
)

# %% [markdown]
# No neuron gets all four right, and a short proof shows that none ever will. It would need
#
# $$b < 0, \qquad w_2 + b \ge 0, \qquad w_1 + b \ge 0, \qquad w_1 + w_2 + b < 0.$$
#
# Add the two in the middle: $w_1 + w_2 + 2b \ge 0$, so $w_1 + w_2 + b \ge -b > 0$. That contradicts the last.
# Minsky and Papert (1969) showed how much lies beyond such units.
#
# Look at the first two pictures again. The first neuron says *at least one*, the second *not both*. XOR is true where both
# say $+1$. So three neurons can do what one cannot, if the third one looks at the answers of the first two:

# %%
at_least_one = neuron(xor_points, 1, 1, -0.5)
not_both = neuron(xor_points, -1, -1, 1.5)
answers = np.stack([at_least_one, not_both], axis=1)  # [4, 2]: the inputs of the third neuron
both = neuron(answers.astype(np.float32), 1, 1, -1)
print("at least one: ", at_least_one)
print("not both:     ", not_both)
print("both of these:", both)
print("labels:       ", xor_labels)

# %% [markdown]
# ## The answer
#
# - Where the formula is known, least squares finds its numbers. Where it is not, a flexible curve can fit, and overfit.
# - A neuron is a linear step and a non-linear step. It learns its rule from labelled examples, by correcting its mistakes.
# - One neuron draws one straight boundary. It finds one whenever one exists; XOR has none. Three neurons in two layers
#   solve XOR, but we set their weights by hand. How layers learn is the next lecture.
#
# ## Sources
#
# - A.-M. Legendre (1805), *Nouvelles méthodes pour la détermination des orbites des comètes*: least squares.
# - W. McCulloch, W. Pitts (1943), [A logical calculus of the ideas immanent in nervous activity](https://doi.org/10.1007/BF02478259).
# - F. Rosenblatt (1958), [The perceptron](https://doi.org/10.1037/h0042519).
# - A. Novikoff (1962), *On convergence proofs on perceptrons*, Symposium on the Mathematical Theory of Automata.
# - M. Minsky, S. Papert (1969), *Perceptrons*, MIT Press.
#
# ## Go on
#
# In [lab 01 neuron](../labs/01_neuron/01_neuron.ipynb) you write `linear` and `sign` as kernels, and the perceptron rule.
# Then: [02 Layers](02_layers.ipynb).
