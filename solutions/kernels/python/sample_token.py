"""sample_token: cut off, softmax, add up."""

import numpy as np

from llaisys_mini import answer, operators


@answer("sample_token")
def sample_token(scores, temperature, top_k, chance):
    ### BEGIN SOLUTION
    if temperature == 0:
        return int(np.argmax(scores))
    scores = (scores / temperature).astype(np.float32)
    if top_k:
        least = np.sort(scores)[-min(top_k, len(scores))]
        scores = np.where(scores >= least, scores, np.float32(-np.inf))
    total = 0.0
    for token, probability in enumerate(operators.softmax(scores)):
        total += probability
        if total > chance:
            return token
    return len(scores) - 1
    ### END SOLUTION
