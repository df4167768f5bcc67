"""Train a model by the recipe: on a GPU where there is one, else by one process per CPU core.

Matrices are trained with Muon, everything else with AdamW. On the CPU each worker is a process with one thread, which
takes its share of the rows of every batch; gradients are added up once per step. On cores that are shared with other
work this is several times as fast as one process with two threads, where every single matrix product waits for the
slower of the two.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM

from llaisys_mini.files import whole_file

from .batches import IGNORED, Batch, batches_from, held_out_batch
from .corpus import KINDS
from .muon import Muon
from .recipe import (
    EMBEDDING_LEARNING_RATE,
    MUON_LEARNING_RATE,
    NORM_LEARNING_RATE,
    SEED,
    WARM_UP_STEPS,
    WEIGHT_DECAY,
    Stage,
    model_config,
)

STEPS_BETWEEN_REPORTS = 20
STEPS_BETWEEN_CHECKPOINTS = 200
HELD_OUT_LENGTH = 1024
CPU_ROW_TOKENS = 2048  # tokens that a CPU worker takes through the model at once: larger arrays leave the caches

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Run:
    """What to train, and where.

    work: folder of the checkpoint and the log. teacher: folder of a model whose probabilities are learned instead of
    the text. device: "cuda" or "cpu". processes: training workers on the CPU; on a GPU, processes that make batches.
    """

    work: Path
    tokenizer_file: Path
    stages: list[Stage]
    layers: int
    device: str
    processes: int
    compiled: bool = True
    teacher: Path | None = None

    @property
    def workers(self) -> int:
        return self.processes if self.device == "cpu" else 1

    @property
    def tokens(self) -> int:
        return sum(stage.steps * stage.rows * stage.row_length for stage in self.stages)


def attention_mask(document: torch.Tensor) -> torch.Tensor:
    """Causal, and only within one document: bool (B, 1, L, L), True where looking is allowed."""
    length = document.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=document.device).tril()
    return ((document[:, :, None] == document[:, None, :]) & causal)[:, None]


class Training:
    """Model, optimisers and position in the recipe: everything that a checkpoint has to hold."""

    def __init__(self, run: Run) -> None:
        torch.manual_seed(SEED)
        tokenizer = Tokenizer.from_file(str(run.tokenizer_file))
        self.device = run.device
        self.model = Qwen3ForCausalLM(model_config(tokenizer, run.layers)).to(run.device).train()
        self.teacher = None
        if run.teacher is not None:
            self.teacher = Qwen3ForCausalLM.from_pretrained(run.teacher, dtype=torch.float32).to(run.device).eval()
        named = list(self.model.named_parameters())
        self.muon = Muon([p for name, p in named if p.ndim == 2 and "embed_tokens" not in name], WEIGHT_DECAY)
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
        """Of all learned positions together, in nats."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            logits = self.model(input_ids=ids, attention_mask=mask).logits
            if self.teacher is None:
                return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="sum")
            with torch.no_grad():
                wanted = self.teacher(input_ids=ids, attention_mask=mask).logits.float().softmax(-1)
        losses = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(0, 1), reduction="none")
        return (losses * (targets.flatten() != IGNORED)).sum()

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
        with whole_file(path) as unfinished:
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device)
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
        losses[kind] = round(total / batch.learned, 4)
    training.model.train()
    return losses


