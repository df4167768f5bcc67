"""train_steps: gradients of all parts, clipped, at the step's rate, through AdamW."""

import math

import numpy as np

from llaisys_mini import answer, exercises


@answer("train_steps")
def train_steps(weights, steps, loss_and_gradients, rate, warm_up, decay, longest):
    adamw_step = exercises.get("adamw_step")
    ### BEGIN SOLUTION
    weights, losses = dict(weights), []
    means = {name: np.zeros_like(array) for name, array in weights.items()}
    squares = {name: np.zeros_like(array) for name, array in weights.items()}
    for t, parts in enumerate(steps):
        loss, count = 0.0, 0
        gradients = {name: np.zeros_like(array) for name, array in weights.items()}
        for ids, targets in parts:
            part_loss, part_count, part_gradients = loss_and_gradients(weights, ids, targets)
            loss, count = loss + part_loss, count + part_count
            for name in gradients:
                gradients[name] += part_gradients[name]
        losses.append(loss / count)

        length = math.sqrt(sum((gradient**2).sum() for gradient in gradients.values())) / count
        shrink = min(1, longest / length) / count
        pace = min((t + 1) / warm_up, (len(steps) - t) / max(1, len(steps) - warm_up), 1)
        for name, array in weights.items():
            g, fades = shrink * gradients[name], decay if array.ndim == 2 else 0.0
            made = adamw_step(array, g, means[name], squares[name], t + 1, rate * pace, fades)
            weights[name], means[name], squares[name] = made
    return weights, losses
    ### END SOLUTION
