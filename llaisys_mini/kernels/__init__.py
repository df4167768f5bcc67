"""Kernels: implementations of operators. Finding them, saving them from a notebook, choosing among them.

registry.py    the @kernel decorator and what a kernel is
sets.py        kernel sets: folders of kernels (solutions, student) and the NumPy reference
threads.py     which thread pool parallel loops run on
compiled.py    compiled kernels, kept on disk for the next process
cells.py       a notebook cell becomes a module of the learner's kernel set
language/      what a graded cell may hold, and the module that the judge compiles
verdicts.py    which of the learner's kernels passed their check
earlier.py     the learner's previous version of a kernel, for races
choice.py      which kernel answers an operator; use_kernels
"""
