# %% [markdown]
# # 01 · From curves to neurons
#
# **Question:** some rules we can write down as a formula. How can a machine find a rule that was never written down?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [00 Start here](00_start_here.ipynb) | Python, NumPy arrays, the dot product | 25 minutes | [01 neuron](../labs/01_neuron/01_neuron.ipynb) | [02 Layers](02_layers.ipynb) |

# %%
import math

import numpy as np

from llaisys_mini import operators, plots
from llaisys_mini.lectures import widgets

# %% [markdown]
# ## 1. The formula is known
#
# A ball is thrown upwards. We measure its height $h$ at 12 times $t$, each off by a few centimetres. (Simulated: the ball leaves at
# 1.5 m with 7 m/s.)

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
# All of them as one product of a matrix and a vector:
#
# $$\underbrace{A}_{12\times 3}\;\underbrace{c}_{3} \approx \underbrace{h}_{12},
# \qquad A = \begin{pmatrix}1 & t_1 & t_1^2\\ \vdots & \vdots & \vdots\\ 1 & t_{12} & t_{12}^2\end{pmatrix},
# \qquad c = \begin{pmatrix}h_0\\ v\\ -g/2\end{pmatrix}$$
#
# Twelve equations for three unknowns have no exact solution, because the measurements are noisy. What is left over,
# $r = A c - h$, are the *residuals*. *Least squares* (Legendre, 1805) takes the $c$ with the smallest mean of their squares, the *mean
# squared error* $L(c) = \frac1N \lVert A c - h\rVert^2$. Fitting a function to measured numbers is called *regression*.
#
# **By formula.** At the minimum all derivatives of $L$ are zero: $\frac2N A^{\mathsf T}(Ac - h) = 0$. These are the *normal equations*, as many as
# unknowns: $A^{\mathsf T}A\,c = A^{\mathsf T}h$.

# %%
A = np.stack([np.ones_like(t), t, t**2], axis=1)  # [12, 3]
c = np.linalg.solve(A.T @ A, A.T @ h)
residuals = A @ c - h
print(f"h0 = {c[0]:.2f} m,  v = {c[1]:.2f} m/s,  g = {-2 * c[2]:.2f} m/s²")
print(f"root of the mean squared residual: {100 * np.sqrt(np.mean(residuals**2)):.1f} cm")

# %% [markdown]
# **By gradient descent.** For most models of this course no such formula exists. Then we go downhill: compute the *gradient* of $L$, its slope
# along each unknown, and take a step against it, again and again: $c \leftarrow c - \eta\,\frac2N A^{\mathsf T}(Ac - h)$. The number $\eta$ is the *learning rate*.
#
# > **Predict, then run.** Gradient descent begins at $c = (0, 0, 0)$ with $\eta = 0.3$. How many steps until $g$ agrees with the
# > formula to two decimals: 10, 100, or more than 1,000?


# %%
def descend(A, h, steps, rate=0.3):
    track = [np.zeros(A.shape[1])]
    for _ in range(steps):
        track.append(track[-1] - rate * 2 / len(h) * A.T @ (A @ track[-1] - h))
    return np.array(track)  # [steps + 1, unknowns]


track = descend(A, h, 10_000)
for steps in (10, 100, 1000, 10_000):
    print(f"after {steps:6,d} steps: g = {-2 * track[steps, 2]:.2f}")

# %% jupyter={"source_hidden": true}
B, known = A[:, :2], h + 9.81 / 2 * t**2  # with g known only h0 and v are missing
short = descend(B, known, 40)
best = np.linalg.solve(B.T @ B, B.T @ known)
fig, axes = plots.figure(1, 2, width=9, height=3.2)
fine = np.linspace(0, 1.5, 100)
axes[0].plot(fine, c[0] + c[1] * fine + c[2] * fine**2, label="fitted formula")
axes[0].plot(t, h, "o", color=plots.VERMILION, label="measurements")
for time, measured, off in zip(t, h, residuals, strict=True):
    axes[0].plot([time] * 2, [measured, measured + 5 * off], color=plots.GREY, linewidth=1.2)
