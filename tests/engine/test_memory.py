"""An engine that serves for long holds no more memory than at the beginning."""

import resource

import numpy as np
import pytest

from llaisys_mini import load_model
from llaisys_mini.engine.speculation import NGrams
from llaisys_mini.text.sampling import SamplingParams
from tests.models.random_models import make_checkpoint


def megabytes() -> float:
    """What this process has ever held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("requests", [pytest.param(400, id="400"), pytest.param(10_000, marks=pytest.mark.long)])
def test_many_requests_leave_nothing_behind(tmp_path, requests):
    model = load_model(make_checkpoint(tmp_path, max_position_embeddings=80))
    engine = model.engine(pages=40, page_size=4, max_rows=24, max_texts=12, guesser=NGrams(2, shortest=1))
    rng = np.random.default_rng(0)
    at_first = None
    for number in range(requests):
        request = engine.add(rng.integers(0, 61, size=rng.integers(1, 30)), SamplingParams(max_new_tokens=6))
        for _ in range(rng.integers(0, 3)):
            engine.step()
        if rng.random() < 0.2:
            engine.abort(request)
        if number == requests // 4:
            at_first = megabytes()
    while engine.is_busy:
        engine.step()
    assert engine.cache.pool.in_use == 0
    assert at_first is not None and megabytes() < at_first + 20
