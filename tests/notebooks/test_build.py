"""Building notebooks: what counts as stale, what is taken out, and that a failure leaves the old notebook alone."""

import nbformat
import pytest
from click.testing import CliRunner

from notebooks.source import build

SOURCE = """# %% [markdown]
# # Title

# %%
from ipywidgets import interact


@interact(knob=(0, 3))
def double(knob=1):
    print(2 * knob)


# %%
print("one")
1 + 1

# %%
print("one")
1 + 1
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "SOURCES", tmp_path / "source")
    build.SOURCES.mkdir()
    path = build.SOURCES / "01_example.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.slow
def test_build_executes_and_a_second_build_gives_the_same_bytes(source):
    assert build.is_stale(source)
    build.build(source)
    assert not build.is_stale(source)
    first = build.notebook_of(source).read_bytes()
    notebook = nbformat.reads(first.decode(), as_version=4)
    nbformat.validate(notebook)
    slider, *sums = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert slider[0].data["text/html"] == build.SLIDER_PLACEHOLDER
    assert [output.data["text/plain"] for (_, output) in sums] == ["2", "2"]
    build.build(source)
    assert build.notebook_of(source).read_bytes() == first


@pytest.mark.slow
def test_a_failing_cell_is_named_and_the_old_notebook_stays(source):
    build.notebook_of(source).write_text("old")
    source.write_text("# %%\n1 / 0\n")
    result = CliRunner().invoke(build.main, ["01"])
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.output and "01_example" in result.output
    assert build.notebook_of(source).read_text() == "old"


def test_a_change_of_text_code_or_metadata_is_stale(source):
    nbformat.write(build.read(source), build.notebook_of(source))
    assert not build.is_stale(source)
    for old, new in [("# # Title", "# # Other"), ("1 + 1", "1 + 2"), ("# %%\nprint", '# %% tags=["x"]\nprint')]:
        source.write_text(SOURCE.replace(old, new, 1))
        assert build.is_stale(source), new


def test_where_the_text_alone_changed_the_outputs_stay_and_nothing_is_executed(source):
    notebook = build.read(source)
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="as it was")]
    nbformat.write(notebook, build.notebook_of(source))
    source.write_text(SOURCE.replace("# # Title", "# # Other").replace("# %%\nprint", '# %% tags=["x"]\nprint'))
    assert "the text changed" in CliRunner().invoke(build.main, []).output
    assert not build.is_stale(source)
    made = nbformat.read(build.notebook_of(source), as_version=4)
    assert made.cells[0].source == "# Other" and made.cells[2].metadata.tags == ["x"]
    assert made.cells[2].outputs[0].text == "as it was"
    source.write_text(SOURCE.replace("1 + 1", "1 + 2"))
    assert not build.reword(source)


def test_ids_are_unique_and_depend_on_the_content_alone(source):
    ids = [cell.id for cell in build.read(source).cells]
    assert len(set(ids)) == len(ids) == 4
    assert ids == [cell.id for cell in build.read(source).cells]


def test_nothing_to_do_and_unknown_names_are_said(source):
    nbformat.write(build.read(source), build.notebook_of(source))
    assert "up to date" in CliRunner().invoke(build.main, []).output
    result = CliRunner().invoke(build.main, ["99"])
    assert result.exit_code == 2
    assert "01_example" in result.output
