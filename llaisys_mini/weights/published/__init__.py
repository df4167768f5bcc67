"""Checkpoints that other programs quantised: one file for each published form, and what all of them become.

Each form is a class. `read` takes a Projection and gives its weight as a Grouped (grouped.py says how that is kept), or
None where the file holds this projection as ordinary floats. What config.json may ask for is decided in
models/quantisation_config.py.
"""

from llaisys_mini.weights.published.awq import AWQ
from llaisys_mini.weights.published.compressed_tensors import CompressedTensors
from llaisys_mini.weights.published.gptq import GPTQ

Published = GPTQ | AWQ | CompressedTensors
