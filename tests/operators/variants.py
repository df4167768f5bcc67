"""Correct kernels that compute in another way than the reference: other summation orders, float32 throughout,
online softmax, fused forms. The cases must accept every one of them. A function is named `<operator>_<how>`.

An operator that sums, or that has a well-known second form, gets one here. The first variant of each operator makes
itself: the reference on float32 numbers.
"""

import math

import numpy as np

from llaisys_mini import operators

F = np.float32


def sequential_sum(values):
    """Sum along the last axis in float32, one term after the other."""
    total = np.zeros(values.shape[:-1], F)
    for i in range(values.shape[-1]):
        total = (total + values[..., i]).astype(F)
    return total


def reversed_sum(values):
    return sequential_sum(values[..., ::-1])


def linear_sequential(x, weight, bias):
    out = sequential_sum(x[:, None, :] * weight[None])
    return out if bias is None else out + bias


def linear_bias_first(x, weight, bias):
    out = np.zeros((x.shape[0], weight.shape[0]), F) + (0 if bias is None else bias)
    for k in range(x.shape[1]):
        out = (out + x[:, k, None] * weight[None, :, k]).astype(F)
    return out


def linear_int8_dequantised_first(x, weight, scales, bias):
    return linear_sequential(x, weight * np.repeat(scales, weight.shape[1] // scales.shape[1], axis=1), bias)


def linear_int8_group_by_group(x, weight, scales, bias):
    """The scale taken out of each group's sum, the groups summed backwards."""
    groups = scales.shape[1]
    products = (x[:, None, :] * weight[None]).reshape(len(x), len(weight), groups, -1)
    out = reversed_sum(sequential_sum(products) * scales[None])
    return out if bias is None else bias + out


def nibbles(weight):
    """The numbers -8 .. 7 of linear_int4, taken apart with integer operations."""
    groups = weight.astype(np.uint8).reshape(len(weight), -1, 16)
    return np.concatenate([groups & 15, groups >> 4], axis=2).reshape(len(weight), -1).astype(F) - F(8)


def linear_int4_dequantised_first(x, weight, scales, bias):
    return linear_int8_dequantised_first(x, nibbles(weight), scales, bias)


def linear_int4_group_by_group(x, weight, scales, bias):
    return linear_int8_group_by_group(x, nibbles(weight), scales, bias)


def matmul_tiled(a, b):
    out = np.zeros((a.shape[0], b.shape[1]), F)
    for k in range(0, a.shape[1], 8):
        out = out + a[:, k : k + 8] @ b[k : k + 8]
    return out


def matmul_reversed(a, b):
    return reversed_sum(a[:, None, :] * b.T[None])


def softmax_online(x):
    top = np.full(x.shape[:-1], -np.inf, F)
    total = np.zeros(x.shape[:-1], F)
    for c in range(x.shape[-1]):
        larger = np.maximum(top, x[..., c])
        seen = larger > -np.inf  # before the first finite score, -inf - -inf would be NaN
        with np.errstate(invalid="ignore"):
            total = np.where(seen, total * np.exp(top - larger) + np.exp(x[..., c] - larger), F(0))
        top = larger
    return np.exp(x - top[..., None]) / total[..., None]


def softmax_flushes_what_is_tiny(x):
    below = x - x.max(axis=-1, keepdims=True)
    exponentials = np.where(below < -87, F(0), np.exp(below))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def rough_exp(x):
    """exp with a relative error of 1e-6, as a short polynomial has it."""
    return np.exp(x) * (1 + F(1e-6) * np.sin(37 * x).astype(F))


def sigmoid_by_tanh(x):
    return F(0.5) * (1 + np.tanh(F(0.5) * x))


def sigmoid_of_rough_exp(x):
    small = rough_exp(-np.abs(x))
    return np.where(x >= 0, F(1), small) / (1 + small)


def silu_by_tanh(x):
    return x * sigmoid_by_tanh(x)


def silu_of_rough_exp(x):
    return x * sigmoid_of_rough_exp(x)


def swiglu_by_tanh(gate, up):
    return silu_by_tanh(gate) * up


def swiglu_of_rough_exp(gate, up):
    return silu_of_rough_exp(gate) * up


def softmax_base_two(x):
    exponentials = np.exp2((x - x.max(axis=-1, keepdims=True)) * F(math.log2(math.e)))
    return exponentials / reversed_sum(exponentials)[..., None]


def cross_entropy_sequential(logits, targets):
    top = logits.max(axis=1)
    total = sequential_sum(np.exp(logits - top[:, None]))
    return np.log(total) - (logits[np.arange(len(targets)), targets] - top)


def softmax_cross_entropy_backward_online(logits, targets):
    out = softmax_online(logits)
    out[np.arange(len(targets)), targets] -= 1
    return out * F(1 / len(targets))


def layer_norm_two_pass(x, weight, bias, eps):
    mean = sequential_sum(x) / F(x.shape[-1])
    centred = x - mean[..., None]
    variance = sequential_sum(centred * centred) / F(x.shape[-1])
    return centred / np.sqrt(variance + F(eps))[..., None] * weight + bias


def layer_norm_welford(x, weight, bias, eps):
    mean, squares = np.zeros(x.shape[:-1], F), np.zeros(x.shape[:-1], F)
    for i in range(x.shape[-1]):
        step = x[..., i] - mean
        mean = (mean + step / F(i + 1)).astype(F)
        squares = (squares + step * (x[..., i] - mean)).astype(F)
    scale = 1 / np.sqrt(squares / F(x.shape[-1]) + F(eps))
    return (x - mean[..., None]) * scale[..., None] * weight + bias


def rms_norm_sequential(x, weight, eps):
    scale = 1 / np.sqrt(sequential_sum(x * x) / F(x.shape[-1]) + F(eps))
    return x * scale[..., None] * weight


def rms_norm_weight_first(x, weight, eps):
    return (x * weight) / np.sqrt(reversed_sum(x * x) / F(x.shape[-1]) + F(eps))[..., None]


def add_rms_norm_sequential(x, residual, weight, eps):
    total = (x + residual).astype(F)
    return total, rms_norm_sequential(total, weight, eps)


def rope_in_float32(x, positions, theta):
    half = x.shape[2] // 2
    frequencies = np.exp(np.arange(half, dtype=F) * F(-2 / x.shape[2]) * np.log(F(theta)))
    angle = (positions.astype(F)[:, None] * frequencies)[:, None, :]
    first, second = x[..., :half], x[..., half:]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=2)


def rope_complex(x, positions, theta):
    half = x.shape[2] // 2
    turn = np.exp(1j * positions[:, None] * theta ** (-np.arange(half) / half))[:, None, :]
    turned = (x[..., :half] + 1j * x[..., half:]) * turn
    return np.concatenate([turned.real, turned.imag], axis=2)


def rope_scaled_in_float32(x, positions, frequencies, factor):
    half = x.shape[2] // 2
    angle = (positions.astype(F)[:, None] * frequencies)[:, None, :]
    cos, sin = np.cos(angle) * F(factor), np.sin(angle) * F(factor)
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=2)


