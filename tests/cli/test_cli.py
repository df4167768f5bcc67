"""The command line: what is printed where, exit codes, and one sentence for each mistake of a user."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from llaisys_mini import load_model, operators, use_kernels
from llaisys_mini.cli import main
from llaisys_mini.cli.options import storage
from llaisys_mini.cli.reporting import Stopwatch
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.paths import shipped_model
from llaisys_mini.tensor import Tensor
from llaisys_mini.text.tokenizer import Tokenizer
from tests.models.published import DEEPSEEK_1_5B, QWEN2_5_1_5B, QWEN3_0_6B, QWEN3_THINKING_TEMPLATE
from tests.models.published_files import write_tokenizer
from tests.models.random_models import make_checkpoint


@pytest.fixture
def run():
    def invoke(*arguments, **options):
        return CliRunner().invoke(main, list(arguments), **options)

    yield invoke
    use_kernels()


def test_generate_continues_the_prompt(run):
    result = run("generate", "Once upon a time", "--seed", "3", "--max-new-tokens", "30", "--stats")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Once upon a time")
    assert len(result.stdout.split()) > 12
    for word in ("first token after", "per second", "KV cache", "kernels: 8 solutions"):
        assert word in result.stderr
    again = run("generate", "Once upon a time", "--seed", "3", "--max-new-tokens", "30")
    assert again.stdout == result.stdout
    assert again.stderr == ""


def test_the_command_and_python_write_the_same_text(run):
    model = load_model("mini")
    new = model.generate(model.tokenizer.encode("Once upon a time"), 30, seed=3)
    text = "Once upon a time" + model.tokenizer.decode(list(new))
    assert run("generate", "--seed", "3", "--max-new-tokens", "30").stdout == text + "\n"


@pytest.mark.parametrize(("seconds", "shown"), [(0.001, "1000"), (0.1, "10"), (0.4, "2.5"), (25, "0.04")])
def test_a_slow_model_does_not_seem_to_stand_still(seconds, shown, capsys):
    watch = Stopwatch(0.0)
    watch.ticks = [i * seconds for i in range(5)]
    cache = SimpleNamespace(pool=SimpleNamespace(touched=1, size=16), nbytes=2**20)
    replay, counts = SimpleNamespace(replayed=0, given_up=None), SimpleNamespace(steps=3)
    engine = SimpleNamespace(cache=cache, guesser=None, replay=replay, counts=counts)
    watch.report(3, engine, "cpu")
    assert f"5 new tokens, {shown} per second after the first" in capsys.readouterr().err


def test_the_reference_kernels_tell_the_same_story(run):
    texts = [
        run("generate", "--temperature", "0", "--max-new-tokens", "20", "--kernels", kernels).stdout
        for kernels in ("", "reference", "solutions,linear=reference")
    ]
    assert texts[0] == texts[1] == texts[2]


def test_verify_reports_agreement(run):
    result = run("generate", "--max-new-tokens", "3", "--verify")
    assert result.exit_code == 0
    assert "operator calls agree with the reference" in result.stderr


FLOAT32_ONLY = """
from llaisys_mini import kernel

@kernel("rms_norm")
def rms_norm(x, weight, eps, out):
    if weight.dtype != "float32":
        out[:] = 0
    else:
        out[:] = x * weight / ((x * x).mean(axis=1, keepdims=True) + eps) ** 0.5
"""


@pytest.fixture
def own_rms_norm(tmp_path, monkeypatch):
    """A learner's rms_norm that is right for float32 weights only, and a relu that a decoder does not call."""
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path / "student"))
    (tmp_path / "student" / "cpu").mkdir(parents=True)
    (tmp_path / "student" / "cpu" / "rms_norm.py").write_text(FLOAT32_ONLY)
    relu = "from llaisys_mini import kernel\n@kernel('relu')\ndef relu(x, out):\n    out[:] = x.clip(0)\n"
    (tmp_path / "student" / "cpu" / "relu.py").write_text(relu)


