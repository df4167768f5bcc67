"""Build the site: `make site`, or `python -m docs.site.build`.

Nothing is executed and nothing is fetched. A second build reads what changed.
"""

import json
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click

from docs.site import cells, links
from docs.site.course_map import all_lectures, front_page
from docs.site.operators import exercise_page, index_page, operator_page
from docs.site.pages import DOCUMENTS, LABS, LECTURES, PICTURES, ROOT, all_pages, found, with_links
from llaisys_mini.contract import OPERATORS
from llaisys_mini.exercise import EXERCISES
from llaisys_mini.files import write_atomically
from llaisys_mini.lectures import theme

SETTINGS = Path(__file__).resolve().parent
SITE, WORK = ROOT / "build" / "site", ROOT / "build" / "site-work"
MADE = "_made"  # of the folder of pages: what else conf.py gives to every page
MATHJAX = "tex-svg-full.js"  # all of MathJax in one file, with its glyphs
DARK_BY_SYSTEM = f"""@media screen and (prefers-color-scheme: dark) {{
  body:not([data-theme="light"]):not([data-theme="dark"]) .{theme.CARD} {{
    filter: invert({theme.INVERSION}) hue-rotate(180deg);
  }}
}}
"""
"""The site follows the reader's system until something else is chosen; figures know only of what is chosen."""


def pages(repository: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every page, as Sphinx reads them. repository: the address where the source is shown, or ""."""
    everything = all_pages()

    def links_of(page: str):
        return lambda text: with_links(text, page, everything, repository)

    for path in found(*DOCUMENTS):
        yield path, links_of(path)((ROOT / path).read_text(encoding="utf-8"))
    for path in found(LECTURES):
        yield path, json.dumps(cells.lecture(_notebook(path), links_of(path)))
    labs = found(LABS)
    for path in labs:
        yield path, json.dumps(cells.lab(_notebook(path), links_of(path), path))
    yield "labs/index.md", _labs_page(labs)
    yield from _contracts(repository)
    course = all_lectures()
    yield "index.md", front_page(course, [path.removesuffix(".md") for path in found(*DOCUMENTS)])


def _contracts(repository: str) -> Iterator[tuple[str, str]]:
    operators = [OPERATORS.get(name) for name in OPERATORS.names]
    exercises = [EXERCISES.get(name) for name in EXERCISES.names]
    for operator in operators:
        yield f"operators/{operator.name}.md", operator_page(operator, repository)
    for exercise in exercises:
        yield f"exercises/{exercise.name}.md", exercise_page(exercise, repository)
    about = "Each is a function with a fixed contract, from which its checks are made. Kernels compute it."
    yield "operators/index.md", index_page("Operators", about, operators)
    about = "Parts of a language model and of its service that are written in ordinary Python."
    yield "exercises/index.md", index_page("Exercises", about, exercises)


def _labs_page(labs: list[str]) -> str:
    inside = [path.removeprefix("labs/").removesuffix(".ipynb") for path in labs]
    return (
        "# Labs\n\nThe labs as they are handed out.\n\n```{toctree}\n:maxdepth: 1\n\n" + "\n".join(inside) + "\n```\n"
    )


def _notebook(path: str) -> dict:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def gather(folder: Path, repository: str) -> int:
    """Write all pages, their pictures and MathJax into `folder`, and remove what is none of these. Returns how many
    pages there are. A file that is as it was keeps its time, so that Sphinx reads what changed."""
    written = set()
    for path, text in pages(repository):
        written.add(_write(folder / path, text.encode()))
    count = len(written)
    for path in found(PICTURES):
        written.add(_write(folder / path, (ROOT / path).read_bytes()))
    written.add(_write(folder / MADE / "mathjax" / MATHJAX, _mathjax().read_bytes()))
    written.add(_write(folder / MADE / "figures.css", DARK_BY_SYSTEM.encode()))
    for old in folder.rglob("*"):
        if old.is_file() and old not in written:
            old.unlink()
    return count


def _write(path: Path, content: bytes) -> Path:
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)
    return path


def _remove_old(site: Path, sources: Path) -> None:
    """Remove pages of an earlier build that no source makes any more; Sphinx leaves them."""
    for page in site.rglob("*.html"):
        source = sources / page.relative_to(site)
        if page != site / "search.html" and not any(source.with_suffix(kind).is_file() for kind in (".md", ".ipynb")):
            page.unlink()


def _mathjax() -> Path:
    files = metadata.files("sphinx-mathjax-offline") or []
    return Path(str(next(file for file in files if file.name == MATHJAX).locate()))


@click.command(help=__doc__)
@click.option("--repository", default="", help="Address where the source is shown; links to source files lead there.")
def main(repository: str) -> None:
    from sphinx.cmd.build import build_main

    start = time.perf_counter()
    count = gather(WORK / "pages", repository)
    # -a: all pages are written, since each holds the menu, with the titles of all; read is what changed.
    command = ["-a", "-b", "html", "-W", "--keep-going", "-j", "auto", "-c", SETTINGS, "-d", WORK / "doctrees"]
    command += [] if sys.stdout.isatty() else ["-q"]  # what it reads and writes, on one line that changes
    if build_main([str(part) for part in (*command, WORK / "pages", SITE)]):
        raise click.ClickException("Sphinx says above what is wrong with a page")
    _remove_old(SITE, WORK / "pages")
    wrong = links.problems(SITE)
    if wrong:
        raise click.ClickException("\n".join([f"{len(wrong)} links lead nowhere:", *wrong]))
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) / 1e6
    click.echo(f"{SITE / 'index.html'}: {count} pages, {size:.0f} MB, in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
