"""Lectures exported as HTML hide the code that JupyterLab folds: code that only draws, or makes up data.

Read by JupyterLab under `make lab` (File, Save and Export Notebook As), and by `jupyter nbconvert` where
JUPYTER_CONFIG_PATH names this folder.
"""


def hide_folded_code(notebook, resources):
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}  # so nbconvert tells its templates
    return notebook, resources


c = get_config()  # noqa: F821 - Jupyter runs this file, with a name that it defines
c.HTMLExporter.preprocessors = [hide_folded_code]
