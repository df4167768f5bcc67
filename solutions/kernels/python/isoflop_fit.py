"""isoflop_fit: a parabola at each budget, then a line through their lowest points."""

import numpy as np

from llaisys_mini import answer


@answer("isoflop_fit")
def isoflop_fit(budgets, parameters, losses):
    ### BEGIN SOLUTION
    every = np.unique(budgets)  # sorted
    best = []
    for budget in every:
        runs = budgets == budget
        a, b, _ = np.polyfit(np.log(parameters[runs]), losses[runs], 2)
        best.append(np.exp(-b / (2 * a)))
    exponent, start = np.polyfit(np.log(every), np.log(best), 1)
    return np.array(best), exponent, np.exp(start)
    ### END SOLUTION
