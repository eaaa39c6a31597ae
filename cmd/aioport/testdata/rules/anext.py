import asyncio
from contextlib import aclosing


async def positives(stream, gen):
    first = await anext(stream)  # want: anext
    second = await anext(stream, None)  # want: anext
    third = await stream.__anext__()  # want: anext
    await gen.aclose()  # want: anext
    await gen.asend("x")  # want: anext
    await gen.athrow(ValueError)  # want: anext
    await asyncio.wait_for(anext(stream), 1)  # want: anext


async def negatives(stream, items, resource):
    async for item in stream:  # no: anext
        print(item)
    first = next(items)  # no: anext
    resource.close()  # no: anext
    async with aclosing(stream) as s:  # no: anext
        pass
    items.send("x")  # no: anext
    both = [x async for x in stream]  # no: anext
