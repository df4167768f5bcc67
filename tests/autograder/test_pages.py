"""What students wrote is shown, and does not run: in formgrader, feedback, report, spreadsheets and the terminal."""

import base64
import csv
import hashlib
import html
import io
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from rich.console import Console
from traitlets.config import Config

from autograder import tasks
from autograder.gradebook import answers, book, export, mathjax, report, served
from autograder.gradebook import url as gradebook_url
from autograder.judge.submission import GRADED, PartVerdict, Verdict
from autograder.plain import plain
from autograder.reading.people import Left

LAB = "07_softmax"
MATHJAX = "/static/jupyter_server_mathjax/MathJax.js"

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.y/z.js>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "text <img src=x onerror=alert(1)> text",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='x.swf'></object>",
    "<embed src='x'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='jav\tascript:alert(1)'>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "[x](javascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](vbscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    '![x](https://e.x/a.png" onerror="alert(1))',
    "![seen](https://e.x/pixel.png)",
    "<form action='/api/shutdown' method=post><button>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<button class='full-credit'>Click</button>",
    "<div class='full-credit' style='position:fixed;top:0;left:0;width:100%;height:100%'>x</div>",
    "<details open ontoggle=alert(1)>x</details>",
    "<math href='javascript:alert(1)'>x</math>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<style>@import 'x.css';</style>",
    "<link rel=stylesheet href=x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='https://e.x/'>",
    "<template><script>alert(1)</script></template>",
    "<textarea><script>alert(1)</script>",
    "<title><script>alert(1)</script></title>",
    "<video><source onerror=alert(1)></video>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<td style='text-align:expression(alert(1))'>x</td>",
    "<!--><script>alert(1)</script>-->",
    "<!-- --!><img src=x onerror=alert(1)>",
    "<![CDATA[><script>alert(1)</script>]]>",
    "<?xml ><script>alert(1)</script>?>",
    "```mermaid\nclick A call alert(1)\n```",
    "```html\n<b>\n```\n<script>alert(1)</script>",
    "`````\n````\n<img src=x onerror=alert(1)>",
    "$\\href{javascript:alert(1)}{x}$",
    "$$\\def\\x{\\href}\\x{javascript:alert(1)}{y}$$",
    "\\\\(\\csname href\\endcsname{javascript:alert(1)}{x}\\\\)",
    "$\\style{position:fixed}{x}$ $\\cssId{y}{x}$ $\\class{full-credit}{x}$",
    "$\\require{html}x$",
    "$x<script>alert(1)</script>$",
    "$$<img src=x onerror=alert(1)>$$",
    "\\begin{align}<img src=x onerror=alert(1)>\\end{align}",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "- <svg onload=alert(1)>",
    "> <svg onload=alert(1)>",
    "# <svg onload=alert(1)>",
    "x[^1]\n\n[^1]: <svg onload=alert(1)>",
    "<x onclick=alert(1)>y",
    "</div></div></body><script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "<script\x00>alert(1)</script>",
    '<a href="https://e.x" onmouseover\n=\nalert(1)>x</a>',
    "&lt;script&gt;alert(1)&lt;/script&gt; <b onclick=alert(1)>x</b>",
]
HONEST = [
    "The maximum is subtracted so that $e^{x_i - m} \\le 1$; it cancels: $\\frac{e^{x_i-m}}{\\sum_j e^{x_j-m}}$.",
    "Because a < b and b > c, and `x < 0`.",
    "$a<b$ and $$\\sum_{i<n} x_i$$",
    "- one\n- two\n\n1. three\n\n| a | b |\n|--:|---|\n| 1 | 2 |",
    "**bold**, *slanted*, <b>bold</b>, x<sub>i</sub><br>new line",
    "```python\nif a < b: print('<script>')\n```",
    "See [the lecture](https://example.org/a?b=c&d=e) & mail <a@b.org>.",
    "![plot](data:image/png;base64,iVBORw0KGgo=)",
    "A kernel with `<script>` in code is harmless.",
    'Überlauf: 因为最大值 — "overflow" can\'t happen…',
    "# Title\n\n> quoted\n\n---\n",
]


