"""Predict, then run: answers are folded and give nothing away, in the notebook and in an exported page."""

from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from traitlets.config import PyFileConfigLoader

from notebooks.source import build, predictions

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """# %% [markdown]
# > **Predict, then run.** Which is it?

# %%
print("secret one")

# %% jupyter={"source_hidden": true}
print("secret two")

# %%
nothing = 0

# %% [markdown]
# > **The common guess**, that it is two,
# > forgets *one*.
#
# Text that follows.

# %%
print("open")
"""


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """As `build.execute` leaves it, with outputs put in by hand."""
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    source = tmp_path / "01_example.py"
    source.write_text(SOURCE)
    notebook = build.read(source)
    for cell in notebook.cells:
        if "print" in cell.source:
            cell.outputs = [nbformat.v4.new_output("stream", text=cell.source.split('"')[1])]
    predictions.fold_outputs(notebook)
    return notebook


def test_outputs_between_a_question_and_the_next_text_are_folded(notebook):
    folded = [cell.metadata.get("jupyter", {}).get("outputs_hidden", False) for cell in notebook.cells]
    assert folded == [False, True, True, False, False, False]
    assert [cell.metadata.get("collapsed", False) for cell in notebook.cells] == folded
    nbformat.validate(notebook)


def test_the_line_that_jupyterlab_shows_of_folded_outputs_gives_nothing_away(notebook):
    for cell in notebook.cells[1:3]:
        assert "secret" not in str(cell.outputs[0]) and "secret" in str(cell.outputs[1])
    before = nbformat.writes(notebook)
    predictions.fold_outputs(notebook)
    assert nbformat.writes(notebook) == before


def test_the_common_guess_unfolds_and_what_follows_stays_open(notebook):
    line = "**The common guess**, that it is two,\nforgets *one*."
    assert notebook.cells[4].source == (
        f"<details><summary>{predictions.SUMMARY}</summary>\n\n{line}\n\n</details>\n\nText that follows."
    )


def test_a_folded_notebook_is_not_stale(notebook, tmp_path):
    source = tmp_path / "01_example.py"
    nbformat.write(notebook, build.notebook_of(source))
    assert not build.is_stale(source)
    source.write_text(SOURCE.replace('"source_hidden"', '"other"'))
    assert build.is_stale(source)


def test_on_an_exported_page_answers_unfold_at_a_click(notebook):
    settings = PyFileConfigLoader("jupyter_config.py", path=str(ROOT / ".jupyter")).load_config()
    page, _ = HTMLExporter(config=settings).from_notebook_node(notebook)
    body = page[page.index("<body") :]
    pieces = body.split('<details class="folded-output">')
    assert len(pieces) == 3
    for piece, secret in zip(pieces[1:], ("secret one", "secret two"), strict=True):
        assert secret in piece.split("</details>")[0]
    assert ">open" in pieces[-1].split("</details>")[-1]
    assert "What comes out:" not in body
