"""The service as OpenAI's own client sees it: every field is honoured, or refused by its name."""

import json
import urllib.request

import openai
import pytest

from llaisys_mini.text.sampling import SamplingParams
from tests.server.conftest import serving

ASK = [{"role": "user", "content": "Tell me a story about a fox."}]


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server[0] + "/v1", api_key="none", max_retries=0)


def alone(model, text, count, **sampling):
    """What the model writes after `text` by itself."""
    ids = model.tokenizer.encode(text, add_special_tokens=False)
    stop_ids = model.config.stop_ids | model.tokenizer.end_ids
    return model.tokenizer.decode(list(model.generate(ids, count, stop_ids=stop_ids, **sampling)))


def chat_text(model, messages=ASK):
    return model.tokenizer.render_chat(messages)


def test_models(client):
    assert [model.id for model in client.models.list()] == ["mini"]
    assert client.models.retrieve("mini").id == "mini"
    with pytest.raises(openai.NotFoundError, match="there is no model 'other' here"):
        client.models.retrieve("other")


def test_a_chat_is_answered_as_the_model_answers(client, model):
    answer = client.chat.completions.create(model="mini", messages=ASK, max_tokens=30, temperature=0)
    (choice,) = answer.choices
    thoughts_left_out = alone(model, chat_text(model), 30, temperature=0).partition("</think>")[2].lstrip("\n")
    assert (choice.message.role, choice.message.content) == ("assistant", thoughts_left_out)
    assert choice.finish_reason == "length"
    prompt = len(model.tokenizer.encode(chat_text(model), add_special_tokens=False))
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (prompt, 30, prompt + 30)


def test_a_stream_is_the_same_text_in_pieces(client):
    given = dict(model="mini", messages=ASK, max_tokens=60, temperature=0.8, seed=5)
    whole = client.chat.completions.create(**given)
    chunks = list(client.chat.completions.create(**given, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage == whole.usage.model_copy(
        update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details}
    )
    deltas = [chunk.choices[0] for chunk in chunks[:-1]]
    assert "".join(delta.delta.content or "" for delta in deltas) == whole.choices[0].message.content
    assert len(deltas) > 20, "piece by piece"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == [whole.choices[0].finish_reason]
    assert deltas[0].delta.role == "assistant"


@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_and_several_choices(client, stream):
    given = dict(model="mini", prompt="Once upon a time", max_tokens=40, temperature=0, seed=1)
    text = client.completions.create(**given).choices[0].text
    stop = text[20:27]  # it begins and ends within tokens
    answer = client.completions.create(**given, stop=[stop, "never"], n=2, stream=stream)
    texts, reasons = ["", ""], {}
    for part in answer if stream else [answer]:
        for choice in part.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert texts == [text[: text.index(stop)]] * 2
    assert reasons == {0: "stop", 1: "stop"}


def test_choices_have_seeds_that_follow_each_other(client):
    given = dict(model="mini", prompt="Once upon a time", max_tokens=20, temperature=1.0)
    both = client.completions.create(**given, seed=7, n=2)
    one = [client.completions.create(**given, seed=seed).choices[0].text for seed in (7, 8)]
    assert [choice.text for choice in both.choices] == one
    assert one[0] != one[1]


def test_several_prompts_as_text_and_as_ids(client, model):
    prompts = ["Once upon a time", "The fox"]
    ids = [model.tokenizer.encode(prompt) for prompt in prompts]
    given = dict(model="mini", max_tokens=6, temperature=0)
    texts = [choice.text for choice in client.completions.create(prompt=prompts, **given).choices]
    assert texts == [choice.text for choice in client.completions.create(prompt=ids, **given).choices]
    assert (
        texts[1]
        == client.completions.create(prompt=ids[1], **given).choices[0].text
        == alone(model, "The fox", 6, temperature=0)
    )


def test_echo_with_probabilities_as_harnesses_ask_for_them(client, model):
    prompt = "Once upon a time there was"
    ids = model.tokenizer.encode(prompt)
    (choice,) = client.completions.create(model="mini", prompt=prompt, max_tokens=0, echo=True, logprobs=1).choices
    told = choice.logprobs
    assert choice.text == prompt == "".join(told.tokens)
    assert told.text_offset == [prompt.index(token) for token in told.tokens]
    import numpy as np

    logits = model.logits(ids).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert told.token_logprobs[0] is None
    assert told.token_logprobs[1:] == pytest.approx([logs[n, ids[n + 1]] for n in range(len(ids) - 1)], abs=1e-4)
    assert [max(each.values()) for each in told.top_logprobs[1:]] == pytest.approx(
        logs[:-1].max(axis=1).tolist(), abs=1e-4
    )


def test_probabilities_in_a_chat(client):
    (choice,) = client.chat.completions.create(
        model="mini", messages=ASK, max_tokens=9, temperature=0, logprobs=True, top_logprobs=2
    ).choices
    content = choice.logprobs.content
    assert len(content) == 9
    assert all(token.top_logprobs[0].logprob == token.logprob for token in content), "greedy: the likeliest"
    assert all(bytes(token.bytes).decode() == token.token for token in content)


def test_bias_and_penalties(client, model):
    token = model.tokenizer.encode(" the")[0]
    given = dict(model="mini", prompt="Once upon a time", max_tokens=12, temperature=0)
    only = client.completions.create(**given, logit_bias={str(token): 100}).choices[0].text
    assert only == " the" * 12
    varied = client.completions.create(**given, logit_bias={str(token): 20}, frequency_penalty=2, presence_penalty=2)
    assert varied.choices[0].text.count(" the") < 12


def test_an_answer_follows_a_schema(client):
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 99}, "why": {"enum": ["easy", "hard"]}},
        "required": ["sum", "why"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "sum", "schema": schema, "strict": True}}
    for seed in range(3):
        answer = client.chat.completions.create(
            model="mini",
            messages=[{"role": "user", "content": "What is 3 plus 4?"}],
            response_format=wanted,
            temperature=1.0,
            seed=seed,
        )
        found = json.loads(answer.choices[0].message.content)
        assert set(found) == {"sum", "why"} and 0 <= found["sum"] <= 99 and found["why"] in ("easy", "hard")
    with pytest.raises(openai.BadRequestError, match=r"this schema cannot be followed: .*nonsense"):
        client.chat.completions.create(
            model="mini",
            messages=ASK,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}},
        )


