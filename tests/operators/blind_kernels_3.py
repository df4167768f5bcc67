"""A third set of wrong kernels from the docstrings alone, written once the derived mistakes stood: the share of these
that is named is the share that a learner can expect."""

import math

import numpy as np

from tests.operators.blind_kernels import attend, earlier, shared
from tests.operators.blind_kernels_2 import times, turned, unpacked
from tests.operators.student_kernels import dot, logistic, mean_square, row_max, wrong


@wrong("add", "the product is computed")
def add_multiplies(x, y, out):
    for i in range(len(x)):
        out[i] = x[i] * y[i]


@wrong("add", "y is read from its end")
def add_y_backwards(x, y, out):
    n = len(x)
    for i in range(n):
        out[i] = x[i] + y[n - 1 - i]


@wrong("relu", "elements below 1 are cut")
def relu_threshold_one(x, out):
    for i in range(len(x)):
        out[i] = x[i] if x[i] > 1 else 0


@wrong("relu", "x is rounded down")
def relu_whole(x, out):
    for i in range(len(x)):
        out[i] = int(x[i]) if x[i] > 0 else 0


@wrong("gelu", "the sign inside erf")
def gelu_minus_inside(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1 + math.erf(-x[i] / math.sqrt(2))) / 2


@wrong("gelu", "x is added, not multiplied")
def gelu_adds_x(x, out):
    for i in range(len(x)):
        out[i] = x[i] + (1 + math.erf(x[i] / math.sqrt(2))) / 2


