"""Where a chat's messages come from: typed and pasted at a terminal, and read from a pipe."""

import io
import os
import sys

import pytest

from llaisys_mini.cli import messages
from llaisys_mini.cli.messages import NotUTF8, source_of_messages

pexpect = pytest.importorskip("pexpect")  # comes with IPython, where there are pseudo-terminals

PROGRAM = """
from llaisys_mini.cli.messages import NotUTF8, source_of_messages
next_message = source_of_messages()
while True:
    try:
        print("MESSAGE", ascii(next_message()), "!", flush=True)
    except (EOFError, KeyboardInterrupt, NotUTF8) as event:
        print("EVENT", type(event).__name__, event, "!", flush=True)
        if isinstance(event, EOFError):
            break
"""


class Typist:
    """A person at a pseudo-terminal."""

    def __init__(self, program: str = PROGRAM, **environment: str):
        environment = os.environ | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | environment
        self._process = pexpect.spawn(sys.executable, ["-c", program], env=environment, timeout=300)
        self._process.delaybeforesend = None
        self.see(b"you>")

    def see(self, pattern: bytes) -> bytes:
        self._process.expect(pattern)
        return self._process.match.group(0)

    def type(self, keys: str | bytes, until: bytes | None = None) -> None:
        """until: what the keys are followed by on the screen before the next are typed."""
        self._process.send(keys.encode() if isinstance(keys, str) else keys)
        if until is not None:
            self.see(until)

    def message(self) -> str:
        return eval(self._reported(rb"MESSAGE '.*?' !")[len("MESSAGE ") : -2])

    def event(self) -> str:
        return self._reported(rb"EVENT .*? !")

    def _reported(self, pattern: bytes) -> str:
        found = self.see(pattern).decode()
        if "EOFError" not in found:
            self.see(b"you>")
        return found

    def close(self) -> None:
        self._process.close(force=True)


@pytest.fixture
def typist():
    person = Typist()
    yield person
    person.close()


def pasted(text: str) -> str:
    """What a terminal sends when text is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


ENTER, UP, BACKSPACE, CTRL_C, CTRL_D, ALT_ENTER = "\r", "\x1b[A", "\x7f", "\x03", "\x04", "\x1b\r"


def test_a_line_is_a_message_and_the_arrow_brings_it_back(typist):
    typist.type("first" + ENTER)
    assert typist.message() == "first"
    typist.type("second" + ENTER)
    assert typist.message() == "second"
    typist.type(UP + UP, until=b"first")
    typist.type("!" + ENTER)
    assert typist.message() == "first!"


def test_several_pasted_lines_are_one_message(typist):
    typist.type(pasted("one\ntwo\r\nthree\n"), until=b"three")
    typist.type(ENTER)
    assert typist.message() == "one\ntwo\nthree\n"


def test_alt_enter_begins_another_line(typist):
    typist.type("one" + ALT_ENTER + "two" + ENTER)
    assert typist.message() == "one\ntwo"


@pytest.mark.parametrize("way", [pasted, str], ids=["pasted", "typed"])
def test_a_long_line_is_not_cut(typist, way):
    """The terminal itself, without a line editor, cuts a line after 4,096 bytes."""
    text = "".join(f"{number:05} " for number in range(1667))  # 10,002 characters
    typist.type(way(text), until=b"01666")
    typist.type(ENTER)
    assert typist.message() == text


def test_backspace_takes_a_whole_chinese_character(typist):
    typist.type("你好吗", until="吗".encode())
    typist.type(BACKSPACE + BACKSPACE + "们" + ENTER)
    assert typist.message() == "你们"


def test_bytes_that_are_not_utf8_cost_one_message(typist):
    typist.type("你好".encode("gbk"))
    typist.type(ENTER)
    event = typist.event()
    assert event == "EVENT NotUTF8 the message is not UTF-8: set the terminal to UTF-8 and write it again !"
    typist.type("你好" + ENTER)
    assert typist.message() == "你好"


def test_ctrl_c_clears_what_was_typed_and_is_reported_where_nothing_was(typist):
    typist.type("forget this", until=b"this")
    typist.type(CTRL_C + "keep this" + ENTER)
    assert typist.message() == "keep this"
    typist.type(CTRL_C)
    assert typist.event() == "EVENT KeyboardInterrupt  !"
    typist.type("still here" + ENTER)
    assert typist.message() == "still here"


def test_ctrl_d_ends(typist):
    typist.type(CTRL_D)
    assert typist.event() == "EVENT EOFError  !"
    typist.see(b"$")


@pytest.mark.parametrize(
    ("program", "environment"),
    [
        (PROGRAM, {"TERM": "dumb"}),
        ("import sys\nsys.modules['prompt_toolkit'] = None\n" + PROGRAM, {}),
    ],
    ids=["a terminal without cursor movements", "a console that prompt_toolkit cannot use"],
)
def test_plainer_consoles_can_be_typed_at(program, environment):
    typist = Typist(program, **environment)
    try:
        typist.type("你好" + ENTER)
        assert typist.message() == "你好"
        typist.type("你好".encode("gbk"))
        typist.type(ENTER)
        assert "EVENT NotUTF8 the message is not " in typist.event()
        typist.type("more" + ENTER)
        assert typist.message() == "more"
    finally:
        typist.close()


# ---- a pipe or a file ------------------------------------------------------------------------------------------------


def piped(monkeypatch, content: bytes):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
    return source_of_messages()


def test_lines_of_any_length_are_read_whatever_the_locale_is(monkeypatch):
    long = "长" * 100_000
    next_message = piped(monkeypatch, f"\ufeff你好\n\n{long}\r\nlast".encode())
    assert [next_message() for _ in range(4)] == ["你好\n", "\n", f"{long}\r\n", "last"]
    with pytest.raises(EOFError):
        next_message()


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "latin-1"])
def test_a_line_that_is_not_utf8_is_named(monkeypatch, encoding):
    next_message = piped(monkeypatch, b"first\n" + "naïve 你好".encode(encoding, "replace"))
    next_message()
    with pytest.raises(NotUTF8, match="line 2 of the input is not UTF-8"):
        next_message()


def test_without_an_input_there_are_no_messages(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not messages.from_terminal()
    with pytest.raises(EOFError):
        source_of_messages()()
