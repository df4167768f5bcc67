"""A profile counts every call once, puts every second somewhere, and tells who answered. No clock: time is counted."""

import itertools

import numpy as np
import pytest

from llaisys_mini import load_model, operators, profile_model, profile_tokens, use_kernels
from llaisys_mini.engine import profile_chart, profiling
from llaisys_mini.engine.profile import BETWEEN, HEAD, LAYERS, Phase, Profile, Row
from llaisys_mini.errors import GenerationError
from llaisys_mini.kernels.runtime import current, observe_calls
from llaisys_mini.models import shapes
from tests.models.random_models import BASE, make_checkpoint

LAYERS_OF_BASE = BASE["num_hidden_layers"]
SMALL = shapes.QWEN3_06B | {
    "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8, "num_hidden_layers": 6,
}  # fmt: skip


def ticking():
    """A clock that goes on by one whenever it is looked at."""
    ticks = itertools.count()
    return lambda: next(ticks)


@pytest.fixture
def model(tmp_path):
    return load_model(make_checkpoint(tmp_path))


def calls(phase):
    return {label: row.calls for label, row in phase.by_label().items() if label != BETWEEN}


def test_every_call_is_counted_once(model):
    made = []
    with observe_calls(lambda operator, arguments, results: made.append(operator.name)):
        profile = profile_model(model, prompt=5, new_tokens=4, runs=1, clock=ticking())
    n = LAYERS_OF_BASE
    one_pass = {"embedding": 1, "linear": 7 * n, "rope": 2 * n, "attention": n, "swiglu": n, "add_rms_norm": 2 * n}
    one_pass |= {"rms_norm": 2 * n + 1, "linear (head)": 1, "argmax": 1}
    assert calls(profile.prefill) == one_pass
    assert calls(profile.decode) == {name: 3 * count for name, count in one_pass.items()}
    warming_up = 2 * sum(one_pass.values())
    assert len(made) == warming_up + sum(calls(profile.prefill).values()) + sum(calls(profile.decode).values())
    assert (profile.prefill.tokens, profile.decode.tokens) == (5, 3)


def test_every_second_has_its_place(model):
    profile = profile_model(model, prompt=5, new_tokens=4, runs=1, clock=ticking())
    for phase in (profile.prefill, profile.decode):
        number = sum(calls(phase).values())
        # The clock is read before and after each call, and at the end of the phase.
        assert phase.seconds == 2 * number + 1
        between = phase.by_label()[BETWEEN]
        assert between.seconds == number + 1
        assert sum(row.seconds for row in phase.rows) == sum(row.seconds for row in phase.by_label().values())
        seconds = [row.seconds for row in phase.rows]
        assert seconds == sorted(seconds, reverse=True)
        assert phase.tokens_per_second == phase.tokens / phase.seconds


def test_the_run_in_the_middle_counts(model, monkeypatch):
    order = iter([9, 30, 10, 20])
    real = profiling._run

    def run(*arguments):
        pace = next(order)
        return [Phase(p.name, p.tokens, (Row("linear", LAYERS, 1, pace),)) for p in real(*arguments)]

    monkeypatch.setattr(profiling, "_run", run)
    profile = profile_model(model, prompt=2, new_tokens=2, runs=3)
    assert (profile.prefill.seconds, profile.decode.seconds) == (20, 20)  # of 30, 10, 20; the first run warms up


def test_who_answered_is_told_of_this_run_only(model):
    use_kernels("solutions")
    try:
        operators.linear(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))
        use_kernels("reference")
        profile = profile_model(model, prompt=3, new_tokens=2, runs=1, clock=ticking())
        assert {row.kernels for row in profile.decode.rows if row.operator != BETWEEN} == {("reference",)}
        use_kernels("reference", linear="solutions")
        profile = profile_model(model, prompt=3, new_tokens=2, runs=1, clock=ticking())
        assert profile.prefill.by_label()["linear"].kernels == ("solutions",)
        assert profile.prefill.by_label()["rope"].kernels == ("reference",)
    finally:
        use_kernels()


def test_a_function_answers_in_the_place_of_a_kernel(model):
    shapes_seen = set()

    def linear(x, weight, bias, out):
        shapes_seen.add(weight.shape)
        out[:] = x @ weight.T

    profile = profile_model(model, 3, 2, kernels={"linear": linear, "rope": "reference"}, runs=1, clock=ticking())
    assert profile.prefill.by_label()["linear"].kernels == ("given",)
    assert profile.decode.by_label()["rope"].kernels == ("reference",)
    assert (BASE["vocab_size"], BASE["hidden_size"]) in shapes_seen
    seen = len(shapes_seen)
    profile_model(model, 3, 2, runs=1, clock=ticking())
    assert len(shapes_seen) == seen and current().per_operator == {}


def test_a_shape_needs_few_of_its_layers(monkeypatch):
    monkeypatch.setitem(shapes.SHAPES, "small", SMALL)
    whole = profile_model("shape:small", 4, 3, layers=6, runs=1, clock=ticking())
    part = profile_model("shape:small", 4, 3, layers=2, runs=1, clock=ticking())
    assert (part.measured, part.layers, whole.measured) == (2, 6, 6)
    for one, other in ((whole.prefill, part.prefill), (whole.decode, part.decode)):
        assert calls(one) == calls(other)
        assert one.by_label()["linear"].seconds == other.by_label()["linear"].seconds
        assert one.by_label()["linear (head)"].seconds == other.by_label()["linear (head)"].seconds
    assert "2 of 6 layers run" in part.title and "6 layers" in whole.title
    assert profile_model("shape:small", 2, 2, runs=1, clock=ticking()).measured == 4


