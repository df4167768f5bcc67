"""`llaisys-mini check`, `explain` and `progress`: what is wrong with a kernel, what the compiler made of it, which are
written."""

import click


def _of_a_kernel(command):
    """The options that say which kernel is meant."""
    for option in (
        click.option(
            "--kernels",
            "kernel_set",
            default="student",
            show_default=True,
            help="student, solutions, plain, expert or reference.",
        ),
        click.option("--device", default="cpu", show_default=True),
        click.argument("operator"),
    ):
        command = option(command)
    return command


@click.command()
@_of_a_kernel
def check(operator, device, kernel_set):
    """Check a kernel of OPERATOR on the public cases."""
    from llaisys_mini.checks.check import check as run_check

    run_check(operator, device, kernel_set)


@click.command()
@_of_a_kernel
def explain(operator, device, kernel_set):
    """Show what the compiler made of a kernel of OPERATOR: vectors and threads, or on cuda registers and occupancy."""
    from llaisys_mini.inspect.codegen import explain as run_explain

    run_explain(operator, kernel_set, device)


@click.command()
@click.option("--speed/--no-speed", default=True, help="Time your kernels against the course's in the shipped model.")
def progress(speed):
    """Show which kernels you have written, which are correct, and how fast they are."""
    from llaisys_mini.course.progress import print_progress

    print_progress(speed)
