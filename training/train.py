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
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM

from llaisys_mini.files import whole_file

from .batches import Batch, batches_from, held_out_batch
from .corpus import KINDS
from .gradients import CpuGradients, GpuGradients, summed_loss
from .muon import Muon
from .packed import ATTENTION, packed_loss
from .recipe import (
    EMBEDDING_LEARNING_RATE,
    MUON_LEARNING_RATE,
    NORM_LEARNING_RATE,
    SEED,
    WEIGHT_DECAY,
    Stage,
    model_config,
    rate_at,
)

STEPS_BETWEEN_REPORTS = 20
SECONDS_BETWEEN_CHECKPOINTS = 300
HELD_OUT_LENGTH = 1024


@dataclass(frozen=True)
class Run:
    """What to train, and where.

    work: folder of the checkpoint and the log. teacher: folder of a model whose probabilities are learned instead of
    the text. averaged: the model is the mean of the weights at the end of its last so many stages.
    device: "cuda" or "cpu". processes: training workers on the CPU; on a GPU, processes that make batches.
    """

    work: Path
    tokenizer_file: Path
    stages: list[Stage]
    layers: int
    device: str
    processes: int
    teacher: Path | None = None
    averaged: int = 1

    @property
    def workers(self) -> int:
        return self.processes if self.device == "cpu" else 1

    @property
    def batch_makers(self) -> int:
        return 0 if self.device == "cpu" else self.processes

    @property
    def tokens(self) -> int:
        return sum(stage.steps * stage.rows * stage.row_length for stage in self.stages)

    @property
    def stage_ends(self) -> list[int]:
        """After how many steps each stage ends."""
        return list(accumulate(stage.steps for stage in self.stages))


def pretrained(folder: Path, attention: str) -> Qwen3ForCausalLM:
    return Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)


