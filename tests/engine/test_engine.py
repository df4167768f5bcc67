"""The engine: every text reads as if it were alone, whatever else happens; and no page is lost."""

import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from llaisys_mini import load_model
from llaisys_mini.engine.speculation import DraftModel, NGrams, does_it_pay, weight_bytes
from llaisys_mini.errors import GenerationError
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime, observe_calls
from llaisys_mini.text.sampling import SamplingParams
from tests.models.random_models import make_checkpoint

VOCAB = 61


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(make_checkpoint(tmp_path_factory.mktemp("model"), max_position_embeddings=80))


def params(seed, temperature):
    return SamplingParams(temperature=temperature, seed=seed, max_new_tokens=3 + seed % 9)


_ALONE = {}


def alone(model, ids, given):
    """Tokens with their probabilities, of a text that has an engine to itself."""
    key = (tuple(ids), given)
    if key not in _ALONE:
        engine = model.engine()
        request = engine.add(ids, given, logprobs=2)
        finish(engine)
        _ALONE[key] = (request.tokens, request.stop_reason)
    return _ALONE[key]


def finish(engine):
    while engine.is_busy:
        engine.step()


def guessers(model):
    return {"no": None, "n-grams": NGrams(most=3, shortest=1), "draft": DraftModel(model.decoder, most=3, pages=12)}


def prompt(rng):
    """Prompts that often begin alike, so that pages are shared."""
    beginning = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8][: int(rng.integers(0, 13))]
    return [*beginning, *rng.integers(0, VOCAB, size=int(rng.integers(1, 8))).tolist()]


@pytest.mark.parametrize("guesser", ["no", "n-grams", "draft"])
@given_any(seed=st.integers(0, 2**31), pages=st.integers(10, 40), rows=st.integers(2, 40), texts=st.integers(1, 33))
@settings(max_examples=6, deadline=None)
def test_in_any_order_with_any_room_each_text_reads_as_alone(model, guesser, seed, pages, rows, texts):
    rng = np.random.default_rng(seed)
    engine = model.engine(pages=pages, page_size=4, max_rows=rows, max_texts=texts, guesser=guessers(model)[guesser])
    coming = [(prompt(rng), params(int(rng.integers(0, 20)), float(rng.choice([0, 1.0])))) for _ in range(32)]
    requests = []
    while coming or engine.is_busy:
        if coming and (rng.random() < 0.5 or not engine.is_busy):
            ids, given = coming.pop()
            requests.append((ids, given, engine.add(ids, given, logprobs=2)))
        engine.step()
    for ids, given, request in requests:
        assert (request.tokens, request.stop_reason) == alone(model, ids, given), "to the last bit of a probability"
    assert engine.cache.pool.in_use == 0


def test_sixteen_texts_take_no_more_steps_than_one(model):
    engine = model.engine(pages=16 * 5)
    for seed in range(16):
        engine.add([seed + 1], SamplingParams(max_new_tokens=70), stop_ids=())
    finish(engine)
    assert (engine.counts.steps, engine.counts.written) == (70, 16 * 70)


def test_nobody_waits_longer_than_a_step_for_the_prompt_of_another(model):
    engine = model.engine(max_rows=8, pages=60, page_size=4)
    writing = engine.add([1], SamplingParams(max_new_tokens=40), stop_ids=())
    engine.step()
    long = engine.add(list(range(1, 50)), SamplingParams(max_new_tokens=2), stop_ids=())
    rows = []
    with observe_calls(lambda op, given, out: rows.append(len(out[0])) if op.name == "embedding" else None):
        for step in range(7):
            assert writing in engine.step(), "a token in every step"
            assert len(writing.tokens) == step + 2
    assert max(rows) == 8
    assert len(long.tokens) == 1, "seven rows of its prompt in each of seven steps"


def test_the_youngest_makes_room_and_goes_on_later(model):
    engine = model.engine(pages=9, page_size=4)
    old, young = (engine.add(ids, SamplingParams(max_new_tokens=20), stop_ids=()) for ids in ([1, 2, 3], [4, 5, 6]))
    finish(engine)
    assert (old.preemptions, young.preemptions > 0) == (0, True)
    for request in (old, young):
        ids = request.text[:3]
        assert request.written == list(model.generate(ids, 20, temperature=0, stop_ids=()))


