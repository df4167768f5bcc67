"""`llaisys-mini submit` and `doctor`: hand a lab in, examine the machine."""

import click


@click.command()
@click.argument("lab")
@click.option("--name", default=None, help="Your name in the course. Default: the login name.")
def submit(lab, name):
    """Run LAB (such as 07_softmax) from the beginning, say what would be scored, and hand it in."""
    from llaisys_mini.course.submission import submit as hand_in

    hand_in(lab, name)


@click.command()
def doctor():
    """Examine this machine and say what is wrong and how to fix it."""
    from llaisys_mini.course.doctor import examine

    raise click.exceptions.Exit(examine())
