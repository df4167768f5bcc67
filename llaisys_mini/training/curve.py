"""The picture of a training: loss, or reward, over steps."""

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


def draw_rewards(path: Path, rewards: np.ndarray, right: tuple[float, float]) -> None:
    """Write a PNG. rewards [steps]: the mean of each step's texts; right: the share of right texts to questions that
    were not learned from, before and after.

    Raises OSError.
    """
    fig, axis = plots.figure(width=7, height=3.6)
    steps = np.arange(1, len(rewards) + 1)
    width = min(10, len(rewards))
    smooth = np.convolve(rewards, np.ones(width) / width, "valid")
    axis.plot(steps, rewards, color=plots.SKY, linewidth=0.8, label="a step")
    axis.plot(steps[width - 1 :], smooth, color=plots.BLUE, label=f"the last {width} steps")
    axis.plot([0, len(rewards)], right, "o", color=plots.VERMILION, label="questions not learned from")
    axis.set(xlabel="steps", ylabel="share of right answers", xlim=(-1, len(rewards) + 1), ylim=(0, 1))
    axis.grid(axis="y")
    axis.legend()
    alt = f"The share of right answers goes from {right[0]:.2f} to {right[1]:.2f} in {len(rewards)} steps."
    write_atomically(path, plots.Picture(fig, alt).png)
