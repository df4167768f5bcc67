"""chat_request: the body of a request is read; every field is honoured or refused by its name."""

import json

from llaisys_mini.exercise import exercise


@exercise
def chat_request(body, model):
    """Read the body (text) of a request to /v1/chat/completions, for a server that serves one model of this name.

    Returns (status, content). Where all is well, 200 and a dict of all these fields:

        messages       list of at least one {"role": "system", "user" or "assistant", "content": text}
        max_tokens     whole number from 1 on; None if it is missing or null
        temperature    number from 0 to 2; 1.0 if it is missing or null
        stream         true or false; false if it is missing
        stop           list of at most 4 texts, none of them empty. One text stands for a list of it; [] if it is
                       missing or null

    Otherwise a status and {"error": {"message": what is wrong, "param": name of the field, or None}}:

        400   the body is no JSON object (param None); a field that is none of these or "model"; a field with a value
              that is not allowed, or without one that it needs. Not ignored: a client that asks for something is told
              that it does not get it
        404   "model" is another name than `model` (400 if it is missing or no text)

    true and false are no numbers.
    Source: OpenAI's API reference, chat completions.
    """

    def refuse(param, message, status=400):
        return status, {"error": {"message": message, "param": param}}

    try:
        asked = json.loads(body, parse_constant=lambda text: text)
    except ValueError:
        return refuse(None, "the body is no JSON")
    if not isinstance(asked, dict):
        return refuse(None, "the body is no JSON object")
    read = {"messages": None, "max_tokens": None, "temperature": 1.0, "stream": False, "stop": []}
    for name in asked:
        if name not in read and name != "model":
            return refuse(name, f"this server does not know {name}")
    if not isinstance(asked.get("model"), str):
        return refuse("model", "name the model")
    if asked["model"] != model:
        return refuse("model", f"there is no model {asked['model']} here", 404)
    for name, is_allowed in RULES.items():
        value = asked.get(name)
        may_be_null = name in ("max_tokens", "temperature", "stop") or (name == "stream" and name not in asked)
        if value is None and may_be_null:
            continue
        if not is_allowed(value):
            return refuse(name, f"{name} may not be {value!r}")
        read[name] = [value] if name == "stop" and isinstance(value, str) else value
    return 200, read


def _are_messages(value):
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(m, dict) and set(m) == {"role", "content"} for m in value)
        and all(m["role"] in ("system", "user", "assistant") and isinstance(m["content"], str) for m in value)
    )


def _are_stops(value):
    texts = [value] if isinstance(value, str) else value
    return isinstance(texts, list) and len(texts) <= 4 and all(isinstance(text, str) and text for text in texts)


RULES = {
    "messages": _are_messages,
    "max_tokens": lambda value: type(value) is int and value >= 1,
    "temperature": lambda value: type(value) in (int, float) and 0 <= value <= 2,
    "stream": lambda value: type(value) is bool,
    "stop": _are_stops,
}


@chat_request.use
def use(answer, bodies):
    """Of an error its status and the field are compared; the message is the learner's, but there has to be one."""
    told = {}
    for body in bodies:
        status, content = answer(body, "mini")
        if status != 200:
            error = content["error"]
            content = {
                "param": error["param"],
                "has a message": isinstance(error["message"], str) and error["message"] > "",
            }
        told[body] = {"status": status, "content": content}
    return told


