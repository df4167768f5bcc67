"""Load a model and generate text with it.

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
from llaisys_mini.cache.contiguous import ContiguousCache
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.models.loading import load_decoder
from llaisys_mini.tensor import Tensor
from llaisys_mini.text.sampling import Sampler, SamplingParams, require_possible
from llaisys_mini.text.tokenizer import Tokenizer
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.hub import find_model

Ids = Sequence[int] | np.ndarray
"""Token ids: a list of them, or an array of integers [T]."""

_SMALL = 64_000_000
"""Weights up to this many are converted to float32 unless told otherwise: a learner's first kernels read float32."""


class Generation(Iterator[int]):
    """The ids that a model writes after `ids` (int64 [T], at least one), one by one. Each is computed when asked for.

    stop_ids: the tokens that end the text.
    stop_reason: None while the text goes on, then why it ended: "stop" by a stop token, "length" by max_new_tokens or
        the end of the context.
    stop_id: the stop token that ended it, which is not among the ids; else None.
    """

    def __init__(self, decoder: Decoder, ids: np.ndarray, params: SamplingParams, cache: ContiguousCache):
        self.params = params
        self.stop_ids = decoder.config.stop_ids if params.stop_ids is None else params.stop_ids
        self.stop_reason: str | None = None
        self.stop_id: int | None = None
        self._decoder = decoder
        self._cache = cache
        self._sampler = Sampler(params)
        self._text: list[int] = ids.tolist()
        room = decoder.config.max_positions - len(ids)
        self._left = room if params.max_new_tokens is None else min(params.max_new_tokens, room)
        # The last id is always computed again, even when it is in the cache: its logits choose the first new token.
        cache.truncate(min(cache.common_prefix(self._text), len(ids) - 1))
        self._new = ids[cache.length :]

    def __next__(self) -> int:
        if self.stop_reason is None and self._left == 0:
            self.stop_reason = "length"
        if self.stop_reason is not None:
            raise StopIteration
        logits = self._decoder.forward(self._new, self._cache, last_only=True)
        if self.params.takes_the_largest_logit:
            chosen = _likeliest(logits)
        else:
            chosen = self._sampler(logits.numpy()[0], self._text)
        if chosen in self.stop_ids:
            self.stop_reason, self.stop_id = "stop", chosen
            raise StopIteration
        self._left -= 1
        self._text.append(chosen)
        self._new = np.array([chosen])
        return chosen


class LanguageModel:
    """A decoder with its tokenizer. `tokenizer` is None where the checkpoint has none; the model then works on ids."""

    def __init__(self, config: ModelConfig, decoder: Decoder, tokenizer: Tokenizer | None, cache_dtype):
        self.config = config
        self.decoder = decoder
        self.tokenizer = tokenizer
        self._cache_dtype = cache_dtype

    def cache(self) -> ContiguousCache:
        """An empty KV cache for one text."""
        c = self.config
        return ContiguousCache(
            c.layers, c.kv_heads, c.head_dim, c.max_positions, self._cache_dtype, self.decoder.device
        )

    def logits(self, ids: Ids, cache: ContiguousCache | None = None) -> np.ndarray:
        """Scores of the next token after each of `ids`: float32 [T, V].

        With a `cache`, `ids` continue what it holds, and it grows by them. Raises GenerationError for no ids, ids
        outside the vocabulary, or more than the context holds.
        """
        return self.decoder.forward(self._check_ids(ids), cache if cache is not None else self.cache()).numpy()

    def generate(
        self,
        ids: Ids,
        max_new_tokens: int | None = None,
        *,
        params: SamplingParams | None = None,
        cache: ContiguousCache | None = None,
        **sampling,
    ) -> Generation:
        """Iterate over the ids that follow `ids`, up to a stop token, which is not among them.

        max_new_tokens: None for as many as the context holds. sampling: fields of SamplingParams, such as
        temperature=0 for the likeliest token each time; what is not given is the model's own, from its
        generation_config.json. params: all of them at once, in the place of the model's own.
        cache: holds an earlier part of the same text; what `ids` share with it is not computed again.
        The iterator tells by `stop_reason` and `stop_id` why the text ended.
        Raises GenerationError for an empty prompt, one longer than the context, or sampling values out of range.
        """
        text = self._check_ids(ids)
        if len(text) >= self.config.max_positions:
            raise GenerationError(
                f"the prompt has {len(text)} tokens, but the model's context holds {self.config.max_positions}: "
                "shorten the prompt"
            )
        if params is None:
            params = SamplingParams.of_model(self.config)
        params = params.with_given(max_new_tokens=max_new_tokens, **sampling)
        return Generation(self.decoder, text, params, cache if cache is not None else self.cache())

    def _check_ids(self, ids) -> np.ndarray:
        ids = np.asarray(ids)
        if ids.size == 0:
            raise GenerationError("the prompt is empty: give at least one token")
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise GenerationError(f"ids must be a sequence of token ids, not {ids.dtype} of shape {ids.shape}")
        if ids.min() < 0 or ids.max() >= self.config.vocab_size:
            token = self.tokenizer.token(ids.max()) if self.tokenizer is not None else None
            raise GenerationError(
                f"token ids must lie in 0..{self.config.vocab_size - 1}, but run from {ids.min()} to {ids.max()}"
                + (f": the model has no embedding for the tokenizer's token {token!r:.80}" if token else "")
            )
        return ids.astype(np.int64)


def _likeliest(logits: Tensor) -> int:
    """The id of the largest of the logits [1, V]. Raises GenerationError if a NaN is found among them."""
    index, value = ops.argmax(logits)
    # NumPy's maximum is NaN if any logit is; argmax alone would silently pass over it. On a device only the largest
    # is looked at, since the logits stay there: it is NaN where all of them are.
    require_possible(logits.numpy().max() if logits.storage.device is devices.HOST else value.numpy()[0])
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
    folder = find_model(path_or_id, examine=ModelConfig.from_folder)
    config = ModelConfig.from_folder(folder)
    checkpoint = Checkpoint.open(folder)
    if dtype == "auto":
        # Counted from the header: taking the tensors would copy those that the file does not align.
        small = sum(math.prod(entry.shape) for entry in checkpoint.stored.values()) <= _SMALL
        weights, cache_dtype = (dtypes.float32 if small else None), dtypes.float32
    else:
        weights = cache_dtype = dtypes.BY_NAME[dtype]
    decoder = load_decoder(config, checkpoint, weights, device)
    return LanguageModel(config, decoder, Tokenizer.open_if_present(folder), cache_dtype)
