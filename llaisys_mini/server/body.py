"""The fields of a request. Each is honoured, or refused by its name; none is ignored.

The names are OpenAI's; `top_k`, `min_p`, `repetition_penalty`, `ignore_eos` and `chat_template_kwargs` are vLLM's. A
field that is not known, or whose value asks for what this server does not do, is an error that names it. `user`,
`metadata`, `store` and `service_tier` tell a provider who asks, and ask nothing of the answer: they have no effect.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from llaisys_mini.server.problems import Refused

MOST_CHOICES = 16
MOST_LOGPROBS = 20
MOST_STOPS = 16


def _no_empty_stop(value):
    stops = [value] if isinstance(value, str) else value or []
    if len(stops) > MOST_STOPS or not all(stops):
        raise ValueError(f"give at most {MOST_STOPS} stop strings, none of them empty")
    return stops


def _only(*allowed: Any):
    """A field of which only these values are done here."""

    def check(value):
        if value not in allowed:
            raise ValueError(f"this server does not do this: leave it out or give {json.dumps(allowed[0])}")
        return value

    return AfterValidator(check)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: Annotated[bool, _only(False)] = False


class JsonSchema(_Strict):
    name: str = "answer"
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(_Strict):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def schema_where_it_is_asked_for(self):
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError('"json_schema" belongs to the type "json_schema", and only to that')
        return self

    @property
    def schema_of_answer(self) -> dict[str, Any] | None:
        """The JSON schema that the answer has to follow; None for any text."""
        if self.json_schema is not None:
            return self.json_schema.schema_
        return {"type": "object"} if self.type == "json_object" else None


class Common(_Strict):
    """What both kinds of requests have."""

    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int = Field(1, ge=1, le=MOST_CHOICES)
    max_tokens: int | None = Field(None, ge=0)
    stop: Annotated[str | list[str] | None, AfterValidator(_no_empty_stop)] = Field(default_factory=list)
    seed: int | None = Field(None, ge=0, lt=2**63)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, allow_inf_nan=False)
    frequency_penalty: float = Field(0, ge=-2, le=2)
    presence_penalty: float = Field(0, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    ignore_eos: bool = False
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None

    @model_validator(mode="after")
    def options_of_a_stream_need_one(self):
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is given, but stream is false")
        return self

    @property
    def stops(self) -> list[str]:
        """The strings that end the text."""
        return list(self.stop or ())

    def sampling(self) -> dict[str, Any]:
        """The values that were given, as SamplingParams names them."""
        names = ("temperature", "top_p", "min_p", "repetition_penalty", "seed")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.top_k is not None:
            given["top_k"] = max(self.top_k, 0)  # -1 is vLLM's word for all
        return given


class ChatBody(Common):
    """The body of /v1/chat/completions."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=0)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    response_format: ResponseFormat = ResponseFormat()
    tools: list[dict[str, Any]] | None = None
    tool_choice: Annotated[str | dict | None, _only("auto", "none", None)] = None
    parallel_tool_calls: Annotated[bool | None, _only(True, None)] = None
    chat_template_kwargs: dict[str, Any] | None = None
    modalities: Annotated[list[str] | None, _only(["text"], None)] = None
    reasoning_effort: Annotated[str | None, _only(None)] = None

    @model_validator(mode="after")
    def fields_go_together(self):
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs is given, but logprobs is false")
        if None not in (self.max_tokens, self.max_completion_tokens):
            raise ValueError("give max_tokens or max_completion_tokens, not both")
        unknown = set(self.chat_template_kwargs or {}) - {"enable_thinking"}
        if unknown:
            raise ValueError(f"chat_template_kwargs: only enable_thinking is known, not {', '.join(sorted(unknown))}")
        return self

    @property
    def asked_tokens(self) -> int | None:
        """How many tokens the request asks for at most; None where it leaves that open."""
        return self.max_completion_tokens if self.max_tokens is None else self.max_tokens

    @property
    def most_tokens(self) -> int | None:
        """How many are written at most; None for as many as the context holds."""
        return self.asked_tokens

    @property
    def likeliest(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionBody(Common):
    """The body of /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    best_of: Annotated[int | None, _only(1, None)] = None
    suffix: Annotated[str | None, _only(None)] = None

    @property
    def asked_tokens(self) -> int | None:
        """As of ChatBody."""
        return self.max_tokens

    @property
    def most_tokens(self) -> int | None:
        """As of ChatBody; OpenAI's default is 16."""
        return 16 if self.max_tokens is None else self.max_tokens

    @property
    def likeliest(self) -> int | None:
        return self.logprobs


def read(kind: type[Common], raw: bytes) -> Any:
    """A body of that kind from the bytes of a request. Raises Refused, with the field's name."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused("the body is no JSON") from None
    if not isinstance(content, dict):
        raise Refused("the body must be a JSON object")
    try:
        return kind.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        param = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("list[", "function-"))) or None
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "this server does not know this field"
        raise Refused(f"{param}: {message}" if param else message, param=param) from None
