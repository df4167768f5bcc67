"""bubblewrap: namespaces for ordinary users: no network, no other processes, no other files."""

import shutil
from pathlib import Path


def command(readable: list[Path], scratch: Path, argv: list[str]) -> list[str]:
    """argv in a world of its own, which ends with it: it sees `readable` (read-only) and writes to `scratch`."""
    command = [
        shutil.which("bwrap") or "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path in readable:
        command += ["--ro-bind-try", str(path), str(path)]
    return [*command, "--bind", str(scratch), str(scratch), "--chdir", str(scratch), "--", *argv]
