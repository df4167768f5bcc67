"""Text that comes from a student, made fit to be kept and shown: valid Unicode, no control characters, not too long.

File names, cells, error texts and results all pass through here before they reach a journal, a database, a page or a
terminal. Nothing here judges what a text says.
"""

import re
import unicodedata

MOST_SHOWN = 20_000  # characters of one text in a verdict
MOST_SOURCE = 200_000  # characters of one cell
_MOST_NAME = 100

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
"""All control characters but tab and newline, other separators of lines, and what turns the direction of writing."""
_LINE_ENDS = re.compile("\r\n|\r")
_OTHER_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS_OF_SOURCES = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_NOT_IN_NAMES = re.compile('[<>"`&\\\\/\t\n]')

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # Japanese settings take the wide signs alike

_REPLACEMENT = "\ufffd"


def plain(text: object, most: int = MOST_SHOWN) -> str:
    """`text` as it may be shown anywhere; what is longer than `most` characters ends in an ellipsis."""
    told = text if isinstance(text, str) else str(text)
    told = told if len(told) <= most else told[: most - 1] + "…"
    return _CONTROLS.sub(_REPLACEMENT, _SURROGATES.sub(_REPLACEMENT, _LINE_ENDS.sub("\n", told)))


def plain_source(text: str) -> str:
    """A cell's text in which lines end with a newline and nothing else, whoever splits it. Its length stays.

    Other separators of lines (form feed, U+0085, U+2028) become blanks, which is what Python takes a form feed for.
    """
    text = _OTHER_LINE_ENDS.sub(" ", _LINE_ENDS.sub("\n", text))
    return _CONTROLS_OF_SOURCES.sub(_REPLACEMENT, _SURROGATES.sub(_REPLACEMENT, text))


def plain_name(name: str) -> str:
    """A file's or student's name as it may stand in a path, a database, a page's script and a spreadsheet.

    Letters that differ only in how they are composed are one (a Mac writes é as two characters). nbgrader's pages put
    a student's name into HTML and into scripts as it is, so what has a meaning there is replaced.
    """
    text = unicodedata.normalize("NFC", _SURROGATES.sub(_REPLACEMENT, name))
    text = _NOT_IN_NAMES.sub("_", _CONTROLS.sub(_REPLACEMENT, text)).strip()
    while len(text.encode()) > 200 or len(text) > _MOST_NAME:  # file systems count bytes
        text = text[:-1]
    return text if text.strip(".") else "_"


def spreadsheet_cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula; numbers as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