@pytest.fixture
def bfloat16_model(tmp_path):
    """A checkpoint of bfloat16 weights that reads text with the shipped model's tokenizer."""
    folder = make_checkpoint(tmp_path / "model", dtype=ml_dtypes.bfloat16, vocab_size=1536)
    shutil.copy(shipped_model() / "tokenizer.json", folder)
    return str(folder)


def test_generate_credits_the_kernels_that_did_answer(run, own_rms_norm, bfloat16_model):
    arguments = ["generate", "--max-new-tokens", "2", "--seed", "1", "--model", bfloat16_model, "--stats", "--dtype"]
    before = run(*arguments, "float32").stderr
    assert "not checked (`llaisys-mini check` does): rms_norm" in before and "relu" not in before
    assert run("check", "rms_norm").exit_code == 0  # that it cannot read the other kinds is no failure
    as_float32 = run(*arguments, "float32").stderr
    assert "your kernels answer for 1 of 8 operators that this run calls: rms_norm" in as_float32
    assert "7 solutions" in as_float32 and "1 student" in as_float32
    as_bfloat16 = run(*arguments, "bfloat16").stderr
    assert "your kernels answer" not in as_bfloat16
    assert "right, but not for bfloat16 weights: rms_norm" in as_bfloat16
    assert "kernels: 8 solutions" in as_bfloat16


def test_weights_are_read_as_they_are_stored_unless_a_learners_kernel_or_a_reference_reads_them(run, own_rms_norm):
    assert storage("auto", "cpu") == "stored"
    assert storage("float16", "cpu") == "float16" and storage("auto", "cuda") == "auto"
    with use_kernels("reference"):
        assert storage("auto", "cpu") == "auto"
    with use_kernels(rms_norm="student"):
        assert storage("auto", "cpu") == "auto"
    with use_kernels(softmax="reference"):
        assert storage("auto", "cpu") == "stored"
    assert run("check", "rms_norm").exit_code == 0
    assert storage("auto", "cpu") == "auto"


def test_verify_says_which_weights_a_kernel_cannot_read(run, own_rms_norm, bfloat16_model):
    arguments = ["--max-new-tokens", "2", "--model", bfloat16_model, "--dtype", "bfloat16", "--kernels", "student"]
    result = run("generate", "--verify", *arguments)
    assert result.exit_code == 1
    assert "rms_norm is wrong on the case 'call 2, layer 0, bfloat16 storage'" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_status_spares_the_prompt_and_every_call_is_verified():
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "llaisys_mini", "generate", "--max-new-tokens", "1", "--verify"]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while piece := os.read(ours, 4096):
            shown += piece
    assert process.wait() == 0
    os.close(ours)
    erased = shown.decode().rpartition("\x1b[2K")
    assert "computing the first token" in erased[0]
    assert "Once upon a time" not in erased[0] and "Once upon a time" in erased[2]
    assert "123 operator calls agree" in erased[2]  # 8 layers of 15 calls, embedding, norm and head


def test_chat_answers_each_line_and_remembers(run):
    result = run(
        "chat",
        "--temperature",
        "0",
        "--no-think",
        "--max-new-tokens",
        "40",
        input="Hello!\n\n/new\nHello!\n/exit\nnever read\n",
    )
    assert result.exit_code == 0, result.stderr
    answers = [line for line in result.stdout.splitlines() if line.strip()]
    assert len(answers) >= 2
    assert answers[0] == answers[-1]
    assert "<|im_end|>" not in result.stdout
    assert "<think>" not in result.stdout


@pytest.fixture
def scripted(monkeypatch):
    """Makes a model that writes the given text, whatever it is asked; and tells what it was asked."""

    def make(folder, published, text, template=None, **config):
        make_checkpoint(folder, vocab_size=320, max_position_embeddings=4096, **config)
        write_tokenizer(published if template is None else replace(published, template=template), folder)
        tokenizer = Tokenizer.open(folder)
        asked, script = [], []

        def forward(self, ids, cache, last_only=False):
            if len(ids) > 1 or not script:
                (row,) = cache.rows
                asked.append(tokenizer.decode([*row.text.ids, *ids], skip_special_tokens=False))
                script[:] = [*tokenizer.encode(text, add_special_tokens=False), 0]
            cache.begin(ids)
            cache.commit()
            logits = np.zeros((1, 320), np.float32)
            logits[0, script.pop(0)] = 1
            return Tensor.from_numpy(logits)

        monkeypatch.setattr(Decoder, "forward", forward)
        return str(folder), asked

    return make


