"""A judge's worker for tests of many submissions that have most of their answers in common."""

import copy
import hashlib
from collections import Counter

from autograder import channel
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Ended, Worker


class RememberingWorker(Worker):
    """A worker that tells again what came of a request that it has run before, and ended well.

    Many submissions of a test share a right kernel, with the same cases: it is compiled and run once, and every tenth
    time again, to see that the worker still does what it did.
    """

    def __init__(self, level: str, limits: Limits):
        super().__init__(level, limits)
        self._asked: Counter[bytes] = Counter()
        self._remembered: dict[bytes, list[dict | Ended]] = {}

    def run(self, request):
        key = hashlib.sha256(channel.pack(request)).digest()
        self._asked[key] += 1
        if key in self._remembered and self._asked[key] % 10:
            yield from copy.deepcopy(self._remembered[key])
            return
        messages: list[dict | Ended] = []
        for message in super().run(request):
            messages.append(copy.deepcopy(message))
            yield message
        (*_, ended) = messages
        if isinstance(ended, Ended) and ended.finished and not (ended.signal or ended.left_over):
            self._remembered[key] = messages
