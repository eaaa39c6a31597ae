import asyncio


async def leaf(event):
    await event.wait()


async def worker(event):
    await leaf(event)


async def main():
    event = asyncio.Event()
    async with asyncio.TaskGroup() as tg:
        tg.create_task(worker(event), name="a")
        tg.create_task(worker(event), name="b")
        await asyncio.sleep(0)
        print("ready", flush=True)


asyncio.run(main())
