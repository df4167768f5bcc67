# %% [markdown]
# # 04 · Training
#
# **Question:** the gradient says which way is down. How does a network learn the rule from it, and not its examples by heart?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [03 Losses and backpropagation](03_losses_and_backpropagation.ipynb) | gradients, mean and variance | 25 minutes | [04 training](../labs/04_training/04_training.ipynb) | [05 Normalisation](05_normalisation.ipynb) |

# %%
import numpy as np

from llaisys_mini import plots
from llaisys_mini.lectures import drawings, networks
from llaisys_mini.lectures.datasets import two_moons

# %% [markdown]
# ## 1. Down the slope
#
# The gradient $g$ of the loss points uphill. *Gradient descent* steps against it: $w \leftarrow w - \eta\, g$. The *learning rate* $\eta$ is
# a hyperparameter. As an example, a valley in two weights, curved a hundred times as strongly across as along:
#
# $$L(w) = \tfrac12\left(20\,(w_1 - 3)^2 + 0.2\,(w_2 - 2)^2\right)$$
#
# > **Predict, then run.** Gradient descent takes 60 steps from $(-1, -2)$ with $\eta$ = 0.02, 0.09 and 0.101. Which arrives at (3, 2)?

# %%
lowest = np.array([3.0, 2.0])


def valley(degrees):
    """The matrix H [2, 2] of the valley, turned. L = (w - lowest) H (w - lowest) / 2."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.diag([20, 0.2]) @ turn.T


def loss_at(w, H):
    return 0.5 * np.einsum("...i,ij,...j->...", w - lowest, H, w - lowest)


def gradient_descent(w, g, state, rate):
    return w - rate * g


def paths(rule, rate, starts, H, steps=60):
    """starts [S, 2] -> all positions [steps + 1, S, 2]."""
    track, state = [np.array(starts, dtype=float)], {}
    for _ in range(steps):
        gradient = (track[-1] - lowest) @ H
        track.append(rule(track[-1], gradient, state, rate))
    return np.array(track)


straight = valley(0)
runs = {rate: paths(gradient_descent, rate, [(-1, -2)], straight) for rate in (0.02, 0.09, 0.101)}
for rate, track in runs.items():
    print(
        f"rate {rate}: ends at {track[-1, 0].round(2)}, loss {loss_at(track[-1, 0], straight):.3g}"
    )


# %% jupyter={"source_hidden": true}
def draw_valley(axis, H, reach=6):
    w1, w2 = np.meshgrid(np.linspace(-reach, reach, 150) + 3, np.linspace(-reach, reach, 150) + 2)
    losses = loss_at(np.stack([w1, w2], axis=-1), H)
    axis.contour(w1, w2, losses, levels=[0.3, 3, 30, 150], colors=plots.GREY, linewidths=0.6)
    axis.plot(*lowest, "*", color=plots.BLACK, markersize=11, zorder=4)
    axis.set(xlabel="$w_1$", xlim=(3 - reach, 3 + reach), ylim=(2 - reach, 2 + reach))


fig, axes = plots.figure(1, 3, width=9.6, height=2.6)
draw_valley(axes[0], straight)
axes[0].set(ylabel="$w_2$", title="60 steps from (-1, -2)")
for (rate, track), marker, dashes in zip(runs.items(), "os^", ("-", "--", "-."), strict=True):
    if rate < 0.1:
        axes[0].plot(*track[:, 0].T, marker + "-", markersize=3, linewidth=0.9)
    axes[1].plot(track[:, 0, 0], dashes, label=f"rate {rate}", linewidth=0.9)
    axes[2].semilogy(loss_at(track[:, 0], straight), dashes)
axes[1].axhline(lowest[0], color=plots.GREY, linewidth=0.8)
axes[1].set(
    xlabel="step", ylabel="$w_1$, across the valley", title="across: 0.101 overshoots more and more"
)
axes[1].legend(loc="upper left", fontsize=8)
axes[2].set(xlabel="step", ylabel="loss", title="loss")
axes[2].grid()
for axis in axes:
    axis.set_title(axis.get_title(loc="left"), fontsize=9)
plots.show(
    fig,
    alt="Left: with rate 0.02 the path falls into the valley and creeps along it; with 0.09 it zigzags across. Middle: w1 over the "
    "steps; for 0.02 and 0.09 it settles at 3, for 0.101 it swings further with each step. Right: the loss falls for two rates and "
    "grows steadily for 0.101.",
)

# %% [markdown]
# > **The common guess**, that 0.101 is only a little worse than 0.09, forgets that above a certain rate each step ends farther away than
# > it began.
#
# None: with 0.02 and 0.09 descent is still on its way along the valley, with 0.101 it *diverges*. Across the valley each step multiplies the distance
# by $1 - 20\eta$, and for $\eta > 2/20 = 0.1$ that factor is below $-1$. Along it the factor is $1 - 0.2\eta$, close to 1. So the direction of strongest
# curvature limits $\eta$, and the flattest direction then takes many steps.
#
# <details><summary>Pencil 1: how many steps with η = 0.09 until the distance along the valley has halved?</summary>
#
# The factor is $1 - 0.2\cdot0.09 = 0.982$. $0.982^n = 0.5$ gives $n = \log 0.5 / \log 0.982 = 38.2$.
#
# </details>

# %% [markdown]
# ## 2. Four changes, one at a time
#
# - **Momentum** (Polyak, 1964): step along a decaying sum of the gradients, $m \leftarrow \beta m + g$. Components that change sign cancel, those that
#   keep their direction add up.
# - **RMSProp** (Tieleman and Hinton, 2012): divide each weight's gradient by its own recent size: step along $g / \sqrt v$, where
#   $v \leftarrow \beta v + (1-\beta)\, g^2$ is a running mean of squares.
# - **Adam** (Kingma and Ba, 2014): both. The running means start at 0, so the first are too small; dividing by $1 - \beta^t$ at step $t$ corrects that.
# - **AdamW** (Loshchilov and Hutter, 2017): Adam that also shrinks the weights by $\eta\lambda w$, called *weight decay*; section 6 says what for.


# %%
def momentum(w, g, state, rate, beta=0.9):
    state["m"] = beta * state.get("m", 0) + g
    return w - rate * state["m"]


def rmsprop(w, g, state, rate, beta=0.9):
    state["v"] = beta * state.get("v", 0) + (1 - beta) * g**2
    return w - rate * g / (np.sqrt(state["v"]) + 1e-8)


def adamw(w, g, state, rate, beta1=0.9, beta2=0.999, decay=0.0):
    t = state["t"] = state.get("t", 0) + 1
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    m, v = state["m"] / (1 - beta1**t), state["v"] / (1 - beta2**t)
    return w - rate * (m / (np.sqrt(v) + 1e-8) + decay * w)


# %% [markdown]
# A fair trial: eight starts around the lowest point, 29 learning rates from 0.001 to 3 for each rule, and the valley once along the axes and once
# rotated by 45 degrees.
#
# > **Predict, then run.** Which rules suffer from the rotation?

# %%
rules = {
    "gradient descent": gradient_descent,
    "momentum": momentum,
    "RMSProp": rmsprop,
    "Adam": adamw,  # decay is 0
}
around = 2 * np.pi * (np.arange(8) + 0.25) / 8
starts = lowest + 4 * np.stack([np.cos(around), np.sin(around)], axis=1)  # [8, 2]
rates = np.geomspace(1e-3, 3, 29)
final = {}
for degrees in (0, 45):
    for name, rule in rules.items():
        ends = [paths(rule, rate, starts, valley(degrees))[-1] for rate in rates]
        final[degrees, name] = loss_at(np.array(ends), valley(degrees))  # [29, 8]
for name in rules:
    for degrees in (0, 45):
        median = np.median(final[degrees, name], axis=1)
        best = median.argmin()
        worst = final[degrees, name][best].max()
        print(
            f"{name:16s} {degrees:2d}°: median loss {median[best]:.1e}, worst {worst:.1e} at its best rate "
            f"{rates[best]:.2g}; below 0.1 at {np.sum(median < 0.1):2d} of 29 rates"
        )

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(2, 4, width=9.6, height=4.5)
for row, degrees in enumerate((0, 45)):
    H = valley(degrees)
    for axis, name in zip(axes[row], list(rules)[1:], strict=False):
        best = np.median(final[degrees, name], axis=1).argmin()
        track = paths(rules[name], rates[best], starts[::3], H)
        draw_valley(axis, H)
        for start, marker in enumerate("os^"):
            axis.plot(*track[:, start].T, marker + "-", markersize=2, linewidth=0.9)
        axis.set_title(f"{name}, η = {rates[best]:.2g}", fontsize=9.5)
    for name, dashes in zip(rules, ("-", "--", "-.", ":"), strict=True):
        median = np.clip(np.median(final[degrees, name], axis=1), 1e-6, 1e3)
        axes[row, 3].loglog(rates, median, dashes, label=name)
    axes[row, 3].set(xlabel="learning rate", ylim=(1e-6, 1e3))
    axes[row, 3].set_title("median loss after 60 steps", fontsize=9.5)
    axes[row, 3].grid()
    axes[row, 0].set_ylabel(f"valley at {degrees}°\n$w_2$")
axes[1, 3].legend(fontsize=7.5, loc="lower left")
plots.show(
    fig,
    alt="Paths of momentum, RMSProp and Adam from three starts, each at its best rate, on the valley along the axes "
    "and on the turned one; and the loss against the learning rate. Along the axes RMSProp and Adam reach far smaller "
    "losses; on the turned valley they are no better than momentum, and at fewer rates.",
)

# %% [markdown]
# > **The common guess**, none, since a rotated valley is the same valley, forgets that RMSProp and Adam look at each weight by
# > itself.
#
# The rotation makes no difference to gradient descent and momentum. RMSProp and Adam scale each weight by itself. That helps much where the valley lies
# along the axes, and hardly where it lies across them. No rule is best in general. An advantage of Adam: in a step each weight moves by
# roughly the learning rate, whatever the scale of the loss. Always look at the loss over several rates.

# %%
for decay in (0.0, 0.2, 1.0):

    def with_decay(w, g, state, rate, decay=decay):
        return adamw(w, g, state, rate, decay=decay)

    end = paths(with_decay, 0.1, [(-1, -2)], straight, steps=1000)[-1, 0]
    print(f"AdamW, λ = {decay}: ends at {end.round(2)}; the lowest point is {lowest}")

# %% [markdown]
# AdamW's decay pulls the weights towards zero, so descent does not end at the lowest point. Section 6 shows what is gained by that.
#
# <details><summary>Pencil 2: how long is Adam's very first step, if the gradient is 0.003? And if it is 3,000?</summary>
#
# At $t = 1$ the corrected $m$ is $g$ and the corrected $v$ is $g^2$, so the step is $\eta\, g/|g|$: its length is $\eta$ both times.
#
# </details>

# %% [markdown]
# ## 3. Mini-batches
#
# The loss is a mean over all points, and so is its gradient. A mean over a few points drawn at random, a *mini-batch* of $B$, is an
# estimate of it, and $N/B$ times cheaper. Descent with such estimates is *stochastic gradient descent* (SGD). An *epoch*, one round
# over all points (lecture 01), has $N/B$ steps.
#
# A line is fitted to 512 points, $\hat y = w_1 x + w_2$, with MSE.
#
# > **Predict, then run.** From $B$ = 8 to $B$ = 32: by which factor does the noise of the gradient, its standard deviation, fall?

# %%
rng = np.random.default_rng(0)
xs = rng.normal(size=512)
A = np.stack([xs, np.ones(512)], axis=1)  # [512, 2]
ys = A @ [1.5, 0.5] + rng.normal(scale=0.8, size=512)


def gradient_of_line(w, chosen):
    return 2 / len(chosen) * A[chosen].T @ (A[chosen] @ w - ys[chosen])


w = np.array([-1.0, -1.0])
full = gradient_of_line(w, np.arange(512))
for B in (2, 8, 32, 128):
    drawn = [gradient_of_line(w, rng.choice(512, B, replace=False)) for _ in range(2000)]
    noise = np.sqrt(np.mean(np.sum((drawn - full) ** 2, axis=1)))
    print(f"B = {B:3d}: noise {noise:.2f} beside a gradient of length {np.linalg.norm(full):.2f}")


# %% [markdown]
# > **The common guess**, a quarter, forgets the square root: the *variance* falls to a quarter, the standard deviation to a half.
#
# Half: the noise falls with $1/\sqrt B$. Is a cheap noisy step worth it? Three epochs with three sizes of batch, the median of ten runs:


# %%
def descend(B, epochs, rate=0.05, shuffle=True):
    w, track = np.array([-1.0, -1.0]), []
    for _ in range(epochs):
        order = rng.permutation(512) if shuffle else np.arange(512)
        for batch in order.reshape(-1, B):
            track.append(w)
            w = w - rate * gradient_of_line(w, batch)
    return np.array([*track, w])


exact = np.linalg.lstsq(A, ys)[0]
tracks = {B: [descend(B, epochs=3) for _ in range(10)] for B in (512, 32, 4)}
for B, runs in tracks.items():
    distance = np.median([np.linalg.norm(track[-1] - exact) for track in runs])
    print(f"B = {B:3d}: {len(runs[0]) - 1:3d} steps in 3 epochs, {distance:.3f} from least squares")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3)
for (B, (track, *_)), marker in zip(tracks.items(), "os^", strict=True):
    axes[0].plot(*track.T, marker + "-", markersize=2.5, linewidth=0.9, label=f"B = {B}")
    distance = np.linalg.norm(track - exact, axis=1)
    axes[1].semilogy(np.linspace(0, 3, len(track)), distance, linewidth=1, label=f"B = {B}")
axes[0].plot(*exact, "*", color=plots.BLACK, markersize=11)
axes[0].set(xlabel="slope $w_1$", ylabel="offset $w_2$", title="one run each")
axes[1].set(xlabel="epochs", ylabel="distance from least squares", title="the same points seen")
axes[0].legend(loc="lower right")
axes[1].grid()
plots.show(
    fig,
    alt="Paths to the least-squares line in three epochs. The full batch takes three straight steps and is far away. "
    "Batches of 32 arrive; batches of 4 arrive first and then jitter around the goal.",
)

# %% [markdown]
# Small batches get further with the same number of points, and then jitter around the lowest point. So towards the end of training the learning
# rate is lowered, or the batch is made larger.
#
# ### An error to learn from
#
# The points lie sorted by $y$ in the file, and somebody takes batches in order, without shuffling. Batches of 16, 20 epochs:

# %%
by_y = np.argsort(ys)
A, ys = A[by_y], ys[by_y]
for shuffle in (True, False):
    tracks = [descend(16, 20, 0.1, shuffle) for _ in range(5)]
    distance = np.median([np.linalg.norm(track[-1] - exact) for track in tracks])
    last_epoch = [np.mean((A @ w - ys) ** 2) for w in tracks[0][-32:]]
    print(
        f"shuffled: {shuffle!s:5s} line {tracks[0][-1].round(2)}, {distance:.2f} from least squares;"
    )
    print(f"    loss within the last epoch: {min(last_epoch):.2f} to {max(last_epoch):.2f}")
print("least squares:", exact.round(2))

# %% [markdown]
# In sorted order the last batches of each epoch hold only large $y$, and lift the line. The gradient of a batch is a good estimate only if the batch
# is a random sample. The symptom is a loss that rises and falls once in every epoch.

# %% [markdown]
# ## 4. Where to begin: Xavier and He
#
# If all weights were equal, all neurons of a layer would stay equal in every step; so weights begin at random. How large? Take
# $z = \sum_{k=1}^{K} w_k h_k$ with independent weights of mean 0:
#
# $$\operatorname{Var}(z) = K \operatorname{Var}(w)\; \mathbb E[h^2]$$
#
# - Without an activation function, or near 0 where $\tanh z \approx z$, $h$ is the $z$ of the layer before, so the variance is kept if
#   $\operatorname{Var}(w) = 1/K$. The backward pass sums over the $M$ neurons of the layer, so the size of the gradients is kept if it is $1/M$.
#   **Xavier** (Glorot and Bengio, 2010) takes the compromise $2/(K + M)$.
# - After ReLU half of a symmetric $z$ is gone: $\mathbb E[h^2] = \tfrac12 \operatorname{Var}(z)$. So **He** (He et al., 2015) takes $\operatorname{Var}(w) = 2/K$.
#
# Nineteen ReLU layers of 256 neurons and an output layer of 10, five seeds each, with Var(w) = gain / K:

# %%
inputs = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)
labels = np.arange(64) % 10


def size(a):
    return float(np.sqrt(np.mean(a**2)))


spread, slopes = {}, {}
for gain in (1.0, 2.0, 3.0):  # 1: Xavier, since K = M here; 2: He
    parameters = networks.random_parameters([256] * 20 + [10], range(5), gain)
    spread[gain] = [size(h) for h in networks.forward(parameters, inputs)[1:-1]]
    slopes[gain] = [size(g) for g in networks.gradients(parameters, inputs, labels)[:-2:2]]
    print(
        f"gain {gain:.0f}: activations {spread[gain][0]:.2g} after layer 1, {spread[gain][-1]:.2g} after 19"
    )
    print(f"        gradients {slopes[gain][0]:.1g} in layer 1, {slopes[gain][-1]:.1g} in layer 19")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=8.8, height=2.9)
names = {1.0: "Xavier, 1/K", 2.0: "He, 2/K", 3.0: "too large, 3/K"}
for (gain, name), marker in zip(names.items(), "os^", strict=True):
    axes[0].semilogy(range(1, 20), spread[gain], marker + "-", markersize=3, label=name)
    axes[1].semilogy(range(1, 20), slopes[gain], marker + "-", markersize=3, label=name)
axes[0].set(xlabel="layer", ylabel="root mean square", title="activations")
axes[1].set(xlabel="layer", ylabel="root mean square", title="gradients of the weights")
for axis in axes:
    axis.set_xticks(range(1, 20, 3))
    axis.grid()
axes[0].legend()
plots.show(
    fig,
    alt="Activations and gradients by layer for three sizes of the first weights. With He's the activations keep their size through "
    "nineteen layers; with Xavier's they shrink and with larger ones they grow, by a constant factor for each layer. "
    "The gradients are nearly level, but far smaller for Xavier's and larger for the largest.",
)

# %% [markdown]
# With 2/K the activations keep their size. A factor of $1/\sqrt2$ for each layer (gain 1) or of $\sqrt{1.5}$ (gain 3) is too much over
# nineteen layers. The gradient of a layer's weights is a product of its input $h$ and of $g_z$. $h$ has shrunk (or grown) over all layers
# before, $g_z$ over all layers after, so *all* layers learn too slowly (or too fast).

# %% [markdown]
# ## 5. Training and inference
#
# **Training** runs the forward pass, keeps each layer's input for the backward pass, runs that, and changes the weights. **Inference** uses the
# finished network: forward only, and what a layer computed can be discarded once the next is done. For 8 layers of 256 neurons and 64 points:

# %%
deep = networks.random_parameters([256] * 9, [0])
kept = sum(a.nbytes for a in networks.forward(deep, inputs))
print(f"training keeps  {kept / 1e6:.2f} MB of activations")
print(f"inference keeps {2 * inputs.nbytes / 1e6:.2f} MB: input and output of one layer")
products = 64 * 256 * 256  # multiplications of one product of matrices
forward_only = 8 * products
backward = 8 * products + 7 * products  # g_W of each layer, g_x of all but the first
print(f"multiplications: inference {forward_only:,}, training {forward_only + backward:,}")

# %% [markdown]
# About three times as many: the backward pass needs two products of matrices where the forward pass needs one. Most of what follows
# makes inference fast.

# %% [markdown]
# ## 6. Learning the points, or learning the rule
#
# Networks overfit as polynomials do (lecture 01). What is done against it is called *regularisation*:
#
# - **L2**, or weight decay: pull each weight towards zero, in proportion to its size. For plain descent that is the gradient of $\tfrac\lambda2 \sum w^2$.
# - **L1**: pull each weight by the same amount, the gradient of $\lambda \sum |w|$, and stop at zero. Small weights end *at* zero.
# - **Dropout** (Srivastava et al., 2014): in each step set the outputs of a random share of the hidden neurons to zero, and scale up the rest. At
#   inference all are used.
# - **Early stopping**: follow the accuracy on held-out points, and keep the weights of the best step.

# %% [markdown]
# ### A price for large weights
#
# First on the polynomials of lecture 01, which have a formula. Degree 15, 16 points, and the loss $\text{MSE} + \lambda \lVert c\rVert^2$: L2 for a linear
# model, called *ridge regression*. $A$ [16, 16] holds the powers of each $x$. Setting the derivative to zero gives $(A^{\mathsf T}A + N\lambda I)\,c = A^{\mathsf T}y$. The median of 40 draws of the points:


# %% jupyter={"source_hidden": true}
def curve(x):
    return np.sin(3 * x) + 0.5 * x + rng.normal(scale=0.2, size=x.shape)


def powers(x):
    return (x[:, None] / 2) ** np.arange(16)  # [N, 16]; x / 2 lies in [-1, 1]


place, between = np.linspace(-2, 2, 16), np.linspace(-2, 2, 400)

# %%
strengths, ridge = [0, *10.0 ** np.arange(-8, 2)], np.zeros((40, 11, 2))
for draw in ridge:
    y, new_y = curve(place), curve(between)
    for row, strength in zip(draw, strengths, strict=True):
        A = powers(place)
        c = np.linalg.solve(A.T @ A + 16 * strength * np.eye(16), A.T @ y)
        row[:] = np.sqrt([np.mean((A @ c - y) ** 2), np.mean((powers(between) @ c - new_y) ** 2)])
seen, new = np.median(ridge, axis=0).T
best = new.argmin()
for n in (0, best, len(new) - 1):
    print(
        f"λ = {strengths[n]:5.0e}: error {seen[n]:.2f} on the points seen, {new[n]:.2f} on new ones"
    )

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=2.8)
axes[0].loglog(strengths[1:], seen[1:], "o-", label="on the points seen")
axes[0].loglog(strengths[1:], new[1:], "s--", label="on new ones")
axes[0].axhline(0.2, color=plots.GREY, linewidth=1, label="the noise")
axes[0].set(xlabel="λ", ylabel="error (root mean square)", title="ridge, degree 15")
axes[0].legend(fontsize=8.5)
A, y = powers(place), curve(place)
for strength, dashes in ((0, ":"), (strengths[best], "-"), (1, "--")):
    c = np.linalg.solve(A.T @ A + 16 * strength * np.eye(16), A.T @ y)
    axes[1].plot(between, powers(between) @ c, dashes, label=f"λ = {strength:g}", linewidth=1.4)
axes[1].plot(place, y, "o", color=plots.BLACK, markersize=4)
axes[1].set(xlabel="x", ylabel="y", ylim=(-3, 3), title="one draw")
axes[1].legend(fontsize=8.5, loc="lower center")
plots.show(
    fig,
    alt="Left: error against λ. On the points seen it rises with λ; on new ones it falls, is lowest near a millionth, "
    "and rises. Right: without a penalty the curve passes through all 16 points and swings far away near the ends; with the best λ it "
    "follows them smoothly; with λ = 1 it is nearly flat.",
)

# %% [markdown]
# Without a penalty the curve swings widely between the points. With a small one it fits the points seen less exactly and new ones far better; with
# a large one it is nearly flat.
#
# L1 has the penalty $\lambda \sum |w|$ instead. Two weights, the same loss, and both penalties, for growing $\lambda$:

# %% jupyter={"source_hidden": true}
bowl, bottom = np.array([[2, 1.2], [1.2, 1.6]]), np.array([1.8, 0.9])
grid = np.stack(np.meshgrid(np.linspace(-1.5, 3, 120), np.linspace(-1.5, 2, 120)), axis=-1)
losses = 0.5 * np.einsum("...i,ij,...j->...", grid - bottom, bowl, grid - bottom)


def lowest_with_l1(strength):
    w = np.zeros(2)
    for _ in range(2000):
        w = w - 0.2 * bowl @ (w - bottom)
        w = np.sign(w) * np.maximum(np.abs(w) - 0.2 * strength, 0)
    return w


growing = np.linspace(0, 6, 25)
ends = {
    "L2: circles": [np.linalg.solve(bowl + s * np.eye(2), bowl @ bottom) for s in growing],
    "L1: diamonds": [lowest_with_l1(s) for s in growing],
}
fig, axes = plots.figure(1, 2, width=8.4, height=3, sharey=True)
for axis, (name, path), size in zip(
    axes, ends.items(), (np.linalg.norm(grid, axis=-1), np.abs(grid).sum(axis=-1)), strict=True
):
    path = np.array(path)
    touching = path[8]  # λ = 2
    at = np.hypot(*touching) if "L2" in name else np.abs(touching).sum()
    loss_there = 0.5 * (touching - bottom) @ bowl @ (touching - bottom)
    axis.contour(
        *grid.transpose(2, 0, 1),
        losses,
        levels=loss_there * np.array([0.25, 1, 2.5]),
        colors=plots.GREY,
        linewidths=0.8,
    )
    axis.contourf(*grid.transpose(2, 0, 1), size, levels=[0, at], colors=[plots.SKY], alpha=0.35)
    axis.plot(*path.T, "o-", color=plots.BLUE, markersize=3, linewidth=0.9)
    axis.plot(*touching, "s", color=plots.VERMILION, markersize=7, zorder=4)
    axis.plot(*bottom, "*", color=plots.BLACK, markersize=10, zorder=4)
    axis.axhline(0, color=plots.BLACK, linewidth=0.6)
    axis.axvline(0, color=plots.BLACK, linewidth=0.6)
    axis.set(
        xlabel="$w_1$",
        title=f"{name}; square: λ = 2, w = ({touching[0]:.2f}, {touching[1]:.2f})",
        aspect="equal",
    )
axes[0].set_ylabel("$w_2$")
plots.show(
    fig,
    alt="Contours of a loss over two weights, its lowest point a star, and the path of the minimum as λ grows. Left, L2: a disc touches "
    "a contour, and both weights shrink towards zero without reaching it. Right, L1: a diamond touches a contour with its corner on "
    "the first axis, where the second weight is exactly zero.",
)

# %% [markdown]
# The minimum lies where a contour of the loss (grey) touches one of the penalty (the rim of the blue area). A circle can be touched at any point, so L2
# shrinks both weights and sets none to zero. A diamond is often touched at a corner, where one weight *is* zero.
#
# ### A network
#
# Now 60 points in two half-moons, 8 of them with the wrong label. Two hidden layers of 64 have enough weights to memorise even
# those. Other points choose the settings (*validation*), and others again judge (*test*). First a drawing of dropout:

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=7.5, height=2.5)
drawings.draw_mlp(axes[0], [2, 4, 4, 2], [""] * 4, labels="    ")
axes[0].set_title("inference: all neurons")
drawings.draw_mlp(axes[1], [2, 4, 4, 2], [""] * 4, {(1, 0), (1, 2), (2, 1), (2, 2)}, labels="    ")
axes[1].set_title("a training step with dropout of a half")
plots.show(
    fig,
    alt="Left: a network with two hidden layers of four, all joined. Right: two neurons of each hidden layer are empty "
    "circles without lines.",
)

# %% jupyter={"source_hidden": true}
train_x, train_y = two_moons(60, seed=5, wrong_labels=8)
valid_x, valid_y = two_moons(100, seed=6)
test_x, test_y = two_moons(1000, seed=7)


class L1:
    """Adam, then each weight moves rate * strength towards zero, and not beyond."""

    def __init__(self, rate, strength):
        self.adam, self.shrink = networks.Adam(rate), np.float32(rate * strength)

    def __call__(self, parameters, grads):
        moved = self.adam(parameters, grads)
        return [np.sign(w) * np.maximum(np.abs(w) - self.shrink, 0) for w in moved]


# %% jupyter={"source_hidden": true}
seeds = range(5)


def run(optimiser, dropout=0.0, steps=500):
    """Final parameters of five seeds, and every 5 steps (step, parameters, right on validation)."""
    log = []

    def watch(step, parameters):
        if step % 5 == 0:
            right = networks.accuracies(parameters, valid_x, valid_y)
            log.append((step, parameters, float(right.mean())))

    begin = networks.random_parameters([2, 64, 64, 2], seeds)
    return networks.train(
        begin, train_x, train_y, optimiser, steps, dropout=dropout, watch=watch
    ), log


# %%
plain, log = run(networks.Adam(0.01))
best_step, early, _ = max(log, key=lambda entry: entry[2])
results = {"nothing": plain, f"early stop, step {best_step}": early}
for decay in (0.01, 0.3, 3.0):
    results[f"L2, λ = {decay:g}"] = run(networks.Adam(0.01, decay))[0]
for strength in (0.01, 0.3, 1.0):
    results[f"L1, λ = {strength:g}"] = run(L1(0.01, strength))[0]
for share in (0.2, 0.5):
    results[f"dropout {share:.0%}"] = run(networks.Adam(0.01), share)[0]

print("mean of five seeds           train   validation  test   weights at 0")
for name, parameters in results.items():
    train, valid, test = (
        networks.accuracies(parameters, x, y).mean()
        for x, y in ((train_x, train_y), (valid_x, valid_y), (test_x, test_y))
    )
    weights = np.concatenate([w.ravel() for w in parameters[::2]])
    print(f"{name:26s} {train:7.1%}   {valid:7.1%}   {test:7.1%}   {np.mean(weights == 0):6.1%}")

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 4, width=9.6, height=2.7)
steps, _, valid = zip(*log, strict=True)
on_train = [networks.accuracies(p, train_x, train_y).mean() for _, p, _ in log]
axes[0].plot(steps, on_train, label="train")
axes[0].plot(steps, valid, "--", label="validation")
axes[0].axvline(best_step, color=plots.GREY, linewidth=1)
axes[0].set(xlabel="step", ylabel="right", title="nothing done")
axes[0].legend(fontsize=8.5)
shown = ["nothing", "L2, λ = 3", "L1, λ = 1"]
for axis, name in zip(axes[1:], shown, strict=True):
    first = [w[:1] for w in results[name]]
    plots.draw_regions(axis, lambda x, p=first: networks.forward(p, x)[-1][0].argmax(axis=1), -2, 2)
    plots.draw_points(axis, train_x, train_y, size=12)
    axis.set_title(name)
plots.show(
    fig,
    alt="Left: on the training points accuracy climbs to one, on the validation points it falls after an early peak. "
    "Then regions of one seed: without regularisation islands around wrong labels, with strong weight decay and with "
    "L1 a smooth boundary.",
)

# %% [markdown]
# With nothing done the network memorises the wrong labels. Early stopping, strong L1 or L2, and dropout of a half help here; a decay of
# 0.01, the default of PyTorch's AdamW, changes nothing. With strong L1 nearly all weights are exactly 0.
# The validation points choose the setting: L2 with λ = 3. Its accuracy on them is too optimistic, since they chose it; so the test points judge.

# %% [markdown]
# ## The answer
#
# - The direction of strongest curvature limits the learning rate; above the limit gradient descent diverges. Momentum and RMSProp each change one
#   thing, Adam both. Compare rules at their best rates, over several starts.
# - A mini-batch gives a noisy gradient cheaply: noise $\propto 1/\sqrt B$. It has to be a random sample.
# - Initial weights of variance $2/K$ (He, for ReLU) or $2/(K+M)$ (Xavier) keep the size of activations and gradients through many layers.
# - Training costs about three times the arithmetic of inference, and keeps all activations.
# - L1, L2, dropout and early stopping work against overfitting. Validation points choose, test points judge.
#
# ## Sources
#
# - B. Polyak (1964), [Some methods of speeding up the convergence of iteration methods](https://doi.org/10.1016/0041-5553(64)90137-5): momentum.
# - T. Tieleman, G. Hinton (2012), *RMSProp*, lecture 6.5 of Neural Networks for Machine Learning.
# - D. Kingma, J. Ba (2014), [Adam: a method for stochastic optimization](https://arxiv.org/abs/1412.6980);
#   I. Loshchilov, F. Hutter (2017), [Decoupled weight decay regularization](https://arxiv.org/abs/1711.05101).
# - X. Glorot, Y. Bengio (2010), [Understanding the difficulty of training deep feedforward neural networks](https://proceedings.mlr.press/v9/glorot10a.html);
#   K. He et al. (2015), [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852).
# - N. Srivastava et al. (2014), [Dropout: a simple way to prevent neural networks from overfitting](https://jmlr.org/papers/v15/srivastava14a.html).
#
# ## Go on
#
# In [lab 04 training](../labs/04_training/04_training.ipynb) you write a training step and AdamW, and teach a network to read digits that it
# has not seen. Then: [05 Normalisation](05_normalisation.ipynb).
