"""Finding a model: folders, the shipped one, and the Hub, whose network is never touched here."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors

from llaisys_mini.errors import CheckpointError, ConfigError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.weights import hub
from llaisys_mini.weights.hub import find_model

CONFIG = {
    "model_type": "qwen3",
    "vocab_size": 100,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
}


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """Replaces the download: records the patterns asked for, and answers with a folder or raises what a test sets."""

    class Downloads:
        def __init__(self):
            self.asked: list[list[str]] = []
            self.failure: Exception | None = None
            self.folder = tmp_path / "cache"

        def __call__(self, model_id, *, allow_patterns):
            self.asked.append(allow_patterns)
            if self.failure is not None:
                raise self.failure
            return str(self.folder)

    fake = Downloads()
    fake.folder.mkdir()
    (fake.folder / "config.json").write_text(json.dumps(CONFIG))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    return fake


def test_an_existing_folder_is_itself(tmp_path, downloads):
    assert find_model(tmp_path) == tmp_path
    assert find_model(str(tmp_path)) == tmp_path
    assert downloads.asked == []


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "qwen").mkdir()
    assert find_model("~/qwen") == tmp_path / "qwen"


def test_mini_is_the_shipped_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "shipped_model", lambda: tmp_path)
    (tmp_path / "config.json").touch()
    assert find_model("mini") == tmp_path
    monkeypatch.setattr(hub, "shipped_model", lambda: tmp_path / "gone")
    with pytest.raises(CheckpointError, match="shipped model is missing"):
        find_model("mini")


def test_a_file_is_refused(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match="is a file"):
        find_model(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "name", ["qwen", "./models/qwen", "/models/qwen", "a/b/c", "", "https://hub.example/a/b", "a/b\n"]
)
def test_what_is_neither_folder_nor_id_is_refused_without_asking_the_network(name, downloads, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "cache")
    with pytest.raises(CheckpointError, match="is not an existing folder"):
        find_model(name)
    assert downloads.asked == []


def test_a_path_object_is_never_a_model_id(downloads):
    with pytest.raises(CheckpointError, match="is not an existing folder"):
        find_model(Path("Qwen/Qwen3-0.6B"))
    assert downloads.asked == []


def test_the_descriptions_come_before_the_weights(downloads):
    assert find_model("Qwen/Qwen3-0.6B", examine=ModelConfig.from_folder) == downloads.folder
    small, everything = downloads.asked
    assert "config.json" in small
    assert not any("safetensors" in pattern and "*" in pattern for pattern in small)
    assert set(small) < set(everything)
    assert "*.safetensors" in everything
    assert not any(pattern.endswith((".bin", ".py", ".gguf")) for pattern in everything)


def test_an_unsupported_model_is_refused_before_its_weights_are_downloaded(downloads):
    (downloads.folder / "config.json").write_text(json.dumps(CONFIG | {"model_type": "qwen3_moe"}))
    with pytest.raises(ConfigError, match="mixture-of-experts"):
        find_model("Qwen/Qwen3-30B-A3B", examine=ModelConfig.from_folder)
    assert len(downloads.asked) == 1


def response(status: int) -> SimpleNamespace:
    """What the errors of the Hub's library read from a response, whichever HTTP library its version uses."""
    return SimpleNamespace(status_code=status, headers={}, request=None)


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (errors.RepositoryNotFoundError("404", response=response(404)), "no such public model"),
        (errors.GatedRepoError("403", response=response(403)), "accept the terms"),
        (errors.HfHubHTTPError("500", response=response(500)), "error (500)"),
        (errors.LocalEntryNotFoundError("nothing in the cache"), "cannot be reached"),
        (errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        (errors.HFValidationError("bad id"), "not a valid model id"),
        (OSError("No space left on device.\nlong story"), "No space left on device. To use"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_every_failure_says_what_happened_and_what_to_do(downloads, failure, says):
    downloads.failure = failure
    with pytest.raises(CheckpointError) as refused:
        find_model("Qwen/Qwen3-0.6B")
    message = str(refused.value)
    assert message.startswith("Qwen/Qwen3-0.6B cannot be downloaded: ")
    assert says in message
    assert message.endswith("give their folder instead.")
    assert "\n" not in message


def test_offline_mode_of_the_real_library(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="cannot be reached and it was not downloaded before"):
        find_model("Qwen/Qwen3-0.6B")
