"""Further wrong kernels, for the other half of the operators, written after the derived mistakes and never looked at
while those were made."""

import math

import numpy as np

from tests.operators.blind_kernels import earlier, shared
from tests.operators.student_kernels import dot, logistic, mean_square, row_max, wrong

# ---- element by element ------------------------------------------------------------------------------------------


@wrong("relu_backward", "x is returned where the gradient should be")
def relu_backward_of_x(grad_out, x, out):
    for i in range(len(x)):
        out[i] = x[i] if x[i] > 0 else 0


@wrong("relu_backward", "the gradient passes where x is negative")
def relu_backward_reversed(grad_out, x, out):
    for i in range(len(x)):
        out[i] = grad_out[i] if x[i] < 0 else 0


@wrong("relu_backward", "grad_out passes everywhere")
def relu_backward_everywhere(grad_out, x, out):
    for i in range(len(x)):
        out[i] = grad_out[i]


@wrong("relu_backward", "negative elements get minus the gradient")
def relu_backward_of_abs(grad_out, x, out):
    for i in range(len(x)):
        out[i] = grad_out[i] if x[i] > 0 else -grad_out[i]


@wrong("sign", "the signs are exchanged")
def sign_exchanged(x, out):
    for i in range(len(x)):
        out[i] = -1 if x[i] >= 0 else 1


@wrong("sign", "the element itself is returned where it is positive")
def sign_keeps_positive(x, out):
    for i in range(len(x)):
        out[i] = x[i] if x[i] >= 0 else -1


@wrong("silu", "1 is forgotten in the denominator")
def silu_without_one(x, out):
    for i in range(len(x)):
        out[i] = x[i] / math.exp(-min(max(x[i], -80.0), 80.0))


@wrong("silu", "x multiplies the exponential too")
def silu_squared(x, out):
    for i in range(len(x)):
        out[i] = x[i] * x[i] * logistic(x[i])


@wrong("silu", "multiplied where it is divided")
def silu_times(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1 + math.exp(-min(max(x[i], -80.0), 80.0)))


# ---- rows --------------------------------------------------------------------------------------------------------


