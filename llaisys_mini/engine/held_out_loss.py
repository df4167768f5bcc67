"""`held_out_loss`: what a rounding rule of the learner's costs a whole model, on text that it has not seen.

    held_out_loss("best_scale")                        a small table
    held_out_loss("best_scale").require(at_most=0.29)

The model is the shipped one with planted outliers (models/outliers.py). The learner's answer is called once for each
weight, or for all weights that share an input; what it returns is put into the model, and the model reads some stories.
The stories whose inputs the answer gets are others than those that are read. Nothing is drawn at random, so everyone
has the same figures, up to the rounding of float32.
"""

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from llaisys_mini import exercises
from llaisys_mini.console import console
from llaisys_mini.engine.generate import LanguageModel, load_model
from llaisys_mini.engine.quality import documents_of, loss
from llaisys_mini.errors import CheckFailed, GenerationError
from llaisys_mini.kernels import failed_cells
from llaisys_mini.kernels.registry import PYTHON
from llaisys_mini.kernels.sets import FOLDERS, STUDENT
from llaisys_mini.layers.linear import Linear
from llaisys_mini.models.decoder import Decoder
from llaisys_mini.models.outliers import plant_outliers
from llaisys_mini.models.projections import (
    RoundedInputs,
    floats,
    reads_with,
    rows_of,
    weights_of,
    with_projections,
    with_weights,
)
from llaisys_mini.paths import held_out_text, shipped_model
from llaisys_mini.quantisation import grid
from llaisys_mini.tensor import Tensor

LOOKED_AT, READ = slice(12, 18), slice(0, 6)
"""Stories of the held-out text: whose inputs an answer gets, and those on which the loss is measured."""
ROWS = 192
"""Rows of inputs that an answer gets."""

Inputs = dict[str, Any]
Results = Sequence[np.ndarray | None]
"""One for each of the inputs; None: as it is done without the answer."""


@dataclass(frozen=True)
class HeldOutLoss:
    """nats per token: of the model as it is, rounded without the answer, and rounded with it."""

    exercise: str
    original: float
    plain: float
    yours: float

    def require(self, at_most: float) -> None:
        """Raise CheckFailed if the loss with the answer is larger than `at_most`."""
        if not self.yours <= at_most:
            raise CheckFailed(f"{self.exercise}: the held-out loss is {self.yours:.4f}; at most {at_most} is asked for")


def held_out_loss(name: str, kernel_set: str = STUDENT) -> HeldOutLoss:
    """Run the learner's answer to the exercise `name` on the whole model; no other one stands in for it, as in `check`.

    kernel_set: "solutions" for the course's answer. Prints a table. Raises GenerationError for an exercise that has no
    such trial, KernelError where there is no answer, CheckFailed for one that is not written or gives another form.
    """
    trial_of(name)
    exercise = exercises.get(name)
    if kernel_set == STUDENT:
        failed_cells.refuse_older(name, PYTHON)
    answer = FOLDERS[kernel_set]().get(name, PYTHON).function
    try:
        results = [exercise.run_on(answer, copy.deepcopy(inputs)) for inputs in inputs_for(name)]
    except NotImplementedError as unwritten:
        raise CheckFailed(f"{name} is not written yet: the cell still raises ({unwritten})") from None
    trial = trial_of(name)
    found = HeldOutLoss(name, original_loss(), plain_loss(name), loss_with(name, results))
    printer = console()
    printer.print(f"{trial.what}: held-out loss in nats per token", highlight=False)
    for line, value in (
        ("as it is", found.original),
        (trial.without, found.plain),
        (f"with {name}", found.yours),
    ):
        printer.print(f"  {line:28} {value:.4f}", highlight=False)
    return found


def loss_with(name: str, results: Sequence[Mapping[str, Any]]) -> float:
    """The held-out loss with the results of an exercise's answer, one for each of `inputs_for(name)`.

    Raises CheckFailed where one is not of the form asked for.
    """
    given = inputs_for(name)
    arrays = [_array(name, inputs, result) for inputs, result in zip(given, results, strict=True)]
    with np.errstate(all="ignore"):
        return _loss(trial_of(name).rounded(arrays))


@cache
def inputs_for(name: str) -> list[Inputs]:
    """What the answer gets, call after call."""
    return trial_of(name).inputs()


@cache
def plain_loss(name: str) -> float:
    """Of the model rounded without the answer."""
    return _loss(trial_of(name).rounded([None] * len(inputs_for(name))))


@cache
def original_loss() -> float:
    """Of the model as it is."""
    return _loss(_model().decoder)


