"""Thoughts and answers are told apart however the text is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llaisys_mini.text.thinking import ThinkingView

TEXTS = [
    ("<think>\n\n</think>\n\nThe kite was red.", "", "The kite was red."),
    ("<think>\n8 + 7 = 15\ncarry 1\n</think>\n\n125", "8 + 7 = 15\ncarry 1", "125"),
    ("No thoughts at all, 1 < 2.", "", "No thoughts at all, 1 < 2."),
    ("<thin air", "", "<thin air"),
    ("<think>\ncut off in the mid", "cut off in the mid", ""),
    ("<think>\na < b </th", "a < b </th", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "thought", "answer"), TEXTS)
@given(data=st.data())
def test_any_cut_shows_the_same(text, thought, answer, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    view, shown = ThinkingView(), []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        shown += view.feed(text[start:end])
    shown += view.finish()
    assert "".join(piece for piece, is_thought in shown if is_thought).strip() == thought
    assert "".join(piece for piece, is_thought in shown if not is_thought) == answer
    assert view.text == text
