"""Whole models: a decoder of Qwen3-0.6B's shape against transformers and llama.cpp, the shipped model against the
NumPy kernels, and the time from the command to the first token."""

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks import machine, random_model, rivals
from benchmarks.ceilings import MEMORY
from benchmarks.measure import Contestant, Effort
from benchmarks.work import NOT_INSTALLED, OURS, Plan, Settings, Work
from llaisys_mini import paths, use_kernels
from llaisys_mini.kernels.sets import REFERENCE, SOLUTIONS

MODELS = Path(__file__).parent / "results" / "models"
"""Where the random models are kept: up to 5 GB, safe to delete."""

LLAMA, TF_BF16, TF_F32 = "llama.cpp", "transformers bf16", "transformers f32"
NUMPY_KERNELS, CALL_BY_CALL, IMPORTS = "NumPy kernels", "call by call", "import numba, numpy"

FORMATS = ("bf16", "q8", "q4")

DECODED = 8  # tokens per sample
_NEEDED_MEMORY = 10e9  # bytes, for all copies of the bfloat16 model at the same time


def plans() -> Iterator[Plan]:
    """All end-to-end benchmarks, in the order of the report."""
    for kind in FORMATS:
        group = f"Qwen3-0.6B shape, {kind}"
        yield Plan(group, f"decode after {rivals.PROMPT} tokens", functools.partial(decode, kind))
        for length in (128, 512):
            yield Plan(group, f"prefill of {length} tokens", functools.partial(prefill, kind, length))
    yield Plan("shipped model", "decode", shipped_model)
    yield Plan("start", "command to first token", first_token)


# ---- a decoder of Qwen3-0.6B's shape -----------------------------------------------------------------------------


class Field:
    """All contestants' loaded models in one format, kept until another format is asked for: loading takes long."""

    current: "Field | None" = None

    def __init__(self, kind: str, small: bool):
        self.key = kind, small
        self.config = random_model.SMALL if small else random_model.QWEN3_06B
        self.folder = random_model.checkpoint(MODELS / ("small" if small else "qwen3-0.6b"), self.config)
        self.models: dict[str, rivals.Model] = {}
        self.absent: dict[str, str] = {}
        self._add_ours(kind)
        if kind == "bf16":
            self._add_transformers()
        self._add_llama(kind)

    @classmethod
    def of(cls, kind: str, small: bool) -> "Field":
        if cls.current is None or cls.current.key != (kind, small):
            cls.leave()
            cls.current = cls(kind, small)
        return cls.current

    @classmethod
    def leave(cls) -> None:
        if cls.current is not None:
            for model in cls.current.models.values():
                if isinstance(model, rivals.LlamaCpp):
                    model.close()
        cls.current = None

    def _add_ours(self, kind):
        self.ours = self.folder if kind == "bf16" else quantised_folder(self.folder, kind)
        self.models[OURS] = rivals.Ours(self.ours)

    def _add_transformers(self):
        if machine.imported_if_installed("transformers") is None or machine.imported_if_installed("torch") is None:
            self.absent |= dict.fromkeys((TF_BF16, TF_F32), NOT_INSTALLED)
        elif machine.available_memory() < _NEEDED_MEMORY:
            self.absent |= dict.fromkeys((TF_BF16, TF_F32), "too little memory")
        else:
            self.models[TF_BF16] = rivals.Transformers(self.folder, "bfloat16")
            self.models[TF_F32] = rivals.Transformers(self.folder, "float32")

    def _add_llama(self, kind):
        if machine.imported_if_installed("llama_cpp") is None or machine.imported_if_installed("gguf") is None:
            self.absent[LLAMA] = NOT_INSTALLED
            return
        try:
            file = random_model.gguf_file(self.folder)
            if kind != "bf16":
                file = rivals.llama_quantised(file, {"q8": "q8_0", "q4": "q4_0"}[kind])
            rivals.LlamaCpp.require_working(file)
            self.models[LLAMA] = rivals.LlamaCpp(file)
        except RuntimeError as problem:  # the others are to be measured all the same
            self.absent[LLAMA] = str(problem)

    def contestants(self, call: Callable[[rivals.Model], object]) -> list[Contestant]:
        return [
            Contestant(name, functools.partial(call, model), (lambda: use_kernels(SOLUTIONS)) if name == OURS else None)
            for name, model in self.models.items()
        ]

    def stored_bytes(self) -> float:
        """Bytes of our weights: what a token must read, since the embeddings are also the head."""
        return float(sum(path.stat().st_size for path in self.ours.glob("*.safetensors")))

    def use_threads(self, count: int) -> None:
        for model in self.models.values():
            model.use_threads(count)

    def agreement(self) -> list[str]:
        """How far the others' logits for the same prompt are from ours: the speed of a wrong model means nothing."""
        use_kernels(SOLUTIONS)
        ids = rivals.prompt_ids(32, self.config["vocab_size"])
        logits = {name: np.array(model.prefill(ids)) for name, model in self.models.items()}
        notes = []
        for name in [name for name in logits if name != OURS]:
            apart = np.sqrt(np.mean((logits[name] - logits[OURS]) ** 2)) / logits[OURS].std()
            same = "the same" if logits[name].argmax() == logits[OURS].argmax() else "another"
            notes.append(f"logits of {name} differ from ours by {apart:.1%} of their spread; {same} likeliest token")
        return notes