@wrong("gelu", "1 is subtracted")
def gelu_minus_one(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (math.erf(x[i] / math.sqrt(2)) - 1) / 2


@wrong("sigmoid", "twice the exponent")
def sigmoid_steeper(x, out):
    for i in range(len(x)):
        out[i] = logistic(2 * x[i])


@wrong("sigmoid", "the derivative")
def sigmoid_slope(x, out):
    for i in range(len(x)):
        out[i] = logistic(x[i]) * (1 - logistic(x[i]))


@wrong("silu", "the sigmoid is added")
def silu_adds(x, out):
    for i in range(len(x)):
        out[i] = x[i] + logistic(x[i])


@wrong("silu", "x of the neighbour")
def silu_neighbour(x, out):
    n = len(x)
    for i in range(n):
        out[i] = x[(i + 1) % n] * logistic(x[i])


@wrong("swiglu", "up without its sign")
def swiglu_abs_up(gate, up, out):
    for i in range(len(gate)):
        out[i] = abs(up[i]) * gate[i] * logistic(gate[i])


@wrong("swiglu", "up divides")
def swiglu_divides(gate, up, out):
    for i in range(len(gate)):
        out[i] = gate[i] * logistic(gate[i]) / up[i] if up[i] else np.inf


@wrong("relu_backward", "grad_out is multiplied by x")
def relu_backward_twice(grad_out, x, out):
    for i in range(len(x)):
        out[i] = 2 * grad_out[i] if x[i] > 0 else 0


@wrong("sign", "always 1")
def sign_always_one(x, out):
    for i in range(len(x)):
        out[i] = 1


@wrong("softmax", "the row's sum from the row before")
def softmax_of_doubled(x, out):
    for n in range(len(x)):
        top = row_max(x[n])
        total = sum(math.exp(2 * (float(v) - top)) for v in x[n])
        for c in range(x.shape[1]):
            out[n, c] = math.exp(2 * (float(x[n, c]) - top)) / total


@wrong("softmax", "the maximum is not subtracted in the numerator's sum")
def softmax_plus_maximum_sum(x, out):
    for n in range(len(x)):
        top = row_max(x[n])
        total = sum(math.exp(float(v) - top) for v in x[n, : max(1, x.shape[1] // 2)])
        for c in range(x.shape[1]):
            out[n, c] = math.exp(float(x[n, c]) - top) / max(total, 1e-30)


@wrong("softmax", "divided by the number of columns")
def softmax_mean(x, out):
    for n in range(len(x)):
        top = row_max(x[n])
        for c in range(x.shape[1]):
            out[n, c] = math.exp(float(x[n, c]) - top) / x.shape[1]


@wrong("rms_norm", "the weight is added")
def rms_norm_weight_added(x, weight, eps, out):
    for n in range(len(x)):
        scale = 1 / math.sqrt(mean_square(x[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] + x[n, e] * scale


@wrong("rms_norm", "x is squared in the numerator")
def rms_norm_square_above(x, weight, eps, out):
    for n in range(len(x)):
        scale = 1 / math.sqrt(mean_square(x[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * x[n, e] * x[n, e] * scale


@wrong("rms_norm", "the mean of the squares of the first row")
def rms_norm_statistics_of_row_0(x, weight, eps, out):
    scale = 1 / math.sqrt(mean_square(x[0]) + eps)
    for n in range(len(x)):
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * x[n, e] * scale


@wrong("layer_norm", "the weight is forgotten")
def layer_norm_no_weight(x, weight, bias, eps, out):
    for n in range(len(x)):
        row = x[n].astype(np.float64)
        for e in range(x.shape[1]):
            out[n, e] = (row[e] - row.mean()) / math.sqrt(row.var() + eps) + bias[e]


@wrong("layer_norm", "multiplied by the deviation")
def layer_norm_multiplied(x, weight, bias, eps, out):
    for n in range(len(x)):
        row = x[n].astype(np.float64)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (row[e] - row.mean()) * math.sqrt(row.var() + eps) + bias[e]


@wrong("layer_norm", "the mean is added")
def layer_norm_mean_added(x, weight, bias, eps, out):
    for n in range(len(x)):
        row = x[n].astype(np.float64)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (row[e] + row.mean()) / math.sqrt(row.var() + eps) + bias[e]


@wrong("add_rms_norm", "total is the mean of both")
def add_rms_norm_mean(x, residual, weight, eps, total, out):
    for n in range(len(x)):
        for e in range(x.shape[1]):
            total[n, e] = (x[n, e] + residual[n, e]) / 2
        scale = 1 / math.sqrt(mean_square(total[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * total[n, e] * scale


@wrong("argmax", "the index of the smallest, the value of the largest")
def argmax_value_of_row_zero(x, index, value):
    for n in range(len(x)):
        index[n] = int(np.argmax(x[n]))
        value[n] = x[0, index[n]]


@wrong("argmax", "the second element is where it begins")
def argmax_starts_at_one(x, index, value):
    for n in range(len(x)):
        best = min(1, x.shape[1] - 1)
        for v in range(min(1, x.shape[1] - 1), x.shape[1]):
            if x[n, v] > x[n, best]:
                best = v
        index[n], value[n] = best, x[n, best]


@wrong("embedding", "the ids are taken in turn backwards")
def embedding_ids_backwards(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[ids[len(ids) - 1 - n], e]


@wrong("embedding", "only the last id's row is written")
def embedding_first_element(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[ids[n], 0]


@wrong("cross_entropy", "the largest logit is subtracted")
def cross_entropy_minus_top(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        out[n] = math.log(sum(math.exp(float(v) - top) for v in logits[n]))


@wrong("cross_entropy", "the logarithm is forgotten")
def cross_entropy_without_log(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        total = sum(math.exp(float(v) - top) for v in logits[n])
        out[n] = top + total - float(logits[n, targets[n]])


@wrong("softmax_cross_entropy_backward", "the targets of the next row")
def softmax_cross_entropy_backward_shifted(logits, targets, out):
    rows, classes = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = sum(math.exp(float(z) - top) for z in logits[n])
        for v in range(classes):
            p = math.exp(float(logits[n, v]) - top) / total
            out[n, v] = (p - (1 if v == targets[(n + 1) % rows] else 0)) / rows


@wrong("softmax_cross_entropy_backward", "multiplied by the number of rows")
def softmax_cross_entropy_backward_multiplied(logits, targets, out):
    rows, classes = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = sum(math.exp(float(z) - top) for z in logits[n])
        for v in range(classes):
            p = math.exp(float(logits[n, v]) - top) / total
            out[n, v] = (p - (1 if v == targets[n] else 0)) * rows


@wrong("linear", "the bias multiplies")
def linear_bias_multiplies(x, weight, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            out[n, m] = dot(x[n], weight[m]) * (1 if bias is None else bias[m])


@wrong("linear", "the first input is skipped")
def linear_skips_first(x, weight, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            out[n, m] = dot(x[n, 1:], weight[m, 1:]) + (0 if bias is None else bias[m])


@wrong("matmul", "the first row of a for all")
def matmul_first_row(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            out[m, n] = dot(a[0], b[:, n])


@wrong("matmul", "only the upper triangle is written")
def matmul_upper_triangle(a, b, out):
    for m in range(a.shape[0]):
        for n in range(m, b.shape[1]):
            out[m, n] = dot(a[m], b[:, n])


@wrong("linear_backward", "the gradient of x is divided by the outputs")
def linear_backward_x_mean(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = grad_out.astype(float) @ weight / grad_out.shape[1]
    grad_weight[:] = grad_out.astype(float).T @ x
    grad_bias[:] = grad_out.astype(float).sum(axis=0)


@wrong("linear_backward", "the bias's gradient sums x")
def linear_backward_bias_weighted(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = grad_out.astype(float) @ weight
    grad_weight[:] = grad_out.astype(float).T @ x
    grad_bias[:] = np.abs(grad_out.astype(float)).sum(axis=0)


@wrong("linear_int8", "the bias before the scale, all scales of row 0")
def linear_int8_next_scale(x, weight, scales, bias, out):
    size = x.shape[1] // scales.shape[1]
    factor = np.repeat(np.roll(scales.astype(float), -1, axis=1), size, axis=1)
    times(x, weight * factor, bias, out)


@wrong("linear_int4", "the offset is added")
def linear_int4_offset_added(x, weight, scales, bias, out):
    times(x, unpacked(weight, offset=-8) * np.repeat(scales.astype(float), 32, axis=1), bias, out)


@wrong("linear_int4", "the scale is added to the number")
def linear_int4_scale_added(x, weight, scales, bias, out):
    times(x, unpacked(weight) + np.repeat(scales.astype(float), 32, axis=1), bias, out)


@wrong("attention", "the scores are not exponentiated with their sign")
def attention_negative_scale(q, k, v, scale, out):
    attend(q, k, v, -scale, out, earlier, shared)


@wrong("attention", "the largest score takes all")
def attention_hard(q, k, v, scale, out):
    attend(q, k, v, scale, out, earlier, shared, lambda w: (w == w.max()) / (w == w.max()).sum())


@wrong("attention", "only the last key is seen")
def attention_last_key(q, k, v, scale, out):
    attend(q, k, v, scale, out, lambda i, s, n, keys: s == keys - n + i, shared)


@wrong("attention", "the first query for all rows")
def attention_first_query(q, k, v, scale, out):
    attend(q[np.zeros(len(q), int)], k, v, scale, out, earlier, shared)


@wrong("rope", "cosine and sine of the position alone")
def rope_position_only(x, positions, theta, out):
    turned(x, positions, np.ones(x.shape[2] // 2), 1.0, out)


@wrong("rope", "the result is written with its halves exchanged")
def rope_halves_exchanged(x, positions, theta, out):
    half = x.shape[2] // 2
    turned(x, positions, np.array([theta ** (-2 * i / x.shape[2]) for i in range(half)]), 1.0, out)
    first = out[:, :, :half].copy()
    out[:, :, :half] = out[:, :, half:]
    out[:, :, half:] = first


@wrong("rope_scaled", "the factor squared")
def rope_scaled_factor_twice(x, positions, frequencies, factor, out):
    turned(x, positions, frequencies, factor * factor, out)


@wrong("sliding_attention", "half the window")
def sliding_attention_twice_the_window(q, k, v, scale, window, out):
    from tests.operators.blind_kernels_2 import attend as attend_in

    attend_in(q, k, v, scale, window, out, lambda p, s: s > p - 2 * window)
