"""Plausible wrong kernels of students, beyond the contracts' own mistakes: ten for each operator of the labs.

They were written from experience of what goes wrong, without looking at the cases. The cases must reject every one.
A function is named `<operator>_<how>`; it takes the operator's arguments as float32 NumPy arrays and returns what the
wrong kernel would write (NaN where it writes nothing).
"""

import numpy as np

from llaisys_mini import operators

F = np.float32


def blank(x, dtype=F):
    return np.full(np.shape(x), np.nan, dtype)


def ref(name, *arguments):
    result = operators.get(name).reference(*arguments)
    return tuple(map(np.array, result)) if isinstance(result, tuple) else np.array(result)


def without_last_row(out):
    out = np.array(out, F)
    if out.ndim and len(out) > 1:
        out[-1] = np.nan
    return out


def without_last_column(out):
    out = np.array(out, F)
    if out.ndim and out.shape[-1] > 1:
        out[..., -1] = np.nan
    return out


def in_tiles_only(out, size):
    """Only whole tiles of the last dimension are written."""
    kept = blank(out)
    end = out.shape[-1] // size * size
    kept[..., :end] = out[..., :end]
    return kept


def elementwise(name):
    """Ways to get any element-by-element loop wrong."""

    def made(how, change):
        def wrong(*arguments):
            with np.errstate(all="ignore"):
                return change(np.array(ref(name, *arguments), F), *arguments)

        wrong.__name__ = f"{name}_{how}"
        return wrong

    def first_dimension_only(out, *arguments):
        kept = blank(out).reshape(-1)
        kept[: out.shape[0]] = out.reshape(-1)[: out.shape[0]]
        return kept.reshape(out.shape)

    def shifted(out, *arguments):
        return np.roll(out.reshape(-1), 1).reshape(out.shape)

    def even_only(out, *arguments):
        kept = blank(out).reshape(-1)
        kept[::2] = out.reshape(-1)[::2]
        return kept.reshape(out.shape)

    def last_missing(out, *arguments):
        flat = out.reshape(-1).copy()
        flat[-1] = np.nan
        return flat.reshape(out.shape)

    def first_missing(out, *arguments):
        flat = out.reshape(-1).copy()
        flat[0] = np.nan
        return flat.reshape(out.shape)

    return [
        made("only_as_many_as_rows", first_dimension_only),
        made("shifted_by_one", shifted),
        made("every_second", even_only),
        made("last_missing", last_missing),
        made("first_missing", first_missing),
        made("backwards", lambda out, *a: out.reshape(-1)[::-1].reshape(out.shape)),
        made("nothing_written", lambda out, *a: blank(out)),
    ]


# ---- add, sign, relu, relu_backward, sigmoid, swiglu: three of their own besides the seven above -------------------


def add_first_twice_second_once(x, y):
    return x + x + y


def add_multiplied(x, y):
    return x * y


def add_larger_of_both(x, y):
    return np.maximum(x, y)


def sign_of_rounded(x):
    return np.where(np.rint(x) >= 0, 1, -1)


def sign_by_division(x):
    with np.errstate(all="ignore"):
        return x / np.abs(x)


def sign_with_threshold(x):
    return np.where(x >= 1e-6, 1, -1)


def relu_of_minus(x):
    return np.maximum(-x, 0)


def relu_capped_at_six(x):
    return np.clip(x, 0, 6)


def relu_half_of_sum(x):
    return (x + np.abs(x)) / 3


def relu_backward_ones(grad_out, x):
    return (x > 0).astype(F)


def relu_backward_by_gradient(grad_out, x):
    return np.where(grad_out > 0, grad_out, 0)


def relu_backward_times_x(grad_out, x):
    return grad_out * np.maximum(x, 0)


def sigmoid_tanh(x):
    return np.tanh(x)


def sigmoid_base_two(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp2(-x))


def sigmoid_hard(x):
    return np.clip(0.25 * x + 0.5, 0, 1)


