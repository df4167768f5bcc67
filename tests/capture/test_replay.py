"""A replayed step gives what the operator calls give, to the bit; and where it cannot be replayed, nothing is lost."""

import re
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from llaisys_mini import load_model
from llaisys_mini import operators as ops
from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.cache.paged_pass import PagedPass, Rows
from llaisys_mini.capture import captured
from llaisys_mini.capture.replay import PATIENCE, Replay
from llaisys_mini.engine.speculation import DraftModel, NGrams
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime, at_pauses, observe_calls
from llaisys_mini.models.quantise import quantise
from llaisys_mini.text.sampling import SamplingParams
from tests.models.random_models import VARIETIES, make_checkpoint
from tests.own_cache import own_cache

SMALL = dict(max_position_embeddings=300)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(make_checkpoint(tmp_path_factory.mktemp("model"), **SMALL))


class Texts:
    """`count` texts in a cache of their own, which are written on with given ids, one step after the other."""

    def __init__(self, model, count, rows=1, replay=True):
        c = model.config
        self.model, self.rows = model, rows
        self.cache = PagedCache(c.layers, c.kv_heads, c.head_dim, c.max_positions, model._cache_dtype, pages=400)
        self.texts = [PagedText() for _ in range(count)]
        self.replay = Replay(model.decoder, self.cache) if replay else None

    def step(self, seed, greedy=True):
        rng = np.random.default_rng(seed)
        ids = rng.integers(0, self.model.config.vocab_size, size=len(self.texts) * self.rows)
        for text in self.texts:
            self.cache.reserve(text, text.length + self.rows)
        rows = [Rows(text, self.rows, self.rows) for text in self.texts]
        if self.replay is None:
            logits = self.model.decoder.forward(ids, PagedPass(self.cache, rows), last_only=True)
            return logits.numpy(), ops.argmax(logits)[0].numpy()
        logits, best = self.replay.forward(ids, rows, greedy)
        self.replay.wait()
        return logits.numpy(), best and best[0]


def same_steps(model, count, rows=1, steps=40):
    """How many of the steps were replayed; all of them give the bits of the operator calls."""
    mine, theirs = Texts(model, count, rows), Texts(model, count, rows, replay=False)
    for number in range(steps):
        logits, index = mine.step(number)
        wanted, best = theirs.step(number)
        np.testing.assert_array_equal(logits.view(np.uint32), wanted.view(np.uint32))
        assert index is None or index.tolist() == best.tolist()
        assert [t.ids for t in mine.texts] == [t.ids for t in theirs.texts]
    assert mine.replay.given_up is None
    return mine.replay.replayed


@pytest.mark.parametrize("kind", VARIETIES)
def test_families(kind, tmp_path):
    model = load_model(make_checkpoint(tmp_path, **SMALL | VARIETIES[kind]))
    assert same_steps(model, 1, steps=8) >= 4
    assert same_steps(model, 2, steps=8) >= 4


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 4, 16])
def test_rows(model, count, rows):
    """Over several pages, so that the cache moves in memory: 8 pages of 16 are there at first."""
    assert same_steps(model, count, rows) >= 20


@pytest.mark.parametrize("how", ["int8", "int4", "float16", "bfloat16"])
def test_storage(how, tmp_path):
    sizes = dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=16)
    folder = make_checkpoint(tmp_path / "model", **SMALL | sizes)
    if how.startswith("int"):
        quantise(folder, tmp_path / "quantised", how)
        model = load_model(tmp_path / "quantised")
    else:
        model = load_model(folder, dtype=how)
    assert same_steps(model, 1, steps=8) >= 4
    assert same_steps(model, 3, steps=8) >= 4


def test_expert_kernels(tmp_path):
    """Some of them are plain Python that picks among compiled functions; the one that is picked is captured."""
    sizes = dict(hidden_size=256, intermediate_size=1024, num_attention_heads=4, num_key_value_heads=2, head_dim=64)
    model = load_model(make_checkpoint(tmp_path, **SMALL | sizes))
    with Runtime(everywhere="expert").in_force():
        assert same_steps(model, 1, steps=6) >= 3
        assert same_steps(model, 2, steps=6) >= 3


def texts_of(engine, prompts, temperature=0.0, count=30):
    requests = [
        engine.add(ids, SamplingParams(temperature=temperature, seed=seed, max_new_tokens=count), stop_ids=())
        for seed, ids in enumerate(prompts)
    ]
    while engine.is_busy:
        engine.step()
        engine.replay.wait()
    return [[token.id for token in request.tokens] for request in requests]


