"""Load a model and generate text with it.

model = load_model("mini")                      # the shipped model, a folder, or a hub id such as Qwen/Qwen3-0.6B
ids = model.tokenizer.encode("Once upon a time")
print(model.tokenizer.decode(list(model.generate(ids, max_new_tokens=100))))
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llaisys_mini import devices, dtypes
from llaisys_mini.cache.contiguous import ContiguousCache
from llaisys_mini.engine.engine import Engine
from llaisys_mini.engine.request import Request, check_ids
from llaisys_mini.errors import GenerationError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.models.loading import load_decoder
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.text.tokenizer import Tokenizer
from llaisys_mini.weights.checkpoint import Checkpoint
from llaisys_mini.weights.hub import find_model

Ids = Sequence[int] | np.ndarray
"""Token ids: a list of them, or an array of integers [T]."""

_SMALL = 64_000_000
"""Weights up to this many are converted to float32 unless told otherwise: a learner's first kernels read float32."""


class Generation(Iterator[int]):
    """The ids that an engine writes for one request, one by one. Each is computed when asked for.

    stop_reason: None while the text goes on, then why it ended: "stop" by a stop token, "length" by max_new_tokens or
        the end of the context.
    stop_id: the stop token that ended it, which is not among the ids; else None.
    """

    def __init__(self, engine: Engine, request: Request):
        self.engine = engine
        self.request = request
        self._given = 0

    @property
    def stop_reason(self) -> str | None:
        return self.request.stop_reason if self._given == len(self.request.tokens) else None

    @property
    def stop_id(self) -> int | None:
        return self.request.stop_id if self.stop_reason else None

    def __next__(self) -> int:
        while self._given == len(self.request.tokens):
            if self.request.error is not None:
                raise self.request.error
            if self.request.is_finished:
                raise StopIteration
            self.engine.step()
        self._given += 1
        return self.request.tokens[self._given - 1].id

    def close(self) -> None:
        """Write no more; what the cache holds of the text stays for texts that begin like it."""
        self.engine.abort(self.request)


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
        return self.decoder.forward(
            check_ids(ids, self.config.vocab_size, self.tokenizer), cache if cache is not None else self.cache()
        ).numpy()

    def engine(self, **options: Any) -> Engine:
        """An engine that writes many texts at once with this model. options: see Engine."""
        return Engine(self.decoder, self._cache_dtype, tokenizer=self.tokenizer, **options)

    def generate(
        self,
        ids: Ids,
        max_new_tokens: int | None = None,
        *,
        params: SamplingParams | None = None,
        engine: Engine | None = None,
        **sampling,
    ) -> Generation:
        """Iterate over the ids that follow `ids`, up to a stop token, which is not among them.

        max_new_tokens: None for as many as the context holds. sampling: fields of SamplingParams, such as
        temperature=0 for the likeliest token each time; what is not given is the model's own, from its
        generation_config.json. params: all of them at once, in the place of the model's own.
        engine: one of `engine()`, whose cache holds earlier texts; what `ids` share with them, in whole pages, is not
        computed again. By default an engine for this text alone.
        The iterator tells by `stop_reason` and `stop_id` why the text ended.
        Raises GenerationError for an empty prompt, one longer than the context, or sampling values out of range.
        """
        if params is None:
            params = SamplingParams.of_model(self.config)
        params = params.with_given(max_new_tokens=max_new_tokens, **sampling)
        if engine is None:
            engine = self.engine()
        return Generation(engine, engine.add(ids, params))


def load_model(path_or_id: str | Path = "mini", dtype: str = "auto", device: str = "cpu") -> LanguageModel:
    """Load a checkpoint folder, the shipped model ("mini"), or a model of the hub ("Qwen/Qwen3-0.6B").

    dtype: storage of weights and KV cache: "float32", "float16", "bfloat16"; "stored": the weights as the file has
    them, memory-mapped, with a float32 cache; or "auto": "float32" for small models, "stored" for larger ones. Of a
    quantised checkpoint "stored" is "auto", since what is not kept quantised would be rounded to its scales' dtype.
    device: "cpu", or "cuda" with weights and cache in the GPU's memory. Within `cuda.sanitized()` "cuda" needs no GPU;
    the shipped model then takes some tenths of a second per token.
    Raises ConfigError, CheckpointError, TokenizerError or DeviceError, each saying what to do; GenerationError for a
    dtype that there is not.
    """
    names = ("auto", "stored", *(dtype.name for dtype in dtypes.STORAGE))
    if dtype not in names:
        raise GenerationError(f"dtype {dtype!r} is not one of {', '.join(names)}")
    devices.require(device)
    folder = find_model(path_or_id, examine=ModelConfig.from_folder)
    config = ModelConfig.from_folder(folder)
    checkpoint = Checkpoint.open(folder)
    if dtype == "auto" or (dtype == "stored" and config.quantisation is not None):
        # Counted from the header: taking the tensors would copy those that the file does not align.
        small = sum(math.prod(entry.shape) for entry in checkpoint.stored.values()) <= _SMALL
        dtype = "float32" if small else "stored"
    if dtype == "stored":
        weights, cache_dtype = None, dtypes.float32
    else:
        weights = cache_dtype = dtypes.BY_NAME[dtype]
    decoder = load_decoder(config, checkpoint, weights, device)
    return LanguageModel(config, decoder, Tokenizer.open_if_present(folder), cache_dtype)