def attention_flash(q, k, v, scale, window=None):
    """Online softmax, one key at a time, never a matrix of scores."""
    length, heads, width = q.shape
    keys, kv_heads, _ = k.shape
    out = np.zeros_like(q)
    for row in range(length):
        for head in range(heads):
            shared = head // (heads // kv_heads)
            top, total, mixed = F(-np.inf), F(0), np.zeros(width, F)
            end = keys - length + row + 1
            for s in range(0 if window is None else max(0, end - int(window)), end):
                score = F(sequential_sum(q[row, head] * k[s, shared]) * F(scale))
                larger = max(top, score)
                shrink, power = np.exp(top - larger), np.exp(score - larger)
                total = total * shrink + power
                mixed = mixed * shrink + power * v[s, shared]
                top = larger
            out[row, head] = mixed / total
    return out


def sliding_attention_flash(q, k, v, scale, window):
    return attention_flash(q, k, v, scale, window)


def attention_query_scaled_first(q, k, v, scale):
    length, keys = q.shape[0], k.shape[0]
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("lhd,shd->hls", q * F(scale), k)
    hidden = np.arange(keys)[None, :] > (keys - length + np.arange(length))[:, None]
    return np.einsum("hls,shd->lhd", softmax_online(np.where(hidden, F(-3e38), scores)), v)


def silu_division(x):
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def silu_reciprocal(x):
    with np.errstate(over="ignore"):
        return x * (1 / (1 + np.exp(-x)))


def swiglu_division(gate, up):
    return silu_division(gate) * up


def swiglu_product_first(gate, up):
    with np.errstate(over="ignore"):
        return (gate * up) / (1 + np.exp(-gate))


