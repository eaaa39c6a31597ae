"""Operators over asynchronous iterators, as combinator libraries have them."""
import asyncio
from contextlib import aclosing


async def count(interval):
    n = 0
    while True:
        yield n
        n += 1
        await asyncio.sleep(interval)  # want: seconds


async def take(source, n):
    async with aclosing(source) as stream:
        if n == 0:
            return
        async for i, item in enumerate_async(stream):
            yield item
            if i + 1 == n:
                return  # want: early-exit


async def enumerate_async(source):
    i = 0
    async for item in source:
        yield i, item
        i += 1


async def merge(*sources):
    iterators = {aiter(s): None for s in sources}
    tasks = {asyncio.create_task(anext(it)): it for it in iterators}  # want: anext
    while tasks:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            it = tasks.pop(task)
            try:
                yield await task
            except StopAsyncIteration:
                continue
            tasks[asyncio.create_task(anext(it))] = it  # want: anext
    for it in iterators:  # want: order
        await it.aclose()  # want: anext


async def zip_async(a, b):
    while True:
        try:
            yield await asyncio.gather(anext(a), anext(b))  # want: anext, anext
        except StopAsyncIteration:
            return


async def timeout_each(source, seconds):
    it = aiter(source)
    while True:
        try:
            yield await asyncio.wait_for(it.__anext__(), seconds)  # want: anext, seconds
        except StopAsyncIteration:
            return


async def first_over(limit):
    async for n in count(0.25):
        if n > limit:
            return n  # want: early-exit
