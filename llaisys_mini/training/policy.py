"""A model that writes and learns from what it wrote: weights that move, and engines that write with them.

Learning by rewards takes both halves of this package. The engine writes many texts at once; the tape then tells how the
probability of each written token depends on the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llaisys_mini import dtypes
from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.engine.request import Request
from llaisys_mini.errors import TrainingError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.loading import load_decoder
from llaisys_mini.tensor import Tensor
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.text.tokenizer import Tokenizer
from llaisys_mini.training import decoder, functions
from llaisys_mini.training.decoder import Weights
from llaisys_mini.training.tape import Tape, Variable
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.hub import find_model

_MOST_TEXTS = 96  # that are written at a time
_MOST_ROWS = 512  # of a step of the engine


@dataclass(frozen=True)
class Text:
    """ids: prompt and what was written, with the token that ended it. prompt: how many of them were given.
    said: what was written, as text."""

    ids: list[int]
    prompt: int
    said: str


@dataclass(frozen=True)
class Batch:
    """Texts side by side, as the tape wants them. ids [L + 1, N] int64, padded behind the end; mask [N, L]: 1 where the
    token that is predicted was written by the model."""

    ids: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[Text]) -> "Batch":
        """The batch of these texts, at least one; L + 1 is the length of the longest."""
        longest = max(len(text.ids) for text in texts)
        ids, mask = np.zeros((longest, len(texts)), np.int64), np.zeros((len(texts), longest - 1))
        for number, text in enumerate(texts):
            ids[: len(text.ids), number] = text.ids
            mask[number, text.prompt - 1 : len(text.ids) - 1] = 1
        return cls(ids, mask)


class Policy:
    """The weights of a model, in float32 and free to move. Raises UserErrors as load_model does, and TrainingError for
    a model without a chat template."""

    def __init__(self, path_or_id: str | Path = "mini"):
        self.folder = find_model(path_or_id, examine=ModelConfig.from_folder)
        self.config = ModelConfig.from_folder(self.folder)
        decoder.require_trainable(self.config)
        tokenizer = Tokenizer.open_if_present(self.folder)
        if tokenizer is None or not tokenizer.has_chat_template:
            raise TrainingError(
                f"{path_or_id} has no chat template, so no question can be put to it: name a chat model"
            )
        self.tokenizer = tokenizer
        checkpoint = Checkpoint.open(self.folder)
        self.weights: Weights = {
            name: np.array(checkpoint.take(name, shape).astype(dtypes.float32).numpy())
            for name, shape in decoder.shapes(self.config).items()
        }

    def model(self) -> LanguageModel:
        """A model with the weights as they are now."""
        now = load_decoder(self.config, _Copies(self.weights))
        return LanguageModel(self.config, now, self.tokenizer, dtypes.float32)

    def prompt(self, question: str, thinking: bool = False) -> list[int]:
        """The ids that put a question to the model. thinking: whether it may think before it answers."""
        messages = [{"role": "user", "content": question}]
        rendered = self.tokenizer.render_chat(messages, enable_thinking=thinking)
        return self.tokenizer.encode(rendered, add_special_tokens=False)

    def write(
        self, prompts: Sequence[Sequence[int]], samples: int, rng: np.random.Generator, longest: int
    ) -> list[list[Text]]:
        """So many texts for each prompt, drawn at temperature 1, of at most `longest` tokens behind the prompt.

        Raises what ended a text early: kernels, a learner's own too, may raise anything.
        """
        engine = self.model().engine(max_texts=_MOST_TEXTS, max_rows=_MOST_ROWS, pages=_pages(prompts, longest))
        seeds = rng.integers(2**31, size=(len(prompts), samples)).tolist()
        groups: list[list[Request]] = [[] for _ in prompts]
        for sample in range(samples):
            for ids, group, own in zip(prompts, groups, seeds, strict=True):
                group.append(engine.add(ids, SamplingParams(1.0, seed=own[sample], max_new_tokens=longest)))
            while sample == 0 and any(group[0].missing > 1 for group in groups):
                engine.step()  # each prompt is read once, and the others find its pages
        while engine.is_busy:
            engine.step()
        found = []
        for group in groups:
            for request in group:
                if request.error is not None:
                    raise request.error
            found.append([
                Text(
                    request.text + ([] if request.stop_id is None else [request.stop_id]),
                    request.prompt_length,
                    self.tokenizer.decode(request.written),
                )
                for request in group
            ])  # fmt: skip
        return found

    def logprobs(self, batch: Batch) -> "Logprobs":
        """The log probability of every token of the batch, and a way back from their gradient to the weights'."""
        return Logprobs(self.config, self.weights, batch)


class Logprobs:
    """values [N, L] float64: the log probability of ids[1:] of each text of a batch, by the weights as they are."""

    def __init__(self, config: ModelConfig, weights: Weights, batch: Batch):
        self._tape, self._variables = Tape(), {name: Variable(array) for name, array in weights.items()}
        inputs, targets = np.ascontiguousarray(batch.ids[:-1]), batch.ids[1:].reshape(-1)
        logits = decoder.logits(self._tape, config, self._variables, inputs)
        self._found = functions.log_likelihoods(self._tape, logits, targets)
        self.values = self._found.value.reshape(len(inputs), -1).T.astype(np.float64)

    def backward(self, gradient: np.ndarray) -> Weights:
        """From the gradient of a loss with respect to the values [N, L] to that with respect to every weight. Once."""
        self._found.gradient = np.ascontiguousarray(gradient.T, np.float32).reshape(-1)
        self._tape.backward()
        return {name: variable.gradient for name, variable in self._variables.items() if variable.gradient is not None}


class _Copies(Checkpoint):
    """Answers like a checkpoint, with copies of arrays: kernels may arrange a decoder's weights, once and for all."""

    def __init__(self, arrays: Weights):
        super().__init__({})  # nothing lies in a file, and nothing is quantised
        self._arrays = arrays

    def take(self, name: str, shape: Sequence[int], allowed: Sequence[str] = ()) -> Tensor:
        return Tensor.from_numpy(self._arrays[name].copy())


def _pages(prompts: Sequence[Sequence[int]], longest: int) -> int:
    """Enough for all texts that are written at a time."""
    from llaisys_mini.cache.paged import PAGE_SIZE

    return _MOST_TEXTS * (1 + (max(map(len, prompts)) + longest) // PAGE_SIZE)
