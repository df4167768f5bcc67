"""`llaisys-mini train`: a small model from nothing."""

import click


@click.command()
@click.argument("text")
@click.option("--out", required=True, help="The folder of the model. The same command goes on where it was stopped.")
@click.option("--steps", type=click.IntRange(1), default=None, help="How long to train. Default: 3000.")
@click.option("--layers", type=click.IntRange(1), default=None, help="Default: 2.")
@click.option("--vocabulary", type=click.IntRange(1), default=None, help="Tokens of the tokenizer. Default: 512.")
@click.option("--optimiser", default=None, help="muon (default: Muon for matrices, AdamW for the rest) or adamw.")
@click.option("--seed", type=click.IntRange(0), default=None, help="Same seed, same model. Default: 1.")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Share each step among so many."
)
@click.option(
    "--kernels",
    default="expert",
    show_default=True,
    help="expert, solutions, student or reference; also per operator: rms_norm_backward=student.",
)
def train(text, out, kernels, processes, **chosen):
    """Train a language model on TEXT, a file of documents separated by <|endoftext|>."""
    from pathlib import Path

    from llaisys_mini.errors import UserError
    from llaisys_mini.kernels.choice import parse_choice, use_kernels
    from llaisys_mini.training import parallel
    from llaisys_mini.training.loop import CURVE
    from llaisys_mini.training.loop import train as train_model
    from llaisys_mini.training.recipe import Recipe

    if processes > 1:
        _train_in_processes(processes, text, out, kernels, chosen)
        return
    everywhere, per_operator = parse_choice(kernels)
    recipe = Recipe(**{name: value for name, value in chosen.items() if value is not None})
    folder = Path(out).expanduser()
    group = parallel.group()
    try:
        with use_kernels(everywhere, **per_operator):
            outcome = train_model(Path(text).expanduser(), folder, recipe, group)
    except UserError as problem:
        group.end(problem)
        raise
    if group.rank:
        return
    click.echo(
        f"{outcome.parameters:,} parameters; held-out loss {outcome.held_out[-1, 1]:.3f} nats per token "
        f"after {recipe.steps} steps; the curve is {folder / CURVE}"
    )
    click.echo(f"Let it speak: llaisys-mini generate --model {out}")


def _train_in_processes(processes, text, out, kernels, chosen):
    """The same command under mpiexec."""
    import sys
    from pathlib import Path

    from llaisys_mini.errors import TrainingError
    from llaisys_mini.training import parallel
    from llaisys_mini.training.loop import last_whole

    settings = [f"--{name}={value}" for name, value in chosen.items() if value is not None]
    again = ["train", text, f"--out={out}", f"--kernels={kernels}", *settings]
    status = parallel.start(processes, [sys.executable, "-m", "llaisys_mini", *again])
    if status in (1, parallel.TOLD):
        raise SystemExit(status)
    if status:
        whole = last_whole(Path(out).expanduser()) or "There is no checkpoint yet."
        raise TrainingError(
            f"One of the {processes} processes died (status {status}), and the others were ended. {whole} The same "
            "command goes on from there."
        )
