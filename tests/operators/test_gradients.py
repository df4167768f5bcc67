"""The references of the backward operators are the derivatives of the forward ones, by central differences in float64.

For each pair: a loss that weighs every number of the forward results, its change along each input's own direction.
"""

import numpy as np
import pytest

from llaisys_mini import operators

STEP = 1e-5


def forward(name, values):
    results = operators.get(name).reference(*values)
    return results if isinstance(results, tuple) else (results,)


def drawn(rng, *shapes):
    return [rng.normal(size=shape) for shape in shapes]


def attention_inputs(rng):
    return drawn(rng, (5, 6, 4), (8, 2, 4), (8, 2, 4)), (0.7,)


# operator -> function(rng): the inputs that have gradients, the others that follow them
INPUTS = {
    "linear": lambda rng: (drawn(rng, (5, 3), (4, 3), (4,)), ()),
    "rms_norm": lambda rng: (drawn(rng, (2, 3, 7), (7,)), (0.3,)),
    "add_rms_norm": lambda rng: (drawn(rng, (4, 7), (4, 7), (7,)), (0.3,)),
    "swiglu": lambda rng: (drawn(rng, (3, 9), (3, 9)), ()),
    "attention": attention_inputs,
    "relu": lambda rng: (drawn(rng, (40,)), ()),
}


def gradients(name, values, rest, grads):
    """What the backward operator of `name` gives, one gradient for each of `values`."""
    if name == "linear":
        return operators.get("linear_backward").reference(*grads, *values[:2])
    if name == "add_rms_norm":
        x, residual, weight = values
        of_x, of_weight = operators.get("add_rms_norm_backward").reference(*grads, x + residual, weight, *rest)
        return of_x, of_x, of_weight
    found = operators.get(f"{name}_backward").reference(*grads, *values, *rest)
    return found if isinstance(found, tuple) else (found,)


def assert_is_derivative(loss, value, gradient):
    """Along every axis: the loss's change for a small step of each number, against the gradient's number."""
    assert gradient.shape == value.shape
    for index in np.ndindex(value.shape):
        there, back = value.copy(), value.copy()
        there[index] += STEP
        back[index] -= STEP
        slope = (loss(there) - loss(back)) / (2 * STEP)
        assert slope == pytest.approx(gradient[index], rel=1e-6, abs=1e-8), index


@pytest.mark.parametrize("name", INPUTS)
def test_the_backward_reference_is_the_derivative(name):
    rng = np.random.default_rng(3)
    values, rest = INPUTS[name](rng)
    grads = [rng.normal(size=result.shape) for result in forward(name, (*values, *rest))]
    for position, gradient in enumerate(gradients(name, values, rest, grads)):

        def loss(value, position=position):
            changed = [*values[:position], value, *values[position + 1 :], *rest]
            return sum((g * r).sum() for g, r in zip(grads, forward(name, changed), strict=True))

        assert_is_derivative(loss, values[position], gradient)


def test_the_embedding_s_gradient_is_added_to_what_was_there():
    rng = np.random.default_rng(4)
    ids = np.array([2, 0, 2, 4, 2])
    weight, grad_out, before = drawn(rng, (5, 3), (5, 3), (5, 3))
    found = operators.embedding_backward.reference(grad_out, ids, before)
    assert_is_derivative(lambda w: (grad_out * operators.embedding.reference(ids, w)).sum(), weight, found - before)


def test_the_loss_s_gradient():
    rng = np.random.default_rng(5)
    logits, targets = rng.normal(size=(4, 6)), np.array([1, 5, 0, 1])
    found = operators.softmax_cross_entropy_backward.reference(logits, targets)
    assert_is_derivative(lambda x: operators.cross_entropy.reference(x, targets).mean(), logits, found)


def test_rope_at_the_opposite_positions_is_its_own_backward_pass():
    """A rotation's derivative is the rotation back, so no operator of its own is needed."""
    rng = np.random.default_rng(6)
    x, grad_out = drawn(rng, (4, 2, 6), (4, 2, 6))
    positions = np.array([0, 3, 17, 400])
    found = operators.rope.reference(grad_out, -positions, 1e4)
    assert_is_derivative(lambda x: (grad_out * operators.rope.reference(x, positions, 1e4)).sum(), x, found)
