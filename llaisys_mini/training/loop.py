"""The training of a decoder: from a text and a recipe to a checkpoint folder that speaks.

prepare     tokenizer, config.json, and where an earlier call stopped
each step   a batch, its loss and gradients on the tape, clipping, the optimisers
now and then    the held-out loss, and a checkpoint of everything that decides how it goes on
at the end  model.safetensors and a curve
"""

import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from llaisys_mini.errors import TrainingError
from llaisys_mini.files import write_atomically
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training import checkpoints, curve, decoder, optimisers
from llaisys_mini.training.parallel import Alone, require_equal_shares
from llaisys_mini.training.progress import progress_bar
from llaisys_mini.training.recipe import END_OF_TEXT, Recipe
from llaisys_mini.training.tape import Tape, Variable
from llaisys_mini.training.text import Tokens, end_of_text, make_tokenizer, read_documents
from llaisys_mini.weights.checkpoint import SINGLE_FILE, save_safetensors

SETTINGS, CHECKPOINTS, CURVE = "training.json", "checkpoints", "loss.png"


@dataclass
class Outcome:
    """parameters: how many numbers were trained. losses [steps]: of each batch; held_out [N, 2]: steps, and losses on
    text that was not learned from; in nats per token."""

    parameters: int
    losses: np.ndarray
    held_out: np.ndarray


def train(text: Path, out: Path, recipe: Recipe, group: Alone | None = None) -> Outcome:
    """Train a decoder on the documents of `text` and write the checkpoint folder `out`. group: the processes that share
    the work; all call this with the same arguments.

    Where `out` holds an earlier, unfinished call with the same recipe and text, it goes on from the last checkpoint,
    bit for bit as if it had not stopped. Raises TrainingError.
    """
    group = group or Alone()
    require_equal_shares(recipe, group.size)
    documents = read_documents(text)
    folder = _Folder(out)

    def prepare() -> tuple[str, checkpoints.State | None]:
        folder.claim({"recipe": recipe.as_dict(), "text": _fingerprint(documents)})
        return folder.tokenizer(documents, recipe).to_str(), checkpoints.newest(folder.checkpoints)

    written, found = group.from_first(prepare)
    tokenizer = Tokenizer.from_str(written)
    tokens = Tokens(documents, tokenizer, recipe)
    settings = recipe.config(end_of_text(tokenizer))
    run = Run(recipe, ModelConfig.from_dict(settings), tokens, group)
    if found is not None:
        run.load(found)
    _run(run, folder)
    if group.rank == 0:
        folder.write_model(run, settings)
    return Outcome(sum(array.size for array in run.weights.values()), np.array(run.losses), run.held_out_losses)


def _run(run: "Run", folder: "_Folder") -> None:
    """Take the steps that are left, with a progress bar. The first process measures, saves and speaks."""
    is_first = run.group.rank == 0
    with progress_bar(shown=is_first) as bar:
        shown = bar.add_task("loss", total=run.recipe.steps, completed=run.step)
        while run.step < run.recipe.steps:
            try:
                run.take_step()
            except FloatingPointError as problem:
                raise TrainingError(
                    f"The training cannot go on: {problem}, so the learning rate is too high or a kernel is wrong. "
                    f"{folder.last_whole()}".rstrip()
                ) from None
            bar.update(shown, completed=run.step, description=f"loss {run.losses[-1]:.3f}")
            if is_first and (run.step % run.recipe.checkpoint_every == 0 or run.step == run.recipe.steps):
                run.measure()
                checkpoints.save(folder.checkpoints, run.state())
                if not sys.stderr.isatty():
                    print(run.report(), file=sys.stderr, flush=True)