def gradient_step(training: Training, batch: Batch, rank: int, workers: int, loss_function: Loss) -> float:
    """Compute the gradient of the mean loss of the whole batch, each worker from its own rows. Returns that loss."""
    learned = batch.learned
    mine = batch.rows(slice(rank, None, workers))
    rows_at_once = mine.ids.shape[0] if training.device == "cuda" else max(1, CPU_ROW_TOKENS // mine.ids.shape[1])
    loss = torch.zeros((), device=training.device)
    for first in range(0, mine.ids.shape[0], rows_at_once):
        part = mine.rows(slice(first, first + rows_at_once)).to(training.device)
        part_loss = loss_function(part.ids, part.targets, attention_mask(part.document)) / learned
        part_loss.backward()
        loss += part_loss.detach()
    if workers == 1:
        return loss.item()
    gradients = [p.grad for p in training.model.parameters() if p.grad is not None]
    everything = torch.cat([loss.reshape(1), *(gradient.flatten() for gradient in gradients)])
    distributed.all_reduce(everything)
    position = 1
    for gradient in gradients:
        gradient.copy_(everything[position : position + gradient.numel()].view_as(gradient))
        position += gradient.numel()
    return everything[0].item()


class Log:
    """The first worker's report: a progress bar, and one JSON object per line in log.jsonl."""

    def __init__(self, run: Run, training: Training) -> None:
        self.file, self.training, self.losses = run.work / "log.jsonl", training, deque[float](maxlen=20)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, refresh_per_second=1)
        parameters = sum(p.numel() for p in training.model.parameters())
        print(f"{parameters:,} parameters, {run.tokens:,} tokens, on the {run.device}", flush=True)
        self.task = self.bar.add_task("tokens", total=run.tokens, completed=training.tokens)
        self.bar.start()

    def after_step(self, loss: float, rate: float) -> None:
        self.losses.append(loss)
        if self.training.step % STEPS_BETWEEN_REPORTS == 0:
            mean = sum(self.losses) / len(self.losses)
            self.write({"loss": round(mean, 4), "rate": round(rate, 3)})
            self.bar.update(self.task, completed=self.training.tokens, description=f"loss {mean:.3f}, tokens")

    def write(self, entry: dict[str, Any]) -> None:
        training = self.training
        position = {"step": training.step, "tokens": training.tokens, "seconds": round(training.seconds, 1)}
        with self.file.open("a", encoding="utf-8") as log:
            log.write(json.dumps({**position, **entry}) + "\n")

    def close(self) -> None:
        self.bar.stop()


def train_worker(rank: int, run: Run) -> None:
    """One worker's run through the recipe. All hold the same model and take the same steps; the first one reports."""
    if run.device == "cpu":
        torch.set_num_threads(1)
    if run.workers > 1:
        # A session of its own: a busy Linux machine is shared out among sessions first and among processes second.
        os.setsid()
        rendezvous = f"file://{run.work}/rendezvous"
        distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=run.workers)
    checkpoint = run.work / "checkpoint.pt"
    training = Training(run)
    if checkpoint.exists():
        training.load(checkpoint)
    tokenizer = Tokenizer.from_file(str(run.tokenizer_file))
    held_out = {
        kind: held_out_batch(kind, index, tokenizer, HELD_OUT_LENGTH).to(run.device)
        for index, kind in enumerate(KINDS)
        if rank == 0
    }
    log = Log(run, training) if rank == 0 else None
    loss_function: Loss = torch.compile(training.summed_loss, dynamic=False) if run.compiled else training.summed_loss
    makers = 0 if run.device == "cpu" else run.processes
    while training.stage < len(run.stages):
        stage = run.stages[training.stage]
        started = time.perf_counter()
        for batch in batches_from(stage, training.stage, training.stage_step, str(run.tokenizer_file), makers):
            rate = stage.rate + (stage.end_rate - stage.rate) * training.stage_step / stage.steps
            rate *= min(1.0, (training.step + 1) / WARM_UP_STEPS)
            loss = gradient_step(training, batch, rank, run.workers, loss_function)
            training.update(rate)
            training.step += 1
            training.stage_step += 1
            training.tokens += batch.ids.numel()
            training.seconds, started = training.seconds + time.perf_counter() - started, time.perf_counter()
            if log is not None:
                log.after_step(loss, rate)
                if training.step % STEPS_BETWEEN_CHECKPOINTS == 0:
                    log.write({"held_out": held_out_losses(training, held_out)})
                    training.save(checkpoint)
        training.stage += 1
        training.stage_step = 0
        if rank == 0:
            training.save(checkpoint)
    if log is not None:
        log.write({"held_out": held_out_losses(training, held_out)})
        log.close()


def train(run: Run) -> None:
    """Follow the recipe, going on from the checkpoint in `run.work` if there is one."""
    run.work.mkdir(parents=True, exist_ok=True)
    (run.work / "rendezvous").unlink(missing_ok=True)
    if run.workers == 1:
        train_worker(0, run)
    else:
        multiprocessing.spawn(train_worker, (run,), nprocs=run.workers, daemon=True)  # none outlives the command


def write_model(run: Run, folder: Path) -> None:
    """Write config.json and model.safetensors, in bfloat16, as `transformers` does. The tokenizer wrote the rest."""
    training = Training(run)
    training.load(run.work / "checkpoint.pt")
    training.model.config.use_cache = True
    keep = {name: (folder / name).read_bytes() for name in ["generation_config.json"] if (folder / name).exists()}
    training.model.to(torch.bfloat16).save_pretrained(folder)
    for name, content in keep.items():
        (folder / name).write_bytes(content)
