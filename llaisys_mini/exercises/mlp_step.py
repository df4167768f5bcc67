"""mlp_step: forward, backward, and one step downhill."""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.exercise import exercise


@exercise
def mlp_step(x, labels, w1, b1, w2, b2, rate):
    """One step of gradient descent of a network with one hidden layer: linear, relu, linear, softmax cross-entropy.

    x [N, K] float32, labels [N] int64, w1 [H, K], b1 [H], w2 [V, H], b2 [V] float32; rate: a number.
    Returns (loss, w1, b1, w2, b2): the mean loss before the step, and the new parameters (float32). The given
    arrays are left alone.
    """
    x, w1, b1, w2, b2 = (np.asarray(a, np.float64) for a in (x, w1, b1, w2, b2))
    before = ops.linear.exact(x, w1, b1)
    hidden = ops.relu.exact(before)
    logits = ops.linear.exact(hidden, w2, b2)
    loss = ops.cross_entropy.exact(logits, labels).mean()
    grad_logits = ops.softmax_cross_entropy_backward.exact(logits, labels)
    grad_hidden, grad_w2, grad_b2 = ops.linear_backward.exact(grad_logits, hidden, w2)
    grad_before = ops.relu_backward.exact(grad_hidden, before)
    _, grad_w1, grad_b1 = ops.linear_backward.exact(grad_before, x, w1)
    return loss, w1 - rate * grad_w1, b1 - rate * grad_b1, w2 - rate * grad_w2, b2 - rate * grad_b2


@mlp_step.cases
def cases(rng):
    def inputs(n, k, h, v, rate=0.5):
        def f32(*shape):
            return rng.normal(size=shape).astype(np.float32)

        labels = rng.integers(0, v, size=n)
        return dict(x=f32(n, k), labels=labels, w1=f32(h, k), b1=f32(h), w2=f32(v, h), b2=f32(v), rate=rate)

    yield "one point", inputs(1, 3, 4, 2)
    yield "several points", inputs(6, 2, 5, 3)
    yield "a small rate", inputs(5, 4, 3, 2, rate=0.01)
    yield "some sizes", inputs(*(int(i) for i in rng.integers(2, 20, size=4)))


@mlp_step.use
def use(answer, **inputs):
    loss, *parameters = answer(**inputs)
    return {"loss": loss, **dict(zip(("w1", "b1", "w2", "b2"), parameters, strict=True))}


mlp_step.leaves_alone("x", "labels", "w1", "b1", "w2", "b2")


def _with(change):
    """The reference with the moves (new - old) of w1, b1, w2, b2 changed."""

    def mistaken(x, labels, w1, b1, w2, b2, rate):
        loss, *new = mlp_step.reference(x, labels, w1, b1, w2, b2, rate)
        old = (w1, b1, w2, b2)
        moves = change(*(n - o for n, o in zip(new, old, strict=True)))
        return (loss, *(o + m for o, m in zip(old, moves, strict=True)))

    return mistaken


mlp_step.mistake("it steps uphill: the gradient has to be subtracted")(_with(lambda a, b, c, d: (-a, -b, -c, -d)))
mlp_step.mistake("the first layer steps uphill: its gradient has to be subtracted too")(
    _with(lambda a, b, c, d: (-a, -b, c, d))
)
mlp_step.mistake("the second layer steps uphill: its gradient has to be subtracted too")(
    _with(lambda a, b, c, d: (a, b, -c, -d))
)
mlp_step.mistake("the biases step uphill: their gradients have to be subtracted too")(
    _with(lambda a, b, c, d: (a, -b, c, -d))
)
mlp_step.mistake("the weights step uphill: their gradients have to be subtracted too")(
    _with(lambda a, b, c, d: (-a, b, -c, d))
)
mlp_step.mistake("the biases are not moved")(_with(lambda a, b, c, d: (a, 0 * b, c, 0 * d)))
mlp_step.mistake("only the second layer is moved")(_with(lambda a, b, c, d: (0 * a, 0 * b, c, d)))


@mlp_step.mistake("the gradient passes relu everywhere: relu_backward is missing")
def no_relu_backward(x, labels, w1, b1, w2, b2, rate):
    loss, _, _, new_w2, new_b2 = mlp_step.reference(x, labels, w1, b1, w2, b2, rate)
    hidden = np.maximum(x @ w1.T + b1, 0)
    grad = ops.softmax_cross_entropy_backward.reference(hidden @ w2.T + b2, labels) @ w2
    return loss, w1 - rate * grad.T @ x, b1 - rate * grad.sum(axis=0), new_w2, new_b2


@mlp_step.mistake("the arguments of relu_backward are swapped: first the gradient, then the input of relu")
def swapped_arguments(x, labels, w1, b1, w2, b2, rate):
    loss, _, _, new_w2, new_b2 = mlp_step.reference(x, labels, w1, b1, w2, b2, rate)
    before = x @ w1.T + b1
    grad_hidden = ops.softmax_cross_entropy_backward.reference(np.maximum(before, 0) @ w2.T + b2, labels) @ w2
    grad = np.where(grad_hidden > 0, before, 0)
    return loss, w1 - rate * grad.T @ x, b1 - rate * grad.sum(axis=0), new_w2, new_b2


@mlp_step.mistake("the loss is given for each point; their mean is asked for")
def loss_of_each(x, labels, w1, b1, w2, b2, rate):
    _, *parameters = mlp_step.reference(x, labels, w1, b1, w2, b2, rate)
    logits = np.maximum(x @ w1.T + b1, 0) @ w2.T + b2
    return (ops.cross_entropy.reference(logits, labels), *parameters)


@mlp_step.mistake("the first layer's gradient is made with the second layer's new weights")
def updated_too_early(x, labels, w1, b1, w2, b2, rate):
    loss, _, _, new_w2, new_b2 = mlp_step.reference(x, labels, w1, b1, w2, b2, rate)
    before = x @ w1.T + b1
    grad_logits = ops.softmax_cross_entropy_backward.reference(np.maximum(before, 0) @ w2.T + b2, labels)
    grad = (grad_logits @ new_w2) * (before > 0)
    return loss, w1 - rate * grad.T @ x, b1 - rate * grad.sum(axis=0), new_w2, new_b2


@mlp_step.mistake("the loss is the sum over the points, not their mean")
def summed_loss(x, labels, w1, b1, w2, b2, rate):
    loss, *parameters = mlp_step.reference(x, labels, w1, b1, w2, b2, rate)
    return (loss * len(labels), *parameters)
