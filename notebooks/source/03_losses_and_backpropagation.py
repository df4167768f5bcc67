# %% [markdown]
# # 03 · Losses and backpropagation
#
# **Question:** how wrong is an answer, and how much of that is the fault of each single weight?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [02 Layers](02_layers.ipynb) | derivative, chain rule, logarithm, probability | 22 minutes | [03 backpropagation](../labs/03_backpropagation/03_backpropagation.ipynb) | [04 Training](04_training.ipynb) |

# %%
import numpy as np

from llaisys_mini import operators, plots
from llaisys_mini.lectures import drawings, widgets

# %% [markdown]
# ## 1. From likelihood to loss
#
# A *loss* is one number that says how wrong a model is; learning makes it small. Which number? Let the model state a
# *probability* (for a number, a probability density) for what was observed. The *likelihood* of the weights is the probability of all observations
# together, for independent ones a product. We want the weights under which the data is most likely. A product of thousands of
# probabilities is too small for a float, so we take the logarithm, which turns it into a sum, and then the negative mean:
#
# $$L = -\frac1N \sum_{n} \log p(y_n \mid x_n)$$
#
# - **A number is predicted**, and $y$ scatters around the prediction $\hat y$ as a normal distribution: $p \propto e^{-(y-\hat y)^2/2\sigma^2}$.
#   Then $-\log p$ is $(y-\hat y)^2$ times a constant, plus a constant. So up to these constants $L$ is the *mean squared error* (MSE), the
#   least squares of lecture 01.
# - **A class is predicted**, with probability $p_c$ for class $c$. Then $-\log p$ is $-\log p_y$, where $y$ is the right class. This is
#   the *cross-entropy*. Certain and right costs 0; certain and wrong costs without limit.
#
# Both follow from the same principle, *maximum likelihood*. They differ in what they assume about the data: a number with normally
# distributed noise, or one class out of several.

# %%
for p in (0.99, 0.5, 0.1, 0.001):
    print(f"the right class was given {p:5.1%}: loss {-np.log(p):.2f}")

# %% [markdown]
# <details><summary>Pencil 1: a model knows nothing and gives each of 10 classes the same probability. What is its cross-entropy?</summary>
#
# $-\log\frac1{10} = \log 10 = 2.30$. A network that has not learned anything yet should start near this number.
#
# </details>

# %% [markdown]
# ## 2. Softmax in three formulas
#
# The last layer of a network gives logits $z_1, \dots, z_C$: any numbers. *Softmax* turns them into probabilities:
#
# $$p_c = \frac{e^{z_c}}{\sum_j e^{z_j}} \qquad\qquad
# L = -\log p_y = \log\sum_j e^{z_j} - z_y \qquad\qquad
# \frac{\partial L}{\partial z_c} = p_c - [c = y]$$
#
# $[c = y]$ is 1 for the right class, else 0. The third follows from the second: with respect to $z_c$ the derivative of $\log\sum_j e^{z_j}$ is
# $e^{z_c} / \sum_j e^{z_j} = p_c$, and that of $-z_y$ is $-[c = y]$. So the gradient is what the model said minus what it should have
# said: a vector with a single 1 at the right class, called *one-hot*. For two classes, 0 and 1, $p_1 = 1/(1 + e^{-(z_1 - z_0)})$: the
# sigmoid of the difference.

# %%
logits = np.array([[2.0, 1.0, -1.0]], dtype=np.float32)  # [N, C] = [1, 3]
label = np.array([1])  # class 1 is right
print("p        =", operators.softmax(logits)[0])
print("loss     =", operators.cross_entropy(logits, label)[0])
print("gradient =", operators.softmax_cross_entropy_backward(logits, label)[0])

# %% [markdown]
# ## 3. Why not simply the squared error?
#
# One neuron with a sigmoid, $p = \sigma(z)$, and a label of 1. It begins very wrong, at $z = -8$. Gradient descent moves $z$
# against the slope of the loss, with learning rate 1, 1,000 times. The two losses and their gradients over $z$:
#
# $$L_\text{MSE} = (p - 1)^2,\quad \frac{dL_\text{MSE}}{dz} = 2\,(p-1)\;p\,(1-p) \qquad\qquad
# L_\text{CE} = -\log p,\quad \frac{dL_\text{CE}}{dz} = p - 1$$
#
# > **Predict, then run.** Where does $p$ stand after 1,000 steps with each loss?


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def mse_gradient(z):
    p = sigmoid(z)
    return 2 * (p - 1) * p * (1 - p)


