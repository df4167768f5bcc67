"""What the exercises of labs 16 and 17 ask for is what the engine and the server do."""

import numpy as np
import pytest

from llaisys_mini import exercises
from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.cache.pool import page_keys
from llaisys_mini.checks.exercises import try_answer
from llaisys_mini.engine.request import Request
from llaisys_mini.engine.scheduler import Scheduler
from llaisys_mini.paths import shipped_model
from llaisys_mini.server.stops import StopFilter
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.text.tokenizer import TextStream, Tokenizer


def by_the_scheduler(running, waiting, free, total, size, budget):
    """What the engine's scheduler decides where things stand like this. It refuses nothing: Engine.add does."""
    cache = PagedCache(1, 1, 1, total * size, pages=total, page_size=size)
    scheduler, name_of = Scheduler(cache, budget, budget), {}
    for text in [*running, *waiting]:
        # With probabilities of the prompt asked for, nothing is shared; the exercise knows of no sharing.
        request = Request([1] * text["ids"], SamplingParams(), (), room=1, prompt_logprobs=True)
        name_of[request] = text["name"]
        if text in running:
            request.stored.ids[:] = [1] * text["stored"]
            request.stored.pages[:] = [cache.pool.take() for _ in range(text["pages"])]
            scheduler.running.append(request)
        else:
            scheduler.add(request)
    before = list(scheduler.running)
    rows = {name_of[turn.request]: turn.count for turn in scheduler.next_step()}
    return rows, [name_of[request] for request in reversed(before) if request not in scheduler.running], []


@pytest.mark.parametrize("seed", range(4))
def test_the_scheduler_decides_as_schedule_step_asks(seed):
    asked, compared = exercises.get("schedule_step"), 0
    for case in asked.make_cases(seed):
        if "never fit" not in case.name:
            trial = try_answer(asked, by_the_scheduler, case)
            assert trial.passed, trial.place or trial.exception
            compared += 1
    assert compared > 10


@pytest.mark.parametrize("seed", range(20))
def test_the_filter_of_the_server_gives_what_stop_filter_asks(seed):
    rng = np.random.default_rng(seed)
    stops = ["".join("abc"[i] for i in rng.integers(3, size=rng.integers(1, 5))) for _ in range(3)]
    theirs, asked = StopFilter(stops), exercises.get("stop_filter").reference(stops)
    for _ in range(12):
        piece = "".join("abcd"[i] for i in rng.integers(4, size=rng.integers(0, 5)))
        assert (theirs.feed(piece), theirs.found) == asked.feed(piece)
    assert theirs.finish() == asked.finish()


@pytest.mark.parametrize("seed", range(4))
def test_the_cache_shares_the_pages_that_prefix_match_asks_for(seed):
    rng = np.random.default_rng(seed)
    cache = PagedCache(1, 1, 1, 4096, pages=200, page_size=3)
    pages = {}
    for _ in range(25):
        ids = rng.integers(1, 3, size=int(rng.integers(1, 20))).tolist()
        found, start = exercises.get("prefix_match").reference(
            ids, 3, lambda before, own: page_keys([0, 0, 0, *own], 3, [before or b""])[-1], pages
        )
        text = PagedText()
        cache.adopt(text, ids)
        assert (text.pages, text.length) == (found, start)
        cache.reserve(text, len(ids))
        text.ids[:] = ids
        cache.publish(text)
        for key, page in zip(text.keys, text.pages, strict=False):
            pages.setdefault(key, page)


def test_a_stream_of_tokens_gives_what_text_deltas_asks():
    tokenizer = Tokenizer.open(shipped_model())
    stream, asked = TextStream(tokenizer), exercises.get("text_deltas").reference()
    for token in tokenizer.encode("A fox: 🦊, 狐狸, é\n"):
        assert stream.feed(token) == asked.feed(list(tokenizer.bytes_of(token)))
    assert stream.finish() == asked.finish() == ""
