import asyncio


async def leaf():
    await asyncio.sleep(3600)


async def user(target):
    await target


async def main():
    target = asyncio.create_task(leaf(), name="target")
    users = [asyncio.create_task(user(target), name=f"user-{i}") for i in range(3)]
    asyncio.create_task(user(target), name="alone")
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await asyncio.gather(*users, asyncio.gather(target))


asyncio.run(main())
