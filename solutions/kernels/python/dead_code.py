"""dead_code: read from the end, a call is needed if something after it needs what it computes."""

from llaisys_mini import answer


@answer("dead_code")
def dead_code(calls, outputs):
    ### BEGIN SOLUTION
    needed = set(outputs)
    kept = []
    for name, operator, inputs in reversed(calls):
        if name in needed or operator.startswith("store"):
            kept.append((name, operator, inputs))
            needed.update(inputs)
    return kept[::-1]
    ### END SOLUTION
