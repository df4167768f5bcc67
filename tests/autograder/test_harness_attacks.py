"""What drives an answer to an exercise, counts and compares is out of the answer's reach.

Each attack was written by a reader of the code, for points that the answer does not deserve.
"""

import sys

import pytest

from autograder.judge.submission import PASSED

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
