"""train_digits: small batches, each moved by another distance, so that no image is seen twice."""

import numpy as np

from llaisys_mini import answer, exercises


@answer("train_digits")
def train_digits(images, labels, seed):
    mlp_step = exercises.get("mlp_step")
    rng = np.random.default_rng(seed)
    ### BEGIN SOLUTION
    hidden, rate, batch = 128, np.float32(0.5), 50
    network = [
        rng.normal(scale=np.sqrt(2 / 81), size=(hidden, 81)).astype(np.float32),
        np.zeros(hidden, np.float32),
        rng.normal(scale=np.sqrt(2 / hidden), size=(10, hidden)).astype(np.float32),
        np.zeros(10, np.float32),
    ]
    for _ in range(1500):
        chosen = rng.integers(0, len(images), batch)
        down, right = rng.integers(-2, 3, 2)
        moved = np.roll(images[chosen].reshape(batch, 9, 9), (down, right), axis=(1, 2))
        _, *network = mlp_step(moved.reshape(batch, 81), labels[chosen], *network, rate)
        network = [np.asarray(parameter, np.float32) for parameter in network]
    return tuple(network)
    ### END SOLUTION
