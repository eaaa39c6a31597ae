import asyncio


async def query(lock):
    async with lock:
        await asyncio.sleep(3600)


async def handler(shared):
    await shared


async def main():
    lock = asyncio.Lock()
    shared = asyncio.create_task(query(lock), name="query")
    one = asyncio.create_task(handler(shared), name="handler-1")
    waiting = asyncio.create_task(query(lock), name="waiting")
    two = asyncio.create_task(handler(waiting), name="handler-2")
    await asyncio.sleep(0.05)
    print("ready", flush=True)
    await one


asyncio.run(main())
