"""The command line: generate, chat, serve, profile, quantise, train, grpo, check, explain, progress, submit, doctor.

Errors a user can cause end with one sentence on stderr and exit code 2; a check that finds a kernel wrong ends with its
diagnosis and exit code 1. Heavy imports wait until a command needs them.
"""

import io
import sys
import warnings

import click

from llaisys_mini.cli import chat, course, generate, grpo, kernels, profile, quantise, serve, train
from llaisys_mini.errors import CheckFailed, CheckpointWarning, UserError

_FORMER_NAMES = {"quantize": "quantise"}


def _sentence_for(usual):
    """Shows the package's own warnings as one sentence, without the line of code that Python adds; others as usual."""

    def show(message, category, *place, **options):
        if issubclass(category, CheckpointWarning):
            click.echo(f"llaisys-mini: warning: {message}", err=True)
        else:
            usual(message, category, *place, **options)

    return show


class _Commands(click.Group):
    """Runs a command and turns the package's own errors into one sentence and exit code 2."""

    def get_command(self, context, name):
        return super().get_command(context, _FORMER_NAMES.get(name, name))

    def invoke(self, context):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a model's letters that this terminal does not have
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _sentence_for(warnings.showwarning)
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


for _command in (
    generate.generate,
    chat.chat,
    serve.serve,
    profile.profile,
    quantise.quantise,
    train.train,
    grpo.grpo,
    kernels.check,
    kernels.explain,
    kernels.progress,
    course.submit,
    course.doctor,
):
    main.add_command(_command)