class Page(HTMLParser):
    """Everything in a page that could run or fetch something."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in answers.TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            value = re.sub(r"[\s\x00-\x20]", "", value or "").lower()
            runs = name.startswith("on") or (":" in value.split("/")[0] and not value.startswith(OPEN))
            overlays = name in ("id", "style") and value != "text-align:right"
            if runs or overlays or value in ("full-credit", "mermaid"):
                self.found.append(f"{name}={value}")


OPEN = "http:", "https:", "mailto:", "data:image/png;base64,", "attachment:", "text-align:"
MATH = re.compile(r"\\\s*(href|csname|def|require|style|class|cssId)\b")


def shown_text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_answer_does_not_run(attack):
    kept = answers.harmless(attack)
    # As nbgrader's page shows the graded copy, without this course's filter and with it; and with the filter alone.
    for page in (answers.rendered(kept), answers.cleaned(answers.rendered(kept)), answers.markdown2html({}, attack)):
        assert not Page(page).found, page
        outside = re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)  # MathJax leaves <pre> alone
        assert not MATH.search(outside), page


@pytest.mark.parametrize("answer", HONEST)
def test_an_honest_answer_stays_as_it_is(answer):
    assert answers.harmless(answer) == answer
    assert shown_text(answers.markdown2html({}, answer)) == shown_text(answers.rendered(answer))


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["[[a](b)", "a|b\n-|-\n", "- a\n  ", "<b>", "\\begin{a}", "<!--", "**a", "x" * 60_000]
)
def test_an_answer_that_takes_long_to_lay_out_is_shown_as_text(piece, monkeypatch):
    monkeypatch.setattr(answers, "SECONDS_TO_RENDER", 0.5)
    answer = (piece * 3000)[: max(len(piece), 10_000)]
    began = time.thread_time()
    kept = answers.harmless(answer)
    assert time.thread_time() - began < 5  # laid out to the end, some of these take minutes
    assert kept.strip()


def test_the_graded_copy_holds_harmless_answers():
    tasks.make_if_stale()
    verdict = Verdict("ada", LAB, written={"softmax-mean": ATTACKS[0]})
    copy = book.graded_notebook(verdict)
    cell = next(cell for cell in copy.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "softmax-mean")
    assert not Page(answers.rendered(cell.source)).found and "alert(1)" in cell.source


# ---- nbgrader's page ---------------------------------------------------------------------------------------------


def formgrader_page(cells) -> str:
    """What formgrader shows of a notebook, with the setting of nbgrader_config.py."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers

    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    config.HTMLExporter.filters = {"markdown2html": "autograder.gradebook.answers.markdown2html"}
    about = dict(assignment_id=LAB, notebook_id=LAB, submission_id="1", index=0, total=1, base_url="", student="ada")
    about |= dict(last_name="", first_name="", notebook_path="x")
    exporter = HTMLExporter(config=config)
    mathjax.take_from(exporter, {"mathjax_url": MATHJAX})
    return exporter.from_notebook_node(nbformat.v4.new_notebook(cells=cells), resources=about)[0]


def feedback_page_of_nbgrader(cells) -> str:
    """What `nbgrader generate_feedback` makes of a notebook."""
    from nbgrader.server_extensions.formgrader import handlers

    styles = Path(handlers.static_path) / "node_modules" / "bootstrap" / "dist" / "css"
    config = Config()
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    config.HTMLExporter.extra_template_paths = [str(styles)]
    config.PlainHTMLExporter.filters = {"markdown2html": "autograder.gradebook.formulas.markdown2html"}
    graded = dict(notebook=LAB, score=1, max_score=1, late_penalty=0, comments=[])
    notebook = nbformat.v4.new_notebook(cells=cells)
    return mathjax.PlainHTMLExporter(config=config).from_notebook_node(notebook, resources={"nbgrader": graded})[0]


def fetched(page: str) -> list[str]:
    """The addresses that a browser fetches when it shows a page."""
    page = re.sub(r"/\*.*?\*/", "", page, flags=re.DOTALL)
    found = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)\s*=\s*[\"']([^\"']*)", page)
    found += re.findall(r"\burl\(\s*[\"']?([^\"')]+)", page)
    return found + re.findall(r"(?:@import|\bimport\b[^;(]*\bfrom|\bimport\()\s*[\"']([^\"']+)", page)


def test_no_page_fetches_anything_from_another_host(tmp_path):
    tasks.make_if_stale()
    cells = [nbformat.v4.new_markdown_cell("The largest is $\\max_i x_i$."), nbformat.v4.new_code_cell("1 + 1")]
    verdict = of("ada", "wrong")
    report.write_all([verdict], tmp_path, "none", gradebook_url.default(tmp_path))
    pages = [formgrader_page(cells), feedback_page_of_nbgrader(cells)]
    pages += [
        path.read_text(encoding="utf-8") for path in (tmp_path / "report.html", *tmp_path.rglob("07_softmax.html"))
    ]
    assert len(pages) == 4
    for page in pages:
        assert not [a for a in fetched(page) if re.match(r"\s*(?:\w+:)?//", a)], page[:200]
    assert f"{MATHJAX}?config=TeX-AMS-MML_HTMLorMML-full,Safe" in fetched(pages[0])
    assert not fetched(pages[2]) and not fetched(pages[3])  # each is one file, and all that it needs


