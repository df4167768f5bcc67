"""`python -m autograder remove`: take a student who was graded by mistake out of all that grading made."""

import click
from rich.console import Console

from autograder.course import GradingError
from autograder.options import in_build, with_gradebook


@click.command()
@click.argument("student")
@click.option("--lab", help="This lab only, such as 07_softmax.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_gradebook
@in_build
def remove(student, lab, yes, url, build):
    """Remove the grades and pages of STUDENT, who was graded by mistake; says what goes, and asks.

    Gone are entries in gradebook, report, export and copies, the graded notebooks and the feedback. What was handed in
    stays where it is: move it away, or the next `grade` grades it again.
    """
    from autograder.gradebook import removal, report
    from autograder.gradebook import url as gradebook_url
    from autograder.lock import only_grader

    console = Console(highlight=False, markup=False, soft_wrap=True)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    report.load(build)  # says where nothing is graded, before a folder is made for the lock
    with only_grader(build, errors):
        url = gradebook_url.of(build, url)
        found = removal.look_for(student, lab, url, build)
        for line in found.told():
            console.print(line)
        if not yes and not _agreed():
            raise GradingError("nothing was removed")
        removal.remove(found, url, build)
    console.print(f"removed: {student}{f', {lab}' if lab else ''}. What was handed in was left alone; move it away")
    console.print("before the next `grade`, or it is graded again")


def _agreed() -> bool:
    try:
        return click.confirm("Remove this?")
    except click.Abort:  # there is nobody to ask
        raise GradingError("nothing was removed; --yes removes without asking") from None
