"""A written answer as its word n-grams: runs of a few words, in which two who write by themselves seldom agree."""

import hashlib
import re

from autograder.copies.normal import Piece

RUN = 5  # words
MOST_WORDS = 5_000  # of one answer
_WORD = re.compile(r"[^\W_]+")
_SYMBOLS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # written without blanks: each sign is a word


def runs_of(text: str) -> list[Piece]:
    """The runs of RUN words. Capitals, punctuation and layout do not count."""
    words: list[tuple[str, int]] = []
    for number, line in enumerate(_SYMBOLS.sub(r" \g<0> ", text).split("\n"), start=1):
        words += [(word.casefold(), number) for word in _WORD.findall(line)]
    words = words[:MOST_WORDS]
    found = []
    for place in range(len(words) - RUN + 1):
        run = words[place : place + RUN]
        digest = hashlib.blake2b(" ".join(word for word, _ in run).encode(), digest_size=8).digest()
        found.append(Piece(digest, 1, run[0][1], run[-1][1]))
    return found