def test_a_chat_ends_a_turn_where_the_template_does(run, scripted, tmp_path):
    """Though config.json and the tokenizer say that only <|endoftext|> ends a text."""
    published = replace(QWEN2_5_1_5B, settings=QWEN2_5_1_5B.settings | {"eos_token": "<|endoftext|>"})
    text = "It is 4.<|im_end|>\n<|im_start|>user\nAnd 3+3?"
    folder, asked = scripted(tmp_path, published, text, eos_token_id=264, bos_token_id=264)
    assert Tokenizer.open(folder).token(264) == "<|endoftext|>"
    result = run("chat", "--model", folder, input="2+2?\nThanks\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "It is 4.\nIt is 4.\n"
    assert asked[-1].endswith(
        "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\nIt is 4.<|im_end|>\n"
        "<|im_start|>user\nThanks<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("published", "template", "end"),
    [
        (DEEPSEEK_1_5B, None, "<｜end▁of▁sentence｜>"),
        (QWEN3_0_6B, QWEN3_THINKING_TEMPLATE, "<|im_end|>"),
    ],
    ids=["DeepSeek-R1-Distill", "Qwen3-Thinking-2507"],
)
def test_thoughts_that_the_template_opens_are_shown_as_thoughts(run, scripted, tmp_path, published, template, end):
    folder, asked = scripted(tmp_path, published, f"Easy.\n</think>\n\nIt is 4.{end}", template)
    result = run("chat", "--model", folder, input="2+2?\nThanks\n", color=True)
    assert result.exit_code == 0, result.stderr
    dimmed = re.compile(r"\x1b\[2m(.*?)\x1b\[0m", re.DOTALL)
    assert "".join(dimmed.findall(result.stdout)) == "Easy.\n\n" * 2
    assert dimmed.sub("", result.stdout) == "It is 4.\n" * 2
    assert asked[0].rstrip().endswith("<think>")
    assert "Easy" not in asked[1] and f"It is 4.{end}" in asked[1] and asked[1].rstrip().endswith("<think>")


def test_generate_puts_the_begin_token_in_front(run, scripted, tmp_path):
    folder, asked = scripted(tmp_path, DEEPSEEK_1_5B, " time", eos_token_id=0)
    assert run("generate", "Once upon a", "--model", folder).stdout == "Once upon a time\n"
    assert asked == ["<｜begin▁of▁sentence｜>Once upon a"]


def test_a_warning_about_a_checkpoint_is_one_line(run, bfloat16_model):
    path = Path(bfloat16_model) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"magic": 1}))
    result = run("generate", "--model", bfloat16_model, "--max-new-tokens", "1")
    assert result.exit_code == 0
    assert result.stderr == f"llaisys-mini: warning: {path}: `magic` is not known here and ignored.\n"


def test_a_token_that_the_model_has_no_embedding_for_is_named(run, tmp_path):
    make_checkpoint(tmp_path, vocab_size=266)
    write_tokenizer(QWEN2_5_1_5B, tmp_path)
    result = run("generate", "a<tool_call>", "--model", str(tmp_path))
    assert result.exit_code == 2
    assert "the model has no embedding for the tokenizer's token '<tool_call>'" in result.stderr


def test_a_long_chat_forgets_its_beginning_instead_of_failing(run):
    lines = ["Tell me a story about a fox named Dot and a kite."] * 12
    result = run("chat", "--seed", "1", input="\n".join(lines))
    assert result.exit_code == 0, result.stderr
    assert "no longer fits the context and is forgotten" in result.stderr
    assert result.stdout.count("Dot") > 5


def test_a_message_longer_than_the_context_is_named(run):
    result = run("chat", input="kite " * 3000)
    assert result.exit_code == 2
    assert "the model's context holds" in result.stderr


