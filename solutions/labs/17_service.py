# %% [markdown]
# # Lab 17: a service
#
# Between the tokens of an engine and the user who reads them, a server needs three small parts. The first turns bytes into text, without
# incomplete characters. The second ends the text at a stop string that the client has given. The third sends each piece of text as soon as
# it is certain. You write all three, and use them in a server with OpenAI's API.
#
# | part | minutes | |
# |---|---|---|
# | 1 text from bytes | 25 | required |
# | 2 stop strings | 30 | required |
# | 3 events | 25 | required |
# | 4 your server | 10 | to look at |
# | 5 reading a request | 25 | extra |
# | 6 a client that disconnects | 25 | extra |
# | 7 in your own words | 10 | required |
#
# As in lab 16, the checks call your code for a list of events. Nothing here needs a network.

# %%
import contextlib
import json

from llaisys_mini import check, exercises, load_model

# %% [markdown]
# ## 1. Text from bytes
#
# A token represents bytes, and a character in UTF-8 consists of one to four bytes. So a token may end in the middle of a character:
#
# | character | bytes (hexadecimal) | the first byte is | the others are |
# |---|---|---|---|
# | `a` | 61 | 00 to 7F | |
# | `é` | C3 A9 | C2 to DF: two bytes | 80 to BF |
# | `狐` | E7 8B 90 | E0 to EF: three bytes | 80 to BF |
# | `🦊` | F0 9F A6 8A | F0 to F4: four bytes | 80 to BF |
#
# Write a class with two methods:
#
# - `feed(data)` takes a list of bytes (integers from 0 to 255) and returns the text that is now certain. If a character is incomplete, its
#   bytes are held back.
# - `finish()` is called when no more bytes come, and returns what is still held back.
#
# Bytes that cannot be part of a character become U+FFFD, as in `bytes.decode("utf-8", "replace")`. Do not hold them back: FF, for example, is
# never the beginning of a character.
#
# With `🦊` in two pieces: `feed([0x41, 0xF0, 0x9F])` returns `"A"`, `feed([0xA6, 0x8A, 0x21])` returns `"🦊!"`.

# %% task="python/text_deltas"

# %% [markdown]
# <details><summary>Hint 1: what may have to wait?</summary>
#
# At most three bytes at the very end. Where can the character begin to which they belong?
#
# </details>
# <details><summary>Hint 2: looking back</summary>
#
# Go back from the end, one byte at a time, at most three. A byte below 80 is a whole character: hold nothing back. A byte from C0 on begins a
# character: how many bytes does it need, and how many are there? At any other byte, go on.
#
# </details>
# <details><summary>Hint 3: the rest</summary>
#
# `data = self.held + bytes(data)`. When you know where to cut: `self.held = data[cut:]`, and return
# `data[:cut].decode("utf-8", "replace")`. Python's own `codecs.getincrementaldecoder` does the same; try both.
#
# </details>

# %% test="deltas-public" points=3
check("text_deltas")

# %% test="deltas-hidden" points=2
# Other texts, when it is graded.
### BEGIN HIDDEN TESTS
check("text_deltas", seed=41701)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Stop strings
#
# A client that gives `stop=["\n\n"]` wants the text up to the first empty line, without the line breaks. The text arrives in pieces, and the
# stop string may be divided between two of them: `"One.\n"`, then `"\nTwo."`. A line break that has been sent cannot be taken back. So hold back
# everything that *could* be the beginning of a stop string, and nothing else.
#
# Write a class:
#
# - `StopFilter(stops)` takes a list of texts, none of them empty.
# - `feed(text)` returns `(given, found)`. `given` is the text that can be sent now. `found` is the stop string that was found, or None. It is
#   the one that is **complete first**, however the text is divided into pieces; if several end at the same place, the longest. After a stop
#   string was found, no further text is given.
# - `finish()` is called when no more text comes, and returns what is still held back.
#
# With the stop string `END`:
#
# | event | result | held back |
# |---|---|---|
# | `feed("the EN")` | `("the ", None)` | `EN` |
# | `feed("gine E")` | `("ENgine ", None)` | `E` |
# | `feed("ND. And")` | `("", "END")` | |
# | `feed(" then")` | `("", "END")` | |

# %% task="python/stop_filter"

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Neither in the new piece alone nor in the whole text so far. Where, then?
#
# </details>
# <details><summary>Hint 2: what has to wait</summary>
#
# Look for the first place from which on the whole rest is the beginning of a stop string: `stop.startswith(held[place:])`. With the stop string
# `aab` and the held text `aaa` this is place 1: the first `a` can be given, the other two cannot.
#
# </details>
# <details><summary>Hint 3: the order</summary>
#
# Add the new text to the held text letter by letter, and test after each letter whether it now ends with a stop string, the longest first. This
# finds the stop string that is complete first. If there is none, find the place of hint 2, give the text before it, and hold the rest.
#
# </details>