@chat_request.cases
def cases(rng):
    hello = [{"role": "user", "content": "Hello"}]

    def bodies(*changes, without=()):
        made = []
        for change in changes:
            body = {"model": "mini", "messages": hello} | change
            made.append(json.dumps({name: value for name, value in body.items() if name not in without}))
        return dict(bodies=made)

    yield "the least", bodies({})
    yield "all fields", bodies({"max_tokens": 5, "temperature": 0.5, "stream": True, "stop": ["a", "b"]})
    yield (
        "a conversation",
        bodies({"messages": [{"role": r, "content": r[0]} for r in ("system", "user", "assistant", "user")]}),
    )
    yield "null stands for nothing", bodies({"max_tokens": None}, {"temperature": None}, {"stop": None})
    yield "one stop string", bodies({"stop": "END"}, {"stop": []})
    yield "the ends of what is allowed", bodies({"temperature": 0}, {"temperature": 2}, {"max_tokens": 1})
    yield "no JSON", dict(bodies=["", "{", "hello", '{"model": "mini"'])
    yield "JSON, but no object", dict(bodies=["[]", "1", '"mini"', "null"])
    yield "no model", bodies({}, without=("model",))
    yield "a model that is no text", bodies({"model": 7}, {"model": None})
    yield "another model", bodies({"model": "gpt-4"}, {"model": ""})
    yield "no messages", bodies({}, without=("messages",))
    yield "messages that are none", bodies({"messages": []}, {"messages": "Hello"}, {"messages": ["Hello"]})
    yield (
        "roles that nobody has",
        bodies({"messages": [{"role": "king", "content": "a"}]}, {"messages": [{"content": "a"}]}),
    )
    yield "content that is no text", bodies(*({"messages": [{"role": "user", "content": c}]} for c in (None, 3, ["a"])))
    yield "max_tokens out of range", bodies({"max_tokens": 0}, {"max_tokens": -1})
    yield "max_tokens that is no whole number", bodies({"max_tokens": 2.5}, {"max_tokens": "5"}, {"max_tokens": True})
    yield "temperature out of range", bodies({"temperature": -0.1}, {"temperature": 2.5}, {"temperature": float("nan")})
    yield "temperature that is no number", bodies({"temperature": "1"}, {"temperature": True})
    yield "stream that is neither", bodies({"stream": 1}, {"stream": "yes"}, {"stream": None})
    yield "stop strings that are none", bodies({"stop": ""}, {"stop": ["a", ""]}, {"stop": [1]}, {"stop": 1})
    yield "too many stop strings", bodies({"stop": list("abcde")}, {"stop": list("abcd")})
    names = ("top_k", "tools", "temprature", "Stream", "n", "logprobs")
    yield "a field that is not known", bodies(*({names[int(i)]: 1} for i in rng.permutation(len(names))[:3]))


def accepting(field, allow):
    """A wrong version that has another rule for a field. allow(value): whether it is accepted."""

    def mistaken(body, model):
        status, content = chat_request.reference(body, model)
        if status != 400 or content["error"]["param"] != field:
            return status, content
        asked = json.loads(body, parse_constant=float)
        if field not in asked or not allow(asked[field]):
            return status, content
        value = asked.pop(field)
        status, content = chat_request.reference(json.dumps(asked), model)
        return (status, content | {field: value}) if status == 200 else (status, content)

    return mistaken


@chat_request.mistake("max_tokens 0 or less is let through")
def any_count(body, model):
    return accepting("max_tokens", lambda value: type(value) is int)(body, model)


@chat_request.mistake("a field that is not known is ignored: the client believes that it has an effect")
def ignored(body, model):
    status, content = chat_request.reference(body, model)
    while status == 400 and content["error"]["param"] not in (None, "model", *RULES):
        asked = json.loads(body)
        del asked[content["error"]["param"]]
        body = json.dumps(asked)
        status, content = chat_request.reference(body, model)
    return status, content


@chat_request.mistake("true is taken for a number: to Python it is the whole number 1")
def true_is_one(body, model):
    status, content = accepting("max_tokens", lambda value: value is True)(body, model)
    return (status, content) if status == 200 else accepting("temperature", lambda value: value is True)(body, model)


@chat_request.mistake("a temperature outside 0 to 2 is let through")
def any_temperature(body, model):
    return accepting("temperature", lambda value: type(value) in (int, float))(body, model)


@chat_request.mistake("an empty stop string is let through: it is found in front of every text")
def empty_stop(body, model):
    def allow(value):
        return value == "" or (isinstance(value, list) and all(isinstance(v, str) for v in value) and len(value) <= 4)

    return accepting("stop", allow)(body, model)


@chat_request.mistake("one stop string is taken for a list of its letters")
def stop_letters(body, model):
    status, content = chat_request.reference(body, model)
    if status == 200 and isinstance(json.loads(body).get("stop"), str):
        content = content | {"stop": list(json.loads(body)["stop"])}
    return status, content


@chat_request.mistake("any name of a model is answered by the one that is there")
def any_model(body, model):
    status, content = chat_request.reference(body, model)
    if status == 404:
        return chat_request.reference(json.dumps(json.loads(body) | {"model": model}), model)
    return status, content


@chat_request.mistake(
    "another model is answered with 400; OpenAI's clients expect 404, as for any name that is not there"
)
def wrong_status(body, model):
    status, content = chat_request.reference(body, model)
    return 400 if status == 404 else status, content


@chat_request.mistake("the error does not name the field that is wrong")
def no_param(body, model):
    status, content = chat_request.reference(body, model)
    return status, content if status == 200 else {"error": content["error"] | {"param": None}}


@chat_request.mistake("fields that are missing are left out, and have no value")
def no_defaults(body, model):
    status, content = chat_request.reference(body, model)
    return status, content if status != 200 else {n: v for n, v in content.items() if n in json.loads(body)}
