"""chat_request: one rule for each field."""

import json

from llaisys_mini import answer


@answer("chat_request")
def chat_request(body, model):
    ### BEGIN SOLUTION
    def refused(param, message, status=400):
        return status, {"error": {"message": message, "param": param}}

    def is_message(message):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            return False
        return message["role"] in ("system", "user", "assistant") and isinstance(message["content"], str)

    try:
        asked = json.loads(body)
    except ValueError:
        return refused(None, "the body is no JSON")
    if not isinstance(asked, dict):
        return refused(None, "the body is no object")

    name = asked.pop("model", None)
    if not isinstance(name, str):
        return refused("model", "the name of a model is missing")
    unknown = set(asked) - {"messages", "max_tokens", "temperature", "stream", "stop"}
    if unknown:
        return refused(min(unknown), "this field is not known here")
    if name != model:
        return refused("model", f"there is no model {name}", 404)

    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not all(map(is_message, messages)):
        return refused("messages", "a list of messages, each with a role and a text")
    most = asked.get("max_tokens")
    if most is not None and (type(most) is not int or most < 1):
        return refused("max_tokens", "a whole number from 1 on")
    temperature = asked.get("temperature")
    if temperature is None:
        temperature = 1.0
    if type(temperature) not in (int, float) or not 0 <= temperature <= 2:
        return refused("temperature", "a number from 0 to 2")
    stream = asked.get("stream", False)
    if type(stream) is not bool:
        return refused("stream", "true or false")
    stop = asked.get("stop") if asked.get("stop") is not None else []
    if isinstance(stop, str):
        stop = [stop]
    if not isinstance(stop, list) or len(stop) > 4 or not all(isinstance(text, str) and text for text in stop):
        return refused("stop", "up to four texts, none of them empty")
    content = dict(messages=messages, max_tokens=most, temperature=temperature, stream=stream, stop=stop)
    return 200, content
    ### END SOLUTION