class Run:
    """A training between two steps: weights, optimisers, and the losses so far."""

    def __init__(self, recipe: Recipe, config: ModelConfig, tokens: Tokens, group: Alone | None = None):
        decoder.require_trainable(config)
        self.recipe, self.config, self.tokens, self.group = recipe, config, tokens, group or Alone()
        self.weights = decoder.initial_weights(config, recipe.seed)
        self.losses: list[float] = []
        self.measured: list[tuple[int, float]] = []
        hidden = [
            n for n, w in self.weights.items() if optimisers.is_hidden_matrix(n, w) and recipe.optimiser == "muon"
        ]
        others = [name for name in self.weights if name not in hidden]
        self._muon = optimisers.Muon(self.weights, hidden, recipe.weight_decay)
        self._adamw = optimisers.AdamW(self.weights, others, recipe.weight_decay)

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return len(self.losses)

    def take_step(self) -> None:
        """One step of the optimisers.

        Raises FloatingPointError if loss or gradients are no finite numbers; the weights are as before then.
        """
        ids, pace = self.group.share_of(self.tokens.batch(self.step)), self.recipe.pace(self.step)
        loss, gradients = decoder.loss_and_gradients(self.config, self.weights, ids, self.recipe.parts)
        loss = self.group.average(loss, gradients)
        length = optimisers.clip(gradients, self.recipe.clip)
        if not math.isfinite(loss + length):
            what = "gradient" if math.isfinite(loss) else "loss"
            raise FloatingPointError(f"the {what} of step {self.step + 1} is no finite number")
        self._muon.step(gradients, self.recipe.matrix_rate * pace, self.step + 1)
        self._adamw.step(gradients, self.recipe.rate * pace, self.step + 1)
        self.losses.append(loss)

    def measure(self) -> float:
        """The loss on held-out text, kept with the step it was measured at."""
        variables = {name: Variable(array) for name, array in self.weights.items()}
        loss = decoder.loss(Tape(), self.config, variables, self.tokens.measured())
        self.measured.append((self.step, loss))
        return loss

    @property
    def held_out_losses(self) -> np.ndarray:
        """float64 [N, 2]: the steps after which held-out text was measured, and the losses in nats per token."""
        return np.array(self.measured, np.float64).reshape(-1, 2)

    def report(self) -> str:
        """One line: the mean loss of the last 100 steps and the last held-out loss. There must be one of each."""
        return (
            f"step {self.step} of {self.recipe.steps}: loss {np.mean(self.losses[-100:]):.3f}, "
            f"held-out {self.measured[-1][1]:.3f}"
        )

    def state(self) -> checkpoints.State:
        """What `load` needs to go on from here."""
        arrays = {f"weights/{name}": array for name, array in self.weights.items()}
        arrays |= {f"muon/{name}": array for name, array in self._muon.arrays().items()}
        arrays |= {f"adamw/{name}": array for name, array in self._adamw.arrays().items()}
        arrays |= {"losses": np.array(self.losses, np.float64), "held_out": self.held_out_losses}
        return checkpoints.State(self.step, arrays)

    def load(self, found: checkpoints.State) -> None:
        """Go on from there."""
        for name, weight in self.weights.items():
            weight[...] = found.arrays[f"weights/{name}"]
        self._muon.load(_without("muon/", found))
        self._adamw.load(_without("adamw/", found))
        self.losses = found.arrays["losses"].tolist()
        self.measured = [(int(step), float(loss)) for step, loss in found.arrays["held_out"]]


def _without(prefix: str, found: checkpoints.State) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in found.arrays.items() if name.startswith(prefix)}


class _Folder:
    """The folder of a training, and what belongs into it. Raises TrainingError where it cannot be written."""

    def __init__(self, path: Path):
        self.path, self.checkpoints = path, path / CHECKPOINTS

    def claim(self, settings: dict) -> None:
        """Make it the folder of these settings, or find that it is."""
        file = self.path / SETTINGS
        if file.exists():
            if not _same_settings(file, settings):
                raise TrainingError(
                    f"{self.path} holds a training with other settings, or of another text: name another folder, or "
                    "give the same ones to go on"
                )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise TrainingError(f"{self.path} exists already and holds no training; name a new folder")
        else:
            self.write(SETTINGS, _json(settings))
        checkpoints.remove_unfinished(self.checkpoints)

    def write(self, name: str, content: str) -> None:
        try:
            write_atomically(self.path / name, content)
        except OSError as problem:
            raise TrainingError(f"{self.path / name} cannot be written: {problem.strerror or problem}") from None

    def tokenizer(self, documents: list[str], recipe: Recipe) -> Tokenizer:
        """Of the folder, or learned from the documents."""
        path = self.path / "tokenizer.json"
        if not path.exists():
            self.write(path.name, make_tokenizer(documents, recipe.vocabulary).to_str())
        return Tokenizer.from_file(str(path))

    def last_whole(self) -> str:
        """Where to go on after an error, as a sentence."""
        found = checkpoints.newest(self.checkpoints)
        return f"The checkpoint of step {found.step} in {self.checkpoints} is whole." if found else ""

    def write_model(self, run: Run, settings: dict) -> None:
        """What other programs read: a checkpoint as the Hugging Face Hub has it, and the curve."""
        end = settings["eos_token_id"]
        self.write("config.json", _json(settings))
        self.write("generation_config.json", _json({"do_sample": True, "eos_token_id": end, "temperature": 0.8}))
        special = {"content": END_OF_TEXT, "special": True}
        self.write(
            "tokenizer_config.json",
            _json(
                {
                    "add_bos_token": False,
                    "added_tokens_decoder": {str(end): special},
                    "eos_token": END_OF_TEXT,
                    "model_max_length": run.recipe.length,
                    "pad_token": END_OF_TEXT,
                    "tokenizer_class": "Qwen2Tokenizer",
                }
            ),
        )
        save_safetensors(self.path / SINGLE_FILE, run.weights, {"format": "pt"})
        try:
            curve.draw(self.path / CURVE, np.array(run.losses), run.held_out_losses)
        except OSError as problem:
            raise TrainingError(f"{self.path / CURVE} cannot be written: {problem.strerror or problem}") from None


def last_whole(out: Path) -> str:
    """Where a training into `out` goes on after it was broken off, as a sentence; empty where there is nothing yet."""
    return _Folder(out).last_whole()


def _same_settings(file: Path, settings: dict) -> bool:
    try:
        return json.loads(file.read_text(encoding="utf-8")) == settings
    except (OSError, ValueError):
        return False


def _json(content: dict) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _fingerprint(documents: list[str]) -> str:
    """Tells one text from another."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document.encode() + b"\0")
    return digest.hexdigest()
