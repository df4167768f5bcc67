"""Loss on stories that were held out: by seed (the same templates) and by template (no training sentence)."""

from __future__ import annotations

import numpy as np

from llaisys_mini.engine.generate import LanguageModel

from ..corpus.held_out_text import held_out_stories

SEED = 7_000_003
STORIES = 100


def held_out_losses(model: LanguageModel, stories: int = STORIES) -> dict[str, float]:
    """Mean loss in nats per token of so many stories of each sort, from the second token of each on."""
    assert model.tokenizer is not None
    losses = {}
    for name, by_template in (("same templates, other seed", False), ("by template", True)):
        found = []
        for story in held_out_stories(SEED, stories, by_template):
            ids = model.tokenizer.encode(story)[: model.config.max_positions]
            scores = model.logits(ids)[:-1].astype(np.float64)
            scores -= scores.max(axis=1, keepdims=True)
            found.append(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(ids) - 1), ids[1:]])
        losses[name] = round(float(np.concatenate(found).mean()), 4)
    return losses
