"""Our answers have the fields of vLLM's, for the same requests. Long, and only where a vLLM server runs beside:

vllm serve data/models/mini --served-model-name mini --port 8001
VLLM_URL=http://127.0.0.1:8001 make test-long ARGS=tests/server/test_like_vllm.py
"""

import json
import os
import urllib.error
import urllib.request

import pytest

THEIRS = os.environ.get("VLLM_URL", "")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not THEIRS, reason="not run: VLLM_URL names no vLLM server"),
]

COMPLETION = dict(model="mini", prompt="One day, a", max_tokens=8, temperature=0)
CHAT = dict(
    model="mini", messages=[{"role": "user", "content": "Tell me a story."}], max_completion_tokens=8, temperature=0
)
REQUESTS = {
    "completion": ("/v1/completions", COMPLETION),
    "completion with probabilities": ("/v1/completions", COMPLETION | dict(logprobs=2, echo=True)),
    "two choices": ("/v1/completions", COMPLETION | dict(n=2, temperature=1, seed=1)),
    "stop": ("/v1/completions", COMPLETION | dict(stop=["a"])),
    "chat": ("/v1/chat/completions", CHAT),
    "chat with probabilities": ("/v1/chat/completions", CHAT | dict(logprobs=True, top_logprobs=2)),
    "completion, streamed": ("/v1/completions", COMPLETION | dict(stream=True)),
    "chat, streamed": ("/v1/chat/completions", CHAT | dict(stream=True, stream_options={"include_usage": True})),
    "no such model": ("/v1/completions", COMPLETION | dict(model="none")),
    "a temperature below 0": ("/v1/completions", COMPLETION | dict(temperature=-1)),
    "too long": ("/v1/completions", COMPLETION | dict(max_tokens=100_000)),
    "models": ("/v1/models", None),
}
OWN_WORDS = {
    # What an error is called is each server's own affair; clients go by the status. OpenAI's code is a word, vLLM's a
    # number.
    "error.type",
    "error.param",
    "error.code",
}
MORE = "prompt_tokens_details.cached_tokens"  # OpenAI's; vLLM tells it with --enable-prompt-tokens-details


def asked(base, path, body):
    """(status, answer); of a stream the events, without the last, which is [DONE]."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            status, text = response.status, response.read().decode()
    except urllib.error.HTTPError as problem:
        status, text = problem.code, problem.read().decode()
    if not (body and body.get("stream")):
        return status, json.loads(text)
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return status, [json.loads(event) for event in events]


def fields(value, name=""):
    """Path -> kinds of values that are there; the elements of a list count as one. Null is no value."""
    if isinstance(value, dict) and not name.endswith("top_logprobs"):
        found = {}
        for key, part in value.items():
            for path, kinds in fields(part, f"{name}.{key}".lstrip(".")).items():
                found.setdefault(path, set()).update(kinds)
        return found
    if isinstance(value, list):
        found = {name: {"list"}}
        for part in value:
            for path, kinds in fields(part, name + "[]").items():
                found.setdefault(path, set()).update(kinds)
        return found
    kind = {int: "number", float: "number"}.get(type(value), type(value).__name__)
    return {} if value is None else {name: {kind}}


@pytest.mark.parametrize("what", REQUESTS)
def test_fields(url, what):
    path, body = REQUESTS[what]
    status, ours = asked(url, path, body)
    their_status, theirs = asked(THEIRS, path, body)
    assert status == their_status
    ours, theirs = fields(ours), fields(theirs)
    unlike = {
        name: (kinds, theirs.get(name, "absent"))
        for name, kinds in ours.items()
        if name not in OWN_WORDS and not name.endswith(MORE) and kinds != theirs.get(name)
    }
    assert not unlike


def test_greedy_texts(url):
    """The same tokens, unless two are nearly equally likely; so it is asked of several short texts."""
    same = 0
    for begin in ("One day, a", "Once upon a time", "The little dog", "A bird", "In the garden"):
        body = COMPLETION | dict(prompt=begin, max_tokens=16)
        texts = [asked(base, "/v1/completions", body)[1]["choices"][0]["text"] for base in (url, THEIRS)]
        same += texts[0] == texts[1]
    assert same >= 4
