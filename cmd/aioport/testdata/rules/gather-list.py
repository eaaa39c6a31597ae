import asyncio
from asyncio import gather


async def positives(tasks, urls, fetch):
    await asyncio.gather(*tasks)  # want: gather-list
    await gather(*tasks, return_exceptions=True)  # want: gather-list
    await asyncio.gather(*[fetch(u) for u in urls])  # want: gather-list
    await asyncio.gather(*(fetch(u) for u in urls))  # want: gather-list
    await asyncio.gather(tasks[0], *tasks[1:])  # want: gather-list


async def negatives(tasks, urls, fetch, pool):
    await asyncio.gather(fetch(1), fetch(2))  # no: gather-list
    await asyncio.wait(tasks)  # no: gather-list
    await pool.gather(*tasks)  # no: gather-list
    print(*tasks)  # no: gather-list
    for t in asyncio.as_completed(tasks):  # no: gather-list
        await t
    await gather(tasks[0], tasks[1])  # no: gather-list
