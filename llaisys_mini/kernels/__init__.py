"""Kernels: implementations of operators. Finding them, saving them from a notebook, choosing among them.

registry.py      what a kernel is; decorator.py: @kernel
sets.py          kernel sets: folders of kernels (solutions, student) and the NumPy reference
loading.py       importing the file of a kernel
threads.py       which thread pool parallel loops run on
compiled.py      compiled kernels, kept on disk for the next process
linked.py        what a kernel calls is optimised once, within the kernel
cells.py         a notebook cell becomes a module of the learner's kernel set; definitions.py: what stays of it
failed_cells.py  cells that were to make a kernel and stopped before
language/        what a graded cell may hold, and the module that the judge compiles
verdicts.py      which of the learner's kernels passed their check
earlier.py       the learner's previous version of a kernel, for races
choice.py        which kernel answers an operator; use_kernels. answers.py: the same for exercises
runtime.py       what holds all choices, and who watches the calls
"""
