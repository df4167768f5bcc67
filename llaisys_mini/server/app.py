"""The routes of the service, and what is refused before a request is read.

    /v1/chat/completions  /v1/completions  /v1/models      as OpenAI's API has them
    /health  /ready  /metrics                              for those who run it
    /  /engine                                             a chat page, and the engine at work

A page of another site cannot use a server on this machine: bodies have to be JSON by their content type, which a
browser sends to another site only with its permission (CORS), and none is given; and the Host header has to name this
server.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llaisys_mini.engine.generate import LanguageModel
from llaisys_mini.server import body as bodies
from llaisys_mini.server.chat import ChatAnswer
from llaisys_mini.server.completions import CompletionAnswer
from llaisys_mini.server.events import EventStream, event, unless_gone
from llaisys_mini.server.metrics import Metrics
from llaisys_mini.server.problems import Refused
from llaisys_mini.server.service import Service
from llaisys_mini.server.worker import Worker

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


@dataclass(frozen=True)
class Limits:
    """body: bytes of a request; seconds: within which a body has to arrive; waiting: requests in the queue;
    watchers: of the engine's picture at a time."""

    body: int = 4 << 20
    seconds: float = 30.0
    waiting: int = 256
    watchers: int = 8


def make_app(
    model: LanguageModel,
    name: str,
    engine_options: dict[str, Any] | None = None,
    limits: Limits = Limits(),
    api_key: str | None = None,
    hosts: tuple[str, ...] | None = LOOPBACK,
) -> Starlette:
    """The service as an ASGI application; its engine's thread runs as long as the application does.

    name: of the model, as clients ask for it. api_key: what clients have to send as a bearer token; None for none.
    hosts: names that requests may be addressed to; None for any. Raises TokenizerError for a model without tokenizer.
    """
    metrics = Metrics(name)
    worker = Worker(model.engine(**(engine_options or {})), metrics, limits.waiting)
    service = Service(model, worker, name)
    routes = _Routes(service, metrics, limits, api_key)

    @contextlib.asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        worker.start()
        yield
        await asyncio.to_thread(worker.stop)

    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))] if hosts is not None else []
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/v1/completions", routes.completions, methods=["POST"]),
            Route("/v1/models", routes.models),
            Route("/v1/models/{model:path}", routes.model),
            Route("/health", routes.health),
            Route("/ready", routes.ready),
            Route("/metrics", routes.metrics),
            Route("/engine/steps", routes.steps),
            Route("/", routes.page),
            Route("/engine", routes.page),
            Route("/pages/{file}", routes.page),
        ],
        middleware=middleware,
        exception_handlers={Refused: _refused, HTTPException: _not_found},  # type: ignore[dict-item]
        lifespan=running,
    )
    app.state.worker = worker
    return app


async def _refused(_: Request, problem: Refused) -> Response:
    return problem.response()


async def _not_found(request: Request, problem: HTTPException) -> Response:
    what = f"{request.method} {request.url.path}"
    message = f"{what}: {problem.detail}" if problem.status_code != 404 else f"there is no {what}"
    return Refused(message, problem.status_code, code="not_found" if problem.status_code == 404 else None).response()


