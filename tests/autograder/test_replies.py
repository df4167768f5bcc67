"""Nothing that a worker says raises in the judge, and nothing of another form than asked for is looked at."""

import dataclasses
import json
import os
import random
import struct
import threading
import time

import numpy as np
import pytest

from autograder import channel, replies, tasks
from autograder.channel import ChannelError
from autograder.judge import submission as judge
from autograder.judge.verdicts import TAMPERING
from autograder.plain import plain, plain_name
from autograder.reading.notebook import Reading, cells_of
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Ended, SandboxFailed

LAB = "07_softmax"
ERROR = ["ValueError", "no"]
FINDING = ["race", "kernel", 3, "text", "line"]
CASE = {"case": 0, "outputs": [np.zeros(3)], "inputs": {"x": np.zeros(3)}}
FACTS = dict(operator="softmax", vector_instructions=1, vectorised_sums=True, fma=True, parallel=True)
FACTS |= dict(allocations=0, case="a case")
GOOD = [
    {"done": True},
    {"error": ERROR},
    {"sandbox": "it does not hold"},
    {"tried": ["open", "/etc/passwd"]},
    {"compiled": {"dispatcher": False}},
    {"compiled": {"dispatcher": True, "object_mode": False, "blas": []}},
    {"explained": FACTS},
    {"explained": {"error": ERROR}},
    {"traffic": dict(operator="matmul", loads=1, stores=1, misses=1, work=1), "number": 0},
    {"case": 0, "error": ERROR},
    {"case": 0, "result": {"any": [1, (2, None)]}, "inputs": {}, "calls": 3},
    {"case": 0, "called": ["add", {"x": np.zeros(3), "y": None}, [np.zeros(3)]]},
    {"malformed": "a message of unknown form"},
    CASE | {"out_of_bounds": []},
    CASE | {"findings": [FINDING], "remarks": [], "launches": [["k", "int"]]},
]


@pytest.mark.parametrize("message", GOOD)
def test_what_a_worker_says_is_taken(message):
    assert replies.checked(message).keys() == message.keys()


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "done",
        {},
        {1: 2},
        {"done": 1},
        {"error": "x"},
        {"error": ["x"]},
        {"error": ["x", 3]},
        {"error": ["x", "y", "z"]},
        {"sandbox": 5},
        {"sandbox": ["no"]},
        {"tried": "open"},
        {"tried": ["open", 3]},
        {"done": True, "case": 0},
        {"case": -1, "error": ERROR},
        {"case": 10**9, "error": ERROR},
        {"case": True, "error": ERROR},
        {"case": "0", "error": ERROR},
        {"case": np.int64(0), "error": ERROR},
        {"case": 0},
        {"case": 0, "outputs": [], "inputs": {}},
        {"case": 0, "result": 1, "inputs": None, "calls": 0},
        {"case": 0, "result": 1, "inputs": {}, "calls": -1},
        {"case": 0, "result": 1, "inputs": {}},
        {"case": 0, "called": ["add", {}]},
        {"case": 0, "called": ["add", {"x": 1}, [3]]},
        {"malformed": None},
        CASE | {"outputs": [1.0], "out_of_bounds": []},
        CASE | {"inputs": {3: np.zeros(3)}, "out_of_bounds": []},
        CASE | {"out_of_bounds": ["x"] * 60_000},
        CASE | {"out_of_bounds": "x"},
        CASE | {"findings": [FINDING]},
        CASE | {"findings": [[*FINDING[:2], -1, "", ""]], "remarks": [], "launches": [["k", "int"]]},
        CASE | {"findings": [[*FINDING[:2], True, "", ""]], "remarks": [], "launches": [["k", "int"]]},
        CASE | {"findings": [[]], "remarks": [], "launches": [["k", "int"]]},
        {"explained": FACTS | {"fma": 1}},
        {"explained": FACTS | {"allocations": float("nan")}},
        {"explained": FACTS | {"allocations": -1}},
        {"explained": FACTS | {"more": 1}},
        {"explained": {}},
        {"explained": None},
        {"explained": {"error": "x"}},
        {"traffic": dict(operator="matmul", loads=10**30, stores=1, misses=1, work=1), "number": 0},
        {"compiled": {"dispatcher": 1}},
        {"compiled": {"dispatcher": True, "blas": "x"}},
        {"compiled": []},
    ],
)
def test_other_forms_are_refused(message):
    with pytest.raises(ChannelError):
        replies.checked(message)


