import asyncio
from contextlib import aclosing


async def lines(reader):
    while line := await reader.readline():
        yield line


class Source:
    async def items(self):
        yield 1

    async def first(self):
        async for item in self.items():
            return item  # want: early-exit


async def positives(reader):
    async for line in lines(reader):
        if not line.strip():
            break  # want: early-exit
    async for line in lines(reader):
        for c in line:
            if c == "q":
                return c  # want: early-exit
    stream = lines(reader)
    async for line in stream:
        break  # want: early-exit
    async for line in lines(reader):
        try:
            break  # want: early-exit
        finally:
            print("left")


async def negatives(reader, other):
    async for line in lines(reader):  # no: early-exit
        print(line)
    async for line in lines(reader):
        for c in line:
            break  # no: early-exit
    async with aclosing(lines(reader)) as stream:
        async for line in stream:
            break  # no: early-exit
    async for line in other.lines():
        break  # no: early-exit
    for line in reader:
        break  # no: early-exit
    async for line in lines(reader):
        def f():
            return 1  # no: early-exit
