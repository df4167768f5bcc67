"""sse_events: only the description changes."""

import json

from llaisys_mini import answer


@answer("sse_events")
def sse_events(common, deltas, ending):
    ### BEGIN SOLUTION
    def event(choices, **more):
        return f"data: {json.dumps({**common, 'choices': choices, **more})}\n\n".encode()

    def choice(delta, reason=None):
        return [{"index": 0, "delta": delta, "finish_reason": reason}]

    yield event(choice({"role": "assistant", "content": ""}))
    for piece in deltas:
        if piece:
            yield event(choice({"content": piece}))
    reason, usage = ending()
    yield event(choice({}, reason))
    if usage is not None:
        yield event([], usage=usage)
    yield b"data: [DONE]\n\n"
    ### END SOLUTION
