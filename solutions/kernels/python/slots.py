"""slots: only the description changes."""

import numpy as np

from llaisys_mini import answer


@answer("slots")
def slots(pages, stored, count, size):
    ### BEGIN SOLUTION
    positions = np.arange(stored, stored + count)
    page = np.array(pages)[positions // size]
    return page * size + positions % size, positions
    ### END SOLUTION
