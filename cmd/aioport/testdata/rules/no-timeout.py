import asyncio


async def positives(fut, timeout=None, *, limit=None):
    await asyncio.wait_for(fut, None)  # want: no-timeout
    await asyncio.wait_for(fut, timeout)  # want: no-timeout
    await asyncio.wait_for(fut, timeout=None)  # want: no-timeout
    async with asyncio.timeout(None):  # want: no-timeout
        pass
    async with asyncio.timeout(limit):  # want: no-timeout
        pass
    await asyncio.wait([fut], timeout=timeout)  # want: no-timeout


async def negatives(fut, socket, timeout=5):
    await asyncio.wait_for(fut, 5)  # no: no-timeout
    await asyncio.wait_for(fut, timeout)  # want: seconds
    await asyncio.wait([fut])  # no: no-timeout
    socket.settimeout(None)  # no: no-timeout
    async with asyncio.timeout(0):  # no: no-timeout
        pass
    fut.set_name(None)  # no: no-timeout
