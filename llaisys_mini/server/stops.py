"""Stop strings: a text ends before the first of them, and no part of that one is ever given out."""

from collections.abc import Sequence


class StopFilter:
    """Feed text as it arrives; get back what is certain to be before any of `stops`, none of which is empty.

    found: the stop string that was met, after which nothing comes any more: the one that is complete first, however the
    text is cut into pieces, and of several that end at the same place the longest.
    """

    def __init__(self, stops: Sequence[str]):
        self._stops = list(stops)
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """Take in text; returns what can be given out. What could be the beginning of a stop string is held back."""
        if self.found is not None:
            return ""
        self._held += text
        places = [(place + len(stop), place, stop) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            _, place, self.found = min(places)
            given, self._held = self._held[:place], ""
            return given
        certain = len(self._held) - self._beginning()
        given, self._held = self._held[:certain], self._held[certain:]
        return given

    def finish(self) -> str:
        """What was held back, when no more text comes: it was no stop string after all."""
        given, self._held = self._held, ""
        return given

    def _beginning(self) -> int:
        """How long the longest end of the held text is that a stop string begins with."""
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:length]):
                    longest = length
                    break
        return longest
