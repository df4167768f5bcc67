"""`llaisys-mini chat`: talk with a model."""

import re
import time

import click

from llaisys_mini.cli.messages import from_terminal, source_of_messages
from llaisys_mini.cli.options import guesser_for, load, model_options, sampling, tokenizer_of
from llaisys_mini.cli.reporting import Stopwatch, say_which_kernels, started
from llaisys_mini.cli.stopping import stoppable
from llaisys_mini.errors import UserError

_HELP = """\
/new        start over: the model forgets what was said
/exit       end the chat, as Ctrl-D does
Ctrl-C      stop an answer, or clear what you have typed; twice at an empty line, end the chat
Up, Down    your earlier messages
Alt-Enter   begin another line of the same message; pasted lines are one message anyway"""


@click.command()
@model_options
@click.option("--think/--no-think", default=None, help="Let the model think before it answers, if it can.")
def chat(think, **options):
    """Talk with the model, at a terminal or with one message per line of a pipe. An empty line is ignored; /new starts
    over, /exit or Ctrl-D ends, /help says more. Ctrl-C stops an answer.

    To look for a wrong kernel: generate --verify, or generate --device cuda --sanitize.
    """
    talk = _Talk(think, options)
    typed = from_terminal()
    if typed:
        click.echo("Type a message; /new starts over, /exit ends, /help says more.", err=True)
    next_message = source_of_messages()
    interrupted = False  # by Ctrl-C, and nothing was said since
    while True:
        try:
            text = next_message().strip()
            if text == "/exit":
                return
            interrupted = interrupted and not text
            _follow(text, talk)
        except EOFError:
            return
        except KeyboardInterrupt as interrupt:
            if not typed:
                raise
            if interrupted:
                return
            interrupted = True
            click.echo(f"({str(interrupt) or 'Ctrl-C again, or Ctrl-D, ends the chat'})", err=True)
        except UserError as problem:  # one message cannot be answered; the next may
            if not typed:
                raise
            click.echo(f"llaisys-mini: {problem}", err=True)


def _follow(text: str, talk: "_Talk"):
    """Do what a message or command says."""
    if text == "/new":
        talk.start_over()
    elif text == "/help":
        click.echo(_HELP, err=True)
    elif re.fullmatch("/[a-z]+", text):
        click.echo(f"there is no command {text}; /help lists them", err=True)
    elif text:
        talk.answer(text)


class _Talk:
    """A conversation with the model that the options ask for."""

    def __init__(self, think, options):
        from llaisys_mini.text.sampling import SamplingParams

        self._model = load(options)
        self._tokenizer = tokenizer_of(self._model, options)
        stop_ids = self._model.config.stop_ids | self._tokenizer.end_ids
        # A wrong value is refused before any question.
        self._params = SamplingParams.of_model(self._model.config, **sampling(options), stop_ids=stop_ids)
        self._think = think
        self._options = options
        self._kernels_are_known = False
        self.start_over()

    def start_over(self):
        self._messages = []
        self._engine = self._model.engine(
            guesser=guesser_for(self._model, self._options), capture=self._options["capture"]
        )

    def answer(self, text):
        """Print the model's answer to `text` and remember both.

        Stopped by Ctrl-C, it remembers what was said so far, if anything was, and raises a KeyboardInterrupt that
        says so.
        """
        from llaisys_mini.engine.conversation import fit
        from llaisys_mini.text.thinking import TAGS, ThinkingView
        from llaisys_mini.text.tokenizer import TextStream

        asked = [*self._messages, {"role": "user", "content": text}]
        prompt = fit(asked, self._tokenizer, self._model.config.max_positions, self._think)
        generation = self._model.generate(prompt.ids, params=self._params, engine=self._engine)
        if prompt.forgotten:
            click.echo("(the beginning of the conversation no longer fits the context and is forgotten)", err=True)
        watch, view = Stopwatch(time.perf_counter()), ThinkingView(prompt.opens_thoughts)
        stream = TextStream(self._tokenizer, shown=TAGS)
        answered = stopped = False
        try:
            with stoppable():
                tokens = started(generation)
                if not self._kernels_are_known:
                    say_which_kernels(self._options["device"])
                    self._kernels_are_known = True
                for token in tokens:
                    watch.tick()
                    answered |= _echo(view.feed(stream.feed(token)))
        except KeyboardInterrupt:
            stopped = True
            generation.close()
        answered |= _echo(view.feed(stream.finish()) + view.finish())
        click.echo()
        if answered or not stopped:
            self._messages = [*prompt.messages, view.message()]
        if stopped:
            kept = "what was said stays in" if answered else "no answer yet; your message is left out of"
            raise KeyboardInterrupt(f"stopped: {kept} the conversation")
        if self._options["stats"]:
            watch.report(len(prompt.ids), self._engine, self._options["device"])


def _echo(pieces: list[tuple[str, bool]]) -> bool:
    """Print pieces of an answer; thoughts are dimmed where the terminal can. Returns whether any is no thought."""
    for text, is_thought in pieces:
        click.echo(click.style(text, dim=True) if is_thought else text, nl=False)
    return any(not is_thought for _, is_thought in pieces)
