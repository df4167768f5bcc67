"""A folder of compiled kernels that one test has to itself, and that begins with what the run has compiled so far.

For tests of what is kept on disk: they compile what they are about, and not all that it stands on.
"""

import os
import shutil
from pathlib import Path


def own_cache(folder: Path, without: str) -> dict[str, str]:
    """The environment of processes that keep their compiled kernels in `folder`.

    without: how the names of files begin that are left out. Where the run has no folder of its own (tests/conftest.py),
    `folder` begins empty.
    """
    folder.mkdir(parents=True)
    shared = os.environ.get("NUMBA_CACHE_DIR")
    for file in Path(shared).rglob("*.nbc") if shared else ():
        if not file.name.startswith(without):
            target = folder / file.relative_to(shared)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
    return {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