def swiglu_relu_gate(gate, up):
    return np.maximum(gate, 0) * up


def swiglu_base_two(gate, up):
    with np.errstate(over="ignore"):
        return up * gate / (1 + np.exp2(-gate))


def swiglu_tanh_gate(gate, up):
    return gate * np.tanh(gate) * up


# ---- linear and matmul ---------------------------------------------------------------------------------------------


def _linear(x, weight, bias):
    return np.array(ref("linear", x, weight, bias), F)


def linear_last_input_missing(x, weight, bias):
    return _linear(x[:, :-1], weight[:, :-1], bias) if x.shape[1] > 1 else 0 * _linear(x, weight, bias)


def linear_last_output_missing(x, weight, bias):
    return without_last_column(_linear(x, weight, bias))


def linear_last_row_missing(x, weight, bias):
    return without_last_row(_linear(x, weight, bias))


def linear_bias_per_input_row(x, weight, bias):
    out = _linear(x, weight, None)
    return out if bias is None else out + np.resize(bias, len(x))[:, None]


def linear_bias_subtracted(x, weight, bias):
    return _linear(x, weight, None if bias is None else -bias)


def linear_bias_only_on_first_row(x, weight, bias):
    out = _linear(x, weight, None)
    if bias is not None:
        out[0] += bias
    return out


def linear_sum_not_reset_between_outputs(x, weight, bias):
    return np.cumsum(_linear(x, weight, None), axis=1) + (0 if bias is None else bias)


def linear_bias_added_for_each_input(x, weight, bias):
    return _linear(x, weight, None) + (0 if bias is None else bias * x.shape[1])


def linear_pairs_of_inputs_only(x, weight, bias):
    end = x.shape[1] // 2 * 2
    return x[:, :end] @ weight[:, :end].T + (0 if bias is None else bias)


def linear_tiles_of_four_outputs(x, weight, bias):
    return in_tiles_only(_linear(x, weight, bias), 4)


def matmul_last_product_missing(a, b):
    return a[:, :-1] @ b[:-1]


def matmul_elementwise(a, b):
    out = a @ b
    rows, columns = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])
    out[:rows, :columns] = (a[:rows, :columns] * b[:rows, :columns])[: out.shape[0], : out.shape[1]]
    return out


def matmul_sum_not_reset(a, b):
    return np.cumsum((a @ b).reshape(-1)).reshape(a.shape[0], b.shape[1])


def matmul_only_whole_tiles_of_columns(a, b):
    return in_tiles_only(a @ b, 16)


def matmul_only_whole_tiles_of_k(a, b):
    end = a.shape[1] // 8 * 8
    return a[:, :end] @ b[:end]


def matmul_only_the_last_tile_of_k(a, b):
    start = (a.shape[1] - 1) // 16 * 16
    return a[:, start:] @ b[start:]


def matmul_edge_rows_repeated(a, b):
    out = a @ b
    if len(out) > 1:
        out[-1] = out[-2]
    return out


def matmul_diagonal_only(a, b):
    out = blank(a @ b)
    for i in range(min(out.shape)):
        out[i, i] = a[i] @ b[:, i]
    return out


def matmul_bfloat16_sums(a, b):
    return ((a @ b).astype(F).view(np.uint32) & np.uint32(0xFFFF0000)).view(F)


def matmul_of_absolute_values(a, b):
    return np.abs(a) @ b


# ---- linear_backward -----------------------------------------------------------------------------------------------


def _backward(grad_out, x, weight):
    return tuple(np.array(a, F) for a in ref("linear_backward", grad_out, x, weight))


def linear_backward_grads_from_second_sample(grad_out, x, weight):
    gx, _, gb = _backward(grad_out, x, weight)
    return gx, grad_out[1:].T @ x[1:], gb


def linear_backward_weight_of_last_sample(grad_out, x, weight):
    gx, _, gb = _backward(grad_out, x, weight)
    return gx, np.outer(grad_out[-1], x[-1]), gb


