"""A notebook as a page: the lecture as it was executed, the lab as it is handed out. Nothing is executed here."""

import copy
import re
from collections.abc import Callable

from notebooks.source.build import SLIDER_PLACEHOLDER
from notebooks.source.predictions import is_invitation

NO_SLIDERS = (
    "<p class='no-sliders'>Here the lecture has sliders. They need Python: run <code>make lab</code> and open it.</p>"
)
READ_ONLY = """:::{{admonition}} A lab to read
:class: tip

To write kernels and have them checked, open it where Python runs: `make lab`, then `{path}`.
:::"""


def lecture(notebook: dict, links: Callable[[str], str]) -> dict:
    """The page of an executed lecture: folded as in JupyterLab. links: rewrites those of a text."""
    made = _page(notebook, links)
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [_still(output) for output in cell["outputs"] if not is_invitation(output)]
            hidden = cell["metadata"].get("jupyter", {})
            code, outputs = hidden.get("source_hidden"), hidden.get("outputs_hidden")
            tags = ["hide-input"] * bool(code) + ["hide-output"] * bool(outputs)
            cell["metadata"] = {"tags": tags} if tags else {}
            if outputs and not code:
                cell["metadata"]["mystnb"] = {"code_prompt_show": "Show what comes out"}
    return made


def lab(notebook: dict, links: Callable[[str], str], path: str) -> dict:
    """The page of a lab, without what was printed in the copy at hand."""
    made = _page(notebook, links)
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["metadata"] = [], {}
    note = {"cell_type": "markdown", "id": "read-only", "metadata": {}, "source": READ_ONLY.format(path=path)}
    # Behind the line of navigation and the cell that begins with the title.
    titled = next(i for i, cell in enumerate(made["cells"]) if re.search(r"^# ", cell["source"], re.MULTILINE))
    made["cells"].insert(titled + 1, note)
    return made


def _page(notebook: dict, links: Callable[[str], str]) -> dict:
    made = copy.deepcopy(notebook)
    made["metadata"].setdefault("language_info", {"name": "python"})["pygments_lexer"] = "ipython3"
    for cell in made["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"], cell["metadata"] = links(cell["source"]), {}
    return made


def _still(output: dict) -> dict:
    """An output that needs no kernel."""
    html = "".join(output.get("data", {}).get("text/html", ""))
    if html == SLIDER_PLACEHOLDER:
        output["data"] = {"text/html": NO_SLIDERS}
    return output
