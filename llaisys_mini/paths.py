"""Where the course keeps its things: the kernel sets, the shipped model, the learner's own kernels.

In a checkout they lie at the top of the repository. An installed wheel carries the parts that generation needs
(the course's kernels and the shipped model) in the package's `_course` folder.
"""

import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
STUDENT_VARIABLE = "LLAISYS_MINI_STUDENT_DIR"


def course_root() -> Path:
    """The repository in a checkout, else the package's own copy of what generation needs."""
    checkout = PACKAGE.parent
    return checkout if (checkout / "solutions" / "kernels").is_dir() else PACKAGE / "_course"


def solutions_folder() -> Path:
    """The course's own kernels; absent from what students are given before they have solved the labs."""
    return course_root() / "solutions" / "kernels"


def shipped_model() -> Path:
    """The small model that this project trained."""
    return course_root() / "data" / "models" / "mini"


def held_out_text() -> Path:
    """Stories that the shipped model was not trained on, to measure how well it predicts them."""
    return course_root() / "data" / "models" / "held_out.txt"


def labs_folder() -> Path:
    """`labs` of the course; where labs were handed out without the course, the folder that holds them."""
    inside = course_root() / "labs"
    return inside if inside.is_dir() else _handed_out(Path.cwd())


@cache
def _handed_out(here: Path) -> Path:
    """The nearest folder with labs: `here`, one above it, or `labs` in one of these; `here`/labs if there is none.

    A notebook's kernel starts in the folder of its lab, or in the folder that an editor opened; a terminal anywhere.
    """
    around = (folder for above in (here, *here.parents) for folder in (above / "labs", above))
    return next((folder for folder in around if any(folder.glob("[0-9][0-9]_*/[0-9][0-9]_*.ipynb"))), here / "labs")


def student_folder() -> Path:
    """The learner's kernels: `$LLAISYS_MINI_STUDENT_DIR`, else the package's `student` folder; where the package is
    installed read-only or from a wheel, `student` beside the labs that were handed out, else in the working folder."""
    named = os.environ.get(STUDENT_VARIABLE)
    if named:
        return Path(named).expanduser().resolve()
    inside = PACKAGE / "student"
    if course_root() == PACKAGE.parent and os.access(inside if inside.exists() else PACKAGE, os.W_OK):
        return inside
    return _handed_out(Path.cwd()).parent / "student"
