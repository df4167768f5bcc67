"""What drives an answer to an exercise, counts and compares is out of the answer's reach.

Each attack was written by a reader of the code, for points that the answer does not deserve.
"""

import dataclasses
import sys

import pytest

from autograder import sandbox, tasks
from autograder.judge.submission import PASSED
from autograder.sandbox.limits import Limits

from .remembering import RememberingWorker
from .test_exercise_process import HEAD, judged_answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
]

LAYERS_SAID = """
def said(name, points):
    told = {"w1, b1, w2, b2": "there"}
    for a, b in points:
        if name == "xor":
            told[f"{name} for {a}, {b}"] = "yes" if a != b else "no"
        elif name == "triangle":
            told[f"{name} for {a}, {b}"] = "yes" if a >= 0 and b >= 0 and a + b <= 4 else "no"
        else:
            told[f"{name} for {a}, {b}"] = float(abs(a - b))
    return told
"""
"""What is compared, computed without any network."""

LAYERS = HEAD + LAYERS_SAID + "{above}\n\n@answer('layers_by_hand')\ndef layers_by_hand():\n    {body}\n"
LAYERS_ATTACKS = {
    "another harness": (
        "import llaisys_mini.exercise as home\nhome.Exercise.run_on = lambda self, answer, inputs: said(**inputs)",
        "return {}",
    ),
    "another use": (
        "exercises.layers_by_hand._use = lambda answer, name, points: said(name, points)",
        "return {}",
    ),
    "the caller's own variables": (
        "",
        "frame = sys._getframe(1)\n    while 'points' not in frame.f_locals:\n        frame = frame.f_back\n"
        "    kind, points = frame.f_locals['name'], frame.f_locals['points']\n"
        "    frame.f_globals['np'] = type('N', (), dict(asarray=np.array))\n"
        "    raise SystemExit(0)",
    ),
    "the entry of a dictionary": (
        "class Sly(dict):\n    def __contains__(self, name):\n        return False\n"
        "def nothing(name, points, why):\n    return said(name, points)",
        "sys._getframe(1).f_globals['_nothing'] = nothing\n    return Sly()",
    ),
    "messages of its own": (
        "import gc\n",
        "import os\n    from autograder import channel\n    frame = sys._getframe(1)\n"
        "    while frame is not None and 'points' not in frame.f_locals:\n        frame = frame.f_back\n"
        "    for fd in range(3, 9):\n        for number in range(6):\n            try:\n"
        "                value = said(**{k: frame.f_locals[k] for k in ('name', 'points')}) if frame else {}\n"
        "                channel.send(fd, {'case': number, 'result': value, 'inputs': {}})\n"
        "            except Exception:\n                pass\n    return {}",
    ),
}


@pytest.mark.parametrize("attack", LAYERS_ATTACKS.values(), ids=LAYERS_ATTACKS)
def test_layers_are_computed_elsewhere(judged, attack):
    above, body = attack
    states, message, _ = judged_answer(
        judged, "02_layers", "layers_by_hand", LAYERS.replace("{above}", above).replace("{body}", body)
    )
    assert PASSED not in states, message


FRAMES = """
def of_callers(*names):
    frame = sys._getframe(1)
    while frame is not None:
        if all(name in frame.f_locals for name in names):
            return [frame.f_locals[name] for name in names]
        frame = frame.f_back
    raise LookupError("not here")


LINE = [c.cell_contents for c in type(operators.add).__call__.__closure__ if callable(c.cell_contents)][0]
LINE = [c.cell_contents for c in LINE.__closure__ if hasattr(c.cell_contents, "serve")][0]
"""
"""What an attack needs: the variables of those who called it, and the line to the process that drives it."""

NEURON = '@answer("neuron_by_hand")\ndef neuron_by_hand():\n    {body}\n'
POOL = '@answer("page_pool")\nclass Pool:\n    def __init__(self, pages):\n        {body}\n'
SPECULATE = '@answer("speculate")\ndef speculate(text, count, guess, model):\n    {body}\n'
MATCH = '@answer("prefix_match")\ndef prefix_match(ids, size, key_of, pages):\n    {body}\n'
EVENTS = '@answer("sse_events")\ndef sse_events(common, deltas, ending):\n    {body}\n'
ABORT = '@answer("abort_on_disconnect")\nasync def abort_on_disconnect(receive, send, events, abort):\n    {body}\n'
MLP = '@answer("qwen_mlp")\ndef qwen_mlp(x, norm, gate, up, down, eps):\n    {body}\n'
ONE_BY_ONE = "new = []\n    for _ in range(count):\n        new += model(text + new, 1)\n    return new"
LABS = {NEURON: "01_neuron", POOL: "16_many_texts", SPECULATE: "16_many_texts", MATCH: "16_many_texts"}
LABS |= {EVENTS: "17_service", ABORT: "17_service", MLP: "13_qwen_block"}

