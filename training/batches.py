"""Documents packed into rows of tokens. A batch is a function of its number, so any process can make any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from .corpus import documents
from .corpus.conversations import END_OF_TEXT, Document
from .recipe import SEED, Stage, place

IGNORED = -100  # the target of a position where nothing is to be learned, as torch's cross_entropy has it
CANDIDATES = 24  # documents that wait; the longest one that still fits a row comes next
SEEDS_OF_A_STAGE = 10_000_000
HELD_OUT_SEED = 1_000_000_000


@dataclass(frozen=True)
class EncodedDocument:
    ids: list[int]
    learn: list[bool]


@dataclass(frozen=True)
class Batch:
    """Rows of several documents each. `document` numbers them within a row, so that none looks into its neighbour."""

    ids: torch.Tensor  # (B, L)
    targets: torch.Tensor  # (B, L), IGNORED where nothing is to be learned
    document: torch.Tensor  # (B, L), -1 behind the last one

    def rows(self, chosen: slice) -> Batch:
        return Batch(self.ids[chosen], self.targets[chosen], self.document[chosen])

    def to(self, device: str) -> Batch:
        return Batch(self.ids.to(device), self.targets.to(device), self.document.to(device))

    @property
    def learned(self) -> int:
        return int((self.targets != IGNORED).sum())


def encode(document: Document, tokenizer: Tokenizer) -> EncodedDocument:
    ids: list[int] = []
    learn: list[bool] = []
    for text, learned in document:
        piece = tokenizer.encode(text, add_special_tokens=False).ids
        ids += piece
        learn += [learned] * len(piece)
    return EncodedDocument(ids, learn)


def encoded_documents(
    seed: int, tokenizer: Tokenizer, mixture: dict[str, float], longest: int
) -> Iterator[EncodedDocument]:
    """The stream of the corpus without the documents of more than `longest` tokens."""
    latest: list[EncodedDocument] = []

    def count_tokens(document: Document) -> int:
        latest.append(encode(document, tokenizer))
        return len(latest[-1].ids)

    for _ in documents(seed, count_tokens, mixture):
        document = latest.pop()
        if len(document.ids) <= longest:
            yield document


def pack(stream: Iterator[EncodedDocument], rows: int, length: int, filler: int) -> Batch:
    """rows x length tokens of whole documents."""
    ids = torch.full((rows, length), filler)
    targets = torch.full((rows, length), IGNORED)
    number = torch.full((rows, length), -1)
    waiting = [next(stream) for _ in range(CANDIDATES)]
    for row in range(rows):
        position = count = 0
        chosen: EncodedDocument | None = waiting[0]  # the oldest opens the row, so that none waits for ever
        while chosen is not None:
            waiting.remove(chosen)
            waiting.append(next(stream))
            end = position + len(chosen.ids)
            ids[row, position:end] = torch.tensor(chosen.ids)
            number[row, position:end] = count
            learned = [token if learn else IGNORED for token, learn in zip(chosen.ids, chosen.learn, strict=True)]
            targets[row, position : end - 1] = torch.tensor(learned[1:])  # a position learns what comes next
            position, count = end, count + 1
            fitting = [document for document in waiting if len(document.ids) <= length - position]
            chosen = max(fitting, key=lambda document: len(document.ids), default=None)
    return Batch(ids, targets, number)


def held_out_batch(kind: str, index: int, tokenizer: Tokenizer, length: int) -> Batch:
    """A batch of one kind of document from a seed that no stage uses."""
    stream = encoded_documents(HELD_OUT_SEED + index, tokenizer, {kind: 1.0}, length)
    return pack(stream, 4, length, tokenizer.token_to_id(END_OF_TEXT))


class RecipeBatches(torch.utils.data.Dataset[Batch]):
    """The batches of all stages, one per step, for torch's DataLoader."""

    def __init__(self, stages: list[Stage], tokenizer_file: str) -> None:
        self.stages, self.tokenizer_file = stages, tokenizer_file
        self.tokenizer: Tokenizer | None = None  # read in the process that needs it

    def __getitem__(self, step: int) -> Batch:
        if self.tokenizer is None:
            self.tokenizer = Tokenizer.from_file(self.tokenizer_file)
        number, within = place(self.stages, step)
        stage = self.stages[number]
        seed = SEED + number * SEEDS_OF_A_STAGE + within
        stream = encoded_documents(seed, self.tokenizer, stage.mixture, stage.row_length)
        return pack(stream, stage.rows, stage.row_length, self.tokenizer.token_to_id(END_OF_TEXT))


def batches_from(
    stages: list[Stage], first: int, tokenizer_file: str, processes: int
) -> torch.utils.data.DataLoader[Batch]:
    """The batches in order, from step `first` on, made ahead of time by so many processes (0: by this one)."""
    return torch.utils.data.DataLoader(
        RecipeBatches(stages, tokenizer_file),
        batch_size=None,
        sampler=range(first, sum(stage.steps for stage in stages)),
        num_workers=processes,
        multiprocessing_context="spawn" if processes else None,
        prefetch_factor=4 if processes else None,
    )
