"""`llaisys-mini check` and `progress`: what is wrong with a kernel, and which are written."""

import click


@click.command()
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


@click.command()
@click.option("--speed/--no-speed", default=True, help="Time your kernels against the course's in the shipped model.")
def progress(speed):
    """Show which kernels you have written, which are correct, and how fast they are."""
    from llaisys_mini.course.progress import print_progress

    print_progress(speed)
