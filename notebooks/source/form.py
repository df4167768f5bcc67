"""The text of a lecture in numbers: how long it takes to read, and which terms it uses where.

    python -m notebooks.source.form              words, code, figures and minutes of every lecture
    python -m notebooks.source.form --write      and write the minutes into the first table of each

`Counts.minutes` states the speeds. `lectures.toml` says where each term is introduced.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from notebooks.source import build
from notebooks.source.predictions import QUESTION

MOST_MINUTES = 25
KNOWN = tomllib.loads((Path(__file__).parent / "lectures.toml").read_text(encoding="utf-8"))
NOT_YET: dict[str, list[str]] = KNOWN["not_yet"]
STATED = re.compile(r"\| (\d+) minutes \|")


# ---- minutes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """Of one lecture without its sources. Printed results and folded code count as nothing."""

    words: int
    formulas: int  # that stand on lines of their own
    code_lines: int
    figures: int  # with sliders and widgets
    questions: int  # "Predict, then run"

    @property
    def minutes(self) -> float:
        """Of a reader who meets all of it for the first time and does not run more than is there.

        180 words a minute: silent reading of plain text takes about 240 (Brysbaert, 2019,
        https://doi.org/10.1016/j.jml.2019.104047), and this text has symbols in it. The other speeds are our estimates:
        20 s a formula, 4 s a line of code, 30 s a figure, 40 s to answer a question before running the cell.
        """
        seconds = 20 * self.formulas + 4 * self.code_lines + 30 * self.figures + 40 * self.questions
        return self.words / 180 + seconds / 60


def count(notebook) -> Counts:
    text = prose(notebook)
    formulas = re.findall(r"\$\$.+?\$\$", text, re.DOTALL)
    symbols = re.sub(r"\$[^$]+\$", " x ", re.sub(r"\$\$.+?\$\$", " ", text, flags=re.DOTALL))
    shown = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and not cell.metadata.get("jupyter", {}).get("source_hidden")
    ]
    code = [
        line
        for source in shown
        for line in source.splitlines()
        if line.strip() and not line.startswith(("import ", "from "))
    ]
    drawn = sum(
        len(re.findall(r"\b(?:plots|widgets)\.show\(", cell.source))
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    words = len(re.findall(r"[^\W_][\w’'-]*", symbols))
    return Counts(words, len(formulas), len(code), drawn, text.count(QUESTION))


def prose(notebook) -> str:
    """The text of the lecture before its sources, without the targets of links."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"\]\([^)\s]*\)", "]", text.split("\n## Sources")[0])


# ---- terms -------------------------------------------------------------------------------------------------------


def introduced() -> dict[str, str]:
    """Each term and the number of the lecture that introduces it."""
    return {term: number for number, terms in KNOWN["introduced"].items() for term in terms}


def uses(term: str, text: str) -> bool:
    """Whether `text` uses the term, in the singular or the plural."""
    words = "|".join(re.escape(word).replace(r"\ ", r"[\s-]+") for word in term.split(", "))
    return bool(re.search(rf"(?<![\w-])({words})(s|es)?(?![\w-])", text, re.IGNORECASE))


def paragraphs(notebook) -> Iterator[str]:
    """Paragraphs, headings, points of lists and rows of tables, up to the sources."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for part in re.split(r"\n\s*\n|\n(?=\s*[-*|#] ?|\s*\d+\. )", text.split("\n## Sources")[0]):
        if part.strip():
            yield part.strip()


def used_too_early(number: str, notebook) -> Iterator[tuple[str, str]]:
    """Terms that the lecture uses before they are introduced, each with the paragraph. Code does not count."""
    for paragraph in paragraphs(notebook):
        named = " ".join(
            re.findall(r"lectures? [\d, and]+|\(\d\d\)|\b\d\d_\w+\.ipynb", paragraph, re.IGNORECASE)
        )
        furthest = max([number, *re.findall(r"\d\d", named)])
        plain = re.sub(r"`[^`]*`", " ", paragraph)
        for term, where in introduced().items():
            if where > furthest and uses(term, plain):
                yield term, paragraph


# ---- the command -------------------------------------------------------------------------------------------------


@click.command(help=__doc__.split("\n\n")[0])
@click.option(
    "--write", is_flag=True, help="Write the minutes into the lectures that have the present form."
)
def main(write: bool) -> None:
    for source in build.lectures():
        text = source.read_text(encoding="utf-8")
        found = count(build.read(source))
        minutes, stated = round(found.minutes), int(STATED.search(text)[1])
        late = "" if minutes <= MOST_MINUTES else f", more than {MOST_MINUTES}"
        click.echo(f"{source.stem:26s} {minutes:3d} minutes (stated: {stated}){late}: {found}")
        if write and minutes != stated and source.stem[:2] not in NOT_YET["minutes"]:
            source.write_text(STATED.sub(f"| {minutes} minutes |", text, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
