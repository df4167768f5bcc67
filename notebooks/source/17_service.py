# %% [markdown]
# # 17 · A service
#
# **Question:** an engine writes tokens. What stands between them and somebody who reads along in another program, and what can go wrong there?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [16 Many texts at once](16_many_texts.ipynb) | the engine (16), tokens and special tokens (11) | 25 minutes | [17 a service](../labs/17_service/17_service.ipynb) | [18 From a list of calls to one](18_one_call.ipynb) |

# %%
import http.client
import http.server
import json
import threading

import numba
import numpy as np
from ipywidgets import interact

from llaisys_mini import load_model, plots
from llaisys_mini.server.stops import StopFilter
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.text.tokenizer import TextStream

numba.set_num_threads(1)  # the passes here are small
model = load_model("mini")
tokenizer = model.tokenizer
STOPS = model.config.stop_ids | tokenizer.end_ids

# %% [markdown]
# ## 1. The question and the answer are text
#
# Most programs that talk to language models use one interface: OpenAI's API. It is built on HTTP, which is text over a connection: a line that says what is
# wanted, some headers, an empty line, and a *body*. The body of a request is JSON: who said what, and how the answer is to be made. The model's *chat template* lays
# these messages out as one text, with special tokens around what each speaker says.


# %%
def prompt_of(asked):
    """The ids that the model reads, from the messages of a request."""
    text = tokenizer.render_chat(asked["messages"], enable_thinking=False)
    return tokenizer.encode(text, add_special_tokens=False)


def complete(asked):
    """The answer as one object, in OpenAI's form."""
    ids = prompt_of(asked)
    params = SamplingParams(temperature=0.0, max_new_tokens=asked.get("max_tokens"))
    writing = model.generate(ids, params=params)
    new = list(writing)
    message = {"role": "assistant", "content": tokenizer.decode(new)}
    usage = {"prompt_tokens": len(ids), "completion_tokens": len(new)}
    choice = {"index": 0, "message": message, "finish_reason": writing.stop_reason}
    return {"object": "chat.completion", "model": "mini", "choices": [choice], "usage": usage}


question = {"model": "mini", "messages": [{"role": "user", "content": "What is 347 + 285?"}]}
print(
    "what the model reads:", repr(tokenizer.decode(prompt_of(question), skip_special_tokens=False))
)
print("what the client gets:", json.dumps(complete(question), indent=1))

# %% [markdown]
# `finish_reason` says why the text ended: `stop`, by a stop token or a stop string, or `length`, because no more tokens were allowed. A client that ignores it may
# show half a sentence as an answer.
#
# Python's standard library has a small web server. Here it answers on a port of this machine; the client is a bare connection, so that we see every byte.


# %%
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps(complete(json.loads(body))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)  # 0: any port that is free
threading.Thread(target=server.serve_forever, daemon=True).start()
client = http.client.HTTPConnection("127.0.0.1", server.server_port)
client.request("POST", "/v1/chat/completions", json.dumps(question))
response = client.getresponse()
print(response.status, response.reason, "-", response.headers["Content-Type"])
print(json.loads(response.read())["choices"][0])
server.shutdown()

# %% [markdown]
# That is a service, in 30 lines, and `curl` or the `openai` package could use it. The rest of this lecture is about what it lacks.
#
# ## 2. Streaming: the first word
#
# A reader does not want to wait for the last word to see the first. With `"stream": true` the answer comes in pieces, as *server-sent events*: lines of text, each
# `data: ` and an object, with an empty line behind it. A piece is called a *delta*: only what is new.


# %%
def event(content):
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def events(asked):
    """The answer as events, and before each the number of passes that were made for it."""
    engine = model.engine()
    request = engine.add(prompt_of(asked), SamplingParams(temperature=0.0), STOPS)
    stream, seen = TextStream(tokenizer), 0
    while not request.is_finished:
        engine.step()
        for token in request.tokens[seen:]:
            choice = {"index": 0, "delta": {"content": stream.feed(token.id)}}
            yield engine.counts.steps, event({"choices": [choice]})
        seen = len(request.tokens)
    last = {"index": 0, "delta": {}, "finish_reason": request.stop_reason}
    yield engine.counts.steps, event({"choices": [last]})
    yield engine.counts.steps, b"data: [DONE]\n\n"


