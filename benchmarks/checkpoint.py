"""A real checkpoint beside the transformers library and llama.cpp: are the numbers right, how fast, how much memory?

    python -m benchmarks.checkpoint FOLDER                      # agreement with transformers, then speed and memory
    python -m benchmarks.checkpoint FOLDER --gguf model.gguf    # llama.cpp takes part with this file of the same model

Agreement is exact work: both compute the stored weights in float32. Speed and memory are measured in a process for each
program, one after the other, so that no program's memory counts for another; they are not compared sample by sample as
`python -m benchmarks` does, so only large differences mean something.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from benchmarks import machine, rivals
from benchmarks.tables import flat, markdown_table, number

TEXTS = (
    "The capital of France is Paris. The capital of",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return ",
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，",
    "1, 1, 2, 3, 5, 8, 13,  21 😀 naïve Ünïcödé\r\n\t<|im_end|><think>",
)
CHATS = (
    "What is the capital of France?",
    "用一句话介绍一下北京。",
    "Write a function that reverses a string in Python.",
)
GREEDY = 64  # tokens written for each text and chat
DECODED, ROUNDS = 32, 3

OURS = {"ours, as stored": None, "ours, int8": "int8", "ours, int4": "int4"}
TRANSFORMERS, LLAMA = "transformers, bfloat16", "llama.cpp"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--gguf", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The model for llama.cpp.")
@click.option("--threads", type=click.IntRange(1), default=machine.cores(), show_default=True)
def main(folder: Path, gguf: Path | None, threads: int):
    """Compare the checkpoint in FOLDER with transformers, then measure speed and memory."""
    click.echo("\n".join(markdown_table(["agreement with transformers, float32", ""], list(agreement(folder)))) + "\n")
    rows = list(speeds(folder, gguf, threads))
    head = [
        "program",
        f"prompt of {rivals.PROMPT}, tokens/s",
        "decoding, tokens/s",
        "peak MiB",
        "own MiB",
        "weights, MB",
    ]
    click.echo("\n".join(markdown_table(head, rows)) + "\n")
    click.echo(f"{threads} threads; " + "; ".join(flat(value) for value in machine.hardware().values()))


# ---- agreement ---------------------------------------------------------------------------------------------------


def agreement(folder: Path) -> Iterator[tuple[str, str]]:
    """Rows of the table: what was compared, and what came out."""
    import torch
    import transformers

    from llaisys_mini import load_model

    transformers.logging.set_verbosity_error()
    ours, tokenizer = load_model(folder, "float32"), transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert ours.tokenizer is not None
    prompts, same = [], 0
    for text in TEXTS:
        prompts.append(ours.tokenizer.encode(text))
        same += prompts[-1] == tokenizer(text)["input_ids"]
    yield "token ids of texts, the same", f"{same} of {len(TEXTS)}"
    same = 0
    for question in CHATS:
        messages = [{"role": "user", "content": question}]
        prompts.append(ours.tokenizer.encode(ours.tokenizer.render_chat(messages), add_special_tokens=False))
        expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        same += prompts[-1] == expected
    yield "token ids of chats, the same", f"{same} of {len(CHATS)}"
    largest, equal, written, whole = 0.0, 0, 0, 0
    for ids in prompts:
        new = list(ours.generate(ids, GREEDY, temperature=0, repetition_penalty=1, stop_ids=()))
        with torch.inference_mode():
            expected = theirs(torch.tensor([[*ids, *new]])).logits[0].numpy()
        difference = np.abs(ours.logits([*ids, *new]) - expected).max() / expected.std()
        largest = max(largest, float(difference))
        chosen = expected[len(ids) - 1 : -1].argmax(axis=1)
        equal, written, whole = equal + int((chosen == new).sum()), written + len(new), whole + (chosen == new).all()
    yield "logits, largest difference / their spread", f"{largest:.1e}"
    yield f"greedy tokens, the same ({GREEDY} after each text and chat)", f"{equal} of {written}"
    yield "texts and chats that go on the same", f"{whole} of {len(prompts)}"


# ---- speed and memory --------------------------------------------------------------------------------------------


def load(program: str, place: Path, threads: int) -> rivals.Model:
    """The model of one program, which computes with so many threads. place: the checkpoint, for llama.cpp its file.

    Imports nothing that the program does not need: it would count as its memory.
    """
    if program == LLAMA:
        model = rivals.LlamaCpp(place)
        model.use_threads(threads)
        return model
    if program == TRANSFORMERS:
        import torch

        torch.set_num_threads(threads)
        return rivals.Transformers(place, "bfloat16")
    import numba

    from llaisys_mini.kernels.threads import choose_thread_pool

    choose_thread_pool()
    numba.set_num_threads(threads)
    return rivals.Ours(place)


def measured(model: rivals.Model) -> dict[str, float]:
    """Tokens per second, the median of ROUNDS after one that warms up, and MiB of memory, see machine.memory."""
    speeds: dict[str, list[float]] = {"prefill": [], "decode": []}
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        model.prefill(model.prompt)
        speeds["prefill"].append(len(model.prompt) / (time.perf_counter() - start))
        model.decode(1)  # reads the prompt where it is not in the cache
        start = time.perf_counter()
        model.decode(DECODED)
        speeds["decode"].append(DECODED / (time.perf_counter() - start))
    found = {name: statistics.median(values[1:]) for name, values in speeds.items()}
    return found | {name: size / 2**20 for name, size in machine.memory().items()}


def speeds(folder: Path, gguf: Path | None, threads: int) -> Iterator[list[str]]:
    """Rows of the table, each program measured in a process of its own."""
    from llaisys_mini.models.quantise import quantise

    with tempfile.TemporaryDirectory() as scratch:
        for program, dtype in OURS.items():
            place = folder if dtype is None else Path(scratch) / dtype
            if dtype is not None:
                quantise(folder, place, dtype)
            yield _row(program, place, threads, sum(path.stat().st_size for path in place.glob("*.safetensors")))
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if machine.imported_if_installed("transformers") is not None:
        yield _row(TRANSFORMERS, folder, threads, stored)
    if gguf is not None and machine.imported_if_installed("llama_cpp") is not None:
        yield _row(LLAMA, gguf, threads, gguf.stat().st_size)


def _row(program: str, place: Path, threads: int, stored: int) -> list[str]:
    """place: where the program finds the model; stored: bytes of its weights."""
    code = (
        "import json, sys, pathlib\nfrom benchmarks.checkpoint import load, measured\n"
        "print(json.dumps(measured(load(sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])))))"
    )
    command = [sys.executable, "-c", code, program, str(place), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        return [program, f"failed: {said[-1]:.100}", "", "", "", ""]
    found = json.loads(done.stdout.splitlines()[-1])
    return [program, *(number(found[name]) for name in ("prefill", "decode", "peak", "own")), number(stored / 1e6)]


if __name__ == "__main__":
    main()
