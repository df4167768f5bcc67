"""adamw_step: two running means, their correction, the step, the decay."""

import numpy as np

from llaisys_mini import answer


@answer("adamw_step")
def adamw_step(w, g, mean, square, step, rate, decay):
    ### BEGIN SOLUTION
    mean = 0.9 * mean + 0.1 * g
    square = 0.999 * square + 0.001 * g**2
    direction = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return w - rate * (direction + decay * w), mean, square
    ### END SOLUTION