for passes, data in events(question):
    print(f"after {passes:2d} passes", data)

# %% [markdown]
# And a longer answer, a story of some 200 tokens:

# %%
story = {"model": "mini", "messages": [{"role": "user", "content": "Tell me a story about a fox."}]}
seen = [passes for passes, _ in events(story)]
print(f"streamed: the first word after {seen[0]} pass, the last after {seen[-1]}")
print(f"whole:    the first word after {seen[-1]} passes, as the last")

# %% [markdown]
# The text takes as long as before, but its first word comes at once. For that, nothing on the way may buffer: no server, no proxy, no generator that
# makes a list first.
#
# ## 3. Half characters
#
# A token stands for bytes, and a character may have several (lecture 11). Which tokens do these become?

# %%
for letter in "fé狐🦊":
    ids = tokenizer.encode(letter)
    each = [tokenizer.bytes_of(i) for i in ids]
    print(
        letter,
        "bytes",
        letter.encode().hex(" "),
        "in",
        len(ids),
        "tokens:",
        [b.hex(" ") for b in each],
    )

# %% [markdown]
# > **Predict, then run.** We decode each token by itself and send the text. What does the reader see of `🦊`?

# %%
ids = tokenizer.encode("A fox: 🦊!")
print("token by token:", repr("".join(tokenizer.decode([i]) for i in ids)))
stream = TextStream(tokenizer)
print("held back:     ", [stream.feed(i) for i in ids])

# %% [markdown]
# > **The common guess**, a fox, since all of its bytes arrive, forgets that each token was made text before the next one came, and none of the four bytes is a character.
#
# `TextStream` holds the bytes back until the character is whole. How many bytes does it have to wait for? UTF-8 says so in the first one: below 80 (hexadecimal) it is a
# character by itself, from C2 on it begins one of two bytes, from E0 on three, from F0 on four. The bytes that follow are 80 to BF.
#
# ## 4. Stop strings, cut in two
#
# A client may ask for `"stop": ["\n\n"]`: end the text where an empty line begins, without that line. The text comes in pieces, and the stop string may lie across
# two of them. A byte that was sent cannot be taken back.
#
# Three ways: look into each new piece; look into the whole text so far; or hold back what could be the beginning of a stop string. Let us try them on every way of cutting a
# text into three pieces.


# %%
def look_into_piece(pieces, stop):
    for piece in pieces:
        if stop in piece:
            yield piece.split(stop)[0]
            return
        yield piece


def look_into_text(pieces, stop):
    text = ""
    for piece in pieces:
        sent, text = len(text), text + piece
        if stop in text:
            yield text[sent : max(sent, text.index(stop))]
            return
        yield piece


def hold_back(pieces, stop):
    stops = StopFilter([stop])
    for piece in pieces:
        yield stops.feed(piece)
    yield stops.finish()


TEXT, STOP = "One fox.\n\nTwo", "\n\n"
right = TEXT.split(STOP)[0]
cuts = [(a, b) for a in range(1, len(TEXT)) for b in range(a + 1, len(TEXT))]
for way in (look_into_piece, look_into_text, hold_back):
    got = ["".join(way([TEXT[:a], TEXT[a:b], TEXT[b:]], STOP)) for a, b in cuts]
    wrong = {text for text in got if text != right}
    count = sum(text != right for text in got)
    print(
        f"{way.__name__:16s} wrong in {count:2d} of {len(cuts)} cuts; for example",
        sorted(wrong)[:1],
    )

# %% [markdown]
# ### One error, worked through
#
# The second way *finds* every stop string, and is wrong all the same. Follow it on one cut:

