"""What the site is made of, before Sphinx renders it: links, notebooks, the map, contracts. Sphinx is not needed."""

import json
import re

import pytest
from markdown_it import MarkdownIt

from docs.site import cells
from docs.site.build import _remove_old, pages
from docs.site.course_map import ALL, all_lectures, drawn, lectures
from docs.site.operators import exercise_page, operator_page, prose, table, text
from docs.site.pages import ROOT, all_pages, with_links
from llaisys_mini.contract import F32, OPERATORS, Contract
from llaisys_mini.exercise import EXERCISES
from llaisys_mini.kernels.sets import plain_set
from notebooks.source.build import SLIDER_PLACEHOLDER

REPOSITORY = "https://example.org/course"
HTML = MarkdownIt("commonmark").enable("table")


@pytest.fixture(scope="module")
def made():
    return dict(pages(REPOSITORY))


# ---- links -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "with_address", "without"),
    [
        ("[a](instructor.md#costs)", "[a](instructor.md#costs)", "[a](instructor.md#costs)"),
        ("[a](../notebooks/07_softmax.ipynb)", *["[a](../notebooks/07_softmax.ipynb)"] * 2),
        ("[a](https://example.net/)", "[a](https://example.net/)", "[a](https://example.net/)"),
        ("[a](#here)", "[a](#here)", "[a](#here)"),
        ("[docs](../docs/)", "[docs](../docs/README.md)", "[docs](../docs/README.md)"),
        ("[`c`](../llaisys_mini/contract.py)", f"[`c`]({REPOSITORY}/blob/main/llaisys_mini/contract.py)", "`c`"),
        ("[a](../solutions)", f"[a]({REPOSITORY}/tree/main/solutions)", "a"),
        ("[a](../gone.py)", "a", "a"),
        ("[a](../../outside.py)", "a", "a"),
        ("`[a](../Makefile)`", "`[a](../Makefile)`", "`[a](../Makefile)`"),
        ("```\n[a](../Makefile)\n```", "```\n[a](../Makefile)\n```", "```\n[a](../Makefile)\n```"),
    ],
)  # fmt: skip
def test_links_lead_to_pages_or_to_the_repository(link, with_address, without):
    everything = all_pages()
    assert with_links(link, "docs/gpu.md", everything, REPOSITORY) == with_address
    assert with_links(link, "docs/gpu.md", everything, "") == without


# ---- notebooks ---------------------------------------------------------------------------------------------------


