"""The lectures that `make lab` signs are trusted by the JupyterLab that it starts, and by no other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary
from traitlets.config import Config, PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[2]


def test_a_signed_lecture_is_trusted_with_the_settings_of_the_course_alone(tmp_path):
    shutil.copytree(ROOT / ".jupyter", tmp_path / ".jupyter")
    (tmp_path / "build" / "trust").mkdir(parents=True)
    file = tmp_path / "lecture.ipynb"
    output = nbformat.v4.new_output("display_data", {"text/html": "<script></script>"})
    cell = nbformat.v4.new_code_cell(outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), file)
    subprocess.run(  # as the Makefile does
        [sys.executable, "-m", "nbformat.sign", "--log-level=ERROR", str(file)],
        env={**os.environ, "JUPYTER_CONFIG_PATH": str(tmp_path / ".jupyter"), "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    settings = PyFileConfigLoader("jupyter_config.py", path=str(tmp_path / ".jupyter")).load_config()
    notebook = nbformat.read(file, as_version=4)
    assert NotebookNotary(config=settings, data_dir=str(tmp_path / "other")).check_signature(notebook)
    (tmp_path / "other").mkdir()
    assert not NotebookNotary(config=Config(), data_dir=str(tmp_path / "other")).check_signature(notebook)
    changed = nbformat.read(file, as_version=4)
    changed.cells[0].outputs[0].data["text/html"] = "<script>alert()</script>"
    assert not NotebookNotary(config=settings, data_dir=str(tmp_path / "other")).check_signature(changed)


def test_make_lab_signs_the_lectures_with_these_settings():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\nlab:")[1].split("\n\n")[0]
    assert "$(WITH_SETTINGS) $(BIN)/python -m nbformat.sign" in recipe and "notebooks/*.ipynb" in recipe
    assert "$(WITH_SETTINGS) \\\n\t    $(BIN)/python -m jupyterlab" in recipe
