"""What the decoder asks of a KV cache, whatever its form and however many texts it holds.

One forward pass over T rows, the new positions of one text or of several, text after text:

    positions = cache.begin(ids)                           room for the rows; int64 [T]
    mixed = cache.attend(layer, q, k, v, scale, window)    for each layer: store k and v, let every row look back
    cache.commit()                                         from now on the rows count

A pass that fails in between changes nothing: what was stored without a commit is written over by the next pass.
"""

from abc import ABC, abstractmethod

import numpy as np

from llaisys_mini.tensor import Tensor


class Cache(ABC):
    """Keys and values of one text or of several."""

    @abstractmethod
    def begin(self, ids: np.ndarray) -> Tensor:
        """Make room for the token ids int64 [T]; returns the position of each in its own text, int64 [T], where the
        keys are. Raises GenerationError beyond the model's context, and then has changed nothing."""

    @property
    @abstractmethod
    def last_rows(self) -> np.ndarray:
        """Of the rows begun, those whose logits are asked for with `last_only`: int64 [N], ascending. The last one of
        each text, or by the kind of pass its last few, or none."""

    @abstractmethod
    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None) -> Tensor:
        """Store the rows' keys and values k, v [T, K, D]; returns for each query of q [T, H, D] the mixture of the
        values of its own text up to and including its own position: float32 [T, H, D].

        window: how many of the latest positions are seen, the row's own included; None for all.
        """

    @abstractmethod
    def commit(self) -> None:
        """Every layer has stored the rows begun: they are part of their texts."""