@wrong("add_rms_norm", "the residual is subtracted")
def add_rms_norm_difference(x, residual, weight, eps, total, out):
    for n in range(len(x)):
        for e in range(x.shape[1]):
            total[n, e] = x[n, e] - residual[n, e]
        scale = 1 / math.sqrt(mean_square(total[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * total[n, e] * scale


@wrong("add_rms_norm", "total holds the normalised sum")
def add_rms_norm_total_overwritten(x, residual, weight, eps, total, out):
    for n in range(len(x)):
        both = [np.float32(a + b) for a, b in zip(x[n], residual[n], strict=True)]
        scale = 1 / math.sqrt(mean_square(both) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * both[e] * scale
            total[n, e] = out[n, e]


@wrong("add_rms_norm", "total is never written")
def add_rms_norm_only_out(x, residual, weight, eps, total, out):
    for n in range(len(x)):
        both = [np.float32(a + b) for a, b in zip(x[n], residual[n], strict=True)]
        scale = 1 / math.sqrt(mean_square(both) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * both[e] * scale


@wrong("add_rms_norm", "the numerator is x alone")
def add_rms_norm_numerator_x(x, residual, weight, eps, total, out):
    for n in range(len(x)):
        for e in range(x.shape[1]):
            total[n, e] = x[n, e] + residual[n, e]
        scale = 1 / math.sqrt(mean_square(total[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * x[n, e] * scale


@wrong("rms_norm", "eps is subtracted")
def rms_norm_without_eps_times(x, weight, eps, out):
    for n in range(len(x)):
        scale = math.sqrt(mean_square(x[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * x[n, e] * scale


@wrong("rms_norm", "the weight divides")
def rms_norm_weight_divides(x, weight, eps, out):
    for n in range(len(x)):
        scale = 1 / math.sqrt(mean_square(x[n]) + eps)
        for e in range(x.shape[1]):
            out[n, e] = x[n, e] * scale / weight[e] if weight[e] else 0


@wrong("rms_norm", "the mean of the absolute values instead of the root mean square")
def rms_norm_mean_abs(x, weight, eps, out):
    for n in range(len(x)):
        mean = sum(abs(float(v)) for v in x[n]) / x.shape[1]
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * x[n, e] / (mean + eps)


@wrong("rms_norm", "the largest square instead of the mean")
def rms_norm_largest(x, weight, eps, out):
    for n in range(len(x)):
        top = max(float(v) * float(v) for v in x[n])
        for e in range(x.shape[1]):
            out[n, e] = weight[e] * x[n, e] / math.sqrt(top + eps)


@wrong("softmax", "the exponentials are not divided")
def softmax_not_divided(x, out):
    for n in range(len(x)):
        top = row_max(x[n])
        for c in range(x.shape[1]):
            out[n, c] = math.exp(float(x[n, c]) - top)


@wrong("softmax", "the scores are divided by their sum")
def softmax_of_shares(x, out):
    for n in range(len(x)):
        total = sum(float(v) for v in x[n] if math.isfinite(v)) or 1.0
        for c in range(x.shape[1]):
            out[n, c] = x[n, c] / total


@wrong("softmax", "the logarithm is returned")
def softmax_logarithm(x, out):
    for n in range(len(x)):
        top = row_max(x[n])
        total = math.log(sum(math.exp(float(v) - top) for v in x[n]))
        for c in range(x.shape[1]):
            out[n, c] = float(x[n, c]) - top - total


@wrong("softmax", "the sign of the exponent")
def softmax_of_negatives(x, out):
    for n in range(len(x)):
        finite = [float(v) for v in x[n] if math.isfinite(v)]
        low = min(finite)
        total = sum(math.exp(low - v) for v in finite)
        for c in range(x.shape[1]):
            out[n, c] = math.exp(low - float(x[n, c])) / total if math.isfinite(x[n, c]) else 0


@wrong("cross_entropy", "the probability instead of its logarithm")
def cross_entropy_probability(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        total = sum(math.exp(float(v) - top) for v in logits[n])
        out[n] = math.exp(float(logits[n, targets[n]]) - top) / total


@wrong("cross_entropy", "the target's logit is not subtracted")
def cross_entropy_without_target(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        out[n] = top + math.log(sum(math.exp(float(v) - top) for v in logits[n]))


@wrong("cross_entropy", "the next row's target")
def cross_entropy_shifted_targets(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        total = math.log(sum(math.exp(float(v) - top) for v in logits[n]))
        out[n] = top + total - float(logits[n, targets[(n + 1) % len(targets)]])


@wrong("cross_entropy", "the sum includes one class too few")
def cross_entropy_first_class_missing(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        total = sum(math.exp(float(v) - top) for v in logits[n, 1:]) or 1e-30
        out[n] = top + math.log(total) - float(logits[n, targets[n]])


@wrong("cross_entropy", "divided by the number of classes")
def cross_entropy_per_class(logits, targets, out):
    for n in range(len(logits)):
        top = row_max(logits[n])
        total = math.log(sum(math.exp(float(v) - top) for v in logits[n]))
        out[n] = (top + total - float(logits[n, targets[n]])) / logits.shape[1]


# ---- products and attention ----------------------------------------------------------------------------------------


@wrong("matmul", "only the last product")
def matmul_last_product(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            for k in range(a.shape[1]):
                out[m, n] = a[m, k] * b[k, n]


@wrong("matmul", "the sum is not set back for each column")
def matmul_sum_goes_on(a, b, out):
    for m in range(a.shape[0]):
        total = 0.0
        for n in range(b.shape[1]):
            for k in range(a.shape[1]):
                total += float(a[m, k]) * float(b[k, n])
            out[m, n] = total


@wrong("matmul", "a is squared")
def matmul_a_times_a(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += float(a[m, k]) * float(a[m, k])
            out[m, n] = total


@wrong("matmul", "sums are added, not products")
def matmul_adds(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += float(a[m, k]) + float(b[k, n])
            out[m, n] = total


@wrong("linear_backward", "the bias's gradient is a mean")
def linear_backward_bias_mean(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = grad_out.astype(float) @ weight
    grad_weight[:] = grad_out.astype(float).T @ x
    grad_bias[:] = grad_out.astype(float).mean(axis=0)


@wrong("linear_backward", "the gradient of the weight is overwritten by each sample")
def linear_backward_weight_of_last(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = grad_out.astype(float) @ weight
    grad_bias[:] = grad_out.astype(float).sum(axis=0)
    for n in range(len(x)):
        for m in range(len(weight)):
            for k in range(x.shape[1]):
                grad_weight[m, k] = grad_out[n, m] * x[n, k]


@wrong("linear_backward", "the bias's gradient is never written")
def linear_backward_without_bias(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = grad_out.astype(float) @ weight
    grad_weight[:] = grad_out.astype(float).T @ x


@wrong("linear_backward", "the signs are those of a step")
def linear_backward_negative(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    grad_x[:] = grad_out.astype(float) @ weight
    grad_weight[:] = -(grad_out.astype(float).T @ x)
    grad_bias[:] = -grad_out.astype(float).sum(axis=0)


def unpacked(weight, low=lambda byte: byte % 16, high=lambda byte: byte // 16, offset=8):
    rows = weight.reshape(len(weight), -1, 16).astype(np.int64)
    return np.concatenate([low(rows), high(rows)], axis=2).reshape(len(weight), -1) - offset


def times(x, numbers, bias, out):
    for n in range(len(x)):
        for m in range(len(numbers)):
            out[n, m] = float(x[n].astype(float) @ numbers[m]) + (0 if bias is None else float(bias[m]))


@wrong("linear_int4", "7 is subtracted")
def linear_int4_offset_7(x, weight, scales, bias, out):
    times(x, unpacked(weight, offset=7) * np.repeat(scales.astype(float), 32, axis=1), bias, out)


@wrong("linear_int4", "both halves are the low one")
def linear_int4_low_twice(x, weight, scales, bias, out):
    numbers = unpacked(weight, high=lambda byte: byte % 16)
    times(x, numbers * np.repeat(scales.astype(float), 32, axis=1), bias, out)


@wrong("linear_int4", "the high half is not shifted")
def linear_int4_not_shifted(x, weight, scales, bias, out):
    numbers = unpacked(weight, high=lambda byte: byte - byte % 16)
    times(x, numbers * np.repeat(scales.astype(float), 32, axis=1), bias, out)


@wrong("linear_int4", "the scales are forgotten")
def linear_int4_without_scales(x, weight, scales, bias, out):
    times(x, unpacked(weight).astype(float), bias, out)


@wrong("linear_int4", "the bias is subtracted")
def linear_int4_bias_subtracted(x, weight, scales, bias, out):
    numbers = unpacked(weight) * np.repeat(scales.astype(float), 32, axis=1)
    times(x, numbers, None if bias is None else -bias, out)


def turned(x, positions, frequencies, factor, out, angle_of=None, first=None, second=None):
    half = x.shape[2] // 2
    for n in range(len(x)):
        for h in range(x.shape[1]):
            for i in range(half):
                angle = float(positions[n]) * float(frequencies[i]) if angle_of is None else angle_of(n, h, i)
                a, b, c, s = float(x[n, h, i]), float(x[n, h, i + half]), math.cos(angle), math.sin(angle)
                out[n, h, i] = factor * ((a * c - b * s) if first is None else first(a, b, c, s))
                out[n, h, i + half] = factor * ((b * c + a * s) if second is None else second(a, b, c, s))


@wrong("rope_scaled", "the factor divides")
def rope_scaled_divides(x, positions, frequencies, factor, out):
    turned(x, positions, frequencies, 1 / factor, out)


@wrong("rope_scaled", "the frequencies divide the position")
def rope_scaled_inverse(x, positions, frequencies, factor, out):
    turned(x, positions, frequencies, factor, out, lambda n, h, i: float(positions[n]) / float(frequencies[i]))


@wrong("rope_scaled", "the first frequency for all pairs")
def rope_scaled_first_frequency(x, positions, frequencies, factor, out):
    turned(x, positions, frequencies, factor, out, lambda n, h, i: float(positions[n]) * float(frequencies[0]))


@wrong("rope_scaled", "a in both terms of the second half")
def rope_scaled_wrong_second(x, positions, frequencies, factor, out):
    turned(x, positions, frequencies, factor, out, second=lambda a, b, c, s: b * c + b * s)


def attend(q, k, v, scale, window, out, sees, head_of=shared, weigh=lambda weights: weights / weights.sum()):
    for h in range(q.shape[1]):
        g = head_of(h, q.shape[1], k.shape[1])
        for i in range(len(q)):
            seen = [s for s in range(len(k)) if earlier(i, s, len(q), len(k)) and sees(i + len(k) - len(q), s)]
            scores = np.array([scale * float(q[i, h].astype(float) @ k[s, g].astype(float)) for s in seen])
            weights = weigh(np.exp(scores - scores.max()))
            out[i, h] = weights @ v[seen, g].astype(float)


@wrong("sliding_attention", "the scale divides")
def sliding_attention_scale_divides(q, k, v, scale, window, out):
    attend(q, k, v, 1 / scale, window, out, lambda p, s: s > p - window)


@wrong("sliding_attention", "only the query's own key is seen")
def sliding_attention_own_key(q, k, v, scale, window, out):
    attend(q, k, v, scale, window, out, lambda p, s: s == p)


@wrong("sliding_attention", "the first keys are seen, not the last")
def sliding_attention_first_keys(q, k, v, scale, window, out):
    attend(q, k, v, scale, window, out, lambda p, s: s < window)


@wrong("sliding_attention", "the queries in the place of the scale: no softmax at all")
def sliding_attention_without_exp(q, k, v, scale, window, out):
    attend(q, k, v, scale, window, out, lambda p, s: s > p - window, weigh=lambda w: np.log(w) + 1)


@wrong("sliding_attention", "all heads read the first key head")
def sliding_attention_first_head(q, k, v, scale, window, out):
    attend(q, k, v, scale, window, out, lambda p, s: s > p - window, head_of=lambda h, heads, keys: 0)


@wrong("matmul", "the products are rounded to float16")
def matmul_in_half(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            out[m, n] = dot(a[m].astype(np.float16), b[:, n].astype(np.float16))
