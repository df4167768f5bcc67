"""The operators of a decoder on a tape: each function computes its result and writes down its backward pass.

All arrays are float32 and C-contiguous, ids and positions int64. N rows, E width, H heads, K key heads, D head width.
"""

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.training.tape import Tape, Variable, gradient_of


def embedding(tape: Tape, ids: np.ndarray, table: Variable) -> Variable:
    """ids [N], table [V, E] -> [N, E]."""
    out = Variable(ops.embedding(ids, table.value))

    def backward():
        # The table's own array is added to: few of its rows change.
        total = np.zeros_like(table.value) if table.gradient is None else np.array(table.gradient)
        ops.embedding_backward(gradient_of(out), ids, total)
        table.gradient = total

    tape.record(backward)
    return out


def linear(tape: Tape, x: Variable, weight: Variable) -> Variable:
    """x [N, E], weight [M, E] -> [N, M]."""
    out = Variable(ops.linear(x.value, weight.value, None))

    def backward():
        of_x, of_weight, _ = ops.linear_backward(gradient_of(out), x.value, weight.value)
        x.add(of_x)
        weight.add(of_weight)

    tape.record(backward)
    return out


def rms_norm(tape: Tape, x: Variable, weight: Variable, eps: float) -> Variable:
    """x [..., E], weight [E] -> [..., E]."""
    out = Variable(ops.rms_norm(x.value, weight.value, eps))

    def backward():
        of_x, of_weight = ops.rms_norm_backward(gradient_of(out), x.value, weight.value, eps)
        x.add(of_x)
        weight.add(of_weight)

    tape.record(backward)
    return out


def add_rms_norm(tape: Tape, x: Variable, step: Variable, weight: Variable, eps: float) -> tuple[Variable, Variable]:
    """(x + step, its norm), each [N, E]."""
    total, out = map(Variable, ops.add_rms_norm(x.value, step.value, weight.value, eps))

    def backward():
        of_sum, of_weight = ops.add_rms_norm_backward(
            gradient_of(total), gradient_of(out), total.value, weight.value, eps
        )
        x.add(of_sum)
        step.add(of_sum)
        weight.add(of_weight)

    tape.record(backward)
    return total, out


def rope(tape: Tape, x: Variable, positions: np.ndarray, theta: float) -> Variable:
    """x [L, H, D] rotated by its positions [L]. The gradient of a rotation is rotated back."""
    out = Variable(ops.rope(x.value, positions, theta))
    tape.record(lambda: x.add(ops.rope(gradient_of(out), -positions, theta)))
    return out


def attention(tape: Tape, q: Variable, k: Variable, v: Variable, scale: float) -> Variable:
    """q [L, H, D], k and v [S, K, D] -> [L, H, D], causal."""
    out = Variable(ops.attention(q.value, k.value, v.value, scale))

    def backward():
        gradients = ops.attention_backward(gradient_of(out), q.value, k.value, v.value, scale)
        for variable, gradient in zip((q, k, v), gradients, strict=True):
            variable.add(gradient)

    tape.record(backward)
    return out


def swiglu(tape: Tape, gate: Variable, up: Variable) -> Variable:
    """silu(gate) * up, all of one shape."""
    out = Variable(ops.swiglu(gate.value, up.value))

    def backward():
        of_gate, of_up = ops.swiglu_backward(gradient_of(out), gate.value, up.value)
        gate.add(of_gate)
        up.add(of_up)

    tape.record(backward)
    return out


def reshape(tape: Tape, x: Variable, *shape: int) -> Variable:
    """The same numbers in another shape."""
    out = Variable(x.value.reshape(shape))
    tape.record(lambda: x.add(gradient_of(out).reshape(x.value.shape)))
    return out


def cross_entropy(tape: Tape, logits: Variable, targets: np.ndarray) -> float:
    """The mean loss in nats of logits [N, V] for targets [N]. What the tape is played for."""
    tape.record(lambda: logits.add(ops.softmax_cross_entropy_backward(logits.value, targets)))
    return float(ops.cross_entropy(logits.value, targets).mean(dtype=np.float64))


def log_likelihoods(tape: Tape, logits: Variable, targets: np.ndarray) -> Variable:
    """The log probability of each target: logits [N, V], targets [N] -> [N]. What is learned by rewards begins here."""
    out = Variable(-ops.cross_entropy(logits.value, targets))

    def backward():
        # The operator's gradient is that of the mean of the N losses.
        rows = ops.softmax_cross_entropy_backward(logits.value, targets)
        logits.add(rows * (-len(targets) * gradient_of(out))[:, None])

    tape.record(backward)
    return out
