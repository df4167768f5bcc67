"""Telling a model's thoughts from its answer while the text arrives in pieces.

Qwen3 writes `<think>`, its thoughts, `</think>`, then the answer. With thinking switched off the block is empty, and a
reader should not see it at all.
"""

OPEN, CLOSE = "<think>", "</think>"


class ThinkingView:
    """Feed text as it arrives; get back pieces to show as (text, is_thought). `text` is everything that was fed."""

    def __init__(self):
        self.text = ""
        self._shown = {True: 0, False: 0}  # characters shown so far of the thoughts and of the answer

    def feed(self, text: str) -> list[tuple[str, bool]]:
        """The pieces that can be shown now."""
        self.text += text
        return self._show(is_complete=False)

    def finish(self) -> list[tuple[str, bool]]:
        """What was held back in case a tag was beginning, when no more text comes."""
        return self._show(is_complete=True)

    def _show(self, is_complete):
        thoughts, answer = _split(self.text, is_complete)
        if thoughts and answer:
            thoughts += "\n\n"
        pieces = []
        for part, is_thought in ((thoughts, True), (answer, False)):
            pieces.append((part[self._shown[is_thought] :], is_thought))
            self._shown[is_thought] = max(self._shown[is_thought], len(part))
        return [piece for piece in pieces if piece[0]]


def _split(text: str, is_complete: bool) -> tuple[str, str]:
    """(thoughts, answer) as far as they are certain: what could be the beginning of a tag is left out."""
    start = text.lstrip()
    if not start.startswith(OPEN):
        return "", "" if OPEN.startswith(start) and not is_complete else text
    thoughts, closed, answer = start.removeprefix(OPEN).partition(CLOSE)
    if not closed and not is_complete:
        for length in range(len(CLOSE) - 1, 0, -1):
            if thoughts.endswith(CLOSE[:length]):
                thoughts = thoughts[:-length]
                break
    return thoughts.strip(), answer.lstrip("\n")
