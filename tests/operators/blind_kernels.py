"""Further wrong kernels as students might write them, for half of the operators, from the docstrings alone."""

import math

import numpy as np

from tests.operators.student_kernels import dot, logistic, mean_square, row_max, wrong

# ---- element by element ------------------------------------------------------------------------------------------


@wrong("add", "the difference is computed")
def add_subtracts(x, y, out):
    for i in range(len(x)):
        out[i] = x[i] - y[i]


@wrong("add", "the loop starts at 1")
def add_from_one(x, y, out):
    for i in range(1, len(x)):
        out[i] = x[i] + y[i]


@wrong("relu", "the larger of x and 1 is taken")
def relu_of_one(x, out):
    for i in range(len(x)):
        out[i] = max(x[i], np.float32(1))


@wrong("relu", "the comparison is the wrong way round")
def relu_keeps_negatives(x, out):
    for i in range(len(x)):
        out[i] = x[i] if x[i] < 0 else 0


@wrong("gelu", "erf of x / 2 instead of x / sqrt(2)")
def gelu_halves_inside(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1 + math.erf(x[i] / 2)) / 2


@wrong("gelu", "erfc instead of erf")
def gelu_erfc(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1 + math.erfc(x[i] / math.sqrt(2))) / 2


@wrong("gelu", "the 1 is forgotten")
def gelu_without_one(x, out):
    for i in range(len(x)):
        out[i] = x[i] * math.erf(x[i] / math.sqrt(2)) / 2


@wrong("sigmoid", "the 1 is subtracted")
def sigmoid_minus_one(x, out):
    for i in range(len(x)):
        v = min(max(x[i], -60.0), 60.0)
        if v == 0:
            out[i] = 0
        else:
            out[i] = 1 / (1 - math.exp(-v))


@wrong("sigmoid", "far elements are cut off")
def sigmoid_clipped(x, out):
    for i in range(len(x)):
        v = min(max(x[i], -6.0), 6.0)
        out[i] = 1 / (1 + math.exp(-v))


@wrong("sigmoid", "tanh instead of the logistic function")
def sigmoid_is_tanh(x, out):
    for i in range(len(x)):
        out[i] = math.tanh(x[i])


@wrong("swiglu", "the sigmoid of up instead of gate")
def swiglu_sigmoid_of_up(gate, up, out):
    for i in range(len(gate)):
        out[i] = up[i] * gate[i] * logistic(up[i])


@wrong("swiglu", "the gate is multiplied twice")
def swiglu_gate_twice(gate, up, out):
    for i in range(len(gate)):
        out[i] = up[i] * gate[i] * gate[i] * logistic(gate[i])


@wrong("swiglu", "up is not multiplied")
def swiglu_without_up(gate, up, out):
    for i in range(len(gate)):
        out[i] = gate[i] * logistic(gate[i])


# ---- rows --------------------------------------------------------------------------------------------------------


@wrong("argmax", "the index is that within all rows")
def argmax_index_of_all(x, index, value):
    for n in range(len(x)):
        best = 0
        for v in range(1, x.shape[1]):
            if x[n, v] > x[n, best]:
                best = v
        index[n] = n * x.shape[1] + best
        value[n] = x[n, best]


@wrong("argmax", "the index is updated but not the value")
def argmax_keeps_first_value(x, index, value):
    for n in range(len(x)):
        best, top = 0, x[n, 0]
        for v in range(1, x.shape[1]):
            if x[n, v] > x[n, best]:
                best = v
        index[n] = best
        value[n] = top


@wrong("argmax", "each element is compared with its neighbour")
def argmax_neighbour(x, index, value):
    for n in range(len(x)):
        best = 0
        for v in range(1, x.shape[1]):
            if x[n, v] > x[n, v - 1]:
                best = v
        index[n] = best
        value[n] = x[n, best]