def linear_backward_bias_of_first_sample(grad_out, x, weight):
    gx, gw, _ = _backward(grad_out, x, weight)
    return gx, gw, grad_out[0]


def linear_backward_bias_not_written(grad_out, x, weight):
    gx, gw, gb = _backward(grad_out, x, weight)
    return gx, gw, blank(gb)


def linear_backward_x_not_written(grad_out, x, weight):
    gx, gw, gb = _backward(grad_out, x, weight)
    return blank(gx), gw, gb


def linear_backward_added_to_garbage(grad_out, x, weight):
    gx, gw, gb = _backward(grad_out, x, weight)
    return gx, gw + np.nan, gb


def linear_backward_sign(grad_out, x, weight):
    return tuple(-a for a in _backward(grad_out, x, weight))


def linear_backward_bias_counts_weight(grad_out, x, weight):
    gx, gw, _ = _backward(grad_out, x, weight)
    return gx, gw, gw.sum(axis=1)


def linear_backward_x_from_first_neuron(grad_out, x, weight):
    _, gw, gb = _backward(grad_out, x, weight)
    return np.outer(grad_out[:, 0], weight[0]), gw, gb


def linear_backward_weight_as_outer_of_sums(grad_out, x, weight):
    gx, _, gb = _backward(grad_out, x, weight)
    return gx, np.outer(grad_out.sum(axis=0), x.sum(axis=0)), gb


# ---- softmax and cross_entropy -------------------------------------------------------------------------------------


def _softmax(x):
    return np.array(ref("softmax", x), F)


def softmax_first_element_as_maximum(x):
    with np.errstate(all="ignore"):
        exponentials = np.exp(x - x[..., :1])
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_sum_misses_last(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    with np.errstate(all="ignore"):
        return exponentials / exponentials[..., :-1].sum(axis=-1, keepdims=True)


def softmax_sum_not_reset_between_rows(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True)).reshape(-1, x.shape[-1])
    return (exponentials / np.cumsum(exponentials.sum(axis=1))[:, None]).reshape(x.shape)


def softmax_maximum_not_reset_between_rows(x):
    flat = x.reshape(-1, x.shape[-1])
    top = np.maximum.accumulate(flat.max(axis=1))[:, None]
    with np.errstate(all="ignore"):
        exponentials = np.exp(flat - top)
        return (exponentials / exponentials.sum(axis=1, keepdims=True)).reshape(x.shape)