def pictures(page: str) -> list[tuple[str, str]]:
    """The formulas that are drawn on a page, as LaTeX, and their pictures. Nothing else is an image."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append(dict(attributes)) if tag == "img" else None
    parser.feed(page)
    assert all(image.keys() == {"alt", "src", "style"} for image in found)
    start = "data:image/svg+xml;base64,"
    return [(image["alt"], base64.b64decode(image["src"].removeprefix(start)).decode()) for image in found]


def test_formulas_of_nbgraders_feedback_are_drawn_without_a_script():
    text = "Loss $L = -\\frac{1}{N}\\sum_n \\log p_n$, $a<b$ and $$\\text{mean}(x) = \\mu$$ for 5$ or 6$, not `$x^2$`."
    page = feedback_page_of_nbgrader([nbformat.v4.new_markdown_cell(text)])
    drawn = pictures(page)
    assert [latex for latex, _ in drawn] == [
        "L = -\\frac{1}{N}\\sum_n \\log p_n",
        "a<b",
        "\\text{mean}(x) = \\mu",
    ]
    assert all(picture.count("<use ") > 2 and "<script" not in picture for _, picture in drawn)
    assert "5$ or 6$" in page and "$x^2$" in page and "\\frac" not in re.sub(r"<img[^>]*>", "", page)


def test_a_formula_brings_nothing_into_a_page():
    page = feedback_page_of_nbgrader([nbformat.v4.new_markdown_cell('$x" onerror="1$ and $<img src=x onerror=1>$')])
    assert [latex for latex, _ in pictures(page)] == ["<img src=x onerror=1>"]


@pytest.mark.parametrize("formula", ["\\foo{", "x" * 5000, "{" * 300 + "}" * 300, "\\begin{matrix}1\\end{matrix}"])
def test_a_formula_that_cannot_be_drawn_stays_as_it_was_written(formula):
    page = feedback_page_of_nbgrader([nbformat.v4.new_markdown_cell(f"It is ${formula}$.")])
    assert not pictures(page)
    assert formula[:20] in html.unescape(page)


def test_mathjax_has_what_the_page_asks_for():
    """The copy is not the whole of MathJax: it has one configuration and one font."""
    import jupyter_server_mathjax

    folder = Path(jupyter_server_mathjax.__file__).parent / "static"
    page = formgrader_page([])
    assert (folder / "config" / "TeX-AMS-MML_HTMLorMML-full.js").is_file() and (folder / "config" / "Safe.js").is_file()
    (font,) = re.findall(r'webFont: "([\w-]+)"', page)
    assert list((folder / "fonts" / "HTML-CSS" / font).rglob("*.woff"))
    assert (folder / "LICENSE").is_file()


def test_without_the_copy_a_page_asks_nobody_for_mathjax():
    from nbconvert.exporters import HTMLExporter

    exporter = HTMLExporter(template_name="classic")
    for settings in ({}, {"mathjax_url": "https://cdn.example.org/MathJax.js"}):
        mathjax.take_from(exporter, settings)
        page, _ = exporter.from_notebook_node(nbformat.v4.new_notebook())
        assert not [address for address in fetched(page) if "mathjax" in address.lower()]


def scripts(page: str) -> list[tuple[str, str]]:
    return re.findall(r"<script\b([^>]*)>(.*?)</script>", page, re.DOTALL | re.IGNORECASE)


@pytest.fixture(scope="module")
def empty_page():
    return formgrader_page([])


def test_formgraders_page_has_no_scripts_but_its_own(empty_page):
    cells = [nbformat.v4.new_markdown_cell(attack) for attack in ATTACKS]
    page = formgrader_page(cells)
    assert scripts(page) == scripts(empty_page)
    handlers = r"\son\w+\s*="
    outside = re.sub(r"<(pre|code)>.*?</\1>", "", page, flags=re.DOTALL)
    assert len(re.findall(handlers, re.sub(r"&lt;.*?&gt;", "", outside))) <= len(re.findall(handlers, empty_page)) + 5


def test_the_policy_lets_the_pages_own_scripts_run_and_no_others(empty_page):
    policy = served.policy(empty_page, "http://localhost:8888")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    allowed = rules["script-src"].split()
    assert "'unsafe-inline'" not in allowed and "'self'" not in allowed and rules["object-src"] == "'none'"
    assert {"base-uri", "form-action", "default-src", "frame-ancestors"} <= rules.keys()
    own = scripts(empty_page)
    assert len(own) > 5
    for head, body in own:
        source = re.search(r"src=\"([^\"]+)\"", head)
        if source is None:
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in allowed
        else:
            address = source[1] if "://" in source[1] else f"http://localhost:8888{source[1]}"
            assert any(address.startswith(prefix) for prefix in allowed if prefix.startswith("http"))
    for path in ("/files/submitted/eve/x.js", "/formgrader/submissions/1/x.js", "/x.js"):
        address = f"http://localhost:8888{path}"
        assert not any(address.startswith(prefix) for prefix in allowed if prefix.startswith("http"))


# ---- report, feedback, table, terminal ---------------------------------------------------------------------------

NAMES = ["=1+1", "+x", "-x", "@sum(a1)", "＝1", "[red]x[/red]", "<b>x</b>", 'a"b', "ada"]


def of(student: str, text: str) -> Verdict:
    parts = {"softmax-public": PartVerdict(0.0, 3.0, "wrong", text, text)}
    return Verdict(student, LAB, GRADED, text, parts, [text], [text], lms_id="7").plain()


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "=cmd|'/c calc'!A1", "\x1b]0;x\x07\x1b[31m", "{{ 7 * 7 }}"]
)
def test_pages_and_tables_show_texts_as_texts(text, tmp_path):
    tasks.make_if_stale()
    verdicts = [of(name, text) for name in NAMES]
    left = [Left(plain(text), plain(text), plain(text))]
    report.write_all(verdicts[:1], tmp_path, "none", gradebook_url.default(tmp_path), left)
    pages = [report.write_feedback(v, tmp_path) for v in verdicts[-1:]] + [
        report.write_page(verdicts, tmp_path, "none")
    ]
    for page in pages:
        written = page.read_text(encoding="utf-8")
        assert "<script" not in written and "<b>x</b>" not in written and "\x1b" not in written
        assert "49" not in re.sub(r"<style>.*?</style>", "", written, flags=re.DOTALL)
    rows = [*export.rows(verdicts, left=left), *export.questions(verdicts)]
    rows += [
        *export.rows(verdicts, "moodle"),
        *export.rows(verdicts, "canvas"),
        *export.rows(verdicts, "moodle", (), LAB),
    ]
    for row in rows:
        assert not [cell for cell in row if isinstance(cell, str) and cell[:1] in tuple("=+-@＝\t\r\n") and cell]
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    assert [len(row) for row in csv.reader(io.StringIO(file.getvalue()))] == [len(row) for row in rows]


def test_the_terminal_shows_names_as_they_are():
    said = io.StringIO()
    console = Console(file=said, width=200, force_terminal=True)
    console.print(report.terminal_table([of(name, "x") for name in NAMES]))
    assert "[red]x[/red]" in said.getvalue()


def test_a_narrow_terminal_shows_whole_names():
    said = io.StringIO()
    Console(file=said, width=40).print(report.terminal_table([of("ada.lovelace-of-the-second-year@uni.example", "x")]))
    assert "ada.lovelace-of-the-second-year@uni.example" in "".join(
        line.split(" ")[0].strip() for line in said.getvalue().splitlines()
    )


def test_exports_for_systems_use_their_numbers():
    tasks.make_if_stale()
    verdicts = [Verdict("Ada", LAB, lms_id="31"), Verdict("Bob", LAB)]
    for verdict in verdicts:
        verdict.parts["softmax-public"] = PartVerdict(3.0, 3.0, "passed")
    canvas = list(export.rows(verdicts, "canvas"))
    assert canvas[2][:5] == ["Ada", "31", "", "", ""] and canvas[3][:5] == ["Bob", "", "Bob", "Bob", ""]
    moodle = list(export.rows(verdicts, "moodle", lab=LAB))
    assert moodle[0][:3] == ["Identifier", "Full name", "Grade"] and moodle[1][:3] == ["Participant 31", "Ada", 3.0]
    assert list(export.questions(verdicts))[1] == ["Ada", LAB, "softmax-public", "passed", 3.0, 3.0]


def test_every_text_of_a_verdict_is_plain_in_every_file():
    verdict = of("ada", "\ud83d\x00" + "x" * 10**6)
    verdict.written = {"a": "\ud83d"}
    data = json.dumps(verdict.plain().as_data(), ensure_ascii=False)
    assert data.encode() and len(data) < 200_000
