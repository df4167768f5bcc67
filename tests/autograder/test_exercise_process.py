"""Exercises run where no reference is, and nothing of the package that would be an answer; operators are answered."""

import dataclasses
import sys

import pytest

from autograder import tasks
from autograder.judge.submission import PASSED, REFUSED, WRONG
from llaisys_mini import check
from llaisys_mini.errors import CheckFailed
from llaisys_mini.exercises import layer_weights
from llaisys_mini.kernels.runtime import Runtime

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]


def judged_answer(judged, lab, name, source):
    """States and messages of the parts of one exercise, with this answer to it; None for the course's own."""
    plan, grade_id = tasks.plan_of(lab), f"{name}-python"
    mine = tuple(task for task in plan.tasks if task.grade_id == grade_id)
    assert mine
    verdict = judged(lab, {grade_id: source} if source else {}, dataclasses.replace(plan, tasks=mine))
    parts = [part for part in verdict.parts.values() if part.task == grade_id]
    return {part.state for part in parts}, "\n".join(part.message for part in parts), verdict


HEAD = (
    "import sys\nimport importlib\nimport numpy as np\nfrom llaisys_mini import answer, check, exercises, operators\n"
)
MLP = HEAD + '@answer("qwen_mlp")\ndef qwen_mlp(x, norm, gate, up, down, eps):\n{body}\n'
RIGHT_MLP = """    h = operators.rms_norm(x, norm, eps)
    inner = operators.swiglu(operators.linear(h, gate), operators.linear(h, up, None))
    out = np.empty_like(x)
    operators.add(x, y=operators.linear(inner, down), out=out)
    return out"""


def test_operators_are_answered(judged):
    """Also by keyword and with `out=`; and a cell may import what it does not need here."""
    states, message, verdict = judged_answer(judged, "13_qwen_block", "qwen_mlp", MLP.format(body=RIGHT_MLP))
    assert states == {PASSED}, message
    assert not verdict.tampering


def test_operators_take_tensors_and_say_what_is_wrong(judged):
    body = """    from llaisys_mini import Tensor
    h = operators.rms_norm(Tensor.from_numpy(x), Tensor.from_numpy(norm), eps)
    try:
        operators.linear(x, gate[:, 1:])
    except ValueError as problem:
        assert type(problem).__name__ == "ContractError" and "gate" not in str(problem)
        inner = operators.swiglu(operators.linear(h, gate), operators.linear(h, up)).numpy()
        return operators.add(x, operators.linear(inner, down))"""
    states, message, _ = judged_answer(judged, "13_qwen_block", "qwen_mlp", MLP.format(body=body))
    assert states == {PASSED}, message


def test_the_first_call_that_differs_is_told_as_check_tells_it(judged, tmp_path):
    """Of a public case; of a hidden one nothing, since it could hold the inputs."""
    source = MLP.format(body=RIGHT_MLP.replace("norm, eps)", "norm, 0.5)")).replace("check, ", "")
    states, _, verdict = judged_answer(judged, "13_qwen_block", "qwen_mlp", source)
    assert states == {WRONG} and not verdict.tampering
    public, hidden = (part.message for part in verdict.parts.values() if part.task == "qwen_mlp-python")
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "qwen_mlp.py").write_text(source)
    with Runtime(student=tmp_path).in_force(), pytest.raises(CheckFailed) as failed:
        check("qwen_mlp")
    in_the_lab = str(failed.value).splitlines()
    at = next(n for n, line in enumerate(in_the_lab) if "the first operator call that differs" in line)
    assert "is number 1: rms_norm(x (" in in_the_lab[at] and "eps is 0.5, expected 1e-06" in in_the_lab[at + 1]
    assert public.splitlines()[-2:] == in_the_lab[at : at + 2]
    assert "operator call" not in hidden and "eps" not in hidden


