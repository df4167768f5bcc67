"""group_advantage: a row whose rewards are all equal is left at 0."""

import numpy as np

from llaisys_mini import answer


@answer("group_advantage")
def group_advantage(rewards):
    ### BEGIN SOLUTION
    advantages = np.zeros(rewards.shape)
    for group, out in zip(rewards, advantages, strict=True):
        if group.min() != group.max():
            out[:] = (group - group.mean()) / group.std()
    return advantages
    ### END SOLUTION
