"""Each lecture takes the minutes that it states, at most 25, and uses no term before the lecture that introduces it."""

import re
from pathlib import Path

import nbformat
import pytest

from notebooks.source import build, form

ROOT = Path(__file__).resolve().parents[2]
LECTURES = build.lectures()


def rewritten(part: str):
    chosen = [source for source in LECTURES if source.stem[:2] not in form.NOT_YET[part]]
    return pytest.mark.parametrize("source", chosen, ids=lambda source: source.stem)


def text(*cells: str):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(cell) for cell in cells])


# ---- minutes -----------------------------------------------------------------------------------------------------


@rewritten("minutes")
def test_the_stated_minutes_are_honest(source):
    """A minute of difference is left to small changes of the text."""
    found = form.count(build.read(source))
    stated = int(form.STATED.search(source.read_text(encoding="utf-8"))[1])
    assert abs(stated - found.minutes) <= 1, f"run `python -m notebooks.source.form --write`: {found}"
    assert stated <= form.MOST_MINUTES


def test_words_formulas_code_figures_and_questions_are_counted():
    notebook = text(
        "# A title\n\nThree more words with a [link](https://example.org/not/counted) and $x_1 + x_2$.\n\n$$y = x$$",
        "> **Predict, then run.** Which?",
        "## Sources\n\n- not counted",
    )
    shown = "import numpy as np\n\nx = 1\nplots.show(fig, alt='x')\nwidgets.show('strides')\n"
    folded = nbformat.v4.new_code_cell("y = 2\nplots.show(fig, alt='y')", metadata={"jupyter": {"source_hidden": True}})
    notebook.cells[2:2] = [nbformat.v4.new_code_cell(shown), folded]
    assert form.count(notebook) == form.Counts(words=14, formulas=1, code_lines=3, figures=3, questions=1)


def test_180_words_take_a_minute_and_15_lines_of_code_another():
    assert form.Counts(180, 0, 15, 0, 0).minutes == 2


# ---- terms -------------------------------------------------------------------------------------------------------


def test_every_term_of_the_glossary_has_its_place_and_no_other_has():
    terms = re.findall(r"^### (.+)", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    placed = [*form.introduced(), *form.KNOWN["not_looked_for"]["ordinary"], *form.KNOWN["not_looked_for"]["elsewhere"]]
    assert sorted(placed) == sorted(terms)


@rewritten("terms")
def test_a_lecture_introduces_the_terms_that_it_should(source):
    missing = [
        term
        for term, number in form.introduced().items()
        if number == source.stem[:2] and not form.uses(term, form.prose(build.read(source)))
    ]
    assert not missing


@rewritten("terms")
def test_no_term_is_used_before_it_is_introduced(source):
    assert not list(form.used_too_early(source.stem[:2], build.read(source)))


@pytest.mark.parametrize(
    ("paragraph", "found"),
    [
        ("We take two warps.", ["warp"]),
        ("A warp has 32 threads (lecture 08).", []),
        ("A warp, as lecture 10 says, has 32 threads.", []),
        ("A warp, as lecture 02 says, has 32 threads.", ["warp"]),
        ("See [on GPUs](10_matmul_gpu.ipynb): warps.", []),
        ("Lecture 08 has more.\n\nA warp has 32 threads.", ["warp"]),
        ("- lecture 08 has more\n- a warp has 32 threads", ["warp"]),
        ("`warp` is a name here, and a warping is another word.", []),
        ("The KV-cache and 12 FLOPs.", ["FLOP", "KV cache"]),
    ],
)
def test_a_use_before_the_introduction_is_found(paragraph, found):
    assert [term for term, _ in form.used_too_early("06", text(paragraph))] == found


def test_lists_name_lectures_that_are_there():
    numbers = {source.stem[:2] for source in LECTURES}
    for part, listed in form.NOT_YET.items():
        assert set(listed) <= numbers, part