ATTACKS = {
    "the reference": "return getattr(exercises.get('qwen_mlp'), 'refe' + 'rence')(x, norm, gate, up, down, eps)",
    "the exercise": "f = exercises.get\n    return f('qwen_mlp')(x, norm, gate, up, down, eps)",
    "the exercise's answer": "f = exercises.get\n    return f('qwen_mlp').answering()(x, norm, gate, up, down, eps)",
    "the exercise's module": "m = sys.modules['llaisys_mini.exercises.qwen_mlp']\n"
    "    return getattr(m.qwen_mlp, 'refe' + 'rence')(x, norm, gate, up, down, eps)",
    "the module anew": "m = sys.modules.pop('llaisys_mini.exercises.qwen_mlp')\n"
    "    m = importlib.import_module('llaisys_mini.exercises.qwen_mlp')\n"
    "    return getattr(m.qwen_mlp, 'refe' + 'rence')(x, norm, gate, up, down, eps)",
    "the module reloaded": "m = importlib.reload(sys.modules['llaisys_mini.exercises.qwen_mlp'])\n"
    "    return getattr(m.qwen_mlp, 'refe' + 'rence')(x, norm, gate, up, down, eps)",
    "an operator's reference": "h = getattr(operators.rms_norm, 'refe' + 'rence')(x, norm, eps)\n    return h",
    "solutions": "import solutions.kernels.python.qwen_mlp as s\n    return s.qwen_mlp(x, norm, gate, up, down, eps)",
    "the decoder": "from llaisys_mini.layers import mlp",
    "garbage for the helper": "import os\n    for fd in range(3, 9):\n        try:\n"
    "            os.write(fd, b'x' * 16)\n        except OSError:\n            pass\n    return operators.add(x, x)",
    "a mistake's function": "return exercises.get('qwen_mlp').mistakes[0].function(x, norm, gate, up, down, eps) + x",
}


@pytest.mark.parametrize("body", ATTACKS.values(), ids=ATTACKS)
def test_nothing_there_is_the_answer(judged, body):
    states, message, _ = judged_answer(judged, "13_qwen_block", "qwen_mlp", MLP.format(body=f"    {body}"))
    assert PASSED not in states, message


VIEWS = 'import math\nfrom llaisys_mini import Tensor, answer\n\n\n@answer("tensor_views")\nclass Views:\n'
FROM_TENSOR = "".join(f"    {name} = Tensor.{name}\n" for name in ("is_contiguous", "view", "permute", "slice"))
BY_CALL = (
    "    def is_contiguous(self):\n        return self.is_contiguous()\n"
    "    def view(self, *shape):\n        return self.view(*shape)\n"
    "    def permute(self, *order):\n        return self.permute(*order)\n"
    "    def slice(self, dim, start, end):\n        return self.slice(dim, start, end)\n"
)
AGAIN = "import importlib, sys\nTensor = importlib.reload(sys.modules['llaisys_mini.tensor']).Tensor\n"


@pytest.mark.parametrize(
    "source", [VIEWS + FROM_TENSOR, VIEWS + BY_CALL, VIEWS.replace("\n\n\n", f"\n{AGAIN}") + FROM_TENSOR]
)
def test_the_packages_own_tensor_is_no_answer(judged, source):
    states, message, _ = judged_answer(judged, "06_tensor", "tensor_views", source)
    assert states == {WRONG}, message


SAMPLE = HEAD.replace("check, ", "") + (
    '{above}@answer("sample_token")\ndef sample_token(scores, temperature, top_k, chance):\n    {body}\n'
)


@pytest.mark.parametrize(
    ("above", "body"),
    [
        ("from llaisys_mini.text.sampling import Sampler\n", "return Sampler"),
        ("", "from llaisys_mini.text import sampling\n    return sampling.Sampler"),
        ("", "return sys.modules['llaisys_mini.text.sampling'].Sampler"),
        ("import llaisys_mini\n", "return llaisys_mini.text.sampling.Sampler"),
    ],
)
def test_the_packages_own_sampler_is_no_answer(judged, above, body):
    source = SAMPLE.format(above=above, body=body)
    states, message, _ = judged_answer(judged, "14_the_decoder_speaks", "sample_token", source)
    assert states == {WRONG} and "ampl" in message, message


