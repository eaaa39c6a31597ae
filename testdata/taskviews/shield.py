import asyncio


async def leaf():
    await asyncio.sleep(3600)


async def user(kept):
    await asyncio.shield(kept)


async def main():
    kept = asyncio.create_task(leaf(), name="kept")
    asyncio.create_task(user(kept), name="user")
    asyncio.get_running_loop().call_later(0.05, lambda: print("ready", flush=True))
    await asyncio.shield(kept)


asyncio.run(main())
