"""Stop strings: however a text is cut into pieces, what is given out is the text before the first of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llaisys_mini.server.stops import StopFilter

LETTERS = st.text("ab<>", max_size=14)


@given(
    text=LETTERS, stops=st.lists(st.text("ab<>", min_size=1, max_size=4), max_size=3), cuts=st.lists(st.integers(0, 14))
)
def test_any_text_in_any_pieces(text, stops, cuts):
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    _, end = min(ends, default=(None, None))
    filtered, given_out = StopFilter(stops), ""
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    for first, last in pairwise(edges):
        given_out += filtered.feed(text[first:last])
        assert text[:end].startswith(given_out), "nothing of a stop string is seen, nor of what comes after it"
    if filtered.found is None:
        given_out += filtered.finish()
    assert given_out == text[:end]
    assert (filtered.found is not None) == (end is not None)
    if end is not None:
        assert text[end:].startswith(filtered.found)


def test_only_what_could_become_a_stop_string_is_held_back():
    filtered = StopFilter(["<|end|>"])
    assert [filtered.feed(piece) for piece in ("Hello", " <", "b> and <|e", "nd", "less")] == [
        "Hello",
        " ",
        "<b> and ",
        "",
        "<|endless",
    ]
