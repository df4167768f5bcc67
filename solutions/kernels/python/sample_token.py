"""sample_token: cut off, softmax, add up."""

import numpy as np

from llaisys_mini import answer, operators


@answer("sample_token")
def sample_token(scores, temperature, top_k, chance):
    ### BEGIN SOLUTION
    if temperature == 0:
        index, _ = operators.argmax(scores)
        return int(index)
    scores = (scores / temperature).astype(np.float32)
    if 0 < top_k < len(scores):
        least = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores >= least, scores, np.float32(-np.inf))
    reached = np.cumsum(operators.softmax(scores), dtype=np.float64)
    return min(int(np.searchsorted(reached, chance, side="right")), len(scores) - 1)
    ### END SOLUTION
