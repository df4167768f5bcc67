"""accept_sampled: only the description changes."""

import numpy as np

from llaisys_mini import answer


@answer("accept_sampled")
def accept_sampled(target, draft, guess, chance, other_chance):
    ### BEGIN SOLUTION
    if chance < target[guess] / draft[guess]:
        return guess
    missing = np.maximum(target - draft, 0)
    missing = missing / missing.sum()
    total, chosen = 0.0, 0
    for i in np.flatnonzero(missing):
        chosen = int(i)
        total += missing[i]
        if total > other_chance:
            break
    return chosen
    ### END SOLUTION
