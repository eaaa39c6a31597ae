import asyncio


async def leaf(event):
    await event.wait()


async def inner(event, name):
    async with asyncio.TaskGroup() as tg:
        tg.create_task(leaf(event), name=name + ".1")
        tg.create_task(leaf(event), name=name + ".2")


async def main():
    event = asyncio.Event()
    async with asyncio.TaskGroup() as tg:
        tg.create_task(inner(event, "left"), name="left")
        tg.create_task(inner(event, "right"), name="right")
        tg.create_task(leaf(event), name="leaf")
        await asyncio.sleep(0.05)
        print("ready", flush=True)


asyncio.run(main())
