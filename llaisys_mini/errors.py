"""Every error that a user can cause, each said in one or two plain sentences.

Not for bugs of the package itself: those stay ordinary exceptions with their traceback.
The command line prints the sentence and exits with 2; a notebook shows the sentence without a traceback,
because nothing inside the package is the user's to read.
"""

import sys
import warnings


class UserError(Exception):
    """Base of all errors a user can cause. The message says what is wrong, where, and what to do."""

    def _render_traceback_(self) -> list[str]:
        """IPython calls this instead of printing a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ContractError(UserError, ValueError):
    """An operator was called with arguments its contract does not allow."""


class KernelError(UserError):
    """A kernel cannot be found, saved, loaded or used."""


class CheckFailed(UserError, AssertionError):
    """A kernel gave a wrong answer; the message is the report."""


class ConfigError(UserError, ValueError):
    """A model's config.json is missing, broken, or asks for something that is not supported."""


class CheckpointError(UserError, ValueError):
    """A checkpoint's weights are missing, truncated, or of the wrong shape or dtype."""


class TokenizerError(UserError, ValueError):
    """A tokenizer or chat template is missing or broken, or a text cannot be encoded."""


class GenerationError(UserError, ValueError):
    """Generation was asked for something impossible: an empty prompt, one longer than the context, ..."""


class TrainingError(UserError, RuntimeError):
    """A training cannot begin, go on or be resumed: a text too short, a loss that is no number, a full disk, ..."""


class DeviceError(UserError, RuntimeError):
    """A device is unknown or not available on this machine."""


class CheckpointWarning(UserWarning):
    """A checkpoint can be used, but something in its files is ignored or contradicts the rest."""


def warn_about_checkpoint(sentence: str) -> None:
    """Warn with a CheckpointWarning, in the name of the line that called the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(f"{__package__}."):
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, CheckpointWarning, stacklevel=level)
