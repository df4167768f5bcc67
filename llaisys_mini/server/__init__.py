"""The service: an HTTP server whose API is that of OpenAI, on the engine.

app.py           the routes, and what is refused before a request is read
body.py          the fields of a request: each is honoured, or refused by its name
service.py       from a request to the engine's texts, and back
completions.py   /v1/completions; chat.py: /v1/chat/completions
answers.py       what an answer looks like: whole, or as a stream of events
problems.py      what a client did that cannot be answered, as OpenAI's API says it
stops.py         stop strings, of which no part may be seen
grammar.py       answers that have to follow a JSON schema
tools.py         calls of tools in what a model writes
worker.py        the thread in which the engine computes
events.py        server-sent events to a client that may leave at any time
metrics.py       what Prometheus reads, under vLLM's names
pages/           the chat page, and the picture of the engine at work
"""
