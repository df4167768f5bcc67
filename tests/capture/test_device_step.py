"""Steps on a device that records launches: what is played has the bits of the operator calls.

Once on the sanitizer, which records as a GPU does, and once on all of the GPU's own code over ordinary memory.
"""

from contextlib import contextmanager

import numpy as np
import pytest

from llaisys_mini import cuda, load_model
from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.cache.paged_pass import Rows
from llaisys_mini.capture.replay import PATIENCE, Replay
from llaisys_mini.devices import use_device
from llaisys_mini.devices.sanitized import Sanitized
from llaisys_mini.kernels.choice import from_set
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime
from llaisys_mini.text.sampling import SamplingParams
from tests.devices.pretended_gpu import PretendedGpu
from tests.models.random_models import make_checkpoint

TINY = dict(
    max_position_embeddings=300,
    hidden_size=32,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=16,
    vocab_size=64,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("model"), **TINY)


@pytest.fixture
def gpu():
    with use_device(PretendedGpu()) as device:
        yield device


@pytest.fixture
def model(folder, gpu):
    return load_model(folder, device="cuda")


class Texts:
    """`count` texts that are written on with given ids, replayed or call by call."""

    def __init__(self, model, count, replay=True):
        c = model.config
        self.model = model
        self.cache = PagedCache(c.layers, c.kv_heads, c.head_dim, c.max_positions, device="cuda", pages=100)
        self.texts = [PagedText() for _ in range(count)]
        self.replay = Replay(model.decoder, self.cache, replay)

    def step(self, seed):
        ids = np.random.default_rng(seed).integers(0, self.model.config.vocab_size, size=len(self.texts))
        for text in self.texts:
            self.cache.reserve(text, text.length + 1)
        logits, best = self.replay.forward(ids, [Rows(text, 1) for text in self.texts], greedy=True)
        self.replay.wait()
        return logits.numpy(), best


def test_on_the_sanitizer(folder):
    with use_device(Sanitized()):
        same_bits(load_model(folder, device="cuda"), 1)


@pytest.mark.parametrize("count", [1, 3])
def test_bits(model, count):
    same_bits(model, count)


def same_bits(model, count):
    """Past the end of a page."""
    mine, theirs = Texts(model, count), Texts(model, count, replay=False)
    for number in range(PATIENCE + 16):
        logits, best = mine.step(number)
        wanted, _ = theirs.step(number)
        np.testing.assert_array_equal(logits.view(np.uint32), wanted.view(np.uint32))
        assert best is None or best[0].tolist() == wanted.argmax(axis=1).tolist()
        assert [t.ids for t in mine.texts] == [t.ids for t in theirs.texts]
    assert mine.replay.given_up is None and theirs.replay.replayed == 0
    assert mine.replay.replayed >= 15 - PATIENCE


def test_expert_kernels(gpu, tmp_path):
    """How they are launched must not depend on what differs between steps, such as the lengths of the texts."""
    wide = dict(num_attention_heads=8, num_key_value_heads=8, head_dim=64)
    model = load_model(make_checkpoint(tmp_path, **TINY | wide), device="cuda", dtype="bfloat16")
    with Runtime(everywhere="expert").in_force():
        same_bits(model, 2)
    assert "split_kernel" in gpu.launched


def test_the_cache_moves(model):
    """There are 8 pages at first: eight texts of two pages need more, and what was recorded reads the old ones."""
    mine, theirs = Texts(model, 8), Texts(model, 8, replay=False)
    for number in range(15 + PATIENCE):
        np.testing.assert_array_equal(mine.step(number)[0], theirs.step(number)[0])
    assert mine.cache.allocated > 8 and mine.replay.given_up is None
    assert mine.replay.replayed >= 12


def test_a_recording_writes_into_memory_of_its_own(model, gpu):
    """What is computed on the way is freed at once while a step is recorded, and written each time it is played."""
    texts = Texts(model, 2)
    for number in range(PATIENCE + 1):
        texts.step(number)
    others = [gpu.allocate(size) for size, free in list(gpu._free.items()) for _ in range(len(free) + 1)]
    for buffer in others:
        gpu.upload(np.full(buffer.nbytes, 7, np.uint8), buffer)
    texts.step(9)
    assert texts.replay.replayed == 1
    assert all((gpu.download(buffer, 0, buffer.nbytes) == 7).all() for buffer in others)


