import asyncio


async def leaf():
    await asyncio.sleep(3600)


async def all_of(tasks):
    await asyncio.wait(tasks)


async def main():
    tasks = [asyncio.create_task(leaf(), name="a"), asyncio.create_task(leaf(), name="b")]
    asyncio.create_task(all_of(tasks), name="second")
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await all_of(tasks)


asyncio.run(main())