def quantised_folder(folder: Path, kind: str) -> Path:
    """The checkpoint with its projections quantised by `llaisys-mini quantise`; kept beside it."""
    from llaisys_mini.models.quantise import quantise

    target = folder.with_name(f"{folder.name}-{kind}")
    made_from = folder / "config.json"
    if not target.is_dir() or target.stat().st_mtime < made_from.stat().st_mtime:
        shutil.rmtree(target, ignore_errors=True)
        quantise(folder, target, {"q8": "int8", "q4": "int4"}[kind])
    return target


def decode(kind: str, settings: Settings) -> Work:
    """Eight tokens one by one after 128 that are in the cache."""
    field = Field.of(kind, settings.small)
    weights = random_model.parameters(field.config)
    cache = 4.0 * 2 * field.config["num_hidden_layers"] * rivals.PROMPT * 8 * 128
    work = _whole_model(field, lambda model: model.decode(DECODED), DECODED, settings)
    work.operations = DECODED * 2.0 * weights
    work.data = DECODED * (field.stored_bytes() + cache)
    work.targets = {LLAMA: 1.0} | ({TF_BF16: 3.0} if kind == "bf16" else {})
    return work


def prefill(kind: str, length: int, settings: Settings) -> Work:
    """A prompt of `length` tokens at once, up to the logits after the last."""
    field = Field.of(kind, settings.small)
    config = field.config
    ids = rivals.prompt_ids(length, config["vocab_size"])
    embedding = config["vocab_size"] * config["hidden_size"]
    in_layers = random_model.parameters(config) - embedding
    attention = 2.0 * config["num_hidden_layers"] * config["num_attention_heads"] * config["head_dim"] * length**2
    work = _whole_model(field, lambda model: model.prefill(ids), length, settings)
    work.operations = 2.0 * (in_layers * length + embedding) + attention
    work.data = field.stored_bytes()
    work.targets = {LLAMA: 0.9} | ({TF_BF16: 1.5} if kind == "bf16" else {})
    return work


def _whole_model(field: Field, call, tokens: int, settings: Settings) -> Work:
    return Work(
        field.contestants(call),
        place=MEMORY,
        amount=tokens,
        unit="tokens/s",
        absent=dict(field.absent),
        notes=field.agreement(),
        effort=settings.long_effort,
        on_threads=field.use_threads,
    )


# ---- the shipped model -------------------------------------------------------------------------------------------


def shipped_model(settings: Settings) -> Work:
    """The model that comes with the course: replayed, call by call, and with the NumPy reference kernels."""
    Field.leave()
    tokens, prompt = (4, 8) if settings.small else (32, 16)
    folder = paths.shipped_model()
    model, uncaptured = rivals.Ours(folder, prompt), rivals.Ours(folder, prompt, capture=False)
    work = Work(
        [
            Contestant(OURS, lambda: model.decode(tokens), lambda: use_kernels(SOLUTIONS)),
            Contestant(CALL_BY_CALL, lambda: uncaptured.decode(tokens), lambda: use_kernels(SOLUTIONS)),
            Contestant(NUMPY_KERNELS, lambda: model.decode(tokens), lambda: use_kernels(REFERENCE)),
        ],
        amount=tokens,
        unit="tokens/s",
        targets={NUMPY_KERNELS: 3.0, CALL_BY_CALL: 3.0},
        effort=Effort(sample=0.0, rounds=settings.effort.rounds, seconds=10.0),
    )
    if machine.imported_if_installed("transformers") is None or machine.imported_if_installed("torch") is None:
        work.absent[TF_F32] = NOT_INSTALLED
    else:
        rival = rivals.Transformers(folder, "float32", prompt)
        work.contestants.append(Contestant(TF_F32, lambda: rival.decode(tokens)))
    weights = json.loads((folder / "config.json").read_text())
    work.notes.append(
        f"{weights['num_hidden_layers']} layers of width {weights['hidden_size']}, context of {prompt} tokens"
    )
    return work


# ---- start-up ----------------------------------------------------------------------------------------------------


def first_token(settings: Settings) -> Work:
    """From the command to the first token of the shipped model, both ends included, with everything compiled before.

    The yardstick is what any program with these kernels must do: import Numba and NumPy.
    """
    Field.leave()
    command = [sys.executable, "-m", "llaisys_mini", "generate", "Once upon a time", "--max-new-tokens", "1"]
    return Work(
        [
            Contestant(OURS, lambda: _run(command)),
            Contestant(IMPORTS, lambda: _run([sys.executable, "-c", "import numba, numpy"])),
        ],
        amount=1,
        unit="starts/s",
        targets={IMPORTS: 0.5},
        notes=["the target 0.5 means: at most twice the time of the imports"],
        effort=Effort(sample=0.0, rounds=settings.effort.rounds, seconds=30.0),
        once=True,
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=paths.course_root())