axes[0].set(xlabel="time t [s]", ylabel="height h [m]", title="residuals, drawn five times as long")
axes[0].legend()
h0, v = np.meshgrid(np.linspace(-0.5, 6, 120), np.linspace(-0.5, 9, 120))
losses = np.mean((h0[..., None] + v[..., None] * t - known) ** 2, axis=-1)
axes[1].contour(h0, v, losses, levels=[0.05, 0.3, 1, 3, 8, 20], colors=plots.GREY, linewidths=0.8)
axes[1].plot(*short.T, "o-", markersize=3, linewidth=1, label="40 steps of descent")
axes[1].plot(*best, "*", color=plots.VERMILION, markersize=13, label="normal equations")
axes[1].set(xlabel="$h_0$ [m]", ylabel="v [m/s]", title="the loss, if g is known")
axes[1].legend(loc="upper right")
plots.show(
    fig,
    alt="Left: twelve measured heights of a thrown ball, a parabola close to all of them, and their residuals. "
    "Right: contours of the loss over h0 and v, a long narrow valley; descent falls into it and then creeps along it "
    "towards the solution of the normal equations.",
)

# %% [markdown]
# > **The common guess**, a hundred, overlooks that the loss falls fast at first, long before $g$ is right.
#
# More than a thousand. The contours at the right (points of equal loss, with $g$ known) show a long, narrow valley, because a smaller $v$ makes up for
# most of a larger $h_0$. The first step leads into the valley; the steps along it are short.

# %% [markdown]
# ## 2. The formula is not known
#
# Now 16 points of which we know nothing: no physics, only pairs $(x, y)$. A polynomial of degree $d$, $y = c_0 + c_1 x + \dots + c_d x^d$, is a flexible
# guess. It has $d + 1$ numbers to fit, its *parameters*. The degree is a *hyperparameter*: it is chosen before anything is fitted.

# %% jupyter={"source_hidden": true}
rng = np.random.default_rng(5)


def truth(x):
    return np.sin(3 * x) + 0.5 * x


def unknown_process(x):
    return truth(x) + rng.normal(scale=0.2, size=x.shape)


x = np.linspace(-2, 2, 16)
y = unknown_process(x)
new_x = rng.uniform(-2, 2, size=200)
new_y = unknown_process(new_x)


def error(polynomial, x, y):
    """Root of the mean squared error."""
    return np.sqrt(np.mean((polynomial(x) - y) ** 2))


# %% [markdown]
# `x, y` are for fitting. 200 points `new_x, new_y` come from the same process, but the fit never sees them.
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

# %% [markdown]
# > **The common guess**, the same degree for both, forgets that a fit to noisy points also fits their noise.
#
# With more parameters the fit to the points seen is never worse. With 16 for 16 points the error is zero up to rounding. On new points it is different:
#
# - **Underfitting**: too few parameters. The error is large everywhere.
# - **Overfitting**: too many. The curve follows the noise of the 16 points and fails between them.
#
# To see the difference, measure 200 times: 16 new values of $y$, and a fit to them. The mean of the fits may miss the truth: that is their *bias*.
# Single fits scatter around the mean: that is their *variance*. The expected squared error on new points is bias² + variance + the variance of
# the noise.

