"""majority: a dictionary keeps its keys in the order in which they came."""

from llaisys_mini import answer


@answer("majority")
def majority(answers):
    ### BEGIN SOLUTION
    votes = {}
    for given in answers:
        if given is not None:
            votes[given] = votes.get(given, 0) + 1
    return max(votes, key=votes.get, default=None)
    ### END SOLUTION
