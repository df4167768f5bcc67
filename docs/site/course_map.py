"""The front page: what the course is, and its map, on which arcs show which lectures a lecture builds on.

The parts, titles and labs are those of the README's table. What a lecture builds on is what its own head says it needs:
lectures by number, and terms, of which notebooks/source/lectures.toml says where they are introduced.
"""

import json
import re
from dataclasses import dataclass
from html import escape

from docs.site.pages import LECTURES, ROOT, found
from notebooks.source import form

_ROW = re.compile(
    r"^\| (.*?) ?\| \[(\d\d) (.+?)\]\((.+?)\.ipynb\) \| \[.+?\]\((.+?)\.ipynb\) \| (.+?) \|$", re.MULTILINE
)
_HEAD = re.compile(r"^\| before this \|.+\n\|[-|]+\|\n\| .*? \| (.*?) \| (\d+) minutes \|", re.MULTILINE)

ALL = ("all before it",)


@dataclass(frozen=True)
class Lecture:
    """page, lab: paths without their ending. builds_on: numbers of lectures, without the one right before; or ALL."""

    number: str
    title: str
    page: str
    lab: str
    writes: str
    part: str
    minutes: int
    builds_on: tuple[str, ...]


def lectures(readme: str, heads: dict[str, str]) -> list[Lecture]:
    """readme: its text. heads: by number, the first cell of each lecture."""
    made, part = [], ""
    for named, number, title, page, lab, writes in _ROW.findall(readme):
        part = named or part
        needs, minutes = _HEAD.findall(heads[number])[0]
        earlier = tuple(n for n in sorted(_numbers(needs)) if int(n) < int(number) - 1)
        builds_on = ALL if "all lectures before" in needs else earlier
        made.append(Lecture(number, title, page, lab, writes, part, int(minutes), builds_on))
    return made


def _numbers(needs: str) -> set[str]:
    """The lectures that a line such as "RoPE (11), the softmax" names, or whose terms it names."""
    terms = {number for term, number in form.introduced().items() if form.uses(term, needs)}
    return terms | set(re.findall(r"\b\d\d\b", needs))


def all_lectures() -> list[Lecture]:
    heads = {}
    for path in found(LECTURES):
        cells = json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]
        heads[path.removeprefix("notebooks/")[:2]] = "".join(cells[0]["source"])
    return lectures((ROOT / "README.md").read_text(encoding="utf-8"), heads)


# ---- the picture -------------------------------------------------------------------------------------------------


def drawn(course: list[Lecture]) -> str:
    """The map as HTML: a row for each lecture, all of one height, and beside them the arcs, whose unit is a row."""
    rows: list[str] = []
    middle: dict[str, float] = {}
    for lecture in course:
        if not rows or lecture.part != course[course.index(lecture) - 1].part:
            rows.append(f'<p class="map-part">{escape(_part(lecture.part))}</p>')
        middle[lecture.number] = len(rows) + 0.5
        rows.append(_row(lecture))
    first, last = middle[course[0].number], middle[course[-1].number]
    width = max(last - first, 1) / 2
    # The farther an arc reaches, the farther out it goes; the gutter is 10 units wide, its right edge next to the rows.
    arcs = [
        f'<path data-from="{n}" data-to="{lecture.number}" vector-effect="non-scaling-stroke" d="{_arc(a, b, width)}"/>'
        for lecture in course
        for n in lecture.builds_on
        if n in middle
        for a, b in [(middle[n], middle[lecture.number])]
    ]
    spine = f'<path class="map-spine" vector-effect="non-scaling-stroke" d="M10 {first}V{last}"/>'
    svg = (
        f'<svg class="map-arcs" viewBox="0 0 10 {len(rows)}" preserveAspectRatio="none" aria-hidden="true" '
        f'style="grid-row: 1 / span {len(rows)}">{spine}{"".join(arcs)}</svg>'
    )
    return f'<div class="course-map">\n{svg}\n' + "\n".join(rows) + "\n</div>"


def _arc(start: float, end: float, widest: float) -> str:
    reach = 9.5 * min(1, ((end - start) / 2 / widest) ** 0.6)
    out = f"{10 - reach * 4 / 3:.2f}"  # a cubic curve goes three quarters of the way to its two outer points
    return f"M10 {start}C{out} {start} {out} {end} 10 {end}"


def _row(lecture: Lecture) -> str:
    builds_on = f", builds on {', '.join(lecture.builds_on)}" if lecture.builds_on else ""
    return (
        f'<div class="map-row" data-number="{lecture.number}">'
        f'<span class="map-lecture"><a href="{lecture.page}.html"><b>{lecture.number}</b> '
        f'{escape(_raised(lecture.title))}</a><span class="map-on">{lecture.minutes} minutes{builds_on}</span></span>'
        f'<span class="map-lab"><a href="{lecture.lab}.html">lab</a> {escape(lecture.writes)}</span></div>'
    )


def _raised(words: str) -> str:
    return words[0].upper() + words[1:]


def _part(name: str) -> str:
    """ "II Numbers and kernels" as a heading."""
    numeral, _, words = name.partition(" ")
    return f"{numeral} · {words}"


# ---- the page ----------------------------------------------------------------------------------------------------

_PAGE = """# llaisys_mini

{introduction}

```sh
make generate   # a small language model writes a story
make lab        # JupyterLab opens at the first lecture
```

[How to start](README.md), [for instructors](docs/instructor.md), [for those who learn alone](docs/self-learner.md),
[glossary](docs/glossary.md). The course itself is done in JupyterLab, where kernels run; these pages are for reading.

## The map of the course

Each lecture leads to its lab and to the next lecture. The arcs lead back to what it builds on besides.

{map}
"""
_TREE = """
```{{toctree}}
:hidden:
:caption: {caption}

{pages}
```
"""
REST = {
    "Labs and contracts": ["labs/index", "operators/index", "exercises/index"],
    "Read on": [
        "How to start <README>",
        "docs/glossary",
        "docs/self-learner",
        "docs/serving",
        "docs/pytorch",
        "docs/gpu",
        "docs/benchmarks",
        "docs/left-out",
    ],
    "For instructors": ["docs/instructor", "docs/syllabus"],
}
"""The menu behind the lectures. What is not named here comes last, under its own heading."""  # fmt: skip


def front_page(course: list[Lecture], documents: list[str]) -> str:
    """documents: the other pages that the menu has to reach, without their endings."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    introduction = "\n\n".join(readme.split("\n\n")[1:3])
    trees = {_part(part): [c.page for c in course if c.part == part] for part in dict.fromkeys(c.part for c in course)}
    trees |= REST
    listed = {re.sub(r".*<|>", "", page) for pages in trees.values() for page in pages}
    trees["For contributors"] = [page for page in documents if page not in listed]
    page = _PAGE.format(introduction=introduction, map=drawn(course))
    return page + "".join(_TREE.format(caption=name, pages="\n".join(pages)) for name, pages in trees.items())