@wrong("embedding", "the columns of the table are copied")
def embedding_first_columns_swapped(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[ids[n], weight.shape[1] - 1 - e]


@wrong("embedding", "the loop goes over the shorter of the lengths")
def embedding_short(ids, weight, out):
    for n in range(len(ids)):
        for e in range(min(64, weight.shape[1])):
            out[n, e] = weight[ids[n], e]


@wrong("embedding", "the row after the id is copied")
def embedding_next_row(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[(ids[n] + 1) % len(weight), e]


@wrong("layer_norm", "the variance is about 0, not about the mean")
def layer_norm_mean_square(x, weight, bias, eps, out):
    for n in range(len(x)):
        mean = sum(float(v) for v in x[n]) / x.shape[1]
        scale = 1 / math.sqrt(mean_square(x[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (x[n, e] - mean) * scale + bias[e]


@wrong("layer_norm", "the bias is subtracted")
def layer_norm_bias_subtracted(x, weight, bias, eps, out):
    for n in range(len(x)):
        row = x[n].astype(np.float64)
        scale = 1 / math.sqrt(row.var() + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (row[e] - row.mean()) * scale - bias[e]


@wrong("layer_norm", "the bias is forgotten")
def layer_norm_without_bias(x, weight, bias, eps, out):
    for n in range(len(x)):
        row = x[n].astype(np.float64)
        scale = 1 / math.sqrt(row.var() + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (row[e] - row.mean()) * scale


@wrong("layer_norm", "the sum of the row is not divided for the mean")
def layer_norm_sum_for_mean(x, weight, bias, eps, out):
    for n in range(len(x)):
        row = x[n].astype(np.float64)
        total = row.sum()
        variance = ((row - total) ** 2).sum() / len(row)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (row[e] - total) / math.sqrt(variance + eps) + bias[e]


@wrong("layer_norm", "mean and variance over the columns")
def layer_norm_over_rows(x, weight, bias, eps, out):
    x64 = x.astype(np.float64)
    mean, variance = x64.mean(axis=0), x64.var(axis=0)
    for n in range(len(x)):
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * (x64[n, e] - mean[e]) / math.sqrt(variance[e] + eps) + bias[e]


@wrong("softmax_cross_entropy_backward", "the maximum of the first row for all rows")
def softmax_cross_entropy_backward_target_column(logits, targets, out):
    rows, classes = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = sum(math.exp(float(z) - top) for z in logits[n])
        for v in range(classes):
            p = math.exp(float(logits[n, v]) - top) / total
            out[n, v] = (p - (1 if n == targets[n] else 0)) / rows


@wrong("softmax_cross_entropy_backward", "only the target's column is written")
def softmax_cross_entropy_backward_only_target(logits, targets, out):
    rows, classes = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = sum(math.exp(float(z) - top) for z in logits[n])
        for v in range(classes):
            p = math.exp(float(logits[n, v]) - top) / total
            out[n, v] = (p - 1) / rows if v == targets[n] else 0


@wrong("softmax_cross_entropy_backward", "1 / N is subtracted twice")
def softmax_cross_entropy_backward_adds_one(logits, targets, out):
    rows, classes = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = sum(math.exp(float(z) - top) for z in logits[n])
        for v in range(classes):
            p = math.exp(float(logits[n, v]) - top) / total
            out[n, v] = (p + (1 if v == targets[n] else 0)) / rows


# ---- products and attention ----------------------------------------------------------------------------------------


@wrong("linear", "the bias of the first output for all")
def linear_bias_twice(x, weight, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            out[n, m] = dot(x[n], weight[m]) + (0 if bias is None else 2 * bias[m])


@wrong("linear", "the bias is added in each round")
def linear_bias_in_loop(x, weight, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            total = 0.0
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
                if bias is not None:
                    total += bias[m]
            out[n, m] = total


@wrong("linear", "the sum is overwritten")
def linear_last_product(x, weight, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            total = 0.0
            for k in range(x.shape[1]):
                total = x[n, k] * weight[m, k]
            out[n, m] = total + (0 if bias is None else bias[m])


@wrong("linear", "the sum goes on over the outputs")
def linear_sum_not_reset(x, weight, bias, out):
    for n in range(len(x)):
        total = 0.0
        for m in range(len(weight)):
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
            out[n, m] = total + (0 if bias is None else bias[m])


@wrong("linear_int8", "the scales are not used")
def linear_int8_no_scales(x, weight, scales, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            total = sum(float(x[n, k]) * int(weight[m, k]) for k in range(x.shape[1]))
            out[n, m] = total + (0 if bias is None else bias[m])


@wrong("linear_int8", "the sum of the scales multiplies the whole")
def linear_int8_mean_scale(x, weight, scales, bias, out):
    for n in range(len(x)):
        for m in range(len(weight)):
            total = sum(float(x[n, k]) * int(weight[m, k]) for k in range(x.shape[1]))
            out[n, m] = total * float(np.mean(scales[m])) + (0 if bias is None else bias[m])


@wrong("linear_int8", "it divides by the scale")
def linear_int8_divides(x, weight, scales, bias, out):
    size = x.shape[1] // scales.shape[1]
    for n in range(len(x)):
        for m in range(len(weight)):
            total = sum(float(x[n, k]) * int(weight[m, k]) / float(scales[m, k // size]) for k in range(x.shape[1]))
            out[n, m] = total + (0 if bias is None else bias[m])


@wrong("linear_int8", "k // G instead of k // (K / G)")
def linear_int8_wrong_group_size(x, weight, scales, bias, out):
    groups = scales.shape[1]
    for n in range(len(x)):
        for m in range(len(weight)):
            total = 0.0
            for k in range(x.shape[1]):
                total += float(x[n, k]) * int(weight[m, k]) * float(scales[m, min(k // groups, groups - 1)])
            out[n, m] = total + (0 if bias is None else bias[m])


def attend(q, k, v, scale, out, sees, head_of, weigh=lambda weights: weights / weights.sum()):
    """Attention in float64: sees(l, s, L, S) and head_of(h, H, K) decide; weigh: exponentials -> weights."""
    for h in range(q.shape[1]):
        g = head_of(h, q.shape[1], k.shape[1])
        for i in range(len(q)):
            seen = [s for s in range(len(k)) if sees(i, s, len(q), len(k))]
            scores = np.array([scale * float(q[i, h].astype(float) @ k[s, g].astype(float)) for s in seen])
            weights = weigh(np.exp(scores - scores.max()))
            out[i, h] = weights @ v[seen, g].astype(float)


def earlier(i, s, queries, keys):
    return s <= keys - queries + i


def shared(h, heads, key_heads):
    return h // (heads // key_heads)


@wrong("attention", "the query's own key is hidden")
def attention_strictly_earlier(q, k, v, scale, out):
    attend(q, k, v, scale, out, lambda i, s, n, keys: s < keys - n + i or s == 0, shared)


@wrong("attention", "the weights are not divided by their sum")
def attention_not_normalised(q, k, v, scale, out):
    attend(q, k, v, scale, out, earlier, shared, lambda weights: weights)


@wrong("attention", "the keys in the place of the values")
def attention_of_keys(q, k, v, scale, out):
    attend(q, k, k, scale, out, earlier, shared)


@wrong("attention", "softmax over the heads")
def attention_mean_of_values(q, k, v, scale, out):
    attend(q, k, v, scale, out, earlier, shared, lambda weights: np.full(len(weights), 1 / len(weights)))


@wrong("attention", "the first head's queries for all")
def attention_first_query_head(q, k, v, scale, out):
    attend(q[:, np.zeros(q.shape[1], int)], k, v, scale, out, earlier, shared)


@wrong("rope", "degrees instead of radians")
def rope_in_degrees(x, positions, theta, out):
    half = x.shape[2] // 2
    for n in range(len(x)):
        for h in range(x.shape[1]):
            for i in range(half):
                angle = math.radians(float(positions[n]) * theta ** (-2 * i / x.shape[2]))
                a, b = float(x[n, h, i]), float(x[n, h, i + half])
                out[n, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[n, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "the second half is not rotated")
def rope_second_half_copied(x, positions, theta, out):
    half = x.shape[2] // 2
    out[:] = x
    for n in range(len(x)):
        for h in range(x.shape[1]):
            for i in range(half):
                angle = float(positions[n]) * theta ** (-2 * i / x.shape[2])
                out[n, h, i] = float(x[n, h, i]) * math.cos(angle) - float(x[n, h, i + half]) * math.sin(angle)


@wrong("rope", "a plus in both lines")
def rope_plus_twice(x, positions, theta, out):
    half = x.shape[2] // 2
    for n in range(len(x)):
        for h in range(x.shape[1]):
            for i in range(half):
                angle = float(positions[n]) * theta ** (-2 * i / x.shape[2])
                a, b = float(x[n, h, i]), float(x[n, h, i + half])
                out[n, h, i] = a * math.cos(angle) + b * math.sin(angle)
                out[n, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "theta is divided by, not raised")
def rope_angle_divided(x, positions, theta, out):
    half = x.shape[2] // 2
    for n in range(len(x)):
        for h in range(x.shape[1]):
            for i in range(half):
                angle = float(positions[n]) * (-2 * i / x.shape[2]) / theta
                a, b = float(x[n, h, i]), float(x[n, h, i + half])
                out[n, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[n, h, i + half] = b * math.cos(angle) + a * math.sin(angle)
