"""Whole models behind one face: ours, transformers with torch, and llama.cpp, each called as its users call it.

    prefill(ids)    read a prompt from the beginning; returns the logits after its last token
    decode(count)   write `count` tokens greedily after PROMPT tokens that were read before

Sampling is greedy everywhere, and all compute the logits of the last position only.
"""

import ctypes
import dataclasses
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np

PROMPT = 128
"""Tokens in the cache before decoding is timed."""


def prompt_ids(length: int, vocab_size: int) -> np.ndarray:
    """Random ids, the same for all: int64 [length]."""
    return np.random.default_rng(length).integers(0, vocab_size, length)


class Model(Protocol):
    """What all of them can do, see above. prompt: the PROMPT tokens that decoding follows."""

    prompt: np.ndarray

    def use_threads(self, count: int) -> None: ...

    def prefill(self, ids: np.ndarray) -> np.ndarray: ...

    def decode(self, count: int) -> list[int]: ...


class Ours:
    """This course's decoder. capture: whether steps are replayed."""

    def __init__(self, folder: Path, prompt: int = PROMPT, capture: bool = True):
        from llaisys_mini.engine.generate import load_model

        self.folder = folder
        self.model = load_model(folder, "stored")  # as the commands do with the course's kernels
        # A random model may choose a stop token at any time; all must write equally many.
        self.model.config = dataclasses.replace(self.model.config, stop_ids=frozenset())
        self.prompt = prompt_ids(prompt, self.model.config.vocab_size)
        self.cache, self.engine = self.model.cache(), self.model.engine(capture=capture)

    def use_threads(self, count: int) -> None:
        """machine.use_threads has set them."""

    def prefill(self, ids: np.ndarray) -> np.ndarray:
        self.cache.truncate(0)
        return self.model.decoder.forward(ids, self.cache, last_only=True).numpy()[0]

    def decode(self, count: int) -> list[int]:
        ids = list(self.model.generate(self.prompt, count, temperature=0, engine=self.engine))
        self.engine.replay.wait()  # a step that is compiled meanwhile would slow down who comes next
        return ids


class Transformers:
    """transformers on torch, with the forward loop of its own `generate` and without that function's overhead."""

    def __init__(self, folder: Path, dtype: str, prompt: int = PROMPT):
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        self.new_cache = lambda: transformers.DynamicCache(config=self.model.config)
        self.prompt = prompt_ids(prompt, self.model.config.vocab_size)
        self.cache: Any = None

    def use_threads(self, count: int) -> None:
        """machine.use_threads has set them."""

    def _forward(self, ids, cache):
        with self.torch.inference_mode():
            return self.model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]

    def prefill(self, ids: np.ndarray) -> np.ndarray:
        return self._forward(self.torch.from_numpy(ids)[None], self.new_cache())[0].float().numpy()

    def decode(self, count: int) -> list[int]:
        if self.cache is None:
            self.cache = self.new_cache()
            self._forward(self.torch.from_numpy(self.prompt)[None], self.cache)
        self.cache.crop(len(self.prompt) - 1 - self.cache.get_seq_length())  # negative: how many to forget
        ids, written = self.torch.from_numpy(self.prompt[-1:])[None], []
        for _ in range(count):
            ids = self._forward(ids, self.cache).argmax(dim=-1, keepdim=True)
            written.append(int(ids))
        return written


class LlamaCpp:
    """llama.cpp through the C functions that `llama_cpp` wraps: its Python class needs a vocabulary."""

    def __init__(self, file: Path, prompt: int = PROMPT):
        import llama_cpp

        self.lib = llama_cpp
        _silence(llama_cpp)
        self.model = llama_cpp.llama_model_load_from_file(str(file).encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {file}")
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = 1024, 512, 512
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.prompt = prompt_ids(prompt, self.vocab_size)
        self.is_ready = False

    def use_threads(self, count: int) -> None:
        self.lib.llama_set_n_threads(self.context, count, count)

    def _forward(self, ids) -> np.ndarray:
        tokens = (ctypes.c_int32 * len(ids))(*map(int, ids))
        if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(tokens, len(ids))) != 0:
            raise RuntimeError("llama.cpp failed to compute")
        return np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, -1), (self.vocab_size,))

    def prefill(self, ids: np.ndarray) -> np.ndarray:
        self.lib.llama_memory_clear(self.memory, True)
        self.is_ready = False
        return self._forward(ids)

    def decode(self, count: int) -> list[int]:
        if not self.is_ready:
            self.prefill(self.prompt)
            self.is_ready = True
        self.lib.llama_memory_seq_rm(self.memory, 0, len(self.prompt) - 1, -1)
        written = [int(self.prompt[-1])]
        for _ in range(count):
            written.append(int(self._forward(written[-1:]).argmax()))
        return written[1:]

    @staticmethod
    def require_working(file: Path) -> None:
        """Let another process read a prompt with `file`. Raises RuntimeError if that kills it: llama.cpp is compiled
        for the processor that is found, and not every virtual machine has all the instructions of its own."""
        program = "import sys; from benchmarks.rivals import LlamaCpp as L; m = L(sys.argv[1]); m.prefill(m.prompt)"
        ended = subprocess.run([sys.executable, "-c", program, str(file)], stderr=subprocess.DEVNULL, check=False)
        if ended.returncode < 0:
            raise RuntimeError(f"llama.cpp was ended by {signal.Signals(-ended.returncode).name}")

    def close(self) -> None:
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)


def llama_quantised(file: Path, kind: str) -> Path:
    """`file` (GGUF) quantised by llama.cpp itself to "q8_0" or "q4_0", every matrix alike; kept beside it."""
    import llama_cpp

    path = file.with_name(f"model-{kind}.gguf")
    if not path.is_file() or path.stat().st_mtime < file.stat().st_mtime:
        _silence(llama_cpp)
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype = {"q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0}[kind]
        settings.pure = True  # the usual mix keeps the embeddings at six bits; here all sizes must be the same
        unfinished = path.with_suffix(".unfinished")
        if llama_cpp.llama_model_quantize(str(file).encode(), str(unfinished).encode(), ctypes.byref(settings)):
            raise RuntimeError(f"llama.cpp cannot quantise {file}")
        unfinished.replace(path)
    return path


_kept: list[Any] = []


def _silence(llama_cpp) -> None:
    """Drop what llama.cpp has to say; the callback must stay alive as long as the library."""
    if not _kept:
        _kept.append(llama_cpp.llama_log_callback(lambda level, text, data: None))
        llama_cpp.llama_log_set(_kept[0], None)
        llama_cpp.llama_backend_init()