# %%
everywhere = np.linspace(-2, 2, 200)
repeated = {}
for degree in (1, 7, 13):
    repeated[degree] = np.array(
        [
            np.polynomial.Polynomial.fit(x, unknown_process(x), degree)(everywhere)
            for _ in range(200)
        ]
    )  # [200 fits, 200 places]
    bias2 = np.mean((repeated[degree].mean(axis=0) - truth(everywhere)) ** 2)
    variance = np.mean(repeated[degree].var(axis=0))
    new = np.mean((repeated[degree] - unknown_process(np.tile(everywhere, (200, 1)))) ** 2)
    print(f"degree {degree:2d}: bias² {bias2:.3f} + variance {variance:.3f} + noise {0.2**2:.3f}")
    print(f"           = {bias2 + variance + 0.04:.3f}; squared error on new points {new:.3f}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=2.9, sharey=True)
names = {1: "degree 1: underfitting", 7: "degree 7", 13: "degree 13: overfitting"}
for axis, (degree, name) in zip(axes, names.items(), strict=True):
    for fit in repeated[degree][:12]:
        axis.plot(everywhere, fit, color=plots.GREY, linewidth=0.6)
    axis.plot(
        everywhere, repeated[degree].mean(axis=0), "--", color=plots.BLUE, label="mean of 200 fits"
    )
    axis.plot(everywhere, truth(everywhere), color=plots.VERMILION, label="truth")
    axis.set(xlabel="x", ylim=(-3, 3), title=name)
axes[0].set_ylabel("y")
axes[0].legend(loc="upper left", fontsize=8.5, borderaxespad=0)
plots.show(
    fig,
    alt="Twelve fits to fresh data for each of three degrees. Degree 1: all alike, and all wrong. Degree 7: near the truth. "
    "Degree 13: right on average, each one far off near the ends.",
)

# %% [markdown]
# So a model is judged on data that it was not fitted to, a *held-out* set. Data by which we *choose* something, such as the degree, no longer counts
# as unseen. So there are three sets: one to fit (*training*), one to choose (*validation*), one to judge at the end (*test*).
#
# With few points each set is small, and chance decides. *k-fold cross-validation* uses every point for both: cut the points into $k$ parts, leave
# out one part at a time, fit to the rest, and average the errors on the parts left out. The $k$ errors differ, so their mean has a *standard
# error*. The cautious *one-standard-error rule* takes the simplest model whose error is within one standard error of the smallest.


# %%
def cross_validation(x, y, k, degree):
    """Mean of the k squared errors, and its standard error. The points are in random order."""
    errors = []
    for part in np.arange(len(x)).reshape(k, -1):
        rest = np.setdiff1d(np.arange(len(x)), part)
        fit = np.polynomial.Polynomial.fit(x[rest], y[rest], degree)
        errors.append(np.mean((fit(x[part]) - y[part]) ** 2))
    return np.mean(errors), np.std(errors, ddof=1) / np.sqrt(k)


def choose(x, y, k, largest):
    mean, spread = np.transpose([cross_validation(x, y, k, d) for d in range(largest + 1)])
    least = mean.argmin()
    return least, np.argmax(mean <= mean[least] + spread[least]), np.sqrt(mean)


# %% jupyter={"source_hidden": true}
for count, k, largest in ((16, 4, 11), (48, 6, 15)):
    chosen = []
    for _ in range(40):
        xs = rng.permutation(np.linspace(-2, 2, count))
        smallest, simple, cross = choose(xs, unknown_process(xs), k, largest)
        chosen.append((smallest, simple))
    print(f"{count} points, {k} folds, 40 times: how often each degree was chosen")
    for name, column in zip(
        ("smallest error", "one standard error"), np.transpose(chosen), strict=True
    ):
        times = np.bincount(column)
        print(f"   {name:18s}", ", ".join(f"{d}: {n}" for d, n in enumerate(times) if n))

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7)
axis.semilogy(degrees[:-1], error_seen[:-1], "o-", label="16 points: on those seen")
axis.semilogy(degrees, error_new, "s-", label="16 points: on new ones")
axis.semilogy(degrees, cross, "^--", label="48 points: 6-fold cross-validation")
axis.set(
    xlabel="degree of the polynomial", ylabel="error (root mean square)", xticks=range(0, 16, 3)
)
axis.grid(axis="y")
axis.legend(loc="lower left", fontsize=8.5)
plots.show(
    fig,
    alt="Error against degree. On the points seen it falls with every degree. On new points it falls up to degree 7 or so, "
    "and rises steeply at the end. Cross-validation with 48 points falls up to degree 7, is nearly level, and rises at the end.",
)

# %% [markdown]
# With 48 points degree 7 is chosen most often, by the cautious rule two times out of three. With 16 points the cautious rule ends at a constant or a
# straight line one time in three: 12 points to fit and 4 to judge are too few. A validation error is a measurement, with an error of its own.

# %% [markdown]
# ## 3. Where this stops
#
# Many questions have more than one input, and their answer is a choice: *classification* in place of regression. *Is this picture
# a seven?* A small picture has 28 × 28 = 784 grey values.
# A polynomial of degree 3 in one variable has 4 coefficients. With more variables:

