"""The picture of a training: loss over steps."""

from pathlib import Path

import numpy as np

from llaisys_mini.files import write_atomically
from llaisys_mini.lectures import plots


def draw(path: Path, losses: np.ndarray, held_out: np.ndarray) -> None:
    """Write a PNG. losses [steps]: of each batch, in nats; held_out [N, 2]: steps and losses on text not learned from.

    Raises OSError.
    """
    fig, axis = plots.figure(width=7, height=3.6)
    steps = np.arange(1, len(losses) + 1)
    axis.plot(steps, losses, color=plots.SKY, linewidth=0.8, label="a batch")
    if len(held_out):
        axis.plot(*held_out.T, color=plots.VERMILION, marker="o", markersize=3, label="text not learned from")
    axis.set(xlabel="steps", ylabel="loss (nats per token)", xlim=(0, len(losses)), ylim=(0, None))
    axis.grid(axis="y")
    axis.legend()
    alt = f"The loss falls from {losses[0]:.2f} to {losses[-1]:.2f} in {len(losses)} steps."
    write_atomically(path, plots.Picture(fig, alt).png)
