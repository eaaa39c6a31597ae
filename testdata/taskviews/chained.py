import asyncio


async def leaf():
    await asyncio.sleep(3600)


async def middle(name):
    await asyncio.gather(asyncio.create_task(leaf(), name=name + ".leaf"))


async def main():
    first = asyncio.create_task(middle("first"), name="first")
    second = asyncio.create_task(middle("second"), name="second")
    future = asyncio.get_running_loop().create_future()
    asyncio.create_task(future_user(future), name="future-user")
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await asyncio.gather(asyncio.gather(first, second), asyncio.shield(second))


async def future_user(future):
    await future


asyncio.run(main())