def sigmoid_division(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def gelu_by_erfc(x):
    return (x * F(0.5) * np.vectorize(math.erfc)(-x * F(math.sqrt(0.5)))).astype(F)


def sign_by_comparison(x):
    return 2 * (x >= 0).astype(F) - 1


def relu_masked(x):
    return x * (x > 0)


def relu_backward_masked(grad_out, x):
    return grad_out * (x > 0)


def add_swapped(x, y):
    return y + x


def embedding_gather(ids, weight):
    return np.take(weight, ids, axis=0)


def argmax_scan(x):
    flat = x.reshape(-1, x.shape[-1])
    index = np.zeros(len(flat), np.int64)
    for row, values in enumerate(flat):
        for v, value in enumerate(values):
            if value > values[index[row]]:
                index[row] = v
    value = flat[np.arange(len(flat)), index]
    return index.reshape(x.shape[:-1]), value.reshape(x.shape[:-1])


def linear_backward_sequential(grad_out, x, weight):
    of_weight = sequential_sum(grad_out.T[:, None, :] * x.T[None])
    return sequential_sum(grad_out[:, None, :] * weight.T[None]), of_weight, reversed_sum(grad_out.T)


def rms_norm_backward_by_jacobian(grad_out, x, weight, eps):
    """Each row's derivative written out as a matrix, and the rows of grad_weight summed one after the other."""
    width = x.shape[-1]
    rows, gradients = x.reshape(-1, width), grad_out.reshape(-1, width)
    of_x, of_weight = np.empty_like(rows), np.zeros(width, F)
    for n, (row, gradient) in enumerate(zip(rows, gradients, strict=True)):
        scale = F(1) / np.sqrt(sequential_sum(row * row) / F(width) + F(eps))
        normalised = row * scale
        jacobian = scale * (np.eye(width, dtype=F) - normalised[:, None] * normalised / F(width))
        of_x[n] = jacobian @ (gradient * weight)
        of_weight = of_weight + gradient * normalised
    return of_x.reshape(x.shape), of_weight


def add_rms_norm_backward_by_jacobian(grad_total, grad_out, total, weight, eps):
    of_norm, of_weight = rms_norm_backward_by_jacobian(grad_out, total, weight, eps)
    return grad_total + of_norm, of_weight


def swiglu_backward_of_silu(grad_out, gate, up):
    """The slope as s + silu * (1 - s), and 1 - s as the sigmoid of -gate."""
    share, rest = sigmoid_division(gate), sigmoid_division(-gate)
    return grad_out * (up * (share + gate * share * rest)), grad_out * (gate * share)


def embedding_backward_place_by_place(grad_out, ids, grad_weight):
    total = np.array(grad_weight)
    for n in reversed(range(len(ids))):
        total[ids[n]] += grad_out[n]
    return total


def attention_backward_flash(grad_out, q, k, v, scale):
    """One query and head after the other; the weighted mean of grad_P taken from the output, as FlashAttention does."""
    length, keys = len(q), len(k)
    of_q, of_k, of_v = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    out = attention_flash(q, k, v, scale)
    for row in range(length):
        for head in range(q.shape[1]):
            shared = head // (q.shape[1] // k.shape[1])
            seen = keys - length + row + 1
            score = F(scale) * (k[:seen, shared] @ q[row, head])
            power = np.exp(score - score.max())
            weights = power / power.sum(dtype=F)
            mean = (grad_out[row, head] * out[row, head]).sum(dtype=F)
            of_score = F(scale) * weights * (v[:seen, shared] @ grad_out[row, head] - mean)
            of_q[row, head] = of_score @ k[:seen, shared]
            of_k[:seen, shared] += of_score[:, None] * q[row, head]
            of_v[:seen, shared] += weights[:, None] * grad_out[row, head]
    return of_q, of_k, of_v


def _operator_of(function_name: str) -> str | None:
    """The operator whose name, followed by an underscore, the function's name begins with; of several the longest."""
    fitting = [name for name in operators.names if function_name.startswith(f"{name}_")]
    return max(fitting, key=len, default=None)


def _in_float32(name: str):
    """The reference as it computes on float32 arrays."""

    def variant(*arguments):
        return operators.get(name).reference(*arguments)

    variant.__name__ = f"{name}_reference_in_float32"
    return variant


VARIANTS: dict[str, list] = {name: [_in_float32(name)] for name in operators.names}
"""Operator -> its correct variants: the reference in float32, and the functions above that are named after it."""

for _name, _function in list(globals().items()):
    if callable(_function) and _operator_of(_name):
        VARIANTS[_operator_of(_name)].append(_function)