FORWARD = HEAD + '@answer("decoder_forward")\ndef decoder_forward(ids, weights, config, cache):\n    {body}\n'


@pytest.mark.parametrize("name", ["decoder_forward", "layer_weights"])
def test_only_what_an_exercise_builds_on_is_answered(judged, name):
    source = FORWARD.format(body=f"f = exercises.get\n    return f('{name}')(ids)")
    states, message, _ = judged_answer(judged, "14_the_decoder_speaks", "decoder_forward", source)
    assert states <= {WRONG, REFUSED} and f"decoder_forward does not build on {name}" in message


POOL = HEAD + '@answer("page_pool")\nclass Pool:\n{body}\n'
SUBCLASS = """    def __new__(cls, pages):
        kinds = {kind.__name__: kind for kind in object.__subclasses__()}
        return kinds["page_pool"](pages)
    def __init__(self, pages):
        pass"""
GLOBALS = """    def __new__(cls, pages):
        module = sys.modules["llaisys_mini.exercises.page_pool"]
        kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
        return kinds[0](pages)
    def __init__(self, pages):
        pass"""


@pytest.mark.parametrize("body", [SUBCLASS, GLOBALS])
def test_a_reference_that_is_a_class_is_not_left_over(judged, body):
    states, message, _ = judged_answer(judged, "16_many_texts", "page_pool", POOL.format(body=body))
    assert states == {WRONG} and ("KeyError" in message or "IndexError" in message), message


ONE_TEXT = """    def __init__(self, pages):
        self.left = list(range(pages))
    def take(self):
        return self.left.pop(0) if self.left else None
    def share(self, pages):
        pass
    def release(self, pages):
        self.left += pages[::-1]
    def publish(self, page, key):
        pass
    def find(self, keys):
        return {}["missing"] if "B" in keys else []"""


def test_the_judge_names_the_event(judged):
    """The first that differs, or at which something was raised; of hidden cases neither."""
    states, message, verdict = judged_answer(judged, "16_many_texts", "page_pool", POOL.format(body=ONE_TEXT))
    assert states == {WRONG}
    public, hidden = (part.message for part in verdict.parts.values() if part.task == "page_pool-python")
    assert "'a page that two texts use'" in public
    assert "event 6: take()\n    got      0\n    expected None\n  before it, all right: ..." in public
    assert "event" not in hidden, hidden
    raising = ONE_TEXT.replace("if self.left else None", 'if self.left else {}["none is left"]')
    _, message, _ = judged_answer(judged, "16_many_texts", "page_pool", POOL.format(body=raising))
    assert "on the case 'as it was made' raised KeyError: 'none is left'; at event 5, take()" in message


def test_an_asynchronous_function_is_an_answer(judged):
    """And what drives it needs neither sockets nor a clock, which are not there."""
    states, message, _ = judged_answer(judged, "17_service", "abort_on_disconnect", None)
    assert states == {PASSED}, message


LAYER = (
    HEAD
    + '@answer("layer_weights")\ndef layer_weights(take, index):\n    names = {names}\n'
    + ('    return {{ours: take(f"model.layers.{{index}}.{{theirs}}") for ours, theirs in names.items()}}\n')
)


@pytest.mark.parametrize(
    "names",
    [
        'take.__globals__["NAMES"]',
        "sys.modules['llaisys_mini.exercises.layer_weights'].NAMES",
        "next(v for v in take.__globals__.values() if isinstance(v, dict) and 'input_norm' in v)",
        "next(c.cell_contents for c in take.__closure__ if 'input_norm' in c.cell_contents)",
    ],
)
def test_what_gives_an_answer_its_inputs_holds_no_table_of_them(judged, names):
    source = LAYER.format(names=names)
    states, message, _ = judged_answer(judged, "14_the_decoder_speaks", "layer_weights", source)
    assert states == {WRONG}, message


def test_the_table_of_names_written_out_is_right(judged):
    source = LAYER.format(names=repr(layer_weights.NAMES))
    states, message, _ = judged_answer(judged, "14_the_decoder_speaks", "layer_weights", source)
    assert states == {PASSED}, message
