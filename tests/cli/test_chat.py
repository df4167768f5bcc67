"""`llaisys-mini chat` as a whole: at a pseudo-terminal, with a pipe, and when it is interrupted."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import operators, use_kernels
from llaisys_mini.cli import main
from llaisys_mini.cli.chat import _Talk
from llaisys_mini.cli.stopping import stoppable

pexpect = pytest.importorskip("pexpect")  # comes with IPython, where there are pseudo-terminals

SLOWLY = ("--kernels", "reference", "--seed", "1")  # nothing to compile, and time to press a key during an answer
STORY = "Tell me a story about a fox named Dot and a kite."
STOPPED = "(stopped: what was said stays in the conversation)"


@pytest.fixture
def run():
    yield lambda *arguments, **options: CliRunner().invoke(main, ["chat", *arguments], **options)
    use_kernels()


class Person:
    """At a pseudo-terminal, talking with the shipped model."""

    def __init__(self):
        command = ["-m", "llaisys_mini", "chat", *SLOWLY]
        environment = os.environ | {"TERM": "xterm-256color"}
        self.process = pexpect.spawn(
            sys.executable, command, env=environment, timeout=60, encoding="utf-8", dimensions=(24, 200)
        )
        self.see("you>")

    def see(self, *patterns: str) -> str:
        """What was shown before these patterns and with them; in the end the chat waits for the next message."""
        shown = ""
        for pattern in patterns:
            self.process.expect(pattern)
            shown += self.process.before + self.process.match.group(0)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)

    def ends(self) -> bool:
        self.process.expect(pexpect.EOF)
        self.process.close()
        return self.process.exitstatus == 0


@pytest.fixture
def person():
    at_terminal = Person()
    yield at_terminal
    at_terminal.process.close(force=True)


def test_ctrl_c_stops_an_answer_and_then_ends_the_chat(person):
    person.process.send(STORY + "\r")
    person.see("Once upon a")
    person.process.sendintr()
    assert STOPPED in person.see(r"\(stopped.*?\)", "you>")
    person.process.send("Hello!\r")
    assert "Hello" in person.see("you>.*?Hello!.*?Hello", "you>")
    person.process.send("\x03")
    assert "(Ctrl-C again, or Ctrl-D, ends the chat)" in person.see("ends the chat.", "you>")
    person.process.send("\x03")
    assert person.ends()


def test_a_refused_message_costs_only_itself(person):
    for keys, sentence in (
        (f"\x1b[200~{'kite ' * 2100}\x1b[201~", "the prompt has 2109 tokens, but the model's context holds 2048"),
        ("/stories", "there is no command /stories; /help lists them"),
        ("/help", "Ctrl-C      stop an answer"),
    ):
        person.process.send(keys + "\r")
        assert sentence in person.see(re.escape(sentence), "you>")
    person.process.send("Hello!\r")
    person.see("Hello!.*?Hello", "you>")
    person.process.send("\x04")
    assert person.ends()


# ---- what is remembered of a stopped answer --------------------------------------------------------------------------


@pytest.fixture
def talk():
    """A conversation with the options of the command."""
    command = main.commands["chat"]
    options = command.make_context("chat", [*SLOWLY, "--temperature", "0"]).params
    yield _Talk(options.pop("think"), options)
    use_kernels()


def stopped_after(talk, pieces: int, monkeypatch) -> tuple[str, str]:
    """Ask for a story and press Ctrl-C when so many pieces of it are shown: what was shown, and what is said of it."""
    shown = []

    def press_at_once(tokens):
        press()
        return tokens

    def echo(new):
        shown.extend(text for text, _ in new)
        if len(shown) == pieces and new:
            press()
        return bool(new)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:
        patch.setattr("llaisys_mini.cli.chat._echo", echo)
        if pieces == 0:
            patch.setattr("llaisys_mini.cli.chat.started", press_at_once)
        talk.answer(STORY)
    return "".join(shown), str(caught.value)


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_what_was_said_stays_in_the_conversation(talk, monkeypatch):
    said, sentence = stopped_after(talk, 5, monkeypatch)
    assert sentence == STOPPED.strip("()")
    question, answer = talk._messages
    assert question == {"role": "user", "content": STORY}
    assert answer["content"].endswith(said)
    assert said.startswith("Once upon a time")
    pages = talk._engine.cache.pool
    cached = pages.touched
    talk.answer("And then?")
    assert talk._messages[:2] == [question, answer]
    assert len(talk._messages) == 4
    assert pages.touched > cached
    assert pages.in_use == 0


def test_a_message_that_was_not_answered_is_left_out(talk, monkeypatch):
    said, sentence = stopped_after(talk, 0, monkeypatch)
    assert said == ""
    assert sentence == "stopped: no answer yet; your message is left out of the conversation"
    assert talk._messages == []
    talk.answer("Hello!")
    assert len(talk._messages) == 2


def test_it_stops_when_the_operator_call_that_runs_has_ended():
    x = np.float32([-1, 2])
    with stoppable():
        press()
        with pytest.raises(KeyboardInterrupt):
            operators.relu(x)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(SystemExit) as second, stoppable():
        press()
        press()
    assert second.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_the_shell_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            press()
            operators.relu(np.float32([1]))
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("command", ["generate", "chat"])
def test_an_interrupted_command_has_written_what_was_said_and_exits_with_130(command):
    process = subprocess.Popen(
        [sys.executable, "-m", "llaisys_mini", command, *SLOWLY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(STORY.encode() + b"\n")
    process.stdin.flush()
    said = process.stdout.read(40)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b"\nstopped\n"
    assert len((said + rest).split()) > 5


# ---- a pipe ----------------------------------------------------------------------------------------------------------


def test_a_pipe_in_another_encoding_ends_with_one_sentence(run):
    result = run(*SLOWLY, "--max-new-tokens", "8", input=b"Hello!\n" + "你好\nHello!\n".encode("gbk"))
    assert result.exit_code == 2
    assert result.stdout.count("Hello") == 1
    assert result.stderr.strip() == (
        "llaisys-mini: line 2 of the input is not UTF-8: convert it, such as with iconv -f GBK -t UTF-8"
    )


def test_commands_in_a_pipe(run):
    result = run(*SLOWLY, "--max-new-tokens", "8", input="/help\n/knew\n\n   \n/new\n/exit\nHello!\n")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "Alt-Enter" in result.stderr
    assert "there is no command /knew" in result.stderr


def test_letters_that_the_output_does_not_have_are_replaced():
    """A Windows console, or a pipe in another encoding."""
    command = [sys.executable, "-m", "llaisys_mini", "generate", "你好", *SLOWLY, "--max-new-tokens", "1"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    result = subprocess.run(command, capture_output=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(b"??")


def test_a_prompt_that_is_not_utf8_is_refused_in_one_sentence():
    command = [sys.executable, "-m", "llaisys_mini", "generate", "你好".encode("gbk")]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    result = subprocess.run(command, capture_output=True, env=environment, text=True)
    assert result.returncode == 2
    assert result.stderr == "llaisys-mini: the prompt is not UTF-8: set the terminal to UTF-8 and write it again\n"