def test_the_first_page_of_a_second_turn_is_not_computed_again(client):
    told = [*ASK, {"role": "assistant", "content": "No."}, {"role": "user", "content": "Why not?"}]
    given = dict(model="mini", max_tokens=2, temperature=0)
    client.chat.completions.create(messages=told, **given)
    again = client.chat.completions.create(messages=told, **given)
    assert again.usage.prompt_tokens_details.cached_tokens >= 16


REFUSED = [
    (dict(unknown=1), "unknown: this server does not know this field"),
    (dict(temperature=3), "temperature: Input should be less than or equal to 2"),
    (dict(top_p=0), "top_p: Input should be greater than 0"),
    (dict(n=0), "n: Input should be greater than or equal to 1"),
    (dict(n=99), "n: Input should be less than or equal to 16"),
    (dict(max_tokens="5"), "max_tokens: Input should be a valid integer"),
    (dict(seed=-1), "seed: Input should be greater than or equal to 0"),
    (dict(stop=[""]), "stop: give at most 16 stop strings, none of them empty"),
    (dict(logit_bias={"fox": 1}), "logit_bias: its keys must be token ids|its keys must be token ids"),
    (dict(logit_bias={"2048": 1}), r"token ids must lie in 0\.\.2047"),
    (dict(tool_choice="required"), "tool_choice: this server does not do this"),
    (dict(reasoning_effort="high"), "reasoning_effort: this server does not do this"),
    (dict(top_logprobs=2), "top_logprobs is given, but logprobs is false"),
    (dict(stream_options={"include_usage": True}), "stream_options is given, but stream is false"),
    (dict(chat_template_kwargs={"x": 1}), "only enable_thinking is known, not x"),
    (dict(max_tokens=1, max_completion_tokens=1), "not both"),
    (dict(messages=[]), "messages: List should have at least 1 item"),
    (dict(messages=[{"role": "user"}]), "Message 1 must look like"),
    (dict(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "this model reads text only"),
    (dict(model="gpt-4"), "there is no model 'gpt-4' here, but 'mini'"),
    (
        dict(messages=[{"role": "user", "content": "fox " * 3000}]),
        r"the prompt has \d+ tokens, but the model's context holds 2048",
    ),
    (dict(max_tokens=2048), r"the prompt has \d+ tokens, so there is room for \d+ more, and 2048 are asked for"),
    (dict(max_completion_tokens=100_000), "leave the number out"),
    (dict(response_format={"type": "json_schema"}), "json_schema"),
]


@pytest.mark.parametrize(("field", "sentence"), REFUSED)
def test_what_is_refused_is_named(client, field, sentence):
    body = dict(model="mini", messages=ASK) | field
    with pytest.raises(openai.APIStatusError, match=sentence) as refused:
        client.post("/chat/completions", body=body, cast_to=object)
    assert refused.value.status_code in (400, 404)
    assert set(refused.value.body) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    "field", [dict(suffix="x"), dict(best_of=2), dict(prompt=""), dict(prompt=[]), dict(prompt=[5000])]
)
def test_what_completions_refuse(client, field):
    with pytest.raises(openai.BadRequestError):
        client.post("/completions", body=dict(model="mini", prompt="x") | field, cast_to=object)


def test_many_at_once_read_as_alone(client, model):
    from concurrent.futures import ThreadPoolExecutor

    prompts = [f"Once upon a time {name}" for name in "abcdefghijkl"]

    def ask(number):
        answer = client.completions.create(
            model="mini", prompt=prompts[number], max_tokens=30, temperature=1.0, seed=number
        )
        return answer.choices[0].text

    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(ask, range(12)))
    own = SamplingParams.of_model(model.config, temperature=1.0)
    assert together == [alone(model, prompt, 30, params=own, seed=number) for number, prompt in enumerate(prompts)]


def test_metrics_have_vllms_names(url, client):
    client.completions.create(model="mini", prompt="Once", max_tokens=2)
    text = urllib.request.urlopen(url + "/metrics").read().decode()
    for name in (
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:num_preemptions_total",
        "vllm:prefix_cache_queries_total",
        "vllm:prefix_cache_hits_total",
        'vllm:request_success_total{finished_reason="length"',
        "vllm:time_to_first_token_seconds_bucket",
        "vllm:inter_token_latency_seconds_bucket",
        "vllm:e2e_request_latency_seconds_bucket",
    ):
        assert name in text
    assert urllib.request.urlopen(url + "/health").status == urllib.request.urlopen(url + "/ready").status == 200


def test_a_key_is_asked_for_where_there_is_one(model):
    with serving(model, api_key="secret") as (url, _):
        for key in ("wrong", "secrets", ""):
            with pytest.raises(openai.AuthenticationError, match="the API key is missing or wrong"):
                openai.OpenAI(base_url=url + "/v1", api_key=key or "none", max_retries=0).models.list()
        assert openai.OpenAI(base_url=url + "/v1", api_key="secret").models.list().data
        assert urllib.request.urlopen(url + "/health").status == 200
