"""stop_filter: only the description changes."""

from llaisys_mini import answer


@answer("stop_filter")
class StopFilter:
    def __init__(self, stops):
        ### BEGIN SOLUTION
        self.stops = sorted(stops, key=len, reverse=True)
        self.held = ""
        self.found = None
        ### END SOLUTION

    def feed(self, text):
        ### BEGIN SOLUTION
        for letter in text:
            if self.found is not None:
                break
            self.held += letter
            for stop in self.stops:
                if self.held.endswith(stop):
                    given, self.held, self.found = self.held[: -len(stop)], "", stop
                    return given, stop
        # From the first place where a stop string could begin, everything waits.
        place = 0
        while place < len(self.held) and not any(stop.startswith(self.held[place:]) for stop in self.stops):
            place += 1
        given, self.held = self.held[:place], self.held[place:]
        return given, self.found
        ### END SOLUTION

    def finish(self):
        ### BEGIN SOLUTION
        given, self.held = self.held, ""
        return given
        ### END SOLUTION
