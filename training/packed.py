"""The loss of a batch on a CPU: attention within each document, logits only where something is learned.

A row holds many short documents. A masked attention over the whole row computes mostly what the mask then throws
away, and half of all positions are read but not learned. On a GPU shapes have to stay the same from batch to batch
(see `gradients.py`); on a CPU leaving this work out makes a step 1.2 (rows of 512
tokens) to 2.4 times (2048) as fast.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from .batches import IGNORED, Batch

# Matrix products as on a GPU, on the CPUs that have instructions for them; on others bfloat16 is the slower one.
BFLOAT16 = bool(torch.cpu.get_capabilities().get("amx_bf16"))
ATTENTION = "within_documents"  # the name under which transformers finds `attention_within_documents`


def document_lengths(document: torch.Tensor) -> list[int]:
    """Lengths of the runs of one number in (B, L), row after row; what fills a row up counts as a document."""
    starts_new = torch.ones_like(document, dtype=torch.bool)
    starts_new[:, 1:] = document[:, 1:] != document[:, :-1]
    starts = starts_new.flatten().nonzero().flatten()
    return torch.diff(starts, append=torch.tensor([document.numel()])).tolist()


def attention_within_documents(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    lengths: list[int],
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query (1, heads, T, head_dim), key and value (1, key/value heads, T, head_dim): causal, each of the documents of
    so many tokens for itself. Returns (1, T, heads, head_dim), in float32: backwards, torch's attention takes twice as
    long in bfloat16."""
    documents = zip(*(x.float().split(lengths, dim=2) for x in (query, key, value)), strict=True)
    grouped = query.shape[1] != key.shape[1]
    with torch.autocast("cpu", enabled=False):
        out = [F.scaled_dot_product_attention(*d, is_causal=True, scale=scaling, enable_gqa=grouped) for d in documents]
    return torch.cat(out, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attention_within_documents)


def packed_loss(model: Any, teacher: Any | None, batch: Batch) -> torch.Tensor:
    """Of all learned positions together, in nats: `summed_loss` of `gradients.py` for models made with `ATTENTION`."""
    row_length = batch.ids.shape[1]
    targets = batch.targets.flatten()
    learned = (targets != IGNORED).nonzero().flatten()
    inputs = {
        "input_ids": batch.ids.reshape(1, -1),
        "position_ids": torch.arange(batch.ids.numel())[None] % row_length,
        "lengths": document_lengths(batch.document),
    }

    def logits_of(either: Any) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            hidden = either.model(**inputs).last_hidden_state[0]
            return either.lm_head(hidden[learned]).float()

    if teacher is None:
        return F.cross_entropy(logits_of(model), targets[learned], reduction="sum")
    with torch.no_grad():
        wanted = logits_of(teacher).softmax(-1)
    return F.cross_entropy(logits_of(model), wanted, reduction="sum")
