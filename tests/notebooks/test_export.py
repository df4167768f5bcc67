"""A lecture exported as HTML, with the settings that `make lab` gives to JupyterLab."""

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[2]


def test_code_that_jupyterlab_folds_is_left_out_and_what_it_drew_stays():
    folded = nbformat.v4.new_code_cell("draw_it()", metadata={"jupyter": {"source_hidden": True}})
    folded.outputs = [nbformat.v4.new_output("stream", text="the drawing")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("compute_it()"), folded])
    settings = PyFileConfigLoader("jupyter_config.py", path=str(ROOT / ".jupyter")).load_config()
    page, _ = HTMLExporter(config=settings).from_notebook_node(notebook)
    assert "compute_it" in page and "the drawing" in page
    assert "draw_it" not in page
