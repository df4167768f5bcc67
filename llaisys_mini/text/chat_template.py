"""What a conversation looks like to a model (`<|im_start|>user ...`): a Jinja template that comes with the checkpoint.

It is a program from an untrusted source, so it runs in Jinja's sandbox and sees plain data only.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llaisys_mini.errors import TokenizerError


def render(template: str, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any], where: str) -> str:
    """The conversation as one text.

    variables: what the template sees in addition to the messages; where: the checkpoint, for error messages.
    Raises TokenizerError where a message is malformed or the template is invalid or fails.
    """
    variables = {"messages": _plain_messages(messages), "tools": None, "documents": None, **variables}
    try:
        return _compiled(template).render(variables)
    except jinja2.TemplateSyntaxError as problem:
        raise TokenizerError(
            f"The chat template of {where} is not valid Jinja: {problem.message}, line {problem.lineno}."
        ) from None
    except Exception as problem:  # the template is foreign code: anything may come out of it
        raise TokenizerError(f"The chat template of {where} failed on these messages: {problem}.") from None


@cache
def _compiled(template: str) -> jinja2.Template:
    return _environment().from_string(template)


class _GenerationBlock(jinja2.ext.Extension):
    """`{% generation %}...{% endgeneration %}`, with which some templates mark what to train on: here just its body."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """The dialect that chat templates are written in, as the transformers library defines it."""

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        # Jinja's own filter escapes for HTML, which a model has never seen.
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda layout: datetime.now().strftime(layout)
    return environment


def _plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A copy of the messages out of plain JSON values: nothing with methods worth attacking reaches the template."""
    for number, message in enumerate(messages, start=1):
        well_formed = isinstance(message, Mapping) and isinstance(message.get("role"), str)
        if not well_formed or not isinstance(message.get("content"), str):
            raise TokenizerError(f'Message {number} must look like {{"role": "user", "content": "some text"}}.')
    try:
        return json.loads(json.dumps([dict(message) for message in messages]))
    except (TypeError, ValueError) as problem:
        raise TokenizerError(f"A message holds something that is no plain data: {problem}.") from None
