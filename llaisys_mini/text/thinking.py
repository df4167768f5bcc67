"""Telling a model's thoughts from its answer while the text arrives in pieces.

Qwen3 writes `<think>`, its thoughts, `</think>`, then the answer. With thinking switched off the block is empty, and a
reader should not see it at all. The chat templates of DeepSeek-R1-Distill and Qwen3-Thinking-2507 end with `<think>`
themselves, so what these models write begins in the midst of their thoughts.
"""

OPEN, CLOSE = TAGS = ("<think>", "</think>")
"""Text in most vocabularies, and control tokens in some, which a TextStream has to show."""


def opens_thoughts(prompt: str) -> bool:
    """Whether a rendered chat ends with `<think>`, so that the model goes on with its thoughts."""
    return prompt.rstrip().endswith(OPEN)


class ThinkingView:
    """Feed text as it arrives; get back pieces to show as (text, is_thought). `text` is everything that was fed.

    is_open: the prompt has opened the thoughts already, see opens_thoughts.
    """

    def __init__(self, is_open: bool = False):
        self.text = ""
        self._is_open = is_open
        self._shown = {True: 0, False: 0}  # characters shown so far of the thoughts and of the answer

    def feed(self, text: str) -> list[tuple[str, bool]]:
        """The pieces that can be shown now."""
        self.text += text
        return self._show(is_complete=False)

    def finish(self) -> list[tuple[str, bool]]:
        """What was held back in case a tag was beginning, when no more text comes."""
        return self._show(is_complete=True)

    def message(self) -> dict[str, str]:
        """The finished answer as a message of the conversation. The thoughts are told apart, since a chat template
        decides which of them the model sees again; those that know of none show the answer alone."""
        thoughts, answer = _split(self.text, True, self._is_open)
        message = {"role": "assistant", "content": answer}
        return message | {"reasoning_content": thoughts} if thoughts else message

    def _show(self, is_complete):
        thoughts, answer = _split(self.text, is_complete, self._is_open)
        if thoughts and answer:
            thoughts += "\n\n"
        pieces = []
        for part, is_thought in ((thoughts, True), (answer, False)):
            pieces.append((part[self._shown[is_thought] :], is_thought))
            self._shown[is_thought] = max(self._shown[is_thought], len(part))
        return [piece for piece in pieces if piece[0]]


def _split(text: str, is_complete: bool, is_open: bool) -> tuple[str, str]:
    """(thoughts, answer) as far as they are certain: what could be the beginning of a tag is left out."""
    start = text.lstrip()
    if not start.startswith(OPEN):
        may_begin = OPEN.startswith(start) and not is_complete
        if not is_open:
            return "", "" if may_begin else text
        start = "" if may_begin else text
    thoughts, closed, answer = start.removeprefix(OPEN).partition(CLOSE)
    if not closed and not is_complete:
        for length in range(len(CLOSE) - 1, 0, -1):
            if thoughts.endswith(CLOSE[:length]):
                thoughts = thoughts[:-length]
                break
    return thoughts.strip(), answer.lstrip("\n")
