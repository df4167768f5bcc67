"""stop_filter: a text ends before a stop string, and no part of it is given out."""

from itertools import pairwise

from llaisys_mini.exercise import exercise
from llaisys_mini.trace import call_methods


@exercise
class stop_filter:
    """Ends a text that arrives in pieces before the first of `stops`, none of which is empty.

    feed(text)   takes in text; returns (given, found). given: what is certain to stand before a stop string. What
                 could be the beginning of one is held back, and no more than that. found: the stop string that was
                 met, or None. It is the one that is complete first, however the text is cut into pieces; of several
                 that end at the same place the longest. Behind it nothing is given any more.
    finish()     no more text comes; returns what was held back, if no stop string was met
    """

    def __init__(self, stops):
        self.stops = stops
        self.held = ""
        self.found = None

    def feed(self, text):
        if self.found is None:
            self.held += text
            places = [(self.held.find(stop) + len(stop), -len(stop), stop) for stop in self.stops if stop in self.held]
            if places:
                end, _, self.found = self.chosen(places)
                place = end - len(self.found)
                given, self.held = self.held[:place], ""
                return given, self.found
            keep = self.beginning()
            certain = len(self.held) - keep
            given, self.held = self.held[:certain], self.held[certain:]
            return given, None
        return "", self.found

    chosen = staticmethod(min)

    def beginning(self):
        """How many characters at the end could be the beginning of a stop string."""
        lengths = range(len(self.held) + 1)
        return max(n for n in lengths if n == 0 or any(s.startswith(self.held[-n:]) for s in self.stops))

    def finish(self):
        given, self.held = self.held, ""
        return given


stop_filter.trace(call_methods)


@stop_filter.cases
def cases(rng):
    def inputs(stops, *pieces):
        return dict(stops=stops, events=[*(("feed", piece) for piece in pieces), ("finish",)])

    yield "no stop string", inputs([], "Once ", "upon a time")
    yield "it does not occur", inputs(["END"], "Once upon ", "a time")
    yield "in the middle of a piece", inputs(["END"], "Once END upon", " a time")
    yield "a piece of its own", inputs(["END"], "Once ", "END", " more")
    yield "cut in two", inputs(["END"], "Once E", "ND upon")
    yield "letter by letter", inputs(["END"], *"Once END.")
    yield "a line of its own", inputs(["\n\n"], "One.\n", "Two.\n", "\nThree.")
    yield "it begins and goes on otherwise", inputs(["END"], "the EN", "gine and the END")
    yield "it begins, and begins again", inputs(["ENEND"], "ENE", "NEND ", "x")
    yield "the beginning repeats itself", inputs(["aab"], "a", "a", "a", "a", "b", "c")
    yield "the text ends with half of it", inputs(["END"], "Once upon EN")
    yield "several stop strings, the second comes first", inputs(["END", "upon"], "Once ", "up", "on a time END")
    yield "both begin in one piece, the later one is named first", inputs(["time", "a"], "x a time")
    yield "one is the beginning of another", inputs(["END.", "END"], "Once END. Twice")
    yield "one is the end of another", inputs(["END", "THE END"], "This is THE END.")
    yield "one is the end of another, cut in two", inputs(["END", "THE END"], "This is THE E", "ND.")
    yield "one lies within another", inputs(["HE", "THE END"], "This is THE END.")
    yield "the shorter one is complete, the longer one not yet", inputs(["END", "ENDING"], "the EN", "D", "ING")
    yield "a stop string of one character", inputs(["."], "Once upon a time. And", " then")
    yield "it is the whole text", inputs(["END"], "END")
    yield "pieces without text", inputs(["END"], "", "E", "", "ND", "")
    letters = "".join("ab"[int(i)] for i in rng.integers(2, size=60))
    edges = sorted({0, 60, *(int(i) for i in rng.integers(1, 60, size=30))})
    pieces = [letters[a:b] for a, b in pairwise(edges)]
    yield "some letters", inputs([letters[40:48], letters[44:47] + "c", "bbbbbbb"], *pieces)


@stop_filter.mistake("each piece is searched by itself: a stop string that is cut in two is not seen")
class piece_by_piece(stop_filter.reference):
    def feed(self, text):
        self.held = ""
        given, found = super().feed(text)
        return given + self.finish(), found


@stop_filter.mistake("nothing is held back: the beginning of a stop string was given out before the rest came")
class leaking(stop_filter.reference):
    def __init__(self, stops):
        super().__init__(stops)
        self.all = ""

    def feed(self, text):
        if self.found is not None:
            return "", self.found
        before, self.all = len(self.all), self.all + text
        places = [(self.all.find(stop) + len(stop), -len(stop), stop) for stop in self.stops if stop in self.all]
        if places:
            end, _, self.found = min(places)
            return self.all[before : max(before, end - len(self.found))], self.found
        return text, None


@stop_filter.mistake("the stop string itself is given out")
class included(stop_filter.reference):
    def feed(self, text):
        was_found = self.found
        given, found = super().feed(text)
        return given + (found or "") * (was_found is None), found


@stop_filter.mistake("text behind the stop string is given out")
class goes_on(stop_filter.reference):
    def feed(self, text):
        if self.found is not None:
            return text, self.found
        return super().feed(text)


@stop_filter.mistake("as many characters as a stop string has are held back, whether they could be one or not")
class holds_too_much(stop_filter.reference):
    def beginning(self):
        return min(len(self.held), max((len(stop) for stop in self.stops), default=1) - 1)


@stop_filter.mistake("what was held back is lost when no more text comes")
class end_lost(stop_filter.reference):
    def finish(self):
        return ""


@stop_filter.mistake("the first string of the list that occurs ends the text, and not the one that is complete first")
class first_of_list(stop_filter.reference):
    def feed(self, text):
        if self.found is None:
            for stop in self.stops:
                if stop in self.held + text:
                    given, self.found, self.held = (self.held + text).split(stop)[0], stop, ""
                    return given, stop
        return super().feed(text)


@stop_filter.mistake(
    "of two stop strings that end at the same place the shorter one is taken: the longer one's beginning leaks"
)
class shorter_one(stop_filter.reference):
    @staticmethod
    def chosen(places):
        return min(places, key=lambda place: (place[0], len(place[2])))


@stop_filter.mistake(
    "the one that begins first is taken, and not the one that is complete first: it depends on the pieces"
)
class begins_first(stop_filter.reference):
    @staticmethod
    def chosen(places):
        return min(places, key=lambda place: (place[0] - len(place[2]), -len(place[2])))


@stop_filter.mistake("only one beginning is tried, and forgotten where it fails: 'aab' is not found in 'aaab'")
class no_second_try(stop_filter.reference):
    def beginning(self):
        for n in range(1, len(self.held) + 1):
            if any(stop.startswith(self.held[-n:]) for stop in self.stops):
                return n
        return 0
