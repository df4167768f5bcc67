"""abort_on_disconnect: a stream whose reader may leave at any time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from llaisys_mini.exercise import exercise


@exercise
async def abort_on_disconnect(receive, send, events, abort):
    """Answer a request of ASGI with a stream, and give up as soon as the client is gone.

    events: an asynchronous iterator over bytes, as the engine writes them; the next one may take long. receive(), send
    (message): ASGI's. abort(): tells the engine that nobody reads any more.

        send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        send({"type": "http.response.body", "body": event, "more_body": True})     for each event
        send({"type": "http.response.body", "body": b"", "more_body": False})      when there are no more

    Meanwhile receive() is awaited. When it gives a message of the type "http.disconnect", abort is called at once, and
    only once; nothing is sent any more, and the function returns. Other messages mean nothing. Where the answer comes
    to its end, abort is not called. Nothing that was begun goes on when the function has returned.
    Source: the ASGI specification, HTTP & WebSocket message format.
    """

    async def answer():
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def gone():
        while (await receive())["type"] != "http.disconnect":
            pass

    answering, leaving = asyncio.ensure_future(answer()), asyncio.ensure_future(gone())
    await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if not answering.done():
        abort()
    answering.cancel(), leaving.cancel()
    await asyncio.gather(answering, leaving, return_exceptions=True)


class Loop(asyncio.BaseEventLoop):
    """An event loop that waits for nothing outside of it: no sockets, no clock. Its tasks run as far as they can."""

    class _Nothing:
        def select(self, timeout):
            return []

    def __init__(self):
        super().__init__()
        self._selector = self._Nothing()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


_TURNS = 50  # of the loop, after which everything that could go on has gone on


class Scene:
    """A request that is being answered, and the loop in which it is. note(what, message): called at what it does."""

    def __init__(self, answer, note):
        self._apart = ThreadPoolExecutor(1)  # in a notebook this thread has a loop that runs already
        self._loop = Loop()
        self._texts, self._messages = asyncio.Queue(), asyncio.Queue()

        async def events():
            while (text := await self._texts.get()) is not None:
                yield text.encode()

        async def send(message):
            note("it sends", message)

        def abort():
            note("it calls abort", None)

        self._answering = lambda: answer(self._messages.get, send, events(), abort)
        self._running = None

    def go_on(self, kind, *content):
        """Something happens, see play; then everything goes on as far as it can. Returns whether the answer is done."""
        return self._apart.submit(lambda: self._loop.run_until_complete(self._go_on(kind, *content))).result()

    async def _go_on(self, kind, *content):
        if kind == "begin":
            self._running = asyncio.ensure_future(self._answering())
        elif kind in ("text", "end"):
            self._texts.put_nowait(content[0] if content else None)
        else:
            self._messages.put_nowait({"type": content[0] if content else "http.disconnect"})
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        return self._running.done()

    def close(self):
        """End it. Returns how many tasks were left; raises what the answer has raised."""
        try:
            return self._apart.submit(lambda: self._loop.run_until_complete(self._close())).result()
        finally:
            self._apart.submit(self._loop.close).result()
            self._apart.shutdown()

    async def _close(self):
        was_done = self._running is not None and self._running.done()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        for _ in range(_TURNS):  # one that catches its cancellation may go on for ever
            await asyncio.sleep(0)
        await self._loop.shutdown_asyncgens()
        if was_done and not self._running.cancelled():
            self._running.result()
        return len(left)


@abort_on_disconnect.adapter
def staged(answer):
    return lambda note: Scene(answer, note)


@abort_on_disconnect.trace
def play(stage, log, happenings):
    """happenings: ("text", ...), ("end",) of the text, ("message", ...) and ("disconnect",) from the client."""
    scene, done = stage(lambda what, message: log.note(what, message)), False
    try:
        for kind, *content in [("begin",), *happenings]:
            log.note(" ".join([_SAID[kind], *content]))
            done = scene.go_on(kind, *content)
        log.note("has it returned?", done)
    finally:
        left = scene.close()
    log.note("tasks that still run", left)


_SAID = {
    "begin": "a request comes",
    "text": "the engine writes",
    "end": "the engine has ended",
    "message": "the client sends a message of the type",
    "disconnect": "the client leaves",
}


@abort_on_disconnect.cases
def cases(rng):
    def inputs(*happenings):
        return dict(happenings=list(happenings))

    def text(words):
        return [("text", word) for word in words.split()]

    leaves, end = ("disconnect",), ("end",)
    yield "to its end", inputs(*text("Once upon a time"), end)
    yield "an answer without text", inputs(end)
    yield "the client leaves in the middle", inputs(*text("Once upon"), leaves, *text("a time"), end)
    yield "the client leaves before anything is written", inputs(leaves, *text("Once upon"))
    yield "the client leaves, and nothing is written any more", inputs(*text("Once"), leaves)
    yield "the client leaves when all was sent", inputs(*text("Once"), end, leaves)
    yield "the rest of the request comes first", inputs(("message", "http.request"), *text("Once upon"), end)
    yield (
        "the rest of the request comes, then the client leaves",
        inputs(("message", "http.request"), *text("Once"), ("message", "http.request"), leaves, *text("upon"), end),
    )
    happenings = [*text("a b c d e f"), end]
    happenings.insert(int(rng.integers(1, 6)), leaves)
    yield "the client leaves at any time", inputs(*happenings)


HEADERS = [(b"content-type", b"text/event-stream")]


@abort_on_disconnect.mistake("nobody asks whether the client is still there: the engine writes for nobody")
async def never_asked(receive, send, events, abort):
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    async for event in events:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@abort_on_disconnect.mistake("whether the client is gone is only looked at when the next text comes")
async def asked_between(receive, send, events, abort):
    gone = asyncio.ensure_future(_gone(receive))
    await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    async for event in events:
        if gone.done():
            abort()
            return
        await send({"type": "http.response.body", "body": event, "more_body": True})
    gone.cancel()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


@abort_on_disconnect.mistake("abort is also called when the answer has come to its end")
async def always_aborted(receive, send, events, abort):
    called = []
    await abort_on_disconnect.reference(receive, send, events, lambda: called.append(abort()))
    if not called:
        abort()


@abort_on_disconnect.mistake("after abort it goes on sending to a client that is gone")
async def goes_on(receive, send, events, abort):
    leaving = asyncio.ensure_future(_gone(receive))
    leaving.add_done_callback(lambda task: None if task.cancelled() else abort())
    await never_asked(receive, send, events, abort)
    leaving.cancel()


@abort_on_disconnect.mistake("any message is taken for a goodbye, also the rest of the request")
async def any_message(receive, send, events, abort):
    async def hurried():
        await receive()
        return {"type": "http.disconnect"}

    await abort_on_disconnect.reference(hurried, send, events, abort)


@abort_on_disconnect.mistake("it returns without a call of abort: the engine goes on")
async def no_abort(receive, send, events, abort):
    await abort_on_disconnect.reference(receive, send, events, lambda: None)


@abort_on_disconnect.mistake("the last message, with more_body False, is missing: the client waits for more")
async def no_end(receive, send, events, abort):
    async def sent(message):
        if message.get("more_body", True):
            await send(message)

    await abort_on_disconnect.reference(receive, sent, events, abort)


@abort_on_disconnect.mistake("a task that waits for the client is left behind when the answer has ended")
async def left_behind(receive, send, events, abort):
    leaving, answering = (
        asyncio.ensure_future(_gone(receive)),
        asyncio.ensure_future(never_asked(receive, send, events, abort)),
    )
    await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if not answering.done():
        abort()
        answering.cancel()
