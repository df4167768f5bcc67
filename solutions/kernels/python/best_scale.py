"""best_scale: for each share all groups at once; a group keeps a share only if it loses less."""

import numpy as np

from llaisys_mini import answer


@answer("best_scale")
def best_scale(groups, bits):
    ### BEGIN SOLUTION
    groups = groups.astype(np.float64)
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    plain = np.abs(groups).max(axis=1) / highest
    plain[plain == 0] = 1
    best, least = plain, np.full(len(groups), np.inf)
    for share in np.arange(100, 48, -2) / 100:
        scale = plain * share
        numbers = np.round(groups / scale[:, None]).clip(lowest, highest)
        lost = ((numbers * scale[:, None] - groups) ** 2).sum(axis=1)
        better = lost < least
        best, least = np.where(better, scale, best), np.where(better, lost, least)
    return best
    ### END SOLUTION
