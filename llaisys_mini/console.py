"""Where tables and sentences are printed: a terminal, or a notebook, which is narrower than rich believes."""

import sys

from rich.console import Console

_NOTEBOOK_COLUMNS = 96  # fits JupyterLab beside its file list, without a scroll bar


def in_notebook() -> bool:
    """Whether a notebook shows what is printed (JupyterLab, VS Code and their like)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def console() -> Console:
    """A console for the place where this process prints.

    A notebook gets text with colours, as a terminal does: in rich's own HTML, each print leaves a gap and the last line
    loses its underscores.
    """
    if not in_notebook():
        return Console()
    return Console(width=_NOTEBOOK_COLUMNS, force_jupyter=False, force_terminal=True, color_system="standard")