def cross_entropy_gradient(z):
    return sigmoid(z) - 1


for name, gradient in (("MSE", mse_gradient), ("cross-entropy", cross_entropy_gradient)):
    z = -8.0
    for _ in range(1000):
        z -= 1.0 * gradient(z)
    print(f"{name:14s} p = {sigmoid(-8.0):.4f} at first, {sigmoid(z):.4f} after 1000 steps")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=8.6, height=2.9)
z = np.linspace(-9, 5, 300)
axes[0].plot(z, (sigmoid(z) - 1) ** 2, label="MSE")
axes[0].plot(z, -np.log(sigmoid(z)), "--", label="cross-entropy")
axes[1].plot(z, mse_gradient(z), label="MSE")
axes[1].plot(z, cross_entropy_gradient(z), "--", label="cross-entropy")
axes[0].set(xlabel="z", ylabel="loss", title="loss, label 1")
axes[1].set(xlabel="z", ylabel="gradient", title="its gradient: how strongly z is pushed")
for axis in axes:
    axis.axvline(-8, color=plots.GREY, linewidth=1)
    axis.grid()
    axis.legend()
plots.show(
    fig,
    alt="Over z from -9 to 5. The squared error is flat at 1 for very negative z, and its gradient is zero there. "
    "The cross-entropy falls as a straight line and its gradient is -1 where z is very negative.",
)

# %% [markdown]
# > **The common guess**, that both arrive, the one with the larger loss sooner, forgets that $z$ is moved by the slope of the
# > loss, not by the loss.
#
# With MSE almost nothing happened. At $z = -8$ the sigmoid is nearly flat (it is *saturated*), and its slope $p(1-p)$ is a factor of the
# gradient. So a neuron that is very wrong learns very slowly. With cross-entropy this factor cancels: by the chain rule
# $\frac{dL_\text{CE}}{dz} = -\frac1p \cdot p\,(1-p) = p - 1$. So cross-entropy is the loss for classes, and MSE the loss for numbers.

# %% [markdown]
# ## 4. Four ways to a derivative
#
# Take $f(x) = x^2 \sin x$ at $x = 2$.
#
# - **By hand**: $f'(x) = 2x \sin x + x^2 \cos x$. Exact, but impracticable for a million weights.
# - **Numerically**: $(f(x+s) - f(x-s)) / 2s$ for a small step $s$. Needs two evaluations of $f$ for *each* weight, and is never exact.
# - **Symbolically**: a program applies the rules to the formula. Exact, but the formula of the derivative can grow very long.
# - **Automatically**: a program applies the rules to the *numbers*, one operation after the other. Exact up to rounding, at
#   a few times the cost of $f$ itself (lecture 04 counts it). That is what all deep learning libraries do, and what the lab builds.
#
# > **Predict, then run.** Which step $s$ gives the most exact numerical derivative: 0.1, 10⁻⁵ or 10⁻¹²?


# %%
def f(x):
    return x**2 * np.sin(x)