def texts_of(engine, prompts, temperature):
    requests = [
        engine.add(ids, SamplingParams(temperature=temperature, seed=seed, max_new_tokens=12), stop_ids=())
        for seed, ids in enumerate(prompts)
    ]
    while engine.is_busy:
        engine.step()
    return [[token.id for token in request.tokens] for request in requests]


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_engine_writes_the_same_text(model, temperature):
    prompts = [[3, 1, 4], [1, 5, 9, 2], [6]]
    plain, replaying = model.engine(capture=False), model.engine()
    assert texts_of(replaying, prompts, temperature) == texts_of(plain, prompts, temperature)
    assert replaying.replay.replayed > 0 and plain.replay.replayed == 0


def test_a_played_step_calls_no_operator(model, gpu):
    texts = Texts(model, 2)
    for number in range(PATIENCE + 1):
        texts.step(number)
    assert texts.replay.replayed == 0
    before, ran = gpu.calls, len(gpu.launched)
    texts.step(9)
    assert texts.replay.replayed == 1
    assert gpu.calls == before  # not one launch of its own
    assert gpu.launched[ran:].count("paged_attention_kernel") == TINY["num_hidden_layers"]


@contextmanager
def kernel_in_place(operator, function):
    made = Kernel(operator, "cuda", "student", function)
    with Runtime(per_operator={operator: made}).in_force():
        yield


def steps(texts, count=PATIENCE + 4):
    return [texts.step(number)[0] for number in range(count)]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda x: cuda.to_device(np.ones(4, np.float32)), "a launcher copies from the host"),
        (lambda x: cuda.synchronize(), "a launcher waits for the device"),
    ],
)
def test_launchers_that_need_the_moment(model, what, says, capsys):
    """The step is computed call by call, and one sentence says why; no text is lost."""
    swiglu = from_set("solutions", "swiglu", "cuda").function

    def launcher(gate, up, out):
        what(gate)
        swiglu(gate, up, out)

    wanted = steps(Texts(model, 1, replay=False))
    texts = Texts(model, 1)
    with kernel_in_place("swiglu", launcher):
        got = steps(texts)
    np.testing.assert_array_equal(got, wanted)
    assert texts.replay.replayed == 0 and says in texts.replay.given_up
    assert capsys.readouterr().err.count(says) == 1


def test_who_wrote_attention_alone_sees_it_answer(model, capsys):
    plain, seen = from_set("solutions", "attention", "cuda").function, []

    def launcher(q, k, v, scale, out):
        seen.append(len(k))
        plain(q, k, v, scale, out)

    texts = Texts(model, 1)
    with kernel_in_place("attention", launcher):
        steps(texts)
        assert len(seen) == TINY["num_hidden_layers"] * (PATIENCE + 4)
        assert texts.replay.replayed == 0
        assert "it needs paged_attention (lab 16)" in capsys.readouterr().err
    steps(texts)
    assert texts.replay.replayed > 0  # the course's kernels answer now


def test_another_kernel_is_recorded_anew(model):
    texts, swiglu = Texts(model, 1), from_set("solutions", "swiglu", "cuda").function

    def twice(gate, up, out):
        swiglu(gate, up, out)
        swiglu(gate, gate, out)

    steps(texts)
    with kernel_in_place("swiglu", twice):
        mine, theirs = Texts(model, 1), Texts(model, 1, replay=False)
        np.testing.assert_array_equal(steps(mine), steps(theirs))
        assert mine.replay.replayed > 0
        replayed = texts.replay.replayed
        ids = np.array([1])
        texts.cache.reserve(texts.texts[0], texts.texts[0].length + 1)
        texts.replay.forward(ids, [Rows(texts.texts[0], 1)], greedy=True)
        assert texts.replay.replayed == replayed  # what was recorded with the other kernel is not played
