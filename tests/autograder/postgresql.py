"""A PostgreSQL server for the length of a test: its own data folder, a socket in it, no network, no other user."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

START = 60  # seconds that the server may take


def why_not() -> str | None:
    """What is missing here, or None."""
    if _program("initdb") is None:
        return "PostgreSQL's server is not installed (Debian, Ubuntu: apt install postgresql)"
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'llaisys_mini[postgresql]'"
    return None


def _program(name: str) -> str | None:
    """Debian keeps the server's programs out of the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(installed[-1]) if installed else shutil.which(name)


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
    account = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        account = dict(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    options = dict(cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **account)
    data, control = str(folder / "data"), _program("pg_ctl")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    try:
        initdb = [_program("initdb"), "-D", data, "-U", "teacher", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        subprocess.run(initdb, **options)
        log = str(folder / "log")
        subprocess.run([control, "start", "-D", data, "-w", "-t", str(START), "-l", log, "-o", settings], **options)
        try:
            yield f"postgresql://teacher@/postgres?host={folder}"
        finally:
            subprocess.run([control, "stop", "-D", data, "-m", "fast"], **options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
