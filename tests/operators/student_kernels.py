"""Kernels as students might write them, right and wrong, written from the operators' docstrings alone, without sight
of the cases and the known mistakes."""

import math
from collections.abc import Callable

import numpy as np

# Operator, function, what is wrong (None: nothing).
KERNELS: list[tuple[str, Callable, str | None]] = []

LOG2E = 1.4426950408889634


def wrong(operator: str, mistake: str) -> Callable[[Callable], Callable]:
    """Register a wrong kernel, with one sentence on what is wrong."""

    def register(function: Callable) -> Callable:
        KERNELS.append((operator, function, mistake))
        return function

    return register


def right(operator: str) -> Callable[[Callable], Callable]:
    """Register a right kernel."""

    def register(function: Callable) -> Callable:
        KERNELS.append((operator, function, None))
        return function

    return register


# Helpers, all of them right.


def logistic(v):
    if v >= 0:
        return 1.0 / (1.0 + math.exp(-v))
    e = math.exp(v)
    return e / (1.0 + e)


def dot(a, b):
    total = np.float32(0.0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def row_max(row):
    best = row[0]
    for i in range(1, len(row)):
        if row[i] > best:
            best = row[i]
    return best


def mean_square(row):
    total = 0.0
    for i in range(len(row)):
        total += float(row[i]) * float(row[i])
    return total / len(row)


# add


@right("add")
def add_blocks_of_8(x, y, out):
    n = len(x)
    whole = n - n % 8
    for start in range(0, whole, 8):
        for j in range(8):
            out[start + j] = x[start + j] + y[start + j]
    for i in range(whole, n):
        out[i] = x[i] + y[i]


@right("add")
def add_backwards(x, y, out):
    for i in range(len(x) - 1, -1, -1):
        out[i] = y[i] + x[i]


@wrong("add", "the tail after the last whole block of 4 is not computed")
def add_tail_of_4_missed(x, y, out):
    for start in range(0, len(x) - 3, 4):
        for j in range(4):
            out[start + j] = x[start + j] + y[start + j]


@wrong("add", "x is added to itself")
def add_x_twice(x, y, out):
    for i in range(len(x)):
        out[i] = x[i] + x[i]


@wrong("add", "the sum is rounded to float16")
def add_in_half(x, y, out):
    for i in range(len(x)):
        out[i] = np.float16(x[i]) + np.float16(y[i])


@wrong("add", "the tail of the blocks of 16 is written to the front of out")
def add_tail_written_to_front(x, y, out):
    n = len(x)
    whole = n - n % 16
    for i in range(whole):
        out[i] = x[i] + y[i]
    for j in range(n - whole):
        out[j] = x[whole + j] + y[whole + j]


@wrong("add", "y is read one element late")
def add_y_shifted(x, y, out):
    n = len(x)
    for i in range(n):
        out[i] = x[i] + y[(i + 1) % n]


# relu


@right("relu")
def relu_branch(x, out):
    for i in range(len(x)):
        if x[i] > 0:
            out[i] = x[i]
        else:
            out[i] = 0.0


@right("relu")
def relu_max_in_blocks_of_4(x, out):
    n = len(x)
    for start in range(0, n, 4):
        for i in range(start, min(start + 4, n)):
            out[i] = max(x[i], 0.0)


@wrong("relu", "negative elements are not written")
def relu_negatives_not_written(x, out):
    for i in range(len(x)):
        if x[i] > 0:
            out[i] = x[i]


@wrong("relu", "negative elements keep a hundredth of their value")
def relu_leaky(x, out):
    for i in range(len(x)):
        out[i] = x[i] if x[i] > 0 else np.float32(0.01) * x[i]


@wrong("relu", "values are cut at 6")  # wrong where an element is above 6
def relu_cut_at_6(x, out):
    for i in range(len(x)):
        out[i] = min(max(x[i], 0.0), 6.0)


@wrong("relu", "negative elements are flipped instead of set to zero")
def relu_flips_negatives(x, out):
    for i in range(len(x)):
        out[i] = abs(x[i])


@wrong("relu", "the last element is missed")
def relu_last_missed(x, out):
    for i in range(len(x) - 1):
        out[i] = max(x[i], 0.0)


# relu_backward


@right("relu_backward")
def relu_backward_branch(grad_out, x, out):
    for i in range(len(x)):
        if x[i] <= 0:
            out[i] = 0.0
        else:
            out[i] = grad_out[i]


@right("relu_backward")
def relu_backward_blocks_of_4(grad_out, x, out):
    n = len(x)
    for start in range(0, n, 4):
        for i in range(start, min(start + 4, n)):
            out[i] = grad_out[i] if x[i] > 0 else 0.0


@wrong("relu_backward", "the gradient passes where x is exactly zero")  # wrong where an element of x is zero
def relu_backward_passes_at_zero(grad_out, x, out):
    for i in range(len(x)):
        out[i] = grad_out[i] if x[i] >= 0 else 0.0


@wrong("relu_backward", "the sign of grad_out decides instead of the sign of x")
def relu_backward_tests_gradient(grad_out, x, out):
    for i in range(len(x)):
        out[i] = grad_out[i] if grad_out[i] > 0 else 0.0


@wrong("relu_backward", "the gradient is multiplied by x")
def relu_backward_times_x(grad_out, x, out):
    for i in range(len(x)):
        out[i] = grad_out[i] * max(x[i], 0.0)


@wrong("relu_backward", "the local slope is written, without grad_out")
def relu_backward_slope_only(grad_out, x, out):
    for i in range(len(x)):
        out[i] = 1.0 if x[i] > 0 else 0.0


@wrong("relu_backward", "the loop stops at the first element where x is not positive")
def relu_backward_early_exit(grad_out, x, out):
    for i in range(len(x)):
        out[i] = 0.0
    for i in range(len(x)):
        if x[i] <= 0:
            break
        out[i] = grad_out[i]


# sign


@right("sign")
def sign_branch(x, out):
    for i in range(len(x)):
        if x[i] >= 0:
            out[i] = 1.0
        else:
            out[i] = -1.0


@right("sign")
def sign_by_counting(x, out):
    for i in range(len(x)):
        out[i] = 1 - 2 * int(x[i] < 0)


@wrong("sign", "zero gives 0")  # wrong where an element is zero
def sign_zero_gives_zero(x, out):
    for i in range(len(x)):
        out[i] = np.sign(x[i])


@wrong("sign", "zero gives -1")  # wrong where an element is zero
def sign_zero_gives_minus_one(x, out):
    for i in range(len(x)):
        out[i] = 1.0 if x[i] > 0 else -1.0


@wrong("sign", "negative elements give 0")
def sign_step(x, out):
    for i in range(len(x)):
        out[i] = 1.0 if x[i] >= 0 else 0.0


@wrong("sign", "elements are cut to integers first, so those between -1 and 0 give 1")
def sign_of_integer_part(x, out):
    for i in range(len(x)):
        out[i] = 1.0 if int(x[i]) >= 0 else -1.0


@wrong("sign", "the tail after the last whole block of 8 is not computed")
def sign_tail_of_8_missed(x, out):
    for start in range(0, len(x) // 8 * 8, 8):
        for j in range(8):
            out[start + j] = 1.0 if x[start + j] >= 0 else -1.0


# sigmoid


@right("sigmoid")
def sigmoid_two_branches(x, out):
    for i in range(len(x)):
        if x[i] >= 0:
            out[i] = 1.0 / (1.0 + math.exp(-x[i]))
        else:
            e = math.exp(x[i])
            out[i] = e / (1.0 + e)


@right("sigmoid")
def sigmoid_tanh(x, out):
    half = np.float32(0.5)
    for i in range(len(x)):
        out[i] = half * (np.float32(1.0) + np.tanh(half * x[i]))


@right("sigmoid")
def sigmoid_exp2(x, out):
    for i in range(len(x)):
        power = min(-float(x[i]) * LOG2E, 1000.0)
        out[i] = 1.0 / (1.0 + np.exp2(power))


@wrong("sigmoid", "the sign in the exponential is missing")
def sigmoid_sign_missing(x, out):
    for i in range(len(x)):
        out[i] = 1.0 / (1.0 + math.exp(min(x[i], 700.0)))


@wrong("sigmoid", "exp(x) / (1 + exp(x)) in float32 becomes infinity over infinity")  # wrong where x is above 88
def sigmoid_overflows(x, out):
    for i in range(len(x)):
        e = np.exp(x[i])
        out[i] = e / (np.float32(1.0) + e)


@wrong("sigmoid", "the tanh form lacks the half inside the tanh")
def sigmoid_tanh_of_x(x, out):
    for i in range(len(x)):
        out[i] = 0.5 * (1.0 + math.tanh(x[i]))


@wrong("sigmoid", "a straight line cut at 0 and 1 takes the place of the curve")
def sigmoid_hard(x, out):
    for i in range(len(x)):
        out[i] = min(max(0.2 * x[i] + 0.5, 0.0), 1.0)


@wrong("sigmoid", "elements above 4 are taken as 1 and below -4 as 0")  # wrong where an element is beyond 4
def sigmoid_cut_at_4(x, out):
    for i in range(len(x)):
        if x[i] > 4:
            out[i] = 1.0
        elif x[i] < -4:
            out[i] = 0.0
        else:
            out[i] = 1.0 / (1.0 + math.exp(-x[i]))


# silu


@right("silu")
def silu_x_times_sigmoid(x, out):
    for i in range(len(x)):
        out[i] = x[i] * logistic(x[i])


@right("silu")
def silu_tanh(x, out):
    for i in range(len(x)):
        h = np.float32(0.5) * x[i]
        out[i] = h * np.tanh(h) + h


@wrong("silu", "the factor x is forgotten")
def silu_without_x(x, out):
    for i in range(len(x)):
        out[i] = logistic(x[i])


@wrong("silu", "the exponential has the wrong sign")
def silu_sign_of_exponent(x, out):
    for i in range(len(x)):
        out[i] = x[i] * logistic(-x[i])


@wrong("silu", "x is multiplied by 1.702 inside the exponential, as in an approximation of gelu")
def silu_with_1702(x, out):
    for i in range(len(x)):
        out[i] = x[i] * logistic(1.702 * x[i])


@wrong("silu", "negative elements become zero")
def silu_negatives_cut(x, out):
    for i in range(len(x)):
        out[i] = x[i] * logistic(x[i]) if x[i] > 0 else 0.0


@wrong("silu", "out already holds the sigmoid when it is read again as if it were x")
def silu_overwritten(x, out):
    for i in range(len(x)):
        out[i] = logistic(x[i])
        out[i] = out[i] * logistic(out[i])


# gelu


@right("gelu")
def gelu_erf(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1.0 + math.erf(x[i] / math.sqrt(2.0))) / 2.0


@right("gelu")
def gelu_erfc_in_blocks(x, out):
    n = len(x)
    for start in range(0, n, 16):
        for i in range(start, min(start + 16, n)):
            out[i] = 0.5 * float(x[i]) * math.erfc(-float(x[i]) * math.sqrt(0.5))


@wrong("gelu", "this is the tanh approximation, not the exact form")
def gelu_tanh_approximation(x, out):
    for i in range(len(x)):
        v = float(x[i])
        inner = math.sqrt(2.0 / math.pi) * (v + 0.044715 * v * v * v)
        out[i] = 0.5 * v * (1.0 + math.tanh(inner))


@wrong("gelu", "this is the approximation x * sigmoid(1.702 x), not the exact form")
def gelu_sigmoid_approximation(x, out):
    for i in range(len(x)):
        out[i] = x[i] * logistic(1.702 * x[i])


@wrong("gelu", "x is not divided by the square root of 2")
def gelu_sqrt_missing(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1.0 + math.erf(x[i])) / 2.0


@wrong("gelu", "the half is forgotten")
def gelu_half_missing(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1.0 + math.erf(x[i] / math.sqrt(2.0)))


@wrong("gelu", "erf is taken of the absolute value")
def gelu_erf_of_absolute_value(x, out):
    for i in range(len(x)):
        out[i] = x[i] * (1.0 + math.erf(abs(x[i]) / math.sqrt(2.0))) / 2.0


# swiglu


@right("swiglu")
def swiglu_two_branches(gate, up, out):
    for i in range(len(gate)):
        out[i] = up[i] * gate[i] * logistic(gate[i])


@right("swiglu")
def swiglu_tanh(gate, up, out):
    for i in range(len(gate)):
        half = 0.5 * float(gate[i])
        silu = half + half * math.tanh(half)
        out[i] = silu * up[i]


@right("swiglu")
def swiglu_exp2_in_blocks(gate, up, out):
    n = len(gate)
    for start in range(0, n, 32):
        for i in range(start, min(start + 32, n)):
            power = min(-float(gate[i]) * LOG2E, 1000.0)
            out[i] = up[i] * (gate[i] / (1.0 + np.exp2(power)))


@wrong("swiglu", "gate and up have changed places")
def swiglu_swapped(gate, up, out):
    for i in range(len(gate)):
        out[i] = gate[i] * up[i] * logistic(up[i])


@wrong("swiglu", "the gate goes through the sigmoid only, its own factor is missing")
def swiglu_sigmoid_gate(gate, up, out):
    for i in range(len(gate)):
        out[i] = up[i] * logistic(gate[i])


@wrong("swiglu", "up is added instead of multiplied")
def swiglu_adds_up(gate, up, out):
    for i in range(len(gate)):
        out[i] = up[i] + gate[i] * logistic(gate[i])


@wrong("swiglu", "up is multiplied in before the sigmoid, so it changes the gate")
def swiglu_product_in_sigmoid(gate, up, out):
    for i in range(len(gate)):
        v = gate[i] * up[i]
        out[i] = v * logistic(v)


@wrong("swiglu", "exp(gate) / (1 + exp(gate)) in float32 becomes infinity over infinity")  # where gate is above 88
def swiglu_overflows(gate, up, out):
    for i in range(len(gate)):
        e = np.exp(gate[i])
        out[i] = up[i] * gate[i] * e / (np.float32(1.0) + e)


@wrong("swiglu", "the tail of the blocks of 32 is written without up")
def swiglu_tail_without_up(gate, up, out):
    n = len(gate)
    whole = n - n % 32
    for i in range(whole):
        out[i] = up[i] * gate[i] * logistic(gate[i])
    for i in range(whole, n):
        out[i] = gate[i] * logistic(gate[i])


@wrong("swiglu", "up's index is not advanced after the first block of 8")
def swiglu_up_stays_in_first_block(gate, up, out):
    for i in range(len(gate)):
        out[i] = up[i % 8] * gate[i] * logistic(gate[i])


# softmax


@right("softmax")
def softmax_two_pass(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = x[n, 0]
        for c in range(1, columns):
            top = max(top, x[n, c])
        total = np.float32(0.0)
        for c in range(columns):
            e = np.exp(x[n, c] - top)
            out[n, c] = e
            total += e
        for c in range(columns):
            out[n, c] = out[n, c] / total


@right("softmax")
def softmax_online(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = -np.inf
        total = 0.0
        for c in range(columns):
            v = float(x[n, c])
            if v > top:
                total = total * math.exp(top - v) + 1.0
                top = v
            elif v > -np.inf:
                total += math.exp(v - top)
        for c in range(columns):
            out[n, c] = math.exp(float(x[n, c]) - top) / total


@right("softmax")
def softmax_four_lanes_exp2(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = float(row_max(x[n]))
        sums = np.zeros(4, np.float32)
        for c in range(columns):
            sums[c % 4] += np.exp2((float(x[n, c]) - top) * LOG2E)
        total = (sums[0] + sums[1]) + (sums[2] + sums[3])
        inverse = np.float32(1.0) / total
        for c in range(columns):
            out[n, c] = np.exp2((float(x[n, c]) - top) * LOG2E) * inverse


@wrong("softmax", "the sum is not set back to 0 between rows")
def softmax_sum_not_reset(x, out):
    rows, columns = x.shape
    total = np.float32(0.0)
    for n in range(rows):
        top = row_max(x[n])
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top)
            total += out[n, c]
        for c in range(columns):
            out[n, c] /= total


@wrong("softmax", "no maximum is subtracted, so the exponential overflows")  # wrong where a score is above 88
def softmax_no_maximum(x, out):
    rows, columns = x.shape
    for n in range(rows):
        total = np.float32(0.0)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c])
            total += out[n, c]
        for c in range(columns):
            out[n, c] /= total


@wrong("softmax", "the maximum starts from 0")  # wrong where all scores of a row are below -88
def softmax_maximum_from_zero(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = np.float32(0.0)
        for c in range(columns):
            if x[n, c] > top:
                top = x[n, c]
        total = np.float32(0.0)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top)
            total += out[n, c]
        for c in range(columns):
            out[n, c] /= total


@wrong("softmax", "the maximum is not set back between rows")  # wrong where a row lies 88 or more below an earlier one
def softmax_maximum_not_reset(x, out):
    rows, columns = x.shape
    top = x[0, 0]
    for n in range(rows):
        for c in range(columns):
            if x[n, c] > top:
                top = x[n, c]
        total = np.float32(0.0)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top)
            total += out[n, c]
        for c in range(columns):
            out[n, c] /= total


@wrong("softmax", "the online sum is not rescaled when the maximum grows")
def softmax_online_not_rescaled(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = x[n, 0]
        total = np.float32(1.0)
        for c in range(1, columns):
            if x[n, c] > top:
                top = x[n, c]
            total += np.exp(x[n, c] - top)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top) / total


@wrong("softmax", "columns are normalised instead of rows")
def softmax_over_columns(x, out):
    rows, columns = x.shape
    for c in range(columns):
        top = row_max(x[:, c])
        total = np.float32(0.0)
        for n in range(rows):
            out[n, c] = np.exp(x[n, c] - top)
            total += out[n, c]
        for n in range(rows):
            out[n, c] /= total


@wrong("softmax", "the last column is left out of the sum")
def softmax_last_column_not_summed(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = row_max(x[n])
        total = np.float32(0.0)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top)
            if c < columns - 1:
                total += out[n, c]
        for c in range(columns):
            out[n, c] = out[n, c] / total


@wrong("softmax", "the tail of the blocks of 8 is exponentiated but not divided by the sum")
def softmax_tail_of_8_not_divided(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = row_max(x[n])
        total = np.float32(0.0)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top)
            total += out[n, c]
        for start in range(0, columns - 7, 8):
            for c in range(start, start + 8):
                out[n, c] /= total


@wrong("softmax", "the sum is kept in float16")
def softmax_sum_in_half(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = row_max(x[n])
        total = np.float16(0.0)
        for c in range(columns):
            out[n, c] = np.exp(x[n, c] - top)
            total = np.float16(total + np.float16(out[n, c]))
        for c in range(columns):
            out[n, c] /= np.float32(total)


@wrong("softmax", "only the first 256 columns fit the buffer of exponentials")  # wrong where C is above 256
def softmax_buffer_of_256(x, out):
    rows, columns = x.shape
    buffer = np.zeros(256, np.float32)
    for n in range(rows):
        top = row_max(x[n])
        total = np.float32(0.0)
        for c in range(min(columns, 256)):
            buffer[c] = np.exp(x[n, c] - top)
            total += buffer[c]
        for c in range(columns):
            out[n, c] = buffer[min(c, 255)] / total


@wrong("softmax", "two to the power takes the place of e to the power")
def softmax_base_two(x, out):
    rows, columns = x.shape
    for n in range(rows):
        top = row_max(x[n])
        total = np.float32(0.0)
        for c in range(columns):
            out[n, c] = np.exp2(x[n, c] - top)
            total += out[n, c]
        for c in range(columns):
            out[n, c] /= total


# rms_norm


@right("rms_norm")
def rms_norm_plain(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        total = np.float32(0.0)
        for e in range(columns):
            total += x[n, e] * x[n, e]
        root = np.sqrt(total / np.float32(columns) + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / root


@right("rms_norm")
def rms_norm_float64_inverse(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        inverse = 1.0 / math.sqrt(mean_square(x[n]) + eps)
        for e in range(columns):
            out[n, e] = x[n, e] * inverse * weight[e]


@right("rms_norm")
def rms_norm_four_lanes(x, weight, eps, out):
    rows, columns = x.shape
    whole = columns - columns % 4
    for n in range(rows):
        lanes = np.zeros(4, np.float32)
        for start in range(0, whole, 4):
            for j in range(4):
                lanes[j] += x[n, start + j] * x[n, start + j]
        total = lanes[0] + lanes[1] + lanes[2] + lanes[3]
        for e in range(whole, columns):
            total += x[n, e] * x[n, e]
        root = np.sqrt(total / np.float32(columns) + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] / root)


@wrong("rms_norm", "eps is added after the square root")  # plainly wrong where the row is small beside sqrt(eps)
def rms_norm_eps_outside_root(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n])) + eps
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / root


@wrong("rms_norm", "eps is ignored in favour of 1e-5")  # wrong where eps is another and the row small
def rms_norm_eps_constant(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n]) + 1e-5)
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / root


