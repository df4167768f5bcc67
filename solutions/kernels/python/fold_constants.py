"""fold_constants: the set of constants grows while the calls go by."""

from llaisys_mini import answer


@answer("fold_constants")
def fold_constants(calls, constants):
    ### BEGIN SOLUTION
    known = set(constants)
    once, each = [], []
    for call in calls:
        name, operator, inputs = call
        is_constant = len(inputs) > 0 and all(array in known for array in inputs)
        if is_constant and not operator.startswith("store"):
            known.add(name)
            once.append(call)
        else:
            each.append(call)
    return once, each
    ### END SOLUTION
