"""pass_at_k: one draw after the other, each of them wrong."""

from llaisys_mini import answer


@answer("pass_at_k")
def pass_at_k(n, c, k):
    ### BEGIN SOLUTION
    all_wrong = 1.0
    for drawn in range(k):
        all_wrong *= max(0, n - c - drawn) / (n - drawn)
    return 1 - all_wrong
    ### END SOLUTION