@wrong("rms_norm", "the sum of squares is not divided by the number of columns")
def rms_norm_sum_for_mean(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        total = 0.0
        for e in range(columns):
            total += x[n, e] * x[n, e]
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / math.sqrt(total + eps)


@wrong("rms_norm", "the square root is forgotten")
def rms_norm_root_missing(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        inverse = 1.0 / (mean_square(x[n]) + eps)
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] * inverse


@wrong("rms_norm", "the sum of squares is not set back to 0 between rows")
def rms_norm_sum_not_reset(x, weight, eps, out):
    rows, columns = x.shape
    total = np.float32(0.0)
    for n in range(rows):
        for e in range(columns):
            total += x[n, e] * x[n, e]
        root = np.sqrt(total / np.float32(columns) + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / root


@wrong("rms_norm", "the row's mean is subtracted, as in layer_norm")
def rms_norm_centred(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean = 0.0
        for e in range(columns):
            mean += x[n, e]
        mean /= columns
        square = 0.0
        for e in range(columns):
            square += (x[n, e] - mean) ** 2
        root = math.sqrt(square / columns + eps)
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / root


@wrong("rms_norm", "the weight is taken by row instead of by column")
def rms_norm_weight_by_row(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n]) + eps)
        for e in range(columns):
            out[n, e] = weight[n] * x[n, e] / root


@wrong("rms_norm", "the weight is taken as 1 + weight")
def rms_norm_one_plus_weight(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n]) + eps)
        for e in range(columns):
            out[n, e] = (1.0 + weight[e]) * x[n, e] / root


