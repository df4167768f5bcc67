"""What further kernels are told by mistakes that are derived, each read and found right. See student_names.py."""

DERIVED = {
    "add_y_shifted": "y is read one too far along elements",
    "relu_last_missed": "the last of the elements of out is never written: a loop ends one too early",
    "sign_of_integer_part": "x is rounded to whole numbers",
    "linear_accumulator_per_row": "the sum for out is not set back to 0: it goes on over M",
    "rope_scaled_sign_of_second_half": (
        "`second * cos - first * sin` is computed in the place of `second * cos + first * sin`"
    ),
    "linear_int4_high_not_shifted": "`groups - groups % 16` is computed in the place of `groups // 16`",
    "argmax_flat_index": "index counts on from row to row",
    "argmax_index_of_all": "index counts on from row to row",
    "linear_backward_weight_sum_not_reset": "the sum for grad_weight is not set back to 0: it goes on over K",
    "add_subtracts": "y is subtracted, not added",
    "add_from_one": "the first of the elements of out is never written: a loop starts at 1",
    "relu_of_one": "`max(x, 1)` is computed in the place of `max(x, 0)`",
    "relu_keeps_negatives": "positive elements are cut to zero and negative ones kept: the comparison is reversed",
    "gelu_halves_inside": "`erf(x / sqrt(2) / sqrt(2))` is computed in the place of `erf(x / sqrt(2))`",
    "gelu_without_one": "`erf(x / sqrt(2))` is computed in the place of `1 + erf(x / sqrt(2))`",
    "sigmoid_is_tanh": "tanh is taken, which runs from -1 to 1",
    "swiglu_sigmoid_of_up": "gate and up are swapped: SiLU belongs on the gate",
    "swiglu_gate_twice": (
        "`up * gate * gate / (1 + exp(-gate))` is computed in the place of `up * gate / (1 + exp(-gate))`"
    ),
    "swiglu_without_up": "`gate / (1 + exp(-gate))` is computed in the place of `up * gate / (1 + exp(-gate))`",
    "argmax_keeps_first_value": "value is the first element of each row of x",
    "embedding_first_columns_swapped": "weight is read from its end along E",
    "embedding_next_row": "weight is read one too far along V",
    "layer_norm_mean_square": "`x * x` is computed in the place of `centred * centred`",
    "layer_norm_bias_subtracted": "bias has the wrong sign",
    "layer_norm_without_bias": "the bias is forgotten",
    "layer_norm_sum_for_mean": (
        "`x.sum(axis=-1, keepdims=True)` is computed in the place of `x.mean(axis=-1, keepdims=True)`"
    ),
    "layer_norm_over_rows": "it runs down the columns instead of along the rows",
    "softmax_cross_entropy_backward_adds_one": (
        "`softmax.reference(logits) + one_hot(logits, targets)` is computed in the place of `softmax.referenc"
        "e(logits) - one_hot(logits, targets)`"
    ),
    "linear_bias_twice": "bias counts twice",
    "linear_last_product": "only the last of the K counts (where they are added up: = in the place of +=)",
    "linear_sum_not_reset": "the sum for out is not set back to 0: it goes on over M",
    "linear_int8_no_scales": "the scales are forgotten",
    "linear_int8_mean_scale": "the mean of scales over G is used",
    "linear_int8_divides": "1 / scales is taken",
    "attention_not_normalised": "the weights are not divided by their sum",
    "attention_of_keys": "k is read in the place of v",
    "attention_mean_of_values": "scale is not read: it computes as if it were 0",
    "attention_first_query_head": "q is always read at the first of H",
    "rope_in_degrees": "degrees are taken for radians in `angle = angles(positions, theta, x.shape[2])[:, None, :]`",
    "rope_second_half_copied": "only the first half along D is computed; the rest is copied from x",
    "rope_plus_twice": "`first * cos + second * sin` is computed in the place of `first * cos - second * sin`",
    "relu_backward_of_x": "`x if x > 0 else 0` is computed in the place of `grad_out if x > 0 else 0`",
    "relu_backward_reversed": "`grad_out if x < 0 else 0` is computed in the place of `grad_out if x > 0 else 0`",
    "relu_backward_everywhere": "the gradient passes everywhere",
    "relu_backward_of_abs": "`grad_out if x > 0 else -grad_out` is computed in the place of `grad_out if x > 0 else 0`",
    "sign_exchanged": "the sides are swapped",
    "sign_keeps_positive": "`x if x >= 0 else -1` is computed in the place of `1 if x >= 0 else -1`",
    "silu_squared": "`x * x / (1 + exp(-x))` is computed in the place of `x / (1 + exp(-x))`",
    "add_rms_norm_difference": "residual has the wrong sign",
    "add_rms_norm_total_overwritten": "the normalised row is written to both outputs; total is the plain sum",
    "add_rms_norm_only_out": "total is never written",
    "rms_norm_without_eps_times": (
        "`weight * x * np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)` is computed in the place of `we"
        "ight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)`"
    ),
    "rms_norm_weight_divides": "1 / weight is taken",
    "rms_norm_largest": (
        "`np.max(x * x, axis=-1, keepdims=True)` is computed in the place of `np.mean(x * x, axis=-1, keepdims=True)`"
    ),
    "softmax_not_divided": "the exponentials are not divided by their sum",
    "softmax_logarithm": "these are the logarithms of the probabilities: the exponential at the end is missing",
    "cross_entropy_probability": "the exponential of -out is stored",
    "cross_entropy_without_target": (
        "`log_sum` is computed in the place of `log_sum - logits[np.arange(len(targets)), targets]`"
    ),
    "cross_entropy_shifted_targets": "targets is read one too far along N",
    "cross_entropy_per_class": "out is divided by V",
    "matmul_last_product": (
        "the elements are multiplied in place instead of summed over k: the sum keeps only its last term"
    ),
    "matmul_sum_goes_on": "the sum for out is not set back to 0: it goes on over N",
    "matmul_adds": (
        "`np.sum(a, axis=-1, keepdims=True) + np.sum(b, axis=-2, keepdims=True)` is computed in the place of `a @ b`"
    ),
    "linear_backward_bias_mean": "grad_bias is divided by N",
    "linear_backward_weight_of_last": (
        "the gradient of weight keeps only the last sample: it is overwritten instead of added up"
    ),
    "linear_backward_without_bias": "grad_bias is never written",
    "linear_int4_offset_7": (
        "`np.concatenate([groups % 16, groups ... ).reshape(len(weight), -1) - 7` is computed in the place of"
        " `np.concatenate([groups % 16, groups ... ).reshape(len(weight), -1) - 8`"
    ),
    "linear_int4_low_twice": "`groups % 16` is computed in the place of `groups // 16`",
    "linear_int4_not_shifted": "`groups - groups % 16` is computed in the place of `groups // 16`",
    "linear_int4_without_scales": "the scales are forgotten",
    "linear_int4_bias_subtracted": "bias has the wrong sign",
    "rope_scaled_divides": "1 / factor is taken",
    "rope_scaled_inverse": (
        "`positions[:, None] / frequencies` is computed in the place of `positions[:, None] * frequencies`"
    ),
    "rope_scaled_first_frequency": "frequencies is always read at the first of F",
    "rope_scaled_wrong_second": (
        "`second * cos + second * sin` is computed in the place of `second * cos + first * sin`"
    ),
    "sliding_attention_scale_divides": "1 / scale is taken",
    "sliding_attention_own_key": "window is not read: it computes as if it were 1",
    "sliding_attention_first_head": "only the first of the K counts",
    "add_multiplies": "`x * y` is computed in the place of `x + y`",
    "add_y_backwards": "y is read from its end along elements",
    "relu_whole": "x is rounded to whole numbers",
    "gelu_minus_inside": "`1 - erf(x / sqrt(2))` is computed in the place of `1 + erf(x / sqrt(2))`",
    "gelu_minus_one": "`-1 + erf(x / sqrt(2))` is computed in the place of `1 + erf(x / sqrt(2))`",
    "sigmoid_steeper": "x counts twice; in the form with tanh the half inside is missing: tanh(x / 2)",
    "silu_adds": "`x + sigmoid.reference(x)` is computed in the place of `x * sigmoid.reference(x)`",
    "swiglu_abs_up": "the absolute value of up is taken",
    "relu_backward_twice": "grad_out counts twice",
    "sign_always_one": "`1 if x >= 0 else 1` is computed in the place of `1 if x >= 0 else -1`",
    "softmax_of_doubled": "x counts twice",
    "rms_norm_square_above": (
        "`weight * x * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)` is computed in the place of"
        " `weight * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)`"
    ),
    "rms_norm_statistics_of_row_0": "the root mean square of the first row is used for every row",
    "layer_norm_no_weight": "weight is not read: it computes as if all of it were 1",
    "layer_norm_multiplied": (
        "`weight * centred * np.sqrt(variance + eps)` is computed in the place of `weight * centred / np.sqrt"
        "(variance + eps)`"
    ),
    "add_rms_norm_mean": "there is a factor of 1/2 on `total = x + residual`",
    "embedding_ids_backwards": "ids is read from its end along N",
    "embedding_first_element": "weight is always read at the first of E",
    "cross_entropy_minus_top": "the targets are not read: the largest logit is taken as the target",
    "cross_entropy_without_log": (
        "`np.exp(logits - top[:, None]).sum(axis=1)` is computed in the place of `np.log(np.exp(logits - top["
        ":, None]).sum(axis=1))`"
    ),
    "softmax_cross_entropy_backward_shifted": "targets is read one too far along N",
    "softmax_cross_entropy_backward_multiplied": (
        "`(softmax.reference(logits) - one_hot(logits, targets)) * len(targets)` is computed in the place of "
        "`(softmax.reference(logits) - one_hot(logits, targets)) / len(targets)`"
    ),
    "linear_bias_multiplies": (
        "`out if bias is None else out * bias` is computed in the place of `out if bias is None else out + bias`"
    ),
    "linear_skips_first": "the first of K is left out",
    "matmul_first_row": "a is always read at the first of M",
    "linear_backward_x_mean": "the gradient of x is the mean over the outputs; it is their sum",
    "linear_int8_next_scale": "scales is read one too far along G",
    "linear_int4_offset_added": (
        "`np.concatenate([groups % 16, groups ... ).reshape(len(weight), -1) + 8` is computed in the place of"
        " `np.concatenate([groups % 16, groups ... ).reshape(len(weight), -1) - 8`"
    ),
    "linear_int4_scale_added": (
        "`unpacked(weight) + np.repeat(scales, GROUP, axis=1)` is computed in the place of `unpacked(weight) "
        "* np.repeat(scales, GROUP, axis=1)`"
    ),
    "attention_negative_scale": "scale has the wrong sign",
    "attention_first_query": "q is always read at the first of L",
    "rope_position_only": "theta is not read: it computes as if it were 1",
    "rope_scaled_factor_twice": "the square of factor is taken",
    "sliding_attention_twice_the_window": "window counts twice",
}
