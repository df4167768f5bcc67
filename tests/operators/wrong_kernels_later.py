"""Ten more plausible wrong kernels for each operator of the later labs: stretched rope, int8, and training.

As in wrong_kernels.py they were written from experience, and the cases must reject every one.
"""

import numpy as np

from tests.operators.wrong_kernels import _turned, blank, by_operator, ref, without_last_column, without_last_row

# ---- rope_scaled ---------------------------------------------------------------------------------------------------


def _scaled(x, positions, frequencies, factor):
    return factor * _turned(x, positions[:, None] * frequencies)


def rope_scaled_factor_twice(x, positions, frequencies, factor):
    return factor * _scaled(x, positions, frequencies, factor)


def rope_scaled_factor_only_on_first_half(x, positions, frequencies, factor):
    out = _scaled(x, positions, frequencies, factor)
    out[..., x.shape[2] // 2 :] /= factor
    return out


def rope_scaled_one_frequency_for_all(x, positions, frequencies, factor):
    return _scaled(x, positions, np.full_like(frequencies, frequencies[0]), factor)


def rope_scaled_periods_for_frequencies(x, positions, frequencies, factor):
    return _scaled(x, positions, 1 / frequencies, factor)


def rope_scaled_row_number_for_position(x, positions, frequencies, factor):
    return _scaled(x, np.arange(len(positions)), frequencies, factor)


def rope_scaled_neighbours_are_pairs(x, positions, frequencies, factor):
    half = x.shape[2] // 2
    order = np.arange(x.shape[2]).reshape(half, 2).T.reshape(-1)
    out = np.empty_like(x)
    out[..., order] = _scaled(x[..., order], positions, frequencies, factor)
    return out


def rope_scaled_turned_backwards(x, positions, frequencies, factor):
    return _scaled(x, -positions, frequencies, factor)


def rope_scaled_frequencies_from_the_end(x, positions, frequencies, factor):
    return _scaled(x, positions, frequencies[::-1], factor) if len(frequencies) > 1 else blank(x)


def rope_scaled_only_first_head(x, positions, frequencies, factor):
    out = x.copy()
    out[:, :1] = _scaled(x, positions, frequencies, factor)[:, :1]
    return out


def rope_scaled_own_frequencies_of_half_the_exponent(x, positions, frequencies, factor):
    return _scaled(x, positions, 10000.0 ** (-np.arange(x.shape[2] // 2) / x.shape[2]), factor)


def rope_scaled_last_pair_as_it_was(x, positions, frequencies, factor):
    return _scaled(x, positions, np.append(frequencies[:-1], 0), factor)


# ---- linear_int8 ---------------------------------------------------------------------------------------------------


def _spread(scales, length):
    return np.repeat(scales, length // scales.shape[1], axis=1)


def _int8(x, weight, scales, bias):
    return ref("linear_int8", x, weight, scales, bias)


def linear_int8_scales_divide(x, weight, scales, bias):
    return _int8(x, weight, 1 / scales, bias)


def linear_int8_scales_of_the_next_output(x, weight, scales, bias):
    return _int8(x, weight, np.roll(scales, -1, axis=0), bias) if len(scales) > 1 else blank(x[:, :1])


def linear_int8_groups_of_32_whatever_G_is(x, weight, scales, bias):
    place = np.minimum(np.arange(weight.shape[1]) // 32, scales.shape[1] - 1)
    return ref("linear", x, weight * scales[:, place], bias)


def linear_int8_inputs_rounded(x, weight, scales, bias):
    return _int8(np.rint(x), weight, scales, bias)


def linear_int8_magnitudes(x, weight, scales, bias):
    return _int8(x, np.abs(weight), scales, bias)


def linear_int8_products_wrap_around(x, weight, scales, bias):
    total = (np.rint(x) @ weight.T.astype(float)).astype(np.int64)
    return ((total + 128) % 256 - 128) * scales[:, 0] + (0 if bias is None else bias)


def linear_int8_bias_added_in_every_group(x, weight, scales, bias):
    return _int8(x, weight, scales, None if bias is None else bias * scales.shape[1])


def linear_int8_last_output_missing(x, weight, scales, bias):
    return without_last_column(_int8(x, weight, scales, bias)) if len(weight) > 1 else blank(x[:, :1])


def linear_int8_last_row_missing(x, weight, scales, bias):
    return without_last_row(_int8(x, weight, scales, bias))


def linear_int8_last_input_missing(x, weight, scales, bias):
    return ref("linear", x[:, :-1], (weight * _spread(scales, weight.shape[1]))[:, :-1], bias)


def linear_int8_lowest_weight_is_zero(x, weight, scales, bias):
    return _int8(x, np.where(weight == -128, 0, weight), scales, bias)


# ---- rms_norm_backward ---------------------------------------------------------------------------------------------


def _normalised(x, eps):
    scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return scale, x * scale


def _rms(grad_out, x, weight, eps):
    return ref("rms_norm_backward", grad_out, x, weight, eps)


def rms_norm_backward_root_is_constant(grad_out, x, weight, eps):
    return grad_out * weight * _normalised(x, eps)[0], _rms(grad_out, x, weight, eps)[1]


def rms_norm_backward_weight_left_out(grad_out, x, weight, eps):
    return _rms(grad_out, x, np.ones_like(weight), eps)


def rms_norm_backward_sum_for_mean(grad_out, x, weight, eps):
    scale, normalised = _normalised(x, eps)
    g = grad_out * weight
    return scale * (g - normalised * (g * normalised).sum(-1, keepdims=True)), _rms(grad_out, x, weight, eps)[1]


def rms_norm_backward_mean_taken_off(grad_out, x, weight, eps):
    grad_x, grad_weight = _rms(grad_out, x, weight, eps)
    g = grad_out * weight
    return grad_x - _normalised(x, eps)[0] * g.mean(-1, keepdims=True), grad_weight


def rms_norm_backward_weight_of_last_row(grad_out, x, weight, eps):
    rows = (grad_out * _normalised(x, eps)[1]).reshape(-1, x.shape[-1])
    return _rms(grad_out, x, weight, eps)[0], rows[-1]


def rms_norm_backward_weight_as_mean_over_rows(grad_out, x, weight, eps):
    rows = (grad_out * _normalised(x, eps)[1]).reshape(-1, x.shape[-1])
    return _rms(grad_out, x, weight, eps)[0], rows.mean(axis=0)


def rms_norm_backward_weight_from_x_as_it_is(grad_out, x, weight, eps):
    return _rms(grad_out, x, weight, eps)[0], (grad_out * x).reshape(-1, x.shape[-1]).sum(axis=0)


def rms_norm_backward_eps_left_out(grad_out, x, weight, eps):
    return _rms(grad_out, x, weight, 0.0)


def rms_norm_backward_scale_squared(grad_out, x, weight, eps):
    grad_x, grad_weight = _rms(grad_out, x, weight, eps)
    return grad_x * _normalised(x, eps)[0], grad_weight


def rms_norm_backward_sign(grad_out, x, weight, eps):
    grad_x, grad_weight = _rms(grad_out, x, weight, eps)
    return -grad_x, grad_weight


def rms_norm_backward_weight_not_written(grad_out, x, weight, eps):
    return _rms(grad_out, x, weight, eps)[0], blank(weight)


# ---- attention_backward --------------------------------------------------------------------------------------------


def _attention(grad_out, q, k, v, scale):
    return ref("attention_backward", grad_out, q, k, v, scale)


def attention_backward_q_not_written(grad_out, q, k, v, scale):
    return blank(q), *_attention(grad_out, q, k, v, scale)[1:]


def attention_backward_scale_left_out_of_q(grad_out, q, k, v, scale):
    grad_q, grad_k, grad_v = _attention(grad_out, q, k, v, scale)
    return grad_q / scale, grad_k, grad_v


def attention_backward_scale_left_out_of_k(grad_out, q, k, v, scale):
    grad_q, grad_k, grad_v = _attention(grad_out, q, k, v, scale)
    return grad_q, grad_k / scale, grad_v


def attention_backward_v_scaled_too(grad_out, q, k, v, scale):
    grad_q, grad_k, grad_v = _attention(grad_out, q, k, v, scale)
    return grad_q, grad_k, scale * grad_v


def attention_backward_keys_and_values_swapped(grad_out, q, k, v, scale):
    grad_q, grad_k, grad_v = _attention(grad_out, q, k, v, scale)
    return grad_q, grad_v, grad_k


def attention_backward_last_query_only(grad_out, q, k, v, scale):
    last = np.zeros_like(grad_out)
    last[-1] = grad_out[-1]
    return _attention(last, q, k, v, scale)


def attention_backward_values_for_gradient(grad_out, q, k, v, scale):
    grad_q, grad_k, _ = _attention(grad_out, q, k, v, scale)
    return grad_q, grad_k, v.copy()


def attention_backward_first_head_of_group_only(grad_out, q, k, v, scale):
    first = np.zeros_like(grad_out)
    group = q.shape[1] // k.shape[1]
    first[:, ::group] = grad_out[:, ::group]
    whole, part = _attention(grad_out, q, k, v, scale), _attention(first, q, k, v, scale)
    return whole[0], part[1], part[2]


def attention_backward_signs(grad_out, q, k, v, scale):
    grad_q, grad_k, grad_v = _attention(grad_out, q, k, v, scale)
    return -grad_q, -grad_k, grad_v


def attention_backward_key_of_own_position_only(grad_out, q, k, v, scale):
    grad_q, grad_k, _ = _attention(grad_out, q, k, v, scale)
    grad_v = np.zeros_like(v)
    group = q.shape[1] // k.shape[1]
    grad_v[len(k) - len(q) :] = grad_out.reshape(len(q), k.shape[1], group, -1).sum(axis=2)
    return grad_q, grad_k, grad_v


def attention_backward_last_key_missing(grad_out, q, k, v, scale):
    grad_q, grad_k, grad_v = _attention(grad_out, q, k, v, scale)
    grad_k[-1], grad_v[-1] = np.nan, np.nan
    return grad_q, grad_k, grad_v


# ---- adamw ---------------------------------------------------------------------------------------------------------


def _adamw(*arguments):
    return ref("adamw", *arguments)


def adamw_square_of_the_mean(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    m = b1 * mean + (1 - b1) * gradient
    v = b2 * square + (1 - b2) * m * m
    moved = m / (1 - b1**step) / (np.sqrt(v / (1 - b2**step)) + eps)
    return weight - rate * decay * weight - rate * moved, m, v


def adamw_magnitude_for_square(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    after, m, _ = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return after, m, b2 * square + (1 - b2) * np.abs(gradient)


def adamw_gradient_for_mean(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    _, m, v = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return weight - rate * decay * weight - rate * gradient / (np.sqrt(v / (1 - b2**step)) + eps), m, v


def adamw_sums_for_means(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    after, _, v = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return after, b1 * mean + gradient, v


def adamw_rates_of_the_means_swapped(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    return _adamw(gradient, rate, decay, b2, b1, eps, step, weight, mean, square)


def adamw_correction_of_the_first_step(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    _, m, v = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    moved = m / (1 - b1) / (np.sqrt(v / (1 - b2)) + eps)
    return weight - rate * decay * weight - rate * moved, m, v


def adamw_one_correction_only(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    _, m, v = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    moved = m / (1 - b1**step) / (np.sqrt(v) + eps)
    return weight - rate * decay * weight - rate * moved, m, v


def adamw_mean_and_square_swapped(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    after, m, v = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    return after, v, m


def adamw_last_row_as_it_was(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    after, m, v = _adamw(gradient, rate, decay, b1, b2, eps, step, weight, mean, square)
    for new, old in ((after, weight), (m, mean), (v, square)):
        new[-1] = old[-1]
    return after, m, v


def adamw_decay_of_the_new_weight(gradient, rate, decay, b1, b2, eps, step, weight, mean, square):
    after, m, v = _adamw(gradient, rate, 0.0, b1, b2, eps, step, weight, mean, square)
    return after * (1 - rate * decay), m, v


WRONG = by_operator(globals())
