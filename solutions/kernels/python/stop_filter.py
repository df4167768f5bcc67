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
        if self.found is not None:
            return "", self.found
        self.held += text
        for place in range(len(self.held)):
            for stop in self.stops:
                if self.held.startswith(stop, place):
                    given, self.held, self.found = self.held[:place], "", stop
                    return given, stop
        # From the first place where a stop string could begin, everything waits.
        for place in range(len(self.held)):
            if any(stop.startswith(self.held[place:]) for stop in self.stops):
                break
        else:
            place = len(self.held)
        given, self.held = self.held[:place], self.held[place:]
        return given, None
        ### END SOLUTION

    def finish(self):
        ### BEGIN SOLUTION
        given, self.held = self.held, ""
        return given
        ### END SOLUTION