def test_texts_of_messages_are_plain_and_short():
    told = replies.checked({"error": ["\x1b[31mX\ud83d", "y" * 10**6]})["error"]
    assert told[0] == "\ufffd[31mX\ufffd" and len(told[1]) <= 4000
    assert plain("a\r\nb\tc\u202e") == "a\nb\tc\ufffd"
    assert plain_name("../../etc") == ".._.._etc" and plain_name("..") == "_" and plain_name("") == "_"
    assert len(plain_name("é" * 500).encode()) <= 200


# ---- fuzz --------------------------------------------------------------------------------------------------------


def anything(rng: random.Random, depth: int = 0):
    """Some value that messages may hold, odd ones more often."""
    kind = rng.randrange(12 if depth < 4 else 8)
    if kind < 6:
        return rng.choice([None, True, False, -1, 0, 2**63, 10**299, float("nan"), float("inf"), "", "\ud800", "x\0"])
    if kind < 8:
        shape = rng.choice([(), (0,), (3,), (2, 0, 4), (1, 1, 1, 1)])
        return np.full(shape, rng.choice([0, 1]), rng.choice(channel.DTYPES))
    if kind == 8:
        return tuple(anything(rng, depth + 1) for _ in range(rng.randrange(4)))
    if kind == 9:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(["case", "error", "x", 3, (1, 2)]): anything(rng, depth + 1) for _ in range(rng.randrange(4))}


def mutated(rng: random.Random, message: dict) -> dict:
    """A message of the right kind with a part of it exchanged."""
    changed = dict(message)
    for _ in range(rng.randint(1, 2)):
        key = rng.choice([*changed, "case", "result", "traffic", "findings"])
        kind = rng.randrange(4)
        if kind == 0:
            changed.pop(key, None)
        elif kind == 1 and isinstance(changed.get(key), list) and changed[key]:
            changed[key] = [*changed[key][:-1], anything(rng)]
        elif kind == 2 and isinstance(changed.get(key), dict):
            changed[key] = {**changed[key], rng.choice([*changed[key], "x"]): anything(rng)}
        else:
            changed[key] = anything(rng)
    return changed


LONG = pytest.param(20_000, marks=pytest.mark.long)


@pytest.mark.parametrize("count", [600, LONG])
def test_no_bytes_raise_anything_but_channel_errors(count):
    rng = random.Random(3)
    for number in range(count):
        message = channel.pack(rng.choice(GOOD) if number % 2 else anything(rng))
        text_size, _ = struct.unpack("<QQ", message[:16])
        text, arrays = bytearray(message[16 : 16 + text_size]), bytearray(message[16 + text_size :])
        for _ in range(rng.randint(0, 3)):
            target = text if rng.random() < 0.8 or not arrays else arrays
            at = rng.randrange(len(target) + 1)
            cut = rng.choice(
                [b"", b"[", b"]", b'"', b"9" * 400, b'["int","1"],', b"\xff", b"\\ud800", b"1e999,", b"null"]
            )
            target[at : at + rng.randrange(3)] = cut
        try:
            replies.checked(channel.unpack(bytes(text), bytes(arrays)))
        except ChannelError as problem:
            assert str(problem).encode()


class Told:
    """In place of a worker: tells the judge what a test makes it say."""

    limits = Limits()

    def __init__(self, tell):
        self.tell = tell
        self.closed = 0

    def run(self, request):
        ended = Ended(finished=True)
        for message in self.tell(request):
            try:
                message = replies.checked(channel.unpack(*_halves(channel.pack(message))))
            except ChannelError as problem:
                ended = Ended(malformed=str(problem))
                break
            if "done" in message:
                break
            if set(message) == {"error"}:
                ended = Ended(error=message["error"])
                break
            if set(message) == {"sandbox"}:
                raise SandboxFailed(message["sandbox"])
            if "tried" not in message:
                yield message
        yield ended

    def close(self):
        self.closed += 1


def _halves(message: bytes):
    size, _ = struct.unpack("<QQ", message[:16])
    return message[16 : 16 + size], message[16 + size :]