# %% test="stop-public" points=4
check("stop_filter")

# %% test="stop-hidden" points=2
# Other texts, when it is graded.
### BEGIN HIDDEN TESTS
check("stop_filter", seed=41702)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Events
#
# A streamed answer is one HTTP response that lasts as long as the model writes. It consists of *server-sent events*: each is `data: `, followed
# by an object as JSON on one line, followed by **two** line breaks, which tell the client that the event is complete.
#
# `sse_events(common, deltas, ending)` is a generator of such events as bytes:
#
# - `common` is a dictionary of the fields with which every event begins. `deltas` is an iterator over the pieces of text; asking it for the next
#   piece makes the model compute. `ending()` returns `(finish_reason, usage)`; call it when there are no more pieces.
# - An event is `common` with `"choices": [{"index": 0, "delta": ..., "finish_reason": ...}]`.
#
# | when | delta | finish_reason |
# |---|---|---|
# | at the beginning, before asking for a piece | `{"role": "assistant", "content": ""}` | None |
# | for each piece that is not empty, before asking for the next one | `{"content": piece}` | None |
# | at the end | `{}` | the reason |
#
# Then, if the usage is not None, yield an event with `"choices": []` and `"usage": usage`. Last, yield the bytes `data: [DONE]` with two line
# breaks; this is not JSON.
#
# The first event of an answer with `common = {"id": "x"}`, on one line:
#
# ```
# data: {"id": "x", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}
# ```

# %% task="python/sse_events"

# %% [markdown]
# <details><summary>Hint 1: when is an event sent?</summary>
#
# A generator runs only when the caller asks for the next value. Code before a `yield` runs before the value is delivered, code after it runs
# later. So where in the loop over `deltas` must the `yield` be?
#
# </details>
# <details><summary>Hint 2: text in JSON</summary>
#
# A piece may contain line breaks and quotation marks. `json.dumps` writes them as `\n` and `\"`, so that a line break in the text does not end
# the event. It also writes None as `null`.
#
# </details>
# <details><summary>Hint 3: two helpers</summary>
#
# Write one function that turns an object into bytes, `f"data: {json.dumps(content)}\n\n".encode()`, and one that makes the object from a delta
# and a reason, `{**common, "choices": [...]}`. The generator then has five `yield`s.
#
# </details>

# %% test="events-public" points=4
check("sse_events")

# %% test="events-hidden" points=2
# Other answers, when it is graded.
### BEGIN HIDDEN TESTS
check("sse_events", seed=41703)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Your server
#
# An *ASGI application* is a function that a web server calls for each request. `receive` returns what the client sends, `send` sends to the
# client. This one is complete. It uses your three parts, if they have passed, and the engine of lab 16.

# %%
model = load_model("mini")
tokenizer = model.tokenizer
engine = model.engine()


def answer_text(asked, told):
    """The pieces of an answer; what is known at its end goes to `told`."""
    text = tokenizer.render_chat(asked["messages"], enable_thinking=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    request = engine.add(ids, stop_ids=model.config.stop_ids | tokenizer.end_ids)
    letters, stops = exercises.get("text_deltas")(), exercises.get("stop_filter")(asked.get("stop", []))
    seen, found = 0, None
    while not request.is_finished:
        engine.step()
        for token in request.tokens[seen:]:
            piece, found = stops.feed(letters.feed(list(tokenizer.bytes_of(token.id))))
            yield piece
        seen = len(request.tokens)
        if found or seen >= asked.get("max_tokens", 100):
            engine.abort(request)
    if not found:
        piece, found = stops.feed(letters.finish())
        yield piece + stops.finish()
    told["reason"] = "stop" if found or request.stop_reason == "stop" else "length"
    told["usage"] = {"prompt_tokens": len(ids), "completion_tokens": seen, "total_tokens": len(ids) + seen}


async def app(scope, receive, send):
    async def respond(data, more):
        await send({"type": "http.response.body", "body": data, "more_body": more})

    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part["body"], part["more_body"]
    asked, told = json.loads(body), {}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "mini"}
    pieces = answer_text(asked, told)
    for event in exercises.get("sse_events")(common, pieces, lambda: (told["reason"], told["usage"])):
        await respond(event, True)
    await respond(b"", False)


# %% [markdown]
# First without a web server: we call the application ourselves, and print what it sends.

# %%
question = {"model": "mini", "messages": [{"role": "user", "content": "What is 347 + 285?"}], "stop": ["."]}


def call(asked):
    async def receive():
        return {"type": "http.request", "body": json.dumps(asked).encode(), "more_body": False}

    async def send(message):
        print(message.get("status") or message["body"].decode().strip()[:200])

    with contextlib.suppress(StopIteration):
        app({"type": "http"}, receive, send).send(None)  # it waits for nothing, so it runs to its end at once


