"""Loss on text that was held out: by seed (the same templates) and by template (no sentence can be from training)."""

from __future__ import annotations

import numpy as np

from llaisys_mini.engine.generate import LanguageModel

from ..corpus.held_out_text import held_out_documents

SEED = 7_000_003
DOCUMENTS = 100


def held_out_losses(model: LanguageModel, documents: int = DOCUMENTS) -> dict[str, float]:
    """Mean loss in nats per token of so many documents of each sort, from the second token of each on."""
    assert model.tokenizer is not None
    losses = {}
    for name, by_template in (("same templates, other seed", False), ("by template", True)):
        found = []
        for document in held_out_documents(SEED, documents, by_template):
            ids = model.tokenizer.encode(document)[: model.config.max_positions]
            scores = model.logits(ids)[:-1].astype(np.float64)
            scores -= scores.max(axis=1, keepdims=True)
            found.append(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(ids) - 1), ids[1:]])
        losses[name] = round(float(np.concatenate(found).mean()), 4)
    return losses