def test_random_weights_have_the_dtype_asked_for(monkeypatch):
    monkeypatch.setitem(shapes.SHAPES, "small", SMALL)
    seen = set()

    def note(operator, arguments, results):
        if operator.name == "linear":
            seen.add(str(arguments[1].dtype))

    with observe_calls(note):
        profile_model("shape:small", 2, 2, runs=1)
        profile_model("shape:small", 2, 2, runs=1, dtype="float32")
    assert seen == {"bfloat16", "float32"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shape:qwen9",), "no shape 'qwen9'; there are: qwen3-0.6b"),
        (("mini", 0), "a prompt of 1 token or more"),
        (("mini", 4, 1), "2 new tokens or more"),
    ],
)
def test_what_cannot_be_profiled_is_said(arguments, said):
    with pytest.raises(GenerationError, match=said):
        profile_model(*arguments)


def test_more_layers_than_there_are():
    with pytest.raises(GenerationError, match=r"qwen3-0\.6b has 28 layers: ask for 2 to 28, not 29"):
        profile_model("shape:qwen3-0.6b", layers=29)


def made_up(linear, rope, between):
    rows = (
        Row("linear", LAYERS, 196, linear, ("student",)),
        Row("rope", LAYERS, 56, rope, ("solutions",)),
        Row("linear", HEAD, 1, 0.5, ("student",)),
        Row(BETWEEN, LAYERS, 0, between),
    )
    return Profile("qwen3-0.6b's shape, random weights", Phase("prefill", 128, rows), Phase("decode", 10, rows), 4, 28)


def test_the_text_fits_a_terminal():
    lines = str(made_up(8.0, 1.0, 0.5)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2] == "prefill of 128 tokens: 10.000 s, 12.8 tokens/s"
    assert lines[3].split() == ["linear", "80.0%", "#" * 19, "196", "x", "student"]
    assert [line.split()[0] for line in lines[3:7]] == ["linear", "rope", "linear", "Python"]
    assert lines[8] == "decode, 10 tokens: 1,000.00 ms per token, 1.0 tokens/s"


def test_the_figure_has_a_bar_for_each_profile():
    fig, alt = profile_chart.draw({"before": made_up(8.0, 1.0, 0.5), "after": made_up(1.0, 1.0, 0.5)})
    prefill, decode = fig.axes
    assert [label.get_text() for label in prefill.get_yticklabels()] == ["before", "after"]
    assert (prefill.get_xlabel(), decode.get_xlabel()) == ("seconds", "milliseconds per new token")
    ends = {}
    for patch in prefill.patches:
        ends[round(patch.get_y(), 3)] = patch.get_x() + patch.get_width()
    assert sorted(ends.values()) == [3.0, 10.0]
    assert "before, prefill: 12.8 tokens per second, linear takes 80% of the time" in alt
    shown = {text.get_text() for text in fig.legends[0].get_texts()}
    assert {"linear", "linear (head)", "other operators", BETWEEN} <= shown


def test_a_call_is_announced_before_its_kernel_runs():
    happened = []
    x = np.ones(3, np.float32)
    before = current()
    started = lambda operator, arguments: happened.append((operator.name, len(arguments)))  # noqa: E731
    with observe_calls(lambda *_: happened.append("after"), before=started):
        operators.relu(x)
        with observe_calls(lambda *_: happened.append("inner")):
            operators.relu(x)
    operators.relu(x)
    assert happened == [("relu", 1), "after", ("relu", 1), "after", "inner"]
    assert current() is before


def two_calls_a_token(ids, count):
    """What a learner's loop looks like from outside: an iterator whose items are computed when they are asked for."""
    for _ in range(count):
        operators.add(np.ones(3, np.float32), np.ones(3, np.float32))
        index, _ = operators.argmax(np.arange(5.0, dtype=np.float32))
        yield int(index)


def test_a_text_that_others_write_is_profiled_the_same_way():
    profile = profile_tokens("mine", two_calls_a_token, 5, 4, layers=7, runs=1, clock=ticking())
    assert calls(profile.prefill) == {"add": 1, "argmax": 1}
    assert calls(profile.decode) == {"add": 3, "argmax": 3}
    assert (profile.prefill.tokens, profile.decode.tokens) == (5, 3)
    assert profile.decode.seconds == 2 * 6 + 1
    assert profile.title == "mine, 7 layers"
    with use_kernels("reference"):
        named = profile_tokens("mine", two_calls_a_token, 5, 2, runs=1)
    assert {row.kernels for row in named.decode.rows if row.operator != BETWEEN} == {("reference",)}


def test_a_text_that_ends_too_early_is_told():
    with pytest.raises(GenerationError, match="ended before it had 6 new tokens"):
        profile_tokens("mine", lambda ids, count: two_calls_a_token(ids, 4), 5, 6, runs=1)
