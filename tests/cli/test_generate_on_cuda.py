"""`llaisys-mini generate --device cuda`, with and without the sanitizer, on a machine without a GPU."""

import pytest
from click.testing import CliRunner

from llaisys_mini import cuda
from llaisys_mini.cli import main

pytestmark = pytest.mark.skipif(cuda.is_available(), reason="there is a device")


def run(*arguments):
    return CliRunner().invoke(main, ["generate", *arguments])


def test_without_a_gpu_one_sentence():
    result = run("--device", "cuda")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("llaisys-mini: there is no CUDA device here")
    assert "--sanitize" in result.stderr


def test_an_unknown_device_and_the_sanitizer_on_the_cpu():
    assert "there is no device 'tpu': choose 'cpu' or 'cuda'" in run("--device", "tpu").stderr
    result = run("--sanitize")
    assert result.exit_code == 2
    assert "add --device cuda" in result.stderr


@pytest.mark.slow
def test_sanitized_text_is_that_of_the_cpu():
    options = ("Once upon a time", "--temperature", "0", "--max-new-tokens", "6")
    sanitized = run(*options, "--device", "cuda", "--sanitize")
    assert sanitized.exit_code == 0, sanitized.stderr
    assert sanitized.stdout == run(*options).stdout
    assert "no findings" in sanitized.stderr
    assert "s per token" in sanitized.stderr
