"""The thread in which the engine computes, and how the server's tasks talk with it.

The engine belongs to this thread alone. Tasks of the event loop leave commands in a queue, and get what their texts
write through the loop. A task that leaves has its text given up before the next step.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from llaisys_mini.engine.engine import Engine
from llaisys_mini.engine.request import Request, Token
from llaisys_mini.errors import GenerationError, UserError
from llaisys_mini.kernels.runtime import current
from llaisys_mini.server.metrics import Metrics
from llaisys_mini.server.problems import Refused, failed, too_busy

log = logging.getLogger("llaisys_mini.server")

_IDLE = 1.0  # seconds


class Text:
    """A text that the engine writes for a task of the event loop. Iterate over it for the new tokens, some at a time.

    request: the engine's side of it; read by the loop only what does not change any more, or after the end.
    """

    def __init__(self, worker: "Worker", loop: asyncio.AbstractEventLoop):
        self.request: Request
        self.arrived = time.monotonic()
        self._worker = worker
        self._loop = loop
        self._news: asyncio.Queue[list[Token] | Exception | None] = asyncio.Queue()
        self._told = 0

    async def __aiter__(self) -> AsyncIterator[list[Token]]:
        while (news := await self._news.get()) is not None:
            if isinstance(news, Exception):
                raise news
            yield news

    def give_up(self) -> None:
        """Nobody reads this text any more. It may have ended already."""
        self._worker.command(lambda engine: self._worker.abort(self))

    # ---- called in the engine's thread ----

    def tell(self, news: Any) -> None:
        """Hand something to the task that reads."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody reads
            self._loop.call_soon_threadsafe(self._news.put_nowait, news)

    def new_tokens(self) -> list[Token]:
        """The tokens since this was called last."""
        new = self.request.tokens[self._told :]
        self._told += len(new)
        return new


class Worker:
    """The engine's thread. most_waiting: how many requests may wait for pages or a turn; more are refused."""

    def __init__(self, engine: Engine, metrics: Metrics, most_waiting: int):
        self.engine = engine
        self.metrics = metrics
        self.most_waiting = most_waiting
        self.watchers: list[Callable[[dict], None]] = []
        self._runtime = current()  # a new thread would begin with the default kernels
        self._commands: queue.SimpleQueue[Callable[[Engine], None] | None] = queue.SimpleQueue()
        self._texts: dict[Request, Text] = {}
        self._for_idle_times: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the running step; texts that are not finished are given up."""
        self._commands.put(None)
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def command(self, what: Callable[[Engine], None]) -> None:
        """Have the engine's thread do something between two steps."""
        self._commands.put(what)

    def when_idle(self, task: Callable[[], None]) -> None:
        """Have the engine's thread do something once nothing was asked of it for a second. Call this before `start`."""
        self._for_idle_times.append(task)

    async def submit(self, ids: list[int], **options: Any) -> Text:
        """Queue a text; options as Engine.add has them. Raises Refused where it is refused."""
        loop = asyncio.get_running_loop()
        text, accepted = Text(self, loop), loop.create_future()

        def settle(problem: Exception | None) -> None:
            if not accepted.done():
                accepted.set_exception(problem) if problem else accepted.set_result(None)

        def add(engine: Engine) -> None:
            problem: Exception | None = None
            try:
                if len(engine.scheduler.waiting) >= self.most_waiting:
                    raise too_busy(len(engine.scheduler.waiting))
                text.request = engine.add(ids, **options)
            except Refused as refusal:
                problem = refusal
            except GenerationError as refusal:
                problem = Refused(str(refusal))
            else:
                if text.request.is_finished:
                    text.tell(None)
                else:
                    self._texts[text.request] = text
            loop.call_soon_threadsafe(settle, problem)

        self.command(add)
        try:
            await accepted
        except asyncio.CancelledError:
            text.give_up()
            raise
        return text

    # ---- in the engine's thread --------------------------------------------------------------------------------------

    def abort(self, text: Text) -> None:
        """Give up a text, which may have ended or never begun."""
        request = getattr(text, "request", None)
        if request is not None and self._texts.pop(request, None) is not None:
            self.engine.abort(request)
            self.metrics.ended(request, time.monotonic() - text.arrived)

    def _run(self) -> None:
        with self._runtime.in_force():
            while self._obey():
                self._step()
        for text in list(self._texts.values()):
            text.tell(failed())

    def _obey(self) -> bool:
        """Do what is asked; wait for something to do. False if the thread is to end."""
        while True:
            patience = _IDLE if self._for_idle_times else None
            try:
                command = self._commands.get(block=not self.engine.is_busy, timeout=patience)
            except queue.Empty:
                if self.engine.is_busy:
                    return True
                self._use_idle_time()
                continue
            if command is None:
                return False
            command(self.engine)
            self.metrics.show(self.engine)
            self._show_watchers()

    def _use_idle_time(self) -> None:
        try:
            self._for_idle_times.pop(0)()
        except Exception as problem:  # what was to be prepared says so again when it is needed
            log.warning("%s", problem)

    def _step(self) -> None:
        try:
            went_on = self.engine.step()
        except Exception as problem:
            log.error("a step failed; all texts in work are given up", exc_info=not isinstance(problem, UserError))
            if isinstance(problem, UserError):
                log.error("%s", problem)
            for text in list(self._texts.values()):
                self.engine.abort(text.request)
                text.tell(failed())
            self._texts.clear()
            return
        for request in went_on:
            text = self._texts[request]
            if new := text.new_tokens():
                self.metrics.wrote(request, len(new), time.monotonic() - text.arrived)
                text.tell(new)
            if request.is_finished:
                del self._texts[request]
                self.metrics.ended(request, time.monotonic() - text.arrived)
                text.tell(failed() if request.error else None)
        self.metrics.show(self.engine)
        self._show_watchers()

    def _show_watchers(self) -> None:
        if self.watchers:
            state = snapshot(self.engine)
            for watcher in list(self.watchers):
                watcher(state)


def snapshot(engine: Engine) -> dict[str, Any]:
    """The engine after a step, as the picture of it shows: who has which pages, who waits."""

    def told(request: Request) -> dict[str, Any]:
        return dict(
            id=request.number,
            length=request.stored.length,
            prompt=request.prompt_length,
            written=len(request.tokens),
            pages=list(request.stored.pages),
            shared=request.shared,
        )

    pool = engine.cache.pool
    return dict(
        step=engine.counts.steps,
        turns=[dict(id=request.number, rows=rows, guessed=guessed) for request, rows, guessed in engine.last_step],
        running=[told(request) for request in engine.scheduler.running],
        waiting=[told(request) for request in engine.scheduler.waiting],
        pool=dict(pages=pool.pages, size=pool.size, in_use=pool.in_use, touched=pool.touched),
        budget=engine.scheduler.max_rows,
        preemptions=engine.scheduler.preemptions,
    )
