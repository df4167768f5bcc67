"""The gradient of one batch: in pieces on a CPU, as a CUDA graph on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import distributed

from .batches import IGNORED, Batch

CPU_ROW_TOKENS = 4096  # tokens that a CPU worker takes through the model at once
WARM_UP_RUNS = 3  # before a graph is captured, as torch asks for: libraries make their buffers in the first runs

Model = Callable[..., Any]
SummedLoss = Callable[[Batch], torch.Tensor]


def attention_mask(document: torch.Tensor) -> torch.Tensor:
    """Causal, and only within one document: bool (B, 1, L, L), True where looking is allowed."""
    length = document.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=document.device).tril()
    return ((document[:, :, None] == document[:, None, :]) & causal)[:, None]


def summed_loss(model: Model, teacher: Model | None, batch: Batch) -> torch.Tensor:
    """Of all learned positions together, in nats. With a teacher, its probabilities are what is learned."""
    device = batch.ids.device.type
    mask = attention_mask(batch.document)
    # A graph may not hold weights that autocast converted before the capture, so autocast keeps none.
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda", cache_enabled=False):
        logits = model(input_ids=batch.ids, attention_mask=mask).logits.float().flatten(0, 1)
        if teacher is None:
            return F.cross_entropy(logits, batch.targets.flatten(), reduction="sum")
        with torch.no_grad():
            wanted = teacher(input_ids=batch.ids, attention_mask=mask).logits.float().flatten(0, 1).softmax(-1)
    losses = F.cross_entropy(logits, wanted, reduction="none")
    return (losses * (batch.targets.flatten() != IGNORED)).sum()


class CpuGradients:
    """Each of several processes takes its share of the rows; then the gradients of all are added up."""

    def __init__(self, model: torch.nn.Module, loss: SummedLoss, rank: int, workers: int) -> None:
        self.model, self.loss, self.rank, self.workers = model, loss, rank, workers

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Leave the gradient of the mean loss of the whole batch in the model. Returns that loss."""
        self.model.zero_grad(set_to_none=False)
        mine = batch.rows(slice(self.rank, None, self.workers))
        rows_at_once = max(1, CPU_ROW_TOKENS // mine.ids.shape[1])
        total = torch.zeros(())
        for first in range(0, mine.ids.shape[0], rows_at_once):
            part = self.loss(mine.rows(slice(first, first + rows_at_once))) / batch.learned
            part.backward()
            total += part.detach()
        return self._added_up(total) if self.workers > 1 else total

    def _added_up(self, loss: torch.Tensor) -> torch.Tensor:
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        everything = torch.cat([loss.reshape(1), *(gradient.flatten() for gradient in gradients)])
        distributed.all_reduce(everything)
        pieces = everything[1:].split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))
        return everything[0]


class GpuGradients:
    """A small model's pass is two thousand short kernels, and starting them takes longer than they run. A CUDA graph
    starts them all at once. It holds one shape of batch; another shape is captured anew."""

    def __init__(self, model: torch.nn.Module, loss: SummedLoss) -> None:
        self.model, self.loss = model, loss
        self.batch: Batch | None = None

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Leave the gradient of the mean loss of the whole batch in the model. Returns that loss."""
        if self.batch is None or self.batch.ids.shape != batch.ids.shape:
            self._capture(batch)
        assert self.batch is not None
        for field in fields(Batch):
            getattr(self.batch, field.name).copy_(getattr(batch, field.name))
        self.graph.replay()
        return self.mean_loss.clone()

    def _capture(self, batch: Batch) -> None:
        self.batch = batch.to("cuda")
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_RUNS):
                self._pass()
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.mean_loss = self._pass()

    def _pass(self) -> torch.Tensor:
        assert self.batch is not None
        self.model.zero_grad(set_to_none=True)  # the graph makes the gradients, and every replay overwrites them
        loss = self.loss(self.batch) / (self.batch.targets != IGNORED).sum()
        loss.backward()
        return loss.detach()