def test_what_is_refused_and_what_waits(model):
    engine = model.engine(pages=5, page_size=4)
    with pytest.raises(GenerationError, match="20 tokens, but the KV cache holds 20: shorten the prompt"):
        engine.add([1] * 20)
    with pytest.raises(GenerationError, match="80 tokens, but the model's context holds 80"):
        model.engine().add([1] * 80)
    with pytest.raises(GenerationError, match="an engine of 0 rows and 64 texts does nothing"):
        model.engine(max_rows=0)
    first = engine.add([1] * 15, SamplingParams(max_new_tokens=2), stop_ids=())
    second = engine.add([2] * 15, SamplingParams(max_new_tokens=2), stop_ids=())
    engine.step()
    assert (len(first.tokens), len(second.tokens)) == (1, 0), "there are no pages for the second yet"
    finish(engine)
    assert len(second.tokens) == 2


def test_a_text_alone_ends_where_the_pages_do(model):
    request = (engine := model.engine(pages=3, page_size=4)).add([1], stop_ids=())
    finish(engine)
    assert (len(request.text), request.stop_reason) == (12, "length")


def test_a_prompt_that_is_known_to_its_end_is_still_answered(model):
    """Whole pages of it: the last one is computed again, for the logits behind its last id."""
    engine = model.engine(page_size=4)
    for length in (4, 8, 16):
        ids = list(range(1, length + 1))
        texts = []
        for _ in range(2):
            request = engine.add(ids, SamplingParams(max_new_tokens=6), stop_ids=())
            finish(engine)
            texts.append(request.written)
        assert texts[0] == texts[1] == list(model.generate(ids, 6, temperature=0, stop_ids=()))
        assert request.shared == length - 4


@pytest.mark.parametrize("when", ["waiting", "reading its prompt", "writing", "ended"])
def test_a_text_may_be_given_up_at_any_time(model, when):
    engine = model.engine(max_rows=3, max_texts=2, pages=30, page_size=4)
    other = engine.add([7, 8], SamplingParams(max_new_tokens=9), stop_ids=())
    request = engine.add(list(range(1, 8)), SamplingParams(max_new_tokens=3), stop_ids=())
    for _ in range({"waiting": 0, "reading its prompt": 2, "writing": 5, "ended": 30}[when]):
        engine.step()
    assert bool(request.tokens) == (when in ("writing", "ended"))
    written = list(request.tokens)
    engine.abort(request)
    assert request.stop_reason == ("length" if when == "ended" else "aborted")
    finish(engine)
    assert request.tokens == written
    assert other.written == list(model.generate([7, 8], 9, temperature=0, stop_ids=()))
    assert engine.cache.pool.in_use == 0


def test_a_kernel_that_raises_leaves_every_text_as_it_was(model):
    engine = model.engine()
    request = engine.add([7, 8], SamplingParams(max_new_tokens=9), stop_ids=())
    engine.step()

    def broken(*_):
        raise RuntimeError("a kernel fails")

    kernels = Runtime(per_operator={"swiglu": Kernel("swiglu", "cpu", "broken", broken)})
    with kernels.in_force(), pytest.raises(RuntimeError, match="a kernel fails"):
        engine.step()
    finish(engine)
    assert request.written == list(model.generate([7, 8], 9, temperature=0, stop_ids=()))


def test_a_text_whose_next_token_cannot_be_chosen_ends_alone(model):
    def nothing_possible(logits, written):
        return np.full_like(logits, -np.inf) if len(written) == 2 else logits

    engine = model.engine(pages=20)
    wrong = engine.add([7, 8], SamplingParams(max_new_tokens=9), stop_ids=(), change_logits=nothing_possible)
    right = engine.add([7, 9], SamplingParams(max_new_tokens=9), stop_ids=())
    finish(engine)
    assert (wrong.stop_reason, len(wrong.tokens)) == ("error", 2)
    assert "nothing but -inf" in str(wrong.error)
    assert right.written == list(model.generate([7, 9], 9, temperature=0, stop_ids=()))
    assert engine.cache.pool.in_use == 0


def test_probabilities_of_what_is_written_and_of_the_prompt(model):
    ids = [7, 8, 9, 7, 3, 1, 2]
    for rows in (2, 100):
        engine = model.engine(max_rows=rows, page_size=4)
        engine.add(ids, SamplingParams(max_new_tokens=1))
        finish(engine)  # so that pages are known; a prompt whose probabilities are asked for is computed anyway
        request = engine.add(ids, SamplingParams(max_new_tokens=2), stop_ids=(), logprobs=3, prompt_logprobs=True)
        finish(engine)
        logits = model.logits(request.text).astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        told = [*request.prompt_tokens, *request.tokens]
        assert [token.id for token in told] == request.text and told[0].logprob is None
        for token, row in zip(told[1:], logs, strict=False):
            assert token.logprob == pytest.approx(row[token.id], abs=1e-5)
            best = np.argsort(-row)[:3].tolist()
            assert [each for each, _ in token.likeliest] == best
    request = engine.add(ids, SamplingParams(max_new_tokens=0), logprobs=1, prompt_logprobs=True)
    finish(engine)
    assert (len(request.prompt_tokens), request.tokens, request.stop_reason) == (7, [], "length")


