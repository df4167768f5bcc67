"""nbgrader's configuration: where the course keeps its notebooks.

From the top folder, after `make labs`: nbgrader <command> --config=autograder/nbgrader_config.py
"""

from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

from autograder.labs import ClearToStubs

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.root = str(Path(__file__).resolve().parents[1])
c.CourseDirectory.course_id = "llaisys_mini"
c.CourseDirectory.source_directory = "build/labs"
c.CourseDirectory.release_directory = "labs"
c.CourseDirectory.submitted_directory = "submitted"
c.CourseDirectory.autograded_directory = "build/autograded"
c.CourseDirectory.feedback_directory = "build/feedback"
c.CourseDirectory.db_url = "sqlite:///build/gradebook.db"
c.GenerateAssignment.preprocessors = [
    ClearToStubs if step is ClearSolutions else step
    for step in GenerateAssignment.class_traits()["preprocessors"].default()
]
