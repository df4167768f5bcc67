"""sft_mask: go through the tokens once, and know whether an answer is open."""

import numpy as np

from llaisys_mini import answer


@answer("sft_mask")
def sft_mask(ids, header, end):
    ### BEGIN SOLUTION
    learned = np.zeros(len(ids), np.int64)
    inside = False
    for t in range(len(ids)):
        learned[t] = inside
        if inside:
            inside = ids[t] != end
        else:
            inside = list(ids[max(0, t + 1 - len(header)) : t + 1]) == header
    return learned[1:]  # place t tells of the token that is predicted there
    ### END SOLUTION