def softmax_base_two(x):
    exponentials = np.exp2(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_maximum_added(x):
    with np.errstate(all="ignore"):
        exponentials = np.exp(x + x.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_log(x):
    with np.errstate(all="ignore"):
        return np.log(_softmax(x))


def softmax_mean_subtracted(x):
    with np.errstate(all="ignore"):
        exponentials = np.exp(x - x.mean(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_last_row_missing(x):
    return without_last_row(_softmax(x)) if x.ndim > 1 else blank(x)


def softmax_sum_starts_at_one(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / (1 + exponentials.sum(axis=-1, keepdims=True))


def _loss(logits, targets):
    return np.array(ref("cross_entropy", logits, targets), F)


def cross_entropy_next_target(logits, targets):
    return _loss(logits, (targets + 1) % logits.shape[1])


def cross_entropy_probability(logits, targets):
    return np.exp(-_loss(logits, targets))


def cross_entropy_of_first_target_everywhere(logits, targets):
    return _loss(logits, np.full_like(targets, targets[0]))


def cross_entropy_divided_by_rows(logits, targets):
    return _loss(logits, targets) / len(targets)


def cross_entropy_log10(logits, targets):
    return _loss(logits, targets) / F(np.log(10))


def cross_entropy_last_class_not_summed(logits, targets):
    cut = logits[:, :-1] if logits.shape[1] > 1 else logits
    top = cut.max(axis=1)
    log_sum = top + np.log(np.exp(cut - top[:, None]).sum(axis=1))
    return log_sum - logits[np.arange(len(targets)), targets]


def cross_entropy_maximum_minus_target(logits, targets):
    return logits.max(axis=1) - logits[np.arange(len(targets)), targets]


def cross_entropy_running_sum(logits, targets):
    return np.cumsum(_loss(logits, targets))


def cross_entropy_last_row_missing(logits, targets):
    return without_last_row(_loss(logits, targets))


def cross_entropy_target_counts_from_one(logits, targets):
    return _loss(logits, targets - 1)


# ---- norms ---------------------------------------------------------------------------------------------------------


def _ln(x, weight, bias, eps):
    return np.array(ref("layer_norm", x, weight, bias, eps), F)


def layer_norm_bias_before_weight(x, weight, bias, eps):
    plain = _ln(x, np.ones_like(weight), np.zeros_like(bias), eps)
    return (plain + bias) * weight


def layer_norm_mean_of_whole_array(x, weight, bias, eps):
    centred = x - x.mean()
    return weight * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + F(eps)) + bias


def layer_norm_variance_about_zero(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return weight * centred / np.sqrt((x**2).mean(axis=-1, keepdims=True) + F(eps)) + bias


def layer_norm_no_centring(x, weight, bias, eps):
    return weight * x / np.sqrt(x.var(axis=-1, keepdims=True) + F(eps)) + bias


def layer_norm_absolute_deviation(x, weight, bias, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    return weight * centred / (np.abs(centred).mean(axis=-1, keepdims=True) + F(eps)) + bias


def layer_norm_first_weight_everywhere(x, weight, bias, eps):
    return _ln(x, np.full_like(weight, weight[0]), bias, eps)


def layer_norm_last_column_not_in_mean(x, weight, bias, eps):
    mean = x[..., :-1].sum(axis=-1, keepdims=True) / x.shape[-1]
    return weight * (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + F(eps)) + bias


def layer_norm_weight_and_bias_swapped(x, weight, bias, eps):
    return _ln(x, bias, weight, eps)


def layer_norm_variance_not_reset(x, weight, bias, eps):
    flat = x.reshape(-1, x.shape[-1])
    centred = flat - flat.mean(axis=1, keepdims=True)
    spread = np.cumsum((centred**2).mean(axis=1))[:, None]
    return (weight * centred / np.sqrt(spread + F(eps)) + bias).reshape(x.shape)


def layer_norm_eps_squared(x, weight, bias, eps):
    return _ln(x, weight, bias, eps**2)


def _rms(x, weight, eps):
    return np.array(ref("rms_norm", x, weight, eps), F)


def rms_norm_inverted(x, weight, eps):
    return weight * x * np.sqrt((x**2).mean(axis=-1, keepdims=True) + F(eps))


def rms_norm_absolute_mean(x, weight, eps):
    return weight * x / (np.abs(x).mean(axis=-1, keepdims=True) + F(eps))


def rms_norm_maximum(x, weight, eps):
    return weight * x / (np.abs(x).max(axis=-1, keepdims=True) + F(eps))


def rms_norm_one_too_few(x, weight, eps):
    with np.errstate(all="ignore"):
        return weight * x / np.sqrt((x**2).sum(axis=-1, keepdims=True) / F(x.shape[-1] - 1) + F(eps))


def rms_norm_squares_not_reset(x, weight, eps):
    flat = x.reshape(-1, x.shape[-1])
    squares = np.cumsum((flat**2).mean(axis=1))[:, None]
    return (weight * flat / np.sqrt(squares + F(eps))).reshape(x.shape)


def rms_norm_one_plus_weight(x, weight, eps):
    return _rms(x, 1 + weight, eps)


def rms_norm_first_weight_everywhere(x, weight, eps):
    return _rms(x, np.full_like(weight, weight[0]), eps)


def rms_norm_last_column_not_counted(x, weight, eps):
    mean = (x[..., :-1] ** 2).sum(axis=-1, keepdims=True) / x.shape[-1]
    return weight * x / np.sqrt(mean + F(eps))


def rms_norm_fixed_eps(x, weight, eps):
    return _rms(x, weight, 1e-5)


def rms_norm_last_row_missing(x, weight, eps):
    return without_last_row(_rms(x, weight, eps))


# ---- add_rms_norm ------------------------------------------------------------------------------------------------


def _on_total(wrong):
    """A wrong rms_norm of a right sum."""
    return lambda x, residual, weight, eps: (x + residual, wrong(x + residual, weight, eps))


add_rms_norm_inverted = _on_total(rms_norm_inverted)
add_rms_norm_absolute_mean = _on_total(rms_norm_absolute_mean)
add_rms_norm_one_too_few = _on_total(rms_norm_one_too_few)
add_rms_norm_squares_not_reset = _on_total(rms_norm_squares_not_reset)
add_rms_norm_first_weight_everywhere = _on_total(rms_norm_first_weight_everywhere)
add_rms_norm_fixed_eps = _on_total(rms_norm_fixed_eps)
add_rms_norm_last_row_missing = _on_total(rms_norm_last_row_missing)


def add_rms_norm_difference(x, residual, weight, eps):
    return x - residual, _rms(x - residual, weight, eps)


def add_rms_norm_total_is_residual(x, residual, weight, eps):
    return residual, _rms(x + residual, weight, eps)


def add_rms_norm_outputs_swapped(x, residual, weight, eps):
    return _rms(x + residual, weight, eps), x + residual


# ---- embedding, argmax, rope ---------------------------------------------------------------------------------------


def embedding_last_column_missing(ids, weight):
    return without_last_column(weight[ids])


def embedding_last_id_missing(ids, weight):
    return without_last_row(weight[ids])


def embedding_next_row(ids, weight):
    return weight[(ids + 1) % len(weight)]


def embedding_first_id_everywhere(ids, weight):
    return weight[np.full_like(ids, ids[0])]


def embedding_sorted(ids, weight):
    return weight[np.sort(ids)]


def embedding_each_id_once(ids, weight):
    out = blank(weight[ids])
    _, first = np.unique(ids, return_index=True)
    out[first] = weight[ids[first]]
    return out


def embedding_normalised(ids, weight):
    return weight[ids] / np.linalg.norm(weight[ids], axis=1, keepdims=True)


def embedding_ids_modulo_eight(ids, weight):
    return weight[ids % min(8, len(weight))]


def embedding_bfloat16(ids, weight):
    return (np.ascontiguousarray(weight[ids], F).view(np.uint32) & np.uint32(0xFFFF0000)).view(F)


def embedding_rows_reversed(ids, weight):
    return weight[ids][:, ::-1]


def _argmax(x):
    index, value = ref("argmax", x)
    return np.array(index), np.array(value, F)


def argmax_smallest(x):
    index, value = _argmax(-x)
    return index, -value


def argmax_starts_at_zero(x):
    flat = x.reshape(-1, x.shape[-1])
    index, value = np.zeros(len(flat), np.int64), np.zeros(len(flat), F)
    for n, row in enumerate(flat):
        for v, number in enumerate(row):
            if number > value[n]:
                index[n], value[n] = v, number
    return index.reshape(x.shape[:-1]), value.reshape(x.shape[:-1])


def argmax_last_column_not_seen(x):
    return _argmax(x[..., :-1] if x.shape[-1] > 1 else x)


def argmax_first_column_not_seen(x):
    if x.shape[-1] == 1:
        return _argmax(x)
    index, value = _argmax(x[..., 1:])
    return index + 1, value


def argmax_of_absolute(x):
    index, _ = _argmax(np.abs(x))
    return index, np.take_along_axis(x, np.asarray(index)[..., None], axis=-1)[..., 0]


def argmax_best_not_reset_between_rows(x):
    flat = x.reshape(-1, x.shape[-1])
    index, value, best, place = [], [], -np.inf, 0
    for row in flat:
        for v, number in enumerate(row):
            if number > best:
                best, place = number, v
        index.append(place)
        value.append(best)
    return np.array(index).reshape(x.shape[:-1]), np.array(value, F).reshape(x.shape[:-1])


def argmax_index_of_flat_array(x):
    index, value = _argmax(x)
    flat = np.asarray(index).reshape(-1) + np.arange(np.asarray(index).size) * x.shape[-1]
    return flat.reshape(np.shape(index)), value


def argmax_value_not_written(x):
    index, value = _argmax(x)
    return index, blank(value)


def argmax_index_as_value(x):
    index, _ = _argmax(x)
    return index, np.array(index, F)


def argmax_first_local_maximum(x):
    flat = x.reshape(-1, x.shape[-1])
    index = []
    for row in flat:
        place = 0
        while place + 1 < len(row) and row[place + 1] > row[place]:
            place += 1
        index.append(place)
    index = np.array(index)
    value = flat[np.arange(len(flat)), index]
    return index.reshape(x.shape[:-1]), value.reshape(x.shape[:-1])


def _turned(x, angle):
    half = x.shape[2] // 2
    cos, sin = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=2)


def _angle(positions, theta, width):
    return positions[:, None] * theta ** (-2.0 * np.arange(width // 2) / width)


def rope_same_angle_for_all_pairs(x, positions, theta):
    return _turned(x, np.repeat(positions[:, None].astype(float), x.shape[2] // 2, axis=1))


def rope_degrees(x, positions, theta):
    return _turned(x, np.deg2rad(_angle(positions, theta, x.shape[2])))


def rope_fixed_theta(x, positions, theta):
    return _turned(x, _angle(positions, 10000.0 if theta != 10000.0 else 500000.0, x.shape[2]))


def rope_positive_exponent(x, positions, theta):
    return _turned(x, positions[:, None] * theta ** (2.0 * np.arange(x.shape[2] // 2) / x.shape[2]))


def rope_only_first_head(x, positions, theta):
    out = x.copy()
    out[:, :1] = _turned(x, _angle(positions, theta, x.shape[2]))[:, :1]
    return out


def rope_only_first_half_written(x, positions, theta):
    out = _turned(x, _angle(positions, theta, x.shape[2]))
    out[..., x.shape[2] // 2 :] = np.nan
    return out


def rope_halves_swapped(x, positions, theta):
    return np.roll(_turned(x, _angle(positions, theta, x.shape[2])), x.shape[2] // 2, axis=2)


def rope_both_plus(x, positions, theta):
    half = x.shape[2] // 2
    angle = _angle(positions, theta, x.shape[2])[:, None, :]
    first, second = x[..., :half], x[..., half:]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([first * cos + second * sin, second * cos + first * sin], axis=2)


def rope_exponent_over_half(x, positions, theta):
    half = x.shape[2] // 2
    return _turned(x, positions[:, None] * theta ** (-2.0 * np.arange(half) / half))


def rope_whole_degrees_of_turn(x, positions, theta):
    return _turned(x, np.rint(_angle(positions, theta, x.shape[2])))


# ---- attention -----------------------------------------------------------------------------------------------------


def _attend(q, k, v, scale, keep=None, score=None, mix=None):
    """Attention with parts replaced. keep(s, position), score(q, k), mix(weights, values)."""
    length, heads, _ = q.shape
    keys, kv_heads, _ = k.shape
    out = np.zeros_like(q)
    for row in range(length):
        position = keys - length + row
        for head in range(heads):
            shared = head // (heads // kv_heads)
            seen = [s for s in range(keys) if (keep(s, position) if keep else s <= position)]
            if not seen:
                continue
            scores = np.array([(score or np.dot)(q[row, head], k[s, shared]) for s in seen]) * scale
            exponentials = np.exp(scores - scores.max())
            weights = exponentials / exponentials.sum()
            out[row, head] = mix(weights, v[seen, shared]) if mix else weights @ v[seen, shared]
    return out


def attention_first_key_hidden(q, k, v, scale):
    return _attend(q, k, v, scale, keep=lambda s, p: 0 < s <= p or p == 0)


def attention_only_own_key(q, k, v, scale):
    return _attend(q, k, v, scale, keep=lambda s, p: s == p)


def attention_last_number_not_scored(q, k, v, scale):
    return _attend(q, k, v, scale, score=lambda a, b: a[:-1] @ b[:-1])


def attention_one_key_too_many(q, k, v, scale):
    return _attend(q, k, v, scale, keep=lambda s, p: s <= p + 1)


def attention_mean_of_values(q, k, v, scale):
    return _attend(q, k, v, scale, mix=lambda w, values: values.mean(axis=0))


def attention_best_key_only(q, k, v, scale):
    return _attend(q, k, v, scale, mix=lambda w, values: values[w.argmax()])


def attention_keys_mixed_instead_of_values(q, k, v, scale):
    return _attend(q, k, k, scale)


def attention_first_key_head_for_all(q, k, v, scale):
    return _attend(q, k[:, :1], v[:, :1], scale)


def attention_scale_squared(q, k, v, scale):
    return _attend(q, k, v, scale * scale)


def attention_last_row_missing(q, k, v, scale):
    out = _attend(q, k, v, scale)
    out[-1] = np.nan
    return out


# ---- paged_attention -------------------------------------------------------------------------------------------------


def _paged(*arguments):
    return ref("paged_attention", *arguments)


def paged_attention_pages_from_one(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys, values, (table - 1) % len(keys), lengths, starts, scale, window)


def paged_attention_newest_key_missing(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys, values, table, np.maximum(lengths - 1, np.diff(starts)), starts, scale, window)


def paged_attention_one_key_more(q, keys, values, table, lengths, starts, scale, window):
    room = table.shape[1] * keys.shape[1]
    return _paged(q, keys, values, table, np.minimum(lengths + 1, room), starts, scale, window)


def paged_attention_pages_backwards(q, keys, values, table, lengths, starts, scale, window):
    table = np.array(table)
    for n, length in enumerate(lengths):
        count = -(-length // keys.shape[1])
        table[n, :count] = table[n, :count][::-1]
    return _paged(q, keys, values, table, lengths, starts, scale, window)


def paged_attention_next_text_s_pages(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys, values, np.roll(table, 1, axis=0), lengths, starts, scale, window)


def paged_attention_places_reversed(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys[:, ::-1], values[:, ::-1], table, lengths, starts, scale, window)


def paged_attention_values_of_the_first_page(q, keys, values, table, lengths, starts, scale, window):
    values = np.broadcast_to(values[table[0, 0]], values.shape)
    return _paged(q, keys, values, table, lengths, starts, scale, window)


def paged_attention_keys_as_values(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys, keys, table, lengths, starts, scale, window)


def paged_attention_window_ignored_beside_one_text(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys, values, table, lengths, starts, scale, window if len(lengths) == 1 else 1 << 20)


def paged_attention_last_row_missing(q, keys, values, table, lengths, starts, scale, window):
    return without_last_row(_paged(q, keys, values, table, lengths, starts, scale, window))


def paged_attention_scale_squared(q, keys, values, table, lengths, starts, scale, window):
    return _paged(q, keys, values, table, lengths, starts, scale * scale, window)


def by_operator(functions):
    """Operator -> the functions of a file that are named after it: the longest name that fits."""
    found: dict[str, list] = {}
    for name, function in functions.items():
        fitting = [operator for operator in operators.names if name.startswith(f"{operator}_")]
        if callable(function) and fitting:
            found.setdefault(max(fitting, key=len), []).append(function)
    return found


WRONG = by_operator(dict(globals()))
"""Operator -> its wrong kernels."""

for _name in ("add", "sign", "relu", "relu_backward", "sigmoid", "swiglu"):
    WRONG[_name] = [*elementwise(_name), *WRONG.get(_name, ())]
