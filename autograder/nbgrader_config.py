"""nbgrader's configuration: where the course keeps its notebooks.

After `make labs`, in this folder, where nbgrader looks for a file of this name: cd autograder && nbgrader <command>
"""

import os
from pathlib import Path

from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, Execute, SaveAutoGrades

from autograder.gradebook import served
from autograder.gradebook import url as gradebook_url
from autograder.gradebook.book import JudgedExecute, SaveJudgedGrades
from autograder.gradebook.mathjax import PlainHTMLExporter
from autograder.labs import ClearToStubs

c = get_config()  # noqa: F821 - nbgrader defines it

# Below the course's folder; `python -m autograder formgrader` may name others.
submitted = os.environ.get("LLAISYS_MINI_SUBMITTED", "submitted")
build = os.environ.get("LLAISYS_MINI_BUILD", "build")

c.CourseDirectory.root = str(Path(__file__).resolve().parents[1])
c.CourseDirectory.course_id = "llaisys_mini"
c.CourseDirectory.source_directory = "build/labs"
c.CourseDirectory.release_directory = "labs"
c.CourseDirectory.submitted_directory = submitted
c.CourseDirectory.autograded_directory = f"{build}/autograded"
c.CourseDirectory.feedback_directory = f"{build}/feedback"
c.CourseDirectory.db_url = gradebook_url.remembered(Path(c.CourseDirectory.root) / build)
# Student code never runs in a kernel of the grader: `nbgrader autograde` asks the judge too.
_ours = {Execute: JudgedExecute, SaveAutoGrades: SaveJudgedGrades}
c.Autograde.autograde_preprocessors = [
    _ours.get(step, step) for step in Autograde.class_traits()["autograde_preprocessors"].default()
]
c.GenerateAssignment.preprocessors = [
    ClearToStubs if step is ClearSolutions else step
    for step in GenerateAssignment.class_traits()["preprocessors"].default()
]

# Pages show what students wrote; nothing of it runs.
c.HTMLExporter.filters = {"markdown2html": "autograder.gradebook.answers.markdown2html"}
c.GenerateFeedback.exporter_class = PlainHTMLExporter
c.PlainHTMLExporter.filters = {"markdown2html": "autograder.gradebook.formulas.markdown2html"}
served.install()
