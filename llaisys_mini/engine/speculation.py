"""Speculative decoding: guess some tokens ahead, and let the model look at all of them in one pass.

The model's weights are read once per pass, however many rows it has. So if a guess is right, its token costs nearly
nothing. The engine chooses each token as if it came alone and keeps the guesses that turn out to be what it chose;
with the course's kernels the text is the same, token for token, sampled or not.

    NGrams        guesses what followed the last few tokens earlier in the same text; it costs nothing
    DraftModel    asks a smaller model of the same vocabulary

Sources: Leviathan et al. 2022 (arXiv:2211.17192); prompt lookup decoding (Saxena 2023). Here a guess is accepted if it
is the token that would have been drawn, which keeps the text of a seed, and not only its distribution.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from llaisys_mini import operators as ops
from llaisys_mini.cache.paged import PagedCache, PagedText
from llaisys_mini.cache.paged_pass import Rows
from llaisys_mini.capture.replay import Replay
from llaisys_mini.engine.request import Request
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Tensor

if TYPE_CHECKING:
    from llaisys_mini.engine.engine import Counts


def weight_bytes(decoder: Decoder) -> int:
    """Bytes of the weights that one forward pass reads, whatever the number of its rows; of the embeddings it reads
    single rows."""
    found: dict[int, set[tuple[int, int]]] = {}  # by its storage, where each weight lies

    def look(part: Any) -> None:
        if isinstance(part, Tensor):
            found.setdefault(id(part.storage), set()).add((part.offset, part.offset + part.nbytes))
        elif is_dataclass(part):
            for field in fields(part):
                look(getattr(part, field.name))

    for part in (*decoder.layers, decoder.final_norm, decoder.head):
        look(part)
    total = 0
    for places in found.values():
        end = 0
        for first, last in sorted(places):  # fused projections lie over the memory of the single ones
            total += max(0, last - max(first, end))
            end = max(end, last)
    return total


def does_it_pay(decoder: Decoder, guesser: "Guesser", counts: "Counts") -> str:
    """One line: how often guesses were right, and whether fewer bytes of weights were read than without them."""
    own, draft = weight_bytes(decoder), weight_bytes(guesser.decoder) if guesser.decoder is not None else 0
    read = counts.steps * own + guesser.passes * draft
    before, after = own / 1e6, read / max(1, counts.written) / 1e6
    return (
        f"speculation: {counts.right} of {counts.guessed} guesses right, {counts.written / max(1, counts.steps):.1f} "
        f"tokens per pass; {after:.2f} MB of weights read per token, {before:.2f} without: "
        + ("it pays" if after < before else "it does not pay")
    )


class Guesser(Protocol):
    """What the engine asks of one that guesses. decoder: what it asks itself, if anything; passes: how many forward
    passes of that it has made."""

    decoder: Decoder | None
    passes: int

    def guess(self, asked: Sequence[tuple[Request, int]]) -> list[list[int]]:
        """For each request the tokens that may come next: at most the number given, perhaps none."""

    def forget(self, request: Request) -> None:
        """The request has ended."""


class NGrams:
    """Guesses `most` tokens: those that followed where the last `longest` to `shortest` tokens stood before."""

    decoder, passes = None, 0

    def __init__(self, most: int = 4, longest: int = 4, shortest: int = 2):
        self.most, self.longest, self.shortest = most, longest, shortest

    def guess(self, asked: Sequence[tuple[Request, int]]) -> list[list[int]]:
        return [self._follow(request.text)[:most] for request, most in asked]

    def _follow(self, text: list[int]) -> list[int]:
        ids = np.array(text)
        for length in range(min(self.longest, len(ids) - 1), self.shortest - 1, -1):
            windows = np.lib.stride_tricks.sliding_window_view(ids[:-1], length)
            found = np.flatnonzero((windows == ids[-length:]).all(axis=1))
            if len(found):
                after = found[-1] + length
                return ids[after : after + self.most].tolist()
        return []

    def forget(self, request: Request) -> None:
        pass


class DraftModel:
    """Guesses `most` tokens with a smaller decoder, the likeliest each time.

    It has a KV cache of its own, of `pages` pages. passes: how many forward passes it has made. capture: see Engine.
    """

    def __init__(self, decoder: Decoder, most: int = 4, pages: int | None = None, capture: bool = True):
        c = decoder.config
        self.decoder = decoder
        self.most = most
        self.passes = 0
        self.cache = PagedCache(c.layers, c.kv_heads, c.head_dim, c.max_positions, device=decoder.device, pages=pages)
        self.replay = Replay(decoder, self.cache, capture)
        self._texts: dict[Request, PagedText] = {}

    def require_same_tokens(self, vocab_size: int) -> None:
        """Raise GenerationError unless the model of the engine has the same vocabulary."""
        own = self.decoder.config.vocab_size
        if own != vocab_size:
            raise GenerationError(f"the draft model has {own} tokens, but the model has {vocab_size}: they must agree")

    def guess(self, asked: Sequence[tuple[Request, int]]) -> list[list[int]]:
        guesses: list[list[int]] = [[] for _ in asked]
        texts = [self._follow(request) for request, _ in asked]
        ahead = [list(request.text) for request, _ in asked]
        for step in range(max((min(most, self.most) for _, most in asked), default=0)):
            going = [
                number
                for number, (_, most) in enumerate(asked)
                if step < most and self._has_room(texts[number], len(ahead[number]))
            ]
            if not going:
                break
            missing = [ahead[n][texts[n].length :] for n in going]
            # Of the few rows behind a guess all logits are asked for: a step of that kind may be replayed.
            wanted = [len(ids) if len(ids) <= self.most + 1 else 1 for ids in missing]
            rows = [Rows(texts[n], len(ids), w) for n, ids, w in zip(going, missing, wanted, strict=True)]
            logits, best = self.replay.forward(np.concatenate(missing), rows, greedy=True)
            self.passes += 1
            index = best[0] if best else ops.argmax(logits)[0].numpy()
            chosen = index[np.cumsum(wanted) - 1].tolist()
            for number, token in zip(going, chosen, strict=True):
                guesses[number].append(token)
                ahead[number].append(token)
        return guesses

    def forget(self, request: Request) -> None:
        text = self._texts.pop(request, None)
        if text is not None:
            self.cache.free(text)

    def _follow(self, request: Request) -> PagedText:
        """What the draft model has stored of the text, without what it had guessed wrongly."""
        text = self._texts.setdefault(request, PagedText())
        common = 0
        for mine, theirs in zip(text.ids, request.text[:-1], strict=False):
            if mine != theirs:
                break
            common += 1
        self.cache.truncate(text, common)
        return text

    def _has_room(self, text: PagedText, length: int) -> bool:
        if length > self.cache.max_positions:
            return False
        try:
            self.cache.reserve(text, length)
        except GenerationError:  # others use the pages; this text goes on without guesses
            return False
        return True
