"""Predict, then run: what answers a question of a lecture stays folded until the reader asks for it.

The author writes three things, and nothing more:

    > **Predict, then run.** How much slower is the walk down the columns?      in a text cell
    ...                                                                        one or more code cells
    > **The common guess**, that it is equally fast, forgets the cache.         at the top of the next text cell

The outputs of the code cells between the two are folded, in JupyterLab by the keys of a cell that it reads, in exported
HTML by `.jupyter/templates/course`. The line about the common guess is folded too, since it gives the answer away.
"""

import re
from collections.abc import Iterator

import nbformat

QUESTION = "**Predict, then run.**"
GUESS = re.compile(r"\A> (\*\*The common guess\*\*.+(?:\n> .+)*)\n?")
SUMMARY = "The common guess, and what is wrong with it"
INVITATION = "invitation"  # the tag of an output


def runs(notebook) -> Iterator[tuple]:
    """Of each question: its text cell, the code cells that answer it, and the text cell after them or None."""
    cells = notebook.cells
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown" and QUESTION in cell.source:
            end = place + 1
            while end < len(cells) and cells[end].cell_type == "code":
                end += 1
            yield cell, cells[place + 1 : end], cells[end] if end < len(cells) else None


def fold_guesses(notebook) -> None:
    """Make the line about the common guess one that unfolds."""
    for _, _, after in runs(notebook):
        if after is not None and (found := GUESS.match(after.source)):
            line = found[1].replace("\n> ", "\n")
            folded = f"<details><summary>{SUMMARY}</summary>\n\n{line}\n\n</details>\n"
            after.source = folded + after.source[found.end() :]


def fold_outputs(notebook) -> None:
    """Fold the outputs that answer a question. Running a cell unfolds them by itself.

    Where outputs are folded, JupyterLab shows the first line of the first one: a line is put there that tells nothing.
    """
    for _, answers, _ in runs(notebook):
        for cell in answers:
            if cell.outputs:
                if not is_invitation(cell.outputs[0]):
                    words = {"text/plain": "What comes out:"}
                    tagged = {"tags": [INVITATION]}
                    cell.outputs.insert(
                        0, nbformat.v4.new_output("display_data", words, metadata=tagged)
                    )
                cell.metadata["collapsed"] = True
                cell.metadata["jupyter"] = {
                    **cell.metadata.get("jupyter", {}),
                    "outputs_hidden": True,
                }


def is_invitation(output) -> bool:
    return INVITATION in output.get("metadata", {}).get("tags", [])


def without_folds(metadata) -> dict:
    """The metadata of a cell as they were before `fold_outputs`."""
    kept = {key: value for key, value in metadata.items() if key not in ("collapsed", "jupyter")}
    jupyter = {
        key: value for key, value in metadata.get("jupyter", {}).items() if key != "outputs_hidden"
    }
    return {**kept, "jupyter": jupyter} if jupyter else kept
