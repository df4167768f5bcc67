"""Which rows the next forward pass computes: the scheduler of the engine.

    1. Texts that are being written get one row each: nobody who reads along waits for another's prompt.
    2. What is left of the budget goes to prompts, oldest first. A long prompt is cut into parts, a part per step.
    3. Texts that wait are let in, in the order they came, as soon as there are pages for all they have so far.

When pages run out while a text is being written, the youngest text makes room: its pages are given up, it waits at the
front of the queue, and reads its text again later. The oldest always goes on, so all end at last.

Source: Yu et al. 2022, Orca (OSDI; iteration-level scheduling); Agrawal et al. 2023, SARATHI (arXiv:2308.16369; prompts
in parts); vLLM.
"""

from collections import deque
from dataclasses import dataclass

from llaisys_mini.cache.paged import PagedCache
from llaisys_mini.cache.pool import PagesExhausted
from llaisys_mini.engine.request import Request


@dataclass(frozen=True)
class Turn:
    """The next `count` rows of a request, for which there are pages."""

    request: Request
    count: int


class Scheduler:
    """max_rows: how many rows a step computes at most. max_texts: how many texts are in work at a time, at most."""

    def __init__(self, cache: PagedCache, max_rows: int, max_texts: int):
        self.cache = cache
        self.max_rows = max_rows
        self.max_texts = min(max_texts, max_rows)  # so that each text that is being written gets its row
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []  # in the order they came
        self.preemptions = 0
        self.shared = 0  # ids that were not computed because they were stored already

    def add(self, request: Request) -> None:
        """Queue a request."""
        self.waiting.append(request)

    def remove(self, request: Request) -> None:
        """Forget a request, whether it runs or waits; its pages are free at once. One that is not here is ignored."""
        if request in self.running:
            self.running.remove(request)
            self.cache.free(request.stored)
        elif request in self.waiting:
            self.waiting.remove(request)

    def next_step(self) -> list[Turn]:
        """The rows of the next pass, with their pages reserved; none if there is nothing to do."""
        turns: list[Turn] = []
        left = self.max_rows
        for request in self._in_turn():
            if left and request in self.running:  # it may just have made room for another
                count = min(request.missing, left)
                if self._make_room(request, request.stored.length + count):
                    turns.append(Turn(request, count))
                    left -= count
        while left and self.waiting and len(self.running) < self.max_texts:
            request = self.waiting[0]
            if not self._let_in(request):
                break
            count = min(request.missing, left)
            turns.append(Turn(request, count))
            left -= count
        return turns

    def _in_turn(self) -> list[Request]:
        """The running texts: first those that are being written, then those whose prompts are being read."""
        return sorted(self.running, key=lambda request: request.missing > 1)

    def _let_in(self, request: Request) -> bool:
        """Begin with a request that waits, if there are pages for its whole text. What is stored of it is shared."""
        # A prompt whose probabilities are asked for is read from its beginning.
        if not request.reads_prompt:
            self.cache.adopt(request.stored, request.text)
        try:
            self.cache.reserve(request.stored, len(request.text))
        except PagesExhausted:
            self.cache.free(request.stored)
            return False
        request.shared = max(request.shared, request.stored.length)
        self.shared += request.stored.length
        self.waiting.popleft()
        self.running.append(request)
        return True

    def _make_room(self, request: Request, length: int) -> bool:
        """Pages for `length` positions of a running text, taken from younger texts if need be. False if it had to make
        room itself."""
        while True:
            try:
                self.cache.reserve(request.stored, length)
                return True
            except PagesExhausted:
                youngest = self.running.pop()
                self.cache.free(youngest.stored)
                self.waiting.appendleft(youngest)
                youngest.preemptions += 1
                self.preemptions += 1
                if youngest is request:
                    return False