# %%
for inputs in (1, 2, 10, 784):
    print(f"{inputs:4d} inputs, degree 3: {math.comb(inputs + 3, 3):12,d} coefficients")

# %% [markdown]
# A polynomial of degree $d$ in $K$ variables has $\binom{K+d}{d}$ coefficients: one for every product of up to $d$ inputs.
# We need a building block that stays small when there are many inputs, and that answers with a choice.

# %% [markdown]
# ## 4. A neuron: a linear step, then a non-linear step
#
# 1. **Linear step.** Multiply each input by a *weight*, add everything up, add a *bias* (a number; not the bias of section 2):
#    $\quad z = w_1 x_1 + w_2 x_2 + \dots + w_K x_K + b$
# 2. **Non-linear step.** Keep only the sign: $\quad y = \operatorname{sgn}(z)$, which is $+1$ where $z \ge 0$ and $-1$ elsewhere.
#    The function of this step is called the *activation function*.
#
# $K$ inputs need $K + 1$ numbers. For 784 pixels that is 785, not 81 million.
#
# McCulloch and Pitts (1943) described such a unit; Rosenblatt (1958) made it learn.

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=7.5, height=2.4)
axis.set(xlim=(-0.6, 10), ylim=(-0.3, 4.3))
axis.axis("off")
arrow = dict(arrowstyle="->", color=plots.GREY, linewidth=1.4)
for row, (name, weight) in enumerate([("$b$", None), ("$x_2$", "$w_2$"), ("$x_1$", "$w_1$")]):
    height = 0.5 + 1.5 * row
    axis.text(0, height, name, ha="center", va="center", fontsize=14)
    axis.annotate("", (3.42, 2 + 0.25 * (row - 1)), (0.4, height), arrowprops=arrow)
    if weight:
        axis.text(
            1.6, 2.25 + 1.05 * (row - 1), f"× {weight}", ha="center", fontsize=12, color=plots.BLUE
        )
box = dict(boxstyle="round,pad=0.6", facecolor="none", linewidth=1.6)
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
# This is a straight line. To draw it by hand, find where it meets the axes, its *intercepts*: with $x_2 = 0$ it is $x_1 = -b/w_1$, with $x_1 = 0$ it is
# $x_2 = -b/w_2$. Join both, and try one point to see which side is $+1$.
#
# <details><summary>Pencil 1: draw the boundary of w = (2, 3), b = −6. On which side does the neuron answer +1?</summary>
#
# It meets the axes at $x_1 = 3$ and $x_2 = 2$. At the origin $z = -6 < 0$, so the origin is on the $-1$ side, and $+1$ lies beyond the line.
#
# </details>
#
# Eight labelled points and three neurons:

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
# Circles are labelled $+1$, squares $-1$; blue: the neuron answers $+1$; a ring: wrong. The arrow is the direction of $w = (w_1, w_2)$.
#
# From $w = (1, 1)$, $b = -1$ we change one number at a time:

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
# - **One weight turns the boundary** about its intercept with the other axis, which does not depend on it.
# - **$w$ stands at a right angle to the boundary** and points to the $+1$ side: for $p$ and $q$ on it, $w\cdot p + b = w\cdot q + b = 0$, so $w\cdot(p - q) = 0$.
# - **$b$ moves the boundary** without turning it. Its distance from the origin is $|b| / \lVert w\rVert$.
#
# <details><summary>Pencil 2: we double all three numbers, w₁, w₂ and b. What happens to the boundary?</summary>
#
# Nothing: $z$ doubles everywhere, its sign stays, and $|b| / \lVert w\rVert$ too. Only the ratios of the three numbers decide.
#
# </details>

