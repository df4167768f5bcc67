"""How a light picture becomes a dark one: the browser turns its lightness round and keeps its hues.

Figures and widgets are drawn once, in dark ink on an opaque light card. What stands in an element of the class `CARD`
is inverted on a dark page; rotating the hues by half a turn then undoes what the inversion did to them. Where a page
keeps no styles, as in a notebook that JupyterLab does not trust, the light card stays and can be read all the same.
"""

CARD = "course-card"

INVERSION = 0.95
"""Not 1: the card then has the tone of JupyterLab's dark page instead of black."""

# In this order: JupyterLab and its HTML export, VS Code, and other pages that say so (data-theme, as Sphinx themes do).
_DARK_PAGES = ("[data-jp-theme-light='false']", ".vscode-dark", "[data-theme='dark']")

STYLE = (
    f"<style>@media screen {{ :is({', '.join(_DARK_PAGES)}) .{CARD} "
    f"{{ filter: invert({INVERSION}) hue-rotate(180deg) }} }}</style>"
)
"""Goes with each picture, since a reader may have any of them alone."""
