"""Rounding weights, activations, keys and values to few bits, and the methods that make it cost less. NumPy only.

grid.py      whole numbers and scales: symmetric and asymmetric, per tensor, channel and group; the best scale
gptq.py      column by column, what one column lost is made good by the columns after it
awq.py       weights that meet large inputs are rounded on a finer grid
smooth.py    SmoothQuant: a part of the size of inputs is moved into the weights
kv.py        keys by channel, values by position
pruning.py   two of four weights become zero: by size, or as SparseGPT chooses; low rank

Nothing here knows of models: models/quantise.py makes whole checkpoints with it. How weights are stored is said in
weights/quantisation.py.
"""
