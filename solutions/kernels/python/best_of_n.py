"""best_of_n: one number for each answer, the highest score or the sum of all."""

import math

from llaisys_mini import answer


@answer("best_of_n")
def best_of_n(answers, scores, together):
    ### BEGIN SOLUTION
    worth = {}
    for given, score in zip(answers, scores, strict=True):
        if given is None or math.isnan(score):
            continue
        if given not in worth:
            worth[given] = score
        elif together:
            worth[given] += score
        else:
            worth[given] = max(worth[given], score)
    return max(worth, key=worth.get, default=None)
    ### END SOLUTION