def _array(name: str, inputs: Inputs, result: Any) -> np.ndarray:
    """The one array of a result, positive and finite, with a number for each group or column."""
    asked = len(inputs["groups"]) if "groups" in inputs else inputs["weight"].shape[1]
    try:
        (value,) = (v for key, v in result.items() if not key.startswith("the given"))
        array = np.asarray(value, np.float64)
    except (AttributeError, TypeError, ValueError):
        raise CheckFailed(f"{name}: an array of {asked} numbers is asked for") from None
    if array.shape != (asked,) or not (np.isfinite(array) & (array > 0)).all():
        raise CheckFailed(f"{name}: {asked} positive numbers are asked for; got an array of shape {array.shape}")
    return array


# ---- the model, and what its projections are given ---------------------------------------------------------------


@cache
def _model() -> LanguageModel:
    with tempfile.TemporaryDirectory() as folder:
        plant_outliers(shipped_model(), Path(folder) / "mini-outliers")
        return load_model(Path(folder) / "mini-outliers", "float32")


@cache
def _documents() -> list[list[int]]:
    return documents_of(_model(), held_out_text().read_text(encoding="utf-8"))


def _loss(decoder: Decoder) -> float:
    return loss(decoder, _documents()[READ], _model().cache)


@cache
def _rows() -> dict[str, np.ndarray]:
    """Name of a first reader -> its inputs [T, K] on the stories that are looked at."""
    return rows_of(_model().decoder, _documents()[LOOKED_AT], _model().cache)


@cache
def _weights() -> dict[str, np.ndarray]:
    return weights_of(_model().decoder)


@cache
def _readers() -> dict[str, list[str]]:
    """First reader of an input -> all its readers."""
    readers: dict[str, list[str]] = {}
    for name in _weights():
        readers.setdefault(reads_with(name), []).append(name)
    return readers


# ---- the trials --------------------------------------------------------------------------------------------------


class Trial:
    """How the results of an exercise become a model. what: a line for people; without: how it is done else."""

    what: str
    without: str

    def inputs(self) -> list[Inputs]:
        """Of the answer, call after call."""
        raise NotImplementedError

    def rounded(self, results: Results) -> Decoder:
        """The model with the results in their places."""
        raise NotImplementedError


class _BestScale(Trial):
    what, without = "weights of 3 bits in groups of 32", "the largest weight decides"
    BITS, GROUP = 3, 32

    def inputs(self):
        return [dict(groups=weight.reshape(-1, self.GROUP), bits=self.BITS) for weight in _weights().values()]

    def rounded(self, results):
        scales = dict(zip(_weights(), results, strict=True))

        def weight_of(name, weight):
            if scales[name] is None:
                return grid.rounded(weight, self.BITS, self.GROUP)
            groups = grid.as_groups(weight, self.GROUP)
            return (scales[name][:, None] * grid.numbers(groups, scales[name], self.BITS)).reshape(weight.shape)

        return with_weights(_model().decoder, weight_of)


class _PerInput(Trial):
    """One call for each input, with the weights of all its readers as one."""

    def of_reader(self, results):
        """Name of a projection -> the result for its input."""
        return {name: result for names, result in zip(_readers().values(), results, strict=True) for name in names}

    def stacks(self):
        return {first: np.concatenate([_weights()[name] for name in names]) for first, names in _readers().items()}


class _AwqScale(_PerInput):
    what, without = "weights of 3 bits in groups of 32", "all columns alike"
    BITS, GROUP = 3, 32

    def inputs(self):
        chosen = {first: x[np.linspace(0, len(x) - 1, ROWS).astype(int)] for first, x in _rows().items()}
        return [
            dict(weight=stack, x=chosen[first], bits=self.BITS, size=self.GROUP)
            for first, stack in self.stacks().items()
        ]

    def rounded(self, results):
        of = self.of_reader(results)

        def weight_of(name, weight):
            s = 1.0 if of[name] is None else of[name]
            return grid.rounded(weight * s, self.BITS, self.GROUP, best=True) / s

        return with_weights(_model().decoder, weight_of)


class _Smooth(_PerInput):
    what, without = "weights and inputs of 6 bits", "no smoothing"
    BITS, ALPHA = 6, 0.5

    def inputs(self):
        return [
            dict(largest_inputs=np.abs(_rows()[first]).max(axis=0), weight=stack, alpha=self.ALPHA)
            for first, stack in self.stacks().items()
        ]

    def rounded(self, results):
        of = self.of_reader(results)

        def change(name, layer):
            weight = floats(layer)
            s = np.ones(weight.shape[1]) if of[name] is None else of[name]
            whole = Tensor.from_numpy(grid.rounded(weight * s, self.BITS).astype(np.float32)).freeze()
            return RoundedInputs(Linear(whole, layer.bias), s, self.BITS)

        return with_projections(_model().decoder, change)


TRIALS: dict[str, Trial] = {"best_scale": _BestScale(), "awq_scale": _AwqScale(), "smooth": _Smooth()}


def trial_of(name: str) -> Trial:
    """Raises GenerationError if there is none."""
    if name not in TRIALS:
        raise GenerationError(f"{name} has no held-out loss; there is one for {', '.join(TRIALS)}")
    return TRIALS[name]
