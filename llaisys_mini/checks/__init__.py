"""Checking kernels: run one over an operator's cases, compare with the reference, say what is wrong.

compare.py           is this output right? where is it wrong, by how much, which known mistake is it?
run.py               run a kernel over cases
guard_zones.py       guard zones around arrays: what does a kernel write out of bounds?
check.py             check("softmax"): the learner's command
exercises.py         the same for answers in ordinary Python
compiles.py          does a CUDA kernel compile for a GPU? asked while a check runs
compile_errors.py    Numba's compile errors in plain words
verify.py            verify every operator call of a whole model and name the first that diverges
"""
