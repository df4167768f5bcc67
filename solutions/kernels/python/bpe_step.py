"""bpe_step: count, choose, merge."""

from collections import Counter

from llaisys_mini import answer


### BEGIN SOLUTION
def merge(word, pair):
    new, i = [], 0
    while i < len(word):
        if word[i : i + 2] == pair:
            new.append(word[i] + word[i + 1])
            i += 2
        else:
            new.append(word[i])
            i += 1
    return tuple(new)


### END SOLUTION
@answer("bpe_step")
def bpe_step(words):
    ### BEGIN SOLUTION
    counts = Counter()
    for word, times in words.items():
        for i in range(len(word) - 1):
            counts[word[i : i + 2]] += times
    if not counts:
        return None, words
    best = min(counts, key=lambda pair: (-counts[pair], pair))
    return best, {merge(word, best): times for word, times in words.items()}
    ### END SOLUTION
