"""prefix_match: only the description changes."""

from llaisys_mini import answer


@answer("prefix_match")
def prefix_match(ids, size, key_of, pages):
    ### BEGIN SOLUTION
    found = []
    key = None
    while (len(found) + 1) * size < len(ids):  # the next page is full, and an id is left behind it
        start = len(found) * size
        key = key_of(key, ids[start : start + size])
        if key not in pages:
            break
        found.append(pages[key])
    return found, len(found) * size
    ### END SOLUTION