class _Routes:
    def __init__(self, service: Service, metrics: Metrics, limits: Limits, api_key: str | None):
        self._service, self._metrics, self._limits, self._api_key = service, metrics, limits, api_key
        self._started = int(time.time())

    # ---- OpenAI's ----------------------------------------------------------------------------------------------------

    async def chat(self, request: Request) -> Any:
        body = await self._body(request, bodies.ChatBody)
        prompt = self._service.chat_prompt(body)
        texts = await self._service.start([prompt], body)
        return await self._answer(request, body, ChatAnswer(self._service, body, prompt, texts))

    async def completions(self, request: Request) -> Any:
        body = await self._body(request, bodies.CompletionBody)
        prompts = self._service.completion_prompts(body)
        texts = await self._service.start(prompts, body, prompt_logprobs=body.echo and body.logprobs is not None)
        return await self._answer(request, body, CompletionAnswer(self._service, body, prompts, texts))

    async def models(self, request: Request) -> Response:
        self._require_key(request)
        return JSONResponse({"object": "list", "data": [self._told()]})

    async def model(self, request: Request) -> Response:
        self._require_key(request)
        if request.path_params["model"] != self._service.name:
            raise Refused(f"there is no model {request.path_params['model']!r} here", 404, code="model_not_found")
        return JSONResponse(self._told())

    def _told(self) -> dict[str, Any]:
        context = self._service.worker.engine.cache.max_positions
        return {
            "id": self._service.name,
            "object": "model",
            "created": self._started,
            "owned_by": "llaisys_mini",
            "max_model_len": context,
        }

    async def _answer(self, request: Request, body: bodies.Common, answer: Any) -> Any:
        if body.stream:
            return EventStream(answer.events())
        whole = await unless_gone(request, answer.whole())
        return Response(status_code=499) if whole is None else JSONResponse(whole)

    # ---- for those who run it ----------------------------------------------------------------------------------------

    async def health(self, _: Request) -> Response:
        alive = self._service.worker.is_alive
        return JSONResponse({"status": "ok" if alive else "the engine has stopped"}, 200 if alive else 503)

    async def ready(self, request: Request) -> Response:
        return await self.health(request)

    async def metrics(self, request: Request) -> Response:
        self._require_key(request)
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def steps(self, request: Request) -> Any:
        """The engine's steps as they happen, as server-sent events."""
        self._require_key(request)
        worker, loop = self._service.worker, asyncio.get_running_loop()
        if len(worker.watchers) >= self._limits.watchers:
            raise Refused("enough pages look at the engine already", 429, "rate_limit_error")
        news: asyncio.Queue[dict] = asyncio.Queue(64)

        def put(snapshot: dict) -> None:
            if not news.full():  # one that looks too slowly misses steps
                news.put_nowait(snapshot)

        def watch(snapshot: dict) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody looks
                loop.call_soon_threadsafe(put, snapshot)

        async def events() -> AsyncIterator[bytes]:
            worker.watchers.append(watch)
            try:
                worker.command(lambda engine: None)  # after which its state is shown
                while len(worker.watchers) <= self._limits.watchers:  # several may have come at once
                    yield event(await news.get())
            finally:
                worker.watchers.remove(watch)

        return EventStream(events())

    async def page(self, request: Request) -> Response:
        """The pages and what they are made of."""
        file = request.path_params.get("file") or {"/": "chat.html", "/engine": "engine.html"}[request.url.path]
        kinds = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        place = resources.files("llaisys_mini.server") / "pages" / file
        kind = kinds.get(file.rpartition(".")[2])
        if kind is None or "/" in file or not place.is_file():
            raise HTTPException(404)
        policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # noqa: E501
        headers = {"content-security-policy": policy, "x-content-type-options": "nosniff", "cache-control": "no-cache"}
        return Response(place.read_bytes(), media_type=kind, headers=headers)

    # ---- what is refused before a request is read --------------------------------------------------------------------

    def _require_key(self, request: Request) -> None:
        if self._api_key is None:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secrets.compare_digest(given.encode(), self._api_key.encode()):
            raise Refused(
                "the API key is missing or wrong: send it as `Authorization: Bearer KEY`",
                401,
                "authentication_error",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _body(self, request: Request, kind: type[bodies.Common]) -> Any:
        self._require_key(request)
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise Refused("the body must be sent as Content-Type: application/json", 415)
        if int(request.headers.get("content-length") or 0) > self._limits.body:
            raise self._too_large()
        try:
            raw = await asyncio.wait_for(self._read(request), self._limits.seconds)
        except TimeoutError:
            raise Refused(f"the body did not arrive within {self._limits.seconds:g} s", 408) from None
        body = bodies.read(kind, raw)
        self._service.require_model(body)
        return body

    async def _read(self, request: Request) -> bytes:
        raw = bytearray()
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > self._limits.body:
                raise self._too_large()
        return bytes(raw)

    def _too_large(self) -> Refused:
        return Refused(f"the body is larger than {self._limits.body} bytes", 413, headers={"Connection": "close"})
