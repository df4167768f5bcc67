"""A conversation that outgrows the context loses whole turns from its beginning, and never the system message."""

import pytest

from llaisys_mini import load_model
from llaisys_mini.engine.conversation import FULLEST, fit
from llaisys_mini.text.tokenizer import Tokenizer
from tests.models.published import DEEPSEEK_1_5B, QWEN3_0_6B
from tests.models.published_files import write_descriptions

ANSWER = "Once there was a fox named Dot. " * 6


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


def said(role, content):
    return {"role": role, "content": content}


def turns(count):
    return [message for i in range(count) for message in (said("user", f"Story {i}?"), said("assistant", ANSWER))]


def fitted(model, messages, **options):
    return fit(messages, model.tokenizer, model.config.max_positions, **options)


def test_a_short_conversation_is_kept_whole(model):
    messages = [*turns(1), said("user", "Hello!")]
    prompt = fitted(model, messages)
    assert (prompt.messages, prompt.forgotten) == (messages, 0)
    assert prompt.ids == model.tokenizer.encode(model.tokenizer.render_chat(messages))
    assert fitted(model, messages, think=False).ids != prompt.ids


@pytest.mark.parametrize("system", [[], [said("system", "You like foxes.")]], ids=["no system message", "system"])
def test_a_long_one_loses_whole_turns_from_its_beginning(model, system):
    messages = [*system, *turns(80), said("user", "And now?")]
    prompt = fitted(model, messages)
    limit = FULLEST * model.config.max_positions
    assert len(prompt.ids) <= limit
    assert prompt.forgotten % 2 == 0
    kept = messages[len(system) + prompt.forgotten :]
    assert prompt.messages == [*system, *kept]
    assert kept[0]["role"] == "user"
    one_more = [*system, *messages[len(system) + prompt.forgotten - 2 :]]
    assert len(model.tokenizer.encode(model.tokenizer.render_chat(one_more))) > limit


def test_the_last_message_stays_however_long(model):
    system, last = said("system", "Be kind."), said("user", "kite " * 3000)
    prompt = fitted(model, [system, *turns(3), last])
    assert prompt.messages == [system, last]
    assert len(prompt.ids) > model.config.max_positions


def test_a_template_writes_the_begin_token_and_opens_the_thoughts_itself(tmp_path):
    """As DeepSeek-R1-Distill's does. Thoughts of earlier answers are left out."""
    tokenizer = Tokenizer.open(write_descriptions(DEEPSEEK_1_5B, tmp_path))
    thought = {"role": "assistant", "content": "4", "reasoning_content": "2+2"}
    prompt = fit([said("user", "2+2?"), thought, said("user", "Hello!")], tokenizer, 4096)
    assert tokenizer.decode(prompt.ids, skip_special_tokens=False) == (
        "<｜begin▁of▁sentence｜><｜User｜>2+2?<｜Assistant｜>4<｜end▁of▁sentence｜><｜User｜>Hello!<｜Assistant｜><think>\n"
    )
    assert prompt.opens_thoughts


@pytest.mark.parametrize("think", [True, False, None])
def test_qwen3_opens_its_thoughts_itself(tmp_path, think):
    tokenizer = Tokenizer.open(write_descriptions(QWEN3_0_6B, tmp_path))
    assert not fit([said("user", "What is <think>?")], tokenizer, 4096, think).opens_thoughts
