"""merge_attention: total and mix of both parts brought to the common maximum."""

import math

from llaisys_mini import answer


@answer("merge_attention")
def merge_attention(top_a, total_a, mix_a, top_b, total_b, mix_b):
    ### BEGIN SOLUTION
    top = max(top_a, top_b)
    if top == -math.inf:
        return top_a, total_a, mix_a
    of_a, of_b = math.exp(top_a - top), math.exp(top_b - top)
    return top, total_a * of_a + total_b * of_b, mix_a * of_a + mix_b * of_b
    ### END SOLUTION
