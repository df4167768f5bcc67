"""Each lecture is up to date, of the common form, runs, and has no dead link, no misspelling and no figure without alt
text. What it teaches is for people to judge."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from markdown_it import MarkdownIt

from llaisys_mini.lectures import theme
from notebooks.source import build, form, predictions

ROOT = Path(__file__).resolve().parents[2]
LECTURES = build.lectures()
STEMS = """00_start_here 01_neurons 02_layers 03_losses_and_backpropagation 04_training 05_normalisation 06_tensors
07_softmax 08_reductions 09_matmul_cpu 10_matmul_gpu 11_tokens_and_positions 12_attention 13_qwen_block 14_decoder
15_quantisation 16_many_texts 17_service 18_one_call 19_training_a_language_model 20_after_training""".split()
LABS = """00_practice 01_neuron 02_layers 03_backpropagation 04_training 05_norms 06_tensor 07_softmax 08_reductions
09_matmul 10_matmul_gpu 11_tokens_and_positions 12_attention 13_qwen_block 14_the_decoder_speaks 15_quantisation
16_many_texts 17_service 18_one_call 19_training 20_after_training""".split()
# What lectures may link to before it is written: nothing, once all of them are there.
PLANNED = {
    *(f"notebooks/{stem}.ipynb" for stem in STEMS if stem not in {source.stem for source in LECTURES}),
    *(f"labs/{lab}/{lab}.ipynb" for lab in LABS if not (ROOT / "labs" / lab).is_dir()),
}
LARGEST_BYTES = 1_000_000
MARKDOWN = MarkdownIt("commonmark").enable("table")

every_lecture = pytest.mark.parametrize("source", LECTURES, ids=lambda source: source.stem)


def notebook(source: Path):
    return nbformat.read(build.notebook_of(source), as_version=4)


def markdown(source: Path) -> list[str]:
    return [cell.source for cell in build.read(source).cells if cell.cell_type == "markdown"]


def outputs(source: Path) -> list:
    return [output for cell in notebook(source).cells if cell.cell_type == "code" for output in cell.outputs]


def test_lectures_have_the_names_of_the_plan():
    assert LECTURES
    beside = [path.name for path in build.FOLDER.iterdir() if path.suffix in (".py", ".toml")]
    assert not beside, "students see one file a lecture"
    assert {source.stem for source in LECTURES} <= set(STEMS)


# ---- the executed notebook ---------------------------------------------------------------------------------------


@every_lecture
def test_notebook_is_up_to_date(source):
    assert not build.is_stale(source), f"{source.name} was changed: run `make notebooks`"


@every_lecture
def test_notebook_ran_without_error_or_warning(source):
    for output in outputs(source):
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.text


@every_lecture
def test_nothing_of_one_machine_or_one_run_is_left_in_the_notebook(source):
    text = build.notebook_of(source).read_text()
    assert not re.search(r"/(home|root|tmp|work|Users)/|0x[0-9a-f]{8,}", text)
    assert "widgets" not in notebook(source).metadata
    assert all(cell.get("execution_count") is None for cell in notebook(source).cells)


@every_lecture
def test_every_figure_has_alt_text(source):
    for output in outputs(source):
        data = output.get("data", {})
        assert "image/png" not in data, "a figure was not shown by plots.show"
        for image in re.findall(r"<img[^>]*>", data.get("text/html", "")):
            assert re.search(r'alt="[^"]{20,}"', image), image[:200]


@every_lecture
def test_every_figure_follows_the_theme(source):
    for output in outputs(source):
        page = output.get("data", {}).get("text/html", "")
        if "<img" in page:
            assert theme.STYLE in page and f'class="{theme.CARD}"' in page, (
                "made with an earlier plots.show: build it anew"
            )


@every_lecture
def test_what_answers_a_question_is_folded(source):
    questions = list(predictions.runs(notebook(source)))
    assert len(questions) >= 2
    for question, answers, _ in questions:
        shown = [cell for cell in answers if cell.outputs]
        assert shown, f"nothing answers {question.source!r}"
        for cell in shown:
            hidden = cell.metadata.get("jupyter", {}).get("outputs_hidden")
            assert hidden and predictions.is_invitation(cell.outputs[0]), cell.source


@every_lecture
def test_after_each_answer_a_line_says_what_is_wrong_with_the_common_guess(source):
    if source.stem[:2] in form.NOT_YET["guesses"]:
        pytest.skip("not rewritten yet (notebooks/source/lectures.toml)")
    for question, _, after in predictions.runs(notebook(source)):
        assert after is not None and f"<summary>{predictions.SUMMARY}</summary>" in after.source, question.source


@every_lecture
def test_notebook_is_small(source):
    assert build.notebook_of(source).stat().st_size < LARGEST_BYTES


@pytest.mark.slow
@every_lecture
def test_lecture_executes(source):
    build.execute(source, compiled=os.environ.get("NUMBA_CACHE_DIR"))


# ---- the common form ---------------------------------------------------------------------------------------------


@every_lecture
def test_lecture_begins_with_the_question_and_ends_with_the_answer(source):
    number, place = source.stem[:2], STEMS.index(source.stem)
    head, tail = markdown(source)[0], markdown(source)[-1]
    assert re.match(rf"# {number} · \S", head)
    assert re.search(r"^\*\*Question:\*\* .+\?$", head, re.MULTILINE)
    assert re.search(r"\| \d+ minutes \|", head)
    assert re.findall(r"^## (.+)", tail, re.MULTILINE) == ["The answer", "Sources", "Go on"]
    for link in (f"../labs/{LABS[place]}/", *(f"{stem}.ipynb" for stem in STEMS[place + 1 : place + 2])):
        assert link in head and link in tail, f"no link to {link} at the top or at the end"
    for stem in STEMS[place - 1 : place]:
        assert f"{stem}.ipynb" in head


# ---- links -------------------------------------------------------------------------------------------------------


def links(text: str) -> list[str]:
    found = []
    for token in MARKDOWN.parse(text):
        for child in token.children or []:
            found += [child.attrs[name] for name in ("href", "src") if name in child.attrs]
    return found


def anchors(source: Path) -> set[str]:
    """As JupyterLab makes them: the words of a heading with hyphens between."""
    headings = re.findall(r"^#+ (.+)", "\n".join(markdown(source)), re.MULTILINE)
    return {heading.strip().replace(" ", "-") for heading in headings}


def dead(link: str, source: Path) -> str | None:
    """What is wrong with a link in a lecture, or None. Pages of other sites are not fetched."""
    parts = urlsplit(link)
    if parts.scheme:
        well_formed = parts.scheme in ("http", "https") and "." in parts.netloc and " " not in link
        return None if well_formed else "not a web address"
    target = (build.FOLDER / unquote(parts.path)).resolve() if parts.path else build.notebook_of(source)
    if not target.exists():
        return None if target.relative_to(ROOT).as_posix() in PLANNED else "no such file"
    if target.relative_to(ROOT).parts[0] not in ("notebooks", "labs") or target.is_relative_to(build.SOURCES):
        return "a file that is not handed out to students"
    if parts.fragment and target.suffix == ".ipynb":
        return None if unquote(parts.fragment) in anchors(build.SOURCES / f"{target.stem}.py") else "no such heading"
    return None


@every_lecture
def test_no_link_is_dead(source):
    every_link = [link for cell in markdown(source) for link in links(cell)]
    assert every_link
    wrong = {link: problem for link in every_link if (problem := dead(link, source))}
    assert not wrong


@pytest.mark.parametrize(
    ("link", "is_dead"),
    [
        ("https://doi.org/10.1037/h0042519", False),
        ("http://nowhere", True),
        ("ftp://example.org/file", True),
        ("01_neurons.ipynb#The-answer", False),
        ("01_neurons.ipynb#the-end", True),
        ("#Sources", False),
        ("../README.md", True),
        ("source/01_neurons.py", True),
        ("../labs/01_neuron/misspelt.ipynb", True),
        ("12_more.ipynb", True),
    ],
)
def test_dead_links_are_told_from_live_ones(link, is_dead):
    assert bool(dead(link, LECTURES[[source.stem for source in LECTURES].index("01_neurons")])) == is_dead


# ---- spelling ----------------------------------------------------------------------------------------------------


def misspelt(*files: Path) -> str:
    command = [sys.executable, "-m", "codespell_lib", "--builtin", "clear,rare", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ).stdout


def test_no_misspelling():
    assert misspelt(*LECTURES) == ""


def test_a_misspelling_is_found(tmp_path):
    file = tmp_path / "text.py"
    file.write_text("# the gradeint occured\n")
    assert "occured" in misspelt(file)
