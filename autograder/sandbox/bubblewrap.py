"""bubblewrap: namespaces for ordinary users: no network, no other processes, no other files."""

import shutil
from pathlib import Path


def command(readable: list[Path], scratch: Path, argv: list[str]) -> list[str]:
    """argv in a world of its own, which ends with it: it sees `readable` (read-only) and writes to `scratch`."""
    words = [
        shutil.which("bwrap") or "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path in readable:
        words += ["--ro-bind-try", str(path), str(path)]
    return [*words, "--bind", str(scratch), str(scratch), "--chdir", str(scratch), "--", *argv]