MISTAKES = {
    "unknown kernel set": (["generate", "--kernels", "fast"], "no kernel set 'fast'"),
    "unknown operator": (["generate", "--kernels", "sofmax=student"], "did you mean softmax"),
    "absent kernel": (["generate", "--kernels", "softmax=student,add=student"], "'student' has no kernel for"),
    "no such model": (["generate", "--model", "no/such/folder"], "not an existing folder"),
    "empty prompt": (["generate", ""], "the prompt is empty"),
    "long prompt": (["generate", "story " * 3000], "the model's context holds"),
    "temperature": (["generate", "--temperature", "-1"], "temperature"),
    "dtype": (["generate", "--dtype", "int3"], "dtype 'int3' is not one of"),
    "device": (["generate", "--device", "cuda"], "there is no CUDA device here"),
    "check": (["check", "softmax"], "softmax: run the cell with @kernel"),
    "check nothing": (["check", "sotfmax"], "did you mean softmax"),
}


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_get_one_sentence_and_exit_code_2(run, arguments, sentence, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr
    assert result.stderr.startswith("llaisys-mini: ")
    assert result.stderr.strip().count("\n") == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_without_tokenizer_cannot_read_text(run, tmp_path):
    result = run("generate", "--model", str(make_checkpoint(tmp_path)))
    assert result.exit_code == 2
    assert "has no tokenizer.json" in result.stderr


def test_a_check_that_passes_prints_one_line(run):
    result = run("check", "softmax", "--kernels", "solutions")
    assert result.exit_code == 0
    assert result.stdout.startswith("softmax on cpu: right on all cases (")
    assert len(result.stdout.splitlines()) == 1


def test_a_failed_check_exits_with_1(run, tmp_path, monkeypatch):
    monkeypatch.setenv("LLAISYS_MINI_STUDENT_DIR", str(tmp_path))
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "relu.py").write_text(
        "from llaisys_mini import kernel\n@kernel('relu')\ndef relu(x, out):\n    out[:] = abs(x)\n"
    )
    result = run("check", "relu")
    assert result.exit_code == 1
    assert "this is what comes out when the sign is dropped" in result.stderr
    assert "worst error" in result.stdout


def test_progress_shows_every_operator(run):
    result = run("progress")
    assert result.exit_code == 0
    for name in ("rms_norm", "attention", f"0 of {len(operators.names)} operators are yours"):
        assert name in result.stdout


def test_doctor_names_what_matters(run):
    result = run("doctor")
    assert result.exit_code == 0, result.stdout
    for word in ("Python", "numba", "threads", "threading layer", "CUDA", "kernel cache"):
        assert word in result.stdout


@pytest.mark.slow
def test_a_second_start_compiles_nothing():
    """The first start leaves every kernel of the decoder compiled, unless an earlier test has done so."""
    program = """
from llaisys_mini import load_model, operators
model = load_model("mini")
list(model.generate([1, 2, 3], max_new_tokens=4, temperature=0))
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.runtime import current
stats = [answering_kernel(name).function.stats for name, _ in current().answered]
print(len(stats), sum(sum(s.cache_hits.values()) for s in stats), sum(sum(s.cache_misses.values()) for s in stats))
"""
    for _ in range(2):
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, hits, misses = map(int, ran.stdout.split())
    assert count >= 8
    assert (hits, misses) == (count, 0)


def test_profile_names_the_phases_and_who_answered(run):
    result = run("profile", "--prompt", "8", "--new-tokens", "2", "--kernels", "reference,linear=solutions")
    assert result.exit_code == 0, result.stderr
    assert "prefill of 8 tokens" in result.stdout and "decode, 1 tokens" in result.stdout
    linear = next(line for line in result.stdout.splitlines() if line.startswith("  linear "))
    assert linear.endswith("56 x solutions")
    assert "swiglu" in result.stdout and "reference" in result.stdout


def test_profile_says_what_it_cannot_do(run):
    assert "--layers is for a shape" in run("profile", "--layers", "2").stderr
    result = run("profile", "--model", "shape:qwen9")
    assert (result.exit_code, result.stderr) == (2, "llaisys-mini: there is no shape 'qwen9'; there are: qwen3-0.6b\n")