exact = 2 * 2 * np.sin(2) + 2**2 * np.cos(2)
steps = 10.0 ** np.arange(-13, 0)
errors = [abs((f(2 + s) - f(2 - s)) / (2 * s) - exact) for s in steps]
for s, error in zip(steps[[12, 8, 1]], np.array(errors)[[12, 8, 1]], strict=True):
    print(f"step {s:.0e}: error {error:.0e}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=5.5, height=2.7)
axis.loglog(steps, np.maximum(errors, 1e-16), "o-")
axis.set(xlabel="step s", ylabel="error of the derivative", title="numerical derivative, float64")
axis.grid()
plots.show(
    fig,
    alt="Error of the numerical derivative against the step, both on logarithmic axes: it is smallest for steps "
    "between one millionth and one hundred-thousandth, and grows to both sides.",
)

# %% [markdown]
# > **The common guess**, the smallest step, comes from mathematics, where s goes to 0; floats have 16 digits.
#
# The middle one, 10⁻⁵. With a large step the curve bends between the two points; this error falls with $s^2$. With a tiny step two nearly
# equal numbers are subtracted, and their rounding errors are divided by $2s$, so this error grows with $1/s$. That is good enough to *check*
# other derivatives.
#
# Now symbolically: let $f_1 = x$ and $f_{n+1} = f_n (1 - f_n)$. A formula is a nested tuple here. How long is the derivative?


# %%
def derivative(e):
    """Of a formula: "x", a number, or (operation, left, right)."""
    if not isinstance(e, tuple):
        return 1 if e == "x" else 0
    operation, a, b = e
    if operation == "*":  # product rule: a and b are written out again
        return ("+", ("*", derivative(a), b), ("*", a, derivative(b)))
    return (operation, derivative(a), derivative(b))  # + and -


def length(e):
    return 1 if not isinstance(e, tuple) else 1 + length(e[1]) + length(e[2])


formula = "x"
for n in range(1, 6):
    formula = ("*", formula, ("-", 1, formula))
    print(
        f"{n} steps: formula {length(formula):4d} symbols, derivative {length(derivative(formula)):5d}"
    )

x, slope = 0.3, 1.0
for _ in range(5):  # automatic: the value, and the slope of that one step as a number
    x, slope = x * (1 - x), slope * (1 - 2 * x)
print(f"automatic, 5 steps: value {x:.4f}, derivative {slope:.5f}, two numbers kept")

# %% [markdown]
# The formula of the derivative grows faster than the formula itself, since the product rule writes both factors out again (*expression swell*). With
# numbers in place of formulas two of them are enough, however many steps there are. Here the slope was carried along from the input to the result
# (*forward mode*), which suits a function of one input. A network has many weights and one loss, so we go the other way.

# %% [markdown]
# ## 5. The computational graph
#
# A computation is a graph: each value is computed from those that point to it. Here one input $x = 2$ goes through a neuron
# with ReLU and an output weight, with weights $a = 3$, $b = -4$, $v = 0.5$ and the target 3:
#
# $$z = a x + b \qquad h = \max(z, 0) \qquad y = v\,h \qquad L = \tfrac12 (y - 3)^2$$
#
# The **forward** pass computes values from left to right, the **backward** pass gradients from right to left. Every edge has a *local derivative*, which
# depends only on its own operation: the derivative of a product $v h$ with respect to $h$ is $v$, with respect to $v$ it is $h$. The gradient $g$ of a
# value is the derivative of $L$ with respect to it. By the chain rule it is the gradient of the next value times the local derivative.

# %%
x, a, b, v = 2.0, 3.0, -4.0, 0.5
z = a * x + b  # forward
h = max(z, 0.0)
y = v * h
L = 0.5 * (y - 3) ** 2

g_y = y - 3  # backward: each line is the mirror of one above
g_v, g_h = g_y * h, g_y * v
g_z = g_h * (1.0 if z > 0 else 0.0)
g_a, g_x, g_b = g_z * x, g_z * a, g_z * 1
print(f"z = {z}, h = {h}, y = {y}, L = {L}")
print(f"gradients: y {g_y}, v {g_v}, h {g_h}, z {g_z}, a {g_a}, x {g_x}, b {g_b}")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=9, height=4)
Node = drawings.Node
nodes = {
    "x": Node(0, 1.6, "$x$", f"{x:g}", f"$g$ = {g_x:g}"),
    "a": Node(0, 0, "$a$", f"{a:g}", f"$g$ = {g_a:g}"),
    "b": Node(0, -1.6, "$b$", f"{b:g}", f"$g$ = {g_b:g}"),
    "z": Node(2.2, 0, "$z$", f"{z:g}", f"$g$ = {g_z:g}"),
    "h": Node(4.4, 0, "$h$", f"{h:g}", f"$g$ = {g_h:g}"),
    "v": Node(4.4, -1.6, "$v$", f"{v:g}", f"$g$ = {g_v:g}"),
    "y": Node(6.6, 0, "$y$", f"{y:g}", f"$g$ = {g_y:g}"),
    "L": Node(8.8, 0, "$L$", f"{L:g}", "$g$ = 1"),
}
edges = [
    ("x", "z", f"$a$ = {a:g}"),
    ("a", "z", f"$x$ = {x:g}"),
    ("b", "z", "1"),
    ("z", "h", "1, as $z$ > 0"),
    ("h", "y", f"$v$ = {v:g}"),
    ("v", "y", f"$h$ = {h:g}"),
    ("y", "L", f"$y$ − 3 = {g_y:g}"),
]
drawings.draw_graph(axis, nodes, edges)
plots.show(
    fig,
    alt="The computational graph: x, a and b lead to z, z to h, h and v to y, y to L. Values stand above the boxes. "
    "Dashed arrows lead back with local derivatives, and the gradient of each value stands below its box: "
    "L 1, y -2, v -4, h -1, z -1, a -2, x -3, b -1.",
)

