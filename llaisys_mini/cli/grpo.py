"""`llaisys-mini grpo`: a model learns from its own answers, and from a program that knows which are right."""

import click


@click.command()
@click.option("--out", required=True, help="The folder of the model; it must not exist yet.")
@click.option("--model", default="mini", show_default=True, help="Folder, hub id, or 'mini', the shipped model.")
@click.option("--steps", type=click.IntRange(1), default=None, help="How long to train. Default: 50.")
@click.option("--questions", type=click.IntRange(1), default=None, help="Questions in each step. Default: 12.")
@click.option("--samples", type=click.IntRange(2), default=None, help="Answers to each question. Default: 8.")
@click.option("--digits", type=click.IntRange(1, 9), default=None, help="Of the first number. Default: 2.")
@click.option("--second-digits", type=click.IntRange(1, 9), default=None, help="Of the second one. Default: 1.")
@click.option("--sign", type=click.Choice(["+", "-"]), default=None, help="Sums or differences. Default: +.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=None, help="The learning rate.")
@click.option("--seed", type=click.IntRange(0), default=None, help="Same seed, same training. Default: 1.")
@click.option(
    "--kernels",
    default="expert",
    show_default=True,
    help="expert, solutions, student or reference; also per operator: attention_backward=student.",
)
def grpo(out, model, kernels, **chosen):
    """Train a model by GRPO: it answers sums, without thinking, and right answers become likelier."""
    from pathlib import Path

    from llaisys_mini.kernels.choice import parse_choice, use_kernels
    from llaisys_mini.training.grpo import GrpoRecipe
    from llaisys_mini.training.grpo_folder import CURVE, share, train

    everywhere, per_operator = parse_choice(kernels)
    recipe = GrpoRecipe(**{name: value for name, value in chosen.items() if value is not None})
    folder = Path(out).expanduser()
    with use_kernels(everywhere, **per_operator):
        report = train(model, folder, recipe)
    for kind, right in report["right"].items():
        before, after = (share(right[when], report["recipe"]) for when in ("before", "after"))
        click.echo(f"{kind}: {before:.1%} right before, {after:.1%} after {recipe.steps} steps")
    losses = report["held_out_loss"]
    click.echo(f"loss on held-out stories: {losses['before']:.4f} before, {losses['after']:.4f} after")
    click.echo(f"the curve is {folder / CURVE}; let it speak: llaisys-mini chat --model {out}")