# %% [markdown]
# ## 6. Learning: the perceptron rule
#
# Rosenblatt's rule finds a boundary by itself. Start with zeros. Go through the points. Whenever the answer for a point $x$ with label $y$ is wrong:
#
# $$w \leftarrow w + y\,x, \qquad b \leftarrow b + y$$
#
# Why does that help? After the step, $z$ for the same point is $(w + yx)\cdot x + b + y = z + y\,(\lVert x\rVert^2 + 1)$: it has moved towards the side where it should be.
# Another point may now be wrong, so we go round again. One round over all points is an *epoch*.
#
# The rule is gradient descent again. Let the loss of a point be $\max(0, -y z)$: zero where the sign is right, and the distance of $z$ from zero where it
# is wrong. For a wrong point the gradient with respect to $w$ is $-y\,x$, and with respect to $b$ it is $-y$. A step against it with $\eta = 1$, one point at
# a time, is Rosenblatt's rule. (At $z = 0$, where the loss has a kink, only a label of $-1$ counts as wrong.)

# %% jupyter={"source_hidden": true}
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
# It always stops if some line separates the points at all (Novikoff, 1962): after at most $(R/\gamma)^2$ updates, where $R$ is the distance of the
# farthest point from the origin and $\gamma$ that of the nearest point from a separating plane, both with a 1 appended to every point for $b$.
# For these points, with the boundary that was found:

# %%
with_one = np.append(cloud, np.ones((len(cloud), 1)), axis=1)  # [50, 3]
found = np.append(*states[-1])  # w and b, [3]
gamma = np.min(cloud_labels * (with_one @ found)) / np.linalg.norm(found)
R = np.linalg.norm(with_one, axis=1).max()
print(f"R = {R:.2f}, γ = {gamma:.3f}: at most {(R / gamma) ** 2:.0f} updates")

# %% [markdown]
# Drag the boundary until no point is wrong, or let the rule do it step by step.

# %%
widgets.show("perceptron")

# %% [markdown]
# ### An error to learn from
#
# Somebody has labels 0 and 1 instead of $-1$ and $+1$, and lets the neuron answer 0 and 1 too:

# %%
w, b, labels01 = np.zeros(2), 0.0, (cloud_labels + 1) // 2
for epoch in range(1, 6):
    wrong = 0
    for x_, y_ in zip(cloud, labels01, strict=True):
        if int(w @ x_ + b >= 0) != y_:
            w, b, wrong = w + y_ * x_, b + y_, wrong + 1
    print(f"epoch {epoch}: {wrong} wrong, w = {w}, b = {b}")

# %% [markdown]
# No error is raised, and nothing is learned: only the points with label 0 are wrong, and for them the step $y\,x$ is zero. The symptom is a number
# that stays *exactly* the same over all epochs. Before you use a formula, check which values its symbols may take: here $+1$ or $-1$.

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
# The states repeat every four updates, so the rule never stops. Is the rule too weak, or is there no such boundary? Three attempts:

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 3, width=9, height=3.4)
for axis, (w1, w2, b) in zip(axes, [(1, 1, -0.5), (-1, -1, 1.5), (1, -1, -0.5)], strict=True):
    draw_neuron(axis, xor_points, xor_labels, w1, w2, b, reach=1.8)
plots.show(
    fig,
    alt="Three boundaries on the four XOR points. Each has at least one point on the wrong side.",
)

# %% [markdown]
# None of the three gets all four right, and a short proof shows that no neuron can. It would need
#
# $$b < 0, \qquad w_2 + b \ge 0, \qquad w_1 + b \ge 0, \qquad w_1 + w_2 + b < 0.$$
#
# Add the two in the middle: $w_1 + w_2 + 2b \ge 0$, so $w_1 + w_2 + b \ge -b > 0$. That contradicts the last.
# Minsky and Papert (1969) showed what else such units cannot compute.
#
# In the pictures the first neuron says *at least one*, the second *not both*. XOR is true where both say $+1$, so a third neuron can
# look at their answers:

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
# - Where the form of the rule is known, least squares finds its parameters: by the normal equations, or by gradient descent. Where it is not, a
#   flexible curve can fit, and overfit. Bias and variance explain why; held-out points or cross-validation show when.
# - A neuron is a linear step and a non-linear step. The perceptron rule corrects its mistakes, one point at a time.
# - One neuron draws one straight boundary. The perceptron rule finds one whenever one exists; for XOR none exists. Three neurons in two
#   layers solve XOR, but we set their weights by hand. How layers learn: lectures 03 and 04.
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