# %% [markdown]
# Solid arrows: forward, values above the boxes. Dashed: backward, with the local derivative on each, gradients below the
# boxes. One backward pass gives *all* gradients, however many inputs there are. As a general method it is automatic differentiation in *reverse
# mode* (Linnainmaa, 1970). For networks it is called *backpropagation*; Rumelhart, Hinton and Williams (1986) showed what networks
# learn with it.
#
# Go through another graph step by step, and change its inputs: where is the gradient of w nearly zero although the loss is large? (Section 3
# explains it.)

# %%
widgets.show("computational_graph")

# %% [markdown]
# ### An error to learn from
#
# $f(x) = x \cdot x + 3x$ uses $x$ three times. Somebody writes the backward pass with `=`:

# %%
x = 5.0
square, triple = x * x, 3 * x  # f = square + triple
g_square, g_triple = 1.0, 1.0

g_x = g_square * x  # along the left factor
g_x = g_square * x  # along the right factor
g_x = g_triple * 3  # along 3x
print("with = :", g_x)

g_x = 0.0
for share in (g_square * x, g_square * x, g_triple * 3):
    g_x += share
nudge = 1e-4
measured = (((x + nudge) ** 2 + 3 * (x + nudge)) - ((x - nudge) ** 2 + 3 * (x - nudge))) / (
    2 * nudge
)
print(f"with +=: {g_x}; measured: {measured:.4f}")

# %% [markdown]
# Each use of $x$ contributes to the change of $f$, and the contributions *add up*: a value with several arrows forward gets the sum of what
# comes back. Overwriting keeps only the last one. The mistake goes unnoticed as long as every value is used once, so test with a
# graph that branches, and against the numerical derivative.

# %% [markdown]
# ## 6. The same with matrices: let shapes guide
#
# For a layer $z = x W^{\mathsf T} + b$, with $x$ `[N, K]`, $W$ `[M, K]`, $b$ `[M]` and $z$ `[N, M]`, the backward pass is given $g_z$ `[N, M]` and has to
# compute $g_x$, $g_W$ and $g_b$. A gradient has the shape of its value. In one row, $z_m = \sum_k x_k W_{mk} + b_m$. So the local derivative with respect to
# $x_k$ is $W_{mk}$, and $x_k$ is used by every neuron $m$: sum over $m$. With respect to $W_{mk}$ it is $x_k$, and $W_{mk}$ is used by every point $n$:
# sum over $n$. Only one product of each pair has the right shape:
#
# | gradient | its shape | made of | rule |
# |---|---|---|---|
# | $g_x$ | [N, K] | $g_z$ [N, M], $W$ [M, K] | $g_z\,W$ |
# | $g_W$ | [M, K] | $g_z$ [N, M], $x$ [N, K] | $g_z^{\mathsf T}\,x$ |
# | $g_b$ | [M] | $g_z$ [N, M] | sum of $g_z$ over $n$ |
#
# What the forward pass copies (the bias, to every point), the backward pass sums. ReLU works on each element: $g_z = g_h$ where $z > 0$, else 0.
#
# A whole network: two inputs, two hidden neurons with ReLU, one output, $L = \tfrac12(z_2 - 3)^2$, for one point.

# %%
x = np.array([[1, 2]], dtype=np.float32)  # [N, K] = [1, 2]
W1, b1 = np.array([[1, -1], [0.5, 1]], dtype=np.float32), np.array([0, -1], dtype=np.float32)
W2, b2 = np.array([[1, 2]], dtype=np.float32), np.array([-0.5], dtype=np.float32)


def forward(W1):
    z1 = operators.linear(x, W1, b1)  # [1, 2]
    h = operators.relu(z1)
    z2 = operators.linear(h, W2, b2)  # [1, 1]
    return z1, h, z2, 0.5 * float((z2[0, 0] - 3) ** 2)


