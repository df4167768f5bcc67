"""Texts to calibrate on, for `llaisys-mini quantise --method gptq` and `awq`."""

from pathlib import Path

from llaisys_mini.engine.generate import load_model
from llaisys_mini.engine.quality import documents_of, read_text
from llaisys_mini.errors import GenerationError
from llaisys_mini.text.sampling import SamplingParams

TEXTS = 16
LONGEST = 256
"""Tokens of a text, at most."""
_BEGINNING = "Once upon a time"


def calibration_texts(model: str | Path, path: Path | None = None) -> list[list[int]]:
    """Token ids of up to TEXTS texts: the first documents of the file `path`, or what the model writes.

    A model's own texts are like those it was trained on, and nothing has to be found for it. The same model writes the
    same. Raises GenerationError for a file that cannot be read or is too short.
    """
    loaded = load_model(model)
    if path is not None:
        return documents_of(loaded, read_text(path, "--calibration"), LONGEST)[:TEXTS]
    if loaded.tokenizer is None:
        raise GenerationError("the model has no tokenizer.json, so it cannot write texts to calibrate on")
    beginning = loaded.tokenizer.encode(_BEGINNING)
    longest = min(LONGEST, loaded.config.max_positions) - len(beginning)
    engine = loaded.engine()
    params = SamplingParams.of_model(loaded.config, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=longest)
    requests = [engine.add(beginning, params.with_given(seed=seed)) for seed in range(TEXTS)]
    while engine.is_busy:
        engine.step()
    return [[*beginning, *request.written] for request in requests]
