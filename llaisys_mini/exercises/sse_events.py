"""sse_events: a streamed answer as server-sent events, each as soon as its text is there."""

import json

from llaisys_mini.exercise import exercise


@exercise
def sse_events(common, deltas, ending):
    """The events of one answer of /v1/chat/completions with "stream": true, one after the other: a generator of bytes.

    common: the fields that every event begins with ("id", "object", "created", "model"). deltas: an iterator over the
    pieces of the answer's text; the next one takes a while, and a piece may be empty. ending(): to be called once there
    are no more; (finish_reason, usage). usage is None where the client has not asked for it.

    An event is `data: `, an object as JSON, and two line ends. The object is `common` with "choices", a list of one

        {"index": 0, "delta": delta, "finish_reason": reason}

        1. before the first piece is asked for: delta {"role": "assistant", "content": ""}
        2. for each piece that is not empty, before the next one is asked for: delta {"content": piece}
        3. at the end: delta {} with the finish_reason; in all events before it finish_reason is None
        4. if there is a usage: an event with an empty list of choices and a field "usage"
        5. last of all `data: [DONE]`, which is no JSON

    Source: the HTML standard, server-sent events; OpenAI's API reference, streaming.
    """

    def choice(delta, reason=None):
        return event(common | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    yield choice({"role": "assistant", "content": ""})
    for piece in deltas:
        if piece:
            yield choice({"content": piece})
    reason, usage = ending()
    yield choice({}, reason)
    if usage is not None:
        yield event(common | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def event(content):
    return b"data: " + json.dumps(content).encode() + b"\n\n"


@sse_events.trace
def read(answer, log, pieces, reason, usage):
    """What a client reads, and when: every piece that is asked for is an event too."""
    common = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1760000000, "model": "mini"}

    def deltas():
        for piece in pieces:
            log.note(f"the model writes {piece!r}")
            yield piece

    def ending():
        log.note("why did it end?", (reason, usage))
        return reason, usage

    unread = b""
    for data in answer(dict(common), deltas(), ending):
        unread += data if isinstance(data, bytes) else repr(data).encode()
        *blocks, unread = unread.split(b"\n\n")
        for block in blocks:
            log.note("the client reads an event", _content(block, common))
    if unread:
        log.note("the client waits for the end of an event", unread.decode("utf-8", "replace"))


def _content(block, common):
    """What an event says, as a client takes it; the fields that all have are told as one."""
    lines = block.decode("utf-8", "replace").split("\n")
    if not all(line.startswith("data: ") for line in lines):
        return "lines without data: " + repr([line for line in lines if not line.startswith("data: ")])
    text = "\n".join(line.removeprefix("data: ") for line in lines)
    if text == "[DONE]":
        return text
    try:
        content = json.loads(text)
    except ValueError:
        return f"no JSON: {text}"
    if not isinstance(content, dict) or {key: content.get(key) for key in common} != common:
        return f"other fields than the common ones: {text}"
    return {key: value for key, value in content.items() if key not in common}


@sse_events.cases
def cases(rng):
    def inputs(pieces, reason="stop", usage=None):
        return dict(pieces=pieces, reason=reason, usage=usage)

    counted = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    yield "two pieces", inputs(["Once ", "upon"])
    yield "nothing is written", inputs([], "length")
    yield "a piece without text", inputs(["Once", "", " upon"])
    yield "line ends in the text", inputs(["One.\n\nTwo.", "\n", "data: x"])
    yield "quotation marks and backslashes", inputs(['"Run', "\\n", '!" she said'])
    yield "other letters than English ones", inputs(["Füchse ", "狐狸 ", "🦊"])
    yield "it ends by its length", inputs(["Once"], "length")
    yield "the client has asked for the usage", inputs(["Once", " upon"], usage=counted)
    yield "usage of an answer without text", inputs([""], usage=counted)
    words = ["a", "\n", "fox", "", " ", '"', "é"]
    yield "some pieces", inputs([words[int(i)] for i in rng.integers(len(words), size=12)], usage=counted)


def changed(change):
    """A wrong version whose events are changed: change(number, event) gives the bytes that are sent instead."""

    def mistaken(common, deltas, ending):
        for number, data in enumerate(sse_events.reference(common, deltas, ending)):
            yield change(number, data)

    return mistaken


@sse_events.mistake("all pieces are collected before the first one is sent: nothing streams")
def collected(common, deltas, ending):
    yield from sse_events.reference(common, iter(list(deltas)), ending)


@sse_events.mistake("the events are collected and returned at the end: nothing streams")
def returned_at_the_end(common, deltas, ending):
    yield from list(sse_events.reference(common, deltas, ending))


@sse_events.mistake("an event ends with two line ends; with one the client waits for more")
def one_line_end(common, deltas, ending):
    yield from changed(lambda _, data: data[:-1])(common, deltas, ending)


@sse_events.mistake("`data: [DONE]` is missing: the client does not know that the answer is whole")
def not_done(common, deltas, ending):
    yield from changed(lambda _, data: b"" if b"[DONE]" in data else data)(common, deltas, ending)


@sse_events.mistake("[DONE] is sent as JSON, in quotation marks")
def done_as_json(common, deltas, ending):
    yield from changed(lambda _, data: event("[DONE]") if b"[DONE]" in data else data)(common, deltas, ending)


@sse_events.mistake("the first event, which says who speaks, is missing")
def no_role(common, deltas, ending):
    yield from changed(lambda number, data: b"" if number == 0 else data)(common, deltas, ending)


@sse_events.mistake("every event has the whole text so far; a delta is only what is new")
def whole_text(common, deltas, ending):
    def grown():
        text = ""
        for piece in deltas:
            text += piece
            yield text if piece else ""

    yield from sse_events.reference(common, grown(), ending)


@sse_events.mistake("pieces without text are sent too")
def empty_pieces(common, deltas, ending):
    def choice(delta, reason=None):
        return event(common | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    yield choice({"role": "assistant", "content": ""})
    for piece in deltas:
        yield choice({"content": piece})
    yield from list(sse_events.reference(common, iter(()), ending))[1:]


@sse_events.mistake(
    "the text is put between quotation marks by hand; json.dumps also sees to line ends and quotation marks"
)
def json_by_hand(common, deltas, ending):
    def change(_, data):
        return data.replace(b"\\n", b"\n").replace(b'\\"', b'"').replace(b"\\\\", b"\\")

    yield from changed(change)(common, deltas, ending)


@sse_events.mistake("the finish_reason is missing: the client cannot tell an end from a cut")
def no_reason(common, deltas, ending):
    yield from sse_events.reference(common, deltas, lambda: (None, ending()[1]))


@sse_events.mistake("the event with the usage is sent although nobody has asked for it")
def usage_unasked(common, deltas, ending):
    reason, usage = None, None

    def asked():
        nonlocal reason, usage
        reason, usage = ending()
        return reason, usage

    for data in sse_events.reference(common, deltas, asked):
        if b"[DONE]" in data and usage is None:
            yield event(common | {"choices": [], "usage": None})
        yield data


@sse_events.mistake("the usage is never sent")
def no_usage(common, deltas, ending):
    yield from sse_events.reference(common, deltas, lambda: (ending()[0], None))
