"""Two processes that use each other's objects: what crosses the line, and what the end that drives gives away."""

import copy
import random
import socket
import threading

import numpy as np
import pytest

from autograder.channel import ChannelClosed, ChannelError, NotSendable, pack
from autograder.worker.remote import Peer, RemoteObject, told
from llaisys_mini import exercises

from .test_replies import LONG, anything


class Counter:
    def __init__(self, start=0):
        self.count, self.history = start, [start]

    def add(self, *values):
        self.count += sum(values)
        return self.count

    def __add__(self, other):
        return Counter(self.count + other.count)


@pytest.fixture
def line():
    """line(loaded): the driving end; the other one serves in a thread, and gives `loaded`."""
    ends = []

    def connected(loaded):
        ours, theirs = socket.socketpair()
        ends.extend([ours, theirs])
        other = Peer(theirs.fileno(), gives_attributes=True, load=lambda _: {"result": loaded})

        def serve():
            with pytest.raises((ChannelClosed, ChannelError)):
                other.serve()

        thread = threading.Thread(target=serve)
        thread.start()
        ends.append(thread)
        return Peer(ours.fileno(), gives_attributes=False)

    yield connected
    for end in ends:
        if isinstance(end, socket.socket):
            end.shutdown(socket.SHUT_RDWR)
    for end in ends:
        if isinstance(end, threading.Thread):
            end.join()
    for end in ends:
        if isinstance(end, socket.socket):
            end.close()


def load(peer):
    return peer.ask({"load": True})["result"]


def test_objects_methods_and_attributes(line):
    kind = load(line(Counter))
    counter = kind(3)
    assert isinstance(counter, RemoteObject) and counter.count == 3
    assert counter.add(1, 2) == 6 and counter.add() == 6 and counter.count == 6
    assert (counter + kind(4)).count == 10
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        counter.missing  # noqa: B018


@pytest.mark.parametrize("name", exercises.names)
def test_every_exercise_gives_over_the_line_what_it_gives_in_one_process(name, line):
    """An adapter is due where a harness would use what only one of the two processes has."""
    asked = exercises.get(name)
    cases = sorted(asked.make_cases(), key=lambda case: len(repr(case.inputs)))[:3]
    answer = load(line(asked.adapted(asked.reference)))
    for case in cases:
        inputs = copy.deepcopy(case.inputs)
        result = asked.with_inputs_after(asked.drive(answer, inputs), case, inputs)
        assert pack(result) == pack(asked.run(asked.reference, case))


def test_arguments_are_changed_as_in_one_process(line):
    def change(array, values, names, text):
        array += 1
        values.append(3)
        names["b"] = array[:1].copy()

    array, values, names = np.zeros(2), [1], {"a": None}
    load(line(change))(array, values, names=names, text="x")
    assert array.tolist() == [1, 1] and values == [1, 3] and names == {"a": None, "b": np.ones(1)}


def test_functions_and_iterators_go_both_ways(line):
    def answer(pieces, note):
        for piece in pieces:
            note(piece)
            yield piece.encode()

    notes = []
    got = load(line(answer))(iter(["a", "b"]), notes.append)
    assert next(got) == b"a" and notes == ["a"]
    assert list(got) == [b"b"] and notes == ["a", "b"]


@pytest.mark.parametrize(
    "problem",
    [
        KeyError("a name"),
        ValueError("x"),
        NotImplementedError(),
        SystemExit(3),
        UnicodeDecodeError("a", b"", 0, 1, "r"),
    ],
)
def test_exceptions_are_told_as_they_were(line, problem):
    def answer():
        raise problem

    with pytest.raises(Exception) as raised:
        load(line(answer))()
    raised.value.add_note("at event 3")
    text = "; ".join([str(problem), "at event 3"])
    assert told(raised.value)[:2] == [type(problem).__name__, text]
    if isinstance(problem, KeyError):
        assert isinstance(raised.value, KeyError) and raised.value.args == problem.args


def test_the_driving_end_gives_functions_and_iterators_alone(line):
    with pytest.raises(NotSendable, match="of type Counter"):
        load(line(lambda value: None))(Counter())


@pytest.mark.parametrize("count", [500, LONG])
def test_no_message_raises_anything_but_channel_errors(count):
    """At the driving end, whatever the other one writes."""
    rng = random.Random(5)
    ours, theirs = socket.socketpair()
    peer = Peer(ours.fileno(), gives_attributes=False, operator=lambda message: {"result": message["arguments"]})
    peer.give(lambda *values: values)
    peer.give(iter([1, 2]))
    keys = "call next attribute name method arguments named operator result error end changed tried".split()
    with ours, theirs:
        for _ in range(count):
            message = {rng.choice(keys): rng.choice([0, 1, 9, [], {}, anything(rng)]) for _ in range(rng.randrange(5))}
            theirs.sendall(pack(message if rng.random() < 0.9 else anything(rng)))
            try:
                peer.answer(peer.receive())
            except ChannelError as problem:
                assert str(problem)
            theirs.setblocking(False)
            try:
                while theirs.recv(1 << 16):
                    pass
            except BlockingIOError:
                theirs.setblocking(True)
