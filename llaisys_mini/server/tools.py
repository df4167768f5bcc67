"""Calls of tools in what a model writes, as Qwen's chat templates have them:

<tool_call>
{"name": "weather", "arguments": {"city": "Paris"}}
</tool_call>
"""

import json
import re
import uuid
from typing import Any

from llaisys_mini.server.stops import StopFilter

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)


def calls_in(text: str) -> tuple[str, list[dict[str, Any]]]:
    """(what is said before any call, the calls as OpenAI's API has them). What is no well-formed call stays text."""
    calls = []
    for content in _CALL.findall(text):
        try:
            call = json.loads(content)
            function = {
                "name": str(call["name"]),
                "arguments": json.dumps(call.get("arguments", {}), ensure_ascii=False),
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            return text, []
        calls.append({"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function})
    return (text.partition(OPEN)[0].rstrip() if calls else text), calls


class CallFilter:
    """Feed an answer as it arrives; get back what is said before any call. The calls come at the end, whole."""

    def __init__(self) -> None:
        self._filter = StopFilter([OPEN])
        self._text = ""
        self._given = 0

    def feed(self, text: str) -> str:
        """Take in text; returns what is certain to be no call."""
        self._text += text
        said = self._filter.feed(text)
        self._given += len(said)
        return said

    def finish(self) -> tuple[str, list[dict[str, Any]]]:
        """(the rest of what is said, the calls)."""
        _, calls = calls_in(self._text)
        return ("" if calls else self._text[self._given :]), calls
