"""Answers that have to follow a JSON schema: at each token, what the grammar does not allow gets no probability.

The grammar is the llguidance library's, which knows from the tokens so far which ones may come next.
"""

import json
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any

import llguidance
import llguidance.numpy
import numpy as np

from llaisys_mini.server.problems import Refused
from llaisys_mini.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


@cache
def _known_tokens(tokenizer: Tokenizer, vocab_size: int, stop_ids: tuple[int, ...]) -> llguidance.LLTokenizer:
    return llguidance.LLTokenizer(tokenizer.to_json(), n_vocab=vocab_size, eos_token=list(stop_ids))


class Grammar:
    """What one text may be, as Engine.add wants it: called with the logits and the ids so far, it strikes out.

    stop_ids: tokens that end a text, allowed where the answer is complete; at least one.
    Raises Refused for a schema that the library does not know how to follow.
    """

    def __init__(self, schema: dict[str, Any], tokenizer: Tokenizer, vocab_size: int, stop_ids: Collection[int]):
        if not stop_ids:
            raise Refused(
                "this model has no token that ends a text: no schema can be followed", param="response_format"
            )
        tokens = _known_tokens(tokenizer, vocab_size, tuple(sorted(stop_ids)))
        # Without spaces: a model that does not know what to say would write nothing else.
        compact: JsonCompileOptions = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=compact)
        problem = llguidance.LLMatcher.validate_grammar(grammar, tokens)
        if problem:
            raise Refused(f"this schema cannot be followed: {problem}", param="response_format")
        self._matcher = llguidance.LLMatcher(tokens, grammar)
        self._read = 0
        self._mask = llguidance.numpy.allocate_token_bitmask(1, vocab_size)

    def __call__(self, logits: np.ndarray, written: list[int]) -> np.ndarray:
        """The logits [V] of the next token, -inf for those that the grammar does not allow after `written`."""
        if len(written) < self._read:
            self._matcher.reset()
            self._read = 0
        self._matcher.consume_tokens(written[self._read :])
        self._read = len(written)
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
        allowed = logits.copy()
        llguidance.numpy.apply_token_bitmask_inplace(allowed, self._mask)
        return allowed