@pytest.mark.parametrize("guesser", ["none", "n-grams", "draft"])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_engine_writes_the_same_text(model, temperature, guesser):
    def engine(capture):
        made = {"none": lambda: None, "n-grams": NGrams, "draft": lambda: DraftModel(model.decoder, 2, capture=capture)}
        return model.engine(guesser=made[guesser](), capture=capture)

    prompts = [[3, 1, 4], [1, 5, 9, 2], [6]]
    plain, replaying = engine(False), engine(True)
    assert texts_of(replaying, prompts, temperature) == texts_of(plain, prompts, temperature)
    assert replaying.replay.replayed > 0 and plain.replay.replayed == 0
    if guesser == "draft":
        assert replaying.guesser.replay.replayed > 0


def test_calls_that_are_watched_are_made_one_by_one(model):
    texts, seen = Texts(model, 1), []
    for number in range(PATIENCE + 2):
        texts.step(number)
    assert texts.replay.replayed == 1
    with observe_calls(lambda operator, arguments, results: seen.append(operator.name)):
        texts.step(9)
    assert texts.replay.replayed == 1 and seen.count("attention") == model.config.layers


def test_a_pause_can_leave_a_replayed_step(model):
    """As Ctrl-C does: the text has not grown, and goes on afterwards as if nothing had been."""

    def stop():
        raise KeyboardInterrupt

    mine, theirs = Texts(model, 1), Texts(model, 1, replay=False)
    for number in range(PATIENCE + 3):
        mine.step(number), theirs.step(number)
    replayed, length = mine.replay.replayed, mine.texts[0].length
    with pytest.raises(KeyboardInterrupt), at_pauses(stop):
        mine.step(9)
    assert (mine.replay.replayed, mine.texts[0].length, mine.replay.given_up) == (replayed, length, None)
    np.testing.assert_array_equal(mine.step(10)[0], theirs.step(10)[0])
    assert mine.replay.replayed == replayed + 1


def test_the_command_line_replays():
    """Nothing around `generate` watches the calls."""
    command = [
        sys.executable,
        "-m",
        "llaisys_mini",
        "generate",
        "--stats",
        "--temperature",
        "0",
        "--max-new-tokens",
        "400",
    ]
    for _ in range(2):  # the first may still compile when the text ends
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    count, steps = map(int, re.search(r"(\d+) of (\d+) steps were replayed", said).groups())
    assert count > steps / 2


def test_a_part_of_a_prompt_is_not_replayed(model):
    texts = Texts(model, 1)
    texts.cache.reserve(texts.texts[0], 40)
    for _ in range(PATIENCE + 3):
        texts.replay.forward(np.arange(8), [Rows(texts.texts[0], 8)], greedy=False)
    assert texts.replay.replayed == 0 and texts.texts[0].length == 8 * (PATIENCE + 3)


def doubling_linear():
    @njit
    def linear(x, weight, bias, out):
        for n in range(x.shape[0]):
            for m in range(weight.shape[0]):
                total = np.float32(0)
                for k in range(x.shape[1]):
                    total += x[n, k] * weight[m, k]
                out[n, m] = 2 * total

    return linear


