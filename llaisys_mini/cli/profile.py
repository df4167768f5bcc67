"""`llaisys-mini profile`: where the time of a model goes, by operator, for prefill and decode."""

import click

from llaisys_mini.cli.options import device_option, dtype_option


@click.command()
@click.option(
    "--model",
    default="mini",
    show_default=True,
    help="Folder, hub id, 'mini', or 'shape:qwen3-0.6b': random weights in the shape of a published model.",
)
@click.option("--kernels", default="", help="student, solutions, plain, expert or reference; also per operator.")
@device_option
@dtype_option
@click.option("--prompt", type=click.IntRange(1), default=128, show_default=True, help="Tokens to read.")
@click.option("--new-tokens", type=click.IntRange(2), default=16, show_default=True, help="Tokens to write.")
@click.option("--layers", type=click.IntRange(2), default=None, help="Of a shape: layers to run. Default: 4.")
def profile(model, kernels, device, dtype, prompt, new_tokens, layers):
    """Show where the time of a model goes: by operator, for reading a prompt and for writing."""
    from rich.console import Console

    from llaisys_mini.engine.profiling import SHAPE, profile_model
    from llaisys_mini.kernels.choice import parse_choice, use_kernels

    if layers is not None and not model.startswith(SHAPE):
        raise click.UsageError("--layers is for a shape: --model shape:qwen3-0.6b")
    everywhere, per_operator = parse_choice(kernels)
    use_kernels(everywhere, **per_operator)
    with Console(stderr=True).status("running the model"):
        measured = profile_model(model, prompt, new_tokens, layers=layers, dtype=dtype, device=device)
    click.echo(str(measured))
