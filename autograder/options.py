"""Options that several of the instructor's commands share, and where things are by default."""

from pathlib import Path

import click

from autograder.course import ROOT

BUILD = ROOT / "build"
SUBMITTED = ROOT / "submitted"

in_build = click.option(
    "--build",
    type=click.Path(path_type=Path),
    default=BUILD,
    help="Where gradebook and reports are; by default build/.",
)
with_gradebook = click.option(
    "--db",
    "url",
    help="The gradebook, such as postgresql://user@host/name. The other commands use what `grade` was given.",
)
