"""`llaisys-mini chat`: talk with a model."""

import sys
import time

import click

from llaisys_mini.cli.options import load, model_options, sampling, tokenizer_of
from llaisys_mini.cli.reporting import Stopwatch, say_which_kernels, started


@click.command()
@model_options
@click.option("--think/--no-think", default=None, help="Let the model think before it answers, if it can.")
def chat(think, **options):
    """Talk with the model. An empty line is ignored; /new starts over, /exit or Ctrl-D ends.

    To look for a wrong kernel: generate --verify, or generate --device cuda --sanitize.
    """
    from llaisys_mini.engine.conversation import fit
    from llaisys_mini.text.sampling import SamplingParams
    from llaisys_mini.text.thinking import TAGS, ThinkingView
    from llaisys_mini.text.tokenizer import TextStream

    model = load(options)
    tokenizer = tokenizer_of(model, options)
    stop_ids = model.config.stop_ids | tokenizer.end_ids
    # A wrong value is refused before any question.
    params = SamplingParams.of_model(model.config, **sampling(options), stop_ids=stop_ids)
    messages: list = []
    cache = model.cache()
    kernels_are_known = False
    interactive = sys.stdin.isatty()
    if interactive:
        click.echo("Type a message; /new starts over, /exit ends.", err=True)
    while True:
        try:
            text = input("you> " if interactive else "").strip()
        except EOFError:
            return
        if text == "/exit":
            return
        if text == "/new":
            messages, cache = [], model.cache()
            continue
        if not text:
            continue
        prompt = fit([*messages, {"role": "user", "content": text}], tokenizer, model.config.max_positions, think)
        if prompt.forgotten:
            click.echo("(the beginning of the conversation no longer fits the context and is forgotten)", err=True)
        watch, view = Stopwatch(time.perf_counter()), ThinkingView(prompt.opens_thoughts)
        stream = TextStream(tokenizer, shown=TAGS)
        tokens = started(model.generate(prompt.ids, params=params, cache=cache))
        if not kernels_are_known:
            say_which_kernels(options["device"])
            kernels_are_known = True
        for token in tokens:
            watch.tick()
            _echo(view.feed(stream.feed(token)))
        _echo(view.feed(stream.finish()) + view.finish())
        click.echo()
        messages = [*prompt.messages, view.message()]
        if options["stats"]:
            watch.report(len(prompt.ids), cache, options["device"])


def _echo(pieces: list[tuple[str, bool]]):
    """Print pieces of an answer; thoughts are dimmed where the terminal can."""
    for text, is_thought in pieces:
        click.secho(text, nl=False, dim=is_thought)
