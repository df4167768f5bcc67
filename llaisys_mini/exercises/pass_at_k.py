"""pass_at_k: the chance that one of k tries is right, from n tries of which c were."""

import math

from llaisys_mini.exercise import exercise


@exercise
def pass_at_k(n, c, k):
    """n tries were made, c of them right. k of the n are drawn without putting back (1 <= k <= n).

    Returns the probability that at least one of these is right: 1 - C(n - c, k) / C(n, k).
    Source: Chen et al. 2021 (arXiv:2107.03374), which calls it the unbiased estimate of pass@k.
    """
    return 1 - math.comb(n - c, k) / math.comb(n, k)


@pass_at_k.use
def use(answer, n, tries):
    return {f"{c} of {n} right, k = {k}": answer(n, c, k) for c, k in tries}


@pass_at_k.cases
def cases(rng):
    yield "one of four is right", dict(n=4, tries=[(1, 1), (1, 2), (1, 4)])
    yield "none is right", dict(n=8, tries=[(0, 1), (0, 8)])
    yield "all are right", dict(n=8, tries=[(8, 1), (8, 8)])
    yield "more drawn than wrong ones", dict(n=10, tries=[(6, 5), (6, 4), (9, 2)])
    yield "half are right", dict(n=32, tries=[(16, 1), (16, 2), (16, 8)])
    yield "one of very many", dict(n=2000, tries=[(1, 1), (1, 1000), (3, 700)])
    n = int(rng.integers(20, 60))
    draws = [(int(rng.integers(1, n // 2)), int(rng.integers(2, n // 2))) for _ in range(3)]
    yield "some tries", dict(n=n, tries=draws)


@pass_at_k.mistake("the k tries are drawn with putting back: 1 - (1 - c / n) ** k")
def with_putting_back(n, c, k):
    return 1 - (1 - c / n) ** k


@pass_at_k.mistake("that is the probability that all k are wrong; at least one right is the rest")
def all_wrong(n, c, k):
    return 1 - pass_at_k.reference(n, c, k)


@pass_at_k.mistake("k is not used: c / n is pass@1")
def share(n, c, k):
    return c / n


@pass_at_k.mistake("that is the probability that all k are right; one of them is enough")
def all_right(n, c, k):
    return math.comb(c, k) / math.comb(n, k)


@pass_at_k.mistake("k times pass@1 counts a draw with two right ones twice")
def added(n, c, k):
    return min(1.0, k * c / n)


@pass_at_k.mistake("it is 1 as soon as a single try was right, however few are drawn")
def any_right(n, c, k):
    return float(c > 0)