@pytest.fixture(scope="module")
def small():
    """A plan with the two tasks whose cases cost least, and the solved lab."""
    tasks.make_if_stale()
    plan = tasks.plan_of(LAB)
    wanted = ("softmax-cpu", "merge_softmax-python")
    parts = tuple(p for p in plan.parts if p.checks and {check.task for check in p.checks} <= set(wanted))
    plan = dataclasses.replace(plan, tasks=tuple(t for t in plan.tasks if t.grade_id in wanted), parts=parts)
    data = (tasks.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb").read_bytes()
    return plan, Reading(cells_of(data))


def honest(request):
    """What a worker that computes nothing right would say."""
    if request["device"] == "python":
        for number, case in enumerate(request["cases"]):
            yield {"case": number, "result": {}, "inputs": case["inputs"], "calls": number % 2}
            if request.get("calls"):
                yield {"case": number, "called": ["add", {"x": np.zeros(3), "y": np.zeros(3)}, [np.zeros(3)]]}
    else:
        yield {"compiled": {"dispatcher": True, "object_mode": False, "blas": []}}
        for number, case in enumerate(request["cases"]):
            outputs = [np.full(shape, 0, dtype) for dtype, shape, _ in case["outputs"]]
            yield {"case": number, "outputs": outputs, "inputs": case["inputs"], "out_of_bounds": []}
        yield {"explained": FACTS}
    yield {"done": True}


@pytest.mark.parametrize("count", [100, LONG])
def test_the_judge_survives_whatever_is_said(small, count):
    plan, reading = small
    rng = random.Random(4)

    def tell(request):
        for message in honest(request):
            while rng.random() < 0.3:
                yield mutated(rng, rng.choice([message, *GOOD[4:]]))
            yield message if rng.random() < 0.8 else mutated(rng, message)

    for _ in range(count):
        try:
            verdict = judge.judge(plan, "a student", reading, Told(tell), b"secret")
        except SandboxFailed:
            continue
        assert verdict.state in judge.STATES
        json.dumps(verdict.as_data()).encode()
        assert all(part.points in (None, 0.0, part.maximum) for part in verdict.parts.values())


@pytest.mark.parametrize(
    "said",
    [
        {"sandbox": 3},
        {"error": "x"},
        {"case": 0, "error": "x"},
        {"explained": 3},
        {"case": 0, "result": 1, "inputs": 1},
        {"unknown": 1},
    ],
)
def test_what_is_no_message_is_reported(small, said):
    plan, reading = small
    verdict = judge.judge(plan, "a student", reading, Told(lambda request: [said]), b"secret")
    assert verdict.state == TAMPERING and verdict.points == 0
    assert "channel" in next(iter(verdict.parts.values())).message


def test_a_case_is_answered_once(small):
    plan, reading = small

    def tell(request):
        messages = list(honest(request))
        yield from messages[:-1]
        yield from messages[:-1]
        yield messages[-1]

    assert judge.judge(plan, "a student", reading, Told(tell), b"secret").state == TAMPERING


def test_a_sender_that_is_slow_or_never_ends_is_left():
    source, sink = os.pipe()
    os.write(sink, struct.pack("<QQ", 10, 0) + b"half")
    with pytest.raises(channel.ChannelTimeout):
        channel.receive(source, time.monotonic() + 0.2)
    os.close(source)
    os.close(sink)


@pytest.mark.parametrize("sizes", [(2**40, 0), (8, 2**40), (2**64 - 1, 2**64 - 1)])
def test_a_message_that_claims_to_be_large_takes_no_memory(sizes):
    source, sink = os.pipe()
    writer = threading.Thread(target=os.write, args=(sink, struct.pack("<QQ", *sizes) + b"x" * 100))
    writer.start()
    with pytest.raises(ChannelError, match="larger than allowed"):
        channel.receive(source, time.monotonic() + 60)
    writer.join()
    os.close(source)
    os.close(sink)


def test_what_is_too_large_for_a_message_is_the_senders_to_tell():
    # The last one would not fit into memory: its size is looked at before it is copied.
    for value in (10**400, ["x" * 100] * 50_000, np.zeros(2**26), np.broadcast_to(0.0, (2**20, 2**30))):
        with pytest.raises(channel.NotSendable):
            channel.pack(value)
