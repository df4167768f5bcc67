"""Load a model and let it speak.

model = load_model("mini")                      # the shipped model, a folder, or a hub id such as Qwen/Qwen3-0.6B
ids = model.tokenizer.encode("Once upon a time")
print(model.tokenizer.decode(list(model.generate(ids, max_new_tokens=100))))
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from llaisys_mini import devices, dtypes
from llaisys_mini import operators as ops
from llaisys_mini.cache.contiguous import Cache
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.tensor import Tensor
from llaisys_mini.text.sampling import Sampler, require_possible
from llaisys_mini.text.tokenizer import Tokenizer
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.hub import find_model

Ids = Sequence[int] | np.ndarray
"""Token ids: a list of them, or an array of integers [L]."""

_SMALL = 64_000_000
"""Weights up to this many are converted to float32 unless told otherwise: a learner's first kernels read float32."""


class LanguageModel:
    """A decoder with its tokenizer. `tokenizer` is None where the checkpoint has none; the model then works on ids."""

    def __init__(self, config: ModelConfig, decoder: Decoder, tokenizer: Tokenizer | None, cache_dtype):
        self.config = config
        self.decoder = decoder
        self.tokenizer = tokenizer
        self._cache_dtype = cache_dtype

    def cache(self) -> Cache:
        """An empty KV cache for one text."""
        return Cache(self.config, self._cache_dtype, self.decoder.device)

    def logits(self, ids: Ids, cache: Cache | None = None) -> np.ndarray:
        """Scores of the next token after each of `ids`: float32 [L, V].

        With a `cache`, `ids` continue what it holds, and it grows by them. Raises GenerationError for no ids, ids
        outside the vocabulary, or more than the context holds.
        """
        return self.decoder.forward(self._check_ids(ids), cache if cache is not None else self.cache()).numpy()

    def generate(
        self,
        ids: Ids,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        cache: Cache | None = None,
    ) -> Iterator[int]:
        """Yield the ids that follow `ids`, one by one, up to a stop token (which is not yielded).

        max_new_tokens: None for as many as the context holds. temperature 0 takes the most likely token each time.
        cache: holds an earlier part of the same text; what `ids` share with it is not computed again.
        Raises GenerationError for an empty prompt, one longer than the context, or sampling values out of range.
        """
        text = self._check_ids(ids)
        room = self.config.max_positions - len(text)
        if room < 1:
            raise GenerationError(
                f"the prompt has {len(text)} tokens, but the model's context holds {self.config.max_positions}: "
                "shorten the prompt"
            )
        if max_new_tokens is not None and max_new_tokens < 0:
            raise GenerationError(f"max_new_tokens is {max_new_tokens}, but cannot be negative")
        count = room if max_new_tokens is None else min(max_new_tokens, room)
        sampler = Sampler(temperature, top_k, top_p, min_p, repetition_penalty, seed)
        return self._continue(text, count, sampler, cache if cache is not None else self.cache())

    def _continue(self, ids, count, sampler, cache):
        text = [int(i) for i in ids]
        # The last id is always computed again, even when it is in the cache: its logits choose the first new token.
        cache.truncate(min(cache.common_prefix(text), len(text) - 1))
        new = ids[cache.length :]
        for _ in range(count):
            logits = self.decoder.forward(new, cache, last_only=True)
            if sampler.is_greedy and sampler.repetition_penalty == 1:
                chosen = _likeliest(logits)
            else:
                chosen = sampler(logits.numpy()[0], text)
            if chosen in self.config.stop_ids:
                return
            text.append(chosen)
            yield chosen
            new = np.array([chosen])

    def _check_ids(self, ids) -> np.ndarray:
        ids = np.asarray(ids)
        if ids.size == 0:
            raise GenerationError("the prompt is empty: give at least one token")
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise GenerationError(f"ids must be a sequence of token ids, not {ids.dtype} of shape {ids.shape}")
        if ids.min() < 0 or ids.max() >= self.config.vocab_size:
            raise GenerationError(
                f"token ids must lie in 0..{self.config.vocab_size - 1}, but run from {ids.min()} to {ids.max()}"
            )
        return ids.astype(np.int64)


def _likeliest(logits: Tensor) -> int:
    """The id of the largest of the logits [1, V]. Raises GenerationError if a NaN is found among them."""
    index, value = ops.argmax(logits)
    # NumPy's maximum is NaN if any logit is; argmax alone would pass over it in silence. On a device only the largest
    # is looked at, since the logits stay there: it is NaN where all of them are.
    require_possible(logits.numpy().max() if logits.device == "cpu" else value.numpy()[0])
    return int(index.numpy()[0])


def load_model(path_or_id: str | Path = "mini", dtype: str = "auto", device: str = "cpu") -> LanguageModel:
    """Load a checkpoint folder, the shipped model ("mini"), or a model of the hub ("Qwen/Qwen3-0.6B").

    dtype: storage of weights and KV cache: "float32", "float16", "bfloat16", or "auto": float32 for small models, and
    for larger ones the weights as the file has them, memory-mapped, with a float32 cache.
    device: "cpu", or "cuda" with weights and cache in the GPU's memory. Within `cuda.sanitized()` "cuda" needs no GPU;
    the shipped model then takes some tenths of a second per token.
    Raises ConfigError, CheckpointError, TokenizerError or DeviceError, each saying what to do.
    """
    names = ("auto", *(dtype.name for dtype in dtypes.STORAGE))
    if dtype not in names:
        raise GenerationError(f"dtype {dtype!r} is not one of {', '.join(names)}")
    devices.require(device)
    folder = find_model(path_or_id)
    config = ModelConfig.from_folder(folder)
    checkpoint = Checkpoint.open(folder)
    if dtype == "auto":
        # Counted from the header: taking the tensors would copy those that the file does not align.
        small = sum(math.prod(entry.shape) for entry in checkpoint.stored.values()) <= _SMALL
        weights, cache_dtype = (dtypes.float32 if small else None), dtypes.float32
    else:
        weights = cache_dtype = dtypes.BY_NAME[dtype]
    decoder = Decoder(config, checkpoint, weights, device)
    return LanguageModel(config, decoder, Tokenizer.open_if_present(folder), cache_dtype)