# %%
pieces = ["One fox.\n", "\nTwo"]
text = ""
for piece in pieces:
    sent, text = len(text), text + piece
    found = text.find(STOP)
    print(f"piece {piece!r}: sent before {sent}, stop string at {found}, sends", repr(
        piece if found < 0 else text[sent : max(sent, found)]
    ))  # fmt: skip

# %% [markdown]
# In the first piece there is no stop string, so it is sent whole, with its line end. When the second piece comes, the stop string is found at 8, but 9 characters have been
# sent already. The client gets a line end that it asked not to get.
#
# So a `\n` at the end has to wait until the next piece shows what it was. How much waits? The longest end of the text that a stop string begins with, and not a character more:
# else the reader sees words late for no reason.

# %%
for stop in ("\n\n", "Two cats"):
    stops = StopFilter([stop])
    print(
        repr(stop),
        [stops.feed(piece) for piece in ["One", ".\n", "Tw", "o ", "dogs"]],
        stops.finish(),
    )

# %% [markdown]
# ## 5. A queue, and when to say no
#
# The engine writes, say, 8 texts at a time. A story of 40 tokens holds its place for 40 passes. So in the long run the service finishes 8 stories in 40 passes, 0.2 per
# pass. If more requests come than that, the queue grows without end. But what if *a little fewer* come?
#
# Requests come at random. Let the *load* be the share of places that is needed on average. We count in passes; no clock is involved.


