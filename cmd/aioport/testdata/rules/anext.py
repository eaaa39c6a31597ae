import asyncio
from contextlib import aclosing
from typing import AsyncIterator

import httpx


async def numbers():
    yield 1


async def opened():
    return httpx.AsyncClient()


class Client:
    def __init__(self, it: AsyncIterator[int], client: "httpx.AsyncClient | None" = None):
        self.it = it
        self.http = client or httpx.AsyncClient()
        self.own = httpx.AsyncClient()
        self.pages = numbers()

    async def close(self, client: httpx.AsyncClient, it: AsyncIterator[int]):
        await self.own.aclose()  # no: anext
        await self.http.aclose()  # no: anext
        await client.aclose()  # no: anext
        await self.pages.aclose()  # want: anext
        await it.aclose()  # want: anext
        async with httpx.AsyncClient() as http:
            await http.aclose()  # no: anext
        made = await opened()
        await made.aclose()  # no: anext


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
