"""Thoughts and answers are told apart however the text is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llaisys_mini.text.thinking import ThinkingView, opens_thoughts

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


OPEN_TEXTS = [
    ("8 + 7 = 15\n</think>\n\n15", "8 + 7 = 15", "15"),
    ("</think>\n\n15", "", "15"),
    ("<think>\nonce more\n</think>\n15", "once more", "15"),
    ("1 < 2, </thi", "1 < 2, </thi", ""),
    ("<thin air", "<thin air", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "thought", "answer"), OPEN_TEXTS)
@given(data=st.data())
def test_thoughts_that_the_prompt_has_opened(text, thought, answer, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    view, shown = ThinkingView(is_open=True), []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        shown += view.feed(text[start:end])
    shown += view.finish()
    assert "".join(piece for piece, is_thought in shown if is_thought).strip() == thought
    assert "".join(piece for piece, is_thought in shown if not is_thought) == answer
    assert view.message().get("reasoning_content", "") == thought
    assert view.message()["content"] == answer


def test_a_message_tells_thoughts_and_answer_apart():
    def message(text):
        view = ThinkingView()
        view.feed(text)
        return view.message()

    assert message("<think>\n2+2\n</think>\n\n4") == {
        "role": "assistant",
        "content": "4",
        "reasoning_content": "2+2",
    }
    assert message("<think>\n\n</think>\n\n4") == {"role": "assistant", "content": "4"}
    assert message("\n4 < 5\n") == {"role": "assistant", "content": "\n4 < 5\n"}


def test_only_the_end_of_a_prompt_opens_thoughts():
    assert opens_thoughts("<|im_start|>assistant\n<think>\n")
    assert not opens_thoughts("What is <think>?<|im_end|>\n<|im_start|>assistant\n")
    assert not opens_thoughts("<|im_start|>assistant\n<think>\n\n</think>\n\n")
