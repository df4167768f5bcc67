"""Checking kernels: run one over an operator's cases, compare with the reference, say what is wrong.

compare.py           is this output right? where is it wrong, by how much, which known mistake is it?
run.py               run a kernel over cases
margins.py           arrays between margins: what does a kernel write outside of them?
check.py             check("softmax"): the learner's command
exercises.py         the same for answers in ordinary Python
compile_errors.py    Numba's compile errors in the learner's words
verify.py            verify every operator call of a whole model and name the first that diverges
"""
