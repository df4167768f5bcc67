"""Formulas of pages that are files by themselves, drawn as pictures: such a page has no script and fetches nothing.

matplotlib's mathtext reads the part of LaTeX that an answer in a lab needs. A formula that it cannot read, or that
takes too long, stays as it was written.
"""

import base64
import html
import io
import re
from functools import cache

from jinja2 import pass_context

from autograder.gradebook import answers
from autograder.judge.watch import limited

_FORMULA = re.compile(
    r"<(?P<code>pre|code)\b.*?</(?P=code)>|<[^>]*>"
    r"|\$\$(?P<display>[^$<]+)\$\$|\$(?P<inline>[^$\s<](?:[^$\n<]*[^$\s<])?)\$(?!\d)"
    r"|\\\\?\[(?P<bracket>[^<]+?)\\\\?\]|\\\\?\((?P<round>[^<]+?)\\\\?\)",
    re.DOTALL,
)
"""In a page: code and tags, which are left alone, and formulas."""
_SAME_IN_MATHTEXT = {r"\text{": r"\mathrm{", r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\lvert": "|", r"\rvert": "|"}
_MOST_OF_ONE, _MOST = 400, 200  # characters of a formula that is drawn, formulas of a cell
_POINTS = 11.5  # size of the letters, as in the text around them
SECONDS_TO_DRAW = 10  # of computing, for one cell; the first formula of a process also loads fonts
_PX = 96 / 72  # CSS pixels of a point


@pass_context
def markdown2html(context, source: str) -> str:
    """nbconvert's filter of this name, cleaned as for formgrader, with its formulas drawn."""
    return drawn(answers.markdown2html(context, source))


def drawn(page: str) -> str:
    """A piece of clean HTML with pictures in place of its formulas."""
    left = [_MOST]

    def picture(match: re.Match) -> str:
        display = match["display"] or match["bracket"]
        formula = display or match["inline"] or match["round"]
        if not formula or left[0] <= 0:
            return match[0]
        left[0] -= 1
        return _picture(" ".join(html.unescape(formula).split()), bool(display)) or match[0]

    try:
        with limited(SECONDS_TO_DRAW):
            return _FORMULA.sub(picture, page)
    except Exception:  # it took too long
        return page


@cache
def _picture(formula: str, is_display: bool) -> str:
    """An image of the formula, whose alternative text is its LaTeX; "" for one that cannot be drawn."""
    try:
        from matplotlib import mathtext, rc_context
        from matplotlib.font_manager import FontProperties
    except ImportError:
        return ""
    text = formula
    for latex, same in _SAME_IN_MATHTEXT.items():
        text = text.replace(latex, same)
    if len(text) > _MOST_OF_ONE or "$" in text:
        return ""
    file = io.BytesIO()
    try:
        with rc_context({"mathtext.fontset": "stix", "svg.hashsalt": "", "svg.fonttype": "path"}):
            depth = mathtext.math_to_image(
                f"${text}$", file, FontProperties(size=_POINTS), dpi=72, format="svg", color="black"
            )
    except (ValueError, RuntimeError, RecursionError, KeyError, IndexError, TypeError):
        return ""
    code = base64.b64encode(file.getvalue()).decode()
    style = "display: block; margin: 0.6em auto" if is_display else f"vertical-align: {-depth * _PX:.1f}px"
    return f'<img src="data:image/svg+xml;base64,{code}" alt="{html.escape(formula)}" style="{style}">'
