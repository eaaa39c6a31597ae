import asyncio
from asyncio import gather


async def number() -> int:
    return 1


async def text() -> str:
    return "a"


async def log():
    print("x")


async def flush():
    pass


async def guess():
    return object()


async def positives(db, api):
    await asyncio.gather(number(), text())  # want: gather-mixed
    a, b = await gather(number(), log())  # want: gather-mixed
    await asyncio.gather(db.fetch(), api.get())  # want: gather-mixed
    await asyncio.gather(number(), number(), text())  # want: gather-mixed
    await asyncio.gather(guess(), number())  # want: gather-mixed
    await gather(log(), db.fetch(), return_exceptions=True)  # want: gather-mixed
    await asyncio.gather(asyncio.create_task(number()), asyncio.create_task(text()))  # want: gather-mixed
    await asyncio.gather(asyncio.wait_for(number(), 1), text())  # want: gather-mixed


async def negatives(db, first, second):
    await asyncio.gather(number(), number())  # no: gather-mixed
    await asyncio.gather(log(), flush())  # no: gather-mixed
    await gather(db.fetch(1), db.fetch(2))  # no: gather-mixed
    await asyncio.gather(first, second)  # no: gather-mixed
    await asyncio.gather(number())  # no: gather-mixed
    await asyncio.gather(asyncio.sleep(1), log())  # no: gather-mixed
    await asyncio.gather(asyncio.create_task(number()), asyncio.shield(number()))  # no: gather-mixed
    await asyncio.gather(asyncio.create_task(first), asyncio.create_task(second))  # no: gather-mixed
    await asyncio.gather(guess(), guess())  # no: gather-mixed
