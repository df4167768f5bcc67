"""Broken variants of correct kernels: what the sanitizer finds in them, beside Numba's own simulator.

`python -m tests.cuda.mutants` writes the table.
"""
