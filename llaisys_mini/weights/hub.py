"""From what a person types to a folder with a checkpoint in it: a path, "mini", or a model id of the Hugging Face Hub.

Only files that this package reads are downloaded, into the Hub's usual cache, and the small ones first: a model that
is not supported is refused before gigabytes of weights arrive.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from llaisys_mini.errors import CheckpointError
from llaisys_mini.paths import shipped_model
from llaisys_mini.text.tokenizer_files import FILES

SHIPPED = "mini"

_DESCRIPTIONS = ["config.json", "generation_config.json", "model.safetensors.index.json", *FILES]
_WEIGHTS = ["*.safetensors"]
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def find_model(path_or_id: str | Path, examine: Callable[[Path], object] | None = None) -> Path:
    """The folder of a model: an existing folder, "mini" for the shipped model, or e.g. "Qwen/Qwen3-0.6B", downloaded.

    An existing folder comes first. examine: called with the folder of a model of the Hub before its weights are
    downloaded, to raise an error if it is not supported (ModelConfig.from_folder does).
    Raises CheckpointError where nothing is found or the download fails, and what `examine` raises.
    """
    name = str(path_or_id)
    folder = Path(os.path.expanduser(name))
    if name and folder.is_dir():
        return folder
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file. Give the folder that holds config.json and the weights.")
    if name == SHIPPED:
        return _shipped()
    if isinstance(path_or_id, Path) or not _MODEL_ID.fullmatch(name):
        raise CheckpointError(
            f'{name!r} is not an existing folder. Give a folder, "{SHIPPED}" for the shipped model, '
            'or a model id such as "Qwen/Qwen3-0.6B".'
        )
    descriptions = _download(name, _DESCRIPTIONS)
    if examine is not None:
        examine(descriptions)
    return _download(name, _DESCRIPTIONS + _WEIGHTS)


def _shipped() -> Path:
    folder = shipped_model()
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"The shipped model is missing from {folder}. Restore that folder from the repository.")
    return folder


def _download(model_id: str, patterns: list[str]) -> Path:
    # Imported only here: it takes a while, and most runs never need the network.
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return Path(huggingface_hub.snapshot_download(model_id, allow_patterns=patterns))
    except errors.GatedRepoError:
        problem = "its owner gives access only on request; accept the terms on its page and run `hf auth login`"
    except errors.RepositoryNotFoundError:
        problem = "there is no such public model; check the spelling, or run `hf auth login` if it is private"
    except errors.HFValidationError:
        problem = "that is not a valid model id"
    except errors.HfHubHTTPError as failure:
        status = failure.response.status_code if failure.response is not None else "no status"
        problem = f"the Hugging Face Hub answered with an error ({status}); try again later"
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        problem = "the Hugging Face Hub cannot be reached and it was not downloaded before"
    except Exception as failure:  # whatever the network stack below raises, from a full disk to a broken certificate
        problem = (str(failure).strip() or type(failure).__name__).splitlines()[0].rstrip(".")
    raise CheckpointError(
        f"{model_id} cannot be downloaded: {problem}. To use files you already have, give their folder instead."
    )
