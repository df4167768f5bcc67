"""Two processes that use each other's objects: one holds an answer to an exercise, the other one drives it.

What messages can carry (numbers, text, arrays, lists, ...) is copied; anything else stays where it is, and the other
side gets a `Remote` for it: something to call, to take the next item from, or to read an attribute of. What a call
changes in its arguments is changed on the caller's side too.

The two ends do not trust each other alike. `Peer.gives_attributes` is False at the end that drives: of what it hands
out, functions can be called and iterators read, and nothing else.
"""

import builtins
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from autograder import channel
from llaisys_mini import errors

Message = dict[str, Any]


class Remote:
    """Something that the other process holds."""

    def __init__(self, peer: "Peer", number: int, name: str):
        self._peer, self._number, self._name = peer, number, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._peer.call(self._number, arguments, named)

    def __iter__(self) -> "Remote":
        return self

    def __next__(self) -> Any:
        reply = self._peer.ask({"next": self._number})
        if "end" in reply:
            raise StopIteration
        return reply["result"]

    def __repr__(self) -> str:
        return f"<{self._name}>"


class RemoteObject(Remote):
    """One whose attributes and methods can be reached, and which can be added and multiplied."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = self._peer.ask({"attribute": self._number, "name": name})["result"]
        if isinstance(value, Remote):  # it can be called: the next time, that is done at one go
            value = vars(self)[name] = Method(self._peer, self._number, name)
        return value

    def __add__(self, other: Any) -> Any:
        return self._peer.ask({"attribute": self._number, "name": "__add__"})["result"](other)

    def __mul__(self, other: Any) -> Any:
        return self._peer.ask({"attribute": self._number, "name": "__mul__"})["result"](other)


class Method(Remote):
    """A method of a RemoteObject, looked up anew at each call."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._peer.call(self._number, arguments, named, self._name)


