"""What quantisation costs: the quantised model beside the one it was made from, on text that neither has seen.

perplexity         how many tokens the model hesitates between, on average: exp of the mean cross-entropy
logits             how far the scores of the next token move; relative to their spread, since only differences count
same greedy        of the tokens that the original writes greedily, how many the other would have written there too
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from llaisys_mini.cache.cache import Cache
from llaisys_mini.console import console
from llaisys_mini.engine.generate import LanguageModel, load_model
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.paths import held_out_text

END_OF_DOCUMENT = "<|endoftext|>"
_PROMPT = 24  # tokens of a document that greedy writing starts from
_CONTINUATION = 50  # tokens written from each


@dataclass(frozen=True)
class Quality:
    """One model's prediction of a text, beside another's (`original`).

    perplexity, original_perplexity: of the text. tokens: how many were predicted.
    logits_max, logits_rms: largest and root mean square change of a logit. logits_std: spread of the original's logits
    at one position, its root mean square over all. same_greedy: share of `greedy_tokens`.
    """

    perplexity: float
    original_perplexity: float
    tokens: int
    logits_max: float
    logits_rms: float
    logits_std: float
    same_greedy: float
    greedy_tokens: int


def compare_models(original: LanguageModel, other: LanguageModel, text: str, greedy_tokens: int = 200) -> Quality:
    """Measure `other` against `original` on `text`, whose documents are separated by `<|endoftext|>`.

    Each document is read up to the models' context. Raises GenerationError for a text that is too short.
    """
    documents = documents_of(original, text, other.config.max_positions)
    losses, squares, variances, largest = [], [], [], 0.0
    for ids in documents:
        before, after = original.logits(ids).astype(np.float64), other.logits(ids).astype(np.float64)
        losses.append([_cross_entropy(logits, ids) for logits in (before, after)])
        change = after - before
        largest = max(largest, float(np.abs(change).max()))
        squares.append(np.square(change).mean(axis=1))
        variances.append(before.var(axis=1))
    of_original, of_other = (np.concatenate(parts).mean() for parts in zip(*losses, strict=True))
    same = list(_same_greedy(original, other, documents, greedy_tokens))
    return Quality(
        perplexity=math.exp(of_other),
        original_perplexity=math.exp(of_original),
        tokens=sum(len(ids) - 1 for ids in documents),
        logits_max=largest,
        logits_rms=math.sqrt(np.concatenate(squares).mean()),
        logits_std=math.sqrt(np.concatenate(variances).mean()),
        same_greedy=sum(same) / max(len(same), 1),
        greedy_tokens=len(same),
    )


def documents_of(model: LanguageModel, text: str, longest: int | None = None) -> list[list[int]]:
    """The token ids of the documents of a text, each cut to the model's context and to `longest`.

    Raises GenerationError for a text that is too short, or a model without a tokenizer.
    """
    if model.tokenizer is None:
        raise GenerationError("the model has no tokenizer.json, so there is no text to measure it on")
    limit = min(model.config.max_positions, longest or model.config.max_positions)
    documents = [model.tokenizer.encode(part.strip())[:limit] for part in text.split(END_OF_DOCUMENT)]
    documents = [ids for ids in documents if len(ids) >= 2]
    if not documents:
        raise GenerationError("the text is too short to measure anything on it")
    return documents


def loss(decoder: Decoder, documents: Sequence[Sequence[int]], new_cache: Callable[[], Cache]) -> float:
    """The mean cross-entropy of the documents' tokens, each from those before it, in nats. new_cache: an empty one."""
    losses = []
    for ids in documents:
        row = np.asarray(ids, np.int64)
        losses.append(_cross_entropy(decoder.forward(row, new_cache()).numpy().astype(np.float64), ids))
    return float(np.concatenate(losses).mean())


def read_text(path: Path, option: str) -> str:
    """What a file holds. Raises GenerationError, which names the option that it was given by."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise GenerationError(f"{path} cannot be read as text ({problem}); name another file with {option}") from None


def print_report(original: str | Path, quantised: str | Path, dtype: str, text: Path | None = None) -> None:
    """Load both models, compare them on `text` (default: the course's held-out stories), and print one table."""
    path = text or held_out_text()
    words = read_text(path, "--text")
    found = compare_models(load_model(original), load_model(quantised), words)
    table = Table(title=f"on {found.tokens} tokens of {path.name}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("original", justify="right")
    table.add_column(dtype, justify="right")
    relative = found.logits_rms / found.logits_std if found.logits_std else math.inf
    table.add_row("perplexity", f"{found.original_perplexity:.4f}", f"{found.perplexity:.4f}")
    table.add_row("logits, largest change", "", f"{found.logits_max:.3g}")
    table.add_row("logits, rms change", "", f"{found.logits_rms:.3g}")
    table.add_row("logits, rms change / their spread", "", f"{relative:.2%}")
    table.add_row(f"same greedy token, of {found.greedy_tokens}", "", f"{found.same_greedy:.1%}")
    console().print(table)


def _cross_entropy(logits: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """-log probability of ids[1:], each from the logits [L, V] of the position before it."""
    scores = logits[:-1] - logits[:-1].max(axis=1, keepdims=True)
    return np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(ids) - 1), ids[1:]]


def _same_greedy(original: LanguageModel, other: LanguageModel, documents, count: int) -> Iterator[bool]:
    """For each of `count` tokens that the original writes after the documents' beginnings: would `other` agree?

    Both see what the original has written so far; else one early difference would make all that follows differ.
    """
    seen = 0
    for ids in documents:
        prompt = ids[:_PROMPT]
        room = min(_CONTINUATION, count - seen, original.config.max_positions - len(prompt))
        written = list(original.generate(prompt, room, temperature=0, repetition_penalty=1)) if room > 0 else []
        if written:
            choices = other.logits([*prompt, *written[:-1]])[len(prompt) - 1 :].argmax(axis=1)
            yield from (choices == written).tolist()
            seen += len(written)
