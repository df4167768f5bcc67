"""dpo_loss: logaddexp is log(1 + exp(-z)) without an overflow."""

import numpy as np

from llaisys_mini import answer


@answer("dpo_loss")
def dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    ### BEGIN SOLUTION
    z = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    losses = np.logaddexp(0, -z)
    wrong = np.exp(-np.logaddexp(0, z))  # sigmoid(-z), how sure it still is of the wrong one
    return losses.mean(), -beta * wrong / len(z)
    ### END SOLUTION