z1, h, z2, loss = forward(W1)
g_z2 = z2 - 3
g_h, g_W2, g_b2 = operators.linear_backward(g_z2, h, W2)
g_z1 = operators.relu_backward(g_h, z1)
_, g_W1, g_b1 = operators.linear_backward(g_z1, x, W1)
print(f"z1 = {z1[0]}  h = {h[0]}  z2 = {z2[0]}  L = {loss}")
print("g_W2 =", g_W2.tolist(), " g_b2 =", g_b2.tolist())
print("g_W1 =", g_W1.tolist(), " g_b1 =", g_b1.tolist())

# %%
nudge = 1e-3
measured = np.zeros_like(W1)
for m, k in np.ndindex(W1.shape):
    more, less = W1.copy(), W1.copy()
    more[m, k] += nudge
    less[m, k] -= nudge
    measured[m, k] = (forward(more)[-1] - forward(less)[-1]) / (2 * nudge)
print("g_W1 measured:", measured.round(3).tolist())

# %% [markdown]
# The first hidden neuron is inactive: its activation is 0. It has no influence on the error, and its gradient is zero.
#
# <details><summary>Pencil 2: the point is x = (3, 1) instead. Which entries of g_W1 are zero now?</summary>
#
# $z_1 = (3 - 1,\ 1.5 + 1 - 1) = (2, 1.5)$: both neurons are active. $z_2 = 2 + 3 - 0.5 = 4.5$, so $g_{z_2} = 1.5$, $g_h = (1.5, 3)$, and
# $g_{W_1}$ has the rows $1.5\cdot(3, 1)$ and $3\cdot(3, 1)$. None is zero.
#
# </details>

# %% [markdown]
# ## 7. Through many layers
#
# The backward pass multiplies local derivatives, one for each layer.
#
# > **Predict, then run.** A chain of ten neurons, each the activation function of the one before, all weights 1. At best, how
# > large is the derivative of the last with respect to the first with sigmoids? With ReLUs?

# %%
start = np.linspace(-6, 6, 1201)
for name in ("sigmoid", "relu"):
    value, slope = start.copy(), np.ones_like(start)
    for _ in range(10):
        if name == "sigmoid":
            value = sigmoid(value)
            slope *= value * (1 - value)
        else:
            slope *= value > 0
            value = np.maximum(value, 0)
    print(f"ten times {name}: derivative at most {slope.max():.1e}")
print(f"the largest slope of a sigmoid, to the tenth power: {0.25**10:.1e}")

# %% [markdown]
# > **The common guess**, that a chain of ten is a tenth as sensitive or so, adds up what has to be multiplied.
#
# A sigmoid's slope is a quarter at most, so the gradient shrinks with every layer: it *vanishes*. (The bound $0.25^{10}$ is not even
# reached, since after the first sigmoid no value is at 0, the steepest place.) A ReLU with a positive input passes the gradient on
# unchanged. This is one reason why deep networks came to use ReLU (Glorot, Bordes and Bengio, 2011). Weights other than 1 are factors
# too: the next lecture chooses them so that gradients neither vanish nor explode.

# %% [markdown]
# ## The answer
#
# - A loss is the negative logarithm of the probability that the model gave to what happened: MSE for numbers, cross-entropy for classes.
# - Softmax and cross-entropy together have the gradient *probabilities minus one-hot*, which does not vanish where a sigmoid saturates.
# - Backpropagation walks the computational graph backwards: gradient of the next value times local derivative, summed over all
#   uses. One pass gives the gradients of all weights.
# - Shapes guide: a gradient has the shape of its value; what the forward pass copies, the backward pass sums. A numerical derivative checks it.
#
# ## Sources
#
# - S. Linnainmaa (1970), *The representation of the cumulative rounding error of an algorithm as a Taylor expansion of the local rounding errors*
#   (in Finnish), master's thesis, University of Helsinki.
# - D. Rumelhart, G. Hinton, R. Williams (1986), [Learning representations by back-propagating errors](https://doi.org/10.1038/323533a0).
# - A. Baydin et al. (2018), [Automatic differentiation in machine learning: a survey](https://jmlr.org/papers/v18/17-468.html).
# - X. Glorot, A. Bordes, Y. Bengio (2011), [Deep sparse rectifier neural networks](https://proceedings.mlr.press/v15/glorot11a.html).
#
# ## Go on
#
# In [lab 03 backpropagation](../labs/03_backpropagation/03_backpropagation.ipynb) you write the backward operators and a small
# automatic differentiation. Then: [04 Training](04_training.ipynb).