class Peer:
    """One end of the line.

    descriptor: of the socket. gives_attributes: whether the other end may use all of an object, see above. also: what
    messages besides those of this file are answered with; a function returns the reply, or None where none is due.
    """

    def __init__(self, descriptor: int, gives_attributes: bool, **also: Callable[[Message], Message | None]):
        self._descriptor, self._gives_attributes = descriptor, gives_attributes
        self._also = also
        self._given: list[Any] = []  # by number
        self._numbers: dict[int, int] = {}  # from id to number; what is given is kept alive, so an id stays its own
        self._theirs: dict[int, Remote] = {}
        self._asking, self._sending = threading.RLock(), threading.Lock()

    # ---- asking ------------------------------------------------------------------------------------------------------

    def tell(self, message: Message) -> None:
        """Send what needs no reply. Raises NotSendable."""
        with self._sending:
            channel.send(self._descriptor, message, refer=self._refer)

    def ask(self, message: Message) -> Message:
        """Send a message and wait for the reply; meanwhile answer what the other end asks. Raises what it raised there,
        NotSendable, ChannelError or ChannelClosed."""
        with self._asking:
            self.tell(message)
            while True:
                reply = self.receive()
                if "error" in reply:
                    _raise(reply["error"])
                if "result" in reply or "end" in reply:
                    return reply
                self.answer(reply)

    def call(self, number: int, arguments: tuple, named: dict, method: str = "") -> Any:
        reply = self.ask({"call": number, "method": method, "arguments": list(arguments), "named": named})
        if "changed" in reply:
            after, named_after = _of_form(reply["changed"], tuple, 2)
            for before, now in [*zip(arguments, _of_form(after, list, len(arguments)), strict=True)]:
                _become(before, now)
            for key, now in _of_form(named_after, dict, len(named)).items():
                _become(named[key], now)
        return reply["result"]

    def receive(self) -> Message:
        """The next message. Raises ChannelError or ChannelClosed."""
        message = channel.receive(self._descriptor, resolve=self._resolve)
        return message if isinstance(message, dict) else _refuse("a message that is none")

    # ---- answering ---------------------------------------------------------------------------------------------------

    def serve(self) -> NoReturn:
        """Answer until the other end is closed. Raises ChannelClosed or ChannelError."""
        while True:
            self.answer(self.receive())

    def answer(self, message: Message) -> None:
        """Do what a message asks for, and reply."""
        kind = next((kind for kind in (*_HANDLERS, *self._also) if kind in message), None)
        if kind is None:
            _refuse("a message of unknown form")
        try:
            reply = _HANDLERS[kind](self, message) if kind in _HANDLERS else self._also[kind](message)
            if reply is not None:
                self.tell(reply)
        except (channel.ChannelClosed, channel.ChannelError):
            raise
        except BaseException as problem:  # SystemExit too: whatever is raised goes to the one who asked
            self.tell({"error": told(problem)})

    def give(self, value: Any) -> int:
        """Have the other end use `value`, under the number that is returned."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._given)
            self._given.append(value)
        return self._numbers[id(value)]

    def _refer(self, value: Any) -> list:
        if isinstance(value, Remote) and value._peer is self:
            return ["yours", value._number]  # of a Method its object: none is an argument
        if not self._gives_attributes and not _is_plain_function(value) and not isinstance(value, Iterator):
            raise channel.NotSendable(f"a value of type {type(value).__name__}")
        return ["mine", self.give(value), type(value).__name__[:100]]

    def _resolve(self, content: list) -> Any:
        whose, number, *name = content
        if whose == "yours" and not name:
            return self.given(number)
        if whose != "mine" or type(number) is not int or len(name) != 1 or not isinstance(name[0], str):
            _refuse("a reference of unknown form")
        if number not in self._theirs:
            kind = Remote if self._gives_attributes else RemoteObject
            self._theirs[number] = kind(self, number, name[0])
        return self._theirs[number]

    def given(self, number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self._given):
            _refuse("the number of nothing")
        return self._given[number]

    def _called(self, message: Message) -> Message:
        function = self.given(message["call"])
        if message["method"]:
            function = getattr(function, self._name_of_attribute(message["method"]))
        arguments = _of_form(message.get("arguments"), list)
        named = _of_form(message.get("named"), dict)
        if not any(isinstance(value, _MUTABLE) for value in [*arguments, *named.values()]):
            return {"result": function(*arguments, **named)}
        before = channel.pack([arguments, named], self._refer)
        result = function(*arguments, **named)
        if channel.pack([arguments, named], self._refer) == before:
            return {"result": result}
        return {"result": result, "changed": (arguments, named)}

    def _next(self, message: Message) -> Message:
        try:
            return {"result": next(self.given(message["next"]))}
        except StopIteration:
            return {"end": True}

    def _attribute(self, message: Message) -> Message:
        return {"result": getattr(self.given(message["attribute"]), self._name_of_attribute(message["name"]))}

    def _name_of_attribute(self, name: Any) -> str:
        if not self._gives_attributes or not isinstance(name, str):
            _refuse("an attribute that is nobody's to ask for")
        return name


_HANDLERS = {"call": Peer._called, "next": Peer._next, "attribute": Peer._attribute}


def told(problem: BaseException) -> list:
    """Kind and text of an exception, and the text that it was made with: another one like it can be made of these."""
    if isinstance(known := getattr(problem, "told_by_other_side", None), list):
        kind, text, made_with = known
    else:
        kind = type(problem).__name__
        if type(problem).__module__.split(".")[0] not in ("builtins", "numba", "numpy", "llaisys_mini", "autograder"):
            kind = "an exception of its own"
        try:
            text = str(problem)
        except BaseException:
            text = ""
        only = problem.args[0] if len(problem.args) == 1 else None
        made_with = only if isinstance(only, str) else text
    notes = [note for note in getattr(problem, "__notes__", ()) if isinstance(note, str)]
    return [str(kind)[:200], "; ".join([str(text), *notes])[:4000], str(made_with)[:4000]]


def _raise(error: Any) -> NoReturn:
    """Raise an exception like the one that the other side tells of: of the same kind, if that is a known one."""
    kind, text, made_with = _of_form(error, list, 3)
    if not all(isinstance(word, str) for word in error):
        _refuse("an exception of unknown form")
    found = getattr(errors, kind, None) or getattr(builtins, kind, None)
    if not (isinstance(found, type) and issubclass(found, Exception)) or found is StopIteration:
        found = RuntimeError
    try:
        problem = found(made_with)
    except TypeError:  # one that is made of more than a text
        problem = RuntimeError(made_with)
    vars(problem)["told_by_other_side"] = [kind, text, made_with]
    raise problem


_MUTABLE = (np.ndarray, list, dict)


def _become(before: Any, now: Any) -> None:
    """Have an argument be what the call has made of it."""
    if isinstance(before, np.ndarray) and isinstance(now, np.ndarray):
        if (before.shape, before.dtype) != (now.shape, now.dtype):
            raise TypeError("an argument was given another shape or dtype")
        before[...] = now
    elif isinstance(before, list) and isinstance(now, list):
        before[:] = now
    elif isinstance(before, dict) and isinstance(now, dict):
        before.clear()
        before.update(now)


def _of_form(value: Any, kind: Any, length: int | None = None) -> Any:
    if not isinstance(value, kind) or (length is not None and len(value) != length):
        _refuse("a message of unknown form")
    return value


def _is_plain_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


def _refuse(what: str) -> NoReturn:
    raise channel.ChannelError(what)
