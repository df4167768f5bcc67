"""The tiny template language in which the texts are written, and the random writer that fills it in.

"[big|small]" picks one of several wordings (they may be nested), "{hero}" inserts a value. Nothing else: what a story
says stays readable in the file that says it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

_INNERMOST_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def with_article(words: str) -> str:
    """'orange kite' -> 'an orange kite'. The words of the tables follow the simple rule of the first letter."""
    return ("an " if words[0].lower() in "aeiou" else "a ") + words


def capitalized(sentence: str) -> str:
    """Upper-case the first letter, also behind an opening quotation mark."""
    start = 1 if sentence.startswith('"') else 0
    return sentence[:start] + sentence[start : start + 1].upper() + sentence[start + 1 :]


class Writer(random.Random):
    """A seeded source of randomness that can also fill in templates."""

    def write(self, template: str, values: Mapping[str, str] | None = None) -> str:
        """Fill in one template. Values may themselves hold choices and slots, one level deep."""
        text = template
        if values:
            text = text.format_map(values)
            if "{" in text:
                text = text.format_map(values)
        while "[" in text:
            text = _INNERMOST_CHOICE.sub(lambda match: self.choice(match.group(1).split("|")), text)
        return text