def test_another_kernel_is_not_replayed_stale(model):
    """Also where the kernel changes in the midst of a text, and back."""
    other = Runtime(per_operator={"linear": Kernel("linear", "cpu", "student", doubling_linear())})
    mine, theirs = Texts(model, 1), Texts(model, 1, replay=False)
    for number in range(24):
        with (Runtime() if number // 6 % 2 == 0 else other).in_force():
            logits, wanted = mine.step(number)[0], theirs.step(number)[0]
        np.testing.assert_array_equal(logits, wanted)
    assert mine.replay.replayed > 8


def test_a_kernel_in_plain_python_is_called(model, capfd):
    """It says so once; the text is the same."""

    def linear(x, weight, bias, out):
        out[:] = x @ weight.T

    kernel = Kernel("linear", "cpu", "student", linear)
    with Runtime(per_operator={"linear": kernel}).in_force():
        mine, theirs = Texts(model, 1), Texts(model, 1, replay=False)
        for number in range(9):
            np.testing.assert_array_equal(mine.step(number)[0], theirs.step(number)[0])
    assert mine.replay.replayed == 0
    said = capfd.readouterr().err
    assert said.count("the kernel of linear is not one compiled function") == 1
    for number in range(9, 9 + PATIENCE + 2):  # another kernel now: no reason any more
        mine.step(number)
    assert mine.replay.replayed > 0


def test_a_kernel_that_raises(model, capfd):
    """In the replayed step and then again in its own call: the error is the caller's, and the text has not grown."""

    @njit
    def add_rms_norm(x, residual, weight, eps, total, out):
        for n in range(x.shape[0]):
            for e in range(x.shape[1]):
                total[n, e] = x[n, e] + residual[n, e]
                out[n, e] = total[n, e]
        if switch[0] > 0:
            raise ValueError("not a good day")

    kernel = Kernel("add_rms_norm", "cpu", "student", add_rms_norm)
    with Runtime(per_operator={"add_rms_norm": kernel}).in_force():
        texts = Texts(model, 1)
        for number in range(PATIENCE + 3):
            texts.step(number)
        assert texts.replay.replayed == 2
        texts.replay._captured[next(iter(texts.replay._captured))].run = raising
        length = texts.texts[0].length
        texts.step(9)
    assert texts.texts[0].length == length + 1 and texts.replay.replayed == 2
    assert "not a good day" in capfd.readouterr().err


switch = np.zeros(1, np.int64)


def raising(*_):
    raise ValueError("not a good day")


def test_an_error_of_a_kernel_comes_out_of_the_replayed_step():
    """A kernel divides by a number that is zero only later: compiled into the step it raises as it does alone."""
    from numba import float32, int64, intp, types

    from llaisys_mini.capture import native

    @njit
    def divide(x, out):
        for i in range(x.shape[0]):
            out[i] = 1.0 / x[i]

    x, out = np.ones(3, np.float32), np.zeros(3, np.float32)
    divide(x, out)
    kind = types.Array(float32, 1, "C")
    address, array = native.address_of(divide, [kind, kind]), native.array_over(kind)
    run = native.run

    @njit((intp, int64[::1]))
    def step(length, at):
        run(at[0], (array(at[1], (length,)), array(at[2], (length,))))

    at = np.array([address, native.first_byte(x), native.first_byte(out)])
    x[:] = 4
    step(3, at)
    assert out.tolist() == [0.25] * 3
    x[1] = 0
    with pytest.raises(ZeroDivisionError):
        step(3, at)


@pytest.mark.parametrize("problem", [MemoryError(), RuntimeError("no compiler today")])
def test_without_memory_or_a_compiler(model, problem, monkeypatch, capfd):
    def fails(*_):
        raise problem

    monkeypatch.setattr(captured._Function, "of", fails if isinstance(problem, MemoryError) else failed(problem))
    mine, theirs = Texts(model, 1), Texts(model, 1, replay=False)
    for number in range(PATIENCE + 4):
        np.testing.assert_array_equal(mine.step(number)[0], theirs.step(number)[0])
    assert mine.replay.replayed == 0 and mine.replay.given_up
    assert capfd.readouterr().err.count("call by call") == 1


def failed(problem):
    class Failed:
        def wait(self):
            pass

        @property
        def is_ready(self):
            raise problem

    return lambda *_: Failed()


def test_kinds_of_steps_are_not_kept_for_ever(model, monkeypatch):
    monkeypatch.setattr("llaisys_mini.capture.replay.MOST_KINDS", 2)
    texts = Texts(model, 4)
    everyone = texts.texts
    for number in range(24):
        texts.texts = everyone[: 1 + number // 6]
        texts.step(number)
    assert len(texts.replay._captured) <= 2 and texts.replay.replayed >= 8


@pytest.mark.slow
def test_the_next_process_takes_the_function_from_disk(tmp_path):
    """And gives the same logits: what is kept is the step's own code, the kernels are found where they lie."""
    folder = make_checkpoint(tmp_path / "model", **SMALL)
    program = (
        "import sys, hashlib; from llaisys_mini import load_model; from llaisys_mini.capture import captured;"
        f"e = load_model({str(folder)!r}).engine(); r = e.add([3, 1, 4], stop_ids=(), params=None, logprobs=3);\n"
        "while len(r.tokens) < 20: e.step(); e.replay.wait()\n"
        "functions = list(captured._Function._known.values());"
        "hits = sum(sum(f.compiled.stats.cache_hits.values()) for f in functions);"
        "print(e.replay.replayed > 10, hits, len(functions), [t.id for t in r.tokens][:0])"
    )
    kept = own_cache(tmp_path / "cache", without="llaisys_mini_step_")
    said = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=kept
        ).stdout.split()[:3]
        for _ in range(2)
    ]
    assert said == [["True", "0", "1"], ["True", "1", "1"]]
