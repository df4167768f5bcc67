"""`llaisys-mini generate`: continue a prompt."""

import time

import click

from llaisys_mini.cli.messages import require_utf8
from llaisys_mini.cli.options import guesser_for, load, model_options, sampling, tokenizer_of
from llaisys_mini.cli.reporting import Stopwatch, say_which_kernels, started
from llaisys_mini.cli.stopping import stoppable


@click.command()
@click.argument("prompt", default="Once upon a time")
@model_options
@click.option("--verify", is_flag=True, help="Compare every operator call with the reference; slow.")
@click.option(
    "--sanitize", is_flag=True, help="With --device cuda: run the CUDA kernels on the CPU and watch every access."
)
def generate(prompt, verify, sanitize, **options):
    """Continue PROMPT (default: "Once upon a time")."""
    from contextlib import nullcontext

    from llaisys_mini.text.tokenizer import TextStream

    if sanitize:
        _generate_sanitized(prompt, options)
        return
    start = time.perf_counter()
    require_utf8(prompt, "the prompt")
    model = load(options)
    tokenizer = tokenizer_of(model, options)
    ids = tokenizer.encode(prompt)
    engine = model.engine(guesser=guesser_for(model, options), capture=options["capture"])
    # Sampling values and the prompt's length are checked here, before anything is printed.
    tokens = model.generate(ids, **sampling(options), engine=engine)
    stream = TextStream(tokenizer)
    watch = Stopwatch(start)
    report = _verification(model) if verify else None
    with report or nullcontext(), stoppable():
        tokens = started(tokens)
        say_which_kernels(options["device"])
        click.echo(prompt, nl=False)
        for token in tokens:
            watch.tick()
            click.echo(stream.feed(token), nl=False)
            if report is not None and report.first is not None:
                break
        click.echo(stream.finish())
    if report is not None:
        click.echo(str(report), err=True)
    if options["stats"]:
        watch.report(len(ids), engine, options["device"])
    if report is not None and report.first is not None:
        raise click.exceptions.Exit(1)


def _verification(model):
    from llaisys_mini.checks.verify import verify_calls

    return verify_calls(model)


_SANITIZED_TOKENS = 8


def _generate_sanitized(prompt, options):
    """Write a few tokens with the CUDA kernels under the sanitizer, which needs no GPU."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from llaisys_mini import cuda
    from llaisys_mini.errors import DeviceError
    from llaisys_mini.kernels.runtime import observe_calls

    if options["device"] != "cuda":
        raise DeviceError("--sanitize watches CUDA kernels: add --device cuda")
    if options["max_new_tokens"] is None:
        options["max_new_tokens"] = _SANITIZED_TOKENS
    with cuda.sanitized() as report:
        model = load(options)
        tokenizer = tokenizer_of(model, options)
        ids = tokenizer.encode(prompt)
        tokens = model.generate(ids, **sampling(options))
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        start = time.perf_counter()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=options["max_new_tokens"])

            def show(operator, arguments, results):
                progress.update(task, description=f"{model.decoder.place}: {operator.name}")

            written = []
            try:
                with observe_calls(show), stoppable():
                    for token in tokens:
                        written.append(token)
                        progress.advance(task)
            except KeyboardInterrupt:
                progress.stop()
                click.echo(prompt + tokenizer.decode(written))
                raise
    seconds = time.perf_counter() - start
    say_which_kernels("cuda")
    click.echo(prompt + tokenizer.decode(written))
    per_token = f", {seconds / len(written):.1f} s per token" if written else ""
    click.echo(f"sanitizer: {len(report.launches)} launches, no findings{per_token}", err=True)
