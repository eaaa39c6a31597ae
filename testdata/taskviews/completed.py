import asyncio


async def leaf():
    await asyncio.sleep(3600)


async def collect(tasks):
    async for task in asyncio.as_completed(tasks):
        await task


async def main():
    tasks = [asyncio.create_task(leaf(), name="a"), asyncio.create_task(leaf(), name="b")]
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await collect(tasks)


asyncio.run(main())
