"""Checking kernels: run one over an operator's cases, compare with the reference, say what is wrong.

compare.py           is this output right? where is it wrong, by how much, which known mistake is it?
run.py               run a kernel over cases
recognise.py         the rule for which known mistake it is; derived/: mistakes that are made from the contract
patterns.py          and if none does: which elements are wrong, and how they relate to the right ones
guard_zones.py       guard zones around arguments: what does a CPU kernel write outside of them?
bounds.py            the same for arrays that a kernel makes, and the line that it happens in
plain_indices.py     is it plain from the source that it does not? index_values.py: what its numbers and arrays are,
                     of the kinds in index_kinds.py
by_reading.py        what makes a kernel wrong by chance, from its source: prange_races.py and unset_arrays.py
idle_loops.py        loops over prange that do nothing; slips.py: why nothing arrived in an output
syntax.py            what these readings of a source have in common
same_bits.py         does a row have the same bits in any company?
check.py             check("softmax"): the learner's command
exercises.py         the same for answers in ordinary Python; calls.py: which operator call is the first that differs
compiles.py          does a CUDA kernel compile for a GPU? asked while a check runs
compile_errors.py    Numba's compile errors in plain words
verify.py            verify every operator call of a whole model and name the first that diverges
"""
