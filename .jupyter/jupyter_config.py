"""Settings of the course for Jupyter: how lectures are exported as HTML, and which notebooks are trusted.

Read by JupyterLab under `make lab` (File, Save and Export Notebook As), and by `jupyter nbconvert` and `jupyter trust`
where JUPYTER_CONFIG_PATH names this folder.
"""

from pathlib import Path


def hide_folded_code(notebook, resources):
    """Code that JupyterLab folds, since it only draws or makes up data, is left out of the page."""
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}  # so nbconvert tells its templates
    return notebook, resources


here = Path(__file__).resolve().parent

c = get_config()  # noqa: F821 - Jupyter runs this file, with a name that it defines
c.HTMLExporter.preprocessors = [hide_folded_code]
c.HTMLExporter.extra_template_basedirs = [str(here / "templates")]
c.HTMLExporter.template_name = "course"  # outputs that JupyterLab folds unfold at a click
# The line that stands in JupyterLab for folded outputs: see notebooks/source/predictions.py.
c.TagRemovePreprocessor.enabled = True
c.TagRemovePreprocessor.remove_single_output_tags = {"invitation"}

# `make lab` signs the lectures, so that their pictures follow the theme and their widgets run. The signatures have a
# place of their own: what else the learner trusts on this machine is neither read nor changed.
trust = here.parent / "build" / "trust"
c.NotebookNotary.db_file = str(trust / "signatures.db")
c.NotebookNotary.secret_file = str(trust / "secret")
