"""The command line: generate, chat, quantize, check, progress, submit, doctor.

Errors a user can cause end with one sentence on stderr and exit code 2; a check that finds a kernel wrong ends with its
diagnosis and exit code 1. Heavy imports wait until a command needs them.
"""

import itertools
import sys
import time

import click

from llaisys_mini.errors import CheckFailed, UserError


class _Commands(click.Group):
    """Runs a command and turns the package's own errors into one sentence and exit code 2."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except CheckFailed as diagnosis:
            click.echo(str(diagnosis), err=True)
            context.exit(1)
        except UserError as problem:
            click.echo(f"llaisys-mini: {problem}", err=True)
            context.exit(2)
        except KeyboardInterrupt:
            click.echo("\nstopped", err=True)
            context.exit(130)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="llaisys_mini")
def main():
    """Language models computed by kernels that you can read, and write yourself."""


def _model_options(command):
    """The options that generate and chat share: which model, how to sample, which kernels."""
    options = [
        click.option("--model", default="mini", help="Folder, hub id (Qwen/Qwen3-0.6B), or 'mini', the shipped model."),
        click.option("--max-new-tokens", type=click.IntRange(0), default=None, help="Default: what the context holds."),
        click.option(
            "--temperature", type=float, default=None, help="0: always the likeliest token. Default: model's."
        ),
        click.option("--top-k", type=int, default=None, help="Sample among the k likeliest; 0: all. Default: model's."),
        click.option("--top-p", type=float, default=None, help="Sample among the likeliest that together reach p."),
        click.option("--min-p", type=float, default=None, help="Drop tokens below p times the likeliest."),
        click.option("--repetition-penalty", type=float, default=None, help="Above 1: repeat less."),
        click.option("--seed", type=int, default=None, help="Same seed, same text. Default: another text each time."),
        click.option(
            "--kernels",
            default="",
            help="student, solutions, plain, expert or reference; also per operator: softmax=student.",
        ),
        click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu or cuda."),
        click.option("--dtype", default="auto", show_default=True, help="Storage: float32, float16, bfloat16 or auto."),
        click.option("--stats", is_flag=True, help="Report speed, memory and which kernels answered."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("prompt", default="Once upon a time")
@_model_options
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
    model = _load(options)
    tokenizer = _tokenizer(model, options["model"])
    ids = tokenizer.encode(prompt)
    # Sampling values and the prompt's length are checked here, before anything is printed.
    tokens = model.generate(ids, options["max_new_tokens"], **_sampling(model, options), cache=(cache := model.cache()))
    stream = TextStream(tokenizer)
    watch = _Stopwatch(start)
    report = _verification(model) if verify else None
    with report or nullcontext():
        tokens = _started(tokens)
        _say_which_kernels(options["device"])
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
        watch.report(len(ids), cache)
    if report is not None and report.first is not None:
        raise click.exceptions.Exit(1)


@main.command()
@_model_options
@click.option("--think/--no-think", default=None, help="Let the model think before it answers, if it can.")
def chat(think, **options):
    """Talk with the model. An empty line is ignored; /new starts over, /exit or Ctrl-D ends.

    To look for a wrong kernel: generate --verify, or generate --device cuda --sanitize.
    """
    from llaisys_mini.text.thinking import ThinkingView
    from llaisys_mini.text.tokenizer import TextStream

    model = _load(options)
    tokenizer = _tokenizer(model, options["model"])
    sampling = _sampling(model, options)
    messages: list[dict] = []
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
        messages.append({"role": "user", "content": text})
        messages, ids = _fitting(messages, model, think)
        watch, stream, view = _Stopwatch(time.perf_counter()), TextStream(tokenizer), ThinkingView()
        tokens = _started(model.generate(ids, options["max_new_tokens"], **sampling, cache=cache))
        if not kernels_are_known:
            _say_which_kernels(options["device"])
            kernels_are_known = True
        for token in tokens:
            watch.tick()
            _echo(view.feed(stream.feed(token)))
        _echo(view.feed(stream.finish()) + view.finish())
        click.echo()
        messages.append({"role": "assistant", "content": view.text})
        if options["stats"]:
            watch.report(len(ids), cache)


@main.command()
@click.argument("model")
@click.option("--dtype", required=True, help="int8 (half the size of bfloat16) or int4 (a quarter).")
@click.option("--out", required=True, help="The folder to write; it must not exist yet.")
@click.option("--per-row", is_flag=True, help="int8: one scale per row of a weight, not one per 32 weights.")
@click.option("--report", is_flag=True, help="Compare the quantised model with MODEL on held-out text.")
@click.option("--text", default=None, help="Text file for --report, documents separated by <|endoftext|>.")
def quantize(model, dtype, out, per_row, report, text):
    """Write MODEL (a folder, a hub id, or 'mini') with weights of one byte, or half a byte, each."""
    from pathlib import Path

    from llaisys_mini.weights.quantization import quantize as write_quantized

    before, after = write_quantized(model, out, dtype, per_row)
    click.echo(f"{out}: weights {before / 1e6:,.1f} MB -> {after / 1e6:,.1f} MB")
    if report:
        from llaisys_mini.engine.quality import print_report

        print_report(model, Path(out).expanduser(), dtype, Path(text).expanduser() if text else None)


@main.command()
@click.argument("operator")
@click.option("--device", default="cpu", show_default=True)
@click.option(
    "--kernels",
    "kernel_set",
    default="student",
    show_default=True,
    help="student, solutions, plain, expert or reference.",
)
def check(operator, device, kernel_set):
    """Check a kernel of OPERATOR on the public cases."""
    from llaisys_mini.checks.check import check as run_check

    run_check(operator, device, kernel_set)


@main.command()
@click.option("--speed/--no-speed", default=True, help="Time your kernels against the course's in the shipped model.")
def progress(speed):
    """Show which kernels you have written, which are correct, and how fast they are."""
    from llaisys_mini.course.progress import print_progress

    print_progress(speed)


@main.command()
@click.argument("lab")
@click.option("--name", default=None, help="Your name in the course. Default: the login name.")
def submit(lab, name):
    """Run LAB (such as 07_softmax) from the beginning, say what would be scored, and hand it in."""
    from llaisys_mini.course.submission import submit as hand_in

    hand_in(lab, name)


@main.command()
def doctor():
    """Examine this machine and say what is wrong and how to mend it."""
    from llaisys_mini.course.doctor import examine

    raise click.exceptions.Exit(examine())


def _fitting(messages: list[dict], model, think: bool | None) -> tuple[list[dict], list[int]]:
    """The latest messages that leave a quarter of the context for the answer, and their ids.

    At least the last message stays, even if it is too long: the model then says so.
    """
    while True:
        ids = model.tokenizer.encode(model.tokenizer.render_chat(messages, enable_thinking=think))
        if len(ids) <= 0.75 * model.config.max_positions or len(messages) == 1:
            return messages, ids
        click.echo("(the beginning of the conversation no longer fits the context and is forgotten)", err=True)
        messages = messages[2:]


def _echo(pieces: list[tuple[str, bool]]):
    """Print pieces of an answer; thoughts are dimmed where the terminal can."""
    for text, is_thought in pieces:
        click.secho(text, nl=False, dim=is_thought)


def _load(options):
    from llaisys_mini.engine.generate import load_model
    from llaisys_mini.kernels.choice import parse_choice, use_kernels

    everywhere, per_operator = parse_choice(options["kernels"])
    use_kernels(everywhere, **per_operator)
    return load_model(options["model"], options["dtype"], options["device"])


def _tokenizer(model, name):
    from llaisys_mini.errors import TokenizerError

    if model.tokenizer is None:
        raise TokenizerError(
            f"{name} has no tokenizer.json, so it cannot read text: copy the model's there, or use load_model with ids"
        )
    return model.tokenizer


def _sampling(model, options) -> dict:
    """The user's sampling values; what is not given comes from the model's generation_config.json."""
    own = model.config.generation
    names = ("top_k", "top_p", "min_p", "repetition_penalty")
    values = {name: own[name] for name in names if name in own}
    values["temperature"] = own.get("temperature", 1.0) if own.get("do_sample") else 0.0
    given = {name: options[name] for name in (*names, "temperature", "seed") if options[name] is not None}
    return values | given


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
    with cuda.sanitized() as report:
        model = _load(options)
        tokenizer = _tokenizer(model, options["model"])
        ids = tokenizer.encode(prompt)
        count = _SANITIZED_TOKENS if options["max_new_tokens"] is None else options["max_new_tokens"]
        tokens = model.generate(ids, count, **_sampling(model, options))
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        start = time.perf_counter()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=count)

            def show(operator, arguments, results):
                progress.update(task, description=f"{model.decoder.place}: {operator.name}")

            written = []
            with observe_calls(show):
                for token in tokens:
                    written.append(token)
                    progress.advance(task)
    seconds = time.perf_counter() - start
    _say_which_kernels("cuda")
    click.echo(prompt + tokenizer.decode(written))
    per_token = f", {seconds / len(written):.1f} s per token" if written else ""
    click.echo(f"sanitizer: {len(report.launches)} launches, no findings{per_token}", err=True)


def _say_which_kernels(device: str):
    """Name the learner's kernels that have answered, so that nobody wonders whose numbers these are."""
    from llaisys_mini.course.attribution import credit

    for line in credit(device):
        click.echo(line, err=True)


def _verification(model):
    from llaisys_mini.checks.verify import verify_calls

    return verify_calls(model)


def _started(tokens):
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


class _Stopwatch:
    """When each token arrived."""

    def __init__(self, start: float):
        self.start = start
        self.ticks: list[float] = []

    def tick(self):
        self.ticks.append(time.perf_counter())

    def report(self, prompt_tokens: int, cache):
        from llaisys_mini.course.attribution import counts

        if self.ticks:
            click.echo(
                f"first token after {self.ticks[0] - self.start:.2f} s (prompt: {prompt_tokens} tokens)", err=True
            )
        if len(self.ticks) > 1:
            rate = (len(self.ticks) - 1) / (self.ticks[-1] - self.ticks[0])
            click.echo(f"{len(self.ticks)} new tokens, {rate:.0f} per second after the first", err=True)
        click.echo(f"KV cache: {cache.length} positions, {cache.nbytes / 2**20:.1f} MiB allocated", err=True)
        click.echo(f"kernels: {counts() or 'none was called'}", err=True)


if __name__ == "__main__":
    main()
