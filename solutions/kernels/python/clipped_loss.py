"""clipped_loss: only the tokens that were written are looked at."""

import numpy as np

from llaisys_mini import answer


@answer("clipped_loss")
def clipped_loss(logprobs, old_logprobs, advantages, mask, clip):
    ### BEGIN SOLUTION
    written = mask == 1
    a = np.broadcast_to(advantages[:, None], mask.shape)[written]  # one for each token
    r = np.exp(logprobs[written] - old_logprobs[written])
    plain, clipped = r * a, np.clip(r, 1 - clip, 1 + clip) * a
    loss = -np.minimum(plain, clipped).mean()
    gradient = np.zeros(mask.shape)
    gradient[written] = np.where(plain <= clipped, -plain, 0.0) / len(a)  # r is its own derivative
    return loss, gradient
    ### END SOLUTION
