"""What is printed on stderr beside the text: which kernels answer, progress until the first token, speed."""

import itertools
import sys
import time

import click


def say_which_kernels(device: str):
    """Name the learner's kernels that have answered, so that it is clear whose numbers these are."""
    from llaisys_mini.course.attribution import attribution_lines

    for line in attribution_lines(device):
        click.echo(line, err=True)


def started(tokens):
    """The same tokens once the first is computed; meanwhile a terminal shows how many kernels are ready.

    What is shown takes a whole line of the terminal, so nothing may stand there yet.
    """
    if not sys.stderr.isatty():
        first = next(tokens, None)
    else:
        from rich.console import Console

        from llaisys_mini.kernels.runtime import observe_calls

        ready: dict[str, None] = {}
        with Console(stderr=True).status("computing the first token") as status:

            def show(operator, arguments, results):
                ready[operator.name] = None
                status.update(f"first token: {len(ready)} kernels ready (the first start compiles them)")

            with observe_calls(show):
                first = next(tokens, None)
    return tokens if first is None else itertools.chain([first], tokens)


class Stopwatch:
    """When each token arrived."""

    def __init__(self, start: float):
        self.start = start
        self.ticks: list[float] = []

    def tick(self):
        self.ticks.append(time.perf_counter())

    def report(self, prompt_tokens: int, engine, device: str):
        """Print speed, memory, and which kernels answered."""
        from llaisys_mini.course.attribution import counts, kernels_that_change_bits

        if self.ticks:
            click.echo(
                f"first token after {self.ticks[0] - self.start:.2f} s (prompt: {prompt_tokens} tokens)", err=True
            )
        if len(self.ticks) > 1:
            rate = (len(self.ticks) - 1) / (self.ticks[-1] - self.ticks[0])
            click.echo(f"{len(self.ticks)} new tokens, {_shown(rate)} per second after the first", err=True)
        replay, steps = engine.replay, engine.counts.steps
        why = f" ({replay.given_up})" if replay.given_up else ""
        form = "compiled function" if device == "cpu" else "graph of launches"
        click.echo(f"{replay.replayed} of {steps} steps were replayed as one {form}{why}", err=True)
        pool, size = engine.cache.pool, engine.cache.nbytes / 2**20
        click.echo(f"KV cache: {pool.touched} pages of {pool.size} positions, {size:.1f} MiB allocated", err=True)
        if engine.guesser is not None:
            from llaisys_mini.engine.speculation import does_it_pay

            click.echo(does_it_pay(engine.decoder, engine.guesser, engine.counts), err=True)
        click.echo(f"kernels: {counts() or 'none was called'}", err=True)
        if device == "cpu":
            changing = ", ".join(kernels_that_change_bits(device))
            if changing:
                click.echo(f"the last bits may depend on what is computed beside a text, by {changing}", err=True)
            else:
                click.echo("the bits do not depend on what is computed beside a text", err=True)


def _shown(rate: float) -> str:
    """Tokens per second, with two significant digits at least, so that a slow model does not show 0."""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"