def test_right_guesses_save_passes_and_wrong_ones_change_nothing(model):
    plain = model.engine()
    request = plain.add([7, 8], SamplingParams(max_new_tokens=40), stop_ids=())
    finish(plain)
    for guesser in (DraftModel(model.decoder, most=4), NGrams(most=4, shortest=1)):
        engine = model.engine(guesser=guesser)
        guessed = engine.add([7, 8], SamplingParams(max_new_tokens=40), stop_ids=())
        finish(engine)
        assert guessed.tokens == request.tokens
        assert engine.counts.right <= engine.counts.guessed
        assert engine.counts.steps + engine.counts.right == 40 - (guessed.left > 0)
    draft = DraftModel(model.decoder, most=4)
    engine = model.engine(guesser=draft)
    engine.add([7, 8], SamplingParams(max_new_tokens=40), stop_ids=())
    finish(engine)
    assert engine.counts.right == engine.counts.guessed, "the draft is the model itself"
    assert engine.counts.steps == 9, "the first token, then five a step"
    assert draft.cache.pool.in_use == 0


class AnyEvents(RuleBasedStateMachine):
    """Texts are added and given up, steps are made, in any order. Watched: pages, and who writes into them."""

    requests = Bundle("requests")
    model = None

    def __init__(self):
        super().__init__()
        self.engine = self.model.engine(pages=14, page_size=4, max_rows=9, max_texts=5, guesser=NGrams(2, shortest=1))
        self.all = []

    @rule(target=requests, seed=st.integers(0, 40))
    def add(self, seed):
        rng = np.random.default_rng(seed)
        ids, given = prompt(rng), params(seed % 7, float(seed % 2))
        request = self.engine.add(ids, given, logprobs=2)
        self.all.append((ids, given, request))
        return request

    @rule(times=st.integers(1, 4))
    def step(self, times):
        pool = self.engine.cache.pool

        def watch(operator, arguments, results):
            if operator.name == "store_pages":
                for page in set((arguments[2].numpy() // 4).tolist()):
                    assert pool.users(page) == 1 and not pool.is_shareable(page), "a shared page is written"

        with observe_calls(watch):
            for _ in range(times):
                self.engine.step()

    @rule(request=requests)
    def abort(self, request):
        self.engine.abort(request)

    @invariant()
    def no_page_is_lost(self):
        pool = self.engine.cache.pool
        held = [page for request in self.engine.scheduler.running for page in request.stored.pages]
        assert pool.in_use == len(set(held))
        assert all(pool.users(page) == held.count(page) for page in set(held))
        for _, _, request in self.all:
            if request.is_finished or request in self.engine.scheduler.waiting:
                assert request.stored.pages == []

    def teardown(self):
        finish(self.engine)
        assert self.engine.cache.pool.in_use == 0
        for ids, given, request in self.all:
            tokens, reason = alone(self.model, ids, given)
            if request.stop_reason == "aborted":
                assert request.tokens == tokens[: len(request.tokens)]
            else:
                assert (request.tokens, request.stop_reason) == (tokens, reason)


@pytest.mark.parametrize("steps", [40, pytest.param(400, marks=pytest.mark.long)])
def test_any_order_of_events(model, steps):
    AnyEvents.model = model
    run_state_machine_as_test(AnyEvents, settings=settings(max_examples=25, stateful_step_count=steps, deadline=None))


def test_what_is_said_of_guesses_counts_the_passes_of_the_draft_model(model):
    draft = DraftModel(model.decoder, most=4)
    engine = model.engine(guesser=draft)
    engine.add([1, 2, 3], SamplingParams(0, max_new_tokens=20))
    while engine.is_busy:
        engine.step()
    steps = engine.counts.steps
    assert draft.passes == engine.counts.guessed > 0  # one text: each guess is a pass
    weights = weight_bytes(model.decoder) / 1e6
    told = does_it_pay(model.decoder, draft, engine.counts)
    assert f"{weights * (steps + draft.passes) / 20:.2f} MB of weights read per token, {weights:.2f} without" in told
    assert told.endswith("it does not pay")  # a draft model as large as the model
    assert "it pays" in does_it_pay(model.decoder, NGrams(), engine.counts)  # guesses as good from nowhere