# %%
def waits(load, requests=400, places=8, length=40, most_waiting=None, seed=0):
    """Passes that each request waits for a place, and which are refused as too many wait."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(length / places / load, size=requests))
    free_at, begins, waited, refused = [0.0] * places, [], [], 0
    for now in arrivals:
        waiting = sum(begin > now for begin in begins)
        if most_waiting is not None and waiting >= most_waiting:
            refused += 1
            continue
        place = int(np.argmin(free_at))
        begin = max(now, free_at[place])
        free_at[place] = begin + length
        begins.append(begin)
        waited.append(begin - now)
    return np.array(waited), refused


# %% [markdown]
# Is this picture of the engine right? One run of the real engine, with the same arrivals:

# %%
load, count = 0.9, 60
rng = np.random.default_rng(0)
arrivals = list(np.cumsum(rng.exponential(40 / 8 / load, size=count)))
engine = model.engine(max_texts=8)
params = SamplingParams(temperature=0.0, max_new_tokens=40)
came, began, step = {}, {}, 0
while arrivals or engine.is_busy:
    while arrivals and arrivals[0] <= step:
        came[engine.add(prompt_of(story), params, stop_ids=())] = arrivals.pop(0)
    engine.step()
    for request, _, _ in engine.last_step:
        began.setdefault(request, step)
    step += 1
measured = np.mean([began[request] - at for request, at in came.items()])
print(
    f"the engine: {measured:.1f} passes on average; the picture: {waits(load, count)[0].mean():.1f}"
)

# %% [markdown]
# (The engine begins at whole passes, so each waits a little longer there.)
#
# > **Predict, then run.** At a load of 50 % nearly nobody waits. How long does one wait on average at 95 %, as a multiple of the 40 passes that a story takes itself?

# %%
loads = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.1, 1.2]
SEEDS = range(12)
means = {load: [waits(load, seed=s)[0].mean() / 40 for s in SEEDS] for load in loads}
for load in (0.5, 0.8, 0.95, 1.2):
    low, high = min(means[load]), max(means[load])
    print(f"load {load:.0%}: {np.mean(means[load]):5.2f} stories' time on average, "
          f"from {low:.2f} to {high:.2f} over {len(SEEDS)} seeds")  # fmt: skip

# %% jupyter={"source_hidden": true}
fig, axes = plots.figure(1, 2, width=9, height=3.1)
average = [np.mean(means[load]) for load in loads]
axes[0].fill_between(
    loads,
    [min(means[x]) for x in loads],
    [max(means[x]) for x in loads],
    color=plots.BLUE,
    alpha=0.2,
)
axes[0].plot(loads, average, "o-")
axes[0].set(xlabel="load", ylabel="average wait [stories' time]")
for limit, marker in ((None, "-"), (16, "--")):
    waited, refused = waits(1.2, most_waiting=limit)
    name = "no limit" if limit is None else f"at most {limit} wait: {refused} of 400 get 429"
    axes[1].plot(waited / 40, marker, label=name)
axes[1].set(xlabel="request", ylabel="its wait [stories' time]", title="load 120 %")
axes[1].legend(fontsize=8.5)
for axis in axes:
    axis.grid()
plots.show(
    fig,
    alt="Left: average wait against load, near zero up to 80 percent, then rising steeply, with a wide "
    "band over seeds. Right: at load 120 percent the wait goes on growing without a limit, and stays below "
    "two stories' time where at most 16 may wait.",
)

# %% [markdown]
# > **The common guess**, that nobody waits as long as the load is below 100 %, forgets that requests come in bunches: a place that stands empty now is of no use later.
#
# - With 8 places one hardly waits up to about 80 %; towards 100 % the wait grows steeply, and varies with chance. With fewer places it grows sooner.
# - Above 100 % the queue grows for as long as the rush lasts. Then everybody waits, and many leave before their turn.
# - With a limit, those who are let in wait a bounded time: with 16 in the queue and 8 places, at most two stories' time. The others are told **at once**: status 429, *too
#   many requests*, with a header `Retry-After`.
#
# When do they come back? If all of them wait exactly as long as they were told, they come together again.

# %%
rng = np.random.default_rng(1)
for name, spread in (("all after 60 passes", 0), ("after 30 to 90 passes", 30)):
    again = np.sort(60 + rng.uniform(-spread, spread, size=100))  # 100 clients who were refused
    free_at, begins, refused = [0.0] * 8, [], 0
    for now in again:
        if sum(begin > now for begin in begins) >= 16:
            refused += 1
            continue
        place = int(np.argmin(free_at))
        begins.append(max(now, free_at[place]))
        free_at[place] = begins[-1] + 40
    print(f"{name:22s}: {refused} of 100 are refused again")

# %% [markdown]
# Random waiting times (*jitter*) help some of them. (They cannot help all: 100 stories need 500 passes.)
#
# ## 6. A client leaves
#
# Somebody closes the page. The connection is gone, but the engine does not know. Unless it is told, it writes to the end, for nobody. Of eight clients four leave
# after 10 passes.
#
# > **Predict, then run.** Each text has 80 tokens. How many rows are computed for nobody if the server never notices? And if it notices only when it sends the next piece?


# %%
def leave(notices_after):
    """Rows computed for those who have left, and the pages held at pass 40. notices_after: passes; None: never."""
    engine = model.engine()
    params = SamplingParams(temperature=0.0, max_new_tokens=80)
    requests = [engine.add(prompt_of(story), params, stop_ids=()) for _ in range(8)]
    gone, wasted, passes, pages = requests[:4], 0, 0, None
    while engine.is_busy:
        engine.step()
        passes += 1
        wasted += sum(
            rows for request, rows, _ in engine.last_step if request in gone and passes > 10
        )
        if notices_after is not None and passes == 10 + notices_after:
            for request in gone:
                engine.abort(request)
        if passes == 40:
            pages = engine.cache.pool.in_use
    return wasted, pages


for name, after in (("never", None), ("when the next piece is sent", 1), ("at once", 0)):
    wasted, pages = leave(after)
    print(f"noticed {name:28s} {wasted:3d} rows for nobody, {pages} pages in use at pass 40")

# %% [markdown]
# > **The common guess**, that a closed connection costs nothing any more, forgets that the engine is not the connection: it goes on until somebody calls `abort`.
#
# With one text in work the difference between the second and the third line is small. But a text that *waits in the queue* sends no piece for a long time, and an answer that is not
# streamed sends none at all until its end. So a server has to listen while it writes: it awaits two things at once, the next piece and the end of the connection, and whichever comes
# first decides. In the lab you write this in ten lines (`abort_on_disconnect`).
#
# ## 7. What else may come
#
# | what comes | what a service does |
# |---|---|
# | a field that it does not know | refuses it by name: a client that asks for `top_k` and does not get it should learn so |
# | a prompt that is longer than the cache | refuses at once; in the queue it would block everyone behind it |
# | half a request, or one byte a minute | gives up after some seconds |
# | 100 MB | stops reading at its limit |
# | a page of another site, in the browser of somebody who runs the service | is not answered: bodies have to be JSON by their type, and no other site gets permission |
# | anyone, from the network | needs a key; without one the service listens on this machine only |
#
# The course's server does all of this. In a terminal: `make serve`, then open `http://127.0.0.1:8000/`. The page `/engine` shows lecture 16's figure on the real thing: rows, pages and who
# shares them, step by step.
#
# ## 8. Try it
#
# How full may a service be? Choose load, places and limit.


# %% jupyter={"source_hidden": true}
@interact(load=(0.3, 1.5, 0.05), places=(1, 32), most_waiting=(0, 64, 4))
def draw_queue(load=0.9, places=8, most_waiting=32):
    waited, refused = waits(load, places=places, most_waiting=most_waiting)
    fig, axis = plots.figure(width=8, height=2.6)
    axis.hist(waited / 40, bins=30, color=plots.BLUE)
    title = f"{refused} of 400 refused; the longest wait {waited.max() / 40:.1f} stories' time"
    axis.set(xlabel="wait [stories' time]", ylabel="requests", title=title)
    plots.show(fig, alt="Histogram of the waits of all requests that were let in.")


# %% [markdown]
# ## 9. With a pencil
#
# **1.** The bytes `41 F0 9F`, then `A6 8A E7`, then `8B 90 C3` arrive, and nothing more. What is sent after each piece, and what at the end?
#
# <details><summary>Answer</summary>
#
# `41` is A; F0 begins a character of four bytes, of which two are there: `A` is sent. Then `A6 8A` complete it, and E7 begins one of three: `🦊` is sent. `8B 90` complete that, and C3 begins
# one of two: `狐` is sent. At the end C3 has waited in vain: U+FFFD.
#
# </details>
#
# **2.** The stop strings are `aab` and `abc`. The text so far ends with `xaa`, and nothing of it was sent since `x`. What may be sent, what has to wait? And if `b` comes next? If `c` comes?
#
# <details><summary>Answer</summary>
#
# `aa` is the beginning of `aab`, so both letters wait, and `x` may be sent. With `b` the stop string `aab` is complete: the text ends behind `x`, although `ab` could have become `abc`. With `c` instead, `aac` holds no stop string and no end of it begins one: all three letters are sent.
#
# </details>

# %% [markdown]
# ## The answer
#
# - A service turns a JSON request into ids and tokens into events. Each piece is sent as soon as it is certain: a character when its bytes are whole, text when it cannot be the beginning of a
#   stop string.
# - Waits are short at a low load and grow steeply towards 100 %; above it the queue grows without end. A limit and a 429 at once are better than a long wait.
# - A client may leave at any time. The server listens while it writes, and gives up the text and its pages at once.
# - What a service cannot do it refuses, with a message that names it.
#
# ## Sources
#
# - OpenAI, [API reference: chat completions](https://platform.openai.com/docs/api-reference/chat).
# - WHATWG, [HTML standard: server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html).
# - F. Yergeau (2003), [RFC 3629: UTF-8](https://www.rfc-editor.org/rfc/rfc3629).
# - M. Nottingham, R. Fielding (2012), [RFC 6585: status 429](https://www.rfc-editor.org/rfc/rfc6585).
# - M. Brooker (2015), [Exponential backoff and jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
#
# ## Go on
#
# In [lab 17 a service](../labs/17_service/17_service.ipynb) you write the three small machines between engine and reader, and they run in a server of your own. Then
# [18 From a list of calls to one](18_one_call.ipynb) takes the time between the kernels away.
