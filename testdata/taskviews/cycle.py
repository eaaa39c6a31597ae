import asyncio


async def waiter(tasks, i):
    await tasks[i]


async def main():
    tasks = []
    for i, name in enumerate("abc"):
        tasks.append(asyncio.create_task(waiter(tasks, (i + 1) % 3), name=name))
    asyncio.create_task(waiter(tasks, 0), name="outside")
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await asyncio.sleep(3600)


asyncio.run(main())
