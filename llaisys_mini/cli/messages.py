"""Where the messages of a chat come from: a person at a terminal, or the lines of a pipe or file.

A terminal has a line editor (prompt_toolkit): the arrow keys, a history, and a paste of several lines as one message.
It is imported when a chat begins, since the other commands do not need it.
"""

import os
import sys
from collections.abc import Callable

import click

from llaisys_mini.errors import UserError

PROMPT = "you> "


class NotUTF8(UserError):
    """Text that was typed, piped or given to a command is not UTF-8."""


def require_utf8(text: str, where: str) -> str:
    """The text as it is. Raises NotUTF8 if it holds surrogates, which Python makes of bytes that it cannot decode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotUTF8(f"{where} is not UTF-8: set the terminal to UTF-8 and write it again") from None
    return text


def from_terminal() -> bool:
    """Whether a person types the messages."""
    return sys.stdin is not None and sys.stdin.isatty()


def source_of_messages() -> Callable[[], str]:
    """A function that gives the next message each time it is called.

    It raises EOFError after the last, NotUTF8 for a message that is not, and at a terminal KeyboardInterrupt where
    Ctrl-C is pressed before anything was typed; what was typed is cleared by Ctrl-C.
    """
    if not from_terminal():
        return _Lines()
    try:
        return _line_editor()
    except Exception:  # prompt_toolkit has an error of its own for each kind of console that it cannot use
        return _typed_line


class _Lines:
    """The lines of a pipe or a file, of any length."""

    def __init__(self):
        self._number = 0

    def __call__(self) -> str:
        line = sys.stdin.buffer.readline() if sys.stdin is not None else b""
        if not line:
            raise EOFError
        self._number += 1
        try:
            # Editors on Windows begin a file with a byte order mark.
            return line.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise NotUTF8(
                f"line {self._number} of the input is not UTF-8: convert it, such as with iconv -f GBK -t UTF-8"
            ) from None


def _line_editor() -> Callable[[], str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import has_focus
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.output.defaults import create_output

    keys = KeyBindings()

    @keys.add("c-c", filter=has_focus(DEFAULT_BUFFER))
    def clear_or_stop(event):
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    @keys.add("escape", "enter", filter=has_focus(DEFAULT_BUFFER))
    def begin_a_line(event):
        event.current_buffer.insert_text("\n")

    # Nothing here needs to know where the cursor is, and some terminals never answer that question.
    os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
    # Where the answers go to a file, the editor is shown on stderr. Otherwise prompt_toolkit chooses: it knows of
    # terminals that can do no more than a typewriter.
    output = None if sys.stdout.isatty() else create_output(always_prefer_tty=True)
    session: PromptSession = PromptSession(PROMPT, key_bindings=keys, output=output, reserve_space_for_menu=0)
    return lambda: require_utf8(session.prompt(), "the message")


def _typed_line() -> str:
    """A line from a console that has no line editor."""
    click.echo(PROMPT, nl=False, err=True)
    try:
        return require_utf8(input(), "the message")
    except UnicodeDecodeError as problem:
        raise NotUTF8(f"the message is not {problem.encoding}: set the terminal to that and write it again") from None
