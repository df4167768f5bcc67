"""The text that is learned from: documents, their tokens, and which of them make a batch."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from llaisys_mini.errors import TrainingError
from llaisys_mini.training.recipe import END_OF_TEXT, Recipe
from llaisys_mini.training.vocabulary import SMALLEST, learn_tokenizer

_HELD_OUT = 50  # of so many documents the last one is not learned from, or the last of so many parts of each
_MOST_LEARNED_FROM = 4_000_000  # characters for the tokenizer's merges: more change nothing that a small one can hold


def read_documents(path: Path) -> list[str]:
    """The documents of a UTF-8 file, separated by `<|endoftext|>`. Raises TrainingError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise TrainingError(f"{path} is no UTF-8 text: byte {problem.start} cannot be read") from None
    except OSError as problem:
        raise TrainingError(f"{path} cannot be read: {problem.strerror or problem}") from None
    return [document.strip() for document in text.split(END_OF_TEXT) if document.strip()]


def make_tokenizer(documents: list[str], size: int) -> Tokenizer:
    """A tokenizer of `size` tokens, the last one of which ends a text. Raises TrainingError."""
    if size <= SMALLEST:
        raise TrainingError(f"a vocabulary of {size} is too small: every byte needs a token, and the end of a text one")
    chosen, characters = [], 0
    for document in documents:
        chosen.append(document)
        characters += len(document)
        if characters > _MOST_LEARNED_FROM:
            break
    tokenizer = learn_tokenizer(chosen, size, [END_OF_TEXT])
    if tokenizer.get_vocab_size() != size:
        raise TrainingError(
            f"the text holds too few different words for a vocabulary of {size}: give more text, or ask for "
            f"{tokenizer.get_vocab_size()} tokens"
        )
    return tokenizer


def end_of_text(tokenizer: Tokenizer) -> int:
    """The id that ends a text. Raises TrainingError for a tokenizer of another making."""
    found = tokenizer.token_to_id(END_OF_TEXT)
    if found is None:
        raise TrainingError(f"the tokenizer has no token {END_OF_TEXT}: it was not made by `train`")
    return found


class Tokens:
    """The text as token ids int64, each document followed by the end-of-text token. learned: what is trained on;
    held_out: what only measures.

    Raises TrainingError for a text that is too short.
    """

    def __init__(self, documents: list[str], tokenizer: Tokenizer, recipe: Recipe):
        ends = end_of_text(tokenizer)
        encoded = [[*found.ids, ends] for found in tokenizer.encode_batch_fast(documents, add_special_tokens=False)]
        if len(encoded) < _HELD_OUT:  # a few long ones: the end of each
            cuts = [len(ids) * (_HELD_OUT - 1) // _HELD_OUT for ids in encoded]
            kept = [ids[:cut] for ids, cut in zip(encoded, cuts, strict=True)]
            measured = [ids[cut:] for ids, cut in zip(encoded, cuts, strict=True)]
        else:
            kept = [ids for number, ids in enumerate(encoded, 1) if number % _HELD_OUT]
            measured = encoded[_HELD_OUT - 1 :: _HELD_OUT]
        self.learned, self.held_out = _joined(kept), _joined(measured)
        self._recipe = recipe
        needed = recipe.length + 1
        if len(self.learned) <= needed or len(self.held_out) <= needed:
            raise TrainingError(
                f"the text is too short: {len(self.learned):,} tokens to learn from and {len(self.held_out):,} to "
                f"measure with, and each must be more than {needed:,}"
            )

    def batch(self, step: int) -> np.ndarray:
        """ids [L + 1, B]: stretches that begin anywhere in the text. A function of seed and step alone, so that a
        resumed run goes on with what it would have read."""
        rng = np.random.default_rng([self._recipe.seed, step])
        length = self._recipe.length + 1
        starts = rng.integers(0, len(self.learned) - length, self._recipe.sequences)
        return np.ascontiguousarray(self.learned[starts + np.arange(length)[:, None]])

    def measured(self) -> np.ndarray:
        """ids [L + 1, B]: the same stretches of the held-out text every time, spread over all of it."""
        length = self._recipe.length + 1
        starts = np.linspace(0, len(self.held_out) - length, self._recipe.sequences).astype(np.int64)
        return np.ascontiguousarray(self.held_out[starts + np.arange(length)[:, None]])


def _joined(documents: list[list[int]]) -> np.ndarray:
    return np.array([token for ids in documents for token in ids], np.int64)