def notebook(*cells_):
    return {"cells": list(cells_), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def code(html="", tags=(), **jupyter):
    outputs = [{"output_type": "display_data", "data": {"text/html": html}, "metadata": {"tags": list(tags)}}]
    return {"cell_type": "code", "source": ["x"], "metadata": {"jupyter": jupyter}, "outputs": outputs if html else []}


def test_a_lecture_is_folded_as_in_jupyterlab():
    cell = code("<p>answer</p>", source_hidden=True, outputs_hidden=True)
    cell["outputs"].insert(0, code("What comes out:", tags=["invitation"])["outputs"][0])
    page = cells.lecture(notebook(cell, code(source_hidden=True), code()), links=str)
    assert [c["metadata"].get("tags") for c in page["cells"]] == [["hide-input", "hide-output"], ["hide-input"], None]
    assert [output["data"]["text/html"] for output in page["cells"][0]["outputs"]] == ["<p>answer</p>"]
    assert len(cell["outputs"]) == 2  # the notebook itself is as it was


def test_sliders_say_what_they_need():
    page = cells.lecture(notebook(code(SLIDER_PLACEHOLDER)), links=str)
    assert "make lab" in page["cells"][0]["outputs"][0]["data"]["text/html"]


def test_a_lab_shows_nothing_that_was_printed_in_it():
    title = {"cell_type": "markdown", "source": ["# Lab\n"], "metadata": {}}
    page = cells.lab(notebook(title, code("mine")), str, "labs/07/07.ipynb")
    assert [c["cell_type"] for c in page["cells"]] == ["markdown", "markdown", "code"]
    assert "labs/07/07.ipynb" in page["cells"][1]["source"]
    assert page["cells"][2]["outputs"] == []


# ---- contracts ---------------------------------------------------------------------------------------------------


def test_an_operators_page_says_what_its_contract_says():
    attention = OPERATORS.get("attention")
    page = operator_page(attention, REPOSITORY)
    assert "out = operators.attention(q, k, v, scale)" in page
    assert "score[h, l, s] = scale * sum_d" in page
    assert "| `q` | in | `float32` | `[L, H, D]` |" in page
    assert "| a prompt | `q [6, 2, 8]`, `k [6, 2, 8]`, `v [6, 2, 8]`, `scale 0.3536` |" in page
    for mistake in attention.mistakes:
        assert f"- {text(mistake.sentence)}\n" in page + "\n"
    assert f"({REPOSITORY}/blob/main/solutions/kernels/cuda/attention_expert.py)" in page
    assert "../labs/12_attention/12_attention.ipynb" in page


@pytest.mark.parametrize("name", OPERATORS.names)
def test_a_page_tells_which_kernels_stand(name):
    page = operator_page(OPERATORS.get(name), "")
    for device in ("cpu", "cuda"):
        plain, expert = re.findall(rf"^\| {device} \| (.+?) \| (.+?) \|", page, re.MULTILINE)[0]
        assert (plain == "yes") == plain_set().has(name, device)
        assert (expert == "yes") == plain_set().has(f"{name}_expert", device)


def test_an_exercises_page_has_its_cases_and_mistakes():
    fuse = EXERCISES.get("fuse")
    page = exercise_page(fuse, "")
    assert "fuse(calls, outputs, patterns)" in page
    assert "- the array between is an output too" in page
    assert all(text(mistake.sentence) in page for mistake in fuse.mistakes)


def test_a_docstring_keeps_its_formulas_and_signs():
    def twice(x: F32["..."]) -> F32["..."]:
        """Doubles_it, a*b*c with `code_span`.

            out[n] = 2 * x[n]

        See arXiv:1706.03762.
        """
        return 2 * x

    def ending_in_a_formula(x: F32["..."]) -> F32["..."]:
        """Doubles.

        out[n] = 2 * x[n]
        """
        return 2 * x

    first, rest = prose(Contract(twice))
    assert HTML.render(first) == "<p>Doubles_it, a*b*c with <code>code_span</code>.</p>\n"
    assert "```text\nout[n] = 2 * x[n]\n```" in rest
    assert "https://arxiv.org/abs/1706.03762" in rest
    assert prose(Contract(ending_in_a_formula)) == ("Doubles.", "```text\nout[n] = 2 * x[n]\n```")


def test_what_is_indented_keeps_its_form():
    def doubled(x: F32["..."]) -> F32["..."]:
        """Doubles.

            out[n] = x[n]
                     + x[n]

        rate[n] = 2

        Rates such as
        r = 2 stay text.
        """
        return 2 * x

    _, rest = prose(Contract(doubled))
    assert rest.startswith("```text\nout[n] = x[n]\n         + x[n]\n```\n\n```text\nrate[n] = 2\n```")
    assert rest.endswith("Rates such as\nr = 2 stay text.")


def test_pages_of_an_earlier_build_are_removed(tmp_path):
    site, sources = tmp_path / "site", tmp_path / "pages"
    for path in (
        sources / "a.md",
        sources / "b.ipynb",
        *(site / f"{name}.html" for name in ("a", "b", "gone", "search")),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    _remove_old(site, sources)
    assert sorted(path.name for path in site.iterdir()) == ["a.html", "b.html", "search.html"]


def test_a_table_leaves_out_columns_without_content():
    assert table(["a", "b", "c"], [["1", "", "3"]]) == "| a | c |\n| --- | --- |\n| 1 | 3 |"


# ---- the map -----------------------------------------------------------------------------------------------------

README = """
| part | lecture | lab | what you write |
|---|---|---|---|
| I One | [00 first](notebooks/00_a.ipynb) | [00_a](labs/00_a/00_a.ipynb) | a |
|  | [01 second](notebooks/01_b.ipynb) | [01_b](labs/01_b/01_b.ipynb) | b |
| II Two | [02 third](notebooks/02_c.ipynb) | [02_c](labs/02_c/02_c.ipynb) | c & d |
"""


def head(needs):
    return f"| before this | you need | reading time |\n|---|---|---|\n| x | {needs} | 20 minutes |"


def test_the_map_has_parts_and_arcs():
    heads = {"00": head("nothing"), "01": head("counting (00)"), "02": head("tokens, and more (01)")}
    course = lectures(README, heads)
    assert [lecture.part for lecture in course] == ["I One", "I One", "II Two"]
    assert [lecture.builds_on for lecture in course] == [(), (), ("00",)]  # "token" is a term of lecture 00
    picture = drawn(course)
    assert picture.count('class="map-part"') == 2
    assert re.findall(r'data-from="(\d+)" data-to="(\d+)"', picture) == [("00", "02")]
    assert "c &amp; d" in picture
    assert lectures(README, heads | {"02": head("all lectures before this one")})[2].builds_on == ALL


def test_every_lecture_is_on_the_map():
    course = all_lectures()
    assert [f"{lecture.page}.ipynb" for lecture in course] == [
        p for p in sorted(all_pages()) if p.startswith("notebooks/")
    ]
    assert all((ROOT / f"{lecture.lab}.ipynb").is_file() for lecture in course)


# ---- the whole ---------------------------------------------------------------------------------------------------


def test_every_operator_exercise_and_lab_has_a_page_that_the_menu_reaches(made):
    assert {f"operators/{name}.md" for name in OPERATORS.names} <= set(made)
    assert {f"exercises/{name}.md" for name in EXERCISES.names} <= set(made)
    reached = {"index"}
    for folder in ("", "labs/", "operators/", "exercises/"):
        for tree in re.findall(r"```{toctree}\n(.*?)```", made[f"{folder}index.md"], re.DOTALL):
            entries = [line for line in tree.splitlines() if line and not line.startswith(":")]
            reached |= {folder + re.sub(r".*<(.+)>", r"\1", entry) for entry in entries}
    assert {path.rpartition(".")[0] for path in made} == reached


def test_lectures_on_the_site_hold_what_was_executed(made):
    for path in (path for path in made if path.startswith("notebooks/")):
        there = json.loads((ROOT / path).read_text())
        page = json.loads(made[path])
        assert [cell["source"] for cell in page["cells"] if cell["cell_type"] == "code"] == [
            "".join(cell["source"]) for cell in there["cells"] if cell["cell_type"] == "code"
        ]
        assert any(cell.get("outputs") for cell in page["cells"])
