import asyncio


async def leaf():
    await asyncio.sleep(3600)


async def bounded(task):
    await asyncio.wait_for(task, 3600)


async def main():
    task = asyncio.create_task(leaf(), name="task")
    asyncio.create_task(bounded(task), name="bounded")
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await asyncio.wait_for(leaf(), 3600)


asyncio.run(main())
