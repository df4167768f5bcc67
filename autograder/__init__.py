"""The instructor's side of the course: making the labs, and grading them."""

import os
import sys
from pathlib import Path

# nbgrader starts `alembic` by name when it makes a gradebook: it lies beside this Python, which the PATH need not name.
_COMMANDS = str(Path(sys.executable).parent)
if _COMMANDS not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join(filter(None, [_COMMANDS, os.environ.get("PATH")]))

# jsonschema, which nbformat imports, would build a grammar of internationalised addresses, for a check that no notebook
# asks for. It takes two seconds, and jsonschema does without when it is absent.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