ATTACKS = {
    "the points that are asked": (NEURON, "", "name, points = of_callers('name', 'points')\n    return {name: points}"),
    "the events to come": (POOL, "", "self.events = of_callers('events')\n        print(self.events)"),
    "the story": (SPECULATE, "", "[story] = of_callers('story')\n    return story[len(text) : len(text) + count]"),
    "the story behind the model": (
        SPECULATE,
        "",
        "story = dict(zip(model.__code__.co_freevars, model.__closure__))['story'].cell_contents\n"
        "    return story[len(text) : len(text) + count]",
    ),
    "a log that forgets passes": (
        SPECULATE,
        "from llaisys_mini import trace\ntrace.Log.note = lambda self, asked, got=None: None\n",
        ONE_BY_ONE,
    ),
    "a log of its own": (SPECULATE, "", f"[log] = of_callers('log')\n    log.entries.clear()\n    {ONE_BY_ONE}"),
    "no harness": (
        SPECULATE,
        "exercises.speculate._harness = lambda answer, log, **inputs: None\n",
        ONE_BY_ONE,
    ),
    "an attribute of a function over there": (
        MATCH,
        "",
        "LINE.ask({'attribute': key_of._number, 'name': '__globals__'})",
    ),
    "a method of a function over there": (MATCH, "", "LINE.call(key_of._number, (), {}, '__reduce__')"),
    "what was never handed out": (MATCH, "", "[LINE.call(number, (), {}) for number in range(99)]"),
    "the functions themselves as a result": (MATCH, "", "return key_of, LINE"),
    "replies in advance": (MATCH, "", "LINE.tell({'result': ([], 0)})\n    return [], 0"),
    "an end": (MATCH, "", "LINE.tell({'done': True})"),
    "a verdict": (MATCH, "", "LINE.tell({'case': 0, 'result': [], 'inputs': {}, 'calls': 0})"),
    "a sandbox that does not hold": (MATCH, "", "LINE.tell({'sandbox': 'no'})"),
    "an operator that is none": (MLP, "", "LINE.ask({'operator': ['add'], 'arguments': 3, 'named': 'x'})"),
    "an operator's own function": (MLP, "", "LINE.ask({'operator': '__init__', 'arguments': [], 'named': {}})"),
    "an exercise as an operator": (MLP, "", "LINE.ask({'operator': 'qwen_mlp', 'arguments': [x], 'named': {}})"),
    "an operator too large": (MLP, "", "w = np.ones((60_000, 1), x.dtype)\n    return operators.linear(w, w)"),
    "bytes on the line": (MLP, "", "import os\n    os.write(LINE._descriptor, b'\\xff' * 99)\n    return x"),
    "a sea of reports": (MLP, "", "for _ in range(3000):\n        LINE.tell({'tried': ['open', 'x']})\n    return x"),
    "a report that is none": (MLP, "", "LINE.tell({'tried': {'open': 3}})\n    return x"),
    "all in advance": (EVENTS, "", "pieces = list(deltas)\n    yield from [b'data: ' + p.encode() for p in pieces]"),
    "a generator that never ends": (EVENTS, "", "while True:\n        yield b''"),
    "the happenings": (ABORT, "", "[happenings] = of_callers('happenings')\n    await send(happenings)"),
    "one that cannot be cancelled": (
        ABORT,
        "",
        "while True:\n        try:\n            await receive()\n        except BaseException:\n            pass",
    ),
}


@pytest.fixture(scope="module")
def impatient():
    """A worker whose limits end what never ends."""
    with RememberingWorker(sandbox.candidates()[0], Limits(wall=60, cpu=4)) as worker:
        yield worker


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_drives_an_answer_is_out_of_its_reach(judged, impatient, attack):
    template, above, body = attack
    name = template.split('"')[1]
    plan, grade_id = tasks.plan_of(LABS[template]), f"{name}-python"
    plan = dataclasses.replace(plan, tasks=tuple(task for task in plan.tasks if task.grade_id == grade_id))
    source = (HEAD + FRAMES + above + template).replace("{body}", body)
    verdict = judged(LABS[template], {grade_id: source}, plan, impatient)
    parts = [part for part in verdict.parts.values() if part.task == grade_id]
    assert parts and PASSED not in {part.state for part in parts}
    assert len(verdict.tampering) < 100
    right = judged(LABS[template], None, plan, impatient)  # and the next one finds all as it was
    assert {part.state for part in right.parts.values() if part.task == grade_id} == {PASSED}
