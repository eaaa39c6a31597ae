import asyncio


async def get(queue):
    return await queue.get()


async def both(queue):
    await asyncio.gather(
        asyncio.create_task(get(queue), name="first"),
        asyncio.create_task(get(queue), name="second"),
    )


async def announce():
    await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.sleep(3600)


async def main():
    queue = asyncio.Queue()
    other = asyncio.create_task(announce(), name="announcer")
    await both(queue)


asyncio.run(main())