@wrong("rms_norm", "the tail of the blocks of 8 is left out of the sum of squares")
def rms_norm_tail_of_8_not_summed(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        total = np.float32(0.0)
        for start in range(0, columns - 7, 8):
            for j in range(8):
                total += x[n, start + j] * x[n, start + j]
        root = np.sqrt(total / np.float32(columns) + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / root


@wrong("rms_norm", "the sum of squares is kept in float16")
def rms_norm_sum_in_half(x, weight, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        total = np.float16(0.0)
        for e in range(columns):
            total = np.float16(total + np.float16(x[n, e] * x[n, e]))
        root = np.sqrt(np.float32(total) / np.float32(columns) + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / root


# layer_norm


@right("layer_norm")
def layer_norm_two_pass(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean = 0.0
        for e in range(columns):
            mean += float(x[n, e])
        mean /= columns
        var = 0.0
        for e in range(columns):
            d = float(x[n, e]) - mean
            var += d * d
        var /= columns
        for e in range(columns):
            out[n, e] = weight[e] * ((float(x[n, e]) - mean) / math.sqrt(var + eps)) + bias[e]


@right("layer_norm")
def layer_norm_welford(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean = 0.0
        squares = 0.0
        for e in range(columns):
            delta = float(x[n, e]) - mean
            mean += delta / (e + 1)
            squares += delta * (float(x[n, e]) - mean)
        inverse = 1.0 / math.sqrt(squares / columns + eps)
        for e in range(columns):
            out[n, e] = (float(x[n, e]) - mean) * inverse * weight[e] + bias[e]


@right("layer_norm")
def layer_norm_shifted_by_first(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        first = float(x[n, 0])
        total = 0.0
        squares = 0.0
        for e in range(columns):
            d = float(x[n, e]) - first
            total += d
            squares += d * d
        shift = total / columns
        var = max(squares / columns - shift * shift, 0.0)
        for e in range(columns):
            out[n, e] = (float(x[n, e]) - first - shift) / math.sqrt(var + eps) * weight[e] + bias[e]


def mean_and_variance(row):
    mean = 0.0
    for v in row:
        mean += float(v)
    mean /= len(row)
    var = 0.0
    for v in row:
        var += (float(v) - mean) ** 2
    return mean, var / len(row)


@wrong("layer_norm", "the variance is taken over E - 1")
def layer_norm_sample_variance(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean, var = mean_and_variance(x[n])
        var = var * columns / max(columns - 1, 1)
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / math.sqrt(var + eps) + bias[e]


@wrong("layer_norm", "eps is added after the square root")  # plainly wrong where the deviation is small
def layer_norm_eps_outside_root(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean, var = mean_and_variance(x[n])
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / (math.sqrt(var) + eps) + bias[e]


@wrong("layer_norm", "the mean of squares less the squared mean cancels in float32")  # where the mean is large
def layer_norm_variance_cancels(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        total = np.float32(0.0)
        squares = np.float32(0.0)
        for e in range(columns):
            total += x[n, e]
            squares += x[n, e] * x[n, e]
        mean = total / np.float32(columns)
        var = max(squares / np.float32(columns) - mean * mean, np.float32(0.0))
        root = np.sqrt(var + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / root + bias[e]


@wrong("layer_norm", "the mean is not subtracted from x")
def layer_norm_not_centred(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        _, var = mean_and_variance(x[n])
        for e in range(columns):
            out[n, e] = weight[e] * x[n, e] / math.sqrt(var + eps) + bias[e]


@wrong("layer_norm", "the bias is taken by row instead of by column")
def layer_norm_bias_by_row(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean, var = mean_and_variance(x[n])
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / math.sqrt(var + eps) + bias[n % columns]


@wrong("layer_norm", "the bias is added before the weight multiplies")
def layer_norm_weight_on_bias(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean, var = mean_and_variance(x[n])
        for e in range(columns):
            out[n, e] = weight[e] * ((x[n, e] - mean) / math.sqrt(var + eps) + bias[e])


@wrong("layer_norm", "mean and variance of the first row serve all rows")
def layer_norm_first_row_statistics(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        if n == 0:
            mean, var = mean_and_variance(x[0])
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / math.sqrt(var + eps) + bias[e]


@wrong("layer_norm", "the last column is missed in the mean")
def layer_norm_mean_misses_last(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean = 0.0
        for e in range(columns - 1):
            mean += float(x[n, e])
        mean /= columns
        var = 0.0
        for e in range(columns):
            var += (float(x[n, e]) - mean) ** 2
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / math.sqrt(var / columns + eps) + bias[e]


@wrong("layer_norm", "the difference is divided by the variance, without the square root")
def layer_norm_root_missing(x, weight, bias, eps, out):
    rows, columns = x.shape
    for n in range(rows):
        mean, var = mean_and_variance(x[n])
        for e in range(columns):
            out[n, e] = weight[e] * (x[n, e] - mean) / (var + eps) + bias[e]


# add_rms_norm


@right("add_rms_norm")
def add_rms_norm_plain(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        squares = np.float32(0.0)
        for e in range(columns):
            s = x[n, e] + residual[n, e]
            total[n, e] = s
            squares += s * s
        root = np.sqrt(squares / np.float32(columns) + np.float32(eps))
        for e in range(columns):
            out[n, e] = weight[e] * total[n, e] / root


@right("add_rms_norm")
def add_rms_norm_whole_array_first(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        for e in range(columns):
            total[n, e] = residual[n, e] + x[n, e]
    for n in range(rows):
        inverse = 1.0 / math.sqrt(mean_square(total[n]) + eps)
        for e in range(columns - 1, -1, -1):
            out[n, e] = total[n, e] * inverse * weight[e]


@right("add_rms_norm")
def add_rms_norm_kahan(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        squares = np.float32(0.0)
        lost = np.float32(0.0)
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
            term = total[n, e] * total[n, e] - lost
            new = squares + term
            lost = (new - squares) - term
            squares = new
        root = math.sqrt(squares / columns + eps)
        for e in range(columns):
            out[n, e] = weight[e] * (total[n, e] / root)


@wrong("add_rms_norm", "x alone is normalised, without the residual")
def add_rms_norm_of_x(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n]) + eps)
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
            out[n, e] = weight[e] * x[n, e] / root


@wrong("add_rms_norm", "the root is that of x, though the sum is divided by it")
def add_rms_norm_root_of_x(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n]) + eps)
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
            out[n, e] = weight[e] * total[n, e] / root


@wrong("add_rms_norm", "the squares of x and residual are added, without the cross term")
def add_rms_norm_no_cross_term(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        root = math.sqrt(mean_square(x[n]) + mean_square(residual[n]) + eps)
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
            out[n, e] = weight[e] * total[n, e] / root


@wrong("add_rms_norm", "total is written over with the normalised sum")
def add_rms_norm_total_normalised(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
        root = math.sqrt(mean_square(total[n]) + eps)
        for e in range(columns):
            total[n, e] /= root
            out[n, e] = weight[e] * total[n, e]


@wrong("add_rms_norm", "total receives the residual as it was")
def add_rms_norm_total_is_residual(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        for e in range(columns):
            out[n, e] = x[n, e] + residual[n, e]
            total[n, e] = residual[n, e]
        root = math.sqrt(mean_square(out[n]) + eps)
        for e in range(columns):
            out[n, e] = weight[e] * out[n, e] / root


@wrong("add_rms_norm", "eps is added before the division by the number of columns")  # where the row is small
def add_rms_norm_eps_in_mean(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        squares = 0.0
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
            squares += float(total[n, e]) ** 2
        root = math.sqrt((squares + eps) / columns)
        for e in range(columns):
            out[n, e] = weight[e] * total[n, e] / root


@wrong("add_rms_norm", "the weight is forgotten")
def add_rms_norm_no_weight(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    for n in range(rows):
        for e in range(columns):
            total[n, e] = x[n, e] + residual[n, e]
        root = math.sqrt(mean_square(total[n]) + eps)
        for e in range(columns):
            out[n, e] = total[n, e] / root


@wrong("add_rms_norm", "the tail of the blocks of 4 is not added, the sum there is x only")
def add_rms_norm_tail_of_4_not_added(x, residual, weight, eps, total, out):
    rows, columns = x.shape
    whole = columns // 4 * 4
    for n in range(rows):
        for e in range(columns):
            total[n, e] = x[n, e]
        for e in range(whole):
            total[n, e] += residual[n, e]
        root = math.sqrt(mean_square(total[n]) + eps)
        for e in range(columns):
            out[n, e] = weight[e] * total[n, e] / root


# linear


@right("linear")
def linear_plain(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0.0)
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
            if bias is not None:
                total += bias[m]
            out[n, m] = total


@right("linear")
def linear_weight_row_outside(x, weight, bias, out):
    for m in range(weight.shape[0]):
        start = np.float32(0.0)
        if bias is not None:
            start = bias[m]
        for n in range(x.shape[0]):
            out[n, m] = start + dot(x[n], weight[m])


@right("linear")
def linear_blocks_of_32(x, weight, bias, out):
    inner = x.shape[1]
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = 0.0
            for start in range(0, inner, 32):
                stop = min(start + 32, inner)
                total += float(dot(x[n, start:stop], weight[m, start:stop]))
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear", "the bias is ignored")  # wrong where there is a bias
def linear_bias_ignored(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            out[n, m] = dot(x[n], weight[m])


@wrong("linear", "the bias is taken by row of x")  # wrong where there is a bias
def linear_bias_by_row(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            out[n, m] = dot(x[n], weight[m])
            if bias is not None:
                out[n, m] += bias[n % weight.shape[0]]


@wrong("linear", "the accumulator is set back per row of x, not per output")
def linear_accumulator_per_row(x, weight, bias, out):
    for n in range(x.shape[0]):
        total = np.float32(0.0)
        for m in range(weight.shape[0]):
            for k in range(x.shape[1]):
                total += x[n, k] * weight[m, k]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear", "the weight is read as if it were stored [K, M]")
def linear_weight_read_transposed(x, weight, bias, out):
    outputs, inner = weight.shape
    flat = weight.reshape(-1)
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * flat[k * outputs + m]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear", "the tail after the last whole block of 16 is left out of the dot product")
def linear_tail_of_16_missed(x, weight, bias, out):
    inner = x.shape[1]
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0.0)
            for block in range(inner // 16):
                total += dot(x[n, 16 * block : 16 * block + 16], weight[m, 16 * block : 16 * block + 16])
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear", "the bias is added once for every block of 8")  # wrong where there is a bias and K is above 8
def linear_bias_per_block(x, weight, bias, out):
    inner = x.shape[1]
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0.0)
            for start in range(0, inner, 8):
                stop = min(start + 8, inner)
                total += dot(x[n, start:stop], weight[m, start:stop])
                if bias is not None:
                    total += bias[m]
            out[n, m] = total


@wrong("linear", "only the first row of x is used")
def linear_first_row_for_all(x, weight, bias, out):
    for m in range(weight.shape[0]):
        total = dot(x[0], weight[m])
        for n in range(x.shape[0]):
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear", "outputs after the last whole group of 4 are set to the bias only")
def linear_last_outputs_missed(x, weight, bias, out):
    outputs = weight.shape[0]
    for n in range(x.shape[0]):
        for m in range(outputs):
            out[n, m] = 0.0 if bias is None else bias[m]
        for m in range(outputs - outputs % 4):
            out[n, m] += dot(x[n], weight[m])


@wrong("linear", "products are summed in float16")
def linear_sum_in_half(x, weight, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float16(0.0)
            for k in range(x.shape[1]):
                total = np.float16(total + np.float16(x[n, k] * weight[m, k]))
            out[n, m] = total if bias is None else np.float32(total) + bias[m]


# matmul


@right("matmul")
def matmul_row_by_row(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            out[m, n] = 0.0
        for k in range(a.shape[1]):
            factor = a[m, k]
            for n in range(b.shape[1]):
                out[m, n] += factor * b[k, n]


@right("matmul")
def matmul_tiles_of_16(a, b, out):
    rows, inner = a.shape
    columns = b.shape[1]
    out[:, :] = 0.0
    for k0 in range(0, inner, 16):
        for m0 in range(0, rows, 16):
            for n0 in range(0, columns, 16):
                for m in range(m0, min(m0 + 16, rows)):
                    for n in range(n0, min(n0 + 16, columns)):
                        for k in range(k0, min(k0 + 16, inner)):
                            out[m, n] += a[m, k] * b[k, n]


@right("matmul")
def matmul_kahan(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = np.float32(0.0)
            lost = np.float32(0.0)
            for k in range(a.shape[1]):
                term = a[m, k] * b[k, n] - lost
                new = total + term
                lost = (new - total) - term
                total = new
            out[m, n] = total


@wrong("matmul", "the last term of each dot product is missed")
def matmul_last_term_missed(a, b, out):
    inner = a.shape[1]
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = np.float32(0.0)
            for k in range(inner - 1):
                total += a[m, k] * b[k, n]
            out[m, n] = total


@wrong("matmul", "b is read as if it were stored [N, K]")
def matmul_b_transposed(a, b, out):
    inner, columns = b.shape
    flat = b.reshape(-1)
    for m in range(a.shape[0]):
        for n in range(columns):
            out[m, n] = dot(a[m], flat[n * inner : (n + 1) * inner])


@wrong("matmul", "the result is written in the order of its transpose")
def matmul_result_transposed(a, b, out):
    rows, columns = out.shape
    flat = np.zeros(rows * columns, np.float32)
    for m in range(rows):
        for n in range(columns):
            flat[n * rows + m] = dot(a[m], b[:, n])
    for i in range(rows * columns):
        out[i // columns, i % columns] = flat[i]


@wrong("matmul", "each block of 8 along K replaces the sum of the blocks before it")  # wrong where K is above 8
def matmul_block_replaces_sum(a, b, out):
    inner = a.shape[1]
    for k0 in range(0, inner, 8):
        stop = min(k0 + 8, inner)
        for m in range(a.shape[0]):
            for n in range(b.shape[1]):
                out[m, n] = dot(a[m, k0:stop], b[k0:stop, n])


@wrong("matmul", "blocks along K overlap by one, so their border is counted twice")  # wrong where K is above 16
def matmul_blocks_overlap(a, b, out):
    inner = a.shape[1]
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = np.float32(0.0)
            for k0 in range(0, inner, 16):
                stop = min(k0 + 17, inner)
                total += dot(a[m, k0:stop], b[k0:stop, n])
            out[m, n] = total


@wrong("matmul", "rows after the last whole tile of 4 stay at zero")
def matmul_row_tail_missed(a, b, out):
    rows = a.shape[0]
    out[:, :] = 0.0
    for m0 in range(0, rows - 3, 4):
        for m in range(m0, m0 + 4):
            for n in range(b.shape[1]):
                out[m, n] = dot(a[m], b[:, n])


@wrong("matmul", "a zero in a ends the dot product instead of being skipped")  # wrong where a holds a zero
def matmul_zero_ends_sum(a, b, out):
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            total = np.float32(0.0)
            for k in range(a.shape[1]):
                if a[m, k] == 0:
                    break
                total += a[m, k] * b[k, n]
            out[m, n] = total


@wrong("matmul", "the buffer for a column of b holds 128 numbers, the rest is dropped")  # wrong where K is above 128
def matmul_column_buffer_of_128(a, b, out):
    inner = a.shape[1]
    buffer = np.zeros(128, np.float32)
    length = min(inner, 128)
    for n in range(b.shape[1]):
        for k in range(length):
            buffer[k] = b[k, n]
        for m in range(a.shape[0]):
            out[m, n] = dot(a[m, :length], buffer[:length])


# attention


def mix(scores, values, row):
    """Fill row with the mean of values' rows, weighted by the softmax of scores."""
    top = row_max(scores)
    weights = np.zeros(len(scores), np.float32)
    total = np.float32(0.0)
    for s in range(len(scores)):
        weights[s] = np.exp(scores[s] - top)
        total += weights[s]
    for d in range(len(row)):
        row[d] = dot(weights, values[:, d]) / total


@right("attention")
def attention_scores_in_buffer(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    group = heads // kv_heads
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, h // group])
            top = row_max(scores[:seen])
            total = np.float32(0.0)
            for s in range(seen):
                scores[s] = np.exp(scores[s] - top)
                total += scores[s]
            for d in range(depth):
                value = np.float32(0.0)
                for s in range(seen):
                    value += scores[s] * v[s, h // group, d]
                out[l, h, d] = value / total


@right("attention")
def attention_online(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    for l in range(length):
        for h in range(heads):
            kv = h // (heads // kv_heads)
            top = -np.inf
            total = 0.0
            sums = np.zeros(depth)
            for s in range(positions - length + l + 1):
                score = scale * float(dot(q[l, h], k[s, kv]))
                new_top = max(top, score)
                shrink = math.exp(top - new_top)
                weight = math.exp(score - new_top)
                total = total * shrink + weight
                for d in range(depth):
                    sums[d] = sums[d] * shrink + weight * v[s, kv, d]
                top = new_top
            for d in range(depth):
                out[l, h, d] = sums[d] / total


@right("attention")
def attention_blocks_of_16_keys(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    for kv in range(kv_heads):
        for h in range(kv * heads // kv_heads, (kv + 1) * heads // kv_heads):
            for l in range(length):
                seen = positions - length + l + 1
                top = -np.inf
                total = 0.0
                sums = np.zeros(depth)
                for s0 in range(0, seen, 16):
                    s1 = min(s0 + 16, seen)
                    scores = np.zeros(s1 - s0)
                    for s in range(s0, s1):
                        scores[s - s0] = scale * float(dot(q[l, h], k[s, kv]))
                    new_top = max(top, row_max(scores))
                    shrink = math.exp(top - new_top)
                    total *= shrink
                    for d in range(depth):
                        sums[d] *= shrink
                    for s in range(s0, s1):
                        weight = math.exp(scores[s - s0] - new_top)
                        total += weight
                        for d in range(depth):
                            sums[d] += weight * v[s, kv, d]
                    top = new_top
                for d in range(depth):
                    out[l, h, d] = sums[d] / total


@wrong("attention", "there is no causal mask, every query sees every key")  # wrong where L is above 1
def attention_not_causal(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            for s in range(positions):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[:, kv], out[l, h])


@wrong("attention", "query l sees the keys up to l, without the S - L positions before")  # wrong where S is above L
def attention_offset_forgotten(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("attention", "a query does not see its own key, unless it is the only one")  # wrong where S is above 1
def attention_own_key_hidden(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = max(positions - length + l, 1)
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("attention", "masked scores are 0 instead of minus infinity")  # wrong where L is above 1
def attention_mask_is_zero(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            scores = np.zeros(positions, np.float32)
            for s in range(positions - length + l + 1):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[:, kv], out[l, h])


@wrong("attention", "scale is ignored")  # wrong where scale is not 1
def attention_scale_ignored(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = dot(q[l, h], k[s, kv])
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("attention", "scores are divided by the square root of D besides")  # wrong where D is above 1
def attention_scaled_twice(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv]) / math.sqrt(depth)
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("attention", "query heads take the key heads in turn, h % K")  # wrong where 1 < K < H
def attention_heads_in_turn(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h % kv_heads
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("attention", "the values are always those of head 0")  # wrong where K is above 1
def attention_values_of_head_0(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, h // (heads // kv_heads)])
            mix(scores[:seen], v[:seen, 0], out[l, h])


@wrong("attention", "the online form rescales the sum of weights but not the weighted values")
def attention_values_not_rescaled(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            top = -np.inf
            total = 0.0
            sums = np.zeros(depth)
            for s in range(positions - length + l + 1):
                score = scale * float(dot(q[l, h], k[s, kv]))
                new_top = max(top, score)
                weight = math.exp(score - new_top)
                total = total * math.exp(top - new_top) + weight
                for d in range(depth):
                    sums[d] += weight * v[s, kv, d]
                top = new_top
            for d in range(depth):
                out[l, h, d] = sums[d] / total


@wrong("attention", "the sum of weights is set back per head, not per query")  # wrong where L is above 1
def attention_total_per_head(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        total = np.float32(0.0)
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            top = row_max(scores[:seen])
            for s in range(seen):
                scores[s] = np.exp(scores[s] - top)
                total += scores[s]
            for d in range(depth):
                out[l, h, d] = dot(scores[:seen], v[:seen, kv, d]) / total


@wrong("attention", "the weighted values are divided by the number of keys instead of the sum of weights")
def attention_divided_by_count(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            top = row_max(scores[:seen])
            for s in range(seen):
                scores[s] = np.exp(scores[s] - top)
            for d in range(depth):
                out[l, h, d] = dot(scores[:seen], v[:seen, kv, d]) / seen


@wrong("attention", "dimensions after the last whole block of 4 are left out of the scores")  # D not a multiple of 4
def attention_depth_tail_missed(q, k, v, scale, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    whole = depth // 4 * 4
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h, :whole], k[s, kv, :whole])
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("attention", "the buffer holds 128 scores, keys after them are dropped")  # wrong where S is above 128
def attention_buffer_of_128(q, k, v, scale, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(128, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = min(positions - length + l + 1, 128)
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores[:seen], v[:seen, kv], out[l, h])


# sliding_attention


@right("sliding_attention")
def sliding_attention_range(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = max(0, p - window + 1)
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first : p + 1, kv], out[l, h])


@right("sliding_attention")
def sliding_attention_masked(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for l in range(length):
        p = positions - length + l
        for h in range(heads):
            kv = h // (heads // kv_heads)
            for s in range(positions):
                if p - window < s <= p:
                    scores[s] = scale * dot(q[l, h], k[s, kv])
                else:
                    scores[s] = -np.inf
            mix(scores, v[:, kv], out[l, h])


@right("sliding_attention")
def sliding_attention_online_backwards(q, k, v, scale, window, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    for l in range(length):
        p = positions - length + l
        for h in range(heads):
            kv = h // (heads // kv_heads)
            top = scale * float(dot(q[l, h], k[p, kv]))
            total = 1.0
            sums = v[p, kv].astype(np.float64)
            s = p - 1
            while s >= 0 and s > p - window:
                score = scale * float(dot(q[l, h], k[s, kv]))
                if score > top:
                    shrink = math.exp(top - score)
                    total *= shrink
                    for d in range(depth):
                        sums[d] *= shrink
                    top = score
                weight = math.exp(score - top)
                total += weight
                for d in range(depth):
                    sums[d] += weight * v[s, kv, d]
                s -= 1
            for d in range(depth):
                out[l, h, d] = sums[d] / total


@wrong("sliding_attention", "the window is ignored")  # wrong where S is above window
def sliding_attention_window_ignored(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            seen = positions - length + l + 1
            for s in range(seen):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            mix(scores[:seen], v[:seen, kv], out[l, h])


@wrong("sliding_attention", "the window is one key too wide")  # wrong where S is above window
def sliding_attention_one_too_wide(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = max(0, p - window)
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first : p + 1, kv], out[l, h])


@wrong("sliding_attention", "the window is one key too narrow")  # wrong where window is above 1 and S at least window
def sliding_attention_one_too_narrow(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = min(max(0, p - window + 2), p)
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first : p + 1, kv], out[l, h])


@wrong("sliding_attention", "the window starts from l instead of the absolute position")  # wrong where S is above L
def sliding_attention_window_from_l(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = max(0, l - window + 1)
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first : p + 1, kv], out[l, h])


@wrong("sliding_attention", "the window reaches to both sides, so later keys are seen")  # L and window above 1
def sliding_attention_both_sides(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = max(0, p - window + 1)
            stop = min(positions, p + window)
            scores = np.zeros(stop - first, np.float32)
            for s in range(first, stop):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first:stop, kv], out[l, h])


@wrong("sliding_attention", "positions are cut into blocks of window keys instead of sliding")  # 1 < window < S
def sliding_attention_in_blocks(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = p // window * window
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first : p + 1, kv], out[l, h])


@wrong("sliding_attention", "a window that starts before key 0 wraps round to the last keys")  # L near S
def sliding_attention_wraps_round(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            scores = np.zeros(window, np.float32)
            values = np.zeros((window, v.shape[2]), np.float32)
            for j in range(window):
                s = (p - j) % positions
                scores[j] = scale * dot(q[l, h], k[s, kv])
                values[j] = v[s, kv]
            mix(scores, values, out[l, h])


@wrong("sliding_attention", "values are taken from the start of the cache, not of the window")  # S above window
def sliding_attention_values_from_start(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            first = max(0, p - window + 1)
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[: p + 1 - first, kv], out[l, h])


@wrong("sliding_attention", "keys before the window still count in the sum of weights")  # S above window
def sliding_attention_total_over_all(q, k, v, scale, window, out):
    length, heads, depth = q.shape
    positions, kv_heads, _ = k.shape
    scores = np.zeros(positions, np.float32)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for l in range(length):
            p = positions - length + l
            for s in range(p + 1):
                scores[s] = scale * dot(q[l, h], k[s, kv])
            top = row_max(scores[: p + 1])
            total = np.float32(0.0)
            for s in range(p + 1):
                scores[s] = np.exp(scores[s] - top)
                total += scores[s]
            first = max(0, p - window + 1)
            for d in range(depth):
                out[l, h, d] = dot(scores[first : p + 1], v[first : p + 1, kv, d]) / total


@wrong("sliding_attention", "the key head is h divided by K instead of by the size of a group")  # 1 < K, H not K * K
def sliding_attention_wrong_group(q, k, v, scale, window, out):
    length, heads, _ = q.shape
    positions, kv_heads, _ = k.shape
    for h in range(heads):
        kv = min(h // kv_heads, kv_heads - 1)
        for l in range(length):
            p = positions - length + l
            first = max(0, p - window + 1)
            scores = np.zeros(p + 1 - first, np.float32)
            for s in range(first, p + 1):
                scores[s - first] = scale * dot(q[l, h], k[s, kv])
            mix(scores, v[first : p + 1, kv], out[l, h])


# rope


@right("rope")
def rope_plain(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = positions[l] * theta ** (-2.0 * i / depth)
                a = float(x[l, h, i])
                b = float(x[l, h, i + half])
                out[l, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@right("rope")
def rope_pairs_outside(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for i in range(half):
        frequency = math.exp(-2.0 * i / depth * math.log(theta))
        for l in range(length):
            c = np.float32(math.cos(positions[l] * frequency))
            s = np.float32(math.sin(positions[l] * frequency))
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, half + i] * s
                out[l, h, half + i] = x[l, h, i] * s + x[l, h, half + i] * c


@right("rope")
def rope_complex(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    step = theta ** (-2.0 / depth)
    for l in range(length):
        frequency = 1.0
        for i in range(half):
            turn = complex(math.cos(positions[l] * frequency), math.sin(positions[l] * frequency))
            for h in range(heads):
                z = complex(x[l, h, i], x[l, h, i + half]) * turn
                out[l, h, i] = z.real
                out[l, h, i + half] = z.imag
            frequency *= step


@wrong("rope", "neighbours are paired instead of the two halves")  # wrong where D is above 2
def rope_neighbours(x, positions, theta, out):
    length, heads, depth = x.shape
    for l in range(length):
        for h in range(heads):
            for i in range(depth // 2):
                angle = positions[l] * theta ** (-2.0 * i / depth)
                a = x[l, h, 2 * i]
                b = x[l, h, 2 * i + 1]
                out[l, h, 2 * i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, 2 * i + 1] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "theta is taken as 10000 whatever is asked")  # wrong where theta is another and D above 2
def rope_theta_ignored(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = positions[l] * 10000.0 ** (-2.0 * i / depth)
                a = x[l, h, i]
                b = x[l, h, i + half]
                out[l, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "the exponent is -i / D, the 2 is missing")  # wrong where D is above 2
def rope_exponent_without_2(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = positions[l] * theta ** (-i / depth)
                a = x[l, h, i]
                b = x[l, h, i + half]
                out[l, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "the index in the sequence is used instead of positions[l]")  # wrong where they differ
def rope_positions_ignored(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = l * theta ** (-2.0 * i / depth)
                a = x[l, h, i]
                b = x[l, h, i + half]
                out[l, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "the rotation goes the other way")
def rope_turns_backwards(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = positions[l] * theta ** (-2.0 * i / depth)
                a = x[l, h, i]
                b = x[l, h, i + half]
                out[l, h, i] = a * math.cos(angle) + b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) - a * math.sin(angle)


@wrong("rope", "the second half is computed from the first half already rotated")
def rope_overwritten_half(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for d in range(depth):
                out[l, h, d] = x[l, h, d]
            for i in range(half):
                angle = positions[l] * theta ** (-2.0 * i / depth)
                c = math.cos(angle)
                s = math.sin(angle)
                out[l, h, i] = out[l, h, i] * c - out[l, h, i + half] * s
                out[l, h, i + half] = out[l, h, i + half] * c + out[l, h, i] * s


@wrong("rope", "the exponent is divided by D / 2, so the frequencies fall twice as fast")  # wrong where D is above 2
def rope_exponent_over_half(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = positions[l] * theta ** (-2.0 * i / half)
            c = math.cos(angle)
            s = math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c + x[l, h, i] * s


@wrong("rope", "only head 0 is rotated, the others are copied")  # wrong where H is above 1
def rope_first_head_only(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = positions[l] * theta ** (-2.0 * i / depth) if h == 0 else 0.0
                a = x[l, h, i]
                b = x[l, h, i + half]
                out[l, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) + a * math.sin(angle)


@wrong("rope", "the angle goes on growing with the head, because the counter runs over both loops")  # H above 1
def rope_counter_over_heads(x, positions, theta, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        count = 0
        for h in range(heads):
            for i in range(half):
                angle = positions[l] * theta ** (-2.0 * count / depth)
                a = x[l, h, i]
                b = x[l, h, i + half]
                out[l, h, i] = a * math.cos(angle) - b * math.sin(angle)
                out[l, h, i + half] = b * math.cos(angle) + a * math.sin(angle)
                count += 1


# rope_scaled


@right("rope_scaled")
def rope_scaled_plain(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for h in range(heads):
            for i in range(half):
                angle = float(positions[l]) * float(frequencies[i])
                a = float(x[l, h, i])
                b = float(x[l, h, i + half])
                out[l, h, i] = factor * (a * math.cos(angle) - b * math.sin(angle))
                out[l, h, i + half] = factor * (b * math.cos(angle) + a * math.sin(angle))


@right("rope_scaled")
def rope_scaled_factor_in_table(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    cosine = np.zeros(half, np.float32)
    sine = np.zeros(half, np.float32)
    for l in range(length):
        for i in range(half):
            angle = float(positions[l]) * float(frequencies[i])
            cosine[i] = factor * math.cos(angle)
            sine[i] = factor * math.sin(angle)
        for h in range(heads):
            for i in range(half):
                out[l, h, i] = x[l, h, i] * cosine[i] - x[l, h, i + half] * sine[i]
                out[l, h, i + half] = x[l, h, i + half] * cosine[i] + x[l, h, i] * sine[i]


@wrong("rope_scaled", "factor is ignored")  # wrong where factor is not 1
def rope_scaled_factor_ignored(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = float(positions[l]) * float(frequencies[i])
            c = math.cos(angle)
            s = math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c + x[l, h, i] * s


@wrong("rope_scaled", "factor multiplies the angle instead of the result")  # wrong where factor is not 1
def rope_scaled_factor_on_angle(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = factor * float(positions[l]) * float(frequencies[i])
            c = math.cos(angle)
            s = math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c + x[l, h, i] * s


@wrong("rope_scaled", "factor is applied to the cosine terms only")  # wrong where factor is not 1
def rope_scaled_factor_on_cosine(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = float(positions[l]) * float(frequencies[i])
            c = factor * math.cos(angle)
            s = math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c + x[l, h, i] * s


@wrong("rope_scaled", "the speeds are those of rope with theta 10000, frequencies is ignored")
def rope_scaled_frequencies_ignored(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = float(positions[l]) * 10000.0 ** (-2.0 * i / depth)
            c = factor * math.cos(angle)
            s = factor * math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c + x[l, h, i] * s


@wrong("rope_scaled", "each frequency is used for two pairs")  # wrong where D is above 2
def rope_scaled_frequency_index_halved(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = float(positions[l]) * float(frequencies[i // 2])
            c = factor * math.cos(angle)
            s = factor * math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c + x[l, h, i] * s


@wrong("rope_scaled", "the sine terms of the second half have the wrong sign")
def rope_scaled_sign_of_second_half(x, positions, frequencies, factor, out):
    length, heads, depth = x.shape
    half = depth // 2
    for l in range(length):
        for i in range(half):
            angle = float(positions[l]) * float(frequencies[i])
            c = factor * math.cos(angle)
            s = factor * math.sin(angle)
            for h in range(heads):
                out[l, h, i] = x[l, h, i] * c - x[l, h, i + half] * s
                out[l, h, i + half] = x[l, h, i + half] * c - x[l, h, i] * s


# linear_int8


@right("linear_int8")
def linear_int8_scale_each_weight(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    size = inner // scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * (np.float32(weight[m, k]) * scales[m, k // size])
            out[n, m] = total if bias is None else total + bias[m]


@right("linear_int8")
def linear_int8_sum_per_group(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    groups = scales.shape[1]
    size = inner // groups
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = 0.0 if bias is None else float(bias[m])
            for g in range(groups):
                part = 0.0
                for k in range(g * size, (g + 1) * size):
                    part += float(x[n, k]) * int(weight[m, k])
                total += float(scales[m, g]) * part
            out[n, m] = total


@right("linear_int8")
def linear_int8_row_unpacked_once(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    size = inner // scales.shape[1]
    row = np.zeros(inner, np.float32)
    for m in range(outputs):
        for k in range(inner):
            row[k] = scales[m, k // size] * np.float32(weight[m, k])
        for n in range(x.shape[0]):
            out[n, m] = dot(x[n], row)
            if bias is not None:
                out[n, m] += bias[m]


@wrong("linear_int8", "the scale of the first group serves the whole row")  # wrong where G is above 1
def linear_int8_first_scale_only(x, weight, scales, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = dot(x[n], weight[m]) * scales[m, 0]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "groups are taken in turn, k % G")  # wrong where G is above 1
def linear_int8_groups_in_turn(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    groups = scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * weight[m, k] * scales[m, k % groups]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "a group is taken to have 32 members whatever K / G is")  # where K / G is not 32 and G above 1
def linear_int8_groups_of_32(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    groups = scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * weight[m, k] * scales[m, min(k // 32, groups - 1)]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "the group's sum is not set back to 0 between groups")  # wrong where G is above 1
def linear_int8_group_sum_not_reset(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    groups = scales.shape[1]
    size = inner // groups
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            part = np.float32(0.0)
            for g in range(groups):
                for k in range(g * size, (g + 1) * size):
                    part += x[n, k] * weight[m, k]
                total += part * scales[m, g]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "bytes are read as unsigned, 0 to 255")  # wrong where a weight is negative
def linear_int8_unsigned(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    size = inner // scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * (int(weight[m, k]) & 255) * scales[m, k // size]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "x is rounded to whole numbers before the product")
def linear_int8_x_rounded(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    size = inner // scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += round(float(x[n, k])) * int(weight[m, k]) * scales[m, k // size]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "the bias is multiplied by the scale of the last group")  # wrong where there is a bias
def linear_int8_bias_scaled(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    groups = scales.shape[1]
    size = inner // groups
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * weight[m, k] * scales[m, k // size]
            if bias is not None:
                total += bias[m] * scales[m, groups - 1]
            out[n, m] = total


@wrong("linear_int8", "the scales of row 0 are used for every output")  # wrong where M is above 1
def linear_int8_scales_of_row_0(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    size = inner // scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * weight[m, k] * scales[0, k // size]
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int8", "weights are divided by 127 besides being scaled")
def linear_int8_divided_by_127(x, weight, scales, bias, out):
    outputs, inner = weight.shape
    size = inner // scales.shape[1]
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(inner):
                total += x[n, k] * (weight[m, k] / np.float32(127.0)) * scales[m, k // size]
            out[n, m] = total if bias is None else total + bias[m]


# linear_int4


@right("linear_int4")
def linear_int4_byte_by_byte(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                part = np.float32(0.0)
                for i in range(16):
                    byte = int(weight[m, 16 * g + i])
                    part += x[n, 32 * g + i] * (byte % 16 - 8)
                    part += x[n, 32 * g + 16 + i] * (byte // 16 - 8)
                total += part * scales[m, g]
            out[n, m] = total if bias is None else total + bias[m]


@right("linear_int4")
def linear_int4_row_unpacked_once(x, weight, scales, bias, out):
    inner = x.shape[1]
    row = np.zeros(inner, np.float32)
    for m in range(weight.shape[0]):
        for k in range(inner):
            byte = int(weight[m, 16 * (k // 32) + k % 16])
            number = byte & 15 if k % 32 < 16 else byte >> 4
            row[k] = scales[m, k // 32] * np.float32(number - 8)
        for n in range(x.shape[0]):
            out[n, m] = dot(row, x[n])
            if bias is not None:
                out[n, m] += bias[m]


@right("linear_int4")
def linear_int4_eight_taken_off_after(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = 0.0 if bias is None else float(bias[m])
            for g in range(groups):
                part = 0.0
                plain = 0.0
                for i in range(16):
                    byte = int(weight[m, 16 * g + i])
                    low = float(x[n, 32 * g + i])
                    high = float(x[n, 32 * g + 16 + i])
                    part += low * (byte & 15) + high * (byte >> 4)
                    plain += low + high
                total += float(scales[m, g]) * (part - 8.0 * plain)
            out[n, m] = total


@wrong("linear_int4", "the high and the low half of each byte are exchanged")
def linear_int4_halves_exchanged(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                for i in range(16):
                    byte = int(weight[m, 16 * g + i])
                    total += scales[m, g] * x[n, 32 * g + i] * (byte // 16 - 8)
                    total += scales[m, g] * x[n, 32 * g + 16 + i] * (byte % 16 - 8)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "a byte is taken to hold two neighbours instead of numbers 16 apart")
def linear_int4_neighbours(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for b in range(16 * groups):
                byte = int(weight[m, b])
                total += scales[m, b // 16] * x[n, 2 * b] * (byte % 16 - 8)
                total += scales[m, b // 16] * x[n, 2 * b + 1] * (byte // 16 - 8)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "8 is not subtracted")
def linear_int4_no_offset(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                for i in range(16):
                    byte = int(weight[m, 16 * g + i])
                    total += scales[m, g] * x[n, 32 * g + i] * (byte % 16)
                    total += scales[m, g] * x[n, 32 * g + 16 + i] * (byte // 16)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "the numbers are read as two's complement instead of subtracting 8")
def linear_int4_twos_complement(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                for i in range(16):
                    low = int(weight[m, 16 * g + i]) % 16
                    high = int(weight[m, 16 * g + i]) // 16
                    if low > 7:
                        low -= 16
                    if high > 7:
                        high -= 16
                    total += scales[m, g] * (x[n, 32 * g + i] * low + x[n, 32 * g + 16 + i] * high)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "the high half is masked but not shifted down")
def linear_int4_high_not_shifted(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                for i in range(16):
                    byte = int(weight[m, 16 * g + i])
                    total += scales[m, g] * x[n, 32 * g + i] * ((byte & 0x0F) - 8)
                    total += scales[m, g] * x[n, 32 * g + 16 + i] * ((byte & 0xF0) - 8)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "the number minus 8 is kept in an unsigned byte, so negative ones wrap round")
def linear_int4_minus_8_unsigned(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                for i in range(16):
                    low = (int(weight[m, 16 * g + i]) % 16 - 8) & 0xFF
                    high = (int(weight[m, 16 * g + i]) // 16 - 8) & 0xFF
                    total += scales[m, g] * (x[n, 32 * g + i] * low + x[n, 32 * g + 16 + i] * high)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "the offset is taken off without the scale")  # wrong where scales are not 1
def linear_int4_offset_not_scaled(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for g in range(groups):
                for i in range(16):
                    byte = int(weight[m, 16 * g + i])
                    total += x[n, 32 * g + i] * (scales[m, g] * (byte % 16) - 8)
                    total += x[n, 32 * g + 16 + i] * (scales[m, g] * (byte // 16) - 8)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "the scale's index moves every 16 numbers instead of every 32")  # wrong where K is above 32
def linear_int4_scale_every_16(x, weight, scales, bias, out):
    outputs, groups = scales.shape
    for n in range(x.shape[0]):
        for m in range(outputs):
            total = np.float32(0.0)
            for k in range(32 * groups):
                byte = int(weight[m, 16 * (k // 32) + k % 16])
                number = byte % 16 if k % 32 < 16 else byte // 16
                total += scales[m, min(k // 16, groups - 1)] * x[n, k] * (number - 8)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "the low halves fill the first half of the whole row, not of each 32")  # where K is above 32
def linear_int4_row_cut_in_half(x, weight, scales, bias, out):
    inner = x.shape[1]
    half = inner // 2
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0.0)
            for k in range(inner):
                byte = int(weight[m, k % half])
                number = byte % 16 if k < half else byte // 16
                total += scales[m, k // 32] * x[n, k] * (number - 8)
            out[n, m] = total if bias is None else total + bias[m]


@wrong("linear_int4", "only the first group of 32 is multiplied")  # wrong where K is above 32
def linear_int4_first_group_only(x, weight, scales, bias, out):
    for n in range(x.shape[0]):
        for m in range(weight.shape[0]):
            total = np.float32(0.0)
            for i in range(16):
                byte = int(weight[m, i])
                total += scales[m, 0] * x[n, i] * (byte % 16 - 8)
                total += scales[m, 0] * x[n, 16 + i] * (byte // 16 - 8)
            out[n, m] = total if bias is None else total + bias[m]


# cross_entropy


@right("cross_entropy")
def cross_entropy_two_pass(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        out[n] = math.log(total) + (top - float(logits[n, targets[n]]))


@right("cross_entropy")
def cross_entropy_online(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = -np.inf
        total = 0.0
        for v in range(columns):
            z = float(logits[n, v])
            if z > top:
                total = total * math.exp(top - z) + 1.0
                top = z
            elif z > -np.inf:
                total += math.exp(z - top)
        out[n] = top - float(logits[n, targets[n]]) + math.log(total)


@right("cross_entropy")
def cross_entropy_from_other_classes(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        own = float(logits[n, targets[n]])
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            if v != targets[n]:
                total += math.exp(float(logits[n, v]) - top)
        if own == top:
            out[n] = math.log1p(total)
        else:
            out[n] = math.log(total + math.exp(own - top)) + (top - own)


@wrong("cross_entropy", "no maximum is subtracted, so the sum overflows")  # wrong where a logit is above 88
def cross_entropy_no_maximum(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        total = np.float32(0.0)
        for v in range(columns):
            total += np.exp(logits[n, v])
        out[n] = np.log(total) - logits[n, targets[n]]


@wrong("cross_entropy", "the maximum is not added back to the logarithm")
def cross_entropy_maximum_not_added(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = np.float32(0.0)
        for v in range(columns):
            total += np.exp(logits[n, v] - top)
        out[n] = np.log(total) - logits[n, targets[n]]


@wrong("cross_entropy", "the logarithm has base 2")
def cross_entropy_in_bits(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        out[n] = math.log2(total) + top - logits[n, targets[n]]


@wrong("cross_entropy", "the sum is not set back to 0 between rows")
def cross_entropy_sum_not_reset(logits, targets, out):
    rows, columns = logits.shape
    total = np.float32(0.0)
    for n in range(rows):
        top = row_max(logits[n])
        for v in range(columns):
            total += np.exp(logits[n, v] - top)
        out[n] = np.log(total) + (top - logits[n, targets[n]])


@wrong("cross_entropy", "the sign is missing, it is the log probability")
def cross_entropy_sign(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        out[n] = float(logits[n, targets[n]]) - top - math.log(total)


@wrong("cross_entropy", "every row receives the mean over the rows")
def cross_entropy_mean(logits, targets, out):
    rows, columns = logits.shape
    loss = 0.0
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        loss += math.log(total) + top - float(logits[n, targets[n]])
    for n in range(rows):
        out[n] = loss / rows


@wrong("cross_entropy", "the target is taken as the largest logit, targets is ignored")
def cross_entropy_of_largest(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        out[n] = math.log(total)


@wrong("cross_entropy", "targets are counted from 1, so the class before is taken")
def cross_entropy_targets_from_one(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        out[n] = math.log(total) + top - float(logits[n, (targets[n] - 1) % columns])


@wrong("cross_entropy", "the target itself is left out of the sum")
def cross_entropy_target_not_summed(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 1e-12
        for v in range(columns):
            if v != targets[n]:
                total += math.exp(float(logits[n, v]) - top)
        out[n] = math.log(total) + top - float(logits[n, targets[n]])


@wrong("cross_entropy", "the probability is floored at 1e-7, so the loss stops at 16.1")  # where the loss is above 16
def cross_entropy_floored(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        probability = math.exp(float(logits[n, targets[n]]) - top) / total
        out[n] = -math.log(max(probability, 1e-7))


# softmax_cross_entropy_backward


def softmax_row(x, out):
    top = row_max(x)
    total = np.float32(0.0)
    for c in range(len(x)):
        out[c] = np.exp(x[c] - top)
        total += out[c]
    for c in range(len(x)):
        out[c] /= total


@right("softmax_cross_entropy_backward")
def softmax_cross_entropy_backward_plain(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = row_max(logits[n])
        total = np.float32(0.0)
        for v in range(columns):
            out[n, v] = np.exp(logits[n, v] - top)
            total += out[n, v]
        for v in range(columns):
            out[n, v] /= total
        out[n, targets[n]] -= np.float32(1.0)
        for v in range(columns):
            out[n, v] /= np.float32(rows)


@right("softmax_cross_entropy_backward")
def softmax_cross_entropy_backward_log_sum(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        for v in range(columns):
            total += math.exp(float(logits[n, v]) - top)
        log_sum = top + math.log(total)
        for v in range(columns):
            one = 1.0 if v == targets[n] else 0.0
            out[n, v] = (math.exp(float(logits[n, v]) - log_sum) - one) / rows


@right("softmax_cross_entropy_backward")
def softmax_cross_entropy_backward_target_from_others(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        top = float(row_max(logits[n]))
        total = 0.0
        others = 0.0
        for v in range(columns):
            e = math.exp(float(logits[n, v]) - top)
            total += e
            if v != targets[n]:
                others += e
        for v in range(columns):
            if v == targets[n]:
                out[n, v] = -others / total / rows
            else:
                out[n, v] = math.exp(float(logits[n, v]) - top) / total / rows


@wrong("softmax_cross_entropy_backward", "the gradient is not divided by the number of rows")  # where N is above 1
def softmax_cross_entropy_backward_of_sum(logits, targets, out):
    for n in range(logits.shape[0]):
        softmax_row(logits[n], out[n])
        out[n, targets[n]] -= 1.0


@wrong("softmax_cross_entropy_backward", "the gradient is divided by the number of classes")  # where N is not V
def softmax_cross_entropy_backward_over_classes(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        softmax_row(logits[n], out[n])
        out[n, targets[n]] -= 1.0
        for v in range(columns):
            out[n, v] /= columns


@wrong("softmax_cross_entropy_backward", "1 is not subtracted at the target")
def softmax_cross_entropy_backward_no_target(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        softmax_row(logits[n], out[n])
        for v in range(columns):
            out[n, v] /= rows


@wrong("softmax_cross_entropy_backward", "1 is subtracted after the division by N")  # wrong where N is above 1
def softmax_cross_entropy_backward_late_one(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        softmax_row(logits[n], out[n])
        for v in range(columns):
            out[n, v] /= rows
        out[n, targets[n]] -= 1.0


@wrong("softmax_cross_entropy_backward", "the sign is turned round, target less softmax")
def softmax_cross_entropy_backward_sign(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        softmax_row(logits[n], out[n])
        for v in range(columns):
            one = 1.0 if v == targets[n] else 0.0
            out[n, v] = (one - out[n, v]) / rows


@wrong("softmax_cross_entropy_backward", "the target of the first row serves all rows")
def softmax_cross_entropy_backward_first_target(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        softmax_row(logits[n], out[n])
        out[n, targets[0]] -= 1.0
        for v in range(columns):
            out[n, v] /= rows


@wrong("softmax_cross_entropy_backward", "the logits stand in the place of their softmax")
def softmax_cross_entropy_backward_logits(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        for v in range(columns):
            out[n, v] = logits[n, v] / rows
        out[n, targets[n]] -= 1.0 / rows


@wrong("softmax_cross_entropy_backward", "the exponentials overflow without the maximum")  # where a logit is above 88
def softmax_cross_entropy_backward_overflows(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        total = np.float32(0.0)
        for v in range(columns):
            out[n, v] = np.exp(logits[n, v])
            total += out[n, v]
        for v in range(columns):
            one = 1.0 if v == targets[n] else 0.0
            out[n, v] = (out[n, v] / total - one) / rows


@wrong("softmax_cross_entropy_backward", "the tail of the blocks of 8 is not divided by N")  # where N is above 1
def softmax_cross_entropy_backward_tail_of_8(logits, targets, out):
    rows, columns = logits.shape
    for n in range(rows):
        softmax_row(logits[n], out[n])
        out[n, targets[n]] -= 1.0
        for start in range(0, columns - 7, 8):
            for j in range(8):
                out[n, start + j] /= rows


# argmax


@right("argmax")
def argmax_plain(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns):
            if x[n, v] > x[n, best]:
                best = v
        index[n] = best
        value[n] = x[n, best]


@right("argmax")
def argmax_backwards(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = columns - 1
        for v in range(columns - 2, -1, -1):
            if x[n, v] >= x[n, best]:
                best = v
        index[n] = best
        value[n] = x[n, best]


@right("argmax")
def argmax_four_lanes(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for lane in range(min(4, columns)):
            lane_best = lane
            for v in range(lane + 4, columns, 4):
                if x[n, v] > x[n, lane_best]:
                    lane_best = v
            larger = x[n, lane_best] > x[n, best]
            tie_before = x[n, lane_best] == x[n, best] and lane_best < best
            if larger or tie_before:
                best = lane_best
        index[n] = best
        value[n] = x[n, best]


@wrong("argmax", "the highest index wins a tie")  # wrong where the largest element occurs twice
def argmax_last_of_tie(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns):
            if x[n, v] >= x[n, best]:
                best = v
        index[n] = best
        value[n] = x[n, best]


@wrong("argmax", "the maximum starts from 0")  # wrong where all elements of a row are negative
def argmax_from_zero(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        index[n] = 0
        value[n] = 0.0
        for v in range(columns):
            if x[n, v] > value[n]:
                index[n] = v
                value[n] = x[n, v]


@wrong("argmax", "the maximum is not set back between rows")
def argmax_maximum_not_reset(x, index, value):
    rows, columns = x.shape
    top = x[0, 0]
    best = 0
    for n in range(rows):
        for v in range(columns):
            if x[n, v] > top:
                top = x[n, v]
                best = v
        index[n] = best
        value[n] = top


@wrong("argmax", "absolute values are compared")  # wrong where the largest in size is negative
def argmax_of_absolute_value(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns):
            if abs(x[n, v]) > abs(x[n, best]):
                best = v
        index[n] = best
        value[n] = x[n, best]


@wrong("argmax", "the last column is not looked at")  # wrong where the largest element stands there
def argmax_last_column_missed(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns - 1):
            if x[n, v] > x[n, best]:
                best = v
        index[n] = best
        value[n] = x[n, best]


@wrong("argmax", "the index counts through the whole array instead of the row")  # wrong where there are two rows
def argmax_flat_index(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns):
            if x[n, v] > x[n, best]:
                best = v
        index[n] = n * columns + best
        value[n] = x[n, best]


@wrong("argmax", "between lanes of 4 the lower lane wins a tie, not the lower index")  # ties across lanes, V above 4
def argmax_lane_wins_tie(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for lane in range(min(4, columns)):
            lane_best = lane
            for v in range(lane + 4, columns, 4):
                if x[n, v] > x[n, lane_best]:
                    lane_best = v
            if x[n, lane_best] > x[n, best]:
                best = lane_best
        index[n] = best
        value[n] = x[n, best]


@wrong("argmax", "the smallest element is found")
def argmax_smallest(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns):
            if x[n, v] < x[n, best]:
                best = v
        index[n] = best
        value[n] = x[n, best]


@wrong("argmax", "the search ends at the first element smaller than the one before")
def argmax_stops_at_descent(x, index, value):
    rows, columns = x.shape
    for n in range(rows):
        best = 0
        for v in range(1, columns):
            if x[n, v] < x[n, best]:
                break
            if x[n, v] > x[n, best]:
                best = v
        index[n] = best
        value[n] = x[n, best]


# embedding


@right("embedding")
def embedding_element_by_element(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[ids[n], e]


@right("embedding")
def embedding_columns_outside(ids, weight, out):
    for e in range(weight.shape[1]):
        for n in range(len(ids)):
            out[n, e] = weight[ids[n], e]


@right("embedding")
def embedding_blocks_of_8(ids, weight, out):
    columns = weight.shape[1]
    for n in range(len(ids)):
        row = weight[ids[n]]
        for start in range(0, columns, 8):
            for e in range(start, min(start + 8, columns)):
                out[n, e] = row[e]


@wrong("embedding", "rows are copied in order, ids is ignored")
def embedding_ids_ignored(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[n % weight.shape[0], e]


@wrong("embedding", "ids are counted from 1, so the row before is copied")
def embedding_ids_from_one(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[(ids[n] - 1) % weight.shape[0], e]


@wrong("embedding", "the first id serves all rows")  # wrong where ids differ
def embedding_first_id_for_all(ids, weight, out):
    for n in range(len(ids)):
        for e in range(weight.shape[1]):
            out[n, e] = weight[ids[0], e]


@wrong("embedding", "the tail of the blocks of 4 columns is set to zero")  # wrong where E is not a multiple of 4
def embedding_tail_zero(ids, weight, out):
    columns = weight.shape[1]
    whole = columns // 4 * 4
    for n in range(len(ids)):
        for e in range(columns):
            out[n, e] = 0.0
        for e in range(whole):
            out[n, e] = weight[ids[n], e]


@wrong("embedding", "the table is read as if it were stored [E, V]")
def embedding_table_transposed(ids, weight, out):
    entries, columns = weight.shape
    flat = weight.reshape(-1)
    for n in range(len(ids)):
        for e in range(columns):
            out[n, e] = flat[e * entries + ids[n]]


@wrong("embedding", "the last row of the table is never reached")  # wrong where ids holds V - 1
def embedding_last_entry_missed(ids, weight, out):
    for n in range(len(ids)):
        entry = min(ids[n], max(weight.shape[0] - 2, 0))
        for e in range(weight.shape[1]):
            out[n, e] = weight[entry, e]


@wrong("embedding", "ids are kept in one byte")  # wrong where an id is above 255
def embedding_ids_in_one_byte(ids, weight, out):
    for n in range(len(ids)):
        entry = int(ids[n]) & 255
        for e in range(weight.shape[1]):
            out[n, e] = weight[entry, e]


@wrong("embedding", "rows of the same id are added up instead of copied")  # wrong where an id occurs twice
def embedding_repeated_ids_add_up(ids, weight, out):
    for n in range(len(ids)):
        count = 0
        for j in range(n + 1):
            if ids[j] == ids[n]:
                count += 1
        for e in range(weight.shape[1]):
            out[n, e] = count * weight[ids[n], e]


# linear_backward


@right("linear_backward")
def linear_backward_three_loops(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows, inner = x.shape
    outputs = weight.shape[0]
    for n in range(rows):
        for k in range(inner):
            grad_x[n, k] = dot(grad_out[n], weight[:, k])
    for m in range(outputs):
        for k in range(inner):
            grad_weight[m, k] = dot(grad_out[:, m], x[:, k])
    for m in range(outputs):
        total = np.float32(0.0)
        for n in range(rows):
            total += grad_out[n, m]
        grad_bias[m] = total


@right("linear_backward")
def linear_backward_one_loop(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows, inner = x.shape
    outputs = weight.shape[0]
    grad_x[:, :] = 0.0
    grad_weight[:, :] = 0.0
    grad_bias[:] = 0.0
    for n in range(rows):
        for m in range(outputs):
            g = grad_out[n, m]
            grad_bias[m] += g
            for k in range(inner):
                grad_x[n, k] += g * weight[m, k]
                grad_weight[m, k] += g * x[n, k]


@right("linear_backward")
def linear_backward_float64_rows(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows, inner = x.shape
    outputs = weight.shape[0]
    for n in range(rows):
        sums = np.zeros(inner)
        for m in range(outputs):
            sums += float(grad_out[n, m]) * weight[m]
        grad_x[n] = sums
    for m in range(outputs):
        sums = np.zeros(inner)
        total = 0.0
        for n in range(rows - 1, -1, -1):
            sums += float(grad_out[n, m]) * x[n]
            total += float(grad_out[n, m])
        grad_weight[m] = sums
        grad_bias[m] = total


def right_grad_x(grad_out, weight, grad_x):
    for n in range(grad_x.shape[0]):
        for k in range(grad_x.shape[1]):
            grad_x[n, k] = dot(grad_out[n], weight[:, k])


def right_grad_weight(grad_out, x, grad_weight):
    for m in range(grad_weight.shape[0]):
        for k in range(grad_weight.shape[1]):
            grad_weight[m, k] = dot(grad_out[:, m], x[:, k])


def right_grad_bias(grad_out, grad_bias):
    for m in range(grad_out.shape[1]):
        grad_bias[m] = 0.0
        for n in range(grad_out.shape[0]):
            grad_bias[m] += grad_out[n, m]


@wrong("linear_backward", "grad_x reads the weight as if it were stored [K, M]")
def linear_backward_weight_transposed(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    outputs, inner = weight.shape
    flat = weight.reshape(-1)
    for n in range(x.shape[0]):
        for k in range(inner):
            grad_x[n, k] = dot(grad_out[n], flat[k * outputs : (k + 1) * outputs])
    right_grad_weight(grad_out, x, grad_weight)
    right_grad_bias(grad_out, grad_bias)


@wrong("linear_backward", "grad_weight is the mean over the rows instead of the sum")  # wrong where N is above 1
def linear_backward_weight_mean(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows = x.shape[0]
    right_grad_x(grad_out, weight, grad_x)
    for m in range(weight.shape[0]):
        for k in range(weight.shape[1]):
            grad_weight[m, k] = dot(grad_out[:, m], x[:, k]) / rows
    right_grad_bias(grad_out, grad_bias)


@wrong("linear_backward", "grad_bias holds the last row only, it is set instead of added to")  # where N is above 1
def linear_backward_bias_of_last_row(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    right_grad_x(grad_out, weight, grad_x)
    right_grad_weight(grad_out, x, grad_weight)
    for n in range(grad_out.shape[0]):
        for m in range(grad_out.shape[1]):
            grad_bias[m] = grad_out[n, m]


@wrong("linear_backward", "grad_bias sums the outputs of a row instead of the rows of an output")
def linear_backward_bias_over_outputs(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows, outputs = grad_out.shape
    right_grad_x(grad_out, weight, grad_x)
    right_grad_weight(grad_out, x, grad_weight)
    for m in range(outputs):
        total = np.float32(0.0)
        for j in range(outputs):
            total += grad_out[m % rows, j]
        grad_bias[m] = total


@wrong("linear_backward", "grad_weight's accumulator is not set back between columns")
def linear_backward_weight_sum_not_reset(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    right_grad_x(grad_out, weight, grad_x)
    for m in range(weight.shape[0]):
        total = np.float32(0.0)
        for k in range(weight.shape[1]):
            for n in range(x.shape[0]):
                total += grad_out[n, m] * x[n, k]
            grad_weight[m, k] = total
    right_grad_bias(grad_out, grad_bias)


@wrong("linear_backward", "the tail of the blocks of 4 rows is left out of grad_weight")  # N not a multiple of 4
def linear_backward_weight_tail_missed(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows = x.shape[0]
    whole = rows - rows % 4
    right_grad_x(grad_out, weight, grad_x)
    right_grad_weight(grad_out[:whole], x[:whole], grad_weight)
    right_grad_bias(grad_out, grad_bias)


@wrong("linear_backward", "grad_x leaves out the last output")
def linear_backward_x_misses_last_output(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    last = weight.shape[0] - 1
    right_grad_x(grad_out[:, :last], weight[:last], grad_x)
    right_grad_weight(grad_out, x, grad_weight)
    right_grad_bias(grad_out, grad_bias)


@wrong("linear_backward", "grad_x of each row still holds the rows before it")  # wrong where N is above 1
def linear_backward_x_adds_up_rows(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    rows, inner = x.shape
    sums = np.zeros(inner, np.float32)
    for n in range(rows):
        for m in range(weight.shape[0]):
            for k in range(inner):
                sums[k] += grad_out[n, m] * weight[m, k]
        for k in range(inner):
            grad_x[n, k] = sums[k]
    right_grad_weight(grad_out, x, grad_weight)
    right_grad_bias(grad_out, grad_bias)


@wrong("linear_backward", "grad_weight is written in the order of its transpose")
def linear_backward_weight_gradient_transposed(grad_out, x, weight, grad_x, grad_weight, grad_bias):
    outputs, inner = weight.shape
    right_grad_x(grad_out, weight, grad_x)
    for m in range(outputs):
        for k in range(inner):
            place = k * outputs + m
            grad_weight[place // inner, place % inner] = dot(grad_out[:, m], x[:, k])
    right_grad_bias(grad_out, grad_bias)


OWN = list(KERNELS)
"""Those of this file; others add theirs to KERNELS when they are imported."""
