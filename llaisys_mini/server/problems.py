"""What a client did that cannot be answered, in the form of OpenAI's errors."""

from starlette.responses import JSONResponse

from llaisys_mini.errors import UserError


class Refused(UserError):
    """A request that is not answered. status: of HTTP; kind and code as OpenAI has them; param: the field meant."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.message, self.status, self.kind, self.code, self.param = message, status, kind, code, param
        self.headers = headers

    def body(self) -> dict:
        """The error as an object that a client reads."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


def too_busy(waiting: int) -> Refused:
    """The queue is full."""
    return Refused(
        f"the server is busy: {waiting} requests wait already; try again in a second",
        429,
        "rate_limit_error",
        "queue_full",
        headers={"Retry-After": "1"},
    )


def failed() -> Refused:
    """Something went wrong that is not the client's fault; the server's log says what."""
    return Refused("the server failed to compute this answer; its log says why", 500, "server_error", "internal_error")