call(question)

# %% [markdown]
# Now with a web server, if `uvicorn` is installed (`make serve` installs it): it listens on a port of this machine, and a client reads the
# answer line by line.

# %%
import http.client
import importlib.util
import threading
import time


def serve_and_ask(asked):
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(asked), {"Content-Type": "application/json"})
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                print(choice["delta"].get("content", ""), end="", flush=True)
    server.should_exit = True
    thread.join()


if importlib.util.find_spec("uvicorn"):
    serve_and_ask(question | {"stop": []})
else:
    print("not run: uvicorn is not installed; `make serve` installs it")

# %% [markdown]
# The course's own server, `make serve`, consists of the same parts. It also has a queue, writes many texts at once, and answers every kind of
# wrong request with an error message:
#
# ```
# make serve
# curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \
#   -d '{"model": "mini", "stream": true, "messages": [{"role": "user", "content": "What is 347 + 285?"}]}'
# ```

# %% [markdown]
# ## 5. Extra: reading a request
#
# A client may send anything. `chat_request(body, model)` reads the body, a string, for a server with one model. It returns `(status, content)`.
#
# For a valid request this is `(200, fields)`, with **all** of these fields:
#
# | field | allowed | if it is missing, or null |
# |---|---|---|
# | `messages` | a list of at least one `{"role": ..., "content": text}`; roles system, user, assistant | an error |
# | `max_tokens` | an integer from 1 on | None |
# | `temperature` | a number from 0 to 2 | 1.0 |
# | `stream` | true or false | False (null is an error) |
# | `stop` | a string, or a list of at most four; none of them empty. The result is a list | `[]` |
#
# Otherwise return `(status, {"error": {"message": ..., "param": name}})`. `param` is the name of the field, or None if the body is not a JSON
# object. The status is 400, or 404 if `"model"` is the name of another model. An unknown field is an error too: a client that sends `top_k`
# should be told that it has no effect here.
#
# true and false do not count as numbers.

# %% task="python/chat_request"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `json.loads` raises ValueError if the text is not JSON. It accepts `3` and `[]`, which are JSON but not objects.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `isinstance(True, int)` is true in Python. `type(value) is int` is stricter.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Python's JSON reader accepts `NaN`. The test `not 0 <= value <= 2` rejects it, `value < 0 or value > 2` does not: every comparison with NaN is
# false.
#
# </details>

# %% test="request-public" points=2
check("chat_request")

# %% [markdown]
# ## 6. Extra: a client that disconnects
#
# A user closes the web page while the model writes. If the server does not notice, the engine goes on writing in vain, and other texts lack its
# pages of the cache.
#
# `abort_on_disconnect(receive, send, events, abort)` is an `async` function that answers one request:
#
# - It sends `{"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}`, then for each event of the asynchronous
#   iterator `events` a `{"type": "http.response.body", "body": event, "more_body": True}`, and at the end the same with `b""` and `False`.
# - **At the same time** it awaits `receive()`. When this returns a message of the type `"http.disconnect"`, it calls `abort()` immediately and
#   only once, sends nothing more, and returns. Other messages are ignored.
# - An answer that is complete is not aborted. When the function has returned, none of its tasks is running any more.

# %% task="python/abort_on_disconnect"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The next event may come a minute later. So it is not enough to test after each event whether the client is still there: two things must be
# awaited at the same time.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write two inner `async` functions, one that sends and one that watches, and make a task of each with `asyncio.create_task`. What does
# `asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)` do?
#
# </details>
# <details><summary>Hint 3</summary>
#
# If the sending task is not `done()`, the client has disconnected. At the end cancel both tasks, and await them with
# `asyncio.gather(..., return_exceptions=True)`, so that they have really ended.
#
# </details>

# %% test="abort-public" points=2
check("abort_on_disconnect")

# %% [markdown]
# ## 7. In your own words
#
# Your engine writes 16 texts at a time, and each takes 10 seconds. At noon 200 requests arrive within a second. What happens if the queue has no
# limit? What happens if the server answers 429 (too many requests) when 32 requests are waiting, and what should it tell those clients?

# %% [markdown] written="queue" points=2
# Without a limit all 200 wait, and the last of them for 200 / 16 rounds of 10 seconds, more than two minutes. Many clients give up before that; if the server does not
# notice, it writes for them all the same, and the wait of everyone grows. With a limit of 32 the ones in the queue wait at most about 20 more seconds,
# and 152 clients learn at once that they are not served now. The answer 429 should carry Retry-After: a time after which to try again, best with some
# chance in it on the client's side, so that they do not all come back in the same second.
