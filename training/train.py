"""Train the course's model: a small Qwen3 decoder, on an endless stream of generated text, on two CPU cores.

The recipe is data (`STAGES`): each stage says how many tokens to read, from which mixture, and what the learning rate
does. It counts tokens, not minutes, so the same command gives the same model on a slow machine and on a fast one.
Matrices are trained with Muon, everything else with AdamW.

Each worker is a process with one thread, which takes its share of the rows of every batch; gradients are added up once
per step. On cores that are shared with other work this is several times as fast as one process with two threads, where
every single matrix product waits for the slower of the two.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

from .corpus import FIRST_MIXTURE, KINDS, LOOKING_UP, MIXTURE, MORE_LOOKING_UP, documents
from .corpus.conversations import END_OF_TEXT, TURN_END, Document
from .tokenizer import CONTEXT_LENGTH

ROW_LENGTH = CONTEXT_LENGTH
ROWS_PER_BATCH = 8
WARM_UP_STEPS = 40
MUON_LEARNING_RATE = 0.02
EMBEDDING_LEARNING_RATE = 4e-3
NORM_LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
SEED = 1


@dataclass(frozen=True)
class Stage:
    """A stretch of training. The learning rate goes in a straight line from `rate` to `end_rate`; 1 is the full one."""

    tokens: int
    rate: float
    end_rate: float
    mixture: dict[str, float]


# At the full rate the model learned facts and sums, but no copying of names in 6.5 million tokens. Within
# two hundred steps at 0.4 of it, copying appeared. (Seen in one run, not tested further.)
STAGES = [
    Stage(tokens=4_915_200, rate=1.0, end_rate=1.0, mixture=FIRST_MIXTURE),
    Stage(tokens=1_638_400, rate=1.0, end_rate=1.0, mixture=MIXTURE),
    Stage(tokens=6_553_600, rate=0.4, end_rate=0.0, mixture=MIXTURE),
    Stage(tokens=3_276_800, rate=0.3, end_rate=0.0, mixture=LOOKING_UP),
    Stage(tokens=3_276_800, rate=0.45, end_rate=0.0, mixture=MORE_LOOKING_UP),
]


def model_config(tokenizer: Tokenizer) -> Qwen3Config:
    """About 1.4 million parameters: every feature of Qwen3 that the course teaches, in the smallest useful size."""
    return Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT_LENGTH,
        rope_theta=10_000.0,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        attention_bias=False,
        use_cache=False,
        bos_token_id=tokenizer.token_to_id(END_OF_TEXT),
        eos_token_id=tokenizer.token_to_id(TURN_END),
    )


# ---------------------------------------------------------------------------------------------------------------------
# Data


@dataclass(frozen=True)
class EncodedDocument:
    ids: list[int]
    learn: list[bool]


def encode(document: Document, tokenizer: Tokenizer) -> EncodedDocument:
    ids: list[int] = []
    learn: list[bool] = []
    for text, learned in document:
        piece = tokenizer.encode(text, add_special_tokens=False).ids
        ids += piece
        learn += [learned] * len(piece)
    return EncodedDocument(ids, learn)


def encoded_documents(seed: int, tokenizer: Tokenizer, mixture: dict[str, float]) -> Iterator[EncodedDocument]:
    latest: list[EncodedDocument] = []

    def count_tokens(document: Document) -> int:
        latest.append(encode(document, tokenizer))
        return len(latest[-1].ids)

    for _ in documents(seed, count_tokens, mixture):
        document = latest.pop()
        if len(document.ids) <= ROW_LENGTH:
            yield document


@dataclass(frozen=True)
class Batch:
    """Rows of several documents each. `document` numbers them within a row, so that none looks into its neighbour."""

    ids: torch.Tensor  # (B, L)
    targets: torch.Tensor  # (B, L), -100 where nothing is to be learned
    document: torch.Tensor  # (B, L)


def batches(stream: Iterator[EncodedDocument], filler: int, rows: int = ROWS_PER_BATCH) -> Iterator[Batch]:
    """Pack documents into rows, whole: of the next few documents, the longest one that still fits comes next."""
    pool = [next(stream) for _ in range(64)]
    while True:
        ids = torch.full((rows, ROW_LENGTH), filler)
        targets = torch.full((rows, ROW_LENGTH), -100)
        number = torch.full((rows, ROW_LENGTH), -1)
        for row in range(rows):
            position = count = 0
            # The oldest document opens the row, so that none waits for ever.
            chosen: EncodedDocument | None = pool.pop(0)
            while chosen is not None:
                end = position + len(chosen.ids)
                ids[row, position:end] = torch.tensor(chosen.ids)
                number[row, position:end] = count
                shifted = [token if learned else -100 for token, learned in zip(chosen.ids, chosen.learn, strict=True)][
                    1:
                ]
                targets[row, position : end - 1] = torch.tensor(shifted)
                position, count = end, count + 1
                pool.append(next(stream))
                fitting = [document for document in pool if len(document.ids) <= ROW_LENGTH - position]
                chosen = max(fitting, key=lambda document: len(document.ids)) if fitting else None
                if chosen is not None:
                    pool.remove(chosen)
            # `pool` lost one document for the opening of the row and got one for every document written.
        yield Batch(ids, targets, number)


def attention_mask(document: torch.Tensor) -> torch.Tensor:
    """Causal, and only within one document: (B, 1, L, L), 0 where looking is allowed, hugely negative elsewhere."""
    length = document.shape[1]
    same_document = document[:, :, None] == document[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return torch.zeros(same_document.shape).masked_fill(~(same_document & causal), torch.finfo(torch.float32).min)[
        :, None
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Optimisation


class Muon:
    """Momentum whose update is made (nearly) orthogonal by a Newton-Schulz iteration; for matrices only.

    Matrices of the same shape are updated together, which on a CPU costs far less than one by one.
    """

    def __init__(self, matrices: list[torch.nn.Parameter], momentum: float = 0.95) -> None:
        self.momentum = momentum
        self.groups: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        for matrix in matrices:
            self.groups.setdefault(tuple(matrix.shape), []).append(matrix)
        self.velocity = {shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        for (rows, columns), group in self.groups.items():
            gradient = torch.stack([matrix.grad for matrix in group if matrix.grad is not None])
            velocity = self.velocity[rows, columns]
            velocity.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(velocity, self.momentum)
            update = update.mT if rows > columns else update
            update = update / (update.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                square = update @ update.mT
                update = 3.4445 * update + (-4.7750 * square + 2.0315 * square @ square) @ update
            update = (update.mT if rows > columns else update) * math.sqrt(max(1.0, rows / columns))
            for matrix, change in zip(group, update, strict=True):
                matrix.mul_(1 - learning_rate * WEIGHT_DECAY).add_(change, alpha=-learning_rate)


class Training:
    """Model, optimisers and position in the recipe: everything that a checkpoint has to hold."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        torch.manual_seed(SEED)
        self.tokenizer = tokenizer
        self.model = Qwen3ForCausalLM(model_config(tokenizer))
        self.model.train()
        named = list(self.model.named_parameters())
        self.muon = Muon([p for name, p in named if p.ndim == 2 and "embed_tokens" not in name])
        embedding = [p for name, p in named if p.ndim == 2 and "embed_tokens" in name]
        norms = [p for _, p in named if p.ndim == 1]
        self.adam_rates = [EMBEDDING_LEARNING_RATE, NORM_LEARNING_RATE]
        self.adam = torch.optim.AdamW(
            [{"params": embedding}, {"params": norms}], lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.adam_parameters = embedding + norms
        self.stage = self.stage_step = self.step = self.tokens = 0
        self.seconds = 0.0

    def summed_loss(self, ids: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits = self.model(input_ids=ids, attention_mask=mask).logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")

    def update(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.adam_parameters, 1.0)
        for group, base in zip(self.adam.param_groups, self.adam_rates, strict=True):
            group["lr"] = base * rate
        self.muon.step(MUON_LEARNING_RATE * rate)
        self.adam.step()
        self.model.zero_grad(set_to_none=False)

    def save(self, path: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "adam": self.adam.state_dict(),
            "velocity": self.muon.velocity,
            "position": (self.stage, self.stage_step, self.step, self.tokens, self.seconds),
        }
        torch.save(state, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)

    def load(self, path: Path) -> None:
        state = torch.load(path)
        self.model.load_state_dict(state["model"])
        self.adam.load_state_dict(state["adam"])
        self.muon.velocity = state["velocity"]
        self.stage, self.stage_step, self.step, self.tokens, self.seconds = state["position"]


@torch.no_grad()
def held_out_losses(training: Training, held_out: dict[str, Batch]) -> dict[str, float]:
    """Mean loss in nats per learned token, for each kind of document."""
    training.model.eval()
    losses = {}
    for kind, batch in held_out.items():
        total = training.summed_loss(batch.ids, batch.targets, attention_mask(batch.document)).item()
        losses[kind] = round(total / int((batch.targets >= 0).sum()), 4)
    training.model.train()
    return losses


def gradient_step(
    training: Training, batch: Batch, rank: int, workers: int, loss_function: Callable[..., torch.Tensor]
) -> float:
    """Compute the gradient of the mean loss of the whole batch, each worker from its own rows. Returns that loss."""
    rows = slice(rank, None, workers)
    loss = (
        loss_function(batch.ids[rows], batch.targets[rows], attention_mask(batch.document[rows]))
        / (batch.targets >= 0).sum()
    )
    loss.backward()
    if workers == 1:
        return loss.item()
    parameters = [p for p in training.model.parameters() if p.grad is not None]
    everything = torch.cat([loss.detach().reshape(1)] + [p.grad.flatten() for p in parameters if p.grad is not None])
    distributed.all_reduce(everything)
    position = 1
    for parameter in parameters:
        parameter.grad = everything[position : position + parameter.numel()].view_as(parameter)
        position += parameter.numel()
    return everything[0].item()


def train_worker(rank: int, workers: int, work: Path, tokenizer_file: str, stages: list[Stage], compiled: bool) -> None:
    """One worker's run through the recipe. All hold the same model and take the same steps; the first one reports."""
    torch.set_num_threads(1)
    if workers > 1:
        # A session of its own: a busy Linux machine is shared out among sessions first and among processes second.
        os.setsid()
        distributed.init_process_group("gloo", init_method=f"file://{work}/rendezvous", rank=rank, world_size=workers)
    tokenizer = Tokenizer.from_file(tokenizer_file)
    checkpoint = work / "checkpoint.pt"
    training = Training(tokenizer)
    if checkpoint.exists():
        training.load(checkpoint)
    if rank == 0:
        parameters = sum(p.numel() for p in training.model.parameters())
        print(
            f"{parameters:,} parameters; {training.tokens:,} of {sum(stage.tokens for stage in stages):,} tokens done",
            flush=True,
        )
    filler = tokenizer.token_to_id(END_OF_TEXT)
    held_out = {
        kind: next(batches(encoded_documents(10_000 + index, tokenizer, {kind: 1.0}), filler, rows=4))
        for index, kind in enumerate(KINDS)
    }

    def report(entry: dict[str, Any]) -> None:
        line = json.dumps(
            {"step": training.step, "tokens": training.tokens, "seconds": round(training.seconds, 1), **entry}
        )
        print(line, flush=True)
        with (work / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    loss_function = torch.compile(training.summed_loss, dynamic=False) if compiled else training.summed_loss
    tokens_per_step = ROWS_PER_BATCH * ROW_LENGTH
    recent: list[float] = []
    while training.stage < len(stages):
        stage = stages[training.stage]
        steps = stage.tokens // tokens_per_step
        stream = batches(encoded_documents(SEED + training.stage, tokenizer, stage.mixture), filler)
        if training.stage_step < steps:
            for _ in range(training.stage_step):  # what an earlier run has already learned
                next(stream)
        while training.stage_step < steps:
            started = time.perf_counter()
            rate = stage.rate + (stage.end_rate - stage.rate) * training.stage_step / steps
            rate *= min(1.0, (training.step + 1) / WARM_UP_STEPS)
            recent.append(gradient_step(training, next(stream), rank, workers, loss_function))
            training.update(rate)
            training.step += 1
            training.stage_step += 1
            training.tokens += tokens_per_step
            training.seconds += time.perf_counter() - started
            if rank == 0 and training.step % 20 == 0:
                report({"loss": round(sum(recent) / len(recent), 4), "rate": round(rate, 3)})
                recent.clear()
            if rank == 0 and training.step % 200 == 0:
                report({"held_out": held_out_losses(training, held_out)})
                training.save(checkpoint)
        training.stage += 1
        training.stage_step = 0
        if rank == 0:
            training.save(checkpoint)
    if rank == 0:
        report({"held_out": held_out_losses(training, held_out)})


def train(
    work: Path, tokenizer_file: Path, stages: list[Stage] = STAGES, workers: int = 2, compiled: bool = True
) -> Training:
    """Run the recipe, going on from the checkpoint in `work` if there is one. The log has one JSON object per line."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "rendezvous").unlink(missing_ok=True)
    arguments = (workers, work.resolve(), str(tokenizer_file), stages, compiled)
    if workers == 1:
        train_worker(0, *arguments)
    else:
        multiprocessing.spawn(train_worker, arguments, nprocs=workers, daemon=True)  # no worker outlives the command
    training = Training(Tokenizer.from_file(str(tokenizer_file)))
    training.load(work / "checkpoint.pt")
    return training


def write_model(training: Training, folder: Path) -> None:
    """Write config.json and model.safetensors, in bfloat16, as `transformers` does. The tokenizer wrote the rest."""
    model = Qwen3ForCausalLM(training.model.config)
    model.load_state_dict(training.model.state_dict())
    model.config.use_cache = True
    keep = {name: (folder / name).read_bytes() for name in ["generation_config.json"] if (folder / name).exists()}
    model.to(torch.bfloat16).save_pretrained(folder)
    for name, content in keep.items():
        (folder / name).write_bytes(content)
