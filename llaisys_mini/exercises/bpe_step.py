"""bpe_step: how a tokenizer learns its next token."""

from collections import Counter
from itertools import pairwise

from llaisys_mini.exercise import exercise


@exercise
def bpe_step(words):
    """One step of byte-pair encoding. `words` maps each word, a tuple of symbols, to how often it occurs.

    Returns (pair, words): the pair of neighbouring symbols that occurs most often (of several the first in the order of
    Python's tuples), and the words with every occurrence of the pair, from left to right, merged into one symbol.
    (None, words) if there is no pair. Source: Sennrich et al. 2016 (arXiv:1508.07909).
    """
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    if not counts:
        return None, words
    best = min(counts, key=lambda pair: (-counts[pair], pair))
    return best, {merged(word, best): times for word, times in words.items()}


def merged(word, pair):
    """The word with each occurrence of the pair as one symbol."""
    new, i = [], 0
    while i < len(word):
        if word[i : i + 2] == pair:
            new.append(word[i] + word[i + 1])
            i += 2
        else:
            new.append(word[i])
            i += 1
    return tuple(new)


@bpe_step.cases
def cases(rng):
    def words(text, times=None):
        listed = text.split()
        return dict(words=dict(zip(map(tuple, listed), times or [1] * len(listed), strict=True)))

    yield "one word", words("banana")
    yield "the counts decide", words("ab cd", [2, 5])
    yield "three in a row", words("aaa baaab")
    yield "four in a row", words("aaaa xaaaa")
    yield "a tie: the first in order", words("zy xw ba")
    yield "a tie that appears later first", words("cb ab", [3, 3])
    yield "symbols of several letters", dict(words={("lo", "w"): 5, ("lo", "w", "er"): 2, ("n", "e", "w"): 6})
    yield "the pair stands twice in a word", words("abcab xab", [1, 1])
    joined = {("ab", "c"): 3, ("a", "bc"): 3}
    yield "a tie of pairs whose text is the same", dict(words=joined)
    inside = {("a", "b"): 4, ("xab", "y"): 1, ("a", "bz"): 2, ("ab", "ab"): 1}
    same_text = {("ab", "c"): 2, ("a", "bc"): 2, ("d", "e"): 3}
    yield "two pairs with the same text", dict(words=same_text)
    yield "the pair's text stands inside other symbols", dict(words=inside)
    yield "nothing to merge", words("a b c")
    yield "no words", dict(words={})
    letters = "abc"
    texts = {"".join(rng.choice(list(letters), size=int(rng.integers(2, 9)))) for _ in range(12)}
    times = [int(i) for i in rng.integers(1, 6, size=len(texts))]
    yield "some words", words(" ".join(sorted(texts)), times)


@bpe_step.use
def use(answer, words):
    pair, new = answer(words)
    return {
        "the pair": None if pair is None else tuple(pair),
        "the words": sorted(["|".join(word), times] for word, times in new.items()),
    }


bpe_step.leaves_alone("words")


@bpe_step.mistake("each word counts once, however often it occurs")
def counts_ignored(words):
    pair, _ = bpe_step.reference(dict.fromkeys(words, 1))
    return pair, words if pair is None else {merged(word, pair): times for word, times in words.items()}


@bpe_step.mistake("of several pairs that are equally frequent, the first one met is taken, not the first in order")
def first_met(words):
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    if not counts:
        return None, words
    best = max(counts, key=counts.get)
    return best, {merged(word, best): times for word, times in words.items()}


@bpe_step.mistake("only the first occurrence in each word is merged")
def once_per_word(words):
    pair, _ = bpe_step.reference(words)
    new = {}
    for word, times in words.items():
        places = [i for i in range(len(word) - 1) if word[i : i + 2] == pair]
        i = places[0] if places else None
        new[word if i is None else (*word[:i], word[i] + word[i + 1], *word[i + 2 :])] = times
    return pair, new


@bpe_step.mistake("the pair is merged from right to left")
def from_the_right(words):
    pair, _ = bpe_step.reference(words)
    if pair is None:
        return None, words
    turned = (pair[1][::-1], pair[0][::-1])
    return pair, {
        tuple(s[::-1] for s in reversed(merged(tuple(s[::-1] for s in reversed(word)), turned))): times
        for word, times in words.items()
    }


@bpe_step.mistake("the rarest pair is taken")
def rarest(words):
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    if not counts:
        return None, words
    best = min(counts, key=lambda pair: (counts[pair], pair))
    return best, {merged(word, best): times for word, times in words.items()}


@bpe_step.mistake("the word is joined to text, so the pair is also found inside of other symbols")
def merged_in_text(words):
    pair, _ = bpe_step.reference(words)
    if pair is None:
        return None, words
    old, new = " ".join(pair), "".join(pair)
    return pair, {tuple(" ".join(word).replace(old, new).split(" ")): times for word, times in words.items()}


@bpe_step.mistake("pairs whose joined text is the same count as one")
def counted_by_text(words):
    counts = Counter()
    first: dict[str, tuple] = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts["".join(pair)] += times
            first.setdefault("".join(pair), pair)
    if not counts:
        return None, words
    best = first[min(counts, key=lambda text: (-counts[text], first[text]))]
    return best, {merged(word, best): times for word, times in words.items()}
