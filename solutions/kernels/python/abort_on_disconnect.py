"""abort_on_disconnect: two tasks, of which the first that ends decides."""

import asyncio

from llaisys_mini import answer


@answer("abort_on_disconnect")
async def abort_on_disconnect(receive, send, events, abort):
    ### BEGIN SOLUTION
    async def write():
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def watch():
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return

    writing, watching = asyncio.create_task(write()), asyncio.create_task(watch())
    await asyncio.wait([writing, watching], return_when=asyncio.FIRST_COMPLETED)
    if not writing.done():
        abort()
    for task in (writing, watching):
        task.cancel()
    await asyncio.gather(writing, watching, return_exceptions=True)
    ### END SOLUTION