class Training:
    """Model, optimisers and position in the recipe: everything that a checkpoint has to hold."""

    def __init__(self, run: Run) -> None:
        torch.manual_seed(SEED)
        tokenizer = Tokenizer.from_file(str(run.tokenizer_file))
        self.device = run.device
        config = model_config(tokenizer, run.layers)
        attention = ATTENTION if run.device == "cpu" else "sdpa"
        config._attn_implementation = attention
        self.model = Qwen3ForCausalLM(config).to(run.device).train()
        self.teacher = None
        if run.teacher is not None:
            self.teacher = pretrained(run.teacher, attention).to(run.device).eval()
        named = list(self.model.named_parameters())
        self.muon = Muon([p for name, p in named if p.ndim == 2 and "embed_tokens" not in name], WEIGHT_DECAY)
        embedding = [p for name, p in named if p.ndim == 2 and "embed_tokens" in name]
        norms = [p for _, p in named if p.ndim == 1]
        self.adam_rates = [EMBEDDING_LEARNING_RATE, NORM_LEARNING_RATE]
        self.adam = torch.optim.AdamW(
            [{"params": embedding}, {"params": norms}], lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.adam_parameters = embedding + norms
        self.averaged = run.averaged
        self.ends: list[dict[str, torch.Tensor]] = []  # the weights at the end of the last stages
        self.step = self.tokens = 0
        self.seconds = 0.0

    def summed_loss(self, batch: Batch) -> torch.Tensor:
        return (packed_loss if self.device == "cpu" else summed_loss)(self.model, self.teacher, batch)

    def update(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.adam_parameters, 1.0)
        for group, base in zip(self.adam.param_groups, self.adam_rates, strict=True):
            group["lr"] = base * rate
        self.muon.step(MUON_LEARNING_RATE * rate)
        self.adam.step()

    def end_stage(self) -> None:
        """Keep the weights as they are now, for `average`."""
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.ends = [*self.ends, weights][-self.averaged :]

    def average(self) -> None:
        """Let the model have the mean of the weights that were kept."""
        names = self.ends[0]
        self.model.load_state_dict({name: torch.stack([end[name] for end in self.ends]).mean(0) for name in names})

    def save(self, path: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "ends": self.ends,
            "adam": self.adam.state_dict(),
            "velocity": self.muon.velocity,
            "position": (self.step, self.tokens, self.seconds),
        }
        with whole_file(path) as unfinished:
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.ends = state["ends"]
        self.adam.load_state_dict(state["adam"])
        self.muon.velocity = state["velocity"]
        self.step, self.tokens, self.seconds = state["position"]


@torch.no_grad()
def held_out_losses(training: Training, held_out: dict[str, Batch]) -> dict[str, float]:
    """Mean loss in nats per learned token, for each kind of document."""
    training.model.eval()
    losses = {}
    for kind, batch in held_out.items():
        total = training.summed_loss(batch).item()
        losses[kind] = round(total / batch.learned, 4)
    training.model.train()
    return losses


class Log:
    """The first worker's report: a progress bar, and one JSON object per line in log.jsonl."""

    def __init__(self, run: Run, training: Training) -> None:
        self.file, self.training = run.work / "log.jsonl", training
        self.losses = deque[torch.Tensor](maxlen=STEPS_BETWEEN_REPORTS)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, refresh_per_second=1)
        parameters = sum(p.numel() for p in training.model.parameters())
        print(f"{parameters:,} parameters, {run.tokens:,} tokens, on the {run.device}", flush=True)
        self.task = self.bar.add_task("tokens", total=run.tokens, completed=training.tokens)
        self.bar.start()

    def after_step(self, loss: torch.Tensor, rate: float) -> None:
        self.losses.append(loss)
        if self.training.step % STEPS_BETWEEN_REPORTS == 0:
            mean = torch.stack(list(self.losses)).mean().item()  # the only place that waits for a GPU
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
    gradients: CpuGradients | GpuGradients
    if run.device == "cpu":
        gradients = CpuGradients(training.model, training.summed_loss, rank, run.workers)
    else:
        gradients = GpuGradients(training.model, training.summed_loss)
    saved = started = time.perf_counter()
    for batch in batches_from(run.stages, training.step, str(run.tokenizer_file), run.batch_makers):
        rate = rate_at(run.stages, training.step)
        loss = gradients(batch)
        training.update(rate)
        training.step += 1
        training.tokens += batch.ids.numel()
        training.seconds, started = training.seconds + time.perf_counter() - started, time.perf_counter()
        if log is not None:
            if training.step in run.stage_ends:
                training.end_stage()
            log.after_step(loss, rate)
            if started - saved > SECONDS_BETWEEN_CHECKPOINTS:
                log.write({"held_out": held_out_losses(training, held_out)})
                training.save(checkpoint)
                saved = started
    if log is not None:
        training.save(checkpoint)
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


def begin_last_stage(run: Run, finished: Path) -> None:
    """Write a checkpoint that goes on from a finished model with the last stage of the recipe. None that is there is
    overwritten. The optimisers begin anew: a finished model does not hold what they had learned. Where stages are
    averaged, its weights count as the end of one."""
    checkpoint = run.work / "checkpoint.pt"
    if checkpoint.exists():
        return
    run.work.mkdir(parents=True, exist_ok=True)
    training = Training(run)
    training.model.load_state_dict(pretrained(finished, "sdpa").state_dict())
    before = replace(run, stages=run.stages[:-1])
    training.end_stage()
    training.step, training.tokens = sum(stage.steps for stage in before.stages), before.tokens
    training.save(checkpoint)


def write_model(run: Run, folder: Path) -> None:
    """Write config.json and model.safetensors, in bfloat16, as `transformers` does. The tokenizer wrote the rest."""
    training = Training(run)
    training.load(run.work / "checkpoint.pt")
    training.average()
    training.model.config.use_cache = True
    keep = {name: (folder / name).read_bytes() for name in ["generation_config.json"] if (folder / name).exists()}
    training.model.to(torch.bfloat16).save_pretrained(folder)
    for name, content in keep.items():
        (folder / name).write_bytes(content)
