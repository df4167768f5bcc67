"""fuse: a pair becomes one call where nobody else reads what lies between."""

from collections import Counter

from llaisys_mini import answer


@answer("fuse")
def fuse(calls, outputs, patterns):
    ### BEGIN SOLUTION
    readers = Counter(outputs)
    for _, _, inputs in calls:
        readers.update(inputs)
    kept = {}  # by the name of what is computed, in order
    for name, operator, inputs in calls:
        first = kept.get(inputs[0]) if inputs else None
        if first is not None and readers[inputs[0]] == 1:
            fused = patterns.get((first[1], operator))
            if fused is not None:
                del kept[inputs[0]]
                operator, inputs = fused, first[2] + inputs[1:]
        kept[name] = (name, operator, inputs)
    return list(kept.values())
    ### END SOLUTION
